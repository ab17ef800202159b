/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory listings: parsing (strict, so that equal directories have equal bytes), writing, and
 * the walk over a directory and everything below it.
 */
#include "store/tree.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#define TREE_HEADER "dv-tree 1\n"
#define TREE_HEADER_LEN (sizeof(TREE_HEADER) - 1)
#define LINE_MIN (1 + 1 + DV_OID_HEX_SIZE + 1 + 1 + 1 + 1 + 1)
/* Far above any real file; keeps every sum of sizes below 2^63. */
#define SIZE_LIMIT ((uint64_t)INT64_MAX)

static bool is_parsed_name(const dv_tree *t, const char *name)
{
	return t->names && name >= t->names && name < t->names + t->names_len;
}

void dv_tree_release(dv_tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!is_parsed_name(t, t->e[i].name))
			free(t->e[i].name);
	free(t->e);
	free(t->names);
	*t = (dv_tree)DV_TREE_INIT;
}

/* -- parsing ----------------------------------------------------------------------------------- */

typedef struct line {
	char *p, *end;	/* what is left of the line; `end` is at its LF */
} line;

/* A decimal number without leading zeros and the space behind it. */
static bool take_number(line *l, uint64_t *out)
{
	const char *start = l->p;
	uint64_t v = 0;

	for (; l->p < l->end && *l->p >= '0' && *l->p <= '9'; l->p++) {
		uint64_t digit = (uint64_t)(*l->p - '0');

		if (v > (SIZE_LIMIT - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (l->p == start || (*start == '0' && l->p - start > 1) || l->p == l->end || *l->p != ' ')
		return false;
	l->p++;
	*out = v;
	return true;
}

/* Unescapes the rest of the line where it stands and ends it with a NUL. */
static bool take_name(line *l, char **out)
{
	char *to = l->p;

	*out = l->p;
	if (!memchr(l->p, '\\', (size_t)(l->end - l->p))) {
		to = l->end;
	} else {
		for (const char *from = l->p; from < l->end; from++, to++) {
			if (*from != '\\') {
				*to = *from;
				continue;
			}
			if (++from == l->end || (*from != '\\' && *from != 'n'))
				return false;
			*to = *from == 'n' ? '\n' : '\\';
		}
	}
	*to = '\0';
	return !memchr(*out, '\0', (size_t)(to - *out)) &&
	       dv_name_is_safe(*out, (size_t)(to - *out));
}

static bool is_kind(char kind)
{
	return kind == 'f' || kind == 'x' || kind == 'l' || kind == 'd';
}

static bool parse_line(dv_tree_entry *e, line *l)
{
	if (l->end - l->p < LINE_MIN - 1 || !is_kind(l->p[0]) || l->p[1] != ' ' ||
	    dv_oid_parse(&e->oid, l->p + 2, DV_OID_HEX_SIZE) < 0 ||
	    l->p[2 + DV_OID_HEX_SIZE] != ' ')
		return false;
	e->kind = l->p[0];
	e->nfiles = 1;
	l->p += 3 + DV_OID_HEX_SIZE;
	return take_number(l, &e->size) && (e->kind != 'd' || take_number(l, &e->nfiles)) &&
	       take_name(l, &e->name);
}

static int bad_tree(size_t number, const char *why)
{
	return dv_err(DV_ECORRUPT, "bad directory listing: line %zu %s", number, why);
}

static int parse_lines(dv_tree *t, char *p, char *end)
{
	uint64_t size = 0, nfiles = 0;

	while (p < end) {
		line l = { p, memchr(p, '\n', (size_t)(end - p)) };
		dv_tree_entry *e = &t->e[t->n];

		if (!l.end)
			return bad_tree(t->n + 2, "has no end");
		p = l.end + 1;
		if (!parse_line(e, &l))
			return bad_tree(t->n + 2, "is malformed");
		if (t->n && strcmp(e[-1].name, e->name) >= 0)
			return bad_tree(t->n + 2, "is out of order");
		if (e->size > SIZE_LIMIT - size || e->nfiles > SIZE_LIMIT - nfiles)
			return bad_tree(t->n + 2, "makes the sizes overflow");
		size += e->size;
		nfiles += e->nfiles;
		t->n++;
	}
	return 0;
}

int dv_tree_parse(dv_tree *out, const char *p, size_t n)
{
	dv_auto(dv_tree) t = DV_TREE_INIT;
	size_t lines = 0;
	int rc;

	*out = (dv_tree)DV_TREE_INIT;
	if (n < TREE_HEADER_LEN || n > DV_TREE_MAX || memcmp(p, TREE_HEADER, TREE_HEADER_LEN))
		return dv_err(DV_ECORRUPT, "bad directory listing: no 'dv-tree 1' at its start");
	p += TREE_HEADER_LEN;
	n -= TREE_HEADER_LEN;
	if (!n)
		return 0;
	for (const char *q = p; (q = memchr(q, '\n', (size_t)(p + n - q))) != NULL; q++)
		lines++;
	/* So that the table is bounded by the text, however many empty lines that has. */
	if (lines > n / LINE_MIN)
		return dv_err(DV_ECORRUPT, "bad directory listing: a line is malformed");
	t.names = dv_malloc(n + 1);
	t.e = dv_calloc(lines + 1, sizeof(*t.e));
	if (!t.names || !t.e)
		return DV_ERROR;
	t.cap = lines + 1;
	t.names_len = n + 1;
	memcpy(t.names, p, n);
	t.names[n] = '\0';
	rc = parse_lines(&t, t.names, t.names + n);
	if (rc < 0)
		return rc;
	*out = t;
	t = (dv_tree)DV_TREE_INIT;
	return 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

int dv_tree_add(dv_tree *t, char kind, const dv_oid *oid, uint64_t size, uint64_t nfiles,
		const char *name)
{
	char *copy;
	int rc;

	if (!is_kind(kind) || !dv_name_is_safe(name, strlen(name)) || size > SIZE_LIMIT ||
	    nfiles > SIZE_LIMIT)
		return dv_err(DV_ERROR, "cannot list '%s': not a file name", name);
	rc = dv_grow(&t->e, &t->cap, t->n + 1, sizeof(*t->e));
	if (rc < 0)
		return rc;
	copy = dv_strdup(name);
	if (!copy)
		return DV_ERROR;
	t->e[t->n++] = (dv_tree_entry){ .kind = kind,
					.oid = *oid,
					.size = size,
					.nfiles = kind == 'd' ? nfiles : 1,
					.name = copy };
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const dv_tree_entry *)a)->name, ((const dv_tree_entry *)b)->name);
}

static void write_number(dv_buf *out, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	dv_buf_add(out, digits + at, sizeof(digits) - at);
	dv_buf_addc(out, ' ');
}

static void write_name(dv_buf *out, const char *name)
{
	for (size_t plain = strcspn(name, "\\\n"); name[plain]; plain = strcspn(name, "\\\n")) {
		dv_buf_add(out, name, plain);
		dv_buf_adds(out, name[plain] == '\n' ? "\\n" : "\\\\");
		name += plain + 1;
	}
	dv_buf_adds(out, name);
	dv_buf_addc(out, '\n');
}

static bool is_sorted(const dv_tree *t)
{
	for (size_t i = 1; i < t->n; i++)
		if (strcmp(t->e[i - 1].name, t->e[i].name) >= 0)
			return false;
	return true;
}

int dv_tree_write(dv_buf *out, dv_tree *t)
{
	uint64_t size = 0, nfiles = 0;

	if (!is_sorted(t))
		qsort(t->e, t->n, sizeof(*t->e), by_name);
	dv_buf_adds(out, TREE_HEADER);
	for (size_t i = 0; i < t->n; i++) {
		const dv_tree_entry *e = &t->e[i];
		char hex[DV_OID_HEX_SIZE + 2];

		if (i && !strcmp(e[-1].name, e->name))
			return dv_err(DV_ERROR, "cannot list '%s' twice in one directory", e->name);
		if (e->size > SIZE_LIMIT - size || e->nfiles > SIZE_LIMIT - nfiles)
			return dv_err(DV_ERROR, "cannot list '%s': the sizes overflow", e->name);
		size += e->size;
		nfiles += e->nfiles;
		dv_buf_addc(out, e->kind);
		dv_buf_addc(out, ' ');
		dv_oid_hex(hex, &e->oid);
		hex[DV_OID_HEX_SIZE] = ' ';
		dv_buf_add(out, hex, DV_OID_HEX_SIZE + 1);
		write_number(out, e->size);
		if (e->kind == 'd')
			write_number(out, e->nfiles);
		write_name(out, e->name);
		if (out->n > DV_TREE_MAX)
			return dv_err(DV_ERROR, "cannot list a directory of %zu entries", t->n);
	}
	return out->err;
}

const dv_tree_entry *dv_tree_find(const dv_tree *t, const char *name)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strcmp(name, t->e[mid].name);

		if (!cmp)
			return &t->e[mid];
		if (cmp < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

void dv_tree_totals(const dv_tree *t, uint64_t *size, uint64_t *nfiles)
{
	*size = *nfiles = 0;
	for (size_t i = 0; i < t->n; i++) {
		*size += t->e[i].size;
		*nfiles += t->e[i].nfiles;
	}
}

int dv_tree_load(dv_tree *out, dv_reader *r, const dv_oid *oid)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	int rc;

	*out = (dv_tree)DV_TREE_INIT;
	rc = dv_object_read(r, oid, DV_TREE_MAX, &text);
	if (rc < 0)
		return rc;
	rc = dv_tree_parse(out, dv_buf_str(&text), text.n);
	if (rc < 0) {
		dv_oid_hex(hex, oid);
		return dv_err_ctx(rc, "tree %s", hex);
	}
	return 0;
}

int dv_tree_store(dv_tree *t, dv_writer *w, dv_encoder *enc, dv_oid *oid)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_tree_write(&text, t);

	if (rc < 0)
		return rc;
	return dv_object_put(w, enc, text.p, text.n, oid);
}

