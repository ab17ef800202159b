/* SPDX-License-Identifier: Apache-2.0 */
/* DVC's pointers: one file that names outputs, where an import came from, and notes. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "takeover/dvc.h"

#define OUTS_MAX 100000	/* in one pointer; DVC itself writes one */

static const char *text_of(dv_value *dict, const char *key)
{
	const dv_value *v = dv_value_get(dict, key);

	return v && v->kind == DV_VALUE_STRING && *v->s ? v->s : NULL;
}

static bool is_true(dv_value *dict, const char *key, bool otherwise)
{
	const char *s = text_of(dict, key);

	return s ? !strcasecmp(s, "true") || !strcasecmp(s, "yes") || !strcasecmp(s, "on")
		 : otherwise;
}

int dv_dvc_path(dv_arena *a, const char *dir, const char *written, const char **out)
{
	dv_autofree char *joined = dv_path_join(dir, written);
	dv_autofree char *normal = joined ? dv_path_normal(joined) : NULL;
	const char *p;

	if (!normal)
		return dv_err_nomem();
	if (!dv_path_is_safe(normal) || dv_repo_is_own(normal))
		return dv_err(DV_EUNSAFE, "'%s' does not lie in the workspace", written);
	for (p = normal; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strcspn(p, "/") == 4 && !strncmp(p, DV_DVC_FOLDER, 4))
			return dv_err(DV_EUNSAFE, "'%s' is DVC's own", written);
	*out = dv_arena_strdup(a, normal);
	return *out ? 0 : DV_ERROR;
}

/* "key: value" for the pointer, when it is there. */
static int keep(dv_buf *lines, dv_value *dict, const char *key)
{
	const dv_value *v = dv_value_get(dict, key);
	int rc = 0;

	if (v && !(v->kind == DV_VALUE_STRING && !*v->s)) {
		dv_buf_addf(lines, "%s: ", key);
		rc = dv_value_yaml(lines, v);
		dv_buf_addc(lines, '\n');
	}
	return rc ? rc : lines->err;
}

static int keep_notes(dv_dvc_out *o, dv_arena *a, dv_value *out, dv_value *top)
{
	static const char *const keys[] = { "desc", "type", "labels", "meta" };
	dv_auto(dv_buf) lines = DV_BUF_INIT;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		int rc = keep(&lines, dv_value_get(out, keys[i]) ? out : top, keys[i]);

		if (rc < 0)
			return rc;
	}
	if (lines.n && !(o->extra = dv_arena_strndup(a, lines.p, lines.n)))
		return DV_ERROR;
	return 0;
}

static void unsupported(dv_dvc_out *o, const char *why)
{
	if (o->state == DV_DVC_OPEN) {
		o->state = DV_DVC_UNSUPPORTED;
		o->why = why;
	}
}

/* The files of a directory where a remote with versions keeps them by their own names. */
static int read_files(dv_dvc_out *o, dv_arena *a, dv_value *files)
{
	for (size_t i = 0; i < files->n; i++) {
		const char *path = text_of(files->items[i], "relpath");
		const char *md5 = text_of(files->items[i], "md5");
		dv_dvc_name name;
		int rc;

		if (!path || !md5 || !dv_dvc_name_parse(&name, md5, false) || name.is_dir)
			return dv_err(DV_ECORRUPT, "item %zu of 'files' has no path or no MD5", i);
		if ((rc = dv_dvc_listing_add(&o->listing, a, path, &name.md5)) < 0)
			return rc;
	}
	o->has_listing = true;
	return dv_dvc_listing_finish(&o->listing, o->written);
}

static int read_name(dv_dvc_out *o, dv_arena *a, dv_value *out)
{
	const char *md5 = text_of(out, "md5"), *hash = text_of(out, "hash");
	dv_value *files = dv_value_get(out, "files");
	int rc;

	if (hash && strcmp(hash, "md5") != 0) {
		unsupported(o, "its checksum is none that is known here");
		return 0;
	}
	if (md5) {
		if (!dv_dvc_name_parse(&o->name, md5, !hash))
			return dv_err(DV_ECORRUPT, "'%s' is no MD5 as DVC writes it", md5);
		o->has_name = true;
	}
	if (files && files->kind == DV_VALUE_LIST && (!o->has_name || o->name.is_dir)) {
		if ((rc = read_files(o, a, files)) < 0)
			return rc;
		o->name.is_dir = o->has_name = true;
	}
	if (!o->has_name)
		unsupported(o, "DVC has no checksum of it, so it was never downloaded");
	return 0;
}

