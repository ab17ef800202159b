/* SPDX-License-Identifier: Apache-2.0 */
/* dv_resolve: takes one side of what is in conflict, of each record what the targets name. */
#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/conflict.h"
#include "repo/resolve_impl.h"
#include "repo/workdir.h"

typedef struct settling {
	dv_resolving x;
	const dv_resolve_options *o;
	unsigned side;		/* 0 ours, 1 theirs */
	bool *used;		/* which targets concerned something */
	dv_conflict_cb cb;
	void *payload;
	dv_resolve_summary *sum;
} settling;

static void settling_release(settling *s)
{
	dv_resolving_release(&s->x);
	free(s->used);
}

static void use(settling *s, size_t at)
{
	if (at && s->x.targets.n)
		s->used[at - 1] = true;
}

static bool stages(const settling *s, const dv_conflicted *c)
{
	/* Git must be told, or it goes on saying that there is a conflict. */
	return s->x.repo->has_git && (c->staged || dv_repo_autostage(s->x.repo, false)) &&
	       !s->o->no_stage;
}

static int write_record(settling *s, const dv_conflicted *c, const dv_buf *text, bool settled)
{
	dv_autofree char *abs = dv_repo_abs(s->x.repo, c->path);
	const char *const path = c->path;
	int rc = abs ? dv_scratch_write(&s->x.repo->scratch, abs, dv_buf_str(text), text->n,
					DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE) : dv_err_nomem();

	if (rc == 0 && settled && stages(s, c))
		rc = dv_git_stage(s->x.git, &path, 1, NULL, 0);
	if (rc)
		return rc;
	s->sum->settled += settled;
	s->sum->left += !settled;
	return settled ? 0 : dv_resolving_tell(&s->x, c, s->cb, s->payload, NULL);
}

static int remove_record(settling *s, const dv_conflicted *c)
{
	dv_autoclose int root = dv_fs_openat(AT_FDCWD, s->x.repo->root, O_RDONLY | O_DIRECTORY, 0);
	const char *const path = c->path;
	int rc = root < 0 ? dv_err_sys("cannot open the workspace '%s'", s->x.repo->root)
			  : dv_workdir_unlink(&s->x.repo->scratch, root, c->path, NULL);

	if (rc == 0 && stages(s, c))
		rc = dv_git_stage(s->x.git, NULL, 0, &path, 1);
	s->sum->settled += rc == 0;
	return rc;
}

/* One side deleted it, or git's filter keeps it: it is the one version or the other. */
static int settle_version(settling *s, const dv_conflicted *c)
{
	unsigned version = 1 + s->side;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc;

	if (!c->id[version][0])
		return remove_record(s, c);
	if (c->kind != DV_RECORD_FILTERED) {
		rc = dv_resolving_version(&s->x, c, version, &text);
		return rc ? rc : write_record(s, c, &text, true);
	}
	rc = dv_resolve_filtered(&s->x, c, version, s->o->force);
	if (rc == 0 && stages(s, c))
		rc = dv_git_settle(s->x.git, c->path, c->id[version], c->mode[version]);
	s->sum->settled += rc == 0;
	return rc;
}

static int not_in_conflict(int rc, const char *path)
{
	if (rc != DV_ENOTFOUND)
		return rc;
	return dv_err_hint(dv_err(rc, "'%s' is not in conflict", path),
			   "'dv resolve' lists what is");
}

static int settle_inner(settling *s, dv_mergework *w, dv_pointer_pair *p, const char *inner,
			const char *target)
{
	dv_tree_entry e[2] = { dv_pointer_entry(&p->p[0]), dv_pointer_entry(&p->p[1]) };
	int rc = w->repo ? 0 : dv_mergework_open(w, s->x.repo, p->p[0].remote);

	if (rc == 0)
		rc = not_in_conflict(dv_tree_settle(&w->tree, e, inner, s->side), target);
	if (rc == 0)
		rc = dv_mergework_commit(w);
	for (unsigned i = 0; rc == 0 && i < 2; i++)
		dv_pointer_set_entry(&p->p[i], &e[i]);
	return rc;
}

