/* SPDX-License-Identifier: Apache-2.0 */
/* Editing YAML in its text. What an edit did is read again and compared with what it was to do. */
#include "base/yaml_edit.h"

#include <string.h>

#include "base/alloc.h"

/* One edit. Offsets are those of `s`, the text without a byte order mark. */
typedef struct edit {
	dv_arena a;
	dv_buf *text;
	const char *name, *s, *eol;
	size_t n, mark;			/* bytes of the byte order mark */
	dv_yaml_node *root;
	dv_value *old;
	unsigned step, dash;		/* indentation: of a dict in a dict, of a list's dashes */
	dv_buf out;
} edit;

static void edit_release(edit *e)
{
	dv_arena_release(&e->a);
	dv_buf_release(&e->out);
}

static int refuse(const edit *e, size_t at)
{
	dv_spot spot = { e->name, 1, 1 };

	for (size_t i = 0; i < at && i < e->n; i++) {
		spot.line += e->s[i] == '\n';
		spot.column = e->s[i] == '\n' ? 1 : spot.column + 1;
	}
	return dv_err_hint(dv_err_at(DV_ERROR, &spot, "dv cannot edit what is written here"),
			   "edit the file by hand, or write this part in the plain style, a key a "
			   "line");
}

/* -- lines ------------------------------------------------------------------------------------- */

static size_t line_start(const edit *e, size_t at)
{
	while (at > 0 && e->s[at - 1] != '\n')
		at--;
	return at;
}

/* Where the line's break begins. */
static size_t line_end(const edit *e, size_t at)
{
	while (at < e->n && e->s[at] != '\n')
		at++;
	return at > 0 && at < e->n && e->s[at - 1] == '\r' ? at - 1 : at;
}

static size_t next_line(const edit *e, size_t at)
{
	while (at < e->n && e->s[at] != '\n')
		at++;
	return at < e->n ? at + 1 : at;
}

/* Do only spaces stand before `at` on its line? */
static bool is_first(const edit *e, size_t at)
{
	size_t start = line_start(e, at);

	return strspn(e->s + start, " ") >= at - start;
}

static bool breaks_between(const edit *e, size_t from, size_t to)
{
	return from < to && memchr(e->s + from, '\n', to - from);
}

static size_t skip_blanks(const edit *e, size_t at, const char *blanks)
{
	return at + strspn(e->s + at, blanks);
}

static bool is_blank_line(const edit *e, size_t at)
{
	at = skip_blanks(e, at, " \t\r");
	return at < e->n && e->s[at] == '\n';
}

/* -- what is there ----------------------------------------------------------------------------- */

/* How the file is indented, from the first places that show it. */
static void learn_style(edit *e, const dv_yaml_node *node, bool *step, bool *dash)
{
	for (size_t i = 0; i < node->n && !(*step && *dash); i++) {
		const dv_yaml_node *v = node->items[i];

		learn_style(e, v, step, dash);
		if (node->shape != DV_YAML_DICT || node->flow || i % 2 == 0 || v->flow || !v->n)
			continue;
		unsigned column = node->items[i - 1]->column;
		if (!is_first(e, v->start) || v->column < column || v->column - column > 8)
			continue;
		if (v->shape == DV_YAML_DICT && v->column > column && !*step) {
			e->step = v->column - column;
			*step = true;
		}
		if (v->shape == DV_YAML_LIST && e->s[v->start] == '-' && !*dash) {
			e->dash = v->column - column;
			*dash = true;
		}
	}
}

/* The index of a key in a dict's items, or its number of items. */
static size_t key_index(const dv_yaml_node *dict, const char *key)
{
	size_t i = 0;

	while (i < dict->n && !(dict->items[i]->text && !strcmp(dict->items[i]->text, key)))
		i += 2;
	return i;
}

/* The value at a path, or NULL. */
static dv_yaml_node *node_at(const dv_yaml_node *root, const char *const *path)
{
	/* What is found is not changed. */
	dv_yaml_node *node = (dv_yaml_node *)(uintptr_t)root;

	for (; node && *path; path++) {
		size_t i = node->shape == DV_YAML_DICT ? key_index(node, *path) : node->n;

		node = i < node->n ? node->items[i + 1] : NULL;
	}
	return node;
}

