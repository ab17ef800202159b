/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries stored as deltas: read, closed over, swept, indexed anew, pushed, fetched and verified; a
 * damaged base takes down what is built on it and nothing else; bases that lie (circles, gaps,
 * chains without end, bombs) are refused in bounded time. The packs are made by hand from
 * docs/format.md. Taking over whole packs and whole files is tested on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "store/care.h"
#include "transfer/transfer.h"
#include "folder.h"

#define N 6		/* versions of a file, each a delta on the one before */
#define LEN 30000u

/* -- material ---------------------------------------------------------------------------------- */

/* Version v differs from v - 1 in a hundred bytes. */
static void version(uint8_t *p, unsigned v)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < LEN; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 40);
	}
	for (unsigned k = 1; k <= v; k++)
		memset(p + k * 1000, (int)k, 100);
}

static dv_oid id_of(const void *p, size_t n)
{
	dv_oid id;

	dv_sha256(&id, p, n);
	return id;
}

static dv_oid version_id(unsigned v)
{
	static uint8_t p[LEN];

	version(p, v);
	return id_of(p, LEN);
}

/* A frame as the format wants it, against a prefix. */
static size_t squeeze(uint8_t *out, size_t room, const void *raw, size_t n, const void *prefix,
		      size_t prefix_len)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	size_t len;

	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0)));
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 0)));
	assert_false(ZSTD_isError(ZSTD_CCtx_refPrefix(c, prefix, prefix_len)));
	len = ZSTD_compress2(c, out, room, raw, n);
	assert_false(ZSTD_isError(len));
	ZSTD_freeCCtx(c);
	return len;
}

/* Puts version v, on the `nbases` versions before it. */
static void put_version(dv_writer *w, unsigned v, unsigned nbases)
{
	static uint8_t raw[LEN], stored[2 * LEN], prefix[N * LEN];
	dv_pack_entry e = { .kind = DV_KIND_CHUNK, .raw = LEN, .nbases = (uint8_t)nbases,
			    .codec = nbases ? DV_CODEC_ZSTD_DELTA : DV_CODEC_ZSTD,
			    .depth = nbases ? 1 : 0 };
	dv_oid bases[N];

	version(raw, v);
	e.id = id_of(raw, LEN);
	for (unsigned i = 0; i < nbases; i++) {
		bases[i] = version_id(v - nbases + i);
		version(prefix + i * LEN, v - nbases + i);
	}
	e.stored = (uint32_t)squeeze(stored, sizeof(stored), raw, LEN, prefix, nbases * LEN);
	assert_true(!nbases || e.stored < LEN / 4);
	ok(dv_writer_put_stored(w, &e, stored, nbases ? bases : NULL));
}

/* A store with a chain of N versions, the last on two bases, an object of its own, and a tree that
 * names the last version alone. */
static void fill(const char *dir, dv_oid *tree, dv_oid *lone)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_autoptr(dv_encoder) enc = NULL;
	dv_auto(dv_tree) t = DV_TREE_INIT;
	dv_oid last = version_id(N - 1);

	ok(dv_store_open(&s, dir, DV_STORE_CREATE));
	ok(dv_encoder_new(&enc, 1));
	ok(dv_writer_new(&w, s, 1));
	for (unsigned v = 0; v < N - 1; v++)
		put_version(w, v, v > 0);
	/* Bases may lie in another pack. */
	ok(dv_writer_commit(w, NULL, 0));
	put_version(w, N - 1, 2);
	ok(dv_object_put(w, enc, "alone", 5, lone));
	ok(dv_tree_add(&t, 'f', &last, LEN, 1, "last"));
	ok(dv_tree_store(&t, w, enc, tree));
	ok(dv_writer_commit(w, NULL, 0));
}

static void assert_versions(dv_store *s)
{
	static uint8_t raw[LEN];
	dv_autoptr(dv_reader) r = NULL;

	/* From the end, so that nothing has been decoded before. */
	for (unsigned v = N; v-- > 0;) {
		const uint8_t *p;
		dv_place at;
		dv_oid id = version_id(v);
		size_t n;

		dv_reader_free(dv_steal(&r));
		ok(dv_reader_new(&r, s));
		assert_true(dv_store_find(s, DV_KIND_CHUNK, &id, &at));
		assert_int_equal(at.depth, v);
		ok(dv_reader_get(r, DV_KIND_CHUNK, &id, &p, &n));
		version(raw, v);
		assert_int_equal(n, LEN);
		assert_memory_equal(p, raw, LEN);
	}
}

