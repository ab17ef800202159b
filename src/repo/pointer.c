/* SPDX-License-Identifier: Apache-2.0 */
/* Reading pointers: YAML from outside, bounded in size and depth, without aliases. */
#include "repo/pointer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/value.h"
#include "repo/conflict.h"

#define POINTER_VERSION 1
#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

void dv_pointer_release(dv_pointer *p)
{
	free(p->path);
	free(p->remote);
	free(p->comment);
	free(p->extra_out);
	free(p->extra_top);
	dv_source_free(p->source);
	*p = (dv_pointer)DV_POINTER_INIT;
}

static int dup_field(char **out, const char *s)
{
	*out = s ? dv_strdup(s) : NULL;
	return s && !*out ? DV_ERROR : 0;
}

int dv_pointer_copy(dv_pointer *out, const dv_pointer *p)
{
	dv_auto(dv_pointer) c = *p;

	c.path = c.remote = c.comment = c.extra_out = c.extra_top = NULL;
	c.source = NULL;
	if (p->source && !(c.source = dv_source_copy(p->source)))
		return DV_ERROR;
	if (dup_field(&c.path, p->path) || dup_field(&c.remote, p->remote) ||
	    dup_field(&c.comment, p->comment) || dup_field(&c.extra_out, p->extra_out) ||
	    dup_field(&c.extra_top, p->extra_top))
		return DV_ERROR;
	*out = c;
	c = (dv_pointer)DV_POINTER_INIT;
	return 0;
}

/* -- values ------------------------------------------------------------------------------------ */

static bool parse_u64(const char *s, uint64_t *out)
{
	uint64_t v = 0;

	if (!s || !*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (UINT64_MAX - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*out = v;
	return v <= INT64_MAX;
}

static bool parse_bool(const char *s, bool *out)
{
	*out = s && !strcmp(s, "true");
	return s && (*out || !strcmp(s, "false"));
}

static char *parse_hex(const char *s)
{
	size_t n = s ? strlen(s) / 2 : 0;
	char *out = n && !s[2 * n] ? dv_malloc(n + 1) : NULL;

	if (!out)
		return NULL;
	if (dv_hex_parse((uint8_t *)out, n, s) || memchr(out, 0, n)) {
		free(out);
		return NULL;
	}
	out[n] = 0;
	return out;
}

/* Appends "KEY: VALUE" on one line, as it will be written again. */
static int keep(dv_buf *out, const dv_value *dict, const dv_member *m)
{
	dv_value_yaml_key(out, dict, m);
	dv_buf_adds(out, ": ");
	dv_value_yaml(out, m->value);
	return dv_buf_addc(out, '\n');
}

/* -- fields ------------------------------------------------------------------------------------ */

struct fields {
	dv_pointer p;
	bool has_oid, has_size;
	dv_buf extra;
	const char *name;
};

static bool one_of(const char *k, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(k, *list))
			return true;
	return false;
}

/* One of the output's own keys; *known tells whether it was. A malformed value is -1. */
static int parse_field(struct fields *f, const char *key, const dv_value *v, bool *known)
{
	const char *s = v->kind == DV_VALUE_STRING ? v->s : NULL;
	bool good = true, b = false;

	*known = true;
	if (!strcmp(key, "path")) {
		good = s && !f->p.path && (f->p.path = dv_strdup(s));
	} else if (!strcmp(key, "path_hex")) {
		good = !f->p.path && (f->p.path = parse_hex(s));
	} else if (!strcmp(key, "oid")) {
		good = f->has_oid = s && !dv_oid_parse_text(&f->p.oid, s);
	} else if (!strcmp(key, "size")) {
		good = f->has_size = parse_u64(s, &f->p.size);
	} else if (!strcmp(key, "nfiles")) {
		good = f->p.is_dir = parse_u64(s, &f->p.nfiles);
	} else if (!strcmp(key, "isexec")) {
		good = parse_bool(s, &f->p.isexec);
	} else if (!strcmp(key, "push")) {
		good = parse_bool(s, &b);
		f->p.no_push = !b;
	} else if (!strcmp(key, "remote")) {
		good = s && *s && !s[strspn(s, NAME_CHARS)] && (f->p.remote = dv_strdup(s));
	} else {
		*known = false;
	}
	return good ? 0 : -1;
}

static int parse_out(struct fields *f, const dv_value *out)
{
	static const char *const quiet[] = { "desc", "meta", "type", "labels", NULL };

	for (size_t i = 0; i < out->n; i++) {
		const dv_member *m = &out->members[i];
		bool known = false;

		if (parse_field(f, m->key, m->value, &known))
			return dv_err(DV_ECORRUPT, "'%s' has a malformed '%s'", f->name, m->key);
		if (known)
			continue;
		if (!one_of(m->key, quiet))
			dv_warn("'%s' has the unknown key '%s', which is kept", f->name, m->key);
		int rc = keep(&f->extra, out, m);
		if (rc)
			return rc;
	}
	/* What is somewhere else and was not brought yet. */
	f->p.is_pending = f->p.source && !f->p.source->is_repo && !f->has_oid && !f->has_size;
	if (!f->p.path || ((!f->has_oid || !f->has_size) && !f->p.is_pending))
		return dv_err(DV_ECORRUPT, "'%s' is no pointer: it lacks '%s'", f->name,
			      !f->p.path ? "path" : !f->has_oid ? "oid" : "size");
	if (f->p.is_dir && f->p.isexec)
		return dv_err(DV_ECORRUPT, "'%s' has both 'nfiles' and 'isexec'", f->name);
	if (!dv_name_is_safe(f->p.path, strlen(f->p.path)) || !strcmp(f->p.path, ".git") ||
	    !strcmp(f->p.path, ".dv"))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' names the path '%s', which is not a "
					  "name in its own folder", f->name, f->p.path),
				   "correct the path in the pointer, or remove the pointer");
	return 0;
}

