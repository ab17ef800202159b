/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a push. A local pack that the remote lacks for the most part goes as it is; what is
 * needed of others is collected into new packs. Nothing damaged leaves: every entry is decoded
 * and checked on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define WHOLE_PERCENT 75u
#define LEVEL 3
#define EARLY_MIN ((uint64_t)1 << 20)	/* smaller packs wait until the walk ends */
#define IN_MEMORY 2		/* collected packs that are kept in memory at once */

int dv_memory_file(const void *p, size_t n)
{
	dv_autoclose int fd = memfd_create("dv", MFD_CLOEXEC);

	if (fd < 0)
		return dv_err_sys("cannot create a file in memory"), -1;
	if (n && dv_fs_write_all(fd, p, n))
		return dv_err_sys("cannot write to a file in memory"), -1;
	return dv_steal_fd(&fd);
}

/* A local container and how much of it is needed. */
typedef struct source {
	dv_container c;
	uint64_t sum;
	bool whole;
	bool judged;	/* whether it may go before the walk ends */
} source;

typedef struct dv_sender {
	dv_pushing *p;
	dv_pool *pool;
	dv_map at;		/* of the walk under way: container id -> index of its source */
	source *sources;
	size_t nsources, sources_cap, last;
	struct whole_job **early;	/* packs that went before the walk ended */
	size_t nearly, early_cap;
	pthread_mutex_t lock;	/* of p->sent */
	int in_memory;		/* collected packs that are */
	int connections;
	dv_slots slots;
	dv_reader **readers;	/* per slot */
	dv_encoder **encoders;
} sender;

