/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the segment format that its reader and its writer share. */
#ifndef DV_STORE_SEGMENT_FORMAT_H
#define DV_STORE_SEGMENT_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/oid.h"

#define DV_SEGMENT_MAGIC "DVSEG001"
#define DV_SEGMENT_HEADER 32u
#define DV_SEGMENT_CONTAINER 48u
#define DV_SEGMENT_ENTRY 56u
#define DV_SEGMENT_BITS_MAX 20u

/** The fan-out slot of an id: its top `bits` bits. */
static inline size_t dv_segment_slot(const dv_oid *id, uint32_t bits)
{
	uint32_t top = (uint32_t)id->b[0] << 24 | (uint32_t)id->b[1] << 16 |
		       (uint32_t)id->b[2] << 8 | (uint32_t)id->b[3];

	return bits ? top >> (32 - bits) : 0;
}

/** Some eight entries a slot: a lookup then touches two or three cache lines of entries. */
static inline uint32_t dv_segment_bits(uint64_t n)
{
	uint32_t bits = 0;

	while (bits < DV_SEGMENT_BITS_MAX && n >> bits > 8)
		bits++;
	return bits;
}

#endif
