/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collection of a remote, beside others who push, fetch and collect. read_log() to entry N;
 * mark() what the kept roots need; rewrite() commits it anew where it is little of a pack, and all
 * begins again; look_around() for packs that no entry names; condemn() creates the entry behind the
 * newest one, after the roots that came between were marked by look_again(); remove_condemned()
 * deletes files. A commit comes before that entry, and what it leans on was
 * marked, or after it, and its writer read it. tests/model/gc.pml is a model of these steps.
 *
 * Clocks say only how long readers and slow writers are spared work, never whether a pack may go.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "transfer/internal.h"

#define REPLANS 8
#define LIVE_PERCENT 60		/* a pack of which less is needed is rewritten */
#define ORPHAN_AGE ((uint64_t)14 * 24 * 60 * 60)
#define ORPHANS_MAX ((size_t)64 << 20)	/* bytes of the file that remembers them */

typedef struct counted {
	dv_root root;
	bool stale;	/* an entry made the log forget it; what is left of it is kept */
	bool whole;	/* kept, and nothing of it is missing */
} counted;
typedef struct found {
	dv_container c;
	uint64_t since;	/* when it was condemned, or first seen without an entry */
} found;
typedef struct found_list {
	found *f;
	size_t n, cap;
} found_list;

typedef struct collecting {
	dv_remote_store *r;
	const dv_collect_options *o;
	dv_push_walk walk;
	counted *roots;
	size_t nroots, roots_cap;
	dv_map root_at;		/* key -> index into `roots` */
	dv_map gone;		/* condemned packs -> when, 0: not told */
	dv_map live;		/* containers that stay */
	dv_container *marked;	/* the same in the order in which they were marked */
	size_t nmarked, marked_cap, closed;	/* of the first `closed` the bases are marked */
	dv_map deltas;		/* containers with deltas */
	bool counting;		/* what is needed of each container, until the index changes */
	dv_entries there;	/* of the remote */
	dv_bits needed;		/* of them */
	dv_map used;		/* packs -> bytes of what is needed */
	dv_container *known;	/* that the log named when the marking began */
	size_t nknown, known_cap;
	found_list dead;	/* files of condemned packs */
	found_list orphans;	/* files that no entry names */
	dv_map seen;		/* orphans -> when they were seen first, from the mirror */
	uint64_t now;
} collecting;

static void root_release(dv_root *r)
{
	free(r->path);
	free(r->project);
	free(r->commit);
}

static void forget_roots(collecting *c)
{
	for (size_t i = 0; i < c->nroots; i++)
		root_release(&c->roots[i].root);
	c->nroots = 0;
	dv_map_clear(&c->root_at);
}

static void collecting_release(collecting *c)
{
	forget_roots(c);
	free(c->roots);
	free(c->marked);
	free(c->known);
	free(c->dead.f);
	free(c->orphans.f);
	dv_map_release(&c->root_at);
	dv_map_release(&c->gone);
	dv_map_release(&c->live);
	dv_map_release(&c->deltas);
	dv_entries_release(&c->there);
	dv_bits_release(&c->needed);
	dv_map_release(&c->used);
	dv_map_release(&c->seen);
	dv_push_walk_release(&c->walk);
}

/* -- the log ----------------------------------------------------------------------------------- */

static int copy_string(char **out, const char *s)
{
	*out = s ? dv_strdup(s) : NULL;
	return s && !*out ? DV_ERROR : 0;
}

static int note_root(collecting *c, const dv_root *r)
{
	dv_oid key = dv_root_key(&r->oid, r->project);
	counted n = { .root = { .oid = r->oid, .is_tree = r->is_tree,
			       .runs = r->runs } };
	uint64_t at;

	if (dv_map_get(&c->root_at, &key, &at)) {
		c->roots[at].root.is_tree |= r->is_tree;
		if (r->runs)
			c->roots[at].root.runs = r->runs;
		c->roots[at].stale = false;
		return 0;
	}
	int rc = dv_grow(&c->roots, &c->roots_cap, c->nroots + 1, sizeof *c->roots);
	if (rc == 0)
		rc = dv_map_put(&c->root_at, &key, c->nroots);
	if (rc == 0)
		rc = copy_string(&n.root.path, r->path);
	if (rc == 0)
		rc = copy_string(&n.root.project, r->project);
	if (rc == 0)
		rc = copy_string(&n.root.commit, r->commit);
	if (rc) {
		root_release(&n.root);
		return rc;
	}
	c->roots[c->nroots++] = n;
	return 0;
}

