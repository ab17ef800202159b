/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once: for documents and plans, whose many small parts live and
 * die together. Blocks come zeroed. Not for use by several threads at once.
 */
#ifndef DV_BASE_ARENA_H
#define DV_BASE_ARENA_H

#include <stddef.h>

#include "base/cleanup.h"
#include "base/error.h"

typedef struct dv_arena {
	struct dv_arena_block *blocks;	/* the newest first */
} dv_arena;
#define DV_ARENA_INIT { 0 }
void dv_arena_release(dv_arena *a);
/** Takes over all that `from` holds, which is empty afterwards. */
void dv_arena_adopt(dv_arena *a, dv_arena *from);

/** `n` zeroed bytes, aligned for any type; NULL with the failure recorded. */
void *dv_arena_alloc(dv_arena *a, size_t n);
char *dv_arena_strndup(dv_arena *a, const char *s, size_t n);
char *dv_arena_strdup(dv_arena *a, const char *s);
char *dv_arena_printf(dv_arena *a, const char *fmt, ...) DV_PRINTF(2, 3);
/** Makes room for `need` items in an array of the arena, doubling it; what it had is copied. */
int dv_arena_grow(dv_arena *a, void *array_ptr, size_t *cap, size_t need, size_t item_size)
	DV_MUST_CHECK;

#endif
