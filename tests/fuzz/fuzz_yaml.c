/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML from outside is read within bounds or refused. What the fast reader understands the full one
 * reads as the same, in the same places; what was read can be written and is read back.
 */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/yaml_block.h"

static void same_place(const dv_spot *a, const dv_spot *b)
{
	dv_assert(a->line == b->line && a->column == b->column);
}

/* With `places`, the two come from the same text. */
static void same(const dv_value *a, const dv_value *b, bool places)
{
	dv_assert(a->kind == b->kind && a->n == b->n);
	if (places) {
		same_place(&a->at, &b->at);
		dv_assert(a->odd_key == b->odd_key && a->plain == b->plain);
	}
	dv_assert(!a->s == !b->s && (!a->s || !strcmp(a->s, b->s)));
	if (dv_value_is_scalar(a))
		dv_assert(a->b == b->b && a->i == b->i &&
			  (a->f == b->f || (isnan(a->f) && isnan(b->f))));
	for (size_t i = 0; i < a->n; i++) {
		if (a->kind == DV_VALUE_LIST) {
			same(a->items[i], b->items[i], places);
			continue;
		}
		const dv_member *m = &a->members[i], *o = &b->members[i];

		dv_assert(!strcmp(m->key, o->key));
		if (places)
			same_place(&m->at, &o->at);
		same(m->value, o->value, places);
	}
}

static void compare(const char *text, size_t n, bool texts)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT, b = DV_ARENA_INIT;
	dv_value *fast, *full;

	if (dv_yaml_block_parse(&a, text, n, "fuzz", texts, &fast))
		return;
	if (dv_yaml_full_parse(&b, text, n, "fuzz", texts, &full))
		dv_assert_failed(dv_error_last()->message, __FILE__, __LINE__);
	same(fast, full, true);
}

static void write_again(const char *text, size_t n)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_value *one, *two;

	if (dv_yaml_parse(&a, text, n, "fuzz", &one))
		return;
	dv_assert(dv_value_yaml(&out, one) == 0);
	if (dv_yaml_parse(&a, dv_buf_str(&out), out.n, "again", &two))
		dv_assert_failed(dv_error_last()->message, __FILE__, __LINE__);
	same(one, two, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (memchr(data, 0, size) || dv_buf_add(&text, data, size))
		return 0;
	compare(dv_buf_str(&text), size, false);
	compare(dv_buf_str(&text), size, true);
	write_again(dv_buf_str(&text), size);
	return 0;
}