static int settle_pointer(settling *s, const dv_conflicted *c)
{
	__attribute__((cleanup(dv_mergework_release))) dv_mergework w = DV_MERGEWORK_INIT;
	__attribute__((cleanup(dv_pointer_pair_release))) dv_pointer_pair p = { 0 };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	const char *inner;
	bool same = false;
	size_t at = 0;
	int rc = dv_resolving_pair(&s->x, c, &w, &p);

	while (rc == 0 && dv_resolving_wants(&s->x, c, &at, &inner)) {
		dv_pointer *from = &p.p[s->side], *to = &p.p[!s->side];
		const char *target = s->x.targets.n ? s->x.targets.path[at - 1] : c->path;

		use(s, at);
		if (*inner) {
			rc = settle_inner(s, &w, &p, inner, target);
			continue;
		}
		dv_pointer_release(to);
		rc = dv_pointer_copy(to, from);
	}
	if (rc == 0)
		rc = dv_pointer_pair_print(&text, &p, 0, &same);
	return rc ? rc : write_record(s, c, &text, same);
}

/* -- lock files -------------------------------------------------------------------------------- */

/* Is the stage named, by itself or by what it makes? */
static bool wants_stage(void *payload, const char *stage, const char *const *outs, size_t nouts)
{
	settling *s = payload;
	bool any = false;

	for (size_t i = 0; i < s->x.targets.n; i++) {
		const char *t = s->x.targets.path[i], *colon = strrchr(t, ':');
		bool yes = strcmp(colon ? colon + 1 : t, stage) == 0;

		for (size_t k = 0; k < nouts && !yes; k++)
			yes = dv_path_below(outs[k], t, NULL);
		s->used[i] = s->used[i] || yes;
		any = any || yes;
	}
	return any;
}

static int settle_lock(settling *s, const dv_conflicted *c)
{
	dv_autofree char *dir = dv_path_dir(c->path);
	dv_auto(dv_buf) text = DV_BUF_INIT, side = DV_BUF_INIT, out = DV_BUF_INIT;
	bool merged = false, whole;
	uint64_t taken, left;
	const char *inner;
	size_t at = 0;
	int rc = dir ? dv_resolving_text(&s->x, c, &text) : DV_ERROR;

	if (rc == 0)
		rc = dv_conflict_take(&side, dv_buf_str(&text), text.n, 0, &merged);
	if (c->staged && rc != DV_ECANCELLED && (rc || !merged)) {
		dv_buf_clear(&text);
		rc = dv_resolving_lock(&s->x, c, NULL, NULL, &text);
	}
	if (rc)
		return rc;
	whole = dv_resolving_wants(&s->x, c, &at, &inner);
	if (whole)
		use(s, at);
	rc = dv_lock_settle(&out, dv_buf_str(&text), text.n, strcmp(dir, ".") != 0 ? dir : "",
			    c->path, s->side, whole ? NULL : wants_stage, s, &taken, &left);
	if (rc || (!whole && !taken))
		return rc;
	return write_record(s, c, &out, left == 0);
}

/* -- all --------------------------------------------------------------------------------------- */

static int settle_record(settling *s, const dv_conflicted *c)
{
	const char *inner;
	size_t at = 0;

	if (c->kind == DV_RECORD_LOCK && !dv_conflicted_is_whole(c))
		return settle_lock(s, c);
	if (!dv_resolving_wants(&s->x, c, &at, &inner))
		return 0;
	if (c->kind == DV_RECORD_POINTER && !dv_conflicted_is_whole(c))
		return settle_pointer(s, c);
	do {
		use(s, at);
	} while (dv_resolving_wants(&s->x, c, &at, &inner));
	return settle_version(s, c);
}

int dv_resolve(dv_repo *r, const char *const *targets, size_t n, const dv_resolve_options *o,
	       dv_conflict_cb cb, void *payload, dv_resolve_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(settling_release))) settling s = {
		.x = DV_RESOLVING_INIT, .o = o, .side = o->theirs, .cb = cb, .payload = payload,
		.sum = out,
	};
	int rc;

	memset(out, 0, sizeof(*out));
	if (!n)
		return dv_err_hint(dv_err(DV_EUSAGE, "nothing is named"),
				   "name what is to be settled, '.' for all of it");
	if ((rc = dv_repo_lock(r, &s.x.lock)) ||
	    (rc = dv_resolving_open(&s.x, r, targets, n)))
		return rc;
	if (!(s.used = dv_calloc(s.x.targets.n + 1, sizeof(*s.used))))
		return DV_ERROR;
	for (size_t i = 0; rc == 0 && i < s.x.n; i++)
		rc = settle_record(&s, &s.x.c[i]);
	for (size_t i = 0; rc == 0 && i < s.x.targets.n; i++)
		if (!s.used[i])
			rc = not_in_conflict(DV_ENOTFOUND, *s.x.targets.path[i] ?
						     s.x.targets.path[i] : ".");
	return rc;
}
