/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Straight to a remote: the packs of a writer are sent as they are made and leave this machine's
 * disk at once. Every pack is read back and checked before it goes, as there is no other copy. The
 * order is that of a push: packs, segment, log entry; before the entry nobody knows the packs.
 *
 * What was sent is remembered as the footers of those packs, in a folder that the next try is given
 * too. It takes a pack that is still on the remote for what it is, and of its entries those that it
 * meets again in what it reads: only these come into the index, so that the index never lists what
 * nothing needs. Memory: a bit for each entry, and what a writer takes.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "transfer/internal.h"

#define CONNECTIONS 3		/* so many packs, and two more, are on the disk at once */
#define NAME_MAX_SENT (DV_OID_HEX_SIZE + 24)

/* A pack on its way, or one that was sent by an earlier try. */
typedef struct parcel {
	dv_onward *x;
	dv_container c;
	char *tmp;	/* NULL: it is not here any more */
	bool before;	/* an earlier try sent it */
	bool there;
} parcel;

struct dv_onward {
	dv_remote_store *r;
	dv_writer *w;
	dv_outlet outlet;
	dv_pool *pool;
	dv_move_options o;
	char *sent, *earlier_path;
	parcel **p;
	size_t n, cap;
	uint64_t bytes;			/* of packs that were sent by this try; the lock */
	pthread_mutex_t lock;
	dv_segment *earlier;		/* entries that earlier tries sent; or NULL */
	_Atomic uint8_t *met;		/* a bit for each: it is needed */
};

void dv_onward_free(dv_onward *x)
{
	if (!x)
		return;
	/* The writer hands packs to the pool, whose jobs use the parcels. */
	dv_writer_free(x->w);
	dv_pool_free(x->pool);
	for (size_t i = 0; i < x->n; i++) {
		if (x->p[i]->tmp)
			dv_fs_unlinkat(AT_FDCWD, x->p[i]->tmp, 0);
		free(x->p[i]->tmp);
		free(x->p[i]);
	}
	free(x->p);
	dv_segment_free(x->earlier);
	if (x->earlier_path)
		dv_fs_unlinkat(AT_FDCWD, x->earlier_path, 0);
	free(x->earlier_path);
	free((void *)x->met);
	free(x->sent);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

static int add_parcel(dv_onward *x, const dv_container *c, char *tmp, parcel **out)
{
	dv_autofree char *own = tmp;
	int rc = dv_grow(&x->p, &x->cap, x->n + 1, sizeof(void *));

	*out = rc ? NULL : dv_calloc(1, sizeof **out);
	if (!*out)
		return DV_ERROR;
	**out = (parcel){ .x = x, .c = *c, .tmp = dv_steal(&own) };
	x->p[x->n++] = *out;
	return 0;
}

/* -- sending ----------------------------------------------------------------------------------- */

/* The end of a pack, from its footer on: what is remembered of it. */
static int read_end(const parcel *p, int fd, dv_buf *end)
{
	uint8_t tail[DV_PACK_TAIL];
	size_t got = 0;

	if (p->c.size < sizeof tail ||
	    dv_fs_pread_all(fd, tail, sizeof tail, (off_t)(p->c.size - sizeof tail), &got))
		return dv_err_sys("cannot read '%s'", p->tmp);
	uint64_t at = dv_get_u64(tail + 8), n = at < p->c.size ? p->c.size - at : 0;
	if (got < sizeof tail || n < sizeof tail || n > DV_FOOTER_MAX)
		return dv_err(DV_ECORRUPT, "'%s' is damaged", p->tmp);
	char *room = dv_malloc((size_t)n);
	if (!room)
		return DV_ERROR;
	*end = (dv_buf){ .p = room, .n = (size_t)n, .cap = (size_t)n };
	if (dv_fs_pread_all(fd, room, (size_t)n, (off_t)at, &got))
		return dv_err_sys("cannot read '%s'", p->tmp);
	return got == n ? 0 : dv_err(DV_ECORRUPT, "'%s' is damaged", p->tmp);
}

static int refuse_delta(const dv_pack_entry *e, void *unused)
{
	(void)e;
	(void)unused;
	return dv_err(DV_ECORRUPT, "there is a delta where there can be none");
}

static int remember(const parcel *p, const dv_buf *end)
{
	char hex[DV_OID_HEX_SIZE + 1], name[NAME_MAX_SENT];

	dv_oid_hex(hex, &p->c.id);
	snprintf(name, sizeof name, "%s-%" PRIu64, hex, p->c.size);
	dv_autofree char *path = dv_path_join(p->x->sent, name);
	return path ? dv_fs_write_file(path, end->p, end->n, 0) : DV_ERROR;
}

static int send_job(void *arg, int worker)
{
	static const dv_pack_watch watch = { .delta = refuse_delta };
	parcel *p = arg;
	dv_remote_store *r = p->x->r;
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	dv_auto(dv_buf) end = DV_BUF_INIT;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, p->tmp, O_RDONLY | O_NOFOLLOW, 0);
	char name[DV_NAME_ROOM];
	size_t need = 0;

	(void)worker;
	if (fd < 0)
		return dv_err_sys("cannot open '%s'", p->tmp);
	int rc = read_end(p, fd, &end);
	if (rc || (rc = dv_pack_footer_parse(&f, (uint8_t *)end.p, end.n, p->c.size, &need)) ||
	    (rc = dv_pack_check(fd, p->c.size, &f, &p->c.id, &watch)))
		return dv_err_ctx(rc, "a pack that was just written");
	dv_remote_container_name(name, &p->c);
	if ((rc = r->r->driver->put(r->r, name, fd, p->c.size)))
		return dv_err_ctx(rc, "remote '%s'", r->name);
	pthread_mutex_lock(&p->x->lock);
	p->x->bytes += p->c.size;
	p->there = true;
	pthread_mutex_unlock(&p->x->lock);
	dv_fs_unlinkat(AT_FDCWD, p->tmp, 0);
	free(dv_steal(&p->tmp));
	/* Who cannot remember sends again. */
	if (remember(p, &end))
		dv_error_clear();
	return 0;
}

