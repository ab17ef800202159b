/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The single values in files of parameters and of metrics, in the workspace or a revision: what
 * 'params' and 'metrics' commands show and compare.
 */
#ifndef DV_PIPELINE_MEASURES_H
#define DV_PIPELINE_MEASURES_H

#include "pipeline/stage.h"

enum dv_measure { DV_MEASURE_PARAMS, DV_MEASURE_METRICS };

typedef struct dv_leaf {
	const char *path, *key;	/* "a.b"; "" when the file is one value */
	const dv_value *value;	/* a scalar; of parameters also a list */
} dv_leaf;

/** All of it is the arena's. */
typedef struct dv_leaves {
	dv_arena arena;
	dv_leaf *l;		/* sorted by path and key */
	size_t n, cap;
	bool partly;		/* some file could not be read; a warning said so */
} dv_leaves;
#define DV_LEAVES_INIT { 0 }
void dv_leaves_release(dv_leaves *l);

/** What to look for. */
typedef struct dv_measuring {
	enum dv_measure what;
	const char *const *targets;	/* files, relative to the root; none: those that pipeline
					   files name */
	size_t ntargets;
	bool deps;			/* only parameters that stages take */
	bool tell_missing;		/* warn about files that are not there */
} dv_measuring;
/** Appends what `v` has of it. A file that cannot be read is a warning. */
int dv_leaves_read(dv_leaves *out, dv_view *v, const dv_measuring *m) DV_MUST_CHECK;

#endif
