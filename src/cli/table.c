/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of text.
 */
#include "cli/table.h"

#include "cli/out.h"

#include <stdlib.h>
#include <string.h>

static void *enough(void *p)
{
	if (!p) {
		dv_out_error("out of memory");
		exit(DV_EXIT_FAILED);
	}
	return p;
}

void dv_table_start(dv_table *t, size_t columns)
{
	*t = (dv_table){ .columns = columns };
	t->dropped = enough(calloc(columns, sizeof(*t->dropped)));
}

void dv_table_release(dv_table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t->dropped);
	*t = (dv_table){ 0 };
}

void dv_table_add(dv_table *t, const char *text)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->cells = enough(realloc(t->cells, t->cap * sizeof(*t->cells)));
	}
	t->cells[t->n++] = text ? dv_out_quote(text) : enough(strdup("-"));
}

void dv_table_drop(dv_table *t, size_t column)
{
	t->dropped[column] = true;
}

/* Characters, as far as a terminal shows one in each place. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_cell(const char *s, size_t room, bool markdown, bool last)
{
	size_t n = width(s);

	for (const char *p = s; *p; p++) {
		if (markdown && *p == '|') {
			dv_out("\\");
			n++;
		}
		dv_out_bytes(p, 1);
	}
	for (; n < room && (markdown || !last); n++)
		dv_out(" ");
}

void dv_table_print(const dv_table *t, bool markdown)
{
	size_t last = 0, *room = enough(calloc(t->columns, sizeof(*room)));

	for (size_t i = 0; i < t->n; i++) {
		size_t w = width(t->cells[i]);

		for (const char *p = markdown ? t->cells[i] : ""; *p; p++)
			w += *p == '|';
		if (w > room[i % t->columns])
			room[i % t->columns] = w;
	}
	for (size_t c = 0; c < t->columns; c++)
		last = t->dropped[c] ? last : c;
	for (size_t i = 0; i < t->n; i++) {
		size_t c = i % t->columns;

		if (!t->dropped[c]) {
			dv_out("%s", markdown ? "| " : "");
			print_cell(t->cells[i], room[c], markdown, c == last);
			dv_out("%s", markdown ? " " : c == last ? "" : "  ");
		}
		if (c + 1 < t->columns)
			continue;
		dv_out("%s\n", markdown ? "|" : "");
		for (size_t k = 0; markdown && i < t->columns && k < t->columns; k++)
			for (size_t w = 0; !t->dropped[k] && w < room[k] + 2; w++)
				dv_out("%s", w ? "-" : "|-");
		dv_out("%s", markdown && i < t->columns ? "|\n" : "");
	}
	free(room);
}