static int take(void *ctx, const dv_container *c, char *tmp)
{
	dv_onward *x = ctx;
	parcel *p;
	int rc = add_parcel(x, c, tmp, &p);

	return rc ? rc : dv_pool_submit(x->pool, send_job, p);
}

/* Called for chunk and recipe alike, by any thread. */
static bool has(void *ctx, uint8_t kind, const dv_oid *id)
{
	dv_onward *x = ctx;
	dv_place at;
	size_t i;

	if (dv_remote_store_find(x->r, kind, id, &at))
		return true;
	if (!x->earlier || !dv_segment_find_at(x->earlier, kind, id, &at, &i))
		return false;
	atomic_fetch_or(&x->met[i / 8], (uint8_t)(1u << i % 8));
	return true;
}

/* -- what earlier tries sent ------------------------------------------------------------------- */

/* "<64 hex>-<bytes>". */
static bool parse_name(const char *name, dv_container *c)
{
	char hex[DV_OID_HEX_SIZE + 1], again[NAME_MAX_SENT];
	unsigned long long size;

	if (strlen(name) <= DV_OID_HEX_SIZE || name[DV_OID_HEX_SIZE] != '-' ||
	    sscanf(name + DV_OID_HEX_SIZE + 1, "%19llu", &size) != 1)
		return false;
	memcpy(hex, name, DV_OID_HEX_SIZE);
	hex[DV_OID_HEX_SIZE] = 0;
	*c = (dv_container){ .size = size, .kind = DV_CONTAINER_PACK };
	if (dv_oid_parse(&c->id, hex, DV_OID_HEX_SIZE))
		return false;
	dv_oid_hex(hex, &c->id);
	snprintf(again, sizeof again, "%s-%llu", hex, size);
	return !strcmp(again, name);
}

