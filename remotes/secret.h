/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and buffers that hold secrets: wiped before their memory is given back. */
#ifndef DV_REMOTES_SECRET_H
#define DV_REMOTES_SECRET_H

#include <openssl/crypto.h>
#include <string.h>

#include "base/buf.h"

static inline void dv_secret_free(char *s)
{
	if (s)
		OPENSSL_cleanse(s, strlen(s));
	free(s);
}
static inline void dv_secret__auto(char **s)
{
	dv_secret_free(*s);
}
/** An owned string: dv_autosecret char *s = NULL; */
#define dv_autosecret __attribute__((unused, cleanup(dv_secret__auto)))

/** A buffer; room is best reserved before it is filled, since growing leaves a copy behind. */
typedef dv_buf dv_secret_buf;
static inline void dv_secret_buf_release(dv_secret_buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	dv_buf_release(b);
}

#endif
