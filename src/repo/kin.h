/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kin: what a file with a new name may have been before. Many name their versions (data-1.csv,
 * data-2.csv), or rename what they edit, so of the files that were there one is chosen by name and
 * length. A wrong choice costs a look at a few chunks and changes nothing that is stored.
 */
#ifndef DV_REPO_KIN_H
#define DV_REPO_KIN_H

#include <stddef.h>

#include "base/error.h"
#include "base/oid.h"

/** Something that was there. The name is borrowed, without its folder. */
typedef struct dv_kin {
	const char *name;
	uint64_t size;
	dv_oid oid;
	bool gone;		/* nothing has this name any more */
} dv_kin;

/** The search for what `name` was, among few: zero-initialised but for name and size. */
typedef struct dv_kin_search {
	const char *name;
	uint64_t size;		/* 0: unknown */
	bool found;
	dv_kin best;
	unsigned points;
} dv_kin_search;
/** Of equal ones the last in front of the name wins, as versions are counted. */
void dv_kin_offer(dv_kin_search *s, const dv_kin *old);

/** Files of one directory, to be asked for many names. */
typedef struct dv_kin_list {
	dv_kin *k;		/* sorted by name: bytes */
	size_t n, cap;
	const dv_kin **gone;	/* the same order */
	const dv_kin **end;	/* gone, sorted by their names from the end; NULL: too many */
	const dv_kin **size;	/* likewise by size */
	size_t ngone;
} dv_kin_list;
#define DV_KIN_LIST_INIT { 0 }
void dv_kin_list_release(dv_kin_list *l);
/** In the order of names. */
int dv_kin_list_add(dv_kin_list *l, const dv_kin *k) DV_MUST_CHECK;
/** After the last addition. */
int dv_kin_list_finish(dv_kin_list *l) DV_MUST_CHECK;
/** `few`: look at all of them, else at a few dozen. Any thread. */
void dv_kin_list_search(const dv_kin_list *l, dv_kin_search *s, bool few);

#endif
