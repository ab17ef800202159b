/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_push, dv_fetch, dv_pull: from targets and revisions to the objects that are wanted, and these
 * to the remote of each output. The moving itself is the transfer layer's.
 */
#include "repo/sync.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/changes.h"
#include "repo/filtered.h"
#include "repo/graft.h"
#include "repo/import.h"
#include "repo/landed.h"
#include "repo/runlist.h"
#include "repo/targets.h"

#define FEW_TRIES 2	/* somebody waits, and perhaps without a network */

/* -- what is wanted ---------------------------------------------------------------------------- */

typedef struct history {
	dv_output_list *l;
	dv_map seen;
} history;

static int on_record(const char *where, const char *path, const char *text, size_t n,
		     void *payload)
{
	history *h = payload;
	int rc = dv_output_list_read(h->l, path, text, n, &h->seen);

	if (rc == DV_ECORRUPT || rc == DV_EUNSAFE) {
		dv_warn("in revision %.10s: %s", where, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	return rc < 0 ? dv_err_ctx(rc, "in revision %.10s", where) : 0;
}

int dv_sync_outputs_in(dv_repo *r, const dv_git_scope *scope, dv_output_list *out)
{
	history h = { .l = out };
	dv_git *g = NULL;
	int rc = dv_repo_git(r, &g);

	if (rc == 0)
		rc = dv_git_pointers_in(g, scope, on_record, &h);
	dv_map_release(&h.seen);
	return rc;
}

/* One thing to move, and where. */
typedef struct item {
	const dv_output *o;	/* of the session's list */
	const char *inner;	/* below the output, or NULL; borrowed from the targets */
} item;
typedef struct sync {
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	const dv_transfer_options *o;
	dv_output_list outputs;
	dv_targets targets;
	item *items;
	size_t n, cap;
	char commit[DV_GIT_HEX + 1];
	char *project;		/* of this workspace; may be NULL */
	bool runs_done;		/* run records were exchanged, or are not to be */
	dv_landing *landing;	/* a checkout follows; or NULL */
	dv_transfer_summary *sum;
	int failed;		/* the first failure that did not stop the rest */
	dv_error error;
} sync_t;

static void sync_release(sync_t *s)
{
	dv_reader_free(s->reader);
	dv_output_list_release(&s->outputs);
	dv_targets_release(&s->targets);
	free(s->project);
	free(s->items);
}

static bool has_revisions(const dv_transfer_options *o)
{
	return o->all_branches || o->all_tags || o->all_commits || o->nrevs;
}

static int add_item(sync_t *s, const dv_output *o, const char *inner)
{
	int rc = dv_grow(&s->items, &s->cap, s->n + 1, sizeof(*s->items));

	if (rc == 0)
		s->items[s->n++] = (item){ o, inner };
	return rc;
}

/* Items of one output: itself, or each path inside it that is a target. */
static int add_output(sync_t *s, const dv_output *o)
{
	const char *inner;
	size_t k = 0;
	int rc = 0;

	if (!dv_targets_want(&s->targets, o, &inner))
		return 0;
	if (!inner)
		return add_item(s, o, NULL);
	if (!o->pointer.is_dir)
		return 0;
	while (rc == 0 && (inner = dv_targets_inner(&s->targets, o, &k)) != NULL)
		rc = add_item(s, o, inner);
	return rc;
}

static int list_outputs(sync_t *s, bool workspace)
{
	const dv_transfer_options *o = s->o;
	dv_git_scope scope = { .branches = o->all_branches, .tags = o->all_tags,
			       .all_commits = o->all_commits, .revs = o->revs, .nrevs = o->nrevs };
	int rc = 0;

	if (workspace || !has_revisions(o))
		rc = dv_repo_outputs(s->repo, &s->outputs);
	if (rc == 0 && has_revisions(o))
		rc = dv_sync_outputs_in(s->repo, &scope, &s->outputs);
	return rc;
}

static int sync_open(sync_t *s)
{
	dv_git *g = NULL;
	int rc = 0;

	memset(s->sum, 0, sizeof(*s->sum));
	if (s->repo->has_git && (rc = dv_repo_git(s->repo, &g)) == 0)
		rc = dv_git_head(g, s->commit);
	if (rc == 0)
		rc = dv_repo_store(s->repo, &s->store);
	return rc < 0 ? rc : dv_reader_new(&s->reader, s->store);
}

bool dv_sync_same_remote(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* -- one remote -------------------------------------------------------------------------------- */

typedef struct batch {
	dv_want *w;
	size_t n, cap;
	dv_map seen;		/* oid -> 1 tree, 0 file */
	char **names;		/* paths of wants, owned */
	size_t nnames, names_cap;
} batch;

static void batch_release(batch *b)
{
	for (size_t i = 0; i < b->nnames; i++)
		free(b->names[i]);
	free(b->names);
	free(b->w);
	dv_map_release(&b->seen);
}

static int want(batch *b, const dv_oid *oid, bool is_tree, const char *output, const char *inner)
{
	uint64_t tree = 0;
	char *name;
	int rc;

	if (dv_map_get(&b->seen, oid, &tree) && (tree || !is_tree))
		return 0;
	if ((rc = dv_map_put(&b->seen, oid, is_tree)) < 0 ||
	    (rc = dv_grow(&b->w, &b->cap, b->n + 1, sizeof(*b->w))) < 0 ||
	    (rc = dv_grow(&b->names, &b->names_cap, b->nnames + 1, sizeof(*b->names))) < 0)
		return rc;
	name = inner ? dv_path_join(output, inner) : dv_strdup(output);
	if (!name)
		return dv_err_nomem();
	b->names[b->nnames++] = name;
	b->w[b->n++] = (dv_want){ .oid = *oid, .is_tree = is_tree, .path = name };
	return 0;
}

static void add_stats(sync_t *s, const dv_move_stats *m)
{
	s->sum->objects += m->objects;
	s->sum->chunks += m->chunks;
	s->sum->packs += m->packs;
	s->sum->bytes += m->bytes;
	s->sum->files += m->files;
	s->sum->requests += m->requests;
}

static void add_traffic(sync_t *s, const dv_remote_store *r)
{
	dv_remote_traffic t = dv_remote_store_traffic(r);

	s->sum->requests += t.requests;
	s->sum->sent += t.sent;
	s->sum->received += t.received;
}

static int open_remote(sync_t *s, const char *name, bool push, dv_remote_store **out)
{
	bool create = push && !s->o->dry;
	const dv_sync_how how = { .create = create, .anew = create && s->o->force, .push = push,
				  .jobs = s->o->jobs,
				  .rate = s->o->limit_rate };

	return dv_sync_remote_open(s->repo, name, &how, out, NULL);
}

static dv_move_options move_options(const sync_t *s, bool dry)
{
	return (dv_move_options){ .jobs = s->o->jobs, .dry = dry, .project = s->project,
				  .commit = *s->commit ? s->commit : NULL };
}

/* Loads a tree of the local store, after bringing it from `from` (may be NULL) when need be. */
static int load_tree(sync_t *s, dv_remote_store *from, const dv_oid *oid, const char *path,
		     dv_tree *out)
{
	dv_want w = { .oid = *oid, .path = path };
	dv_move_options mo = move_options(s, false);
	dv_move_stats m = { 0 };
	int rc = dv_store_has_object(s->store, oid) ? dv_tree_load(out, s->reader, oid)
						    : DV_ENOTFOUND;

	if (rc != DV_ENOTFOUND)
		return rc;
	if (!from)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "the listing of '%s' is not in the cache",
					  path), "run 'dv fetch' first");
	if (s->o->dry) {
		/* Nothing is to be stored, so it is read for this time only. */
		dv_auto(dv_buf) text = DV_BUF_INIT;

		rc = dv_transfer_read(s->store, from, oid, DV_TREE_MAX, &text);
		return rc < 0 ? rc : dv_tree_parse(out, dv_buf_str(&text), text.n);
	}
	rc = dv_transfer_fetch(s->store, from, &w, 1, &mo, &m);
	add_stats(s, &m);
	return rc < 0 ? rc : dv_tree_load(out, s->reader, oid);
}

/* Lists directories for patterns, from the remote where the cache has no listing. */
typedef struct lister {
	sync_t *s;
	bool fetch;
	const char *name;	/* of the remote that is open */
	dv_remote_store *from;
} lister;

static void lister_release(lister *l)
{
	if (l->from)
		add_traffic(l->s, l->from);
	dv_remote_store_free(l->from);
	l->from = NULL;
}

/* The remote that the directory at `path` comes from. */
static int lister_open(lister *l, const char *path)
{
	const char *name = l->s->o->remote;

	for (size_t i = 0; i < l->s->outputs.n; i++) {
		const dv_output *o = &l->s->outputs.o[i];

		if (o->pointer.remote && dv_path_below(path, o->path, NULL))
			name = o->pointer.remote;
	}
	if (l->from && dv_sync_same_remote(l->name, name))
		return 0;
	lister_release(l);
	l->name = name;
	return open_remote(l->s, name, false, &l->from);
}

static int list_anywhere(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	lister *l = ctx;
	int rc = 0;

	*out = (dv_tree)DV_TREE_INIT;
	if (!dv_store_has_object(l->s->store, oid)) {
		if (!l->fetch)
			return DV_ENOTFOUND;
		rc = lister_open(l, path);
	}
	return rc < 0 ? rc : load_tree(l->s, l->from, oid, path, out);
}

/* From what the user named to items. `fetch`: listings may be brought from the remote for it. */
static int choose(sync_t *s, const char *const *targets, size_t n, bool fetch)
{
	__attribute__((cleanup(lister_release))) lister l = { .s = s, .fetch = fetch };
	dv_targets_scope scope = { .repo = s->repo, .a = &s->outputs };
	dv_side inside = { list_anywhere, &l };
	int rc = s->o->glob ? dv_targets_glob_tracked(&s->targets, s->repo, &s->outputs, &inside,
						      false, targets, n)
			    : dv_targets_resolve(&s->targets, s->repo, targets, n);

	if (rc == 0 && !s->o->glob)
		rc = dv_targets_name_stages(&s->targets, &s->outputs);
	if (rc == 0 && !s->o->glob)
		rc = dv_targets_check(&s->targets, &scope);
	for (size_t i = 0; rc == 0 && i < s->outputs.n; i++)
		rc = add_output(s, &s->outputs.o[i]);
	return rc;
}

/* Wants the entry at it->inner, and the listings on the way, without which nobody finds it. */
static int want_inner(sync_t *s, batch *b, dv_remote_store *from, const item *it)
{
	dv_tree_entry at = { .kind = 'd', .oid = it->o->pointer.oid };
	const char *path = it->o->path;

	for (const char *p = it->inner; *p;) {
		dv_auto(dv_tree) t = DV_TREE_INIT;
		size_t len = strcspn(p, "/");
		dv_autofree char *name = dv_strndup(p, len);
		const dv_tree_entry *e = NULL;
		int rc = name ? 0 : DV_ERROR;

		if (rc == 0 && at.kind == 'd' && (rc = load_tree(s, from, &at.oid, path, &t)) == 0)
			e = dv_tree_find(&t, name);
		if (rc < 0)
			return rc;
		if (!e && has_revisions(s->o))
			return 0;	/* not in this revision */
		if (!e)
			return dv_err(DV_ENOTFOUND, "'%s' is not in the output '%s'", it->inner,
				      path);
		if (!from && (rc = want(b, &at.oid, false, path, NULL)) < 0)
			return rc;
		at = *e;
		at.name = NULL;
		p += len + (p[len] == '/');
	}
	return want(b, &at.oid, at.kind == 'd', path, it->inner);
}

/* Keeps the first failure of several remotes or outputs, and goes on. */
static int note_failure(sync_t *s, int rc)
{
	if (rc == DV_ECANCELLED || rc >= 0)
		return rc;
	if (!s->failed) {
		s->failed = rc;
		dv_error_take(&s->error);
	} else if (strcmp(dv_error_last()->message, s->error.message) != 0) {
		dv_warn("%s", dv_error_last()->message);
	}
	return 0;
}

static int finish(const sync_t *s)
{
	if (!s->failed)
		return 0;
	dv_error_put(&s->error);
	return s->failed;
}

/* The remote of an item: its own, or the one asked for (NULL: the default). */
static const char *remote_of(const sync_t *s, const item *it)
{
	return it->o->pointer.remote ? it->o->pointer.remote : s->o->remote;
}

typedef int (*group_fn)(sync_t *s, const char *remote, const item *items, size_t n);

/* Calls fn for the items of each remote. The order of s->items changes. */
static int by_remote(sync_t *s, group_fn fn)
{
	int rc = 0;

	for (size_t from = 0; rc == 0 && from < s->n;) {
		const char *name = remote_of(s, &s->items[from]);
		size_t n = from;

		for (size_t i = from; i < s->n; i++)
			if (dv_sync_same_remote(name, remote_of(s, &s->items[i]))) {
				item t = s->items[n];
				s->items[n++] = s->items[i];
				s->items[i] = t;
			}
		rc = note_failure(s, fn(s, name, s->items + from, n - from));
		from = n;
	}
	return rc;
}

/* Wants what is known of runs as well. */
static int want_items(batch *b, const dv_run_list *l)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		size_t n = b->n;

		rc = want(b, &l->items[i].oid, l->items[i].kind == DV_RUN_ITEM_BATCH,
			  "records of runs", NULL);
		if (rc == 0 && b->n > n)
			b->w[n].runs = l->items[i].kind;
	}
	return rc;
}

