/* SPDX-License-Identifier: Apache-2.0 */
/* DVC's names, and its listings of directories: read, checked, and written as DVC writes them. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/path.h"
#include "takeover/dvc.h"

#define LISTING_FILES ((size_t)1 << 24)	/* in one directory */

bool dv_dvc_name_parse(dv_dvc_name *out, const char *text, bool dos2unix)
{
	char lower[DV_MD5_HEX + 1];
	size_t n = strlen(text);
	dv_dvc_name name = { .dos2unix = dos2unix };

	if (n != DV_MD5_HEX && (n != DV_MD5_HEX + 4 || strcmp(text + DV_MD5_HEX, ".dir") != 0))
		return false;
	for (size_t i = 0; i < DV_MD5_HEX; i++)
		lower[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);
	lower[DV_MD5_HEX] = 0;
	if (dv_hex_parse(name.md5.b, DV_MD5_SIZE, lower))
		return false;
	name.is_dir = n > DV_MD5_HEX;
	*out = name;
	return true;
}

void dv_dvc_place(char out[DV_DVC_PLACE_MAX], const dv_dvc_name *n, bool older)
{
	char hex[DV_MD5_HEX + 1];

	dv_md5_hex(hex, &n->md5);
	snprintf(out, DV_DVC_PLACE_MAX, "%s%.2s/%s%s", older ? "" : "files/md5/", hex, hex + 2,
		 n->is_dir ? ".dir" : "");
}

int dv_dvc_path_cmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	unsigned x = *a == '/' ? 1 : *a ? (unsigned char)*a + 1u : 0;
	unsigned y = *b == '/' ? 1 : *b ? (unsigned char)*b + 1u : 0;

	return (x > y) - (x < y);
}

static int compare(const void *a, const void *b)
{
	return dv_dvc_path_cmp(((const dv_dvc_file *)a)->path, ((const dv_dvc_file *)b)->path);
}

static int compare_bytes(const void *a, const void *b)
{
	return strcmp(((const dv_dvc_file *)a)->path, ((const dv_dvc_file *)b)->path);
}

int dv_dvc_listing_add(dv_dvc_listing *l, dv_arena *a, const char *path, const dv_md5 *md5)
{
	int rc = dv_arena_grow(a, &l->f, &l->cap, l->n + 1, sizeof(*l->f));

	if (rc == 0)
		l->f[l->n++] = (dv_dvc_file){ path, *md5 };
	return rc;
}

static bool is_too_deep(const char *path)
{
	unsigned depth = 0;

	for (; *path; path++)
		depth += *path == '/';
	return depth >= 500;
}

int dv_dvc_listing_finish(dv_dvc_listing *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!dv_path_is_safe(l->f[i].path) || dv_repo_is_own(l->f[i].path) ||
		    is_too_deep(l->f[i].path))
			return dv_err(DV_EUNSAFE, "%s: '%s' cannot be a path in a directory", name,
				      l->f[i].path);
	if (l->n)
		qsort(l->f, l->n, sizeof(*l->f), compare);
	for (size_t i = 1; i < l->n; i++) {
		const char *rest;

		if (dv_path_below(l->f[i].path, l->f[i - 1].path, &rest))
			return dv_err(DV_ECORRUPT, *rest ? "%s: '%s' is a file and a folder" :
				      "%s: '%s' is there twice", name, l->f[i - 1].path);
	}
	return 0;
}

/* One item: an object with texts "md5" and "relpath"; what else it has does not count. */
static int read_item(dv_dvc_listing *l, dv_arena *a, const dv_json *item)
{
	const char *md5, *path;
	char *copy;
	dv_dvc_name name;
	int rc;

	if (!json_is_object(item))
		return dv_err(DV_ECORRUPT, "an item is no object");
	if ((rc = dv_json_get_str(item, "md5", &md5)) < 0 ||
	    (rc = dv_json_get_str(item, "relpath", &path)) < 0)
		return rc;
	if (!dv_dvc_name_parse(&name, md5, false) || name.is_dir)
		return dv_err(DV_ECORRUPT, "'%s' is no MD5", md5);
	copy = dv_arena_strdup(a, path);
	return copy ? dv_dvc_listing_add(l, a, copy, &name.md5) : DV_ERROR;
}

int dv_dvc_listing_parse(dv_dvc_listing *out, dv_arena *a, const char *text, size_t n,
			 const char *name)
{
	dv_autoptr(dv_json) root = NULL;
	int rc = dv_json_parse(&root, text, n, DV_DVC_LISTING_MAX, 4, name);

	*out = (dv_dvc_listing){ 0 };
	if (rc < 0)
		return rc;
	if (!json_is_array(root) || json_array_size(root) > LISTING_FILES)
		return dv_err(DV_ECORRUPT, "%s is no listing of a directory", name);
	for (size_t i = 0; rc == 0 && i < json_array_size(root); i++)
		rc = read_item(out, a, json_array_get(root, i));
	return rc < 0 ? dv_err_ctx(rc, "%s", name) : dv_dvc_listing_finish(out, name);
}

/* -- writing ----------------------------------------------------------------------------------- */

/* One character of UTF-8 (checked before: the text is valid), as its code point. */
static uint32_t code_point(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;
	uint32_t c = more == 3 ? *p & 7u : more == 2 ? *p & 15u : more == 1 ? *p & 31u : *p;

	for (*s += 1; more > 0 && (**s & 0xc0) == 0x80; more--, *s += 1)
		c = c << 6 | (**s & 0x3fu);
	return c;
}

/* A text as Python's json.dumps writes it: in ASCII. */
static int add_text(dv_buf *out, const char *s)
{
	static const char shorts[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";

	dv_buf_addc(out, '"');
	while (*s) {
		const char *at = *s > 0 ? strchr(shorts, *s) : NULL;
		uint32_t c = code_point(&s);

		if (at)
			dv_buf_addf(out, "\\%c", letters[at - shorts]);
		else if (c >= 0x10000)
			dv_buf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
				    0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (c < 0x20 || c > 0x7e)
			dv_buf_addf(out, "\\u%04x", c);
		else
			dv_buf_addc(out, (char)c);
	}
	return dv_buf_addc(out, '"');
}

int dv_dvc_listing_print(dv_buf *out, dv_dvc_listing *l)
{
	char hex[DV_MD5_HEX + 1];

	/* DVC sorts by code points, which is the order of the bytes. */
	if (l->n)
		qsort(l->f, l->n, sizeof(*l->f), compare_bytes);
	dv_buf_addc(out, '[');
	for (size_t i = 0; i < l->n; i++) {
		dv_md5_hex(hex, &l->f[i].md5);
		dv_buf_addf(out, "%s{\"md5\": \"%s\", \"relpath\": ", i ? ", " : "", hex);
		add_text(out, l->f[i].path);
		dv_buf_addc(out, '}');
	}
	dv_buf_addc(out, ']');
	if (l->n)
		qsort(l->f, l->n, sizeof(*l->f), compare);
	return out->err;
}
