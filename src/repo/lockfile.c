/* SPDX-License-Identifier: Apache-2.0 */
/* Lock files: reading, changing and printing them. */
#include "repo/lockfile.h"

#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/utf8.h"
#include "base/yaml_block.h"
#include "repo/conflict.h"
#include "repo/repo.h"

#define SCHEMA "dv 1"
#define REMOTE_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

void dv_lockfile_release(dv_lockfile *l)
{
	free(l->stages);
	dv_arena_release(&l->arena);
	*l = (dv_lockfile)DV_LOCKFILE_INIT;
}

const char *dv_locked_path_full(dv_arena *a, const char *dir, const dv_locked_stage *s,
				const dv_locked_path *p)
{
	/* Nearly always there is nothing to resolve. */
	if (strcmp(s->wdir, ".") == 0 && dv_path_is_safe(p->path))
		return *dir ? dv_arena_printf(a, "%s/%s", dir, p->path) : p->path;
	dv_autofree char *in = dv_path_join(dir, s->wdir);
	dv_autofree char *joined = in ? dv_path_join(in, p->path) : NULL;
	dv_autofree char *normal = joined ? dv_path_normal(joined) : NULL;

	return normal ? dv_arena_strdup(a, normal) : NULL;
}

/* -- reading ----------------------------------------------------------------------------------- */

typedef struct reading {
	dv_lockfile *l;
	const char *dir;
	bool outs_only;
} reading;

static int malformed(const dv_value *v, const char *what)
{
	return dv_err_at(DV_ECORRUPT, &v->at, "malformed '%s'", what);
}

static int read_oid(dv_value *v, const char *what, dv_oid *out)
{
	if (v->kind != DV_VALUE_STRING || dv_oid_parse_text(out, v->s))
		return malformed(v, what);
	return 0;
}

static int read_size(dv_value *v, const char *what, uint64_t *out)
{
	if (v->kind != DV_VALUE_INT || v->s || v->i < 0)
		return malformed(v, what);
	*out = (uint64_t)v->i;
	return 0;
}

static int read_field(const char *key, dv_value *v, dv_locked_path *p, bool *has_oid)
{
	if (!strcmp(key, "path")) {
		p->path = v->s;
		return v->kind == DV_VALUE_STRING && *v->s ? 0 : malformed(v, key);
	}
	if (!strcmp(key, "oid")) {
		*has_oid = true;
		return read_oid(v, key, &p->oid);
	}
	if (!strcmp(key, "size"))
		return read_size(v, key, &p->size);
	if (!strcmp(key, "nfiles")) {
		p->is_dir = true;
		return read_size(v, key, &p->nfiles);
	}
	if (!strcmp(key, "remote")) {
		p->remote = v->s;
		return v->kind == DV_VALUE_STRING && *v->s && !v->s[strspn(v->s, REMOTE_CHARS)]
			       ? 0 : malformed(v, key);
	}
	bool *flag = !strcmp(key, "isexec") ? &p->isexec : !strcmp(key, "cache") ? &p->no_cache :
		     !strcmp(key, "push") ? &p->no_push : NULL;
	if (!flag)
		return 0;
	*flag = flag == &p->isexec ? v->b : !v->b;
	return v->kind == DV_VALUE_BOOL ? 0 : malformed(v, key);
}

/* Where an output stands, and that it may. */
static int place_output(reading *r, const dv_locked_stage *s, const dv_spot *at, dv_locked_path *p)
{
	p->full = dv_locked_path_full(&r->l->arena, r->dir, s, p);
	if (!p->full)
		return DV_ERROR;
	if (!dv_path_is_safe(p->full))
		return dv_err_at(DV_EUNSAFE, at, "the output '%s' is outside the workspace",
				 p->path);
	if (dv_repo_is_own(p->full))
		return dv_err_at(DV_EUNSAFE, at, "the output '%s' lies in a folder of git or dv",
				 p->path);
	if (dv_repo_is_meta(dv_path_base(p->full)))
		return dv_err_at(DV_EUNSAFE, at, "the output '%s' belongs to dv or git itself",
				 p->path);
	if (*r->dir && dv_path_below(r->dir, p->full, NULL))
		return dv_err_at(DV_EUNSAFE, at, "the output '%s' holds the lock file itself",
				 p->path);
	return 0;
}

