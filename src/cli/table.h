/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of text on stdout: columns aligned with blanks, or as Markdown.
 */
#ifndef DV_CLI_TABLE_H
#define DV_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct dv_table {
	char **cells;  /* row by row, the first row is the heading; owned */
	bool *dropped; /* columns that are not printed */
	size_t columns, n, cap;
} dv_table;

/* Runs out of memory: ends the program with an error, as printing does. */
void dv_table_start(dv_table *t, size_t columns);
/* The next cell; what is no plain text is quoted. NULL is "-". */
void dv_table_add(dv_table *t, const char *text);
void dv_table_drop(dv_table *t, size_t column);
void dv_table_print(const dv_table *t, bool markdown);
void dv_table_release(dv_table *t);

#endif
