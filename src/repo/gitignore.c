/* SPDX-License-Identifier: Apache-2.0 */
/* The lines that dv keeps in .gitignore: "/NAME" for each output of the folder. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"
#include "repo/ignore.h"
#include "repo/wildmatch.h"

/* It is the user's file: what he made of it stays. */
#define WRITE_FLAGS (DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE)

bool dv_glob_match(const char *pattern, const char *path)
{
	return dv_wildmatch(pattern, path);
}

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

/* A .gitignore and the line that is wanted in it, or not. */
typedef struct edit {
	char *path;
	dv_buf line, text;
} edit;

static void edit_release(edit *e)
{
	free(e->path);
	dv_buf_release(&e->line);
	dv_buf_release(&e->text);
}

static int edit_begin(edit *e, const char *dir, const char *name, bool *changed)
{
	int rc;

	if (changed)
		*changed = false;
	e->path = dv_path_join(dir, ".gitignore");
	if (!e->path)
		return DV_ERROR;
	rc = line_of(&e->line, name);
	return rc ? rc : read_text(&e->text, e->path);
}

int dv_gitignore_add(const dv_scratch *s, const char *dir, const char *name, bool *changed)
{
	dv_auto(edit) e = { 0 };
	size_t step;
	int rc = edit_begin(&e, dir, name, changed);

	if (rc)
		return rc;
	bool crlf = false;
	for (size_t at = 0; at < e.text.n; at += step) {
		size_t len = line_length(e.text.p + at, e.text.n - at, &step);
		if (len == e.line.n && !memcmp(e.text.p + at, e.line.p, len))
			return 0;
		crlf = step - len == 2;
	}
	if (e.text.n && e.text.p[e.text.n - 1] != '\n')
		dv_buf_addc(&e.text, '\n');
	dv_buf_add(&e.text, e.line.p, e.line.n);
	dv_buf_adds(&e.text, crlf ? "\r\n" : "\n");
	if (e.text.err)
		return e.text.err;
	if (changed)
		*changed = true;
	return dv_scratch_write(s, e.path, e.text.p, e.text.n, WRITE_FLAGS);
}

int dv_gitignore_remove(const dv_scratch *s, const char *dir, const char *name, bool *changed)
{
	dv_auto(edit) e = { 0 };
	dv_auto(dv_buf) rest = DV_BUF_INIT;
	size_t step;
	int rc = edit_begin(&e, dir, name, changed);

	if (rc)
		return rc;
	for (size_t at = 0; at < e.text.n; at += step) {
		size_t len = line_length(e.text.p + at, e.text.n - at, &step);
		if (len != e.line.n || memcmp(e.text.p + at, e.line.p, len) != 0)
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