/* As the dict on the way that is nearest to what will be edited; then as those around it. */
static void learn_near(edit *e, const char *const *path)
{
	const dv_yaml_node *way[DV_VALUE_DEPTH + 1] = { e->root };
	bool step = false, dash = false;
	size_t n = 1;

	for (; path[n - 1] && n <= DV_VALUE_DEPTH; n++) {
		const char *const one[] = { path[n - 1], NULL };

		if (!(way[n] = node_at(way[n - 1], one)))
			break;
	}
	while (n-- > 0)
		learn_style(e, way[n], &step, &dash);
}

static int begin(edit *e, dv_buf *text, const char *name, const char *const *path)
{
	const char *eol = memchr(dv_buf_str(text), '\n', text->n);

	e->text = text;
	e->name = name;
	e->mark = text->n >= 3 && memcmp(text->p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	e->s = dv_buf_str(text) + e->mark;
	e->n = text->n - e->mark;
	e->eol = eol && eol > text->p && eol[-1] == '\r' ? "\r\n" : "\n";
	e->step = 2;
	int rc = dv_yaml_parse(&e->a, e->s, e->n, name, &e->old);
	if (rc || (rc = dv_yaml_layout(&e->a, e->s, e->n, name, &e->root)))
		return rc;
	if (e->root)
		learn_near(e, path);
	return 0;
}

static size_t dash_of(const edit *e, const dv_yaml_node *item)
{
	size_t at = item->start;

	while (at > 0 && strchr(" \t\r\n", e->s[at - 1]))
		at--;
	return at > 0 ? at - 1 : 0;
}

static size_t end_of_member(const dv_yaml_node *dict, size_t i)
{
	size_t key = dict->items[i]->end, value = dict->items[i + 1]->end;

	return value > key ? value : key;
}

/* -- writing ----------------------------------------------------------------------------------- */

static void indent(dv_buf *out, unsigned column)
{
	dv_buf_addf(out, "%*s", (int)column, "");
}

static bool on_a_line(const dv_value *v)
{
	return dv_value_is_scalar(v) || v->n == 0;
}

static void emit_item(const edit *e, dv_buf *out, const dv_value *v, unsigned column);

/* What stands behind "key:", the key being at a column. */
static void emit_value(const edit *e, dv_buf *out, const dv_value *v, unsigned column)
{
	if (v->kind == DV_VALUE_NULL)
		return;
	if (on_a_line(v)) {
		dv_buf_addc(out, ' ');
		dv_value_yaml(out, v);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		dv_buf_adds(out, e->eol);
		if (v->kind == DV_VALUE_LIST) {
			indent(out, column + e->dash);
			emit_item(e, out, v->items[i], column + e->dash);
		} else {
			indent(out, column + e->step);
			dv_value_yaml_key(out, v, &v->members[i]);
			dv_buf_addc(out, ':');
			emit_value(e, out, v->members[i].value, column + e->step);
		}
	}
}

/* "- …", the dash being at a column. */
static void emit_item(const edit *e, dv_buf *out, const dv_value *v, unsigned column)
{
	dv_buf_adds(out, "- ");
	if (v->kind != DV_VALUE_DICT || v->n == 0) {
		dv_value_yaml(out, v);
		return;
	}
	for (size_t i = 0; i < v->n; i++) {
		if (i) {
			dv_buf_adds(out, e->eol);
			indent(out, column + 2);
		}
		dv_value_yaml_key(out, v, &v->members[i]);
		dv_buf_addc(out, ':');
		emit_value(e, out, v->members[i].value, column + 2);
	}
}

/* -- splicing ---------------------------------------------------------------------------------- */

/* The new text so far goes up to `from` of the old; now up to `to`. */
static void copy(edit *e, size_t from, size_t to)
{
	if (to > from)
		dv_buf_add(&e->out, e->s + from, to - from);
}

/* Replaces a range, once. */
static int splice(edit *e, size_t from, size_t to, const char *with)
{
	copy(e, 0, from);
	dv_buf_adds(&e->out, with);
	copy(e, to, e->n);
	return e->out.err;
}

/* New lines at the start of a line, or behind the last one. */
static int insert_lines(edit *e, size_t at, const dv_buf *lines)
{
	bool open = at == e->n && e->n && e->s[e->n - 1] != '\n';

	copy(e, 0, at);
	dv_buf_adds(&e->out, open ? e->eol : "");
	dv_buf_adds(&e->out, dv_buf_str(lines));
	dv_buf_adds(&e->out, open ? "" : e->eol);
	copy(e, at, e->n);
	return e->out.err;
}

/* Where the lines of something that ends at `end` are over: comments that stand further in than
 * `column` (or at it, with `last`) go with them. */
static size_t behind(const edit *e, size_t end, unsigned column, bool last)
{
	size_t at = next_line(e, end), line = at;
	bool gap = false;

	while (line < e->n) {
		size_t first = skip_blanks(e, line, " \t");
		size_t in = first - line;

		if (first >= e->n || e->s[first] == '\n' || e->s[first] == '\r')
			gap = true;
		else if (e->s[first] != '#' || in < column || (in == column && (gap || !last)))
			break;
		else
			at = next_line(e, line);
		line = next_line(e, line);
	}
	return at;
}

/* -- dicts ------------------------------------------------------------------------------------- */

static int put_in_flow(edit *e, size_t last_end, const char *what)
{
	size_t at = last_end, next;

	while (at > 0 && strchr(" \t\r\n", e->s[at - 1]))
		at--;
	next = skip_blanks(e, at, " \t\r\n");
	bool comma = e->s[next] == ',';
	copy(e, 0, comma ? next + 1 : at);
	dv_buf_addf(&e->out, "%s%s", comma ? " " : ", ", what);
	copy(e, comma ? next + 1 : at, e->n);
	return e->out.err;
}

static size_t rank(const char *const *order, const char *key)
{
	size_t i = 0;

	while (order[i] && strcmp(order[i], key) != 0)
		i++;
	return order[i] ? i + 1 : 0;
}

/* Behind which item a new key comes; false when before all of them. */
static bool place_in_order(const dv_yaml_node *dict, const char *key, const char *const *order,
			   size_t *after)
{
	size_t mine = order ? rank(order, key) : 0;
	bool found = !mine;

	*after = dict->n - 2;
	for (size_t i = 0; mine && i < dict->n; i += 2) {
		size_t r = dict->items[i]->text ? rank(order, dict->items[i]->text) : 0;

		if (r && r < mine) {
			*after = i;
			found = true;
		}
	}
	return found;
}

/* Do blank lines part the last two members? */
static bool is_airy(const edit *e, const dv_yaml_node *dict)
{
	if (dict->n < 4)
		return false;
	size_t at = next_line(e, end_of_member(dict, dict->n - 4));
	size_t stop = line_start(e, dict->items[dict->n - 2]->start);

	for (; at < stop; at = next_line(e, at))
		if (is_blank_line(e, at))
			return true;
	return false;
}

static int insert_member(edit *e, const dv_yaml_node *dict, const char *key, const dv_value *v,
			 const char *const *order)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t after, at;
	bool found = place_in_order(dict, key, order, &after);

	if (dict->flow) {
		dv_yaml_quote(&b, key);
		dv_buf_adds(&b, ": ");
		dv_value_yaml(&b, v);
		return b.err ? b.err :
		       put_in_flow(e, end_of_member(dict, dict->n - 2), dv_buf_str(&b));
	}
	unsigned column = dict->items[0]->column;
	bool last = after == dict->n - 2;
	if (!found && !is_first(e, dict->items[0]->start))
		return refuse(e, dict->start);
	at = found ? behind(e, end_of_member(dict, after), column, last) :
		     line_start(e, dict->items[0]->start);
	dv_buf_adds(&b, found && last && is_airy(e, dict) ? e->eol : "");
	indent(&b, column);
	dv_yaml_quote(&b, key);
	dv_buf_addc(&b, ':');
	emit_value(e, &b, v, column);
	return b.err ? b.err : insert_lines(e, at, &b);
}