static int read_paths(reading *r, const dv_locked_stage *s, dv_value *list, const char *what,
		      bool outs, dv_locked_path **out, size_t *n)
{
	dv_arena *a = &r->l->arena;

	if (!list)
		return 0;
	if (list->kind != DV_VALUE_LIST)
		return malformed(list, what);
	*out = dv_arena_alloc(a, (list->n + 1) * sizeof(**out));
	for (size_t i = 0; *out && i < list->n; i++) {
		dv_locked_path *p = &(*out)[i];
		dv_value *v = list->items[i];
		bool has_oid = false;
		int rc = v->kind == DV_VALUE_DICT ? 0 : malformed(v, what);

		for (size_t k = 0; rc == 0 && k < v->n; k++)
			rc = read_field(v->members[k].key, v->members[k].value, p, &has_oid);
		if (rc == 0 && (!p->path || !has_oid))
			rc = malformed(v, what);
		if (rc)
			return rc;
		if (outs && (rc = place_output(r, s, &v->at, p)))
			return rc;
	}
	*n = *out ? list->n : 0;
	return *out ? 0 : DV_ERROR;
}

static int keep(reading *r, dv_locked_stage *s, const dv_member *m)
{
	dv_arena *a = &r->l->arena;

	if (!s->extra)
		s->extra = dv_value_new(a, DV_VALUE_DICT, &m->at);
	return s->extra ? dv_value_set(a, s->extra, m->key, &m->at, m->value) : DV_ERROR;
}

static int read_stage(reading *r, const dv_member *m, dv_locked_stage *s)
{
	dv_value *body = m->value, *wdir = dv_value_get(body, "wdir");
	int rc = body->kind == DV_VALUE_DICT ? 0 : malformed(body, m->key);

	*s = (dv_locked_stage){ .name = m->key, .wdir = ".", .cmd = dv_value_get(body, "cmd"),
				.params = dv_value_get(body, "params") };
	if (rc == 0 && !s->cmd)
		rc = malformed(body, m->key);
	if (r->outs_only)
		s->cmd = s->params = NULL;
	if (rc == 0 && wdir && wdir->kind != DV_VALUE_STRING)
		rc = malformed(wdir, "wdir");
	if (rc == 0 && wdir)
		s->wdir = wdir->s;
	if (rc == 0 && s->params && s->params->kind != DV_VALUE_DICT)
		rc = malformed(s->params, "params");
	if (rc == 0 && !r->outs_only)
		rc = read_paths(r, s, dv_value_get(body, "deps"), "deps", false, &s->deps,
				&s->ndeps);
	if (rc == 0)
		rc = read_paths(r, s, dv_value_get(body, "outs"), "outs", true, &s->outs,
				&s->nouts);
	for (size_t i = 0; rc == 0 && i < body->n; i++) {
		static const char *const known[] = { "cmd", "wdir", "deps", "params", "outs",
						     NULL };
		const dv_member *k = &body->members[i];
		const char *const *w = known;

		while (*w && strcmp(*w, k->key) != 0)
			w++;
		if (!strcmp(k->key, "run")) {
			s->has_run = true;
			rc = read_oid(k->value, "run", &s->run);
		} else if (!*w) {
			rc = keep(r, s, k);
		}
	}
	return rc;
}

static int compare_stages(const void *a, const void *b)
{
	return strcmp(((const dv_locked_stage *)a)->name, ((const dv_locked_stage *)b)->name);
}

static int read_stages(reading *r, dv_value *root)
{
	dv_value *schema = dv_value_get(root, "schema"), *stages = dv_value_get(root, "stages");
	dv_lockfile *l = r->l;

	if (root->kind == DV_VALUE_NULL)
		return 0;
	if (root->kind != DV_VALUE_DICT || !schema || schema->kind != DV_VALUE_STRING)
		return dv_err_at(DV_ECORRUPT, &root->at, "this is no lock file of dv");
	if (strcmp(schema->s, SCHEMA) != 0)
		return dv_err_hint(dv_err_at(DV_ERROR, &schema->at, "the lock file has the schema "
					     "'%s', this dv knows '%s'", schema->s, SCHEMA),
				   "upgrade dv");
	if (!stages || stages->kind == DV_VALUE_NULL)
		return 0;
	if (stages->kind != DV_VALUE_DICT)
		return malformed(stages, "stages");
	for (size_t i = 0; i < stages->n; i++) {
		int rc = dv_grow(&l->stages, &l->cap, l->n + 1, sizeof(*l->stages));

		if (rc || (rc = read_stage(r, &stages->members[i], &l->stages[l->n])))
			return rc;
		l->n++;
	}
	if (l->n)
		qsort(l->stages, l->n, sizeof(*l->stages), compare_stages);
	return 0;
}

/* The comment lines before anything else. */
static size_t head_comment(const char *text, size_t n)
{
	size_t at = 0;

	while (at < n && text[at] == '#') {
		const char *eol = memchr(text + at, '\n', n - at);

		if (!eol)
			return at;
		at = (size_t)(eol - text) + 1;
	}
	return at;
}

