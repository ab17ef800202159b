/* SPDX-License-Identifier: Apache-2.0 */
/* The run cache. */
#include "pipeline/runcache.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/sync.h"

#define MAGIC "dv-run 1 "
#define HEAD (sizeof(MAGIC) - 1 + DV_OID_HEX_SIZE + 1)

bool dv_runcache_fits(const dv_stage *s)
{
	if (s->always_changed || (!s->ndeps && !s->nparams) || !s->nouts)
		return false;
	for (size_t i = 0; i < s->ndeps; i++)
		if (s->deps[i].outside)
			return false;
	for (size_t i = 0; i < s->nouts; i++)
		if (s->outs[i].persist ||
		    (!s->outs[i].cache && s->outs[i].kind == DV_OUT_PLAIN))
			return false;
	return true;
}

/* -- keys -------------------------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const dv_locked_path *)a)->path, ((const dv_locked_path *)b)->path);
}

/* Copies with paths relative to the root, sorted. */
static int full_paths(dv_arena *a, const char *folder, const dv_locked_stage *s,
		      const dv_locked_path *from, size_t n, dv_locked_path **out)
{
	*out = dv_arena_alloc(a, (n + 1) * sizeof(**out));
	if (!*out)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++) {
		(*out)[i] = from[i];
		if (!((*out)[i].path = dv_locked_path_full(a, folder, s, &from[i])))
			return DV_ERROR;
	}
	if (n)
		qsort(*out, n, sizeof(**out), compare_paths);
	return 0;
}

/* The entry as it would be in a lock file at the root; of the arena, but for what is as it was. */
static int at_root(dv_arena *a, const dv_locked_stage *s, const char *folder, dv_locked_stage *out)
{
	dv_autofree char *joined = dv_path_join(folder, s->wdir);
	dv_autofree char *wdir = joined ? dv_path_normal(joined) : NULL;
	dv_autofree char *base = wdir ? dv_path_join("/", strcmp(wdir, ".") ? wdir : "") : NULL;
	int rc;

	if (!base)
		return dv_err_nomem();
	*out = *s;
	if ((rc = full_paths(a, folder, s, s->deps, s->ndeps, &out->deps)) ||
	    (rc = full_paths(a, folder, s, s->outs, s->nouts, &out->outs)))
		return rc;
	for (size_t i = 0; i < s->ndeps + s->nouts; i++) {
		dv_locked_path *p = i < s->ndeps ? &out->deps[i] : &out->outs[i - s->ndeps];
		dv_autofree char *abs = dv_path_join("/", p->path);
		dv_autofree char *rel = abs ? dv_path_relative(abs, base) : NULL;

		if (!rel || !(p->path = dv_arena_strdup(a, *rel ? rel : ".")))
			return dv_err_nomem();
	}
	out->wdir = dv_arena_strdup(a, wdir);
	return out->wdir ? 0 : DV_ERROR;
}

/* Pairs of path and oid, or paths alone. */
static int add_paths(dv_json *list, const dv_locked_path *paths, size_t n, bool oids)
{
	char hex[DV_OID_HEX_SIZE + 1];

	for (size_t i = 0; i < n; i++) {
		dv_json *item = json_string(paths[i].path);

		dv_oid_hex(hex, &paths[i].oid);
		if (item && oids)
			item = json_pack("[o,s]", item, hex);
		if (json_array_append_new(list, item))
			return dv_err(DV_ERROR, "the path '%s' cannot be written as JSON",
				      paths[i].path);
	}
	return 0;
}

int dv_runcache_key(const dv_locked_stage *s, const char *folder, dv_oid *key)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_autoptr(dv_json) root = json_object();
	dv_autofree char *joined = dv_path_join(folder, s->wdir);
	dv_autofree char *wdir = joined ? dv_path_normal(joined) : NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_json *deps = json_array(), *outs = json_array();
	dv_locked_path *d, *o;
	int rc, rc2;

	rc = dv_json_set(root, "deps", deps);
	rc2 = dv_json_set(root, "outs", outs);
	if (rc || rc2 || !wdir)
		return rc ? rc : rc2 ? rc2 : dv_err_nomem();
	if ((rc = full_paths(&a, folder, s, s->deps, s->ndeps, &d)) ||
	    (rc = full_paths(&a, folder, s, s->outs, s->nouts, &o)) ||
	    (rc = add_paths(deps, d, s->ndeps, true)) ||
	    (rc = add_paths(outs, o, s->nouts, false)) ||
	    (rc = dv_json_set(root, "cmd", dv_value_to_json(s->cmd))) ||
	    (rc = dv_json_set(root, "wdir", json_string(wdir))) ||
	    (rc = dv_json_set(root, "params", s->params ? dv_value_to_json(s->params)
							: json_object())) ||
	    (rc = dv_json_write(&text, root)))
		return rc;
	dv_sha256(key, text.p, text.n);
	return 0;
}

