/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that records its failures; see alloc.h. A size of 0 gives a block, never NULL. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void *checked(void *p)
{
	if (!p)
		dv_err_nomem();
	return p;
}

void *dv_malloc(size_t n)
{
	return checked(malloc(n ? n : 1));
}

void *dv_calloc(size_t count, size_t size)
{
	return checked(count && size ? calloc(count, size) : calloc(1, 1));
}

void *dv_realloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1));
}

void *dv_reallocarray(void *p, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		dv_err_nomem();
		return NULL;
	}
	return dv_realloc(p, n);
}

char *dv_strdup(const char *s)
{
	return dv_strndup(s, strlen(s));
}

char *dv_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = dv_malloc(len + 1);

	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}

void *dv_aligned_alloc(size_t align, size_t n)
{
	void *p = NULL;

	if (align < sizeof(void *))
		align = sizeof(void *);
	if (posix_memalign(&p, align, n ? n : 1))
		p = NULL;
	return checked(p);
}

int dv_grow(void *array_ptr, size_t *cap, size_t need, size_t item_size)
{
	size_t want = *cap;
	void *p;

	if (need <= want)
		return 0;
	if (want < 16)
		want = 16;
	while (want < need)
		if (__builtin_mul_overflow(want, 2, &want))
			return dv_err_nomem();
	/* The caller's pointer has a type unknown here: it is read and written as bytes. */
	memcpy(&p, array_ptr, sizeof(p));
	p = dv_reallocarray(p, want, item_size);
	if (!p)
		return DV_ERROR;
	memcpy(array_ptr, &p, sizeof(p));
	*cap = want;
	return 0;
}