/* Checkpoints are passed over: an older dv may have written one that does not tell projects. */
static int note_entry(const dv_log_entry *e, void *payload)
{
	collecting *c = payload;
	int rc = 0;

	if (e->kind == DV_LOG_CHECKPOINT)
		return 0;
	if (e->kind == DV_LOG_CONDEMN) {
		if (e->tells_roots)
			forget_roots(c);
		for (size_t i = 0; i < c->nroots; i++)
			c->roots[i].stale = true;
		for (size_t i = 0; rc == 0 && i < e->npacks; i++)
			rc = dv_map_put(&c->gone, &e->packs[i].id, e->time);
	}
	for (size_t i = 0; rc == 0 && i < e->nroots; i++)
		rc = note_root(c, &e->roots[i]);
	return rc;
}

/* Which containers have deltas, as their bases must stay with them. */
static int note_deltas(collecting *c)
{
	int rc = 0;

	for (size_t i = 0; i < c->r->nsegs; i++) {
		const dv_segment *seg = c->r->segs[i].map;
		size_t n = dv_segment_count(seg);

		for (size_t k = 0; rc == 0 && k < n; k++) {
			dv_place at;
			dv_oid id;

			if (dv_segment_at(seg, k, &id, &at) && at.nbases)
				rc = dv_map_put(&c->deltas, &at.in.id, 1);
		}
	}
	return rc;
}

static int read_log(collecting *c)
{
	const dv_log_state *s = &c->r->state;
	int rc = dv_remote_store_refresh(c->r);

	if (rc == 0)
		rc = dv_remote_log_each(c->r, 1, s->head, note_entry, c);
	if (rc == 0)
		rc = dv_grow(&c->known, &c->known_cap, s->ncontainers + 1, sizeof *c->known);
	if (rc)
		return rc;
	if (s->ncontainers)
		memcpy(c->known, s->containers, s->ncontainers * sizeof *c->known);
	c->nknown = s->ncontainers;
	c->counting = true;
	if ((rc = note_deltas(c)) || (rc = dv_remote_store_entries(c->r, &c->there)))
		return rc;
	return dv_bits_init(&c->needed, dv_entries_total(&c->there));
}

/* -- marking ----------------------------------------------------------------------------------- */

static int mark_container(collecting *c, const dv_container *in)
{
	dv_oid key = dv_container_key(in->kind, &in->id);
	bool added;
	int rc = dv_map_add(&c->live, &key, 1, &added);

	if (rc == 0 && added)
		rc = dv_grow(&c->marked, &c->marked_cap, c->nmarked + 1, sizeof *c->marked);
	if (rc == 0 && added)
		c->marked[c->nmarked++] = *in;
	return rc;
}

static int mark_place(const dv_oid *id, const dv_place *at, void *payload)
{
	collecting *c = payload;
	uint64_t number, *used;
	dv_place same;
	int rc = mark_container(c, &at->in);

	if (rc || !c->counting || at->in.kind != DV_CONTAINER_PACK ||
	    !dv_entries_find(&c->there, at->kind, id, &same, &number) ||
	    !dv_bits_add(&c->needed, number))
		return rc;
	if (!(used = dv_map_find(&c->used, &at->in.id)))
		return dv_map_put(&c->used, &at->in.id, at->stored);
	*used += at->stored;
	return 0;
}

/* Whoever finds a delta in a pack that stays, needed or not, may lean on it: so all bases of all
 * deltas in it stay too, in the copy that counts. */
static int mark_bases(collecting *c)
{
	int rc = 0;

	while (rc == 0 && c->closed < c->nmarked) {
		const dv_container in = c->marked[c->closed++];
		const dv_pack_footer *f;

		if (in.kind != DV_CONTAINER_PACK || !dv_map_has(&c->deltas, &in.id))
			continue;
		if ((rc = dv_check_cancel()) == 0)
			rc = dv_remote_footer(c->r, &in, &f);
		for (size_t i = 0; rc == 0 && i < f->nbases; i++) {
			dv_place at;

			if (dv_remote_store_find(c->r, DV_KIND_CHUNK, &f->bases[i], &at))
				rc = mark_place(&f->bases[i], &at, c);
		}
	}
	return rc;
}

