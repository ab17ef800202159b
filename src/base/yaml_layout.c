/* SPDX-License-Identifier: Apache-2.0 */
/* Where the parts of a YAML document stand in its text, from libyaml's marks. */
#include <string.h>

#include <yaml.h>

#include "base/yaml_edit.h"

static void event_release(yaml_event_t *e)
{
	yaml_event_delete(e);
}
#define auto_event __attribute__((cleanup(event_release))) yaml_event_t

typedef struct laying {
	yaml_parser_t parser;
	dv_arena *a;
	const char *text, *name;
	size_t n;
	size_t character, byte;	/* the same place, counted in both ways */
} laying;

static bool goes_on(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Marks count characters. They move forward but for a few steps. */
static size_t byte_of(laying *l, const yaml_mark_t *m)
{
	while (l->character < m->index && l->byte < l->n) {
		for (l->byte++; l->byte < l->n && goes_on(l->text[l->byte]);)
			l->byte++;
		l->character++;
	}
	while (l->character > m->index && l->byte > 0) {
		for (l->byte--; l->byte > 0 && goes_on(l->text[l->byte]);)
			l->byte--;
		l->character--;
	}
	return l->byte;
}

static int next_event(laying *l, yaml_event_t *e)
{
	return yaml_parser_parse(&l->parser, e) ? 0 :
	       dv_err(DV_ERROR, "'%s' is no YAML", l->name);
}

static int read_node(laying *l, const yaml_event_t *e, int depth, dv_yaml_node **out);

static int read_items(laying *l, yaml_event_type_t last, int depth, dv_yaml_node *node)
{
	for (;;) {
		auto_event e = { 0 };
		dv_yaml_node *item;
		int rc = next_event(l, &e);

		if (rc)
			return rc;
		if (e.type == last) {
			/* Block collections end where what follows begins, so theirs is the last
			 * item's end. */
			node->end = node->flow || !node->n ? byte_of(l, &e.end_mark) :
				    node->items[node->n - 1]->end;
			return 0;
		}
		if ((rc = read_node(l, &e, depth + 1, &item)) ||
		    (rc = dv_arena_grow(l->a, &node->items, &node->cap, node->n + 1,
					sizeof(*node->items))))
			return rc;
		node->items[node->n++] = item;
	}
}

static int read_node(laying *l, const yaml_event_t *e, int depth, dv_yaml_node **out)
{
	dv_yaml_node *node = *out = dv_arena_alloc(l->a, sizeof(*node));

	if (!node)
		return DV_ERROR;
	if (depth > DV_VALUE_DEPTH)
		return dv_err(DV_ERROR, "'%s' is nested too deeply", l->name);
	node->start = byte_of(l, &e->start_mark);
	node->column = (unsigned)e->start_mark.column;
	switch (e->type) {
	case YAML_SEQUENCE_START_EVENT:
		node->shape = DV_YAML_LIST;
		node->flow = e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
		return read_items(l, YAML_SEQUENCE_END_EVENT, depth, node);
	case YAML_MAPPING_START_EVENT:
		node->shape = DV_YAML_DICT;
		node->flow = e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
		return read_items(l, YAML_MAPPING_END_EVENT, depth, node);
	case YAML_SCALAR_EVENT:
		node->shape = DV_YAML_SCALAR;
		node->text = dv_arena_strdup(l->a, (const char *)e->data.scalar.value);
		break;
	default:
		node->shape = DV_YAML_ALIAS;
		node->text = "";
	}
	node->end = byte_of(l, &e->end_mark);
	/* The end of a block scalar lies behind its line breaks. */
	while (node->end > node->start && strchr(" \t\r\n", l->text[node->end - 1]))
		node->end--;
	return node->text ? 0 : DV_ERROR;
}

int dv_yaml_layout(dv_arena *a, const char *text, size_t n, const char *name, dv_yaml_node **out)
{
	laying l = { .a = a, .text = text, .n = n, .name = name };
	int rc;

	*out = NULL;
	if (!yaml_parser_initialize(&l.parser))
		return dv_err_nomem();
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, n);
	for (bool begun = false;;) {
		auto_event e = { 0 };

		if ((rc = next_event(&l, &e)) || e.type == YAML_STREAM_END_EVENT)
			break;
		if (begun) {
			rc = read_node(&l, &e, 0, out);
			break;
		}
		begun = e.type == YAML_DOCUMENT_START_EVENT;
	}
	yaml_parser_delete(&l.parser);
	return rc;
}
