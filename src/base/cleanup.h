/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership. A local that owns something says so in its declaration and gives it back
 * when the scope ends, on every path; `dv_steal` hands it on. There is no other way to clean up.
 * Giving back is a use: an owner that nothing else reads draws no warning.
 */
#ifndef DV_BASE_CLEANUP_H
#define DV_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/** A value with a release function: dv_auto(dv_buf) b = DV_BUF_INIT; calls dv_buf_release(&b). */
#define dv_auto(type) __attribute__((unused, cleanup(type##_release))) type
/** An object with a free function: dv_autoptr(dv_store) s = NULL; calls dv_store_free(s). */
#define dv_autoptr(type) __attribute__((unused, cleanup(type##__freep))) type *
/** Defines what dv_autoptr needs; stands after the declaration of type##_free in its header. */
#define DV_DEFINE_AUTOPTR(type)                                                                    \
	static inline void type##__freep(type **p) { type##_free(*p); }

static inline void dv__autofree(void *p)
{
	free(*(void **)p);
}
/** A block from the dv_malloc family: dv_autofree char *s = NULL; */
#define dv_autofree __attribute__((unused, cleanup(dv__autofree)))

static inline void dv__autoclose(const int *fd)
{
	if (*fd >= 0) {
		int e = errno;
		close(*fd);
		errno = e;
	}
}
/** A file descriptor, -1 for none; errno survives the close. */
#define dv_autoclose __attribute__((unused, cleanup(dv__autoclose)))

/** Takes the pointer out of its owner, which is left NULL. */
#define dv_steal(p) (__extension__({ __typeof__(*(p)) dv_t_ = *(p); *(p) = NULL; dv_t_; }))
/** Takes the descriptor out of its owner, which is left -1. */
static inline int dv_steal_fd(int *fd)
{
	int t = *fd;
	*fd = -1;
	return t;
}

#endif