/* -- walking ----------------------------------------------------------------------------------- */

typedef struct frame {
	dv_tree t;
	size_t next;		/* entry to go on with */
	size_t path_len;	/* of the directory itself */
} frame;
typedef struct walk {
	frame *f;
	size_t n, cap;
	dv_buf path;
} walk;
#define WALK_INIT { 0 }

static void walk_release(walk *w)
{
	while (w->n)
		dv_tree_release(&w->f[--w->n].t);
	free(w->f);
	dv_buf_release(&w->path);
}

static int walk_enter(walk *w, dv_reader *r, const dv_oid *oid)
{
	int rc;

	if (w->n >= DV_TREE_DEPTH)
		return dv_err(DV_ECORRUPT, "'%s' is nested too deeply", dv_buf_str(&w->path));
	rc = dv_grow(&w->f, &w->cap, w->n + 1, sizeof(*w->f));
	if (rc < 0)
		return rc;
	w->f[w->n] = (frame){ .path_len = w->path.n };
	rc = dv_tree_load(&w->f[w->n].t, r, oid);
	if (rc < 0)
		return rc;
	w->n++;
	return 0;
}

/* Takes the path back to its first `n` bytes. */
static void cut_path(dv_buf *path, size_t n)
{
	if (path->p) {
		path->n = n;
		path->p[n] = '\0';
	}
}

int dv_tree_walk(dv_reader *r, const dv_oid *oid, dv_walk_cb cb, void *payload)
{
	dv_auto(walk) w = WALK_INIT;
	int rc = walk_enter(&w, r, oid);

	while (!rc && w.n) {
		frame *f = &w.f[w.n - 1];
		const dv_tree_entry *e;

		cut_path(&w.path, f->path_len);
		if (f->next == f->t.n) {
			dv_tree_release(&f->t);
			w.n--;
			continue;
		}
		e = &f->t.e[f->next++];
		if (f->path_len)
			dv_buf_addc(&w.path, '/');
		if (dv_buf_adds(&w.path, e->name) < 0)
			return w.path.err;
		rc = cb(e, dv_buf_str(&w.path), payload);
		if (rc == 1 && e->kind == 'd')
			rc = 0;
		else if (!rc && e->kind == 'd')
			rc = walk_enter(&w, r, &e->oid);
	}
	return rc;
}
