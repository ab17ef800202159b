/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as dv's formats use it. Reading is strict (bounded size and depth, no key twice, no NUL in
 * strings, nothing behind the value) and getters name the key they fail at; writing is canonical:
 * keys sorted by bytes, no spaces. What is wrong in the input is DV_ECORRUPT; after a getter failed
 * its caller says which file it was with dv_err_ctx.
 */
#ifndef DV_BASE_JSON_H
#define DV_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/oid.h"

typedef json_t dv_json;
static inline void dv_json_free(dv_json *j)
{
	json_decref(j);
}
/** An owned value: dv_autoptr(dv_json) root = NULL; */
DV_DEFINE_AUTOPTR(dv_json)

/** Parses `n` bytes, at most `max_size`, nested at most `max_depth` deep (an empty object is 1).
 *  `name` says in messages what is being read ("the store's description", a file's path). */
int dv_json_parse(dv_json **out, const void *p, size_t n, size_t max_size, int max_depth,
		  const char *name) DV_MUST_CHECK;

/* Getters for members of an object. `out` is borrowed from `obj` and set only on success. The
 * required ones fail when the key is absent; the optional ones leave *out alone and return 0. */

int dv_json_get_str(const dv_json *obj, const char *key, const char **out) DV_MUST_CHECK;
int dv_json_opt_str(const dv_json *obj, const char *key, const char **out) DV_MUST_CHECK;
/** An integer from 0 to `max`. */
int dv_json_get_u64(const dv_json *obj, const char *key, uint64_t max, uint64_t *out) DV_MUST_CHECK;
int dv_json_opt_u64(const dv_json *obj, const char *key, uint64_t max, uint64_t *out) DV_MUST_CHECK;
int dv_json_get_bool(const dv_json *obj, const char *key, bool *out) DV_MUST_CHECK;
int dv_json_opt_bool(const dv_json *obj, const char *key, bool *out) DV_MUST_CHECK;
/** An array of at most `max_items`. */
int dv_json_get_array(const dv_json *obj, const char *key, size_t max_items, dv_json **out)
	DV_MUST_CHECK;
int dv_json_opt_array(const dv_json *obj, const char *key, size_t max_items, dv_json **out)
	DV_MUST_CHECK;
int dv_json_get_object(const dv_json *obj, const char *key, dv_json **out) DV_MUST_CHECK;
int dv_json_opt_object(const dv_json *obj, const char *key, dv_json **out) DV_MUST_CHECK;

/** Appends the canonical form. Fails for what JSON cannot hold. */
int dv_json_write(dv_buf *out, const dv_json *j) DV_MUST_CHECK;
/** Sets obj[key] and takes `value` over, also on failure; NULL for `value` is memory run out, so
 *  that constructors can be nested: dv_json_set(o, "n", json_integer(3)). */
int dv_json_set(dv_json *obj, const char *key, dv_json *value) DV_MUST_CHECK;
/** Bytes that are not UTF-8 are refused with DV_EUSAGE. */
int dv_json_set_str(dv_json *obj, const char *key, const char *s) DV_MUST_CHECK;
/** The text form of an oid. */
int dv_json_set_oid(dv_json *obj, const char *key, const dv_oid *oid) DV_MUST_CHECK;

#endif
