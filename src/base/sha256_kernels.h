/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to src/base/sha256*.c: the compression functions of one processor
 * family, and how sha256.c learns which of them may run.
 */
#ifndef DV_BASE_SHA256_KERNELS_H
#define DV_BASE_SHA256_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DV_SHA256_BLOCK 64
/* The most messages that any kernel takes at once. */
#define DV_SHA256_LANES_MAX 16

/* Feeds `blocks` blocks at p[i] to the state h[i], for each of the kernel's lanes i. */
typedef void dv_sha256_kernel(uint32_t *const *h, const uint8_t *const *p, size_t blocks);

typedef struct dv_sha256_kernels {
	const char *name;
	dv_sha256_kernel *one;
	dv_sha256_kernel *two;	   /* NULL: no faster than one after the other */
	dv_sha256_kernel *four;	   /* likewise */
	dv_sha256_kernel *sixteen; /* likewise */
	/* With fewer lanes than this in use, `sixteen` does not pay. */
	unsigned sixteen_from;
	/* Two lanes cost hardly more than one: a file and its chunks go through `two`. */
	bool two_as_one;
} dv_sha256_kernels;

/* The sets of kernels of x86-64 that this CPU can run, best first; returns their number. */
#define DV_SHA256_X86_MAX 4
size_t dv_sha256_x86(const dv_sha256_kernels *out[DV_SHA256_X86_MAX]);

#endif