/* May a comment hold it? Not what YAML allows nowhere, nor what some take for the end of a line. */
static bool is_clean(const char *p, size_t n)
{
	static const char *const never[] = { "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
					     "\xef\xbf\xbe", "\xef\xbf\xbf" };
	const char *end = p + n;

	for (size_t k; p < end; p += k) {
		uint8_t c = (uint8_t)*p;

		k = dv_utf8_size(p, end);
		if (k == 0 || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f ||
		    (k == 2 && c == 0xc2 && (uint8_t)p[1] < 0xa0))
			return false;
		for (size_t i = 0; k == 3 && i < sizeof(never) / sizeof(*never); i++)
			if (!memcmp(p, never[i], 3))
				return false;
	}
	return true;
}

/* Nothing but comments? */
static bool is_blank(const char *text, size_t n)
{
	size_t at = head_comment(text, n);

	while (at < n && (text[at] == '\n' || text[at] == ' '))
		at++;
	return at == n;
}

/* What is no YAML is as damaged as what is no lock file. */
static int as_damage(void)
{
	dv_error e;

	dv_error_take(&e);
	e.code = DV_ECORRUPT;
	return dv_error_put(&e);
}

static int parse_yaml(reading *r, const char *text, size_t n, const char *name, dv_value **root)
{
	static const char *const rest[] = { "cmd", "deps", "params", NULL };
	dv_arena *a = &r->l->arena;
	int rc = 1;

	if (r->outs_only && !memchr(text, 0, n))
		rc = dv_yaml_block_parse_part(a, text, n, name, rest, 2, root);
	return rc > 0 ? dv_yaml_parse(a, text, n, name, root) : rc;
}

static int parse(dv_lockfile *out, const char *text, size_t n, const char *dir, const char *name,
		 bool outs_only)
{
	dv_auto(dv_lockfile) l = DV_LOCKFILE_INIT;
	reading r = { &l, dir, outs_only };
	dv_value *root;

	*out = (dv_lockfile)DV_LOCKFILE_INIT;
	if (dv_conflict_has(text, n))
		return dv_conflict_hint(dv_err(DV_ECORRUPT, "'%s' has conflict markers of git",
					       name), name);
	size_t head = head_comment(text, n);
	if (head && is_clean(text, head) && !(l.comment = dv_arena_strndup(&l.arena, text, head)))
		return DV_ERROR;
	if (is_blank(text, n)) {
		*out = l;
		l = (dv_lockfile)DV_LOCKFILE_INIT;
		return 0;
	}
	const char *own = dv_arena_strdup(&l.arena, name);
	if (!own)
		return DV_ERROR;
	int rc = parse_yaml(&r, text, n, own, &root) ? as_damage() : read_stages(&r, root);
	if (rc == DV_ECORRUPT && !*dv_error_last()->hint)
		dv_err_hint(rc, "take it back from git: 'git checkout -- %s'", name);
	if (rc)
		return rc;
	*out = l;
	l = (dv_lockfile)DV_LOCKFILE_INIT;
	return 0;
}

int dv_lockfile_parse(dv_lockfile *out, const char *text, size_t n, const char *dir,
		      const char *name)
{
	return parse(out, text, n, dir, name, false);
}

int dv_lockfile_parse_outs(dv_lockfile *out, const char *text, size_t n, const char *dir,
			   const char *name)
{
	return parse(out, text, n, dir, name, true);
}

int dv_lockfile_read(dv_lockfile *out, const char *path, const char *dir, const char *name)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_fs_read_file(&text, path, DV_LOCKFILE_MAX);

	*out = (dv_lockfile)DV_LOCKFILE_INIT;
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	return rc ? rc : dv_lockfile_parse(out, dv_buf_str(&text), text.n, dir, name);
}

/* -- changing ---------------------------------------------------------------------------------- */

static size_t place_of(const dv_lockfile *l, const char *name, bool *found)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int c = strcmp(l->stages[mid].name, name);

		*found = c == 0;
		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = false;
	return low;
}

dv_locked_stage *dv_lockfile_find(const dv_lockfile *l, const char *name)
{
	bool found;
	size_t i = place_of(l, name, &found);

	return found ? &l->stages[i] : NULL;
}

bool dv_lockfile_drop(dv_lockfile *l, const char *name)
{
	bool found;
	size_t i = place_of(l, name, &found);

	if (found) {
		l->n--;
		memmove(&l->stages[i], &l->stages[i + 1], (l->n - i) * sizeof(*l->stages));
	}
	return found;
}

