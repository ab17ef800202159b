/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Index segments: immutable sorted tables (kind, id) -> place, mapped into memory and searched with
 * a fan-out table. Named by the SHA-256 of their bytes; rebuilt at will from packs. A lookup checks
 * every number it uses, so a damaged segment can hide an entry but never lead outside the map.
 *
 * File: "DVSEG001", entries u64, containers u32, fan-out bits u8 (0…20), zero 11; container table
 * of 48 bytes each (id 32, size u64, kind u8, zero 7); fan-out 2^bits + 1 u32 (number of entries
 * whose top bits are smaller); entries of 56 bytes sorted by (id, kind): id 32, offset u64, stored
 * u32, raw u32, container u32, kind u8, codec u8, bases u8, depth u8.
 */
#ifndef DV_STORE_SEGMENT_H
#define DV_STORE_SEGMENT_H

#include <stdbool.h>

#include "store/pack.h"

enum dv_container_kind {
	DV_CONTAINER_PACK = 0,
	DV_CONTAINER_FILE = 1	/* a whole object in files/, holding its own chunks raw */
};
typedef struct dv_container {
	dv_oid id;
	uint64_t size;
	uint8_t kind;
} dv_container;

/** Where an entry's stored bytes are. */
typedef struct dv_place {
	dv_container in;
	uint64_t offset;
	uint32_t stored, raw;
	uint8_t kind, codec, nbases, depth;
} dv_place;

typedef struct dv_segment dv_segment;
/** Maps and checks the frame of a segment file. */
int dv_segment_open(dv_segment **out, const char *path) DV_MUST_CHECK;
/** As above over bytes that stay where they are until the free. */
int dv_segment_open_memory(dv_segment **out, const void *p, size_t n) DV_MUST_CHECK;
void dv_segment_free(dv_segment *s);
DV_DEFINE_AUTOPTR(dv_segment)
/** How many entries there are, and containers that hold them. */
size_t dv_segment_count(const dv_segment *s);
size_t dv_segment_containers(const dv_segment *s);
/** Container i; zeros when the table says nonsense. */
dv_container dv_segment_container(const dv_segment *s, size_t i);
/** Any number of threads at once. */
bool dv_segment_find(const dv_segment *s, uint8_t kind, const dv_oid *id, dv_place *out);
/** As above with its place in the order too. */
bool dv_segment_find_at(const dv_segment *s, uint8_t kind, const dv_oid *id, dv_place *out,
			size_t *at);
/** Entry i in order; false when damaged. */
bool dv_segment_at(const dv_segment *s, size_t i, dv_oid *id, dv_place *out);
/** As above with the index of the container too. */
bool dv_segment_at_raw(const dv_segment *s, size_t i, dv_oid *id, dv_place *out,
		       uint32_t *container);

/** Collects entries and writes a segment. */
typedef struct dv_segment_builder dv_segment_builder;
int dv_segment_builder_new(dv_segment_builder **out) DV_MUST_CHECK;
void dv_segment_builder_free(dv_segment_builder *b);
DV_DEFINE_AUTOPTR(dv_segment_builder)
/** Adds every entry of a container. For packs f is its footer. */
int dv_segment_builder_add(dv_segment_builder *b, const dv_container *c, const dv_pack_footer *f)
	DV_MUST_CHECK;
typedef bool (*dv_segment_keep)(const dv_container *c, void *payload);
size_t dv_segment_builder_count(const dv_segment_builder *b);
/** Sorts (same (kind, id) twice: the least deep stays, or the first added), serialises; *name is
 *  SHA-256 of the bytes. */
int dv_segment_builder_finish(dv_segment_builder *b, dv_buf *out, dv_oid *name) DV_MUST_CHECK;

/** So many entries in memory are moved to a file. */
#define DV_SEGMENT_SPILL ((size_t)1 << 17)
/** Once there are DV_SEGMENT_SPILL entries, moves them to a temporary segment beside `path`, which
 *  *out then is (borrowed), else NULL. Then only dv_segment_builder_write finishes the builder. */
int dv_segment_builder_spill(dv_segment_builder *b, const char *path, const dv_segment **out)
	DV_MUST_CHECK;
/** Looks only in what was moved to files. Not beside a spill. */
bool dv_segment_builder_spilled(const dv_segment_builder *b, uint8_t kind, const dv_oid *id,
				dv_place *out);
/** Writes all that was added, and then the entries of `with` whose container passes `keep`, as one
 *  segment to the empty file `fd`; memory does not grow with them. */
int dv_segment_builder_write(dv_segment_builder *b, const dv_segment *const *with, size_t n,
			     dv_segment_keep keep, void *payload, int fd, dv_oid *name)
	DV_MUST_CHECK;
/** Merges segments into one: of equal (kind, id) the least deep stays, or the first input's. */
int dv_segment_merge(const dv_segment *const *in, size_t n, dv_segment_keep keep, void *payload,
		     int fd, dv_oid *name) DV_MUST_CHECK;

#endif
