/* SPDX-License-Identifier: Apache-2.0 */
/* The deps of pointers; see pointer_source.h. */
#include "repo/pointer_source.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/pointer.h"

void dv_source_free(dv_source *s)
{
	if (!s)
		return;
	free(s->url);
	free(s->path);
	free(s->rev);
	free(s->rev_lock);
	free(s->etag);
	free(s->checksum);
	free(s->extra);
	free(s);
}

static bool copy(char **out, const char *s)
{
	*out = s ? dv_strdup(s) : NULL;
	return !s || *out;
}

dv_source *dv_source_copy(const dv_source *s)
{
	dv_autoptr(dv_source) c = dv_calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = *s;
	c->url = c->path = c->rev = c->rev_lock = c->etag = c->checksum = c->extra = NULL;
	if (!copy(&c->url, s->url) || !copy(&c->path, s->path) || !copy(&c->rev, s->rev) ||
	    !copy(&c->rev_lock, s->rev_lock) || !copy(&c->etag, s->etag) ||
	    !copy(&c->checksum, s->checksum) || !copy(&c->extra, s->extra))
		return NULL;
	return dv_steal(&c);
}

/* -- reading ----------------------------------------------------------------------------------- */

static bool read_number(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > ((uint64_t)INT64_MAX - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = v;
	return true;
}

static bool read_hex(char **out, const char *s)
{
	size_t n = strlen(s) / 2;
	char *p = n && !s[2 * n] ? dv_malloc(n + 1) : NULL;

	if (!p)
		return false;
	if (dv_hex_parse((uint8_t *)p, n, s) || memchr(p, 0, n)) {
		free(p);
		return false;
	}
	p[n] = 0;
	*out = p;
	return true;
}

/* A key that is a text, as NAME or as NAME_hex. 1: it is, 0: it is another, -1: malformed. */
static int read_text(char **out, const char *name, const dv_member *m)
{
	size_t n = strlen(name);
	const char *s = m->value->kind == DV_VALUE_STRING ? m->value->s : NULL;
	bool hex = !strncmp(m->key, name, n) && !strcmp(m->key + n, "_hex");

	if (!hex && strcmp(m->key, name) != 0)
		return 0;
	if (!s || !*s || *out)
		return -1;
	return (hex ? read_hex(out, s) : copy(out, s)) ? 1 : -1;
}

/* Of the data at a URL. */
static int read_state(dv_source *s, const dv_member *m)
{
	const char *v = m->value->kind == DV_VALUE_STRING ? m->value->s : "";
	uint64_t n = 0;

	if (!strcmp(m->key, "size"))
		return (s->has_size = read_number(v, &s->size)) ? 1 : -1;
	if (!strcmp(m->key, "nfiles"))
		return (s->is_dir = read_number(v, &s->nfiles)) ? 1 : -1;
	if (!strcmp(m->key, "mtime")) {
		s->has_mtime = read_number(v, &n);
		s->mtime_ns = (int64_t)n;
		return s->has_mtime ? 1 : -1;
	}
	return 0;
}

static int malformed(const char *name, const char *key)
{
	return dv_err(DV_ECORRUPT, "'%s' has a malformed '%s' in 'deps'", name, key);
}

static int keep(dv_buf *out, const dv_value *dict, const dv_member *m, const char *name)
{
	dv_warn("'%s' has the unknown key '%s', which is kept", name, m->key);
	dv_value_yaml_key(out, dict, m);
	dv_buf_adds(out, ": ");
	dv_value_yaml(out, m->value);
	return dv_buf_addc(out, '\n');
}

static int read_repo(dv_source *s, const dv_value *repo, const char *name)
{
	s->is_repo = true;
	for (size_t i = 0; i < repo->n; i++) {
		const dv_member *m = &repo->members[i];
		int k = read_text(&s->url, "url", m);

		if (!k)
			k = read_text(&s->rev, "rev", m);
		if (!k)
			k = read_text(&s->rev_lock, "rev_lock", m);
		if (k < 0)
			return malformed(name, m->key);
		if (!k)
			dv_warn("'%s' has the unknown key '%s', which is left out", name, m->key);
	}
	if (!s->url || !s->rev_lock || !s->path)
		return dv_err(DV_ECORRUPT, "'%s' is incomplete: 'deps' lacks '%s'", name,
			      !s->url ? "url" : !s->path ? "path" : "rev_lock");
	if (strcmp(s->path, ".") != 0 && !dv_path_is_safe(s->path))
		return dv_err(DV_EUNSAFE, "'%s' names '%s', which is no path in a repository",
			      name, s->path);
	return 0;
}

int dv_source_parse(dv_source **out, const dv_value *deps, const char *name)
{
	const dv_value *d = deps->kind == DV_VALUE_LIST && deps->n == 1 ? deps->items[0] : NULL;
	dv_autoptr(dv_source) s = NULL;
	dv_auto(dv_buf) extra = DV_BUF_INIT;
	const dv_value *repo = NULL;
	bool is_url = false;
	int rc = 0;

	*out = NULL;
	for (size_t i = 0; d && d->kind == DV_VALUE_DICT && i < d->n; i++) {
		if (!strcmp(d->members[i].key, "repo") &&
		    d->members[i].value->kind == DV_VALUE_DICT)
			repo = d->members[i].value;
		is_url = is_url || !strncmp(d->members[i].key, "url", 3);
	}
	if (!repo && !is_url)
		return 0;
	if (!(s = dv_calloc(1, sizeof *s)))
		return DV_ERROR;
	for (size_t i = 0; !rc && i < d->n; i++) {
		const dv_member *m = &d->members[i];
		int k = m->value == repo;

		if (!k && repo)
			k = read_text(&s->path, "path", m);
		if (!k && !repo)
			k = read_text(&s->url, "url", m);
		if (!k)
			k = read_text(&s->etag, "etag", m);
		if (!k)
			k = read_text(&s->checksum, "checksum", m);
		if (!k)
			k = read_state(s, m);
		rc = k < 0 ? malformed(name, m->key) : k ? 0 : keep(&extra, d, m, name);
	}
	if (!rc && repo)
		rc = read_repo(s, repo, name);
	if (!rc && extra.n && !(s->extra = dv_buf_detach(&extra)))
		rc = dv_err_nomem();
	if (rc)
		return rc;
	*out = dv_steal(&s);
	return 0;
}

/* -- writing ----------------------------------------------------------------------------------- */

void dv_source_print(dv_buf *out, const dv_source *s)
{
	dv_buf_adds(out, "deps:\n- ");
	dv_pointer_print_text(out, s->is_repo ? "path" : "url", s->is_repo ? s->path : s->url);
	if (s->has_size)
		dv_buf_addf(out, "  size: %llu\n", (unsigned long long)s->size);
	if (s->is_dir)
		dv_buf_addf(out, "  nfiles: %llu\n", (unsigned long long)s->nfiles);
	if (s->etag) {
		dv_buf_adds(out, "  ");
		dv_pointer_print_text(out, "etag", s->etag);
	}
	if (s->has_mtime)
		dv_buf_addf(out, "  mtime: %lld\n", (long long)s->mtime_ns);
	if (s->checksum) {
		dv_buf_adds(out, "  ");
		dv_pointer_print_text(out, "checksum", s->checksum);
	}
	if (s->is_repo) {
		dv_buf_adds(out, "  repo:\n    ");
		dv_pointer_print_text(out, "url", s->url);
		if (s->rev) {
			dv_buf_adds(out, "    ");
			dv_pointer_print_text(out, "rev", s->rev);
		}
		dv_buf_adds(out, "    ");
		dv_pointer_print_text(out, "rev_lock", s->rev_lock);
	}
	for (const char *p = s->extra; p && *p;) {
		size_t n = strcspn(p, "\n");

		dv_buf_adds(out, "  ");
		dv_buf_add(out, p, n);
		dv_buf_addc(out, '\n');
		p += n + (p[n] == '\n');
	}
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

bool dv_source_is_unchanged(const dv_source *a, const dv_source *b)
{
	if (a->is_dir != b->is_dir || (a->has_size && b->has_size && a->size != b->size))
		return false;
	if (a->is_dir)
		return a->nfiles == b->nfiles && same(a->checksum, b->checksum);
	if (a->etag || b->etag)
		return same(a->etag, b->etag);
	return a->has_mtime && b->has_mtime && a->mtime_ns == b->mtime_ns && a->has_size &&
	       b->has_size;
}