static int lacks(const collecting *c, const dv_root *r)
{
	int rc = dv_err(DV_ECORRUPT, "remote '%s' lacks something of '%s'%s%s", c->r->name,
			r->path ? r->path : "an output", r->commit ? " of commit " : "",
			r->commit ? r->commit : "");

	return dv_err_hint(rc, "see 'dv fsck -r %s' and push again from where it is; '--force' "
			   "collects all the same", c->r->name);
}

static int mark_root(collecting *c, counted *n)
{
	c->walk.missing = 0;
	int rc = dv_push_walk_add(&c->walk, &n->root.oid, n->root.is_tree);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", c->r->name);
	n->whole = c->walk.missing == 0;
	return n->whole || n->stale || c->o->force ? 0 : lacks(c, &n->root);
}

/* Those that have to be whole come first: what was looked at is not looked at again. */
static int mark(collecting *c, dv_collect_stats *st)
{
	int rc = 0;

	for (int stale = 0; stale < 2; stale++)
		for (size_t i = 0; rc == 0 && i < c->nroots; i++) {
			counted *n = &c->roots[i];

			if (n->stale != (stale == 1))
				continue;
			if (!c->o->keep(&n->root, c->o->payload)) {
				st->roots_dropped++;
				continue;
			}
			st->roots_kept++;
			rc = mark_root(c, n);
			st->roots_damaged += !n->whole;
		}
	/* A whole file can come back under its old name: it is left to who made it. */
	for (size_t i = 0; rc == 0 && i < c->nknown; i++)
		if (c->known[i].kind == DV_CONTAINER_FILE)
			rc = mark_container(c, &c->known[i]);
	return rc ? rc : mark_bases(c);
}

/* -- packs of which little is needed ----------------------------------------------------------- */

/* Against what all entries take, since footers and headers are no reason to rewrite a pack. */
static int is_poor(collecting *c, const dv_container *in, bool *poor)
{
	const dv_pack_footer *f;
	uint64_t used = 0, sum = 0;

	*poor = false;
	if (in->kind != DV_CONTAINER_PACK || !dv_map_has(&c->live, &in->id) ||
	    !dv_map_get(&c->used, &in->id, &used) || used >= in->size / 100 * LIVE_PERCENT)
		return 0;
	int rc = dv_remote_footer(c->r, in, &f);
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND) {
		dv_error_clear();	/* fsck's business */
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < f->n; i++)
		sum += f->e[i].stored;
	*poor = rc == 0 && used * 100 < sum * LIVE_PERCENT;
	return rc;
}

static int find_poor(collecting *c, dv_map *poor, dv_collect_stats *st)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->nknown; i++) {
		const dv_container *k = &c->known[i];
		bool is = false;

		rc = is_poor(c, k, &is);
		if (rc || !is)
			continue;
		st->packs_rewritten++;
		st->bytes_rewritten += k->size;
		rc = dv_map_put(poor, &k->id, 1);
	}
	return rc;
}

/* *again: what stands in the log has changed, by us or by somebody else. */
static int rewrite(collecting *c, dv_collect_stats *st, bool *again)
{
	dv_auto(dv_map) poor = DV_MAP_INIT;
	dv_autofree dv_need *needs = NULL;
	size_t n = 0, cap = 0;
	int rc = find_poor(c, &poor, st);

	if (rc || st->packs_rewritten == 0 || c->o->dry)
		return rc;
	for (uint64_t i = 0; rc == 0 && dv_bits_next(&c->needed, &i); i++) {
		dv_need need = { .level = 0 };

		if (!dv_entries_at(&c->there, i, &need.id, &need.at) ||
		    !dv_map_has(&poor, &need.at.in.id))
			continue;
		if ((rc = dv_grow(&needs, &cap, n + 1, sizeof *needs)) == 0)
			needs[n++] = need;
	}
	if (rc == 0)
		rc = dv_rewrite(c->walk.local, c->walk.reader, c->r, needs, n, again);
	if (rc == 0 && *again)	/* by somebody else */
		st->packs_rewritten = st->bytes_rewritten = 0;
	*again = true;
	return rc;
}