typedef struct found {
	unsigned n, chunks;
	bool version[N];
} found;

static int on_damage(const dv_store_damage *d, void *payload)
{
	found *f = payload;

	f->n++;
	f->chunks += !strcmp(d->kind, "chunk");
	for (unsigned v = 0; v < N; v++) {
		dv_oid id = version_id(v);

		if (d->entry_kind == DV_KIND_CHUNK && dv_oid_eq(&d->id, &id))
			f->version[v] = true;
	}
	return 0;
}

static found damage_of(dv_store *s)
{
	dv_autoptr(dv_pool) pool = NULL;
	dv_store_stats stats;
	found f = { 0 };

	ok(dv_pool_new(&pool, 2, 16));
	ok(dv_store_fsck(s, pool, false, on_damage, &f, &stats));
	return f;
}

/* -- what is right ----------------------------------------------------------------------------- */

static void test_read(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_oid tree, lone;

	(void)state;
	fill("read", &tree, &lone);
	ok(dv_store_open(&s, "read", 0));
	assert_versions(s);
	assert_int_equal(damage_of(s).n, 0);
}

static void test_put_checks(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_oid absent = version_id(0);
	dv_pack_entry e = { .id = version_id(1), .kind = DV_KIND_CHUNK, .raw = LEN, .stored = 10,
			    .codec = DV_CODEC_ZSTD_DELTA, .nbases = 1, .depth = 1 };
	uint8_t zeros[10] = { 0 };

	(void)state;
	ok(dv_store_open(&s, "checks", DV_STORE_CREATE));
	ok(dv_writer_new(&w, s, 1));
	assert_int_equal(dv_writer_put_stored(w, &e, zeros, &absent), DV_ENOTFOUND);
	e.nbases = 0;
	assert_int_equal(dv_writer_put_stored(w, &e, zeros, NULL), DV_ECORRUPT);
	e.nbases = 1, e.codec = DV_CODEC_ZSTD;
	assert_int_equal(dv_writer_put_stored(w, &e, zeros, &absent), DV_ECORRUPT);
	e.codec = 3;
	assert_int_equal(dv_writer_put_stored(w, &e, zeros, &absent), DV_ECORRUPT);
	dv_error_clear();
}

static void test_closure(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) c = DV_CLOSURE_INIT;
	dv_oid tree, lone;

	(void)state;
	fill("closure", &tree, &lone);
	ok(dv_store_open(&s, "closure", 0));
	ok(dv_reader_new(&r, s));
	ok(dv_closure_add(&c, r, &tree, true, false));
	for (unsigned v = 0; v < N; v++) {
		dv_oid id = version_id(v);

		assert_true(dv_map_has(&c.chunks, &id));
	}
	assert_false(dv_map_has(&c.chunks, &lone));
	assert_int_equal(c.nmissing, 0);
}

/* Only the tree is kept by name, and only its chunk is wanted: the sweep itself sees to the bases. */
static void test_sweep(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;
	dv_oid tree, lone, last = version_id(N - 1);

	(void)state;
	fill("sweep", &tree, &lone);
	ok(dv_store_open(&s, "sweep", 0));
	ok(dv_map_put(&keep.chunks, &tree, 1));
	ok(dv_map_put(&keep.chunks, &last, 1));
	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_int_equal(st.chunks_kept, N + 1);
	assert_int_equal(st.chunks_dropped, 1);
	assert_false(dv_store_has_object(s, &lone));
	assert_versions(s);
	assert_int_equal(damage_of(s).n, 0);
}

static bool drop_all(const dv_container *c, void *payload)
{
	(void)c;
	(void)payload;
	return true;
}

