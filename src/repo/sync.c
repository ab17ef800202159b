/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_push, dv_fetch, dv_pull: from targets and revisions to the objects that are wanted, and these
 * to the remote of each output. The moving itself is the transfer layer's.
 */
#include "repo/sync.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/changes.h"
#include "repo/graft.h"
#include "repo/targets.h"
#include "store/whole.h"

#define PROBE_TRIES 2	/* somebody waits, and perhaps without a network */

/* -- remotes ----------------------------------------------------------------------------------- */

typedef struct remote_settings {
	const dv_config *config;
	const char *name;
} remote_settings;

static const char *remote_setting(void *ctx, const char *key)
{
	const remote_settings *s = ctx;
	dv_auto(dv_buf) full = DV_BUF_INIT;

	if (dv_buf_addf(&full, "remote.%s.%s", s->name, key))
		return NULL;
	return dv_config_string(s->config, dv_buf_str(&full), NULL);
}

/* "20m"; 0 when it is not set. What the settings hold was checked when it came in. */
static uint64_t size_setting(remote_settings *s, const char *key)
{
	const char *text = remote_setting(s, key);
	char *end = NULL;
	uint64_t n = text ? strtoull(text, &end, 10) : 0;

	switch (end ? *end | 0x20 : 0) {
	case 'k':
		return n << 10;
	case 'm':
		return n << 20;
	case 'g':
		return n << 30;
	}
	return n;
}

int dv_repo_remote_open(dv_repo *r, const char *name, bool create, dv_remote_store **out,
			char **name_out)
{
	return dv_sync_remote_open(r, name, &(dv_sync_how){ .create = create }, out, name_out);
}

/* What a remote is opened with. Owned, and in its place until it is released. */
typedef struct place {
	char *name, *url, *mirror;
	remote_settings settings;
	dv_remote_options o;
} place;
static void place_release(place *p)
{
	free(p->name);
	free(p->url);
	free(p->mirror);
}

static int place_find(place *p, dv_repo *r, const char *name, const dv_sync_how *how)
{
	dv_auto(dv_buf) path = DV_BUF_INIT, key = DV_BUF_INIT;
	enum dv_config_level level = DV_CONFIG_REPO;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;
	int rc = dv_config_remote(&r->config, r->root, name, &p->name, &p->url);

	if (rc < 0)
		return rc;
	dv_sha256(&id, p->url, strlen(p->url));
	dv_oid_hex(hex, &id);
	dv_buf_addf(&path, "%s/remotes/%.16s", r->dvdir, hex);
	dv_buf_addf(&key, "remote.%s.url", p->name);
	if (path.err || key.err)
		return path.err ? path.err : key.err;
	dv_config_string(&r->config, dv_buf_str(&key), &level);
	p->mirror = dv_buf_detach(&path);
	p->settings = (remote_settings){ &r->config, p->name };
	p->o = (dv_remote_options){
		.name = p->name, .url = p->url, .mirror_dir = p->mirror, .create = how->create,
		.jobs = how->jobs ? how->jobs : (int)size_setting(&p->settings, "jobs"),
		.rate = how->rate ? how->rate : size_setting(&p->settings, "limitrate"),
		.url_is_own = level != DV_CONFIG_REPO,
		.setting = remote_setting, .ctx = &p->settings,
	};
	return 0;
}

int dv_sync_remote_open(dv_repo *r, const char *name, const dv_sync_how *how,
			dv_remote_store **out, char **name_out)
{
	dv_auto(place) p = { 0 };
	int rc = place_find(&p, r, name, how);

	*out = NULL;
	if (rc == 0)
		rc = dv_remote_store_open(out, &p.o);
	if (rc == 0 && name_out)
		*name_out = dv_steal(&p.name);
	return rc;
}

int dv_sync_replica(dv_repo *r, const char *name, const char *dir, bool full)
{
	dv_auto(place) p = { 0 };
	int rc = place_find(&p, r, name, &(dv_sync_how){ .create = false });

	return rc < 0 ? rc : dv_transfer_replica(&p.o, dir, full);
}