/* Adds the run records that the remote lacks. They go to the remote that the command is about. */
static int want_runs(sync_t *s, const char *remote, dv_remote_store *r, batch *b)
{
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	int rc;

	if (s->runs_done || !dv_sync_same_remote(remote, s->o->remote))
		return 0;
	s->runs_done = true;
	rc = dv_runs_unsent(&l, s->repo, s->store, s->reader, dv_remote_store_state(r),
			    s->project);
	return rc < 0 ? rc : want_items(b, &l);
}

static int push_group(sync_t *s, const char *remote, const item *items, size_t n)
{
	__attribute__((cleanup(batch_release))) batch b = { 0 };
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_options mo = move_options(s, s->o->dry);
	dv_move_stats m = { 0 };
	int rc = open_remote(s, remote, true, &r);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const dv_output *o = items[i].o;

		rc = items[i].inner ? want_inner(s, &b, NULL, &items[i])
				    : want(&b, &o->pointer.oid, o->pointer.is_dir, o->path, NULL);
	}
	if (rc == 0)
		rc = want_runs(s, remote, r, &b);
	if (rc == 0 && b.n)
		rc = dv_transfer_push(s->store, r, b.w, b.n, &mo, &m);
	add_stats(s, &m);
	if (r)
		add_traffic(s, r);
	return rc;
}

