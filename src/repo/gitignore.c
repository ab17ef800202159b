/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that dv keeps in .gitignore: "/NAME" for each output of the folder. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/gitignore.h"

/* It is the user's file: what they made of it stays. */
#define WRITE_FLAGS (DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE)

/* "/NAME" with everything escaped that git would read otherwise. A line break has no escape:
 * "?" takes its place, which git matches with any byte but a slash. */
static int line_of(dv_buf *out, const char *name)
{
	size_t n = strlen(name);

	dv_buf_addc(out, '/');
	for (size_t i = 0; i < n; i++) {
		if (name[i] == '\n' || name[i] == '\r') {
			dv_buf_addc(out, '?');
			continue;
		}
		if (strchr("*?[\\", name[i]) || (name[i] == ' ' && i + 1 == n))
			dv_buf_addc(out, '\\');
		dv_buf_addc(out, name[i]);
	}
	return out->err;
}

static int read_text(dv_buf *out, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : dv_err_sys("cannot read '%s'", path);
	if (S_ISLNK(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is a symbolic link", path),
				   "replace the link with a file; git does not follow it either");
	return dv_fs_read_file(out, path, DV_GITIGNORE_MAX);
}

/* The next line's length without its ending; *step is the way to the one after. */
static size_t line_length(const char *p, size_t n, size_t *step)
{
	const char *eol = memchr(p, '\n', n);
	size_t len = eol ? (size_t)(eol - p) : n;

	*step = eol ? len + 1 : len;
	return len && p[len - 1] == '\r' ? len - 1 : len;
}

int dv_gitignore_has(const dv_buf *text, const char *name, bool *has)
{
	dv_auto(dv_buf) line = DV_BUF_INIT;
	int rc = line_of(&line, name);
	size_t step;

	*has = false;
	for (size_t at = 0; !rc && !*has && at < text->n; at += step) {
		size_t len = line_length(text->p + at, text->n - at, &step);
		*has = len == line.n && !memcmp(text->p + at, line.p, len);
	}
	return rc;
}

/* A .gitignore. */
typedef struct edit {
	char *path;
	dv_buf text;
} edit;

static void edit_release(edit *e)
{
	free(e->path);
	dv_buf_release(&e->text);
}

static int edit_begin(edit *e, const char *dir, bool *changed)
{
	if (changed)
		*changed = false;
	e->path = dv_path_join(dir, ".gitignore");
	return e->path ? read_text(&e->text, e->path) : DV_ERROR;
}

/* Notes the lines that are there; *crlf tells how the last one ends. */
static int read_lines(dv_map *lines, const dv_buf *text, bool *crlf)
{
	size_t step;
	int rc = 0;

	*crlf = false;
	for (size_t at = 0; rc == 0 && at < text->n; at += step) {
		size_t len = line_length(text->p + at, text->n - at, &step);
		dv_oid key;

		dv_sha256(&key, text->p + at, len);
		rc = dv_map_put(lines, &key, 1);
		*crlf = step - len == 2;
	}
	return rc;
}

int dv_gitignore_add_all(const dv_scratch *s, const char *dir, const char *const *names, size_t n,
			 bool *changed)
{
	dv_auto(edit) e = { 0 };
	dv_auto(dv_map) lines = DV_MAP_INIT;
	bool crlf, fresh, any = false;
	int rc = edit_begin(&e, dir, changed);

	if (!rc)
		rc = read_lines(&lines, &e.text, &crlf);
	for (size_t i = 0; !rc && i < n; i++) {
		dv_auto(dv_buf) line = DV_BUF_INIT;
		dv_oid key;

		rc = line_of(&line, names[i]);
		if (rc)
			break;
		dv_sha256(&key, line.p, line.n);
		rc = dv_map_add(&lines, &key, 1, &fresh);
		if (rc || !fresh)
			continue;
		any = true;
		if (e.text.n && e.text.p[e.text.n - 1] != '\n')
			dv_buf_addc(&e.text, '\n');
		dv_buf_add(&e.text, line.p, line.n);
		rc = dv_buf_adds(&e.text, crlf ? "\r\n" : "\n");
	}
	if (rc || !any)
		return rc;
	if (changed)
		*changed = true;
	return dv_scratch_write(s, e.path, e.text.p, e.text.n, WRITE_FLAGS);
}

int dv_gitignore_add(const dv_scratch *s, const char *dir, const char *name, bool *changed)
{
	return dv_gitignore_add_all(s, dir, &name, 1, changed);
}

int dv_gitignore_remove(const dv_scratch *s, const char *dir, const char *name, bool *changed)
{
	dv_auto(edit) e = { 0 };
	dv_auto(dv_buf) line = DV_BUF_INIT, rest = DV_BUF_INIT;
	size_t step;
	int rc = line_of(&line, name);

	if (!rc)
		rc = edit_begin(&e, dir, changed);
	if (rc)
		return rc;
	for (size_t at = 0; at < e.text.n; at += step) {
		size_t len = line_length(e.text.p + at, e.text.n - at, &step);
		if (len != line.n || memcmp(e.text.p + at, line.p, len) != 0)
			dv_buf_add(&rest, e.text.p + at, step);
	}
	if (rest.err)
		return rest.err;
	if (rest.n == e.text.n)
		return 0;
	if (changed)
		*changed = true;
	if (rest.n)
		return dv_scratch_write(s, e.path, rest.p, rest.n, WRITE_FLAGS);
	if (dv_fs_unlinkat(AT_FDCWD, e.path, 0) && errno != ENOENT)
		return dv_err_sys("cannot remove '%s'", e.path);
	return 0;
}