/* -- files that no entry names ----------------------------------------------------------------- */

static char *orphans_path(const collecting *c)
{
	return dv_path_join(c->r->mirror, "orphans");
}

/* "<64 hex> <seconds>" a line. Without it they are young, and wait longer. */
static void recall_orphans(collecting *c)
{
	dv_autofree char *path = orphans_path(c);
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const char *p;

	if (!path || dv_fs_read_file(&b, path, ORPHANS_MAX) < 0) {
		dv_error_clear();
		return;
	}
	for (p = dv_buf_str(&b); strlen(p) > DV_OID_HEX_SIZE; p += strcspn(p, "\n") + 1) {
		dv_oid id;

		if (dv_oid_parse(&id, p, DV_OID_HEX_SIZE) == 0 &&
		    dv_map_put(&c->seen, &id, strtoull(p + DV_OID_HEX_SIZE, NULL, 10)))
			break;
		if (!strchr(p, '\n'))
			break;
	}
	dv_error_clear();
}

static int remember_orphans(const collecting *c)
{
	dv_autofree char *path = orphans_path(c);
	dv_auto(dv_buf) b = DV_BUF_INIT;

	for (size_t i = 0; i < c->orphans.n; i++) {
		char hex[DV_OID_HEX_SIZE + 1];

		dv_oid_hex(hex, &c->orphans.f[i].c.id);
		dv_buf_addf(&b, "%s %" PRIu64 "\n", hex, c->orphans.f[i].since);
	}
	if (!path || b.err)
		return DV_ERROR;
	return b.n ? dv_fs_write_file(path, b.p, b.n, 0) : dv_fs_remove_tree(path);
}

static int add_found(found_list *l, const dv_container *in, uint64_t since)
{
	int rc = dv_grow(&l->f, &l->cap, l->n + 1, sizeof *l->f);

	if (rc == 0)
		l->f[l->n++] = (found){ *in, since };
	return rc;
}

static int on_file(const char *name, uint64_t size, void *payload)
{
	collecting *c = payload;
	dv_container in = { .size = size, .kind = DV_CONTAINER_PACK };
	uint64_t since;

	if (strlen(name) != DV_OID_HEX_SIZE || dv_oid_parse(&in.id, name, DV_OID_HEX_SIZE) < 0) {
		dv_error_clear();
		return 0;
	}
	if (dv_log_state_has(&c->r->state, in.kind, &in.id))
		return 0;
	if (dv_map_get(&c->gone, &in.id, &since))
		return add_found(&c->dead, &in, since);
	if (!dv_map_get(&c->seen, &in.id, &since))
		since = c->now;
	return add_found(&c->orphans, &in, since);
}

static int look_around(collecting *c)
{
	int rc = 0;

	recall_orphans(c);
	for (unsigned fan = 0; rc == 0 && fan < 256; fan++) {
		char dir[16];

		snprintf(dir, sizeof dir, "packs/%02x", fan);
		if ((rc = dv_check_cancel()) == 0)
			rc = c->r->r->driver->list(c->r->r, dir, NULL, on_file, c);
	}
	return rc ? dv_err_ctx(rc, "remote '%s'", c->r->name) : 0;
}

static bool is_over(const collecting *c, uint64_t since, uint64_t wait)
{
	return c->o->grace == 0 || since == 0 || (c->now >= since && c->now - since >= wait);
}

/* -- condemning -------------------------------------------------------------------------------- */

/* A commit that came between: what its roots reach stays, and its packs, new as they are, with what
 * deltas in them build on. */
static int look_again(collecting *c, const dv_log_entry *e)
{
	c->counting = false;
	int rc = dv_remote_store_sync_segments(c->r);

	if (rc == 0)
		rc = note_entry(e, c);
	if (rc == 0)
		rc = note_deltas(c);
	for (size_t i = 0; rc == 0 && i < e->npacks; i++)
		rc = mark_container(c, &e->packs[i]);
	for (size_t i = 0; rc == 0 && i < e->nroots; i++) {
		dv_oid key = dv_root_key(&e->roots[i].oid, e->roots[i].project);
		uint64_t at;

		if (dv_map_get(&c->root_at, &key, &at))
			rc = mark_root(c, &c->roots[at]);
	}
	return rc ? rc : mark_bases(c);
}

