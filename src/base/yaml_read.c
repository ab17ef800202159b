/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading YAML with libyaml, from its events. Files may come from strangers: depth, number of
 * values and what aliases repeat are bounded, and what is wrong is told with its line. Merge keys
 * ("<<") are followed, as Python's readers of such files do.
 */
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/value.h"
#include "base/yaml_block.h"

#define REPEATED_MAX ((size_t)1 << 20)	/* values that stand for aliases */

static void event_release(yaml_event_t *e)
{
	yaml_event_delete(e);
}
#define auto_event __attribute__((cleanup(event_release))) yaml_event_t

typedef struct reading {
	yaml_parser_t parser;
	dv_arena *a;
	const char *name, *text;
	size_t n;
	bool texts;		/* scalars stay as they were written, and there are no anchors */
	size_t values, repeated;
	dv_value *anchors;	/* name -> value, or `open` while that is being read */
	dv_value open;
} reading;

static dv_spot spot_of(const reading *r, const yaml_mark_t *m)
{
	return (dv_spot){ r->name, (unsigned)m->line + 1, (unsigned)m->column + 1 };
}

/* Where a byte of the text stands; for what the parser cannot even decode. */
static dv_spot spot_of_byte(const reading *r, size_t offset)
{
	dv_spot at = { r->name, 1, 1 };

	for (size_t i = 0; i < offset && i < r->n; i++) {
		at.line += r->text[i] == '\n';
		at.column = r->text[i] == '\n' ? 1 : at.column + 1;
	}
	return at;
}