static void sender_free(sender *s)
{
	if (!s)
		return;
	dv_pool_free(s->pool);
	for (size_t i = 0; i < s->nearly; i++)
		free(s->early[i]);
	free(s->early);
	free(s->sources);
	dv_map_release(&s->at);
	for (int i = 0; i < s->slots.n; i++) {
		if (s->readers)
			dv_reader_free(s->readers[i]);
		if (s->encoders)
			dv_encoder_free(s->encoders[i]);
	}
	free(s->readers);
	free(s->encoders);
	dv_slots_release(&s->slots);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
DV_DEFINE_AUTOPTR(sender)

int dv_pushing_note_sent(dv_pushing *p, const dv_container *c, const dv_pack_footer *f)
{
	const dv_segment *spilled;
	int rc = dv_grow(&p->sent, &p->sent_cap, p->nsent + 1, sizeof *p->sent);

	if (rc == 0)
		rc = dv_segment_builder_add(p->index, c, f);
	if (rc == 0)
		rc = dv_segment_builder_spill(p->index, p->spill, &spilled);
	if (rc == 0)
		p->sent[p->nsent++] = *c;
	return rc;
}

static int note_sent(sender *s, const dv_container *c, const dv_pack_footer *f)
{
	pthread_mutex_lock(&s->lock);
	int rc = dv_pushing_note_sent(s->p, c, f);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int put(sender *s, const dv_container *c, int fd)
{
	dv_remote_store *r = s->p->r;
	char name[DV_NAME_ROOM];

	dv_remote_container_name(name, c);
	dv_sending_begin();
	int rc = r->r->driver->put(r->r, name, fd, c->size);
	uint64_t told = dv_sending_end();
	/* Less than nothing for what was sent in vain: the counters wrap round. */
	dv_progress_add((rc ? 0 : c->size) - told, 0);
	return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
}

/* -- whole packs ------------------------------------------------------------------------------- */

typedef struct whole_job {
	sender *s;
	dv_container c;
} whole_job;

typedef struct delta_check {
	const whole_job *j;
	dv_reader *reader;
} delta_check;

static int damaged(const char *path)
{
	int rc = dv_err(DV_ECORRUPT, "'%s' is damaged and was not pushed", path);

	return dv_err_hint(rc, "run 'dv fsck' to see what is affected and to repair it");
}

typedef struct mapped {
	void *p;
	size_t n;
} mapped;
static void mapped_release(mapped *m)
{
	if (m->p)
		munmap(m->p, m->n);
}

static int open_pack(dv_store *local, const dv_container *c, char **path, int *fd)
{
	struct stat st;

	*path = dv_store_container_path(local, c);
	if (!*path)
		return DV_ERROR;
	*fd = dv_fs_openat(AT_FDCWD, *path, O_RDONLY | O_NOFOLLOW, 0);
	if (*fd < 0 || fstat(*fd, &st))
		return dv_err_sys("cannot open '%s'", *path);
	if ((uint64_t)st.st_size != c->size || c->size == 0)
		return damaged(*path);
	return 0;
}

/* What a delta makes, by way of its bases in the local store. */
static int check_delta(const dv_pack_entry *e, void *payload)
{
	const delta_check *d = payload;
	const dv_place at = { .in = d->j->c, .offset = e->offset, .stored = e->stored,
			      .raw = e->raw, .kind = e->kind, .codec = e->codec,
			      .nbases = e->nbases, .depth = e->depth };
	const uint8_t *p;
	size_t n;
	int rc = dv_reader_get_at(d->reader, &e->id, &at, &p, &n);

	return rc ? rc : dv_check_entry(e->kind, &e->id, p, n);
}

/* Reads the footer of an open pack, of which only that is looked at. */
static int read_footer(dv_pack_footer *f, int fd, const dv_container *c, const char *path)
{
	dv_auto(mapped) m = { 0 };
	size_t need = 0;
	void *p = mmap(NULL, (size_t)c->size, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return dv_err_sys("cannot map '%s'", path);
	m = (mapped){ p, (size_t)c->size };
	int rc = dv_pack_footer_parse(f, m.p, m.n, c->size, &need);
	return rc || need ? damaged(path) : 0;
}

static int whole_run(void *arg, int worker)
{
	whole_job *j = arg;
	sender *s = j->s;
	delta_check d = { j, NULL };
	const dv_pack_watch watch = { .delta = check_delta, .payload = &d };
	dv_autofree char *path = NULL;
	dv_autoclose int fd = -1;
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	int rc = open_pack(s->p->local, &j->c, &path, &fd);

	(void)worker;
	if (rc || (rc = read_footer(&f, fd, &j->c, path)))
		return rc;
	int slot = dv_slots_take(&s->slots);
	d.reader = s->readers[slot];
	rc = dv_pack_check(fd, j->c.size, &f, &j->c.id, &watch);
	dv_slots_give(&s->slots, slot);
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND)
		return damaged(path);
	if (rc == 0)
		rc = put(s, &j->c, fd);
	return rc ? rc : note_sent(s, &j->c, &f);
}

/* Does the remote have or get a base, less deep than the delta of `depth` that builds on it? That
 * is what keeps the deltas of a store from going round in a circle. */
static bool has_base(const dv_pushing *p, const dv_pack_footer *f, const dv_oid *base,
		     uint8_t depth)
{
	const dv_pack_entry *e = dv_pack_footer_find(f, DV_KIND_CHUNK, base);
	uint8_t there;

	return (e && e->depth < depth) ||
	       (dv_push_walk_has_chunk(&p->walk, base, &there) && there < depth);
}

/* May the pack go as it is? Its name must not be condemned, and the remote must have, or get, the
 * bases of every delta in it, in a form that is less deep. */
static int may_go_whole(dv_pushing *p, const dv_container *c, bool *may)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	dv_autofree char *path = NULL;
	dv_autoclose int fd = -1;

	*may = false;
	if (c->kind != DV_CONTAINER_PACK || dv_map_has(&p->r->state.condemned, &c->id))
		return 0;
	int rc = open_pack(p->local, c, &path, &fd);
	if (rc || (rc = read_footer(&f, fd, c, path)))
		return rc;
	for (size_t i = 0; i < f.n; i++)
		for (size_t k = 0; k < f.e[i].nbases; k++)
			if (!has_base(p, &f, &f.bases[f.e[i].bases_at + k], f.e[i].depth))
				return 0;
	*may = true;
	return 0;
}

/* -- before the walk ends ---------------------------------------------------------------------- */

int dv_pushing_begin(dv_pushing *p)
{
	dv_autoptr(sender) s = NULL;

	if (p->o->dry)
		return 0;
	s = dv_calloc(1, sizeof *s);
	if (!s)
		return DV_ERROR;
	pthread_mutex_init(&s->lock, NULL);
	s->p = p;
	s->connections = dv_move_jobs(p->o, p->r);
	dv_slots_init(&s->slots, s->connections);
	s->readers = dv_calloc((size_t)s->slots.n, sizeof(void *));
	s->encoders = dv_calloc((size_t)s->slots.n, sizeof(void *));
	if (!s->readers || !s->encoders)
		return DV_ERROR;
	p->sender = dv_steal(&s);
	return 0;
}

void dv_pushing_end(dv_pushing *p)
{
	if (p->sender && p->sender->nearly)
		dv_progress_end();
	sender_free(p->sender);
	p->sender = NULL;
}

void dv_pushing_forget_needs(dv_pushing *p)
{
	sender *s = p->sender;

	if (!s)
		return;
	dv_map_clear(&s->at);
	s->nsources = 0;
}

/* The threads are for those who need them: a push of nothing starts none. */
static int start(sender *s)
{
	if (s->pool)
		return 0;
	for (int i = 0; i < s->slots.n; i++) {
		int rc = dv_reader_new(&s->readers[i], s->p->local);

		if (rc || (rc = dv_encoder_new(&s->encoders[i], LEVEL)))
			return rc;
	}
	return dv_pool_new(&s->pool, s->connections, 16);
}

static bool is_early(const sender *s, const dv_oid *id)
{
	for (size_t i = 0; i < s->nearly; i++)
		if (dv_oid_eq(&s->early[i]->c.id, id))
			return true;
	return false;
}

/* May the pack go whatever else goes? Not where a delta in it builds on what is elsewhere. */
static int may_go_early(dv_pushing *p, const dv_container *c, bool *may)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	dv_autofree char *path = NULL;
	dv_autoclose int fd = -1;

	*may = false;
	if (dv_map_has(&p->r->state.condemned, &c->id))
		return 0;
	int rc = open_pack(p->local, c, &path, &fd);
	if (rc || (rc = read_footer(&f, fd, c, path)))
		return rc;
	for (size_t i = 0; i < f.n; i++)
		for (size_t k = 0; k < f.e[i].nbases; k++) {
			const dv_pack_entry *e = dv_pack_footer_find(
				&f, DV_KIND_CHUNK, &f.bases[f.e[i].bases_at + k]);

			if (!e || e->depth >= f.e[i].depth)
				return 0;
		}
	*may = true;
	return 0;
}