int dv_remote_probe(dv_repo *r, const char *name, dv_abilities *out)
{
	dv_auto(place) p = { 0 };
	dv_sync_how how = { .create = true };
	int rc = place_find(&p, r, name, &how);

	*out = (dv_abilities){ 0 };
	if (rc == 0) {
		if (!dv_remote_has_driver(p.url))
			return dv_err(DV_ENOTFOUND, "this dv cannot reach remote '%s'", p.name);
		/* A disk that is not mounted must not come into being as a folder. */
		p.o.create = p.url[0] != '/' && strncmp(p.url, "file:", 5) != 0;
		p.o.tries = PROBE_TRIES;
		rc = dv_remote_store_probe(&p.o, out);
	}
	return rc;
}

int dv_sync_is_cached(dv_reader *rd, const dv_oid *oid, bool is_tree, bool *yes)
{
	dv_auto(dv_closure) c = DV_CLOSURE_INIT;
	dv_store *s = dv_reader_store(rd);
	uint64_t tree = 0;
	int rc;

	/* What a commit vouched for may be gone since, when somebody wrote to a whole file. */
	*yes = dv_map_get(&dv_store_state(s)->roots, oid, &tree) && (tree || !is_tree) &&
	       dv_store_wholes_intact(s);
	if (*yes || !dv_store_has_object(s, oid))
		return 0;
	rc = dv_closure_add(&c, rd, oid, is_tree, true);
	*yes = rc == 0 && c.nmissing == 0;
	if (rc == DV_ECORRUPT) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

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
	char *project;		/* of a push; may be NULL */
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

static int sync_open(sync_t *s, bool workspace)
{
	const dv_transfer_options *o = s->o;
	dv_git_scope scope = { .branches = o->all_branches, .tags = o->all_tags,
			       .all_commits = o->all_commits, .revs = o->revs, .nrevs = o->nrevs };
	dv_git *g = NULL;
	int rc = 0;

	memset(s->sum, 0, sizeof(*s->sum));
	if (workspace || !has_revisions(o))
		rc = dv_repo_outputs(s->repo, &s->outputs);
	if (rc == 0 && has_revisions(o))
		rc = dv_sync_outputs_in(s->repo, &scope, &s->outputs);
	if (rc == 0 && s->repo->has_git && (rc = dv_repo_git(s->repo, &g)) == 0)
		rc = dv_git_head(g, s->commit);
	if (rc == 0)
		rc = dv_repo_store(s->repo, &s->store);
	return rc < 0 ? rc : dv_reader_new(&s->reader, s->store);
}

static bool same_remote(const char *a, const char *b)
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
	b->w[b->n++] = (dv_want){ *oid, is_tree, name };
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

static int open_remote(sync_t *s, const char *name, bool create, dv_remote_store **out)
{
	const dv_sync_how how = { create, s->o->jobs, s->o->limit_rate };

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
	if (l->from && same_remote(l->name, name))
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
	} else {
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
			if (same_remote(name, remote_of(s, &s->items[i]))) {
				item t = s->items[n];
				s->items[n++] = s->items[i];
				s->items[i] = t;
			}
		rc = note_failure(s, fn(s, name, s->items + from, n - from));
		from = n;
	}
	return rc;
}

static int push_group(sync_t *s, const char *remote, const item *items, size_t n)
{
	__attribute__((cleanup(batch_release))) batch b = { 0 };
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_options mo = move_options(s, s->o->dry);
	dv_move_stats m = { 0 };
	int rc = open_remote(s, remote, !s->o->dry, &r);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		const dv_output *o = items[i].o;

		rc = items[i].inner ? want_inner(s, &b, NULL, &items[i])
				    : want(&b, &o->pointer.oid, o->pointer.is_dir, o->path, NULL);
	}
	if (rc == 0 && b.n)
		rc = dv_transfer_push(s->store, r, b.w, b.n, &mo, &m);
	add_stats(s, &m);
	if (r)
		add_traffic(s, r);
	return rc;
}

