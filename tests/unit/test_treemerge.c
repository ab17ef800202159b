/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three-way merge of directories, against an oracle: a merge of maps from paths to files, for
 * random directories in which no name is a file here and a directory there; and laws that hold for
 * all. And texts with conflict markers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/conflict.h"
#include "repo/treemerge.h"
#include "folder.h"

#define ROUNDS 150
#define DEPTH 3

static dv_store *store;
static dv_reader *reader;
static dv_writer *writer;
static dv_encoder *enc;

static uint64_t seed = 12345;
static unsigned rnd(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

/* -- random directories ------------------------------------------------------------------------ */

/* A place: nothing, a file of one of few contents, or a directory. */
#define NAMES 4
typedef struct node {
	char kind;
	unsigned content;
	struct node *below[NAMES];
} node;

static void node_free(node *n)
{
	for (unsigned i = 0; n && i < NAMES; i++)
		node_free(n->below[i]);
	free(n);
}

/* With `apart` the first half of the names are files and the others directories. */
static node *make(unsigned depth, int name, bool apart)
{
	bool dir = apart ? name >= NAMES / 2 : rnd(3) == 0;
	node *n = dv_calloc(1, sizeof(*n));

	assert_non_null(n);
	n->kind = dir && depth < DEPTH ? 'd' : "ffxl"[rnd(4)];
	n->content = rnd(4);
	if (name >= 0 && (rnd(3) == 0 || (dir && depth >= DEPTH)))
		n->kind = 0;
	if (name < 0)
		n->kind = 'd';
	for (int i = 0; n->kind == 'd' && i < NAMES; i++)
		n->below[i] = make(depth + 1, i, apart);
	return n;
}

static node *copy(const node *n)
{
	node *c = dv_calloc(1, sizeof(*c));

	assert_non_null(c);
	*c = *n;
	for (int i = 0; i < NAMES; i++)
		c->below[i] = n->below[i] ? copy(n->below[i]) : NULL;
	return c;
}

/* Changes one place in `odds`. */
static node *change(node *n, unsigned depth, int name, bool apart, unsigned odds)
{
	if (name >= 0 && rnd(odds) == 0) {
		node_free(n);
		return make(depth, name, apart);
	}
	for (int i = 0; n->kind == 'd' && i < NAMES; i++)
		n->below[i] = change(n->below[i], depth + 1, i, apart, odds);
	return n;
}

static dv_tree_entry put(const node *n)
{
	dv_tree_entry e = { .kind = n->kind, .size = n->content, .nfiles = 1 };
	dv_auto(dv_tree) t = DV_TREE_INIT;

	if (n->kind && n->kind != 'd')
		dv_sha256(&e.oid, &n->content, sizeof(n->content));
	if (n->kind != 'd')
		return e;
	for (int i = 0; i < NAMES; i++) {
		dv_tree_entry b = put(n->below[i]);
		char name[2] = { (char)('a' + i), 0 };

		if (b.kind)
			ok(dv_tree_add(&t, b.kind, &b.oid, b.size, b.nfiles, name));
	}
	ok(dv_tree_store(&t, writer, enc, &e.oid));
	dv_tree_totals(&t, &e.size, &e.nfiles);
	return e;
}

/* -- maps of paths ----------------------------------------------------------------------------- */

#define PATHS 128
typedef struct flat {
	struct { char path[2 * DEPTH + 2]; dv_tree_entry e; } f[PATHS];
	size_t n;
} flat;

static int add_flat(const dv_tree_entry *e, const char *path, void *payload)
{
	flat *x = payload;

	assert_true(x->n < PATHS);
	snprintf(x->f[x->n].path, sizeof(x->f[0].path), "%s", path);
	x->f[x->n].e = *e;
	x->f[x->n++].e.name = NULL;
	return 0;
}

static flat flatten(const dv_tree_entry *e)
{
	flat x = { .n = 0 };

	if (e->kind == 'd')
		ok(dv_tree_walk(reader, &e->oid, add_flat, &x));
	return x;
}

static dv_tree_entry at(const flat *x, const char *path)
{
	static const dv_tree_entry none;

	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->f[i].path, path) == 0)
			return x->f[i].e;
	return none;
}

static bool any_below(const flat *x, const char *path)
{
	const char *rest;

	for (size_t i = 0; i < x->n; i++)
		if (dv_path_below(x->f[i].path, path, &rest) && *rest)
			return true;
	return false;
}

/* -- the oracle -------------------------------------------------------------------------------- */

static bool same(dv_tree_entry a, dv_tree_entry b)
{
	return a.kind == b.kind && (!a.kind || a.kind == 'd' || dv_oid_eq(&a.oid, &b.oid));
}

static bool file(dv_tree_entry e)
{
	return e.kind == 'f' || e.kind == 'x';
}