static int look_job(void *arg, int worker)
{
	parcel *p = arg;
	dv_remote *r = p->x->r->r;
	char name[DV_NAME_ROOM];
	uint64_t size = 0;

	(void)worker;
	dv_remote_container_name(name, &p->c);
	int rc = r->driver->stat(r, name, &size);
	p->there = !rc && size == p->c.size;
	if (rc && rc != DV_ENOTFOUND)
		return dv_err_ctx(rc, "remote '%s'", p->x->r->name);
	dv_error_clear();
	return 0;
}

/* The footer that is remembered; false when it is no such thing. */
static bool recall(const parcel *p, dv_pack_footer *f)
{
	char hex[DV_OID_HEX_SIZE + 1], name[NAME_MAX_SENT];
	dv_auto(dv_buf) end = DV_BUF_INIT;
	size_t need = 0;

	dv_oid_hex(hex, &p->c.id);
	snprintf(name, sizeof name, "%s-%" PRIu64, hex, p->c.size);
	dv_autofree char *path = dv_path_join(p->x->sent, name);
	if (path && !dv_fs_read_file(&end, path, DV_FOOTER_MAX) &&
	    !dv_pack_footer_parse(f, (const uint8_t *)end.p, end.n, p->c.size, &need) && !need &&
	    !f->nbases)
		return true;
	dv_error_clear();
	return false;
}

static int find_earlier(dv_onward *x)
{
	DIR *d = opendir(x->sent);
	struct dirent *e;
	int rc = 0;

	if (!d)
		return dv_err_sys("cannot list '%s'", x->sent);
	while (!rc && (e = readdir(d))) {
		dv_container c;
		parcel *p;

		if (!parse_name(e->d_name, &c) || dv_map_has(&x->r->state.condemned, &c.id))
			continue;
		if ((rc = add_parcel(x, &c, NULL, &p)))
			break;
		p->before = true;
		rc = dv_pool_submit(x->pool, look_job, p);
	}
	closedir(d);
	int end = dv_pool_wait(x->pool);
	return rc ? rc : end;
}

/* One table of all that is there. */
static int index_earlier(dv_onward *x, const char *dir)
{
	dv_autoptr(dv_segment_builder) b = NULL;
	dv_auto(dv_atomic) file = DV_ATOMIC_INIT;
	dv_autofree char *path = dv_path_join(dir, "earlier");
	const dv_segment *spilled;
	size_t found = 0;
	dv_oid id;
	int rc = path ? dv_segment_builder_new(&b) : DV_ERROR;

	for (size_t i = 0; !rc && i < x->n; i++) {
		dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
		parcel *p = x->p[i];

		p->there = p->there && recall(p, &f);
		found += p->there;
		if (p->there && !(rc = dv_segment_builder_add(b, &p->c, &f)))
			rc = dv_segment_builder_spill(b, path, &spilled);
	}
	if (rc || !found)
		return rc;
	if ((rc = dv_atomic_open(&file, path, 0)) ||
	    (rc = dv_segment_builder_write(b, NULL, 0, NULL, NULL, file.fd, &id)) ||
	    (rc = dv_atomic_commit(&file)) || (rc = dv_segment_open(&x->earlier, path)))
		return rc;
	x->earlier_path = dv_steal(&path);
	x->met = dv_calloc(dv_segment_count(x->earlier) / 8 + 1, 1);
	return x->met ? 0 : DV_ERROR;
}

