/* SPDX-License-Identifier: Apache-2.0 */
/* Paths as byte strings; see path.h. Only dv_path_absolute looks at the file system. */
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/oid.h"

char *dv_path_join(const char *a, const char *b)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;

	if (*b == '/' || !*a)
		return dv_strdup(b);
	dv_buf_adds(&out, a);
	if (*b) {
		if (a[strlen(a) - 1] != '/')
			dv_buf_addc(&out, '/');
		dv_buf_adds(&out, b);
	}
	return dv_buf_detach(&out);
}

/* Length of `path` without the slashes at its end; "/" keeps its one. */
static size_t trimmed(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

char *dv_path_dir(const char *path)
{
	size_t n = trimmed(path);

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n == 0)
		return dv_strdup(".");
	while (n > 1 && path[n - 1] == '/')
		n--;
	return dv_strndup(path, n);
}

const char *dv_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Takes the last component off a normal path under construction; false when there is none. */
static bool pop(dv_buf *out, size_t root)
{
	size_t n = out->n, start;

	if (n <= root)
		return false;
	start = n;
	while (start > root && out->p[start - 1] != '/')
		start--;
	if (n - start == 2 && out->p[start] == '.' && out->p[start + 1] == '.')
		return false;
	out->n = start > root ? start - 1 : root;
	out->p[out->n] = '\0';
	return true;
}

char *dv_path_normal(const char *path)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	size_t root = *path == '/';

	if (root)
		dv_buf_addc(&out, '/');
	while (*path) {
		size_t n = strcspn(path, "/");
		bool up = n == 2 && path[0] == '.' && path[1] == '.';

		if (n == 0 || (n == 1 && *path == '.')) {
			;
		} else if (up && (pop(&out, root) || root)) {
			;
		} else {
			if (out.n > root)
				dv_buf_addc(&out, '/');
			dv_buf_add(&out, path, n);
		}
		path += n + (path[n] == '/');
	}
	if (out.n == 0)
		dv_buf_addc(&out, '.');
	return dv_buf_detach(&out);
}

/* The real path of the longest part of `dir` that exists, with the rest and `base` behind it. */
static char *resolve_parents(const char *dir, const char *base)
{
	dv_autofree char *head = dv_strdup(dir), *tail = dv_strdup(base);

	while (head && tail) {
		dv_autofree char *real = realpath(head, NULL);
		dv_autofree char *joined = NULL, *up = NULL;

		if (real) {
			joined = dv_path_join(real, tail);
			return joined ? dv_path_normal(joined) : NULL;
		}
		if (errno == ENOMEM || strcmp(head, "/") == 0) {
			dv_err_sys("cannot resolve '%s'", dir);
			return NULL;
		}
		head[trimmed(head)] = '\0';
		joined = dv_path_join(dv_path_base(head), tail);
		up = dv_path_dir(head);
		free(tail);
		free(head);
		tail = dv_steal(&joined);
		head = dv_steal(&up);
	}
	return NULL;
}

char *dv_path_absolute(const char *path)
{
	dv_autofree char *cwd = NULL, *whole = NULL, *dir = NULL;
	const char *base;

	if (*path == '/') {
		whole = dv_strdup(path);
	} else {
		cwd = getcwd(NULL, 0);
		if (!cwd) {
			dv_err_sys("cannot find the working folder");
			return NULL;
		}
		whole = dv_path_join(cwd, path);
	}
	if (!whole)
		return NULL;
	whole[trimmed(whole)] = '\0';
	base = dv_path_base(whole);
	/* "." and ".." name a folder by way of another: nothing is the last component then. */
	if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
		return resolve_parents(whole, "");
	dir = dv_path_dir(whole);
	return dir ? resolve_parents(dir, base) : NULL;
}

/* The byte behind a "%", written in either case; 0 when there is none. */
static unsigned char escaped(const char *s)
{
	char digits[2] = { 0 };
	uint8_t byte = 0;

	for (int i = 0; i < 2 && s[i]; i++)
		digits[i] = s[i] >= 'A' && s[i] <= 'F' ? (char)(s[i] + ('a' - 'A')) : s[i];
	return dv_hex_parse(&byte, 1, digits) ? 0 : byte;
}