/* What must leave its pack is stored without bases, and then these may go. */
static void test_sweep_salvages(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1, .drop_container = drop_all };
	dv_sweep_stats st;
	const uint8_t *p;
	dv_oid tree, lone, last = version_id(N - 1), first = version_id(0);
	dv_place at;
	size_t n;

	(void)state;
	fill("salvage", &tree, &lone);
	ok(dv_store_open(&s, "salvage", 0));
	ok(dv_map_put(&keep.chunks, &tree, 1));
	ok(dv_map_put(&keep.chunks, &last, 1));
	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_true(dv_store_find(s, DV_KIND_CHUNK, &last, &at));
	assert_int_equal(at.nbases, 0);
	assert_false(dv_store_has_object(s, &first));
	ok(dv_reader_new(&r, s));
	ok(dv_reader_get(r, DV_KIND_CHUNK, &last, &p, &n));
	assert_int_equal(damage_of(s).n, 0);
}

static void test_reindex(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_oid tree, lone;

	(void)state;
	fill("bare", &tree, &lone);
	ok(dv_fs_remove_tree("bare/index"));
	ok(dv_fs_mkdirs("bare/index"));
	ok(dv_store_open(&s, "bare", DV_STORE_TOLERATE));
	ok(dv_store_reindex(s));
	assert_versions(s);
	assert_int_equal(damage_of(s).n, 0);
}

/* Through a remote into an empty store: deltas arrive with all that they need. */
static void test_transfer(void **state)
{
	dv_autoptr(dv_store) a = NULL;
	dv_autoptr(dv_store) b = NULL;
	dv_autoptr(dv_store) far = NULL;
	dv_autoptr(dv_reader) r = NULL;
	dv_autoptr(dv_remote_store) remote = NULL;
	dv_autofree char *url = dv_path_join(root, "remote");
	dv_autofree char *mirror = dv_path_join(root, "mirror");
	dv_remote_options o = { .name = "r", .url = url, .mirror_dir = mirror, .create = true };
	dv_want w = { .is_tree = true, .path = "data" };
	dv_move_options mo = { 0 };
	dv_move_stats m = { 0 };
	dv_oid lone, last = version_id(N - 1);
	const uint8_t *p;
	size_t n;

	(void)state;
	fill("here", &w.oid, &lone);
	ok(dv_store_open(&a, "here", 0));
	ok(dv_remote_store_open(&remote, &o));
	ok(dv_transfer_push(a, remote, &w, 1, &mo, &m));
	assert_true(m.chunks > 0);
	ok(dv_store_open(&far, "remote", 0));
	assert_int_equal(damage_of(far).n, 0);
	ok(dv_store_open(&b, "there", DV_STORE_CREATE));
	ok(dv_transfer_fetch(b, remote, &w, 1, &mo, &m));
	assert_int_equal(damage_of(b).n, 0);
	ok(dv_reader_new(&r, b));
	ok(dv_reader_get(r, DV_KIND_CHUNK, &last, &p, &n));
	assert_int_equal(n, LEN);
}

/* -- what is damaged --------------------------------------------------------------------------- */

static void flip(const dv_store *s, const dv_oid *id)
{
	dv_autofree char *path = NULL;
	dv_place at;
	uint8_t byte;
	size_t got;
	int fd;

	assert_true(dv_store_find(s, DV_KIND_CHUNK, id, &at));
	path = dv_store_container_path(s, &at.in);
	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(dv_fs_pread_all(fd, &byte, 1, (off_t)at.offset + at.stored / 2, &got), 0);
	byte ^= 0x10;
	assert_int_equal(dv_fs_pwrite_all(fd, &byte, 1, (off_t)at.offset + at.stored / 2), 0);
	close(fd);
}

static void test_damaged_base(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_reader) r = NULL;
	const uint8_t *p;
	dv_oid tree, lone, hurt = version_id(2), last = version_id(N - 1);
	size_t n;
	found f;

	(void)state;
	fill("hurt", &tree, &lone);
	ok(dv_store_open(&s, "hurt", 0));
	flip(s, &hurt);
	f = damage_of(s);
	for (unsigned v = 0; v < N; v++)
		assert_int_equal(f.version[v], v >= 2);
	assert_int_equal(f.chunks, N - 2);
	ok(dv_reader_new(&r, s));
	assert_int_equal(dv_reader_get(r, DV_KIND_CHUNK, &last, &p, &n), DV_ECORRUPT);
	ok(dv_reader_get(r, DV_KIND_CHUNK, &lone, &p, &n));
	dv_error_clear();
}