static int read_out(dv_dvc_outs *l, dv_arena *a, dv_value *out, dv_value *top, const char *from,
		    const char *dir)
{
	dv_dvc_out o = { .from = from, .written = text_of(out, "path") };
	const char *size = text_of(out, "size");
	int rc;

	if (!o.written)
		return dv_err(DV_ECORRUPT, "an output without a path");
	o.no_cache = !is_true(out, "cache", true);
	o.no_push = !is_true(out, "push", true);
	o.isexec = is_true(out, "isexec", false);
	o.remote = text_of(out, "remote");
	o.said_size = size ? strtoull(size, NULL, 10) : 0;
	if (strstr(o.written, "://") || *o.written == '/') {
		o.path = o.written;
		unsupported(&o, "it lies outside the workspace");
	} else if ((rc = dv_dvc_path(a, dir, o.written, &o.path)) < 0) {
		return rc;
	}
	if (o.no_cache)
		unsupported(&o, "it is not in DVC's cache but in git ('cache: false')");
	if ((rc = read_name(&o, a, out)) < 0 || (rc = keep_notes(&o, a, out, top)) < 0 ||
	    (rc = dv_arena_grow(a, &l->o, &l->cap, l->n + 1, sizeof(*l->o))) < 0)
		return rc;
	l->o[l->n++] = o;
	return 0;
}

/* Where an import comes from. */
static void read_source(dv_dvc_out *o, dv_value *dep)
{
	dv_value *repo = dv_value_get(dep, "repo");

	o->is_import = true;
	if (repo && repo->kind == DV_VALUE_DICT) {
		o->repo_url = text_of(repo, "url");
		o->repo_rev = text_of(repo, "rev");
		o->repo_lock = text_of(repo, "rev_lock");
		o->repo_path = text_of(dep, "path");
	} else {
		o->source = text_of(dep, "path");
		o->source_etag = text_of(dep, "etag");
	}
}

static int read_document(dv_dvc_outs *l, dv_arena *a, dv_value *top, const char *from)
{
	dv_value *outs = dv_value_get(top, "outs"), *deps = dv_value_get(top, "deps");
	dv_autofree char *folder = dv_path_dir(from);
	const char *wdir = text_of(top, "wdir");
	dv_autofree char *dir = folder ? dv_path_join(strcmp(folder, ".") ? folder : "",
						      wdir ? wdir : "") : NULL;
	size_t first = l->n;
	int rc = 0;

	if (!dir)
		return dv_err_nomem();
	if (!outs || outs->kind != DV_VALUE_LIST || outs->n > OUTS_MAX)
		return dv_err(DV_ECORRUPT, "it has no list of outputs");
	for (size_t i = 0; rc == 0 && i < outs->n; i++)
		rc = outs->items[i]->kind == DV_VALUE_DICT
			     ? read_out(l, a, outs->items[i], top, from, dir)
			     : dv_err(DV_ECORRUPT, "an output that is none");
	if (rc == 0 && text_of(top, "cmd"))
		dv_warn("'%s' is a stage as DVC had them before version 1: its outputs are "
			"imported as data, the command is not", from);
	else if (rc == 0 && deps && deps->kind == DV_VALUE_LIST && deps->n == 1 &&
		 deps->items[0]->kind == DV_VALUE_DICT)
		for (size_t i = first; i < l->n; i++)
			read_source(&l->o[i], deps->items[0]);
	return rc;
}

int dv_dvc_file_parse(dv_dvc_outs *out, dv_arena *a, const char *text, size_t n, const char *from)
{
	const size_t before = out->n;
	dv_value *top = NULL;
	int rc = dv_yaml_parse_texts(a, text, n, from, &top);

	if (rc == 0 && (!top || top->kind != DV_VALUE_DICT))
		rc = dv_err(DV_ECORRUPT, "it is no pointer of DVC");
	if (rc == 0)
		rc = read_document(out, a, top, from);
	if (rc < 0)
		out->n = before;
	return rc < 0 ? dv_err_ctx(rc, "'%s'", from) : 0;
}
