/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots: what pipeline files say about them, the data for them out of files of several revisions,
 * and how they are written down, as Vega-Lite specifications and as a page that draws these.
 * Everything that comes from data is text in a JSON document, and never part of the page's own
 * language.
 */
#ifndef DV_PIPELINE_PLOTS_H
#define DV_PIPELINE_PLOTS_H

#include "pipeline/stage.h"

#define DV_PLOT_FILE_MAX ((size_t)256 << 20)
#define DV_PLOT_ROWS_MAX 4000000	/* of one plot, all revisions */
#define DV_PLOT_LABELS_MAX 500		/* of one axis of a matrix */

/** One line: a field of a file against another. */
typedef struct dv_plot_line {
	const char *path, *y;		/* y NULL: the last field */
	const char *x_path, *x;		/* x NULL: the number of the row, from 0 */
} dv_plot_line;

enum dv_plot_form { DV_PLOT_LINEAR, DV_PLOT_SIMPLE, DV_PLOT_SMOOTH, DV_PLOT_SCATTER,
		    DV_PLOT_CONFUSION, DV_PLOT_CONFUSION_NORMALIZED, DV_PLOT_BAR,
		    DV_PLOT_BAR_SORTED };

typedef struct dv_plot_def {
	const char *id;
	const char *path;	/* a file or folder all of which is drawn; NULL: see lines */
	dv_plot_line *lines;
	size_t n, cap;
	enum dv_plot_form form;
	const char *title, *x_label, *y_label;	/* or NULL */
	bool no_header, x_log, y_log;
} dv_plot_def;
typedef struct dv_plot_defs {
	dv_plot_def *d;		/* in the order in which they were met */
	size_t n, cap;
} dv_plot_defs;

/** Adds what the pipeline's files describe; what has the id of an earlier one takes its place. */
int dv_plot_defs_add(dv_arena *a, dv_plot_defs *defs, const dv_pipeline *p) DV_MUST_CHECK;
int dv_plot_defs_put(dv_arena *a, dv_plot_defs *defs, const dv_plot_def *d) DV_MUST_CHECK;
/** The form of a template's name. DV_ENOTFOUND. */
int dv_plot_form_of(const char *name, enum dv_plot_form *out) DV_MUST_CHECK;
/** Is it the name of an image, and of what type? "image/png", or NULL. */
const char *dv_plot_image_type(const char *path);

/* -- data -------------------------------------------------------------------------------------- */

enum dv_cell_kind { DV_CELL_NONE, DV_CELL_NUMBER, DV_CELL_TEXT };
typedef struct dv_cell {
	enum dv_cell_kind kind;
	const char *s;		/* a number as JSON writes it, or a text; of the arena */
} dv_cell;

/** A column of a file. */
typedef struct dv_column {
	dv_cell *c;
	size_t n, cap;
	const char *name;	/* of the field that was found */
} dv_column;

/** Takes one field (NULL: the last, but not `other`) out of a file's text, whose kind the suffix of
 *  `path` tells. DV_ENOTFOUND names the fields that there are. */
int dv_column_read(dv_arena *a, const char *text, size_t n, const char *path, const char *field,
		   const char *other, bool no_header, dv_column *out) DV_MUST_CHECK;
/** CSV and TSV. */
int dv_column_from_table(dv_arena *a, const char *text, size_t n, const char *path, char comma,
			 const char *field, const char *other, bool no_header, dv_column *out)
	DV_MUST_CHECK;

/* -- a plot with its data ---------------------------------------------------------------------- */

typedef struct dv_plot_row {
	uint32_t rev, line;
	dv_cell x, y;
} dv_plot_row;

typedef struct dv_plot {
	const dv_plot_def *def;
	dv_plot_row *rows;
	size_t n, cap;
	const char *const *revs;	/* all that were asked for */
	size_t nrevs;
	const char *x_name, *y_name;	/* what the fields are called; y NULL: several names */
} dv_plot;

/** Appends the Vega-Lite specification, as JSON. */
int dv_plot_spec(dv_buf *out, const dv_plot *p) DV_MUST_CHECK;
/** The part of a page before and behind the JSON document, and the document made fit for it. */
int dv_plot_page(dv_buf *out, const dv_buf *json) DV_MUST_CHECK;

#endif