static int parse_version(const char *name, const dv_value *version)
{
	uint64_t v = 0;

	if (!parse_u64(version->kind == DV_VALUE_STRING ? version->s : NULL, &v) || v < 1)
		return dv_err(DV_ECORRUPT, "'%s' has a malformed 'version'", name);
	if (v > POINTER_VERSION)
		return dv_err_hint(dv_err(DV_ERROR, "'%s' was written by a newer dv (format %llu, "
					  "this dv knows %d)", name, (unsigned long long)v,
					  POINTER_VERSION), "upgrade dv");
	return 0;
}

static int keep_top(const struct fields *f, dv_buf *top, const dv_value *root, const dv_member *m)
{
	if (strcmp(m->key, "desc") != 0 && strcmp(m->key, "meta") != 0)
		dv_warn("'%s' has the unknown key '%s', which is kept", f->name, m->key);
	return keep(top, root, m);
}

static int parse_top(struct fields *f, const dv_value *root, const dv_value **out, dv_buf *top)
{
	for (size_t i = 0; i < root->n; i++) {
		const dv_member *m = &root->members[i];
		int rc = 0;

		if (!strcmp(m->key, "version")) {
			rc = parse_version(f->name, m->value);
		} else if (!strcmp(m->key, "outs")) {
			if (m->value->kind != DV_VALUE_LIST || m->value->n != 1)
				return dv_err(DV_ECORRUPT, "'%s' does not have exactly one output",
					      f->name);
			*out = m->value->items[0];
		} else {
			if (!strcmp(m->key, "deps") && !f->p.source)
				rc = dv_source_parse(&f->p.source, m->value, f->name);
			if (!rc && !(f->p.source && !strcmp(m->key, "deps")))
				rc = keep_top(f, top, root, m);
		}
		if (rc)
			return rc;
	}
	if (!*out || (*out)->kind != DV_VALUE_DICT)
		return dv_err(DV_ECORRUPT, "'%s' is no pointer: it lacks 'outs'", f->name);
	return 0;
}

static char *detach_or_null(dv_buf *b)
{
	return b->n ? dv_buf_detach(b) : NULL;
}