/* What is to stand at a path that is no directory; false: they clash. */
static bool merge_file(dv_tree_entry b, dv_tree_entry o, dv_tree_entry t, dv_tree_entry *out)
{
	*out = same(b, o) ? t : o;
	if (same(o, t) || same(b, o) || same(b, t))
		return true;
	if (!file(b) || !file(o) || !file(t))
		return false;
	bool oc = !dv_oid_eq(&b.oid, &o.oid), tc = !dv_oid_eq(&b.oid, &t.oid);
	if (oc && tc && !dv_oid_eq(&o.oid, &t.oid))
		return false;
	*out = oc ? o : t;
	out->kind = b.kind != o.kind ? o.kind : t.kind;
	return true;
}

static unsigned expect_path(const char *path, const flat in[3], const flat out[2])
{
	dv_tree_entry b = at(&in[0], path), o = at(&in[1], path), t = at(&in[2], path), want;
	const dv_tree_entry is[2] = { at(&out[0], path), at(&out[1], path) };

	if (b.kind == 'd' || o.kind == 'd' || t.kind == 'd') {
		for (int i = 0; i < 2; i++) {
			/* An empty one stays unless a side took it away. */
			bool added = !b.kind && !o.kind != !t.kind;
			bool stays = any_below(&out[i], path) || (o.kind && t.kind);

			if (stays || !added)
				assert_int_equal(is[i].kind == 'd', stays);
		}
		return 0;
	}
	if (merge_file(b, o, t, &want)) {
		if (!same(is[0], want) || !same(is[1], want))
			fail_msg("'%s' is not merged", path);
		return 0;
	}
	if (!same(is[0], o) || !same(is[1], t))
		fail_msg("'%s' is not in conflict", path);
	return 1;
}

/* -- merging ----------------------------------------------------------------------------------- */

typedef struct clashes {
	char path[PATHS][2 * DEPTH + 2];
	size_t n;
} clashes;

static int on_clash(void *payload, const char *path, enum dv_tree_clash why)
{
	clashes *c = payload;

	(void)why;
	assert_true(c->n < PATHS);
	snprintf(c->path[c->n++], sizeof(c->path[0]), "%s", path);
	return 0;
}

typedef struct round {
	dv_tree_entry in[3], out[2], back[2];
	clashes told, found;
} round_t;

static void merge(const dv_tree_entry in[3], dv_tree_entry out[2], clashes *c)
{
	dv_treemerge m = { .side = { dv_list_stored, reader }, .writer = writer, .enc = enc,
			   .clash = on_clash, .payload = c };
	const dv_tree_base base = { { in[0], in[0] } };

	ok(dv_tree_merge(&m, "", &base, &in[1], &in[2], out));
}

static round_t *prepare(bool apart)
{
	round_t *r = dv_calloc(ROUNDS, sizeof(*r));

	assert_non_null(r);
	for (unsigned i = 0; i < ROUNDS; i++) {
		node *b = make(0, -1, apart), *o = copy(b), *t = copy(b);
		unsigned odds = 2 + rnd(10);

		o = change(o, 0, -1, apart, odds);
		t = change(t, 0, -1, apart, odds);
		r[i].in[0] = put(b);
		r[i].in[1] = put(o);
		r[i].in[2] = put(t);
		node_free(b);
		node_free(o);
		node_free(t);
	}
	ok(dv_writer_commit(writer, NULL, 0));
	for (unsigned i = 0; i < ROUNDS; i++) {
		const dv_tree_entry back[3] = { r[i].in[0], r[i].in[2], r[i].in[1] };
		clashes c = { .n = 0 };

		merge(r[i].in, r[i].out, &r[i].told);
		merge(back, r[i].back, &c);
	}
	ok(dv_writer_commit(writer, NULL, 0));
	return r;
}

static void test_oracle(void **state)
{
	dv_autofree round_t *r = prepare(true);
	size_t conflicts = 0;

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		flat in[3], out[2];
		size_t n = 0;

		for (int k = 0; k < 3; k++)
			in[k] = flatten(&r[i].in[k]);
		for (int k = 0; k < 2; k++)
			out[k] = flatten(&r[i].out[k]);
		for (int k = 0; k < 3; k++)
			for (size_t p = 0; p < in[k].n; p++)
				if (k == 0 || (!at(&in[0], in[k].f[p].path).kind &&
					       (k == 1 || !at(&in[1], in[k].f[p].path).kind)))
					n += expect_path(in[k].f[p].path, in, out);
		assert_int_equal(n, r[i].told.n);
		conflicts += n;
	}
	assert_true(conflicts > ROUNDS / 4);
}

static void expect_same(const dv_tree_entry *a, const dv_tree_entry *b)
{
	assert_true(dv_tree_entry_same(a, b));
	if (a->kind) {
		assert_int_equal(a->size, b->size);
		assert_int_equal(a->nfiles, b->nfiles);
	}
}