/* -- entries ----------------------------------------------------------------------------------- */

static char *entry_path(const dv_repo *r, const dv_oid *key)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, key);
	dv_buf_addf(&b, "%s/runs/%.2s/%s", r->cache_dir, hex, hex);
	return dv_buf_detach(&b);
}

int dv_runcache_put(dv_repo *r, const dv_locked_stage *s, const char *folder)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) body = DV_BUF_INIT, text = DV_BUF_INIT;
	dv_autofree char *path = NULL, *dir = NULL;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_locked_stage e;
	dv_oid key, sum;
	int rc = dv_runcache_key(s, folder, &key);

	dv_buf_adds(&body, "schema: dv 1\nstages:\n");
	if (rc || (rc = at_root(&a, s, folder, &e)) || (rc = dv_locked_stage_print(&body, &e)))
		return rc;
	dv_sha256(&sum, body.p, body.n);
	dv_oid_hex(hex, &sum);
	dv_buf_addf(&text, MAGIC "%s\n", hex);
	dv_buf_add(&text, body.p, body.n);
	path = entry_path(r, &key);
	dir = path ? dv_path_dir(path) : NULL;
	if (!dir || text.err)
		return dv_err_nomem();
	/* Not made durable: what is torn is a miss. */
	if ((rc = access(dir, F_OK) ? dv_fs_mkdirs(dir) : 0))
		return rc;
	return dv_fs_write_file(path, text.p, text.n, 0);
}

int dv_runcache_put_new(dv_repo *r, const dv_locked_stage *s, const char *folder)
{
	dv_autofree char *path = NULL;
	dv_oid key;
	int rc = dv_runcache_key(s, folder, &key);

	if (rc)
		return rc;
	if (!(path = entry_path(r, &key)))
		return dv_err_nomem();
	return access(path, F_OK) == 0 ? 0 : dv_runcache_put(r, s, folder);
}

/* Is the text an entry of that key? */
static bool parse_entry(const dv_buf *text, const dv_oid *key, dv_lockfile *out)
{
	const char *p = dv_buf_str(text), *eol = memchr(p, '\n', text->n);
	dv_oid want, sum, own;

	if (!eol || text->n < HEAD || memcmp(p, MAGIC, sizeof(MAGIC) - 1) != 0 ||
	    dv_oid_parse(&want, p + sizeof(MAGIC) - 1, DV_OID_HEX_SIZE))
		return false;
	size_t n = text->n - (size_t)(eol + 1 - p);
	dv_sha256(&sum, eol + 1, n);
	return dv_oid_eq(&sum, &want) &&
	       dv_lockfile_parse(out, eol + 1, n, "", "run cache") == 0 && out->n == 1 &&
	       dv_runcache_key(&out->stages[0], "", &own) == 0 && dv_oid_eq(&own, key);
}

/* Takes the outputs over that the store has whole, by their paths. */
static bool take_outs(dv_reader *reader, const dv_locked_stage *from, dv_locked_stage *s,
		      const char *folder)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_locked_path *outs;

	if (full_paths(&a, "", from, from->outs, from->nouts, &outs))
		return false;
	for (size_t i = 0; i < s->nouts; i++) {
		const char *written = s->outs[i].path;
		const dv_locked_path *found = NULL;
		dv_locked_path key = { .path = dv_locked_path_full(&a, folder, s, &s->outs[i]) };
		bool whole = !reader;

		if (key.path)
			found = bsearch(&key, outs, from->nouts, sizeof(key), compare_paths);
		if (!found || (reader && dv_sync_is_cached(reader, &found->oid, found->is_dir,
							   &whole)) || !whole)
			return false;
		s->outs[i] = *found;
		s->outs[i].path = written;
		s->outs[i].remote = NULL;
	}
	return true;
}

int dv_runcache_get(dv_repo *r, dv_reader *reader, dv_locked_stage *s, const char *folder)
{
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *path = NULL;
	dv_oid key;
	int rc = dv_runcache_key(s, folder, &key);

	if (rc)
		return rc;
	if (!(path = entry_path(r, &key)))
		return dv_err_nomem();
	if (dv_fs_read_file(&text, path, DV_RUNCACHE_MAX) || !parse_entry(&text, &key, &l) ||
	    !take_outs(reader, &l.stages[0], s, folder)) {
		dv_error_clear();
		return 0;
	}
	s->has_run = l.stages[0].has_run;
	s->run = l.stages[0].run;
	return 1;
}
