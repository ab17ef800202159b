/* SPDX-License-Identifier: Apache-2.0 */
/* dv_show: what the cache has under a name, and how it keeps it. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "repo/repo.h"
#include "store/tree.h"

#define TREE_LINE "dv-tree 1\n"

/* The whole oid that the user means: with or without "sha256:", or the beginning of one. */
static int find_oid(const dv_store *s, const char *name, dv_oid *oid)
{
	char hex[DV_OID_HEX_SIZE + 1] = "";
	size_t n;

	name = dv_oid_digits(name);
	n = strlen(name);
	if (n > DV_OID_HEX_SIZE || n != strspn(name, "0123456789abcdefABCDEF"))
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is not an oid", name),
				   "run 'dv ls --oid' to see those of what is tracked");
	for (size_t i = 0; i < n; i++)
		hex[i] = (char)tolower((unsigned char)name[i]);
	if (n == DV_OID_HEX_SIZE && dv_oid_parse(oid, hex, n))
		return dv_err(DV_EUSAGE, "'%s' is not an oid", name);
	return n == DV_OID_HEX_SIZE ? 0 : dv_store_complete(s, hex, oid);
}

/* A listing says so in its first line; then it must parse as a whole. */
static int load_if_tree(dv_reader *r, const dv_recipe *recipe, const dv_oid *oid, dv_tree *t,
			bool *is_tree)
{
	const uint8_t *p;
	size_t n = 0;
	int rc;

	*is_tree = false;
	if (!recipe->n || recipe->size > DV_TREE_MAX)
		return 0;
	rc = dv_reader_get(r, DV_KIND_CHUNK, &recipe->c[0].id, &p, &n);
	if (rc || n < strlen(TREE_LINE) || memcmp(p, TREE_LINE, strlen(TREE_LINE)))
		return rc;
	rc = dv_tree_load(t, r, oid);
	*is_tree = !rc;
	if (rc == DV_ECORRUPT) {
		/* A file that begins like a listing. */
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

static int tell_chunk(dv_store *s, const dv_chunk_ref *c, uint64_t offset, dv_object *out,
		      dv_chunk_cb cb, void *payload)
{
	static const char *const forms[] = { "raw", "zstd", "delta" };
	char id[DV_OID_HEX_SIZE + 1], in[DV_OID_HEX_SIZE + 1];
	dv_place at;
	dv_chunk one = { .offset = offset, .size = c->len, .id = id, .pack = in };

	dv_oid_hex(id, &c->id);
	if (!dv_store_find(s, DV_KIND_CHUNK, &c->id, &at)) {
		out->missing++;
		return 0;
	}
	dv_oid_hex(in, &at.in.id);
	one.stored = at.stored;
	one.form = forms[at.codec <= DV_CODEC_ZSTD_DELTA ? at.codec : 0];
	one.depth = at.depth;
	one.nbases = at.nbases;
	out->stored += at.stored;
	out->ndeltas += at.nbases > 0;
	out->depth = at.depth > out->depth ? at.depth : out->depth;
	return cb ? cb(&one, payload) : 0;
}

static int tell_entries(const dv_tree *t, dv_entry_cb cb, void *payload)
{
	int rc = 0;

	for (size_t i = 0; cb && i < t->n && !rc; i++) {
		char hex[DV_OID_HEX_SIZE + 1];
		const dv_tree_entry *e = &t->e[i];
		dv_entry one = { .path = e->name, .kind = e->kind, .oid = hex, .size = e->size,
				 .nfiles = e->nfiles };

		dv_oid_hex(hex, &e->oid);
		rc = cb(&one, payload);
	}
	return rc;
}

int dv_show(dv_repo *r, const char *name, dv_object *out, dv_entry_cb entries, dv_chunk_cb chunks,
	    void *payload)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	dv_auto(dv_tree) tree = DV_TREE_INIT;
	dv_autoptr(dv_reader) reader = NULL;
	dv_store *s;
	dv_object own;
	uint64_t offset = 0;
	dv_place at;
	dv_oid oid;
	int rc = dv_repo_store(r, &s);

	out = out ? out : &own;
	*out = (dv_object){ 0 };
	if (!rc)
		rc = find_oid(s, name, &oid);
	if (!rc)
		rc = dv_reader_new(&reader, s);
	if (rc)
		return rc;
	dv_oid_hex(out->oid, &oid);
	if (!dv_store_has_object(s, &oid))
		return dv_err_hint(dv_err(DV_ENOTFOUND, "object %s is not in the cache", out->oid),
				   "run 'dv fetch' to bring what the workspace needs");
	rc = dv_recipe_load(&recipe, reader, &oid);
	if (!rc)
		rc = load_if_tree(reader, &recipe, &oid, &tree, &out->is_dir);
	if (rc)
		return rc;
	out->size = recipe.size;
	out->nfiles = 1;
	out->nchunks = recipe.n;
	if (out->is_dir)
		dv_tree_totals(&tree, &out->total, &out->nfiles);
	if (!recipe.is_chunk && dv_store_find(s, DV_KIND_RECIPE, &oid, &at))
		out->stored += at.stored;
	for (size_t i = 0; i < recipe.n && !rc; i++) {
		rc = tell_chunk(s, &recipe.c[i], offset, out, chunks, payload);
		offset += recipe.c[i].len;
	}
	return rc ? rc : tell_entries(&tree, entries, payload);
}
