/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading entries: descriptors of a few containers are kept, neighbours are read in one go, and
 * what a delta needs is decoded first, within bounds on depth, bytes and steps. One thread per
 * reader.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "store/object.h"
#include "store/store_priv.h"

#define NFILES 16
#define NFOOTERS 8
#define NBASES 64
#define WINDOW (256u << 10)  /* bytes read at once when reading on */
#define NEAR (256u << 10)    /* a step forward of at most this is reading on */
#define RAW_MIN (16u << 10) /* bytes worth a call of their own, as there is one copy less */
#define BUDGET 4096	     /* entries decoded for one get at most */
#define BASES_BYTES (16u << 20) /* decoded bases that are kept */

typedef struct open_file {
	dv_oid id;
	int fd;
	uint8_t kind;
	uint64_t used;
} open_file;

typedef struct open_footer {
	dv_oid id;
	dv_pack_footer f;
	uint64_t used; /* 0: free */
} open_footer;

typedef struct base_chunk {
	dv_oid id;
	uint8_t *p; /* NULL: free */
	size_t n;
	uint64_t used;
	bool verified;
} base_chunk;

struct dv_reader {
	dv_store *s;
	open_file files[NFILES];
	open_footer footers[NFOOTERS];
	base_chunk bases[NBASES];
	size_t bases_bytes;
	uint64_t clock;
	unsigned budget;
	dv_oid joined_ids[DV_BASES_MAX];	/* whose bytes `joined` has, one after the other: */
	uint8_t njoined;			/* peers share their bases with their neighbours */
	bool joined_verified;
	dv_buf joined;
	bool trusting;	/* what is read now is verified as a whole: bases need not be */
	uint8_t *win;
	size_t win_len, win_cap;
	dv_container win_in;
	uint64_t win_at, last_end;
	uint8_t *out;	/* DV_RAW_MAX bytes */
};

int dv_reader_new(dv_reader **out, dv_store *s)
{
	dv_autoptr(dv_reader) r = dv_calloc(1, sizeof(*r));

	if (!r)
		return DV_ERROR;
	for (int i = 0; i < NFILES; i++)
		r->files[i].fd = -1;
	r->s = s;
	r->out = dv_malloc(DV_RAW_MAX);
	if (!r->out)
		return DV_ERROR;
	*out = dv_steal(&r);
	return 0;
}

dv_store *dv_reader_store(const dv_reader *r)
{
	return r->s;
}

void dv_reader_free(dv_reader *r)
{
	if (!r)
		return;
	for (int i = 0; i < NFILES; i++)
		if (r->files[i].fd >= 0)
			close(r->files[i].fd);
	for (int i = 0; i < NFOOTERS; i++)
		dv_pack_footer_release(&r->footers[i].f);
	for (int i = 0; i < NBASES; i++)
		free(r->bases[i].p);
	dv_buf_release(&r->joined);
	free(r->win);
	free(r->out);
	free(r);
}

/* -- containers -------------------------------------------------------------------------- */

static int damaged(const dv_oid *id, const dv_container *c)
{
	char entry[DV_OID_HEX_SIZE + 1], pack[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(entry, id);
	dv_oid_hex(pack, &c->id);
	dv_err(DV_ECORRUPT, "chunk %s is damaged in %s %s", entry,
	       c->kind == DV_CONTAINER_FILE ? "file" : "pack", pack);
	return dv_err_hint(DV_ECORRUPT, "run 'dv fsck --repair'");
}

static int open_container(const dv_store *s, const dv_container *c, int *fd)
{
	dv_autofree char *path = dv_store_container_path(s, c);

	if (!path)
		return DV_ERROR;
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd >= 0)
		return 0;
	if (errno != ENOENT)
		return dv_err_sys("cannot open '%s'", path);
	dv_err(DV_ECORRUPT, "'%s' is missing", path);
	return dv_err_hint(DV_ECORRUPT, "run 'dv fsck --repair'");
}

static int reader_fd(dv_reader *r, const dv_container *c, int *fd)
{
	open_file *oldest = &r->files[0];
	int rc;

	for (int i = 0; i < NFILES; i++) {
		open_file *f = &r->files[i];

		if (f->fd >= 0 && f->kind == c->kind && dv_oid_eq(&f->id, &c->id)) {
			f->used = ++r->clock;
			*fd = f->fd;
			return 0;
		}
		if (f->used < oldest->used)
			oldest = f;
	}
	rc = open_container(r->s, c, fd);
	if (rc)
		return rc;
	if (oldest->fd >= 0)
		close(oldest->fd);
	*oldest = (open_file){ .id = c->id, .kind = c->kind, .fd = *fd, .used = ++r->clock };
	return 0;
}