/* Are there run records to exchange, and are they to be? */
static bool shares_runs(const sync_t *s)
{
	return !s->o->dry && dv_config_bool(&s->repo->config, "lineage.share", true);
}

static bool has_default_remote(const sync_t *s)
{
	dv_autofree char *url = NULL;
	int rc = dv_config_remote(&s->repo->config, s->repo->root, s->o->remote, NULL, &url);

	if (rc < 0)
		dv_error_clear();
	return rc == 0;
}

/* Git may have got a pointer for a file just before the machine failed: while the file is there,
 * nothing is lost. */
static int store_filtered(sync_t *s)
{
	dv_autofree const dv_output **l = dv_calloc(s->n + 1, sizeof(*l));
	size_t n = 0;

	if (!l)
		return DV_ERROR;
	for (size_t i = 0; i < s->n; i++)
		if (s->items[i].o->filtered)
			l[n++] = s->items[i].o;
	return n ? dv_filtered_store_missing(s->repo, l, n) : 0;
}

/* Pushes the items, but for those that stay here, and run records. */
static int push_items(sync_t *s)
{
	size_t kept = 0;
	int rc = dv_repo_project(s->repo, &s->project);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s->n; i++)
		if (!s->items[i].o->pointer.no_push)
			s->items[kept++] = s->items[i];
	s->n = kept;
	s->runs_done = !shares_runs(s);
	rc = s->o->dry ? 0 : store_filtered(s);
	if (rc == 0)
		rc = by_remote(s, push_group);
	if (rc == 0 && !s->runs_done && has_default_remote(s))
		rc = note_failure(s, push_group(s, s->o->remote, NULL, 0));
	return rc != 0 ? rc : finish(s);
}

