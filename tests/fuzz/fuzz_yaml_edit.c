/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Edits of YAML from outside do what they are to do, or nothing: they check themselves, so what is
 * asked here is that they never fail otherwise. The first byte chooses the edit.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/yaml_edit.h"

/* A way into the document: always the last member, or the first. */
static void choose(const char *keys[6], const dv_value *v, bool last)
{
	size_t n = 0;

	for (; n < 5 && v->kind == DV_VALUE_DICT && v->n; n++) {
		const dv_member *m = &v->members[last ? v->n - 1 : 0];

		keys[n] = m->key;
		v = m->value;
	}
	if (n == 0)
		keys[n++] = "new";
	keys[n] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const order[] = { "a", "b", "new", NULL };
	static const char *const values[] = { "text", "[a, b: {c: 1}]", "{}", "{x: [1, 2], y: z}" };
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_auto(dv_buf) before = DV_BUF_INIT;
	const char *keys[6];
	dv_value *doc, *v = NULL;
	uint8_t how = size ? *data : 0;
	int rc;

	if (size < 2 || memchr(data, 0, size) || dv_buf_add(&text, data + 1, size - 1) ||
	    dv_buf_add(&before, data + 1, size - 1) ||
	    dv_yaml_parse(&a, text.p, text.n, "fuzz", &doc))
		return 0;
	choose(keys, doc, how & 1);
	const char *yaml = values[how >> 1 & 3];
	dv_assert(dv_yaml_parse(&a, yaml, strlen(yaml), "value", &v) == 0);
	if (how & 8 && keys[1])
		keys[1] = "new";
	if (how & 8 && keys[1])
		keys[2] = NULL;
	switch (how >> 4 & 3) {
	case 0:
		rc = dv_yaml_set(&text, "fuzz", keys, v, how & 64 ? order : NULL);
		break;
	case 1:
		rc = dv_yaml_unset(&text, "fuzz", keys);
		break;
	case 2:
		rc = dv_yaml_append(&text, "fuzz", keys, v);
		break;
	default:
		rc = dv_yaml_take(&text, "fuzz", keys, how >> 6);
	}
	if (rc)
		dv_assert(text.n == before.n && !memcmp(text.p, before.p, text.n));
	else
		dv_assert(dv_yaml_parse(&a, dv_buf_str(&text), text.n, "again", &doc) == 0);
	return 0;
}