int dv_store_load_footer(const dv_store *s, const dv_container *c, dv_pack_footer *out)
{
	dv_autofree uint8_t *p = NULL;
	dv_autoclose int fd = -1;
	size_t need = DV_PACK_TAIL, got = 0;
	int rc = open_container(s, c, &fd);

	*out = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	while (!rc && need) {
		size_t n = need;
		uint8_t *grown;

		if (c->size > INT64_MAX || n > c->size)
			return damaged(&c->id, c);
		grown = dv_realloc(p, n);
		if (!grown)
			return DV_ERROR;
		p = grown;
		if (dv_fs_pread_all(fd, p, n, (off_t)(c->size - n), &got))
			return dv_err_sys("cannot read a pack");
		if (got != n)
			return damaged(&c->id, c);
		rc = dv_pack_footer_parse(out, p, n, c->size, &need);
	}
	return rc;
}

static int reader_footer(dv_reader *r, const dv_container *c, const dv_pack_footer **out)
{
	open_footer *oldest = &r->footers[0];
	dv_pack_footer f;
	int rc;

	for (int i = 0; i < NFOOTERS; i++) {
		open_footer *o = &r->footers[i];

		if (o->used && dv_oid_eq(&o->id, &c->id)) {
			o->used = ++r->clock;
			*out = &o->f;
			return 0;
		}
		if (o->used < oldest->used)
			oldest = o;
	}
	rc = dv_store_load_footer(r->s, c, &f);
	if (rc)
		return rc;
	dv_pack_footer_release(&oldest->f);
	*oldest = (open_footer){ .id = c->id, .f = f, .used = ++r->clock };
	*out = &oldest->f;
	return 0;
}

/* -- stored bytes ------------------------------------------------------------------------ */

static bool in_window(const dv_reader *r, const dv_place *at)
{
	return r->win_len && at->in.kind == r->win_in.kind &&
	       dv_oid_eq(&at->in.id, &r->win_in.id) &&
	       at->offset >= r->win_at && at->offset - r->win_at <= r->win_len &&
	       at->stored <= r->win_len - (at->offset - r->win_at);
}

/* How much to read for a place: more than asked for when the last read was just before it. */
static size_t how_much(const dv_reader *r, const dv_place *at)
{
	uint64_t left = at->in.size - at->offset;
	bool same = r->win_cap && at->in.kind == r->win_in.kind &&
		    dv_oid_eq(&at->in.id, &r->win_in.id);

	if (!same || at->offset < r->win_at || at->offset > r->last_end + NEAR ||
	    at->stored > WINDOW / 4)
		return at->stored;
	return left < WINDOW ? (size_t)left : WINDOW;
}

/* *p is borrowed from the window until the next call. */
static int read_stored(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p)
{
	size_t n, got = 0;
	int fd, rc;

	if (at->offset > at->in.size || at->stored > at->in.size - at->offset ||
	    at->in.size > INT64_MAX || at->stored > DV_STORED_MAX)
		return damaged(id, &at->in);
	if (!in_window(r, at)) {
		n = how_much(r, at);
		rc = reader_fd(r, &at->in, &fd);
		if (rc)
			return rc;
		r->win_len = 0;
		if (r->win_cap < n) {
			size_t cap = n > WINDOW ? DV_STORED_MAX : WINDOW;
			uint8_t *grown = dv_realloc(r->win, cap);

			if (!grown)
				return DV_ERROR;
			r->win = grown;
			r->win_cap = cap;
		}
		if (dv_fs_pread_all(fd, r->win, n, (off_t)at->offset, &got))
			return dv_err_sys("cannot read a pack");
		if (got < at->stored)
			return damaged(id, &at->in);
		r->win_in = at->in;
		r->win_at = at->offset;
		r->win_len = got;
	}
	r->last_end = at->offset + at->stored;
	*p = r->win + (at->offset - r->win_at);
	return 0;
}

static int find_bases(dv_reader *r, const dv_oid *id, const dv_place *at, const dv_oid **bases)
{
	const dv_pack_footer *f;
	const dv_pack_entry *e;
	int rc;

	*bases = NULL;
	if (!at->nbases)
		return 0;
	if (at->in.kind != DV_CONTAINER_PACK)
		return damaged(id, &at->in);
	rc = reader_footer(r, &at->in, &f);
	if (rc)
		return rc;
	e = dv_pack_footer_find(f, at->kind, id);
	if (!e || e->offset != at->offset || e->stored != at->stored || e->raw != at->raw ||
	    e->nbases != at->nbases || e->codec != at->codec)
		return damaged(id, &at->in);
	*bases = f->bases + e->bases_at;
	return 0;
}