static int replace_in_flow(edit *e, const dv_yaml_node *key, const dv_yaml_node *old,
			   const dv_value *v)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t colon = skip_blanks(e, key->end, " \t\r\n");
	bool has = e->s[colon] == ':', nothing = old->start == old->end;

	dv_buf_adds(&b, !nothing ? "" : has ? " " : ": ");
	dv_value_yaml(&b, v);
	size_t at = !nothing ? old->start : has ? colon + 1 : key->end;
	size_t end = !nothing ? old->end : has ? skip_blanks(e, at, " \t") : at;
	return b.err ? b.err : splice(e, at, end, dv_buf_str(&b));
}

static int replace_member(edit *e, const dv_yaml_node *dict, size_t i, const dv_value *v)
{
	const dv_yaml_node *key = dict->items[i], *old = dict->items[i + 1];
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (dict->flow)
		return replace_in_flow(e, key, old, v);
	size_t colon = skip_blanks(e, key->end, " \t");
	if (e->s[colon] != ':')
		return refuse(e, key->start);
	size_t from = colon + 1, end = old->end > from ? old->end : from;
	bool below = breaks_between(e, from, old->start);
	emit_value(e, &b, v, key->column);
	if (b.err)
		return b.err;
	/* A comment behind the key stays there: what stood below goes, from the end of the line. */
	size_t rest = below ? line_end(e, from) : from;
	if (on_a_line(v)) {
		copy(e, 0, from);
		dv_buf_adds(&e->out, dv_buf_str(&b));
		copy(e, from, rest);
		copy(e, end, e->n);
		return e->out.err;
	}
	size_t put = below ? end : line_end(e, end);
	copy(e, 0, rest);
	copy(e, end, put);
	dv_buf_adds(&e->out, dv_buf_str(&b));
	copy(e, put, e->n);
	return e->out.err;
}