/* The byte that starts a line and column, or 0 behind the end. */
static char byte_at(const reading *r, const yaml_mark_t *m)
{
	const char *p = r->text, *end = r->text + r->n;

	for (size_t line = 0; line < m->line && p; line++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	return p && m->column < (size_t)(end - p) ? p[m->column] : 0;
}

static int complain(const reading *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "it cannot be read";

	if (p->error == YAML_MEMORY_ERROR)
		return dv_err_nomem();
	if (p->error == YAML_READER_ERROR) {
		const dv_spot at = spot_of_byte(r, p->problem_offset);

		return dv_err_at(DV_ERROR, &at, "this is no YAML: %s", problem);
	}
	const dv_spot at = spot_of(r, &p->problem_mark);
	int rc = p->context && p->context_mark.line != p->problem_mark.line ?
		 dv_err_at(DV_ERROR, &at, "this is no YAML: %s, %s that began in line %zu", problem,
			   p->context, p->context_mark.line + 1) :
		 dv_err_at(DV_ERROR, &at, "this is no YAML: %s", problem);
	char byte = byte_at(r, &p->problem_mark);
	if (byte == '\t')
		return dv_err_hint(rc, "indent with spaces; YAML allows no tabs there");
	/* "[model-${item}]" */
	return byte == '{' && p->problem_mark.column &&
	       strstr(problem, "',' or") ?
	       dv_err_hint(rc, "inside […] and {…}, put text with '${…}' between quotes") : rc;
}

static int next_event(reading *r, yaml_event_t *e)
{
	return yaml_parser_parse(&r->parser, e) ? 0 : complain(r);
}

/* One value more, at a depth that only collections have to keep. */
static int count(reading *r, const dv_spot *at, bool collection, int depth)
{
	if (collection && depth > DV_VALUE_DEPTH)
		return dv_err_at(DV_ERROR, at, "nested more than %d deep", DV_VALUE_DEPTH);
	return ++r->values > DV_YAML_VALUES_MAX || r->repeated > REPEATED_MAX ?
	       dv_err_at(DV_ERROR, at, "the file holds too many values") : 0;
}

/* -- anchors ----------------------------------------------------------------------------------- */

/* Anchors are names from now on; the value may still be on its way. */
static int set_anchor(reading *r, const yaml_char_t *name, const yaml_char_t *tag,
		      const dv_spot *at, dv_value *v)
{
	if (r->texts && (name || tag))
		return dv_err_at(DV_ERROR, at, "%s has no place in this file",
				 name ? "an anchor" : "a tag");
	if (!name)
		return 0;
	if (!r->anchors && !(r->anchors = dv_value_new(r->a, DV_VALUE_DICT, NULL)))
		return DV_ERROR;
	return dv_value_set(r->a, r->anchors, (const char *)name, NULL, v);
}

static int repeat(reading *r, const dv_value *v, int depth, dv_value **out)
{
	int rc = count(r, &v->at, !dv_value_is_scalar(v), depth);

	r->repeated++;
	if (rc)
		return rc;
	*out = dv_arena_alloc(r->a, sizeof(**out));
	if (!*out)
		return DV_ERROR;
	**out = *v;
	(*out)->n = (*out)->cap = 0;
	(*out)->items = NULL;
	(*out)->members = NULL;
	(*out)->table = NULL;
	for (size_t i = 0; !rc && i < v->n; i++) {
		const dv_member *m = v->kind == DV_VALUE_DICT ? &v->members[i] : NULL;
		dv_value *item;

		rc = repeat(r, m ? m->value : v->items[i], depth + 1, &item);
		if (!rc)
			rc = m ? dv_value_set(r->a, *out, m->key, &m->at, item) :
				 dv_value_append(r->a, *out, item);
	}
	return rc;
}

static int read_alias(reading *r, const yaml_event_t *e, const dv_spot *at, int depth,
		      dv_value **out)
{
	const dv_value *v = dv_value_get(r->anchors, (const char *)e->data.alias.anchor);

	if (r->texts)
		return dv_err_at(DV_ERROR, at, "an alias has no place in this file");
	if (!v)
		return dv_err_at(DV_ERROR, at, "an alias names no anchor");
	if (v == &r->open)
		return dv_err_at(DV_ERROR, at, "an alias names what it is a part of");
	return repeat(r, v, depth, out);
}

/* -- values ------------------------------------------------------------------------------------ */

static int read_value(reading *r, const yaml_event_t *e, int depth, dv_value **out);

static int read_scalar(reading *r, const yaml_event_t *e, const dv_spot *at, dv_value **out)
{
	const char *s = (const char *)e->data.scalar.value;
	size_t n = e->data.scalar.length;
	bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag;
	int rc = 0;

	if (memchr(s, 0, n))
		return dv_err_at(DV_ERROR, at, "text holds a NUL byte");
	char *copy = dv_arena_strndup(r->a, s, n);
	if (!copy)
		return DV_ERROR;
	if (plain && !r->texts) {
		rc = dv_yaml_plain(r->a, copy, at, out);
	} else {
		*out = dv_value_new(r->a, DV_VALUE_STRING, at);
		if (!*out)
			return DV_ERROR;
		(*out)->s = copy;
		(*out)->plain = plain;
	}
	return rc ? rc : set_anchor(r, e->data.scalar.anchor, e->data.scalar.tag, at, *out);
}

static int read_list(reading *r, int depth, dv_value *list)
{
	for (;;) {
		auto_event e = { 0 };
		dv_value *v;
		int rc = next_event(r, &e);

		if (rc || e.type == YAML_SEQUENCE_END_EVENT)
			return rc;
		if ((rc = read_value(r, &e, depth + 1, &v)) ||
		    (rc = dv_value_append(r->a, list, v)))
			return rc;
	}
}

/* "<<": what the named dicts have and this one does not. */
static int merge_under(reading *r, dv_value *dict, dv_value *from, const dv_spot *at)
{
	if (from->kind == DV_VALUE_LIST) {
		for (size_t i = 0; i < from->n; i++) {
			int rc = merge_under(r, dict, from->items[i], at);
			if (rc)
				return rc;
		}
		return 0;
	}
	if (from->kind != DV_VALUE_DICT)
		return dv_err_at(DV_ERROR, at, "'<<' names what is no dict");
	for (size_t i = 0; i < from->n; i++) {
		const dv_member *m = &from->members[i];
		int rc = dv_value_get(dict, m->key) ? 0 :
			 dv_value_set(r->a, dict, m->key, &m->at, m->value);
		if (rc)
			return rc;
	}
	return 0;
}

/* The text of a key; odd when the key is none. */
static int key_text(reading *r, const dv_value *key, dv_buf *text, bool *odd)
{
	dv_value *v = NULL;
	int rc;

	*odd = key->kind != DV_VALUE_STRING;
	if (!dv_value_is_scalar(key))
		return dv_err_at(DV_ERROR, &key->at, "a key is %s", dv_value_kind_name(key->kind));
	if (!r->texts)
		return dv_value_text(text, key);
	if (strlen(key->s) > DV_YAML_TEXT_KEY_MAX)
		return dv_err_at(DV_ERROR, &key->at, "a key is too long");
	if (key->plain) {
		if ((rc = dv_yaml_plain(r->a, key->s, NULL, &v)))
			return rc;
		*odd = v->kind != DV_VALUE_STRING;
	}
	return dv_buf_adds(text, key->s);
}

static int read_member(reading *r, const yaml_event_t *key_event, int depth, dv_value *dict,
		       dv_value **under)
{
	auto_event e = { 0 };
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_value *key, *value;
	bool odd;
	int rc = read_value(r, key_event, depth + 1, &key);

	if (rc || (rc = key_text(r, key, &text, &odd)) || (rc = next_event(r, &e)) ||
	    (rc = read_value(r, &e, depth + 1, &value)))
		return rc;
	if (!r->texts && strcmp(dv_buf_str(&text), "<<") == 0 &&
	    key_event->type == YAML_SCALAR_EVENT &&
	    key_event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		*under = value;
		return 0;
	}
	if (dv_value_get(dict, dv_buf_str(&text)))
		return dv_err_at(DV_ERROR, &key->at, "the key '%s' is there twice",
				 dv_buf_str(&text));
	value->odd_key = odd;
	return dv_value_set(r->a, dict, dv_buf_str(&text), &key->at, value);
}

static int read_dict(reading *r, int depth, dv_value *dict)
{
	dv_value *under = NULL;

	dict->plain = r->texts;
	for (;;) {
		auto_event e = { 0 };
		int rc = next_event(r, &e);

		if (rc)
			return rc;
		if (e.type == YAML_MAPPING_END_EVENT)
			return under ? merge_under(r, dict, under, &under->at) : 0;
		if ((rc = read_member(r, &e, depth, dict, &under)))
			return rc;
	}
}

static int read_value(reading *r, const yaml_event_t *e, int depth, dv_value **out)
{
	const dv_spot at = spot_of(r, &e->start_mark);
	bool list = e->type == YAML_SEQUENCE_START_EVENT;
	bool collection = list || e->type == YAML_MAPPING_START_EVENT;
	int rc = count(r, &at, collection, depth);

	if (rc)
		return rc;
	if (e->type == YAML_ALIAS_EVENT)
		return read_alias(r, e, &at, depth, out);
	if (!collection)
		return read_scalar(r, e, &at, out);
	const yaml_char_t *anchor = list ? e->data.sequence_start.anchor :
				    e->data.mapping_start.anchor;
	const yaml_char_t *tag = list ? e->data.sequence_start.tag : e->data.mapping_start.tag;
	*out = dv_value_new(r->a, list ? DV_VALUE_LIST : DV_VALUE_DICT, &at);
	if (!*out)
		return DV_ERROR;
	if ((rc = set_anchor(r, anchor, tag, &at, &r->open)) ||
	    (rc = list ? read_list(r, depth, *out) : read_dict(r, depth, *out)))
		return rc;
	return set_anchor(r, anchor, tag, &at, *out);
}

/* -- documents --------------------------------------------------------------------------------- */

static int read_document(reading *r, dv_value **out)
{
	for (;;) {
		auto_event e = { 0 };
		auto_event root = { 0 };
		int rc = next_event(r, &e);	/* of a document, or of the stream */

		if (rc || e.type == YAML_STREAM_END_EVENT)
			return rc;
		if (e.type != YAML_DOCUMENT_START_EVENT)
			continue;
		const dv_spot at = spot_of(r, &e.start_mark);
		if (*out)
			return dv_err_at(DV_ERROR, &at, "a second document begins; a file has "
					 "one");
		if ((rc = next_event(r, &root)) || (rc = read_value(r, &root, 0, out)))
			return rc;
	}
}

int dv_yaml_full_parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
		       dv_value **out)
{
	reading r = { .a = a, .name = name, .text = text, .n = n, .texts = texts };
	const dv_spot nowhere = { .file = name };

	*out = NULL;
	if (!yaml_parser_initialize(&r.parser))
		return dv_err_nomem();
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
	int rc = read_document(&r, out);
	yaml_parser_delete(&r.parser);
	if (rc || *out)
		return rc;
	*out = dv_value_new(a, texts ? DV_VALUE_STRING : DV_VALUE_NULL, &nowhere);
	if (*out)
		(*out)->s = texts ? "" : NULL;
	return *out ? 0 : DV_ERROR;
}

static int parse(dv_arena *a, const char *text, size_t n, const char *name, bool texts,
		 dv_value **out)
{
	const dv_spot top = { .file = name };
	size_t mark = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	*out = NULL;
	if (memchr(text, 0, n))
		return dv_err_at(DV_ERROR, &top, "this is no YAML: it holds a NUL byte");
	int rc = dv_yaml_block_parse(a, text + mark, n - mark, name, texts, out);
	return rc > 0 ? dv_yaml_full_parse(a, text + mark, n - mark, name, texts, out) : rc;
}

int dv_yaml_parse(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	return parse(a, text, n, name, false, out);
}

int dv_yaml_parse_texts(dv_arena *a, const char *text, size_t n, const char *name, dv_value **out)
{
	return parse(a, text, n, name, true, out);
}

const char *dv_yaml_version(void)
{
	return yaml_get_version_string();
}
