/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation. Every function returns NULL with the error recorded when memory runs out; blocks are
 * given back with free(). Sizes read from outside are bounded by the caller before they come here.
 */
#ifndef DV_BASE_ALLOC_H
#define DV_BASE_ALLOC_H

#include <stddef.h>

void *dv_malloc(size_t n);
void *dv_calloc(size_t count, size_t size);
void *dv_realloc(void *p, size_t n);
/** Room for `count` items of `size` bytes; fails on overflow. */
void *dv_reallocarray(void *p, size_t count, size_t size);
char *dv_strdup(const char *s);
char *dv_strndup(const char *s, size_t n);
/** A block aligned to `align` (a power of two), given back with free(). */
void *dv_aligned_alloc(size_t align, size_t n);

/** Grows a typed array so that it holds at least `need` items; 0 or a negative dv_errcode.
 *  Doubling, so appending is linear in all. */
int dv_grow(void *array_ptr, size_t *cap, size_t need, size_t item_size);

#endif
