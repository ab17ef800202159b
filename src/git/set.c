/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of commits: tips, histories and ranges. A range is walked from its upper ends by date, with
 * what is to be left out alongside, and the walk ends where that is older than all that was found;
 * where dates lie, a commit too many may come, and none is missed.
 */
#include <string.h>

#include "base/alloc.h"
#include "git/impl.h"

/* -- what is named ----------------------------------------------------------------------------- */

void dv_git_set_release(dv_git_set *s)
{
	dv_map_release(&s->seen);
}

static dv_oid key_of(const git_oid *id)
{
	dv_oid key = { { 0 } };

	memcpy(key.b, id->id, GIT_OID_RAWSZ);
	return key;
}

int dv_git_set_add(dv_git_set *s, git_commit *c)
{
	const dv_oid key = key_of(git_commit_id(c));
	bool fresh;
	int rc = dv_map_add(&s->seen, &key, 1, &fresh);

	return rc || !fresh ? rc : s->fn(c, s->payload);
}

/* Takes a commit that was named. */
typedef int (*take_fn)(void *ctx, git_commit *c);

/* The commit that a reference stands for; nothing when it stands for something else. */
static int take_ref(git_reference *ref, take_fn take, void *ctx)
{
	git_object *c = NULL;

	if (git_reference_peel(&c, ref, GIT_OBJECT_COMMIT)) {
		git_error_clear();
		return 0;
	}
	int rc = take(ctx, (git_commit *)c);
	git_object_free(c);
	return rc;
}

static int take_glob(dv_git *g, const char *glob, take_fn take, void *ctx, bool *any)
{
	dv_autoptr(git_reference_iterator) it = NULL;
	git_reference *ref = NULL;
	int rc = 0, gc = git_reference_iterator_glob_new(&it, g->repo, glob);

	while (!gc && !rc && !(gc = git_reference_next(&ref, it))) {
		if (any)
			*any = true;
		rc = take_ref(ref, take, ctx);
		git_reference_free(ref);
	}
	if (!rc && gc && gc != GIT_ITEROVER)
		rc = dv_git_fail(gc, "cannot list git's references");
	return rc;
}

static int take_head(git_repository *repo, take_fn take, void *ctx)
{
	dv_autoptr(git_reference) head = NULL;

	if (git_repository_head(&head, repo)) {
		git_error_clear();
		return 0;
	}
	return take_ref(head, take, ctx);
}

static int take_to_set(void *ctx, git_commit *c)
{
	return dv_git_set_add(ctx, c);
}

int dv_git_set_add_head(dv_git_set *s, git_repository *repo)
{
	return take_head(repo, take_to_set, s);
}

static bool is_pattern(const char *rev)
{
	return strpbrk(rev, "*?[") && !strpbrk(rev, "{:");
}

/* A revision, or what a pattern matches. `must`: something has to. */
static int take_named(dv_git *g, const char *rev, bool must, take_fn take, void *ctx)
{
	static const char *const folders[] = { "heads", "tags", "remotes" };
	dv_autoptr(git_commit) c = NULL;
	bool any = false;
	int rc = 0;

	if (!is_pattern(rev)) {
		rc = dv_git_lookup(g, rev, &c);
		return rc ? rc : take(ctx, c);
	}
	if (!strncmp(rev, "refs/", 5))
		rc = take_glob(g, rev, take, ctx, &any);
	for (size_t i = 0; !rc && i < 3 && strncmp(rev, "refs/", 5) != 0; i++) {
		dv_auto(dv_buf) glob = DV_BUF_INIT;

		rc = dv_buf_addf(&glob, "refs/%s/%s", folders[i], rev);
		if (!rc)
			rc = take_glob(g, dv_buf_str(&glob), take, ctx, &any);
	}
	if (rc || any || !must)
		return rc;
	return dv_err_hint(dv_err(DV_ENOTFOUND, "no branch or tag matches '%s'", rev),
			   "see 'git branch -a' and 'git tag' for what there is");
}

/* -- histories --------------------------------------------------------------------------------- */

#define WANTED 1
#define LEFT_OUT 2

struct step {
	git_oid id;
	git_time_t time;
	uint64_t mark;
};