/* -- what lies --------------------------------------------------------------------------------- */

/* A pack made by hand. */
typedef struct forge {
	dv_pack_footer f;
	dv_pack_entry e[300];
	dv_oid bases[4400];
	dv_buf bytes;
} forge;

static forge *forge_new(void)
{
	forge *g = calloc(1, sizeof(*g));
	uint8_t header[DV_PACK_HEADER], nonce[16] = { 7 };

	assert_non_null(g);
	g->f.e = g->e;
	g->f.bases = g->bases;
	dv_pack_header(header, nonce);
	ok(dv_buf_add(&g->bytes, header, sizeof(header)));
	return g;
}

static void forge_add(forge *g, dv_oid id, uint32_t raw, const void *stored, size_t n,
		      const dv_oid *bases, unsigned nbases)
{
	dv_pack_entry *e = &g->e[g->f.n++];

	assert_true(g->f.n <= sizeof(g->e) / sizeof(*g->e));
	*e = (dv_pack_entry){ .id = id, .offset = g->bytes.n, .stored = (uint32_t)n, .raw = raw,
			      .kind = DV_KIND_CHUNK, .nbases = (uint8_t)nbases,
			      .codec = nbases ? DV_CODEC_ZSTD_DELTA : DV_CODEC_ZSTD,
			      .depth = nbases ? 1 : 0, .bases_at = (uint32_t)g->f.nbases };
	for (unsigned i = 0; i < nbases; i++)
		g->bases[g->f.nbases++] = bases[i];
	ok(dv_buf_add(&g->bytes, stored, n));
}

/* Adopts it into a new store, as a push into a folder would, and frees it. */
static dv_store *forge_store(const char *dir, forge *g)
{
	dv_autofree char *tmp = dv_path_join(dir, "packs/.dv-tmp-forged");
	dv_autoptr(dv_writer) w = NULL;
	dv_container c = { .kind = DV_CONTAINER_PACK };
	dv_store *s = NULL;

	ok(dv_pack_footer_write(&g->bytes, &g->f, g->bytes.n));
	c.size = g->bytes.n;
	c.id = id_of(g->bytes.p, g->bytes.n);
	ok(dv_store_open(&s, dir, DV_STORE_CREATE));
	ok(dv_fs_write_file(tmp, g->bytes.p, g->bytes.n, 0));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_writer_adopt_pack(w, tmp, &c, &g->f));
	ok(dv_writer_commit(w, NULL, 0));
	assert_int_not_equal(access(tmp, F_OK), 0);
	dv_buf_release(&g->bytes);
	free(g);
	return s;
}

/* Everything that walks bases must come to an end on this store, with `id` refused. */
static void assert_refused(dv_store *s, const dv_oid *id)
{
	dv_autoptr(dv_reader) r = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;
	const uint8_t *p;
	size_t n;
	int rc;

	ok(dv_reader_new(&r, s));
	assert_int_equal(dv_reader_get(r, DV_KIND_CHUNK, id, &p, &n), DV_ECORRUPT);
	rc = dv_closure_add(&keep, r, id, false, true);
	assert_true(!rc || rc == DV_ECORRUPT);
	assert_true(damage_of(s).n > 0);
	assert_true(dv_store_reindex(s) == 0);
	ok(dv_map_put(&keep.chunks, id, 1));
	ok(dv_store_lock(s, true, 0));
	rc = dv_store_sweep(s, &o, &st);
	assert_true(!rc || rc == DV_ECORRUPT);
	dv_error_clear();
}

static dv_oid nth(unsigned i)
{
	char text[32];

	return id_of(text, (size_t)snprintf(text, sizeof(text), "entry %u", i));
}

