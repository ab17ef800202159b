/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing, at most three quarters full; see map.h. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"

#define NOT_THERE SIZE_MAX

void dv_map_release(dv_map *m)
{
	free(m->entries);
	free(m->tags);
	*m = (dv_map)DV_MAP_INIT;
}

void dv_map_clear(dv_map *m)
{
	if (m->cap)
		memset(m->tags, 0, m->cap);
	m->n = 0;
}

static uint64_t word(const dv_oid *oid, size_t i)
{
	uint64_t v;

	memcpy(&v, oid->b + 8 * i, sizeof(v));
	return v;
}

/* The product's halves folded together: every bit of both factors reaches every bit. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/*
 * Honest oids are as good as random, but lists of them come from files that anybody may have
 * written: so all of the oid counts, and a salt nobody knows.
 */
static uint64_t hash(const dv_map *m, const dv_oid *oid)
{
	uint64_t a = fold(word(oid, 0) ^ m->salt[0], word(oid, 1) ^ m->salt[1]);
	uint64_t b = fold(word(oid, 2) ^ m->salt[1], word(oid, 3) ^ m->salt[0] ^ a);

	return a ^ b;
}

static uint8_t tag_of(uint64_t h)
{
	return (uint8_t)(0x80 | h >> 57);
}

/* The place of `oid`, or the free place where it belongs; the table has one. */
static size_t probe(const dv_map *m, const dv_oid *oid, bool *there)
{
	uint64_t h = hash(m, oid);
	uint8_t tag = tag_of(h);
	size_t i = (size_t)h & (m->cap - 1);

	while (m->tags[i]) {
		if (m->tags[i] == tag && dv_oid_eq(&m->entries[i].oid, oid)) {
			*there = true;
			return i;
		}
		i = (i + 1) & (m->cap - 1);
	}
	*there = false;
	return i;
}

static int resize(dv_map *m, size_t cap)
{
	dv_map fresh = { .cap = cap, .n = m->n };

	fresh.salt[0] = m->salt[0];
	fresh.salt[1] = m->salt[1];
	if (!m->cap && dv_random(fresh.salt, sizeof(fresh.salt)))
		return DV_ERROR;
	fresh.entries = dv_reallocarray(NULL, cap, sizeof(*fresh.entries));
	fresh.tags = dv_calloc(cap, 1);
	if (!fresh.entries || !fresh.tags) {
		dv_map_release(&fresh);
		return DV_ERROR;
	}
	for (size_t i = 0; i < m->cap; i++) {
		bool there;
		size_t at;

		if (!m->tags[i])
			continue;
		at = probe(&fresh, &m->entries[i].oid, &there);
		fresh.entries[at] = m->entries[i];
		fresh.tags[at] = m->tags[i];
	}
	dv_map_release(m);
	*m = fresh;
	return 0;
}

int dv_map_reserve(dv_map *m, size_t n)
{
	size_t cap = m->cap ? m->cap : 16;

	if (n > SIZE_MAX / 4)
		return dv_err_nomem();
	while (cap / 4 * 3 < n)
		cap *= 2;
	return cap == m->cap ? 0 : resize(m, cap);
}

/* The place of `oid`, made if need be; 0 or a negative dv_errcode. */
static int place(dv_map *m, const dv_oid *oid, size_t *at, bool *there)
{
	int rc;

	if (m->cap) {
		*at = probe(m, oid, there);
		if (*there)
			return 0;
	}
	*there = false;
	if (!m->cap || m->n + 1 > m->cap / 4 * 3) {
		rc = dv_map_reserve(m, m->n + 1);
		if (rc)
			return rc;
		*at = probe(m, oid, there);
	}
	m->entries[*at].oid = *oid;
	m->tags[*at] = tag_of(hash(m, oid));
	m->n++;
	return 0;
}

int dv_map_put(dv_map *m, const dv_oid *oid, uint64_t value)
{
	bool there;
	size_t at = 0;
	int rc = place(m, oid, &at, &there);

	if (!rc)
		m->entries[at].value = value;
	return rc;
}

int dv_map_add(dv_map *m, const dv_oid *oid, uint64_t value, bool *added)
{
	bool there;
	size_t at = 0;
	int rc = place(m, oid, &at, &there);

	if (!rc && !there)
		m->entries[at].value = value;
	if (added)
		*added = !rc && !there;
	return rc;
}

static size_t find(const dv_map *m, const dv_oid *oid)
{
	bool there;
	size_t at;

	if (!m->n)
		return NOT_THERE;
	at = probe(m, oid, &there);
	return there ? at : NOT_THERE;
}

bool dv_map_get(const dv_map *m, const dv_oid *oid, uint64_t *value)
{
	size_t at = find(m, oid);

	if (at == NOT_THERE)
		return false;
	if (value)
		*value = m->entries[at].value;
	return true;
}

bool dv_map_has(const dv_map *m, const dv_oid *oid)
{
	return find(m, oid) != NOT_THERE;
}

uint64_t *dv_map_find(dv_map *m, const dv_oid *oid)
{
	size_t at = find(m, oid);

	return at == NOT_THERE ? NULL : &m->entries[at].value;
}

bool dv_map_remove(dv_map *m, const dv_oid *oid)
{
	size_t hole = find(m, oid);
	size_t mask = m->cap - 1;

	if (hole == NOT_THERE)
		return false;
	/* Entries that were pushed on by this one move back, so that no search ends too early. */
	for (size_t i = (hole + 1) & mask; m->tags[i]; i = (i + 1) & mask) {
		size_t home = (size_t)hash(m, &m->entries[i].oid) & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->entries[hole] = m->entries[i];
		m->tags[hole] = m->tags[i];
		hole = i;
	}
	m->tags[hole] = 0;
	m->n--;
	return true;
}

dv_map_entry *dv_map_next(const dv_map *m, size_t *pos)
{
	while (*pos < m->cap) {
		size_t i = (*pos)++;

		if (m->tags[i])
			return &m->entries[i];
	}
	return NULL;
}