/* Of a pack that was sent before: the entries that were met. */
static int add_met(dv_onward *x, parcel *p, dv_segment_builder *b)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	size_t n = 0, k;
	dv_place at;

	if (!recall(p, &f))
		return dv_err(DV_ECORRUPT, "what was remembered of a pack is gone");
	for (size_t i = 0; i < f.n; i++) {
		const dv_pack_entry *e = &f.e[i];

		if (dv_segment_find_at(x->earlier, e->kind, &e->id, &at, &k) &&
		    dv_oid_eq(&at.in.id, &p->c.id) && x->met[k / 8] & 1u << k % 8)
			f.e[n++] = *e;
	}
	f.n = n;
	p->there = n > 0;
	return n ? dv_segment_builder_add(b, &p->c, &f) : 0;
}

/* -- all --------------------------------------------------------------------------------------- */

int dv_onward_new(dv_onward **out, dv_remote_store *remote, dv_store *scratch, int level,
		  const char *sent, const dv_move_options *o)
{
	dv_autoptr(dv_onward) x = dv_calloc(1, sizeof *x);
	int rc, jobs = o->jobs;

	*out = NULL;
	if (!x)
		return DV_ERROR;
	pthread_mutex_init(&x->lock, NULL);
	x->r = remote;
	x->o = *o;
	x->outlet = (dv_outlet){ has, take, x };
	x->sent = dv_strdup(sent);
	if (!x->sent)
		return DV_ERROR;
	if (jobs <= 0 && (jobs = dv_move_jobs(o, remote)) > CONNECTIONS)
		jobs = CONNECTIONS;
	if (jobs > DV_MOVE_JOBS_MAX)
		jobs = DV_MOVE_JOBS_MAX;
	if ((rc = dv_pushing_check(remote)) || (rc = dv_fs_mkdirs(sent)) ||
	    (rc = dv_pool_new(&x->pool, jobs, 1)) || (rc = find_earlier(x)) ||
	    (rc = index_earlier(x, dv_store_dir(scratch))) ||
	    (rc = dv_writer_new(&x->w, scratch, level)))
		return rc;
	dv_writer_send_to(x->w, &x->outlet);
	*out = dv_steal(&x);
	return 0;
}

dv_writer *dv_onward_writer(dv_onward *x)
{
	return x->w;
}

typedef struct closing {
	dv_pushing p;
} closing;
static void closing_release(closing *c)
{
	dv_segment_builder_free(c->p.index);
	free(c->p.sent);
	free(c->p.missing);
}

/* Everything is on the remote: lists the packs, and completes their index. */
static int gather(dv_onward *x, dv_pushing *p, dv_move_stats *out)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < x->n; i++) {
		parcel *q = x->p[i];
		dv_container c = q->c;

		if (q->there && q->before)
			rc = add_met(x, q, p->index);
		if (rc || !q->there)
			continue;
		rc = dv_grow(&p->sent, &p->sent_cap, p->nsent + 1, sizeof *p->sent);
		if (!rc)
			p->sent[p->nsent++] = c;
		out->packs += !q->before;
	}
	out->bytes = x->bytes;
	return rc;
}

int dv_onward_commit(dv_onward *x, const dv_want *w, size_t n, bool *again, dv_move_stats *out)
{
	dv_auto(closing) c = { .p = { .r = x->r, .wants = w, .nwants = n, .o = &x->o } };
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_COMMIT };

	*again = false;
	*out = (dv_move_stats){ 0 };
	int rc = dv_writer_hand_over(x->w, &c.p.index), end = dv_pool_wait(x->pool);
	/* The writer was told of a failure of the pool, whose record is the one that counts. */
	if (end || rc)
		return end ? end : rc;
	if (!(c.p.missing = dv_calloc(n + 1, sizeof *c.p.missing)))
		return DV_ERROR;
	if ((rc = gather(x, &c.p, out)) || (rc = dv_pushing_add_roots(&c.p, &e)))
		return rc;
	if ((c.p.nsent || e.nroots) && (rc = dv_pushing_commit(&c.p, &e, again)))
		return rc;
	/* It is of no use any more, and does no harm. */
	if (!*again && dv_fs_remove_tree(x->sent))
		dv_error_clear();
	return 0;
}