static int victims(collecting *c, dv_log_entry *e, dv_collect_stats *st)
{
	int rc = 0;

	e->npacks = 0;
	st->packs_condemned = st->bytes_condemned = st->packs_kept = st->bytes_kept = 0;
	st->orphans_waiting = 0;
	for (size_t i = 0; rc == 0 && i < c->nknown; i++) {
		const dv_container *k = &c->known[i];
		dv_oid key = dv_container_key(k->kind, &k->id);

		if (dv_map_has(&c->live, &key)) {
			st->packs_kept++;
			st->bytes_kept += k->size;
			continue;
		}
		st->packs_condemned++;
		st->bytes_condemned += k->size;
		rc = dv_log_add_pack(e, &k->id, 0, k->kind);
	}
	for (size_t i = 0; rc == 0 && i < c->orphans.n; i++) {
		const found *f = &c->orphans.f[i];

		if (dv_log_state_has(&c->r->state, f->c.kind, &f->c.id))
			continue;
		if (!is_over(c, f->since, ORPHAN_AGE)) {
			st->orphans_waiting++;
			continue;
		}
		st->packs_condemned++;
		st->bytes_condemned += f->c.size;
		rc = dv_log_add_pack(e, &f->c.id, 0, f->c.kind);
	}
	return rc;
}

/* A root that lacks something is not vouched for again. */
static int kept_roots(const collecting *c, dv_log_entry *e)
{
	for (size_t i = 0; i < e->nroots; i++)
		root_release(&e->roots[i]);
	e->nroots = 0;
	e->tells_roots = true;
	for (size_t i = 0; i < c->nroots; i++) {
		const dv_root *r = &c->roots[i].root;

		if (!c->roots[i].whole)
			continue;
		int rc = dv_log_add_root(e, &r->oid, r->is_tree, r->path, r->project, r->commit);
		if (rc)
			return rc;
		e->roots[e->nroots - 1].runs = r->runs;
	}
	return 0;
}

typedef struct condemning {
	collecting *c;
	dv_collect_stats *st;
	bool again;
} condemning;

static int choose(dv_log_entry *e, bool *stop, void *payload)
{
	condemning *x = payload;
	int rc = victims(x->c, e, x->st);

	if (rc == 0)
		rc = kept_roots(x->c, e);
	*stop = e->npacks == 0 || x->c->o->dry;
	return rc;
}

static int came(const dv_log_entry *other, bool *stop, void *payload)
{
	condemning *x = payload;

	/* Who merges segments chooses among copies, perhaps not those that were marked. */
	*stop = x->again = other->kind == DV_LOG_CONDEMN || other->nseg_drop;
	return !*stop && other->kind == DV_LOG_COMMIT ? look_again(x->c, other) : 0;
}

/* *again: somebody else condemned packs meanwhile, and all has to be looked at anew. */
static int condemn(collecting *c, dv_collect_stats *st, dv_log_entry *e, bool *again)
{
	condemning x = { .c = c, .st = st };
	bool stopped;

	e->time = c->now;
	int rc = dv_remote_log_append(c->r, e, &(dv_log_appending){ choose, came, &x }, &stopped);
	*again = *again || x.again;
	return rc;
}

/* -- removing ---------------------------------------------------------------------------------- */

static int remove_file(collecting *c, const found *f, dv_collect_stats *st)
{
	char name[DV_NAME_ROOM];
	int rc = 0;

	if (!is_over(c, f->since, c->o->grace)) {
		st->packs_waiting++;
		st->bytes_waiting += f->c.size;
		return 0;
	}
	dv_remote_container_name(name, &f->c);
	if (!c->o->dry && (rc = dv_check_cancel()) == 0)
		rc = c->r->r->driver->remove(c->r->r, name);
	if (rc && rc != DV_ENOTFOUND)
		return dv_err_ctx(rc, "remote '%s': cannot remove '%s'", c->r->name, name);
	if (rc)
		dv_error_clear();
	st->packs_removed++;
	st->bytes_removed += f->c.size;
	return 0;
}