static void test_circles(void **state)
{
	uint8_t z[200];
	size_t n = squeeze(z, sizeof(z), "0123456789", 10, "0123456789", 10);
	dv_oid a = nth(0), b = nth(1);
	forge *g = forge_new();
	dv_store *s;

	(void)state;
	forge_add(g, a, 10, z, n, &b, 1);
	forge_add(g, b, 10, z, n, &a, 1);
	s = forge_store("circle", g);
	assert_refused(s, &a);
	dv_store_free(s);
	g = forge_new();
	forge_add(g, a, 10, z, n, &a, 1);
	s = forge_store("self", g);
	assert_refused(s, &a);
	dv_store_free(s);
}

static void test_missing_base(void **state)
{
	uint8_t z[200];
	size_t n = squeeze(z, sizeof(z), "0123456789", 10, "0123456789", 10);
	dv_oid a = id_of("0123456789", 10), gone = nth(9);
	forge *g = forge_new();
	dv_store *s;
	found f;

	(void)state;
	forge_add(g, a, 10, z, n, &gone, 1);
	s = forge_store("gap", g);
	f = damage_of(s);
	assert_true(f.n > 0);
	assert_refused(s, &a);
	dv_store_free(s);
}

/* Each on the one before; true contents, so that nothing but the depth is wrong. */
static void test_too_deep(void **state)
{
	forge *g = forge_new();
	dv_oid before = { { 0 } }, at_limit = { { 0 } };
	dv_autoptr(dv_reader) r = NULL;
	char old[32] = "";
	dv_store *s;
	const uint8_t *p;
	size_t n;

	(void)state;
	for (unsigned i = 0; i <= DV_DEPTH_MAX + 1; i++) {
		char text[32];
		size_t len = (size_t)snprintf(text, sizeof(text), "the same text, number %02u", i);
		uint8_t z[200];
		dv_oid id = id_of(text, len);

		n = squeeze(z, sizeof(z), text, len, old, i ? len : 0);
		forge_add(g, id, (uint32_t)len, z, n, &before, i > 0);
		memcpy(old, text, len);
		before = id;
		if (i == DV_DEPTH_MAX)
			at_limit = id;
	}
	s = forge_store("deep", g);
	ok(dv_reader_new(&r, s));
	ok(dv_reader_get(r, DV_KIND_CHUNK, &at_limit, &p, &n));
	assert_refused(s, &before);
	dv_store_free(s);
}

/* Bases that are longer together than a prefix may be, a frame that decodes to more than the entry
 * says, and one that says more than it is. */
static void test_bombs(void **state)
{
	static uint8_t zeros[DV_RAW_MAX], z[4096];
	forge *g = forge_new();
	dv_oid big = id_of(zeros, DV_RAW_MAX), many[DV_BASES_MAX], a = nth(0), b = nth(1);
	dv_oid c = nth(2);
	size_t n = squeeze(z, sizeof(z), zeros, DV_RAW_MAX, NULL, 0);
	dv_autoptr(dv_reader) r = NULL;
	const uint8_t *p;
	dv_store *s;

	(void)state;
	for (unsigned i = 0; i < DV_BASES_MAX; i++)
		many[i] = big;
	forge_add(g, big, DV_RAW_MAX, z, n, NULL, 0);
	forge_add(g, b, 100, z, n, NULL, 0);
	n = squeeze(z, sizeof(z), "short", 5, NULL, 0);
	forge_add(g, c, DV_RAW_MAX, z, n, NULL, 0);
	forge_add(g, a, 5, z, n, many, DV_BASES_MAX);
	s = forge_store("bomb", g);
	ok(dv_reader_new(&r, s));
	ok(dv_reader_get(r, DV_KIND_CHUNK, &big, &p, &n));
	assert_int_equal(dv_reader_get(r, DV_KIND_CHUNK, &a, &p, &n), DV_ECORRUPT);
	assert_int_equal(dv_reader_get(r, DV_KIND_CHUNK, &b, &p, &n), DV_ECORRUPT);
	assert_int_equal(dv_reader_get(r, DV_KIND_CHUNK, &c, &p, &n), DV_ECORRUPT);
	assert_refused(s, &a);
	dv_store_free(s);
}

