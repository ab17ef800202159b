/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from oid to a 64-bit value (a number, an index into an array, or a pointer through
 * uintptr_t), and so also a set of oids. Made for millions of entries: one flat table, no
 * allocation for an entry. Keys chosen by an enemy cost no more than others: the hash is salted.
 * Not safe for use by several threads at once, but for reading without writers.
 */
#ifndef DV_BASE_MAP_H
#define DV_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/oid.h"

typedef struct dv_map_entry {
	dv_oid oid;
	uint64_t value;
} dv_map_entry;

typedef struct dv_map {
	dv_map_entry *entries;
	uint8_t *tags;		/* 0 for a free place, else 0x80 with seven bits of the hash */
	size_t cap, n;		/* cap is 0 or a power of two; n is the number of entries */
	uint64_t salt[2];
} dv_map;

/** An empty map allocates nothing before the first put. */
#define DV_MAP_INIT { 0 }

void dv_map_release(dv_map *m);
/** Removes all entries and keeps the room. */
void dv_map_clear(dv_map *m);
/** Room for `n` entries in all, so that putting them in cannot fail. */
int dv_map_reserve(dv_map *m, size_t n) DV_MUST_CHECK;
/** Sets the value of `oid`, which may be there already. 0 or a negative dv_errcode. */
int dv_map_put(dv_map *m, const dv_oid *oid, uint64_t value) DV_MUST_CHECK;
/** As put, but leaves a value that is there; *added (may be NULL) tells whether it was not. */
int dv_map_add(dv_map *m, const dv_oid *oid, uint64_t value, bool *added) DV_MUST_CHECK;
/** False when `oid` is not there; *value (may be NULL) is set only when it is. */
bool dv_map_get(const dv_map *m, const dv_oid *oid, uint64_t *value);
bool dv_map_has(const dv_map *m, const dv_oid *oid);
/** The place of the value, to change it; valid until the next put. NULL when it is not there. */
uint64_t *dv_map_find(dv_map *m, const dv_oid *oid);
/** Removes `oid`; false when it was not there. */
bool dv_map_remove(dv_map *m, const dv_oid *oid);
/** The next entry in no order, NULL at the end; *pos starts at 0. The map is not changed meanwhile,
 *  but for values. */
dv_map_entry *dv_map_next(const dv_map *m, size_t *pos);

#endif