/* Takes the items from index i on that one entry has out of [a, b] or {a: b, c: d}. */
static int drop_from_flow(edit *e, const dv_yaml_node *node, size_t i, size_t each)
{
	size_t from = node->items[i]->start, to = node->items[i + each - 1]->end;

	to = to > node->items[i]->end ? to : node->items[i]->end;
	if (i + each < node->n) {
		to = node->items[i + each]->start;
	} else if (i) {
		from = node->items[i - 1]->end;
		from = from > node->items[i - each]->end ? from : node->items[i - each]->end;
	}
	return splice(e, from, to, "");
}

/* Whole lines, from where something stands first on its line to its end; of blank lines above and
 * below one goes with them. */
static int drop_lines(edit *e, size_t from, size_t end)
{
	size_t start = line_start(e, from), stop = next_line(e, end);

	if (!is_first(e, from))
		return refuse(e, from);
	if (start > 0 && is_blank_line(e, line_start(e, start - 1)) && is_blank_line(e, stop))
		stop = next_line(e, stop);
	/* A file that did not end with a line break does not get one. */
	if (stop == e->n && start > 0 && e->s[stop - 1] != '\n')
		start -= start > 1 && e->s[start - 2] == '\r' ? 2 : 1;
	return splice(e, start, stop, "");
}

static int drop_member(edit *e, const dv_yaml_node *dict, size_t i)
{
	return dict->flow ? drop_from_flow(e, dict, i, 2) :
			    drop_lines(e, dict->items[i]->start, end_of_member(dict, i));
}

/* -- has the edit done what it was to do? ------------------------------------------------------ */

typedef struct meaning {
	const char *const *path;
	enum { SET, UNSET, APPEND, TAKE } what;
	const dv_value *v;
	size_t index;
} meaning;

static size_t count_beside(dv_value *dict, const char *key)
{
	return !dict ? 0 : dict->n - (dv_value_get(dict, key) != NULL);
}