/* Sixteen layers in which everything is built on all of the layer below: 16^16 ways down. */
static void test_lattice(void **state)
{
	uint8_t z[200];
	size_t n = squeeze(z, sizeof(z), "0123456789", 10, "0123456789", 10);
	forge *g = forge_new();
	dv_oid bases[16], top;
	dv_store *s;

	(void)state;
	for (unsigned layer = 0; layer < 16; layer++) {
		for (unsigned i = 0; i < 16; i++)
			bases[i] = nth((layer + 1) * 16 + i);
		for (unsigned i = 0; i < 16; i++)
			forge_add(g, nth(layer * 16 + i), 10, z, n, bases, 16);
	}
	top = nth(0);
	s = forge_store("lattice", g);
	assert_refused(s, &top);
	dv_store_free(s);
}

/* -- whole files ------------------------------------------------------------------------------- */

/* A file in files/ is the container of its own chunks, and another delta may build on them. */
static void test_adopt_file(void **state)
{
	static uint8_t raw[LEN];
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .level = 1 };
	dv_sweep_stats st;
	dv_container c = { .kind = DV_CONTAINER_FILE, .size = LEN };
	dv_pack_entry e = { .kind = DV_KIND_CHUNK, .raw = LEN, .stored = LEN };
	dv_pack_footer f = { .e = &e, .n = 1 };
	dv_oid second = version_id(1);
	dv_autoptr(dv_reader) r = NULL;
	const uint8_t *p;
	size_t n;

	(void)state;
	version(raw, 0);
	c.id = e.id = id_of(raw, LEN);
	ok(dv_store_open(&s, "file", DV_STORE_CREATE));
	ok(dv_fs_write_file("file/files/.dv-tmp-whole", raw, LEN, 0));
	ok(dv_writer_new(&w, s, 1));
	assert_int_equal(dv_writer_adopt_pack(w, "file/files/.dv-tmp-whole", &c, &f), DV_EUSAGE);
	dv_writer_free(dv_steal(&w));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_writer_adopt_file(w, "file/files/.dv-tmp-whole", &c, &f));
	put_version(w, 1, 1);
	ok(dv_writer_commit(w, NULL, 0));
	assert_int_not_equal(access("file/files/.dv-tmp-whole", F_OK), 0);
	assert_int_equal(damage_of(s).n, 0);
	ok(dv_reader_new(&r, s));
	ok(dv_reader_get(r, DV_KIND_CHUNK, &second, &p, &n));
	/* Kept for the sake of what is built on it. */
	ok(dv_map_put(&keep.chunks, &second, 1));
	ok(dv_store_lock(s, true, 0));
	ok(dv_store_sweep(s, &o, &st));
	assert_int_equal(st.chunks_kept, 2);
	ok(dv_reader_get(r, DV_KIND_CHUNK, &second, &p, &n));
	assert_int_equal(damage_of(s).n, 0);
	flip(s, &c.id);
	assert_true(damage_of(s).version[1]);
}

/* Files that were taken over and not committed go with the writer. */
static void test_adopt_dropped(void **state)
{
	dv_autoptr(dv_store) s = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_oid id = id_of("0123456789", 10);
	dv_container c = { .kind = DV_CONTAINER_FILE, .size = 10, .id = id };
	dv_pack_entry e = { .id = id, .kind = DV_KIND_CHUNK, .raw = 10, .stored = 10 };
	dv_pack_footer f = { .e = &e, .n = 1 };

	(void)state;
	ok(dv_store_open(&s, "dropped", DV_STORE_CREATE));
	ok(dv_fs_write_file("dropped/files/.dv-tmp-whole", "0123456789", 10, 0));
	ok(dv_writer_new(&w, s, 1));
	ok(dv_writer_adopt_file(w, "dropped/files/.dv-tmp-whole", &c, &f));
	assert_true(dv_writer_has(w, DV_KIND_CHUNK, &id));
	dv_writer_free(dv_steal(&w));
	assert_false(dv_store_has_object(s, &id));
	assert_int_not_equal(access("dropped/files/.dv-tmp-whole", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_put_checks),
		cmocka_unit_test(test_closure),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_sweep_salvages),
		cmocka_unit_test(test_reindex),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_damaged_base),
		cmocka_unit_test(test_circles),
		cmocka_unit_test(test_missing_base),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_lattice),
		cmocka_unit_test(test_adopt_file),
		cmocka_unit_test(test_adopt_dropped),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
