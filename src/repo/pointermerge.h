/* SPDX-License-Identifier: Apache-2.0 */
/* Merging pointers, by their keys and by the directories that they name. */
#ifndef DV_REPO_POINTERMERGE_H
#define DV_REPO_POINTERMERGE_H

#include "repo/mergework.h"

/** What one side's pointer says. */
typedef struct dv_pointer_pair {
	dv_pointer p[2];	/* ours, theirs */
} dv_pointer_pair;
void dv_pointer_pair_release(dv_pointer_pair *x);

/** Reads both sides of a text, which are the same where it has no conflict. *merged (may be NULL):
 *  see dv_conflict_take. Codes of dv_pointer_parse. */
int dv_pointer_pair_read(dv_pointer_pair *out, const char *text, size_t n, const char *name,
			 bool *merged) DV_MUST_CHECK;
/** Merges `x` in place: afterwards the two differ in what is in conflict. `base` (NULL: nothing)
 *  may be two, see dv_tree_base. `path` is the output's. *keys: something but the content is in
 *  conflict. New listings are put into w's writer. */
int dv_pointer_merge(dv_mergework *w, const char *path, const dv_pointer_pair *base,
		     dv_pointer_pair *x, bool *keys) DV_MUST_CHECK;
/** Takes what an entry says into a pointer. */
void dv_pointer_set_entry(dv_pointer *p, const dv_tree_entry *e);
/** Appends the text of both: of one where they are the same, else with conflict markers. *same
 *  tells. */
int dv_pointer_pair_print(dv_buf *out, const dv_pointer_pair *x, int marker, bool *same)
	DV_MUST_CHECK;

#endif