/* A walk over parents, the newest commit first. What is left out is followed as far back as what
 * was found goes, for it may still lead there. */
struct history {
	dv_git_set *set;
	uint64_t mark;		/* of what is taken now */
	dv_map marks;
	struct step *heap;
	size_t n, cap;
	size_t wanted;		/* steps of that mark in the heap */
	git_oid *found;
	size_t nfound, found_cap;
	git_time_t oldest;	/* of what was found */
	bool shallow;
};

static void history_release(struct history *h)
{
	dv_map_release(&h->marks);
	free(h->heap);
	free(h->found);
}

static int history_take(void *ctx, git_commit *c)
{
	struct history *h = ctx;
	const dv_oid key = key_of(git_commit_id(c));
	uint64_t mark = 0;
	int rc;

	if (dv_map_get(&h->marks, &key, &mark) && mark >= h->mark)
		return 0;
	if ((rc = dv_map_put(&h->marks, &key, h->mark)) ||
	    (rc = dv_grow(&h->heap, &h->cap, h->n + 1, sizeof(*h->heap))))
		return rc;
	struct step s = { *git_commit_id(c), git_commit_time(c), h->mark };
	size_t at = h->n++;
	for (; at && h->heap[(at - 1) / 2].time < s.time; at = (at - 1) / 2)
		h->heap[at] = h->heap[(at - 1) / 2];
	h->heap[at] = s;
	h->wanted += s.mark == WANTED;
	return 0;
}

static struct step history_pop(struct history *h)
{
	struct step top = h->heap[0], last = h->heap[--h->n];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < h->n) {
		if (child + 1 < h->n && h->heap[child + 1].time > h->heap[child].time)
			child++;
		if (h->heap[child].time <= last.time)
			break;
		h->heap[at] = h->heap[child];
		at = child;
	}
	h->heap[at] = last;
	h->wanted -= top.mark == WANTED;
	return top;
}

static int history_parents(struct history *h, git_commit *c)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < git_commit_parentcount(c); i++) {
		dv_autoptr(git_commit) parent = NULL;
		int gc = git_commit_parent(&parent, c, i);

		/* A shallow clone ends somewhere. */
		if (gc == GIT_ENOTFOUND && h->shallow)
			continue;
		rc = gc ? dv_git_fail(gc, "cannot read git's history") : history_take(h, parent);
	}
	return rc;
}

static int history_step(struct history *h, struct step s)
{
	dv_autoptr(git_commit) c = NULL;
	const dv_oid key = key_of(&s.id);
	uint64_t mark = s.mark;
	int rc = dv_check_cancel();

	/* Left out since: then it stands in the heap again. */
	dv_map_get(&h->marks, &key, &mark);
	if (rc || mark != s.mark)
		return rc;
	int gc = git_commit_lookup(&c, h->set->g->repo, &s.id);
	if (gc)
		return dv_git_fail(gc, "cannot read git's history");
	if (mark == WANTED) {
		rc = dv_grow(&h->found, &h->found_cap, h->nfound + 1, sizeof(*h->found));
		if (rc)
			return rc;
		if (!h->nfound || s.time < h->oldest)
			h->oldest = s.time;
		h->found[h->nfound++] = s.id;
	}
	h->mark = mark;
	return history_parents(h, c);
}

/* Tells what was taken with WANTED and all before it, without LEFT_OUT and all before that. */
static int history_run(struct history *h)
{
	int rc = 0;

	while (!rc && (h->wanted || (h->n && h->nfound && h->heap[0].time >= h->oldest)))
		rc = history_step(h, history_pop(h));
	for (size_t i = 0; !rc && i < h->nfound; i++) {
		dv_autoptr(git_commit) c = NULL;
		const dv_oid key = key_of(&h->found[i]);
		uint64_t mark = WANTED;

		dv_map_get(&h->marks, &key, &mark);
		if (mark != WANTED)
			continue;
		int gc = git_commit_lookup(&c, h->set->g->repo, &h->found[i]);
		rc = gc ? dv_git_fail(gc, "cannot read git's history") : dv_git_set_add(h->set, c);
	}
	return rc;
}