static void test_laws(void **state)
{
	dv_autofree round_t *r = prepare(false);
	dv_treemerge m = { .side = { dv_list_stored, reader }, .writer = writer, .enc = enc };

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* The sides turned round. */
		expect_same(&r[i].out[0], &r[i].back[1]);
		expect_same(&r[i].out[1], &r[i].back[0]);
		assert_int_equal(r[i].told.n == 0, dv_tree_entry_same(&r[i].out[0], &r[i].out[1]));
		ok(dv_tree_clashes(&m, "", NULL, r[i].out, on_clash, &r[i].found));
		assert_int_equal(r[i].told.n, r[i].found.n);
		for (size_t k = 0; k < r[i].told.n; k++)
			assert_string_equal(r[i].told.path[k], r[i].found.path[k]);
	}
	/* Settled one after the other for one side, that side's result is left. */
	for (unsigned side = 0; side < 2; side++) {
		for (unsigned i = 0; i < ROUNDS; i++)
			memcpy(r[i].back, r[i].out, sizeof(r[i].back));
		for (size_t k = 0; k < PATHS; k++) {
			bool any = false;

			for (unsigned i = 0; i < ROUNDS; i++)
				if (k < r[i].told.n) {
					any = true;
					ok(dv_tree_settle(&m, r[i].back, r[i].told.path[k], side));
				}
			if (!any)
				break;
			ok(dv_writer_commit(writer, NULL, 0));
		}
		for (unsigned i = 0; i < ROUNDS; i++) {
			expect_same(&r[i].back[0], &r[i].out[side]);
			expect_same(&r[i].back[1], &r[i].out[side]);
			if (r[i].told.n)
				assert_int_equal(dv_tree_settle(&m, r[i].back, r[i].told.path[0],
								side), DV_ENOTFOUND);
		}
	}
}

static void test_unknown_base(void **state)
{
	dv_autofree round_t *r = prepare(false);
	dv_treemerge m = { .side = { dv_list_stored, reader }, .writer = writer, .enc = enc };

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Both sides as ancestors: whatever differs is not known, and in conflict. */
		const dv_tree_base base = { { r[i].in[1], r[i].in[2] } };
		dv_tree_entry out[2];

		ok(dv_tree_merge(&m, "", &base, &r[i].in[1], &r[i].in[2], out));
		ok(dv_writer_commit(writer, NULL, 0));
		for (int side = 0; side < 2; side++) {
			flat want = flatten(&r[i].in[1 + side]), is = flatten(&out[side]);

			for (size_t k = 0; k < want.n; k++)
				if (want.f[k].e.kind != 'd')
					assert_true(same(want.f[k].e, at(&is, want.f[k].path)));
			for (size_t k = 0; k < is.n; k++)
				assert_true(same(is.f[k].e, at(&want, is.f[k].path)));
		}
	}
}

/* -- texts ------------------------------------------------------------------------------------- */

static void expect_side(const char *text, unsigned side, const char *want)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;

	ok(dv_conflict_take(&out, text, strlen(text), side, NULL));
	assert_string_equal(dv_buf_str(&out), want);
}

static void test_texts(void **state)
{
	static const char plain[] = "a\n<<<<<<< x\nb\n||||||| base\nz\n=======\nc\n>>>>>>> y\nd\n";
	static const char *const bad[] = {
		"<<<<<<< x\n", "<<<<<<< x\na\n=======\n", "=======\n", ">>>>>>> y\n",
		"<<<<<<< x\n<<<<<<< y\n=======\n>>>>>>> z\n", "a\n=======\nb\n",
		"<<<<<<< x\n>>>>>>> y\n", "<<<<<<< x\n||||||| b\n>>>>>>> y\n",
	};
	dv_auto(dv_buf) out = DV_BUF_INIT, o = DV_BUF_INIT, t = DV_BUF_INIT;
	bool merged;

	(void)state;
	expect_side(plain, 0, "a\nb\nd\n");
	expect_side(plain, 1, "a\nc\nd\n");
	expect_side("a\n", 1, "a\n");
	expect_side("<<<<<<<<< x\n<<<<<<< in\n=========\nb\n>>>>>>>>>\n", 0, "<<<<<<< in\n");
	assert_true(dv_conflict_has(plain, strlen(plain)));
	assert_false(dv_conflict_has("a <<<<<<< \n======\n<<<<<<<x\n", 28));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		dv_buf_clear(&out);
		assert_int_equal(dv_conflict_take(&out, bad[i], strlen(bad[i]), 0, NULL),
				 DV_ECORRUPT);
		assert_true(dv_conflict_has(bad[i], strlen(bad[i])));
	}
	dv_buf_clear(&out);
	ok(dv_buf_adds(&o, "ours\n"));
	ok(dv_conflict_print(&out, &o, &t, 9, true));
	dv_buf_clear(&o);
	ok(dv_conflict_take(&o, dv_buf_str(&out), out.n, 0, &merged));
	assert_string_equal(dv_buf_str(&o), "ours\n");
	assert_true(merged);
}

static int begin(void **state)
{
	if (setup(state))
		return -1;
	ok(dv_store_open(&store, "store", DV_STORE_CREATE));
	ok(dv_reader_new(&reader, store));
	ok(dv_writer_new(&writer, store, 1));
	ok(dv_encoder_new(&enc, 1));
	return 0;
}

static int end(void **state)
{
	dv_encoder_free(enc);
	dv_writer_free(writer);
	dv_reader_free(reader);
	dv_store_free(store);
	return teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
		cmocka_unit_test(test_laws),
		cmocka_unit_test(test_unknown_base),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