int dv_reader_bases(dv_reader *r, const dv_oid *id, const dv_place *at, const dv_oid **bases)
{
	return find_bases(r, id, at, bases);
}

int dv_reader_stored(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p,
		     const dv_oid **bases)
{
	int rc = find_bases(r, id, at, bases);

	return rc ? rc : read_stored(r, id, at, p);
}

/* -- decoding ---------------------------------------------------------------------------- */

static int decode(dv_reader *r, const dv_oid *id, const dv_place *at, int depth, uint8_t *out);

static base_chunk *find_base(dv_reader *r, const dv_oid *id)
{
	for (int i = 0; i < NBASES; i++)
		if (r->bases[i].p && dv_oid_eq(&r->bases[i].id, id)) {
			r->bases[i].used = ++r->clock;
			return &r->bases[i];
		}
	return NULL;
}

static void drop_base(dv_reader *r, base_chunk *b)
{
	r->bases_bytes -= b->p ? b->n : 0;
	free(b->p);
	*b = (base_chunk){ 0 };
}

/* Keeps a decoded base, which is taken over, and drops the oldest ones for it. */
static base_chunk *keep_base(dv_reader *r, const dv_oid *id, uint8_t *p, size_t n, bool verified)
{
	base_chunk *oldest = NULL;

	do {
		oldest = NULL;
		for (int i = 0; i < NBASES; i++)
			if (!oldest || r->bases[i].used < oldest->used)
				oldest = &r->bases[i];
		if (r->bases_bytes + n > BASES_BYTES && !oldest->p) {
			/* Free places come first: look for the oldest one in use. */
			oldest = NULL;
			for (int i = 0; i < NBASES; i++)
				if (r->bases[i].p && (!oldest || r->bases[i].used < oldest->used))
					oldest = &r->bases[i];
		}
		drop_base(r, oldest);
	} while (r->bases_bytes + n > BASES_BYTES);
	*oldest = (base_chunk){ .id = *id, .p = p, .n = n, .used = ++r->clock,
				.verified = verified };
	r->bases_bytes += n;
	return oldest;
}

static int verify(const dv_oid *id, const dv_place *at, const uint8_t *p)
{
	dv_oid got;

	dv_sha256(&got, p, at->raw);
	return dv_oid_eq(&got, id) ? 0 : damaged(id, &at->in);
}

/* Decodes a base that is not kept yet, and keeps it. */
static int read_base(dv_reader *r, const dv_oid *id, int depth, base_chunk **out)
{
	dv_autofree uint8_t *p = NULL;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_place at;
	int rc;

	if (!dv_store_find(r->s, DV_KIND_CHUNK, id, &at)) {
		dv_oid_hex(hex, id);
		dv_err(DV_ECORRUPT, "chunk %s, which others build on, is missing", hex);
		return dv_err_hint(DV_ECORRUPT, "run 'dv fsck --repair'");
	}
	p = dv_malloc(at.raw);
	rc = p ? decode(r, id, &at, depth, p) : DV_ERROR;
	if (!rc && !r->trusting)
		rc = verify(id, &at, p);
	if (!rc)
		*out = keep_base(r, id, dv_steal(&p), at.raw, !r->trusting);
	return rc;
}

static int append_base(dv_reader *r, const dv_oid *id, int depth, dv_buf *prefix)
{
	base_chunk *known = find_base(r, id);
	int rc = 0;

	/* One that was read on trust is not good enough where damage is to be named. */
	if (known && !known->verified && !r->trusting) {
		drop_base(r, known);
		known = NULL;
	}
	if (!known)
		rc = read_base(r, id, depth, &known);
	if (!rc && known->n > DV_PREFIX_MAX - prefix->n)
		rc = dv_err(DV_ECORRUPT, "the bases of a delta are too long");
	return rc ? rc : dv_buf_add(prefix, known->p, known->n);
}

/* The bytes of all bases, in `own` or kept from the chunk before when that has the same ones. */
static int join_bases(dv_reader *r, const dv_oid *ids, uint8_t n, int depth, dv_buf *own,
		      const dv_buf **out)
{
	dv_buf *to = depth ? own : &r->joined;
	int rc = 0;

	*out = to;
	if (!n)
		return 0;
	if (!depth && n == r->njoined && (r->joined_verified || r->trusting) &&
	    !memcmp(ids, r->joined_ids, n * sizeof(*ids)))
		return 0;
	if (!depth)
		r->njoined = 0;
	dv_buf_clear(to);
	for (int i = 0; !rc && i < n; i++)
		rc = append_base(r, &ids[i], depth + 1, to);
	if (!rc && !depth) {
		memcpy(r->joined_ids, ids, n * sizeof(*ids));
		r->njoined = n;
		r->joined_verified = !r->trusting;
	}
	return rc;
}