int dv_push(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
	    dv_transfer_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(sync_release))) sync_t s = { .repo = r, .o = o, .sum = out };
	size_t kept = 0;
	int rc = sync_open(&s, false);

	if (rc == 0)
		rc = choose(&s, targets, n, false);
	if (rc == 0)
		rc = dv_repo_project(r, &s.project);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < s.n; i++)
		if (!s.items[i].o->pointer.no_push)
			s.items[kept++] = s.items[i];
	s.n = kept;
	rc = by_remote(&s, push_group);
	return rc != 0 ? rc : finish(&s);
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

static int fetch_group(sync_t *s, const char *remote, const item *items, size_t n)
{
	__attribute__((cleanup(batch_release))) batch b = { 0 };
	dv_autoptr(dv_remote_store) r = NULL;
	dv_move_options mo = move_options(s, s->o->dry);
	dv_move_stats m = { 0 };
	int rc = 0;

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
	}
	if (rc == 0 && b.n)
		rc = dv_transfer_fetch(s->store, r, b.w, b.n, &mo, &m);
	add_stats(s, &m);
	if (r)
		add_traffic(s, r);
	return rc;
}

static int fetch(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
		 bool workspace, dv_transfer_summary *out)
{
	__attribute__((cleanup(sync_release))) sync_t s = { .repo = r, .o = o, .sum = out };
	dv_autofree char *url = NULL;
	/* What is named must be there, even where it turns out not to be needed. */
	int rc = o->remote ? dv_config_remote(&r->config, r->root, o->remote, NULL, &url) : 0;

	if (rc == 0)
		rc = sync_open(&s, workspace);
	if (rc == 0)
		rc = choose(&s, targets, n, true);
	if (rc == 0)
		rc = by_remote(&s, fetch_group);
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
				    .jobs = o->jobs };
	int fetched = fetch(r, targets, n, o, true, out), rc;
	dv_error first;

	if (o->dry || (fetched < 0 && fetched != DV_EPARTIAL))
		return fetched;
	dv_error_take(&first);
	rc = dv_checkout(r, targets, n, &co, cb, payload, &out->checkout);
	/* What could not be fetched explains what could not be checked out. */
	return fetched < 0 ? dv_error_put(&first) : rc;
}

/* -- what a remote lacks ----------------------------------------------------------------------- */

static int missing_at(dv_store *s, dv_remote_store *remote, const dv_output *o,
		      dv_change_cb cb, void *payload, uint64_t *n)
{
	dv_want w = { o->pointer.oid, o->pointer.is_dir, o->path };
	bool has = false;
	int rc = dv_transfer_has_all(s, remote, &w, &has);

	if (rc < 0 || has)
		return rc;
	(*n)++;
	return dv_changes_tell_output(DV_NOT_IN_REMOTE, o, NULL, 0, cb, payload);
}

int dv_sync_missing(dv_repo *r, const char *remote, const dv_output_list *l, dv_change_cb cb,
		    void *payload, uint64_t *n)
{
	dv_autofree bool *done = dv_calloc(l->n + 1, sizeof(*done));
	dv_store *s = NULL;
	int rc = done ? dv_repo_store_look(r, &s) : DV_ERROR;

	*n = 0;
	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		const char *own = l->o[i].pointer.remote, *name = own ? own : remote;
		dv_autoptr(dv_remote_store) store = NULL;

		if (done[i] || l->o[i].pointer.no_push)
			continue;
		rc = dv_repo_remote_open(r, name, false, &store, NULL);
		if (rc == 0 && dv_remote_store_state(store)->head == 0)
			dv_warn("the remote is empty or not there");
		for (size_t j = i; rc == 0 && j < l->n; j++) {
			const dv_pointer *p = &l->o[j].pointer;

			if (done[j] || p->no_push ||
			    !same_remote(name, p->remote ? p->remote : remote))
				continue;
			done[j] = true;
			rc = missing_at(s, store, &l->o[j], cb, payload, n);
		}
	}
	return rc;
}
