/* SPDX-License-Identifier: Apache-2.0 */
/* An arena: a list of blocks, each filled from its beginning. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Blocks grow: most arenas stay small, and what is not used need not be cleared. */
#define BLOCK_MIN ((size_t)2 << 10)
#define BLOCK_MAX ((size_t)64 << 10)

struct dv_arena_block {
	struct dv_arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

void dv_arena_release(dv_arena *a)
{
	while (a->blocks) {
		struct dv_arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
}

void dv_arena_adopt(dv_arena *a, dv_arena *from)
{
	struct dv_arena_block **end = &from->blocks;

	while (*end)
		end = &(*end)->next;
	/* Behind the block that is being filled. */
	if (a->blocks) {
		*end = a->blocks->next;
		a->blocks->next = from->blocks;
	} else {
		a->blocks = from->blocks;
	}
	from->blocks = NULL;
}

void *dv_arena_alloc(dv_arena *a, size_t n)
{
	struct dv_arena_block *b = a->blocks;

	if (n > SIZE_MAX / 4) {
		dv_err_nomem();
		return NULL;
	}
	n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!b || b->size - b->used < n) {
		size_t size = b ? 2 * b->size : BLOCK_MIN;

		size = size > BLOCK_MAX ? BLOCK_MAX : size;
		size = size < n ? n : size;

		b = dv_calloc(1, sizeof(*b) + size);
		if (!b)
			return NULL;
		b->size = size;
		/* A block for one large thing goes behind the one that is being filled. */
		if (a->blocks && n > BLOCK_MAX / 2) {
			b->next = a->blocks->next;
			a->blocks->next = b;
		} else {
			b->next = a->blocks;
			a->blocks = b;
		}
	}
	void *p = b->bytes + b->used;
	b->used += n;
	return p;
}

char *dv_arena_strndup(dv_arena *a, const char *s, size_t n)
{
	char *p = dv_arena_alloc(a, n + 1);

	if (p)
		memcpy(p, s, n);
	return p;
}

char *dv_arena_strdup(dv_arena *a, const char *s)
{
	return dv_arena_strndup(a, s, strlen(s));
}

char *dv_arena_printf(dv_arena *a, const char *fmt, ...)
{
	va_list ap, again;

	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *p = n < 0 ? NULL : dv_arena_alloc(a, (size_t)n + 1);
	if (p)
		vsnprintf(p, (size_t)n + 1, fmt, again);
	va_end(again);
	return p;
}

int dv_arena_grow(dv_arena *a, void *array_ptr, size_t *cap, size_t need, size_t item_size)
{
	void **array = array_ptr;
	size_t more = *cap ? *cap : 4;

	if (need <= *cap)
		return 0;
	while (more < need)
		more *= 2;
	if (more > SIZE_MAX / 4 / item_size)
		return dv_err_nomem();
	void *p = dv_arena_alloc(a, more * item_size);
	if (!p)
		return DV_ERROR;
	if (*cap)
		memcpy(p, *array, *cap * item_size);
	*array = p;
	*cap = more;
	return 0;
}
