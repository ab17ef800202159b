/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the workspace, or of a revision, wherever they are kept: in the work tree, in git,
 * or as outputs in the store or its remote. For small files that are read whole.
 */
#ifndef DV_REPO_VIEW_H
#define DV_REPO_VIEW_H

#include "repo/repo.h"

/** A file of a revision in git. */
typedef struct dv_view_file {
	char *path;
	char id[DV_GIT_HEX + 1];
} dv_view_file;

typedef struct dv_view {
	dv_repo *r;
	const char *rev;	/* NULL: the workspace; borrowed */
	dv_output_list outputs;	/* when has_outputs; read at the first need */
	bool has_outputs;
	dv_reader *reader;
	dv_view_file *files;	/* of a revision, sorted; read with its pipelines */
	size_t nfiles, files_cap;
	bool has_files;
} dv_view;
void dv_view_release(dv_view *v);

/** Reads a file of at most `max` bytes; `path` is relative to the root. What the work tree lacks
 *  comes from the outputs. DV_ENOTFOUND when there is no such file, or nobody here has it;
 *  DV_EUNSAFE for a link that leads out of the workspace. */
int dv_view_read(dv_view *v, const char *path, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Appends the files at and below `path`, sorted: itself when it is a file, nothing when it is not
 *  there. */
int dv_view_files(dv_view *v, const char *path, dv_path_list *out) DV_MUST_CHECK;
/** Appends the pipeline files: dv.yaml, and dvc.yaml where a folder has no dv.yaml, sorted. */
int dv_view_pipelines(dv_view *v, dv_path_list *out) DV_MUST_CHECK;

#endif