static int decode(dv_reader *r, const dv_oid *id, const dv_place *at, int depth, uint8_t *out)
{
	dv_auto(dv_buf) own = DV_BUF_INIT;
	const dv_buf *prefix;
	dv_oid ids[DV_BASES_MAX];
	const dv_oid *bases;
	const uint8_t *stored;
	dv_pack_entry e = { .stored = at->stored, .raw = at->raw, .codec = at->codec };
	int rc;

	if (depth > DV_DEPTH_MAX || at->nbases > DV_BASES_MAX || at->raw > DV_RAW_MAX ||
	    !r->budget)
		return damaged(id, &at->in);
	r->budget--;
	rc = find_bases(r, id, at, &bases);
	if (rc)
		return rc;
	/* The footer they are borrowed from may go while the bases are read. */
	if (at->nbases)
		memcpy(ids, bases, at->nbases * sizeof(*ids));
	rc = join_bases(r, ids, at->nbases, depth, &own, &prefix);
	if (!rc)
		rc = read_stored(r, id, at, &stored);
	if (rc)
		return rc;
	if (dv_pack_decode(out, &e, stored, (const uint8_t *)prefix->p, at->nbases ? prefix->n : 0))
		return damaged(id, &at->in);
	return 0;
}

static int get_at(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p, size_t *n)
{
	int rc;

	if (at->codec == DV_CODEC_RAW) {
		if (at->stored != at->raw)
			return damaged(id, &at->in);
		rc = read_stored(r, id, at, p);
	} else {
		r->budget = BUDGET;
		rc = decode(r, id, at, 0, r->out);
		*p = r->out;
	}
	*n = at->raw;
	return rc;
}

int dv_reader_get_at(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p,
		     size_t *n)
{
	int rc;

	r->trusting = true;
	rc = get_at(r, id, at, p, n);
	r->trusting = false;
	return rc;
}

/* Raw bytes go straight from the file to the caller's, unless they were read already. */
static int read_raw(dv_reader *r, const dv_oid *id, const dv_place *at, uint8_t *out)
{
	const uint8_t *p;
	size_t got = 0;
	int fd, rc;

	if (at->stored != at->raw || at->offset > at->in.size ||
	    at->stored > at->in.size - at->offset || at->in.size > INT64_MAX)
		return damaged(id, &at->in);
	if (at->stored < RAW_MIN || in_window(r, at)) {
		rc = read_stored(r, id, at, &p);
		if (!rc)
			memcpy(out, p, at->raw);
		return rc;
	}
	rc = reader_fd(r, &at->in, &fd);
	if (rc)
		return rc;
	if (dv_fs_pread_all(fd, out, at->stored, (off_t)at->offset, &got))
		return dv_err_sys("cannot read a pack");
	return got == at->stored ? 0 : damaged(id, &at->in);
}

int dv_reader_read_at(dv_reader *r, const dv_oid *id, const dv_place *at, uint8_t *out)
{
	int rc;

	if (at->codec == DV_CODEC_RAW)
		return read_raw(r, id, at, out);
	r->trusting = true;
	r->budget = BUDGET;
	rc = decode(r, id, at, 0, out);
	r->trusting = false;
	return rc;
}

static bool is_recipe(const uint8_t *p, size_t n)
{
	return n >= DV_RECIPE_HEADER && !memcmp(p, "DVRECIP1", 8) &&
	       (n - DV_RECIPE_HEADER) % DV_RECIPE_ITEM == 0;
}

int dv_reader_get(dv_reader *r, uint8_t kind, const dv_oid *id, const uint8_t **p, size_t *n)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_place at;
	int rc;

	if (!dv_store_find(r->s, kind, id, &at)) {
		dv_oid_hex(hex, id);
		return dv_err(DV_ENOTFOUND, "%s %s is not in the store",
			      kind == DV_KIND_RECIPE ? "recipe" : "chunk", hex);
	}
	rc = get_at(r, id, &at, p, n);
	if (rc)
		return rc;
	if (kind == DV_KIND_RECIPE)
		return is_recipe(*p, *n) ? 0 : damaged(id, &at.in);
	return verify(id, &at, *p);
}