/* -- scopes ------------------------------------------------------------------------------------ */

struct scope {
	const dv_git_scope *o;
	dv_git_set set;
	bool leaves_out;	/* there is a "^A", or histories are meant without one */
};

/* Where ".." stands in a revision that is a range, else NULL. */
static const char *range_dots(dv_git *g, const char *rev)
{
	const char *dots = strstr(rev, "..");
	git_object *any = NULL;

	if (!dots || rev[0] == '^')
		return NULL;
	/* The text of a message that is looked for, and the like. */
	if (strpbrk(rev, "{:") && !git_revparse_single(&any, g->repo, rev))
		dots = NULL;
	git_object_free(any);
	git_error_clear();
	return dots;
}

static void history_init(struct history *h, struct scope *s)
{
	*h = (struct history){
		.set = &s->set,
		.shallow = git_repository_is_shallow(s->set.g->repo) == 1,
	};
}

static int leave_out(struct history *h, const struct scope *s)
{
	int rc = 0;

	h->mark = LEFT_OUT;
	for (size_t i = 0; !rc && i < s->o->nrevs; i++)
		if (s->o->revs[i][0] == '^')
			rc = take_named(s->set.g, s->o->revs[i] + 1, false, history_take, h);
	return rc;
}

/* What both ends of "A...B" have in common. */
static int leave_out_bases(struct history *h, const char *a, const char *b)
{
	dv_git *g = h->set->g;
	dv_autoptr(git_commit) ca = NULL;
	dv_autoptr(git_commit) cb = NULL;
	git_oidarray bases = { 0 };
	int rc = dv_git_lookup(g, a, &ca);

	if (!rc)
		rc = dv_git_lookup(g, b, &cb);
	int gc = rc ? 0 : git_merge_bases(&bases, g->repo, git_commit_id(ca), git_commit_id(cb));
	if (gc && gc != GIT_ENOTFOUND)
		rc = dv_git_fail(gc, "cannot find what '%s' and '%s' have in common", a, b);
	h->mark = LEFT_OUT;
	for (size_t i = 0; !rc && !gc && i < bases.count; i++) {
		dv_autoptr(git_commit) base = NULL;

		rc = git_commit_lookup(&base, g->repo, &bases.ids[i]) ?
			     dv_git_fail(-1, "cannot read git's history") : history_take(h, base);
	}
	git_oidarray_dispose(&bases);
	git_error_clear();
	return rc;
}

static int add_range(struct scope *s, const char *rev, const char *dots)
{
	dv_git *g = s->set.g;
	bool three = dots[2] == '.';
	dv_autofree char *from = dots > rev ? dv_strndup(rev, (size_t)(dots - rev))
					    : dv_strdup("HEAD");
	const char *to = dots[2 + three] ? dots + 2 + three : "HEAD";
	__attribute__((cleanup(history_release))) struct history h = { 0 };
	int rc = from ? 0 : DV_ERROR;

	if (!strcmp(rev, "..") || !strcmp(rev, "..."))
		return dv_err(DV_EUSAGE, "the range '%s' names no revision", rev);
	history_init(&h, s);
	h.mark = WANTED;
	if (!rc)
		rc = take_named(g, to, true, history_take, &h);
	if (!rc && three)
		rc = take_named(g, from, true, history_take, &h);
	if (!rc && three)
		rc = leave_out_bases(&h, from, to);
	h.mark = LEFT_OUT;
	if (!rc && !three)
		rc = take_named(g, from, true, history_take, &h);
	if (!rc)
		rc = leave_out(&h, s);
	return rc ? rc : history_run(&h);
}

/* A revision and, with last_n, its n-1 first parents. */
static int add_rev(struct scope *s, const char *rev, int last_n)
{
	bool shallow = git_repository_is_shallow(s->set.g->repo) == 1;
	dv_autoptr(git_commit) c = NULL;

	if (is_pattern(rev) && last_n < 2)
		return take_named(s->set.g, rev, true, take_to_set, &s->set);
	int rc = dv_git_lookup(s->set.g, rev, &c);
	if (!rc)
		rc = dv_git_set_add(&s->set, c);
	for (int i = 1; !rc && i < last_n && git_commit_parentcount(c); i++) {
		git_commit *parent = NULL;
		int gc = git_commit_parent(&parent, c, 0);

		if (gc == GIT_ENOTFOUND && shallow)
			break;
		if (gc)
			return dv_git_fail(gc, "cannot read git's history");
		git_commit_free(c);
		c = parent;
		rc = dv_git_set_add(&s->set, c);
	}
	return rc;
}

