/* SPDX-License-Identifier: Apache-2.0 */
/* Growable bytes; see buf.h. Once an append has failed, further ones do nothing: no holes. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void dv_buf_release(dv_buf *b)
{
	free(b->p);
	*b = (dv_buf)DV_BUF_INIT;
}

void dv_buf_clear(dv_buf *b)
{
	b->n = 0;
	b->err = 0;
	if (b->p)
		b->p[0] = '\0';
}

int dv_buf_reserve(dv_buf *b, size_t extra)
{
	size_t need, want;
	char *p;

	if (b->err)
		return b->err;
	if (__builtin_add_overflow(b->n, extra, &need) || __builtin_add_overflow(need, 1, &need) ||
	    need > PTRDIFF_MAX)
		return b->err = dv_err_nomem();
	if (need <= b->cap)
		return 0;
	want = b->cap < 64 ? 64 : b->cap;
	while (want < need)
		want = want > PTRDIFF_MAX / 2 ? need : want * 2;
	p = dv_realloc(b->p, want);
	if (!p)
		return b->err = DV_ERROR;
	if (!b->p)
		p[0] = '\0';
	b->p = p;
	b->cap = want;
	return 0;
}

int dv_buf_add(dv_buf *b, const void *p, size_t n)
{
	int rc = dv_buf_reserve(b, n);

	if (rc)
		return rc;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
	return 0;
}

int dv_buf_adds(dv_buf *b, const char *s)
{
	return dv_buf_add(b, s, strlen(s));
}

int dv_buf_addc(dv_buf *b, char c)
{
	return dv_buf_add(b, &c, 1);
}

int dv_buf_vaddf(dv_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int n, rc = dv_buf_reserve(b, 0);

	if (rc)
		return rc;
	room = b->cap - b->n;
	va_copy(again, ap);
	n = vsnprintf(b->p + b->n, room, fmt, ap);
	if (n >= 0 && (size_t)n >= room) {
		rc = dv_buf_reserve(b, (size_t)n);
		if (!rc)
			n = vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	if (n < 0)
		rc = b->err = dv_err(DV_ERROR, "cannot format a text");
	if (rc) {
		b->p[b->n] = '\0';
		return rc;
	}
	b->n += (size_t)n;
	return 0;
}

int dv_buf_addf(dv_buf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = dv_buf_vaddf(b, fmt, ap);
	va_end(ap);
	return rc;
}

int dv_buf_add_u16(dv_buf *b, uint16_t v)
{
	uint8_t raw[2];

	dv_put_u16(raw, v);
	return dv_buf_add(b, raw, sizeof(raw));
}

int dv_buf_add_u32(dv_buf *b, uint32_t v)
{
	uint8_t raw[4];

	dv_put_u32(raw, v);
	return dv_buf_add(b, raw, sizeof(raw));
}

int dv_buf_add_u64(dv_buf *b, uint64_t v)
{
	uint8_t raw[8];

	dv_put_u64(raw, v);
	return dv_buf_add(b, raw, sizeof(raw));
}

const char *dv_buf_str(const dv_buf *b)
{
	return b->p ? b->p : "";
}

char *dv_buf_detach(dv_buf *b)
{
	char *p;

	if (dv_buf_reserve(b, 0))
		return NULL;
	p = b->p;
	*b = (dv_buf)DV_BUF_INIT;
	return p;
}