/* The comment lines before anything else. */
static char *head_comment(const char *text, size_t n)
{
	size_t at = 0;

	while (at < n && text[at] == '#') {
		const char *eol = memchr(text + at, '\n', n - at);
		const char *cr = memchr(text + at, '\r', n - at);

		/* A lone CR ends a line of YAML, too. */
		if (!eol || (cr && cr < eol - 1))
			break;
		at = (size_t)(eol - text) + 1;
	}
	return at ? dv_strndup(text, at) : NULL;
}

/*
 * Only clean UTF-8 without control bytes and directives reaches the YAML parser: there is nothing
 * else in a pointer.
 */
static int check_text(const char *text, size_t n, const char *name)
{
	dv_autofree char *copy = dv_strndup(text, n);
	bool line_start = true;

	if (!copy)
		return DV_ERROR;
	for (const char *u = copy; *u;) {
		bool blank = *u == '\t' || *u == '\n' || *u == '\r';
		size_t step = blank ? 1 : dv_yaml_printable(u);
		if (!step)
			return dv_err(DV_ECORRUPT, "'%s' is no pointer: not clean UTF-8 text",
				      name);
		if (line_start && *u == '%')
			return dv_err(DV_ECORRUPT, "'%s' is no pointer: it has a YAML directive",
				      name);
		line_start = *u == '\n';
		u += step;
	}
	return 0;
}

static int parse_fields(struct fields *f, const char *text, size_t n, dv_buf *top)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	const dv_value *out = NULL;
	dv_value *root = NULL;
	dv_error e;

	if (dv_yaml_parse_texts(&a, text, n, f->name, &root)) {
		dv_error_take(&e);
		e.code = DV_ECORRUPT;
		return dv_error_put(&e);
	}
	if (root->kind != DV_VALUE_DICT)
		return dv_err(DV_ECORRUPT, "'%s' is no pointer: not a YAML mapping", f->name);
	int rc = parse_top(f, root, &out, top);
	return rc ? rc : parse_out(f, out);
}

int dv_pointer_parse(dv_pointer *out, const char *text, size_t n, const char *name)
{
	struct fields f = { .name = name };
	dv_auto(dv_buf) top = DV_BUF_INIT;

	*out = (dv_pointer)DV_POINTER_INIT;
	if (n > DV_POINTER_MAX)
		return dv_err(DV_ECORRUPT, "'%s' is too large for a pointer", name);
	if (dv_conflict_has(text, n))
		return dv_conflict_hint(dv_err(DV_ECORRUPT, "'%s' has conflict markers of git",
					       name), name);
	if (memchr(text, 0, n))
		return dv_err(DV_ECORRUPT, "'%s' is no pointer: it has a NUL byte", name);
	int rc = check_text(text, n, name);
	if (!rc)
		rc = parse_fields(&f, text, n, &top);
	if (!rc && (f.extra.err || top.err))
		rc = dv_err_nomem();
	if (!rc) {
		f.p.extra_out = detach_or_null(&f.extra);
		f.p.extra_top = detach_or_null(&top);
		f.p.comment = head_comment(text, n);
		*out = f.p;
	} else {
		dv_pointer_release(&f.p);
	}
	dv_buf_release(&f.extra);
	if (rc == DV_ECORRUPT && !*dv_error_last()->hint)
		dv_err_hint(rc, "correct it, or take it back from git: 'git checkout -- %s'", name);
	return rc;
}

int dv_pointer_read(dv_pointer *out, const char *path)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	*out = (dv_pointer)DV_POINTER_INIT;
	if (fd < 0 && errno == ELOOP)
		return dv_err(DV_EUNSAFE, "'%s' is a symbolic link; a pointer is a file", path);
	if (fd < 0 || fstat(fd, &st))
		return dv_err_sys("cannot open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return dv_err(DV_ECORRUPT, "'%s' is no pointer: not a regular file", path);
	int rc = dv_fs_read_fd(&text, fd, path, DV_POINTER_MAX);
	return rc ? rc : dv_pointer_parse(out, dv_buf_str(&text), text.n, path);
}