static int send_early(sender *s, const dv_container *c)
{
	bool may;
	int rc = may_go_early(s->p, c, &may);

	if (rc || !may || is_early(s, &c->id))
		return rc;
	if ((rc = start(s)) || (rc = dv_grow(&s->early, &s->early_cap, s->nearly + 1,
					     sizeof *s->early)))
		return rc;
	whole_job *j = dv_calloc(1, sizeof *j);
	if (!j)
		return DV_ERROR;
	*j = (whole_job){ s, *c };
	s->early[s->nearly++] = j;
	if (s->nearly == 1)
		dv_progress_start("pushing", 0, 0);
	return dv_pool_submit(s->pool, whole_run, j);
}

int dv_pushing_need(const dv_place *at, void *pushing)
{
	sender *s = ((dv_pushing *)pushing)->sender;
	uint64_t i = s->last;
	bool fresh = false;
	int rc = 0;

	if (at->in.kind != DV_CONTAINER_PACK || at->in.size < EARLY_MIN)
		return 0;
	if (i >= s->nsources || !dv_oid_eq(&s->sources[i].c.id, &at->in.id)) {
		i = s->nsources;
		rc = dv_map_add(&s->at, &at->in.id, i, &fresh);
		if (rc == 0 && fresh)
			rc = dv_grow(&s->sources, &s->sources_cap, i + 1, sizeof *s->sources);
		if (rc)
			return rc;
		if (fresh)
			s->sources[s->nsources++] = (source){ .c = at->in };
		else
			dv_map_get(&s->at, &at->in.id, &i);
		s->last = i;
	}
	source *from = &s->sources[i];
	from->sum += at->stored;
	if (from->judged || from->sum * 100 < from->c.size * WHOLE_PERCENT)
		return 0;
	from->judged = true;
	return send_early(s, &from->c);
}

/* -- collected packs --------------------------------------------------------------------------- */

typedef struct collect_job {
	sender *s;
	const dv_need *needs;
	size_t n;
} collect_job;

/* A pack, and whether it is one of those in memory. */
typedef struct packing {
	sender *s;
	bool in_memory;
	dv_packer k;
} packing;
static void packing_release(packing *k)
{
	dv_packer_release(&k->k);
	pthread_mutex_lock(&k->s->lock);
	k->s->in_memory -= k->in_memory;
	pthread_mutex_unlock(&k->s->lock);
}

/* In memory, as long as it is not one too many. */
static void choose_place(packing *k)
{
	pthread_mutex_lock(&k->s->lock);
	k->in_memory = k->s->in_memory < IN_MEMORY;
	k->s->in_memory += k->in_memory;
	pthread_mutex_unlock(&k->s->lock);
}