/* Have two dicts (or none) the same members but for one? */
static bool same_beside(dv_value *old, dv_value *now, const char *key)
{
	if (count_beside(old, key) != count_beside(now, key))
		return false;
	for (size_t i = 0; old && i < old->n; i++) {
		const dv_value *other = dv_value_get(now, old->members[i].key);

		if (strcmp(old->members[i].key, key) != 0 &&
		    !(other && dv_value_same(old->members[i].value, other)))
			return false;
	}
	return true;
}

static bool same_list(const meaning *m, const dv_value *old, const dv_value *now)
{
	if (!old || old->kind != DV_VALUE_LIST || now->kind != DV_VALUE_LIST ||
	    now->n != (m->what == APPEND ? old->n + 1 : old->n - 1))
		return false;
	for (size_t i = 0; i < now->n; i++) {
		const dv_value *want = m->what == TAKE ? old->items[i + (i >= m->index)] :
				       i < old->n ? old->items[i] : m->v;

		if (!dv_value_same(want, now->items[i]))
			return false;
	}
	return true;
}

static bool as_meant(const meaning *m, dv_value *old, dv_value *now)
{
	for (const char *const *key = m->path; *key; key++) {
		if (old && old->kind != DV_VALUE_DICT) {
			if (old->kind != DV_VALUE_NULL)
				return false;
			old = NULL;
		}
		if (now->kind != DV_VALUE_DICT && now->kind != DV_VALUE_NULL)
			return false;
		if (!same_beside(old, now->kind == DV_VALUE_DICT ? now : NULL, *key))
			return false;
		old = dv_value_get(old, *key);
		now = dv_value_get(now, *key);
		if (!now)
			return m->what == UNSET && !key[1] && old;
	}
	return m->what == SET ? dv_value_same(m->v, now) :
	       m->what != UNSET && same_list(m, old, now);
}

/* Takes the edited text over when it means what it should; `rc` is what the edit came to. */
static int finish(edit *e, const meaning *m, int rc, size_t at)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_value *now = NULL;

	if (rc)
		return rc;
	if (dv_yaml_parse(&e->a, dv_buf_str(&e->out), e->out.n, e->name, &now)) {
		dv_error_clear();
		return refuse(e, at);
	}
	if (!as_meant(m, e->old, now))
		return refuse(e, at);
	dv_buf_add(&text, e->text->p, e->mark);
	dv_buf_add(&text, dv_buf_str(&e->out), e->out.n);
	if (text.err)
		return text.err;
	dv_buf_clear(e->text);
	return dv_buf_add(e->text, text.p, text.n);
}

/* -- edits ------------------------------------------------------------------------------------- */

static dv_value *wrap(dv_arena *a, const char *key, dv_value *v)
{
	dv_value *d = dv_value_new(a, DV_VALUE_DICT, NULL);

	return d && !dv_value_set(a, d, key, NULL, v) ? d : NULL;
}

/* The first member of a document that has none. */
static int set_first(edit *e, const char *key, const dv_value *v)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_yaml_quote(&b, key);
	dv_buf_addc(&b, ':');
	emit_value(e, &b, v, 0);
	if (b.err)
		return b.err;
	if (e->root && e->root->end > e->root->start)	/* {} or null */
		return splice(e, e->root->start, e->root->end, dv_buf_str(&b));
	return insert_lines(e, e->n, &b);
}

