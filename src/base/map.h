/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from ids to numbers. Ids are uniform already, so their first bytes are the hash. Open
 * addressing; some 50 bytes an entry. Not thread-safe.
 */
#ifndef DV_BASE_MAP_H
#define DV_BASE_MAP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/oid.h"

typedef struct dv_map_slot {
	dv_oid key;
	uint64_t value;
	bool used;
} dv_map_slot;
typedef struct dv_map {
	dv_map_slot *slots;
	size_t cap, n;		/* cap: a power of two or 0 */
} dv_map;
#define DV_MAP_INIT { 0 }
void dv_map_release(dv_map *m);
void dv_map_clear(dv_map *m);
/** Sets key to value; *fresh (may be NULL) tells whether the key was new. */
int dv_map_put(dv_map *m, const dv_oid *key, uint64_t value, bool *fresh) DV_MUST_CHECK;
/** The slot's value, or NULL. Valid until the next put. */
uint64_t *dv_map_get(const dv_map *m, const dv_oid *key);
static inline bool dv_map_has(const dv_map *m, const dv_oid *key)
{
	return dv_map_get(m, key) != NULL;
}
/** Removes a key; false when it was not there. */
bool dv_map_remove(dv_map *m, const dv_oid *key);
/** Iteration: for (size_t i = 0; dv_map_next(m, &i, &key, &value); ) */
bool dv_map_next(const dv_map *m, size_t *i, const dv_oid **key, uint64_t *value);

#endif