int dv_path_from_url(char **out, const char *url)
{
	bool is_url = strncmp(url, "file://", 7) == 0;
	const char *s = is_url ? url + 7 : url;
	dv_auto(dv_buf) path = DV_BUF_INIT;

	*out = NULL;
	if (is_url && strncmp(s, "localhost/", 10) == 0)
		s += 9;
	if (*s != '/')
		return dv_err(DV_EUSAGE, "'%s' names no absolute folder", url);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (is_url && c == '%') {
			c = escaped(s + 1);
			if (!c)
				return dv_err(DV_EUSAGE, "URL '%s' has a bad %% escape", url);
			s += 2;
		}
		dv_buf_addc(&path, (char)c);
	}
	*out = dv_buf_detach(&path);
	return *out ? 0 : DV_ERROR;
}

char *dv_path_relative(const char *path, const char *base)
{
	dv_auto(dv_buf) out = DV_BUF_INIT;
	size_t i = 0, common = 0;

	while (path[i] && path[i] == base[i]) {
		i++;
		if (path[i - 1] == '/')
			common = i;
	}
	/* A component is shared only where it ends in both. */
	if (i && (!path[i] || path[i] == '/') && (!base[i] || base[i] == '/'))
		common = i;
	path += common;
	base += common;
	while (*path == '/')
		path++;
	while (*base) {
		size_t n = strcspn(base, "/");

		if (n)
			dv_buf_adds(&out, out.n ? "/.." : "..");
		base += n + (base[n] == '/');
	}
	if (*path) {
		if (out.n)
			dv_buf_addc(&out, '/');
		dv_buf_adds(&out, path);
	}
	if (out.n == 0)
		dv_buf_addc(&out, '.');
	return dv_buf_detach(&out);
}

bool dv_path_below(const char *path, const char *dir, const char **rest)
{
	size_t n = strlen(dir);
	const char *p = NULL;

	if (n == 0 || strcmp(dir, ".") == 0) {
		/* The folder that relative paths start from. */
		if (strcmp(path, ".") == 0 || !*path)
			p = "";
		else if (*path != '/' && strcmp(path, "..") != 0 && strncmp(path, "../", 3) != 0)
			p = path;
	} else if (strncmp(path, dir, n) == 0) {
		if (!path[n])
			p = path + n;
		else if (dir[n - 1] == '/')
			p = path + n;
		else if (path[n] == '/')
			p = path + n + 1;
	}
	if (p && rest)
		*rest = p;
	return p != NULL;
}

bool dv_name_is_safe(const char *name, size_t n)
{
	if (n == 0 || (n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
		return false;
	return !memchr(name, '/', n) && !memchr(name, '\0', n);
}

bool dv_path_is_safe(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if (!dv_name_is_safe(path, n))
			return false;
		if (!path[n])
			return true;
		path += n + 1;
	}
}

/* Where the path of "[user@]host:path" begins; 0 when it is none. */
static size_t scp_path(const char *s)
{
	size_t n = strcspn(s, "/:");
	const char *bracket = strchr(s, '[');

	/* An address of many colons stands in brackets. */
	if (bracket && (size_t)(bracket - s) < n && (bracket == s || bracket[-1] == '@')) {
		const char *end = strchr(bracket, ']');

		n = end ? (size_t)(end + 1 - s) : n;
	}
	return n > 0 && s[n] == ':' && strncmp(s + n, "://", 3) != 0 ? n + 1 : 0;
}

bool dv_path_is_scp(const char *s)
{
	return scp_path(s) != 0;
}

char *dv_path_scp_url(const char *s)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	size_t n = scp_path(s);
	const char *path = s + n;

	dv_buf_adds(&b, "ssh://");
	dv_buf_add(&b, s, n ? n - 1 : 0);
	if (!strncmp(path, "~/", 2) || !strcmp(path, "~"))
		path += path[1] ? 2 : 1;
	if (*path != '/')
		dv_buf_adds(&b, *path ? "/~/" : "/~");
	for (; *path; path++)
		if (*path == '%')
			dv_buf_adds(&b, "%25");
		else
			dv_buf_addc(&b, *path);
	return dv_buf_detach(&b);
}