int dv_push(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
	    dv_transfer_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(sync_release))) sync_t s = { .repo = r, .o = o, .sum = out };
	int rc = list_outputs(&s, false);

	if (rc == 0)
		rc = sync_open(&s);
	if (rc == 0)
		rc = choose(&s, targets, n, false);
	return rc < 0 ? rc : push_items(&s);
}

int dv_sync_push(dv_repo *r, dv_output_list *l, const dv_transfer_options *o,
		 dv_transfer_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(sync_release))) sync_t s = { .repo = r, .o = o, .sum = out,
							    .targets = DV_TARGETS_INIT };
	int rc = sync_open(&s);

	s.outputs = *l;
	*l = (dv_output_list)DV_OUTPUT_LIST_INIT;
	for (size_t i = 0; rc == 0 && i < s.outputs.n; i++)
		rc = add_item(&s, &s.outputs.o[i], NULL);
	return rc < 0 ? rc : push_items(&s);
}

/* A path inside an output that is here must be in it. */
static int check_inner(sync_t *s, const item *it)
{
	dv_tree_entry e;
	int rc = it->inner ? dv_tree_lookup(&e, s->reader, &it->o->pointer.oid, it->inner) : 0;

	if (rc != DV_ENOTFOUND)
		return rc;
	if (has_revisions(s->o))
		return 0;
	return dv_err_hint(dv_err(rc, "'%s' is not in the output '%s'", it->inner, it->o->path),
			   "run 'dv ls %s' to see what is", it->o->path);
}

