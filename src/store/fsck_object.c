/* SPDX-License-Identifier: Apache-2.0 */
/* The check that objects are whole, down to the last chunk of the last file of a directory. */
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "store/care_impl.h"
#include "store/recipe.h"

typedef struct item {
	dv_oid oid;
	uint64_t size;
	uint32_t depth;
	bool is_tree, sized;	/* sized: a listing says how long it is */
} item;
typedef struct check {
	dv_reader *r;
	dv_store_damage_cb cb;
	void *payload;
	item *todo;
	size_t n, cap;
	dv_map seen;		/* oid -> 1 file, 2 tree */
} check;

static void check_release(check *c)
{
	free(c->todo);
	dv_map_release(&c->seen);
}

static int damaged(const check *c, const char *kind, const dv_oid *id, const char *detail,
		   uint8_t entry_kind)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_store_damage d = { .kind = kind, .name = hex, .detail = detail,
			      .entry_kind = entry_kind, .id = *id };

	dv_oid_hex(hex, id);
	return c->cb ? c->cb(&d, c->payload) : 0;
}

/* What is wrong with the thing that was asked for; its name stands beside it. */
static const char *why(int rc)
{
	return rc == DV_ENOTFOUND ? "it is not in the store" : dv_error_last()->message;
}

static int push(check *c, const item *it)
{
	int rc = dv_grow(&c->todo, &c->cap, c->n + 1, sizeof(*c->todo));

	if (!rc)
		c->todo[c->n++] = *it;
	return rc;
}

/* Reads all chunks; *whole tells whether the object came out right. */
static int check_bytes(const check *c, const item *it, const dv_recipe *recipe, bool *whole)
{
	dv_sha256_ctx hash;
	dv_oid found;

	*whole = true;
	dv_sha256_init(&hash);
	for (size_t i = 0; i < recipe->n; i++) {
		const dv_oid *id = &recipe->c[i].id;
		const uint8_t *p;
		size_t n;
		int rc = dv_check_cancel();

		if (!rc)
			rc = dv_reader_get(c->r, DV_KIND_CHUNK, id, &p, &n);
		if (rc < 0 && !dv_is_damage(rc))
			return rc;
		if (rc < 0) {
			*whole = false;
			rc = damaged(c, "chunk", id, why(rc), DV_KIND_CHUNK);
			if (rc)
				return rc;
		} else if (!recipe->is_chunk) {
			dv_sha256_update(&hash, p, n);
		}
	}
	if (!*whole || recipe->is_chunk || !recipe->n)
		return 0;
	dv_sha256_final(&hash, &found);
	*whole = dv_oid_eq(&found, &it->oid);
	return *whole ? 0 : damaged(c, "recipe", &it->oid, "its chunks do not make the object",
				    DV_KIND_RECIPE);
}

static int check_tree(check *c, const item *it)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	int rc;

	if (it->depth >= DV_TREE_DEPTH)
		return damaged(c, "tree", &it->oid, "it is nested too deeply", 0);
	rc = dv_tree_load(&t, c->r, &it->oid);
	if (rc < 0)
		return dv_is_damage(rc) ?
			       damaged(c, "tree", &it->oid, dv_error_last()->message, 0) :
			       rc;
	for (size_t i = 0; i < t.n && !rc; i++)
		rc = push(c, &(item){ t.e[i].oid, t.e[i].size, it->depth + 1,
				      t.e[i].kind == 'd', t.e[i].kind != 'd' });
	return rc;
}

static int check_one(check *c, const item *it)
{
	dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
	const uint64_t *seen = dv_map_find(&c->seen, &it->oid);
	bool whole;
	int rc;

	if (seen && *seen >= (it->is_tree ? 2u : 1u))
		return 0;
	rc = dv_map_put(&c->seen, &it->oid, it->is_tree ? 2 : 1);
	if (!rc)
		rc = dv_recipe_load(&recipe, c->r, &it->oid);
	if (rc < 0 && !dv_is_damage(rc))
		return rc;
	if (rc < 0) {
		dv_place at;
		bool have = dv_store_find(dv_reader_store(c->r), DV_KIND_RECIPE, &it->oid, &at);

		return damaged(c, have ? "recipe" : "object", &it->oid,
			       have ? dv_error_last()->message : why(rc),
			       have ? DV_KIND_RECIPE : 0);
	}
	if (it->sized && recipe.size != it->size)
		return damaged(c, "object", &it->oid, "it is not as long as a directory says", 0);
	rc = check_bytes(c, it, &recipe, &whole);
	return !rc && whole && it->is_tree ? check_tree(c, it) : rc;
}

int dv_store_check_object(dv_reader *r, const dv_oid *oid, bool is_tree, dv_store_damage_cb cb,
			  void *payload)
{
	__attribute__((cleanup(check_release))) check c = { .r = r, .cb = cb, .payload = payload };
	int rc = push(&c, &(item){ .oid = *oid, .is_tree = is_tree });

	while (!rc && c.n) {
		item it = c.todo[--c.n];

		rc = check_one(&c, &it);
	}
	return rc;
}
