/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as pipeline files, parameters and metrics hold them: typed scalars, lists and dicts that
 * remember the order of their keys and where in which file they stood. All memory is an arena's.
 * A value is not changed after its document was read, but for dicts that are merged into.
 */
#ifndef DV_BASE_VALUE_H
#define DV_BASE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

#define DV_VALUE_DEPTH 64	/* of nesting, in any file */

enum dv_value_kind {
	DV_VALUE_NULL, DV_VALUE_BOOL, DV_VALUE_INT, DV_VALUE_FLOAT, DV_VALUE_STRING, DV_VALUE_LIST,
	DV_VALUE_DICT,
};

/** Where something stands; file is borrowed, line and column count from 1, 0 is unknown. */
typedef struct dv_spot {
	const char *file;
	unsigned line, column;
} dv_spot;

typedef struct dv_value dv_value;
typedef struct dv_member {
	const char *key;
	dv_spot at;	/* of the key */
	dv_value *value;
} dv_member;
struct dv_value {
	enum dv_value_kind kind;
	bool odd_key;		/* the key that leads here is no string: not for interpolation */
	bool plain;		/* of texts: written without quotes; of a dict: of texts */
	dv_spot at;
	bool b;
	int64_t i;
	double f;
	const char *s;		/* of a string; of an int too large for i its digits */
	size_t n, cap;		/* of a list or dict */
	dv_value **items;
	dv_member *members;	/* in the order of the file */
	uint32_t *table;	/* of a large dict: member + 1 by hash of key, twice `cap` places */
};

/** "file:line:column: message": records a failure that points into a file; returns `code`. */
int dv_err_at(int code, const dv_spot *at, const char *fmt, ...) DV_PRINTF(3, 4);
/** "a list", "text" …: what a kind is called in messages. */
const char *dv_value_kind_name(enum dv_value_kind kind);

/** NULL when memory runs out. */
dv_value *dv_value_new(dv_arena *a, enum dv_value_kind kind, const dv_spot *at);
dv_value *dv_value_string(dv_arena *a, const char *s, const dv_spot *at);
int dv_value_append(dv_arena *a, dv_value *list, dv_value *item) DV_MUST_CHECK;
/** Sets dict[key]; the key is copied. A key that is there gets the new value in its old place. */
int dv_value_set(dv_arena *a, dv_value *dict, const char *key, const dv_spot *at, dv_value *value)
	DV_MUST_CHECK;
/** The value of a key, or NULL; of something that is no dict too. */
dv_value *dv_value_get(dv_value *dict, const char *key);
dv_member *dv_value_member(dv_value *dict, const char *key);
/** A deep copy, in the arena. */
dv_value *dv_value_copy(dv_arena *a, const dv_value *v);
/** "a.b[0].c" from a value: its parts by dots; NULL when something on the way is not there. */
dv_value *dv_value_at(dv_value *v, const char *dotted);

static inline bool dv_value_is_scalar(const dv_value *v)
{
	return v->kind < DV_VALUE_LIST;
}
/** Equal as Python compares: 1 == 1.0, dicts whatever their order. */
bool dv_value_equal(const dv_value *a, const dv_value *b);
/** The same in every respect: 1 is not 1.0, and NaN is NaN. */
bool dv_value_same(const dv_value *a, const dv_value *b);

/** The text of a scalar as it is put into a command: true, None, 0.1, 1e-05. */
int dv_value_text(dv_buf *out, const dv_value *v);
/** The shortest text that reads back as the same number, written as Python's repr does. */
void dv_double_text(char out[32], double f);
/** As JSON; NaN and infinities become null. NULL with the failure recorded. */
dv_json *dv_value_to_json(const dv_value *v);
dv_value *dv_value_from_json(dv_arena *a, const dv_json *j, const dv_spot *at);
/** As a YAML scalar or flow value on one line, such that reading gives the same value; texts stand
 *  plain where they did. */
int dv_value_yaml(dv_buf *out, const dv_value *v);
/** The key of a dict, as dv_value_yaml writes it. */
int dv_value_yaml_key(dv_buf *out, const dv_value *dict, const dv_member *m);
/** One string as a YAML scalar: plain where that is the same string, else quoted. DV_ERROR for what
 *  YAML cannot hold: bytes that are no UTF-8. */
int dv_yaml_quote(dv_buf *out, const char *s);

/** A document. `name` is borrowed by the spots. DV_ERROR, with its place, for what is no YAML. */
int dv_yaml_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;
/** The same with every scalar as the text that it was written as (`plain` tells which stood without
 *  quotes; what is empty is a plain ""), for small files from strangers that are written again:
 *  anchors, aliases and tags are refused, and so are keys of more than 128 bytes. */
int dv_yaml_parse_texts(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
	DV_MUST_CHECK;
/** The length of the UTF-8 character at `s` (followed by a NUL somewhere) when YAML can show it as
 *  it is on a line, else 0. */
size_t dv_yaml_printable(const char *s);
/** Of the library behind it. */
const char *dv_yaml_version(void);
/** The scalar that a plain YAML text of the core schema means; strings stay as they are. */
int dv_yaml_plain(dv_arena *a, const char *s, const dv_spot *at, dv_value **out) DV_MUST_CHECK;

#endif