/* Brings the run records of this project that the remote has and this clone does not know. That
 * they cannot be had is no reason to fail. */
static int fetch_runs(sync_t *s, const char *remote, dv_remote_store *r)
{
	__attribute__((cleanup(batch_release))) batch b = { 0 };
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	dv_move_options mo = move_options(s, false);
	dv_move_stats m = { 0 };
	int rc;

	if (s->runs_done || !dv_sync_same_remote(remote, s->o->remote))
		return 0;
	s->runs_done = true;
	rc = dv_runs_unknown(&l, s->repo, s->store, dv_remote_store_state(r), s->project);
	if (rc == 0)
		rc = want_items(&b, &l);
	if (rc < 0 || b.n == 0)
		return rc;
	rc = dv_transfer_fetch(s->store, r, b.w, b.n, &mo, &m);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0) {
		dv_warn("not all run records came: %s", dv_error_last()->message);
		dv_error_clear();
	}
	return dv_runs_take(s->repo, s->reader, l.items, l.n);
}

static int fetch_group(sync_t *s, const char *remote, const item *items, size_t n)
{
	__attribute__((cleanup(batch_release))) batch b = { 0 };
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_options mo = move_options(s, s->o->dry);
	dv_move_stats m = { 0 };
	int rc = 0;

	mo.landing = s->landing;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const dv_pointer *p = &items[i].o->pointer;
		bool here = false;

		/* What is here needs no remote. */
		if ((rc = dv_sync_is_cached(s->reader, &p->oid, p->is_dir, &here)) < 0)
			break;
		if (here) {
			rc = check_inner(s, &items[i]);
			continue;
		}
		if (!r && (rc = open_remote(s, remote, false, &r)) < 0)
			break;
		rc = items[i].inner ? want_inner(s, &b, r, &items[i])
				    : want(&b, &p->oid, p->is_dir, items[i].o->path, NULL);
		if (rc == 0 && !items[i].inner)
			b.w[b.n - 1].size = p->size;
	}
	if (rc == 0 && b.n)
		rc = dv_transfer_fetch(s->store, r, b.w, b.n, &mo, &m);
	if (r && (rc == 0 || rc == DV_EPARTIAL)) {
		dv_error first;

		dv_error_take(&first);
		int e = fetch_runs(s, remote, r);
		rc = e < 0 ? e : rc ? dv_error_put(&first) : 0;
	}
	add_stats(s, &m);
	if (r)
		add_traffic(s, r);
	return rc;
}