/* The entry is durable: no writer leans on them any more, whatever the time. */
static int remove_condemned(collecting *c, const dv_log_entry *e, dv_collect_stats *st)
{
	dv_auto(dv_map) size = DV_MAP_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->dead.n; i++)
		rc = remove_file(c, &c->dead.f[i], st);
	for (size_t i = 0; rc == 0 && i < c->nknown; i++)
		rc = dv_map_put(&size, &c->known[i].id, c->known[i].size);
	for (size_t i = 0; rc == 0 && i < c->orphans.n; i++)
		rc = dv_map_put(&size, &c->orphans.f[i].c.id, c->orphans.f[i].c.size);
	for (size_t i = 0; rc == 0 && i < e->npacks; i++) {
		found f = { .c = e->packs[i], .since = c->now };

		dv_map_get(&size, &f.c.id, &f.c.size);
		rc = remove_file(c, &f, st);
	}
	return rc;
}

/* -- the whole --------------------------------------------------------------------------------- */

static int collect_once(dv_store *local, dv_reader *reader, dv_remote_store *r,
			const dv_collect_options *o, bool may_rewrite, dv_collect_stats *st,
			bool *again)
{
	__attribute__((cleanup(collecting_release))) collecting c = {
		.r = r, .o = o, .now = (uint64_t)time(NULL) };
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_CONDEMN };

	*st = (dv_collect_stats){ 0 };
	*again = false;
	int rc = dv_push_walk_init(&c.walk, local, reader, r, true);
	if (rc)
		return rc;
	c.walk.on_there = mark_place;
	c.walk.payload = &c;
	if ((rc = read_log(&c)) || (rc = mark(&c, st)) ||
	    (may_rewrite && ((rc = rewrite(&c, st, again)) || *again)) ||
	    (rc = look_around(&c)) || (rc = condemn(&c, st, &e, again)) || *again)
		return rc;
	if (!o->dry && ((rc = dv_mirror_save(r)) || (rc = remember_orphans(&c))))
		return rc;
	return remove_condemned(&c, &e, st);
}

static int check_remote(dv_remote_store *r, bool dry)
{
	int rc;

	if (!r->r || !r->exists)
		return dv_err(DV_ENOTFOUND, "remote '%s' is not there", r->name);
	if (!(r->r->caps & DV_REMOTE_LIST))
		return dv_err_hint(dv_err(DV_ERROR, "remote '%s' cannot be collected: it does not "
					  "list files", r->name),
				   "collect by another way to the same place: s3://, ssh:// or its "
				   "folder");
	if (!dry && !(r->r->caps & DV_REMOTE_WRITE))
		return dv_err(DV_ERROR, "remote '%s' can only be read", r->name);
	if (dry)
		return 0;
	if ((rc = dv_probe_create(r)))
		return rc;
	if (r->create != DV_CREATE_ENFORCED)
		return dv_err_hint(dv_err(DV_ERROR, "remote '%s' cannot be collected: it does not "
					  "create files only if they are absent", r->name),
				   "a push in the same moment could lose its data");
	return 0;
}

int dv_transfer_collect(dv_store *local, dv_remote_store *remote, const dv_collect_options *o,
			dv_collect_stats *out)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_collect_stats rewritten = { 0 };
	bool again = true;
	int rc = check_remote(remote, o->dry);

	if (rc == 0)
		rc = dv_remote_store_complete(remote);
	*out = (dv_collect_stats){ 0 };
	if (rc == 0)
		rc = dv_reader_new(&reader, local);
	for (int i = 0; rc == 0 && again && i < REPLANS; i++) {
		rc = collect_once(local, reader, remote, o, rewritten.packs_rewritten == 0, out,
				  &again);
		if (out->packs_rewritten)
			rewritten = *out;
	}
	out->packs_rewritten = rewritten.packs_rewritten;
	out->bytes_rewritten = rewritten.bytes_rewritten;
	if (rc == 0 && again)
		rc = dv_err(DV_ETRANSIENT, "remote '%s' is being collected by others",
			    remote->name);
	return rc;
}
