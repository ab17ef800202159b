/* SPDX-License-Identifier: Apache-2.0 */
/* Traces of strace. */
#include "pipeline/trace.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"

void dv_trace_reads_release(dv_trace_reads *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->paths[i]);
	free(r->paths);
	*r = (dv_trace_reads)DV_TRACE_READS_INIT;
}

bool dv_trace_available(void)
{
	const char *path = getenv("PATH");

	for (size_t n; path && *path; path += n + (path[n] == ':')) {
		dv_autofree char *dir = NULL, *file = NULL;

		n = strcspn(path, ":");
		dir = dv_strndup(path, n);
		file = dir && n ? dv_path_join(dir, "strace") : NULL;
		if (file && access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* -- one line ---------------------------------------------------------------------------------- */

typedef struct line {
	const char *p, *end;
} line;

static bool has(const line *l, const char *word)
{
	return memmem(l->p, (size_t)(l->end - l->p), word, strlen(word)) != NULL;
}

/* Where the result of a successful call begins, "</path>" behind its descriptor: ") = 3</path>". */
static const char *result_of(const line *l)
{
	for (const char *p = l->p; (p = memmem(p, (size_t)(l->end - p), "= ", 2)) != NULL; p += 2) {
		const char *back = p, *from = p + 2;

		while (back > l->p && back[-1] == ' ')
			back--;
		while (from < l->end && *from >= '0' && *from <= '9')
			from++;
		if (back > l->p && back[-1] == ')' && from > p + 2 && l->end - from >= 3 &&
		    from[0] == '<' && from[1] == '/' && l->end[-1] == '>')
			return from;
	}
	return NULL;
}

/* The file that the call opened. Undoes the escapes. */
static char *opened(const line *l)
{
	const char *from = result_of(l);
	char *out, *to;

	if (!from || !(out = to = dv_malloc((size_t)(l->end - from))))
		return NULL;
	for (const char *p = from + 1; p < l->end - 1; p++) {
		unsigned c = 0;
		int digits = 0;

		if (*p != '\\' || p + 1 >= l->end - 1) {
			*to++ = *p;
			continue;
		}
		for (p++; digits < 3 && p < l->end - 1 && *p >= '0' && *p <= '7'; digits++, p++)
			c = c * 8 + (unsigned)(*p - '0');
		*to++ = digits ? (char)c : *p == 'n' ? '\n' : *p == 't' ? '\t' : *p;
		p -= digits ? 1 : 0;
	}
	*to = 0;
	return out;
}

/* -- what counts ------------------------------------------------------------------------------- */

static bool is_named(const dv_stage *s, const char *path)
{
	for (size_t i = 0; i < s->ndeps; i++)
		if (dv_path_below(path, s->deps[i].path, NULL))
			return true;
	for (size_t i = 0; i < s->nparams; i++)
		if (!strcmp(path, s->params[i].path))
			return true;
	for (size_t i = 0; i < s->nouts; i++)
		if (dv_path_below(path, s->outs[i].path, NULL))
			return true;
	return false;
}

static int note(dv_trace_reads *out, const char *abs, const char *root, const dv_stage *s)
{
	const char *rel;
	int rc;

	if (!dv_path_below(abs, root, &rel) || !*rel || dv_repo_is_own(rel) || is_named(s, rel))
		return 0;
	if ((rc = dv_grow(&out->paths, &out->cap, out->n + 1, sizeof(*out->paths))))
		return rc;
	if (!(out->paths[out->n] = dv_strdup(rel)))
		return DV_ERROR;
	out->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void finish(dv_trace_reads *r)
{
	size_t n = 0;

	if (r->n)
		qsort(r->paths, r->n, sizeof(*r->paths), compare);
	for (size_t i = 0; i < r->n; i++) {
		if (n && !strcmp(r->paths[n - 1], r->paths[i]))
			free(r->paths[i]);
		else
			r->paths[n++] = r->paths[i];
	}
	r->n = n;
}

/* Calls that another process interrupted in the trace: who, and whether it was for reading. */
typedef struct waiting {
	unsigned long pid;
	bool reads;
} waiting;

static bool reads(const line *l)
{
	return (has(l, "O_RDONLY") || has(l, "O_RDWR")) && !has(l, "O_DIRECTORY") &&
	       !has(l, "O_TRUNC") && !has(l, "O_PATH") && !has(l, "O_CREAT");
}

int dv_trace_parse(dv_trace_reads *out, const char *text, size_t n, const char *root,
		   const dv_stage *s)
{
	dv_autofree waiting *w = NULL;
	size_t nw = 0, cap = 0;
	int rc = 0;

	for (const char *p = text, *end = text + n, *eol; rc == 0 && p < end; p = eol + 1) {
		line l = { p, NULL };
		bool reading;
		char *after;
		unsigned long pid = strtoul(p, &after, 10);

		if (!(eol = memchr(p, '\n', (size_t)(end - p))))
			break;
		l.end = eol;
		reading = reads(&l);
		if (has(&l, "<unfinished ...>")) {
			rc = dv_grow(&w, &cap, nw + 1, sizeof(*w));
			if (rc == 0)
				w[nw++] = (waiting){ pid, reading };
			continue;
		}
		if (has(&l, " resumed>"))
			for (size_t i = nw; i-- > 0;)
				if (w[i].pid == pid) {
					reading |= w[i].reads;
					w[i] = w[--nw];
					break;
				}
		dv_autofree char *path = reading ? opened(&l) : NULL;
		if (path)
			rc = note(out, path, root, s);
	}
	finish(out);
	return rc;
}