/* Where all outputs are here, the remote may still have run records. It need not be in reach. */
static int fetch_runs_alone(sync_t *s)
{
	const dv_sync_how how = { .jobs = s->o->jobs, .tries = FEW_TRIES };
	dv_autoptr(dv_remote_store) r = NULL;
	int rc;

	if (s->runs_done || !has_default_remote(s))
		return 0;
	rc = dv_sync_remote_open(s->repo, s->o->remote, &how, &r, NULL);
	if (rc == 0)
		rc = fetch_runs(s, s->o->remote, r);
	if (r)
		add_traffic(s, r);
	if (rc == DV_ECANCELLED || rc == 0)
		return rc;
	dv_warn("run records were not fetched: %s", dv_error_last()->message);
	dv_error_clear();
	return 0;
}

/* Imports come from where they were taken from. The others stay. */
static int fetch_imports(sync_t *s)
{
	size_t kept = 0;
	int rc = 0;

	for (size_t i = 0; i < s->n; i++) {
		const dv_output *o = s->items[i].o;
		dv_move_stats m = { 0 };
		bool here = false;

		if (rc == 0 && dv_import_is_foreign(&o->pointer)) {
			rc = dv_sync_is_cached(s->reader, &o->pointer.oid, o->pointer.is_dir,
					       &here);
			if (rc == 0 && !here && s->o->dry)
				m = (dv_move_stats){ .objects = 1, .bytes = o->pointer.size,
						     .files = 1 };
			else if (rc == 0 && !here)
				rc = note_failure(s, dv_import_bring(s->repo, o, s->o->jobs, &m));
			add_stats(s, &m);
			/* What is here, in whole, is looked at as all outputs are. */
			if (!here)
				continue;
		}
		s->items[kept++] = s->items[i];
	}
	s->n = kept;
	return rc;
}

int dv_sync_bring_runs(dv_repo *r)
{
	static const dv_transfer_options none;
	dv_transfer_summary sum = { 0 };
	__attribute__((cleanup(sync_release))) sync_t s = { .repo = r, .o = &none, .sum = &sum };
	int rc = dv_repo_store(r, &s.store);

	if (rc == 0)
		rc = dv_reader_new(&s.reader, s.store);
	if (rc == 0)
		rc = dv_repo_project(r, &s.project);
	return rc || !shares_runs(&s) ? rc : fetch_runs_alone(&s);
}

static int fetch(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
		 bool workspace, dv_transfer_summary *out)
{
	__attribute__((cleanup(sync_release))) sync_t s = {
		.repo = r, .o = o, .sum = out, .landing = dv_landed_landing(r->landed)
	};
	dv_autofree char *url = NULL;
	/* What is named must be there, even where it turns out not to be needed. */
	int rc = o->remote ? dv_config_remote(&r->config, r->root, o->remote, NULL, &url) : 0;

	if (rc == 0)
		rc = list_outputs(&s, workspace);
	if (rc == 0)
		rc = sync_open(&s);
	if (rc == 0)
		rc = choose(&s, targets, n, true);
	if (rc == 0)
		rc = dv_repo_project(r, &s.project);
	s.runs_done = rc < 0 || !shares_runs(&s);
	if (rc == 0)
		rc = fetch_imports(&s);
	if (rc == 0)
		rc = by_remote(&s, fetch_group);
	if (rc == 0 && !workspace)
		rc = fetch_runs_alone(&s);
	return rc != 0 ? rc : finish(&s);
}

int dv_fetch(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
	     dv_transfer_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	return fetch(r, targets, n, o, false, out);
}

int dv_pull(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
	    dv_change_cb cb, void *payload, dv_transfer_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	dv_checkout_options co = { .force = o->force, .relink = o->relink, .glob = o->glob,
				    .wait = o->wait, .jobs = o->jobs };
	dv_autoptr(dv_landed) landed = NULL;
	int rc = o->dry ? 0 : dv_landed_new(&landed, r);
	dv_error first;

	if (rc < 0)
		return rc;
	r->landed = landed;
	int fetched = fetch(r, targets, n, o, true, out);
	if (o->dry || (fetched < 0 && fetched != DV_EPARTIAL)) {
		r->landed = NULL;
		return fetched;
	}
	dv_error_take(&first);
	rc = dv_checkout(r, targets, n, &co, cb, payload, &out->checkout);
	r->landed = NULL;
	/* What could not be fetched explains what could not be checked out. */
	return fetched < 0 ? dv_error_put(&first) : rc;
}