static int copy_paths(dv_arena *a, dv_locked_path **paths, size_t n)
{
	dv_locked_path *copy = dv_arena_alloc(a, (n + 1) * sizeof(*copy));

	if (!copy)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++) {
		copy[i] = (*paths)[i];
		copy[i].path = dv_arena_strdup(a, copy[i].path);
		copy[i].full = NULL;
		if (copy[i].remote)
			copy[i].remote = dv_arena_strdup(a, copy[i].remote);
		if (!copy[i].path || (!copy[i].remote && (*paths)[i].remote))
			return DV_ERROR;
	}
	*paths = copy;
	return 0;
}

int dv_lockfile_put(dv_lockfile *l, const dv_locked_stage *s)
{
	dv_arena *a = &l->arena;
	dv_locked_stage copy = *s;
	bool found;
	size_t i = place_of(l, s->name, &found);
	int rc = copy_paths(a, &copy.deps, s->ndeps);

	if (rc || (rc = copy_paths(a, &copy.outs, s->nouts)))
		return rc;
	copy.fresh = true;
	copy.name = dv_arena_strdup(a, s->name);
	copy.wdir = dv_arena_strdup(a, s->wdir);
	copy.cmd = dv_value_copy(a, s->cmd);
	copy.params = s->params ? dv_value_copy(a, s->params) : NULL;
	copy.extra = s->extra ? dv_value_copy(a, s->extra) : NULL;
	if (!copy.name || !copy.wdir || !copy.cmd || (s->params && !copy.params) ||
	    (s->extra && !copy.extra))
		return DV_ERROR;
	if (found) {
		l->stages[i] = copy;
		return 0;
	}
	if ((rc = dv_grow(&l->stages, &l->cap, l->n + 1, sizeof(*l->stages))))
		return rc;
	memmove(&l->stages[i + 1], &l->stages[i], (l->n - i) * sizeof(*l->stages));
	l->stages[i] = copy;
	l->n++;
	return 0;
}

/* An output of a stage, while it is found out who makes it. */
typedef struct claim {
	const char *path;
	size_t stage;
} claim;

/* '/' before all other bytes, so that what is in a folder follows it at once. */
static int compare_claims(const void *x, const void *y)
{
	const char *a = ((const claim *)x)->path, *b = ((const claim *)y)->path;

	while (*a && *a == *b)
		a++, b++;
	unsigned c = *a == '/' ? 1 : *a ? (unsigned char)*a + 1u : 0;
	unsigned d = *b == '/' ? 1 : *b ? (unsigned char)*b + 1u : 0;

	return (c > d) - (c < d);
}

static int find_claims(dv_lockfile *l, const char *dir, claim **out, size_t *n)
{
	size_t cap = 0;
	int rc = 0;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; rc == 0 && k < l->stages[i].nouts; k++) {
			const dv_locked_stage *s = &l->stages[i];
			const char *path = dv_locked_path_full(&l->arena, dir, s, &s->outs[k]);

			rc = path ? dv_grow(out, &cap, *n + 1, sizeof(**out)) : DV_ERROR;
			if (rc == 0)
				(*out)[(*n)++] = (claim){ path, i };
		}
	return rc;
}

int dv_lockfile_settle(dv_lockfile *l, const char *dir)
{
	dv_autofree bool *drop = dv_calloc(l->n + 1, sizeof(*drop));
	dv_autofree claim *c = NULL;
	size_t n = 0, kept = 0, outer = 0;
	int rc = drop ? find_claims(l, dir, &c, &n) : DV_ERROR;

	if (rc)
		return rc;
	if (n > 1)
		qsort(c, n, sizeof(*c), compare_claims);
	for (size_t i = 1; i < n; i++) {
		size_t a = c[outer].stage, b = c[i].stage;

		if (drop[b])
			continue;
		if (drop[a] || !dv_path_below(c[i].path, c[outer].path, NULL)) {
			outer = i;
		} else if (l->stages[a].fresh && !l->stages[b].fresh) {
			drop[b] = true;
		} else if (l->stages[b].fresh && !l->stages[a].fresh) {
			drop[a] = true;
			outer = i;
		}
	}
	for (size_t i = 0; i < l->n; i++)
		if (!drop[i])
			l->stages[kept++] = l->stages[i];
	l->n = kept;
	return 0;
}

