/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing a YAML file that a person wrote: the text is edited where the change belongs, and
 * comments, layout, quoting and line ends of everything else stay as they are, to the byte. Every
 * edit is checked by reading the result: it means what was wanted, and else nothing is changed.
 *
 * A path is the keys from the root on, ending in NULL. `name` is the file's, for messages. All
 * return 0, or DV_ERROR with the text left as it was: no YAML, or a place that cannot be edited.
 */
#ifndef DV_BASE_YAML_EDIT_H
#define DV_BASE_YAML_EDIT_H

#include "base/value.h"

/** Sets the value of a key, in place or as a new member; dicts that lead there are made. A new
 *  member goes behind those that stand before it in `order` (keys, ending in NULL), to the end
 *  without. */
int dv_yaml_set(dv_buf *text, const char *name, const char *const *path, dv_value *v,
		const char *const *order) DV_MUST_CHECK;
/** Removes a member that is there. A dict that becomes empty is written as {}. */
int dv_yaml_unset(dv_buf *text, const char *name, const char *const *path) DV_MUST_CHECK;
/** Adds an item to the end of a list that is there. */
int dv_yaml_append(dv_buf *text, const char *name, const char *const *path, dv_value *item)
	DV_MUST_CHECK;
/** Removes an item of a list that has another one. */
int dv_yaml_take(dv_buf *text, const char *name, const char *const *path, size_t index)
	DV_MUST_CHECK;

/* -- for yaml_edit.c --------------------------------------------------------------------------- */

/** Where the parts of a document stand; offsets are bytes of the text. */
typedef struct dv_yaml_node {
	enum dv_yaml_shape { DV_YAML_SCALAR, DV_YAML_ALIAS, DV_YAML_LIST, DV_YAML_DICT } shape;
	bool flow;		/* [a, b], {a: b} */
	size_t start, end;	/* end: behind the last character that is no blank */
	unsigned column;	/* of the start, in characters from 0 */
	const char *text;	/* of a scalar */
	size_t n, cap;		/* of items; in a dict keys and values take turns */
	struct dv_yaml_node **items;
} dv_yaml_node;
/** Reads the layout of a text that dv_yaml_parse took; NULL for a document with nothing in it. */
int dv_yaml_layout(dv_arena *a, const char *text, size_t n, const char *name, dv_yaml_node **out)
	DV_MUST_CHECK;

#endif