int dv_yaml_set(dv_buf *text, const char *name, const char *const *path, dv_value *v,
		const char *const *order)
{
	dv_auto(edit) e = { .text = text };
	const meaning m = { .path = path, .what = SET, .v = v };
	int rc = begin(&e, text, name, path);

	if (rc)
		return rc;
	dv_yaml_node *dict = e.root;
	while (path[1] && dict && dict->n) {
		dv_yaml_node *next = node_at(dict, (const char *const[]){ *path, NULL });

		if (!next || next->shape != DV_YAML_DICT || !next->n)
			break;
		dict = next;
		path++;
	}
	size_t deep = 0, at = dict ? dict->start : 0;
	while (path[deep + 1])
		deep++;
	bool wrapped = deep > 0;
	for (; deep; deep--)
		if (!(v = wrap(&e.a, path[deep], v)))
			return DV_ERROR;
	if (!dict || dict->shape != DV_YAML_DICT || !dict->n)
		return finish(&e, &m, set_first(&e, *path, v), at);
	size_t i = key_index(dict, *path);
	if (wrapped && i < dict->n && dict->items[i + 1]->shape == DV_YAML_ALIAS)
		return refuse(&e, dict->items[i + 1]->start);
	return finish(&e, &m, i < dict->n ? replace_member(&e, dict, i, v) :
					    insert_member(&e, dict, *path, v, order), at);
}

int dv_yaml_unset(dv_buf *text, const char *name, const char *const *path)
{
	dv_auto(edit) e = { .text = text };
	const meaning m = { .path = path, .what = UNSET };
	dv_yaml_node *parent = NULL, *dict;
	const char *key = NULL, *above = NULL;
	int rc = begin(&e, text, name, path);

	if (rc)
		return rc;
	dict = e.root;
	for (const char *const *p = path; dict && *p; p++) {
		if (key) {
			parent = dict;
			above = key;
			dict = node_at(dict, (const char *const[]){ key, NULL });
		}
		key = *p;
	}
	bool found = dict && dict->shape == DV_YAML_DICT;
	size_t i = found ? key_index(dict, key) : 0;
	if (!found || i >= dict->n)
		return refuse(&e, dict ? dict->start : 0);
	if (dict->n > 2 || !parent)
		return finish(&e, &m, drop_member(&e, dict, i), dict->start);
	dv_value *empty = dv_value_new(&e.a, DV_VALUE_DICT, NULL);
	rc = empty ? replace_member(&e, parent, key_index(parent, above), empty) : DV_ERROR;
	return finish(&e, &m, rc, dict->start);
}

int dv_yaml_append(dv_buf *text, const char *name, const char *const *path, dv_value *item)
{
	dv_auto(edit) e = { .text = text };
	dv_auto(dv_buf) b = DV_BUF_INIT;
	const meaning m = { .path = path, .what = APPEND, .v = item };
	int rc = begin(&e, text, name, path);

	if (rc)
		return rc;
	const dv_yaml_node *list = node_at(e.root, path);
	if (!list || list->shape != DV_YAML_LIST || !list->n)
		return refuse(&e, list ? list->start : 0);
	const dv_yaml_node *last = list->items[list->n - 1];
	if (list->flow) {
		dv_value_yaml(&b, item);
		rc = b.err ? b.err : put_in_flow(&e, last->end, dv_buf_str(&b));
		return finish(&e, &m, rc, list->start);
	}
	size_t dash = dash_of(&e, last);
	if (!is_first(&e, dash))
		return refuse(&e, list->start);
	unsigned column = (unsigned)(dash - line_start(&e, dash));
	indent(&b, column);
	emit_item(&e, &b, item, column);
	rc = b.err ? b.err : insert_lines(&e, behind(&e, last->end, column, false), &b);
	return finish(&e, &m, rc, list->start);
}

int dv_yaml_take(dv_buf *text, const char *name, const char *const *path, size_t index)
{
	dv_auto(edit) e = { .text = text };
	const meaning m = { .path = path, .what = TAKE, .index = index };
	int rc = begin(&e, text, name, path);

	if (rc)
		return rc;
	const dv_yaml_node *list = node_at(e.root, path);
	if (!list || list->shape != DV_YAML_LIST || list->n < 2 || index >= list->n)
		return refuse(&e, list ? list->start : 0);
	const dv_yaml_node *item = list->items[index];
	rc = list->flow ? drop_from_flow(&e, list, index, 1) :
	     drop_lines(&e, dash_of(&e, item), item->end > item->start ? item->end :
			dash_of(&e, item));
	return finish(&e, &m, rc, list->start);
}