/* -- printing ---------------------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const dv_locked_path *)a)->path, ((const dv_locked_path *)b)->path);
}

static void print_oid(dv_buf *out, const char *key, const dv_oid *oid)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, oid);
	dv_buf_addf(out, "%s: sha256:%s\n", key, hex);
}

static int print_paths(dv_buf *out, const char *key, const dv_locked_path *paths, size_t n)
{
	dv_autofree dv_locked_path *sorted = dv_reallocarray(NULL, n + 1, sizeof(*sorted));

	if (!sorted)
		return DV_ERROR;
	if (n == 0)
		return 0;
	memcpy(sorted, paths, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_paths);
	dv_buf_addf(out, "    %s:\n", key);
	for (size_t i = 0; i < n; i++) {
		const dv_locked_path *p = &sorted[i];

		dv_buf_adds(out, "    - path: ");
		dv_yaml_quote(out, p->path);
		dv_buf_addc(out, '\n');
		print_oid(out, "      oid", &p->oid);
		dv_buf_addf(out, "      size: %llu\n", (unsigned long long)p->size);
		if (p->is_dir)
			dv_buf_addf(out, "      nfiles: %llu\n", (unsigned long long)p->nfiles);
		dv_buf_adds(out, p->isexec ? "      isexec: true\n" : "");
		dv_buf_adds(out, p->no_cache ? "      cache: false\n" : "");
		dv_buf_adds(out, p->no_push ? "      push: false\n" : "");
		if (p->remote) {
			dv_buf_adds(out, "      remote: ");
			dv_yaml_quote(out, p->remote);
			dv_buf_addc(out, '\n');
		}
	}
	return out->err;
}

static void print_pair(dv_buf *out, const char *indent, const char *key, const dv_value *v)
{
	dv_buf_adds(out, indent);
	dv_yaml_quote(out, key);
	dv_buf_adds(out, ": ");
	dv_value_yaml(out, v);
	dv_buf_addc(out, '\n');
}

static void print_params(dv_buf *out, const dv_value *params)
{
	dv_buf_adds(out, "    params:\n");
	for (size_t i = 0; i < params->n; i++) {
		const dv_member *file = &params->members[i];

		if (file->value->kind != DV_VALUE_DICT || file->value->n == 0) {
			print_pair(out, "      ", file->key, file->value);
			continue;
		}
		dv_buf_adds(out, "      ");
		dv_yaml_quote(out, file->key);
		dv_buf_adds(out, ":\n");
		for (size_t k = 0; k < file->value->n; k++)
			print_pair(out, "        ", file->value->members[k].key,
				   file->value->members[k].value);
	}
}

static void print_cmd(dv_buf *out, const dv_value *cmd)
{
	if (cmd->kind != DV_VALUE_LIST) {
		print_pair(out, "    ", "cmd", cmd);
		return;
	}
	dv_buf_adds(out, "    cmd:\n");
	for (size_t i = 0; i < cmd->n; i++) {
		dv_buf_adds(out, "    - ");
		dv_value_yaml(out, cmd->items[i]);
		dv_buf_addc(out, '\n');
	}
}

int dv_locked_stage_print(dv_buf *out, const dv_locked_stage *s)
{
	int rc;

	dv_buf_adds(out, "  ");
	dv_yaml_quote(out, s->name);
	dv_buf_adds(out, ":\n");
	print_cmd(out, s->cmd);
	if (strcmp(s->wdir, ".") != 0) {
		dv_buf_adds(out, "    wdir: ");
		dv_yaml_quote(out, s->wdir);
		dv_buf_addc(out, '\n');
	}
	if ((rc = print_paths(out, "deps", s->deps, s->ndeps)))
		return rc;
	if (s->params && s->params->n)
		print_params(out, s->params);
	if ((rc = print_paths(out, "outs", s->outs, s->nouts)))
		return rc;
	if (s->has_run)
		print_oid(out, "    run", &s->run);
	for (size_t i = 0; s->extra && i < s->extra->n; i++)
		print_pair(out, "    ", s->extra->members[i].key, s->extra->members[i].value);
	return out->err;
}

bool dv_locked_stage_equal(const dv_locked_stage *a, const dv_locked_stage *b)
{
	dv_auto(dv_buf) x = DV_BUF_INIT, y = DV_BUF_INIT;

	return dv_locked_stage_print(&x, a) == 0 && dv_locked_stage_print(&y, b) == 0 &&
	       x.n == y.n && memcmp(x.p, y.p, x.n) == 0;
}

int dv_lockfile_print(dv_buf *out, const dv_lockfile *l)
{
	dv_buf_adds(out, l->comment ? l->comment : "");
	dv_buf_adds(out, "schema: " SCHEMA "\nstages:\n");
	for (size_t i = 0; i < l->n; i++) {
		int rc = dv_locked_stage_print(out, &l->stages[i]);

		if (rc)
			return rc;
	}
	return out->err;
}