/* One entry in its stored form, checked first; chunks of whole files are compressed here. */
static int collect_entry(sender *s, int slot, const dv_need *need, dv_sticky *sticky,
			 dv_packer *k)
{
	dv_reader *reader = s->readers[slot];
	const dv_oid *bases = NULL;
	const uint8_t *p;
	dv_pack_entry e;
	size_t n;
	int rc = dv_reader_get_at(reader, &need->id, &need->at, &p, &n);

	if (rc == 0)
		rc = dv_check_entry(need->at.kind, &need->id, p, n);
	if (rc == DV_ECORRUPT)
		return dv_err_hint(rc, "run 'dv fsck --repair'");
	if (rc)
		return rc;
	dv_place_entry(&e, &need->id, &need->at);
	/* A delta whose chain would be too long on the remote has depth 0. */
	if (need->at.in.kind == DV_CONTAINER_FILE || (e.nbases && !e.depth)) {
		e.nbases = 0;
		rc = dv_encode(s->encoders[slot], p, n, sticky, &p, &n, &e.codec);
		e.stored = (uint32_t)n;
	} else {
		rc = dv_reader_stored(reader, &need->id, &need->at, &p, &bases);
	}
	return rc ? rc : dv_packer_add(k, &e, p, bases);
}

/* Puts the pack together; *c is what it is then. */
static int fill(const collect_job *j, int slot, packing *k, dv_container *c)
{
	dv_sticky sticky = { 0 };

	choose_place(k);
	int rc = dv_packer_begin(&k->k, j->s->p->r, j->needs, j->n, k->in_memory);
	for (size_t i = 0; rc == 0 && i < j->n; i++) {
		if (i && !dv_oid_eq(&j->needs[i].at.in.id, &j->needs[i - 1].at.in.id))
			sticky = (dv_sticky){ 0 };
		rc = i % 64 ? 0 : dv_check_cancel();
		if (rc == 0)
			rc = collect_entry(j->s, slot, &j->needs[i], &sticky, &k->k);
	}
	return rc ? rc : dv_packer_end(&k->k, c);
}

static int collect_run(void *arg, int worker)
{
	collect_job *j = arg;
	dv_auto(packing) k = { .s = j->s, .k = DV_PACKER_INIT };
	dv_container c;
	int slot = dv_slots_take(&j->s->slots);
	int rc = fill(j, slot, &k, &c);

	(void)worker;
	dv_slots_give(&j->s->slots, slot);
	if (rc == 0)
		rc = put(j->s, &c, k.k.fd);
	return rc ? rc : note_sent(j->s, &c, &k.k.f);
}

/* -- the plan ---------------------------------------------------------------------------------- */

static int compare_needs(const void *a, const void *b)
{
	const dv_need *x = a, *y = b;
	int c = dv_oid_cmp(&x->at.in.id, &y->at.in.id);

	if (c)
		return c;
	if (x->at.offset != y->at.offset)
		return x->at.offset < y->at.offset ? -1 : 1;
	return (x->at.kind > y->at.kind) - (x->at.kind < y->at.kind);
}

typedef struct plan {
	dv_map at;		/* container id -> index of its source */
	source *sources;
	whole_job *whole;
	collect_job *collect;
	dv_need *rest;		/* what is collected, sorted */
	size_t nsources, sources_cap, nwhole, whole_cap, ncollect, collect_cap, nrest, rest_cap;
} plan;
static void plan_release(plan *p)
{
	dv_map_release(&p->at);
	free(p->sources);
	free(p->whole);
	free(p->collect);
	free(p->rest);
}

static int sum_up(const dv_pushing *p, plan *pl)
{
	dv_place at;
	dv_oid id;

	for (uint64_t i = 0; dv_bits_next(&p->walk.needed, &i); i++) {
		uint64_t k = pl->nsources;
		bool fresh;

		if (!dv_entries_at(&p->walk.here, i, &id, &at))
			return dv_err(DV_ECORRUPT, "the index of the cache is damaged");
		int rc = dv_map_add(&pl->at, &at.in.id, k, &fresh);
		if (rc == 0 && fresh)
			rc = dv_grow(&pl->sources, &pl->sources_cap, k + 1, sizeof *pl->sources);
		if (rc)
			return rc;
		if (fresh)
			pl->sources[pl->nsources++] = (source){ .c = at.in };
		else
			dv_map_get(&pl->at, &at.in.id, &k);
		pl->sources[k].sum += at.stored;
	}
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return dv_oid_cmp(&((const source *)a)->c.id, &((const source *)b)->c.id);
}