/* References and single revisions of the scope. */
static int take_tips(const struct scope *s, take_fn take, void *ctx)
{
	const dv_git_scope *o = s->o;
	dv_git *g = s->set.g;
	int rc = 0;

	if (o->branches)
		rc = take_glob(g, "refs/heads/*", take, ctx, NULL);
	if (!rc && o->branches)
		rc = take_glob(g, "refs/remotes/*", take, ctx, NULL);
	if (!rc && o->tags)
		rc = take_glob(g, "refs/tags/*", take, ctx, NULL);
	return rc;
}

static int take_all(const struct scope *s, take_fn take, void *ctx)
{
	int rc = take_head(s->set.g->repo, take, ctx);

	return rc ? rc : take_glob(s->set.g, "refs/*", take, ctx, NULL);
}

/* With "^A": whole histories. */
static int add_histories(struct scope *s)
{
	__attribute__((cleanup(history_release))) struct history h = { 0 };
	const dv_git_scope *o = s->o;
	int rc;

	history_init(&h, s);
	h.mark = WANTED;
	rc = o->all_commits ? take_all(s, history_take, &h) : 0;
	if (!rc)
		rc = take_tips(s, history_take, &h);
	for (size_t i = 0; !rc && i < o->nrevs; i++)
		if (o->revs[i][0] != '^' && !range_dots(s->set.g, o->revs[i]))
			rc = take_named(s->set.g, o->revs[i], true, history_take, &h);
	if (!rc)
		rc = leave_out(&h, s);
	return rc ? rc : history_run(&h);
}

static int add_tips(struct scope *s)
{
	__attribute__((cleanup(history_release))) struct history h = { 0 };
	const dv_git_scope *o = s->o;
	int rc = 0;

	history_init(&h, s);
	h.mark = WANTED;
	if (o->all_commits && !(rc = take_all(s, history_take, &h)))
		rc = history_run(&h);
	if (!rc)
		rc = take_tips(s, take_to_set, &s->set);
	for (size_t i = 0; !rc && i < o->nrevs; i++)
		if (!range_dots(s->set.g, o->revs[i]))
			rc = add_rev(s, o->revs[i], o->last_n);
	if (!rc && o->last_n > 0 && !o->nrevs && git_repository_head_unborn(s->set.g->repo) != 1)
		rc = add_rev(s, "HEAD", o->last_n);
	return rc;
}

static int check_scope(struct scope *s)
{
	const dv_git_scope *o = s->o;
	bool any = o->branches || o->tags || o->all_commits;
	const char *out = NULL;

	for (size_t i = 0; i < o->nrevs; i++) {
		if (o->revs[i][0] == '^')
			out = o->revs[i];
		else
			any = true;
	}
	s->leaves_out = out != NULL || o->whole;
	if (out && !any)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' tells what to leave out, and nothing "
					  "tells what to take", out),
				   "name a revision as well, as 'HEAD'");
	if (out && o->last_n > 0)
		return dv_err(DV_EUSAGE, "'%s' and a number of commits exclude each other", out);
	return 0;
}

int dv_git_each_commit(dv_git *g, const dv_git_scope *o, dv_git_each_fn fn, void *payload)
{
	struct scope s = { .o = o, .set = { .g = g, .fn = fn, .payload = payload } };
	int rc = check_scope(&s);

	if (!rc)
		rc = s.leaves_out ? add_histories(&s) : add_tips(&s);
	for (size_t i = 0; !rc && i < o->nrevs; i++) {
		const char *dots = range_dots(g, o->revs[i]);

		if (dots)
			rc = add_range(&s, o->revs[i], dots);
	}
	dv_git_set_release(&s.set);
	return rc;
}
