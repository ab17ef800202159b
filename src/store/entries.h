/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of entries for walks over millions of them: every entry of an index has a number, counted
 * through its segments, and a set takes one bit a number.
 */
#ifndef DV_STORE_ENTRIES_H
#define DV_STORE_ENTRIES_H

#include "store/store.h"

/** May the entry be used? Corrects its place where the segment's word does not count. */
typedef bool (*dv_entry_ok)(dv_place *at, const void *payload);

/** The numbered entries of an index. Borrows the segments, which must stay. */
typedef struct dv_entries {
	const dv_segment **segs;
	uint64_t *first;	/* number of each segment's first entry; first[n] is the total */
	size_t n;
	dv_entry_ok ok;
	const void *payload;
} dv_entries;
#define DV_ENTRIES_INIT { 0 }
void dv_entries_release(dv_entries *e);
/** segs: oldest first; `ok` NULL: all. */
int dv_entries_init(dv_entries *e, const dv_segment *const *segs, size_t n, dv_entry_ok ok,
		    const void *payload) DV_MUST_CHECK;
/** Those of a store; valid until it is refreshed or written to. */
int dv_entries_of_store(dv_entries *e, const dv_store *s) DV_MUST_CHECK;
uint64_t dv_entries_total(const dv_entries *e);
/** Looks in the newest segment first. Any number of threads. */
bool dv_entries_find(const dv_entries *e, uint8_t kind, const dv_oid *id, dv_place *at,
		     uint64_t *number);
/** The entry of a number; false when it is damaged or may not be used. */
bool dv_entries_at(const dv_entries *e, uint64_t number, dv_oid *id, dv_place *at);

/** A set of numbers below a total. */
typedef struct dv_bits {
	uint64_t *w;
	uint64_t total;
} dv_bits;
#define DV_BITS_INIT { 0 }
void dv_bits_release(dv_bits *b);
/** An empty set in place of what was there. */
int dv_bits_init(dv_bits *b, uint64_t total) DV_MUST_CHECK;
/** Adds a number; false when it was there. */
bool dv_bits_add(dv_bits *b, uint64_t number);
bool dv_bits_has(const dv_bits *b, uint64_t number);
/** The least number from `*at` on; false when there is none. *at becomes the number. */
bool dv_bits_next(const dv_bits *b, uint64_t *at);

#endif