/* Decides for each local container: whole, or its needed entries are collected. */
static int plan_containers(dv_pushing *p, plan *pl)
{
	sender *s = p->sender;

	qsort(pl->sources, pl->nsources, sizeof *pl->sources, compare_sources);
	for (size_t i = 0; i < pl->nsources; i++) {
		source *from = &pl->sources[i];
		int rc = dv_map_put(&pl->at, &from->c.id, i);
		bool early = s && is_early(s, &from->c.id);

		from->whole = early;
		if (rc == 0 && !early && from->sum * 100 >= from->c.size * WHOLE_PERCENT)
			rc = may_go_whole(p, &from->c, &from->whole);
		if (rc == 0)
			rc = dv_grow(&pl->whole, &pl->whole_cap, pl->nwhole + 1,
				     sizeof *pl->whole);
		if (rc)
			return rc;
		if (from->whole && !early)
			pl->whole[pl->nwhole++] = (whole_job){ s, from->c };
		p->bytes += from->whole ? from->c.size : from->sum;
	}
	return 0;
}

/* Lists what is needed of containers that do not go whole. */
static int plan_rest(const dv_pushing *p, plan *pl)
{
	size_t whole = 0;

	while (whole < pl->nsources && pl->sources[whole].whole)
		whole++;
	if (whole == pl->nsources)
		return 0;
	for (uint64_t i = 0, k = 0; dv_bits_next(&p->walk.needed, &i); i++) {
		dv_need need = { 0 };

		if (!dv_entries_at(&p->walk.here, i, &need.id, &need.at) ||
		    !dv_map_get(&pl->at, &need.at.in.id, &k) || pl->sources[k].whole)
			continue;
		int rc = dv_grow(&pl->rest, &pl->rest_cap, pl->nrest + 1, sizeof *pl->rest);
		if (rc)
			return rc;
		need.at.depth = p->walk.depth[i];
		pl->rest[pl->nrest++] = need;
	}
	if (pl->nrest)
		qsort(pl->rest, pl->nrest, sizeof *pl->rest, compare_needs);
	return 0;
}

/* Cuts what is collected into packs. */
static int plan_collect(sender *s, plan *pl)
{
	for (size_t i = 0, end; i < pl->nrest; i = end) {
		uint64_t sum = 0;

		for (end = i; end < pl->nrest && sum < DV_PACK_TARGET &&
			      end - i < DV_PACK_ENTRIES_MAX / DV_BASES_MAX; end++)
			sum += pl->rest[end].at.stored;
		int rc = dv_grow(&pl->collect, &pl->collect_cap, pl->ncollect + 1,
				 sizeof *pl->collect);
		if (rc)
			return rc;
		pl->collect[pl->ncollect++] = (collect_job){ s, &pl->rest[i], end - i };
	}
	return 0;
}

static int run_plan(sender *s, plan *pl)
{
	int rc = start(s);

	for (size_t i = 0; rc == 0 && i < pl->nwhole; i++)
		rc = dv_pool_submit(s->pool, whole_run, &pl->whole[i]);
	for (size_t i = 0; rc == 0 && i < pl->ncollect; i++)
		rc = dv_pool_submit(s->pool, collect_run, &pl->collect[i]);
	int end = s->pool ? dv_pool_wait(s->pool) : 0;
	return end ? end : rc;
}

/* What went early for the sake of an output that turned out to lack something is not committed. It
 * stays behind without a name, for the next push or the next collection. */
static void drop_needless(dv_pushing *p, const plan *pl)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->nsent; i++)
		if (!is_early(p->sender, &p->sent[i].id) || dv_map_has(&pl->at, &p->sent[i].id))
			p->sent[kept++] = p->sent[i];
	p->nsent = kept;
}

int dv_pushing_send(dv_pushing *p)
{
	sender *s = p->sender;
	dv_auto(plan) pl = { 0 };
	size_t early = s ? s->nearly : 0;

	p->bytes = 0;
	if (p->walk.n == 0 && early == 0)
		return 0;
	int rc = sum_up(p, &pl);
	if (rc || (rc = plan_containers(p, &pl)) || (rc = plan_rest(p, &pl)) ||
	    (rc = plan_collect(s, &pl)))
		return rc;
	p->requests = pl.nwhole + pl.ncollect + 2;
	if (p->o->dry)
		return 0;
	if (early)
		dv_progress_total(p->bytes, 0);
	else
		dv_progress_start("pushing", p->bytes, 0);
	rc = run_plan(s, &pl);
	dv_progress_end();
	drop_needless(p, &pl);
	return rc;
}
