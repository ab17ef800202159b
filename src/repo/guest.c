/* SPDX-License-Identifier: Apache-2.0 */
/* Opening other repositories, and bringing their data; see guest.h. */
#include "repo/guest.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/url.h"

void dv_guest_free(dv_guest *f)
{
	if (!f)
		return;
	dv_output_list_release(&f->outputs);
	dv_repo_free(f->repo);
	dv_lock_release(&f->lock);
	free(f->url);
	free(f->shown);
	free(f->local);
	free(f->dir);
	free(f->prefix);
	free(f->path);
	free(f);
}

/* -- where it is ------------------------------------------------------------------------------- */

int dv_guest_folder(char **out, const char *url, const char *base)
{
	struct stat st;

	*out = NULL;
	if (!strncasecmp(url, "file://", 7))
		return dv_path_from_url(out, url);
	if (dv_url_scheme(url))
		return 0;
	dv_autofree char *cwd = base ? dv_strdup(base) : realpath(".", NULL);
	const char *home = getenv("HOME");
	dv_autofree char *path = !cwd ? NULL : !strncmp(url, "~/", 2) && home ?
				 dv_path_join(home, url + 2) : dv_path_join(cwd, url);
	if (!path)
		return dv_err_sys("cannot find the working folder");
	/* A folder whose name has a ':' is a folder where it is there. */
	if (dv_path_is_scp(url) && stat(path, &st))
		return 0;
	*out = dv_path_normal(path);
	return *out ? 0 : dv_err_nomem();
}

/* The folder of ours for it: in that of the user's repository, or among their caches. */
static int find_dir(dv_guest *f, const dv_guest_options *o)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const char *key = f->local ? f->local : f->url;
	char hex[DV_OID_HEX_SIZE + 1], name[] = "foreign/0123456789abcdef";
	dv_autofree char *base = NULL;
	dv_oid id;

	if (o->user)
		base = dv_strdup(o->user->dvdir);
	else if (xdg && *xdg == '/')
		base = dv_path_join(xdg, "dv");
	else if (home && *home == '/')
		base = dv_path_join(home, ".cache/dv");
	else
		return dv_err_hint(dv_err(DV_ERROR, "there is no folder for caches"),
				   "set HOME or XDG_CACHE_HOME");
	dv_sha256(&id, key, strlen(key));
	dv_oid_hex(hex, &id);
	memcpy(name + 8, hex, 16);
	f->dir = base ? dv_path_join(base, name) : NULL;
	if (!f->dir)
		return dv_err_nomem();
	dv_autofree char *lock = dv_path_join(f->dir, "lock");
	int rc = lock ? dv_fs_mkdirs(f->dir) : dv_err_nomem();
	return rc ? rc : dv_lock_take(&f->lock, lock, true, -1, "what is known of that repository");
}

/* -- git --------------------------------------------------------------------------------------- */

static int no_repository(const dv_guest *f)
{
	return dv_err_hint(dv_err(DV_ENOTFOUND, "there is no git repository in '%s'", f->shown),
			   "give the root of its work tree, or a bare repository");
}

/* In place when it is on this machine; else what is needed of it is brought. */
static int open_git(dv_guest *f, const char *rev)
{
	dv_autofree char *dir = dv_path_join(f->dir, "git");
	dv_git *g = NULL;
	int rc;

	if (!dir)
		return dv_err_nomem();
	if (!f->local && (rc = dv_git_bring(dir, f->url, rev, f->commit)))
		return rc;
	rc = dv_git_open_objects(&g, f->local ? f->local : dir);
	if (rc == DV_ENOTFOUND)
		return no_repository(f);
	if (rc)
		return rc;
	f->repo->git = g;
	if (!f->local)
		return 0;
	rc = dv_git_resolve(g, rev ? rev : "HEAD", f->commit);
	return rc ? dv_err_ctx(rc, "repository '%s'", f->shown) : 0;
}

static bool has_settings(dv_guest *f, const char *dir)
{
	dv_autofree char *path = dv_path_join(dir, ".dv/config");
	bool yes = false;

	if (!path || dv_git_has_file(f->repo->git, f->commit, path, &yes))
		dv_error_clear();
	return yes;
}

/* The workspace of dv that holds the path: the nearest folder above with settings, or all. */
static int find_workspace(dv_guest *f, const char *path)
{
	dv_autofree char *normal = dv_path_normal(path && *path ? path : ".");
	dv_auto(dv_buf) prefix = DV_BUF_INIT;

	if (!normal)
		return dv_err_nomem();
	if (!strcmp(normal, "."))
		*normal = 0;
	if (*normal && (!dv_path_is_safe(normal) || dv_repo_is_own(normal)))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is no path in a repository", path),
				   "give it relative to the root of the repository");
	dv_autofree char *dir = dv_strdup(normal);
	while (dir && *dir && !has_settings(f, dir)) {
		char *slash = strrchr(dir, '/');

		*(slash ? slash : dir) = 0;
	}
	if (!dir)
		return DV_ERROR;
	size_t n = strlen(dir);
	dv_buf_addf(&prefix, "%s%s", dir, n ? "/" : "");
	f->prefix = dv_buf_detach(&prefix);
	f->path = dv_strdup(normal + n + (n && normal[n] == '/'));
	if (!f->prefix || !f->path)
		return dv_err_nomem();
	return dv_git_set_prefix(f->repo->git, f->prefix);
}

/* -- settings ---------------------------------------------------------------------------------- */

/* What a stranger may say about a remote: where it is. */
static bool is_location(const char *key)
{
	static const char *const leaves[] = { "url", "endpointurl", "region", "addressing",
					      "anonymous", "requestpayer", NULL };
	const char *leaf = strrchr(key, '.');

	if (!strcmp(key, "core.remote"))
		return true;
	for (const char *const *l = leaves; *l && !strncmp(key, "remote.", 7); l++)
		if (!strcmp(leaf + 1, *l))
			return true;
	return false;
}

static int on_setting(const char *key, const char *value, size_t begin, size_t end, void *payload)
{
	dv_guest *f = payload;
	const char *text = value ? value : "true";

	(void)begin, (void)end;
	if (!is_location(key) || dv_config_refused(key, text))
		return 0;
	/* A folder beside its workspace means nothing where there is none. */
	if (!f->local && dv_config_is_relative(key, text))
		return 0;
	return dv_config_put(&f->repo->config, key, text, DV_CONFIG_REPO);
}

/* Takes over what the user has set for a remote at this address: the last of them counts. */
static int take_own(dv_config *c, const dv_config *own, const char *name, const char *url)
{
	dv_auto(dv_buf) key = DV_BUF_INIT;
	const char *from = NULL;
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < own->n; i++) {
		const dv_config_entry *e = &own->e[i];
		size_t len = strlen(e->key);

		if (e->level != DV_CONFIG_REPO && len > 11 && !strncmp(e->key, "remote.", 7) &&
		    !strcmp(e->key + len - 4, ".url") && !strcmp(e->value, url))
			from = e->key, n = len - 3;
	}
	for (size_t i = 0; from && !rc && i < own->n; i++) {
		const dv_config_entry *e = &own->e[i];

		if (e->level == DV_CONFIG_REPO || strncmp(e->key, from, n))
			continue;
		dv_buf_clear(&key);
		dv_buf_addf(&key, "remote.%s.%s", name, e->key + n);
		rc = key.err ? key.err : dv_config_put(c, key.p, e->value, e->level);
	}
	return rc;
}

/* The user's own settings for those remotes that they know, too. */
static int add_own(dv_guest *f, const dv_config *own)
{
	size_t n = f->repo->config.n;
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		const dv_config_entry *e = &f->repo->config.e[i];
		size_t len = strlen(e->key);

		if (len <= 11 || strcmp(e->key + len - 4, ".url") != 0)
			continue;
		dv_autofree char *name = dv_strndup(e->key + 7, len - 11);
		dv_autofree char *url = dv_strdup(e->value);
		rc = name && url ? take_own(&f->repo->config, own, name, url) : DV_ERROR;
	}
	return rc;
}

static int read_settings_at(dv_guest *f, const char *commit)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = dv_git_read_blob(f->repo->git, commit, ".dv/config", DV_CONFIG_FILE_MAX, &text);

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (!rc)
		rc = dv_config_parse(dv_buf_str(&text), text.n, ".dv/config", on_setting, f);
	return rc ? dv_err_ctx(rc, "repository '%s'", f->shown) : 0;
}

static bool names_remote(const dv_config *c)
{
	for (size_t i = 0; i < c->n; i++) {
		size_t len = strlen(c->e[i].key);

		if (len > 11 && strcmp(c->e[i].key + len - 4, ".url") == 0)
			return true;
	}
	return false;
}

/* A revision may be older than the setting that says where its data is: then HEAD's counts. */
static int read_settings_of_head(dv_guest *f)
{
	dv_autofree char *dir = dv_path_join(f->dir, "git");
	char head[DV_GIT_HEX + 1] = "";
	int rc = !dir ? dv_err_nomem() : f->local ? dv_git_resolve(f->repo->git, "HEAD", head)
						  : dv_git_bring(dir, f->url, NULL, head);

	if (rc && rc != DV_ECANCELLED) {
		dv_error_clear();
		return 0;
	}
	return rc || !strcmp(head, f->commit) ? rc : read_settings_at(f, head);
}

static int read_settings(dv_guest *f, const dv_guest_options *o)
{
	dv_auto(dv_config) own = DV_CONFIG_INIT;
	int rc = read_settings_at(f, f->commit);

	if (!rc && o->rev && !names_remote(&f->repo->config))
		rc = read_settings_of_head(f);
	if (!rc && !o->user)
		rc = dv_config_load(&own, NULL, NULL);
	return rc ? rc : add_own(f, o->user ? &o->user->config : &own);
}

/* -- the repository ---------------------------------------------------------------------------- */

/* The cache of a repository on this machine: a place, and nothing else of its settings. */
static char *find_cache(const dv_guest *f)
{
	dv_autofree char *root = dv_path_join(f->local, f->prefix);
	dv_autofree char *normal = root ? dv_path_normal(root) : NULL;
	dv_repo *r = NULL;
	char *out = NULL;

	if (!normal || dv_repo_open(&r, normal))
		dv_error_clear();
	else if (!strcmp(r->root, normal))
		out = dv_strdup(r->cache_dir);
	dv_repo_free(r);
	return out;
}

static int set_folders(dv_guest *f)
{
	dv_repo *r = f->repo;
	dv_autofree char *nowhere = dv_path_join(f->dir, "root");
	dv_autofree char *joined = f->local ? dv_path_join(f->local, f->prefix) : NULL;

	r->root = joined ? dv_path_normal(joined) : dv_steal(&nowhere);
	r->dvdir = dv_strdup(f->dir);
	r->cache_dir = f->local ? find_cache(f) : NULL;
	if (!r->cache_dir)
		r->cache_dir = dv_path_join(f->dir, "cache");
	return r->root && r->dvdir && r->cache_dir ? 0 : dv_err_nomem();
}

static int open_repo(dv_guest *f, const dv_guest_options *o)
{
	dv_repo *r = f->repo = dv_calloc(1, sizeof *f->repo);
	int rc;

	if (!r)
		return DV_ERROR;
	r->scratch = (dv_scratch)DV_SCRATCH_INIT;
	r->guest = r->has_git = true;
	if ((rc = open_git(f, o->rev)) || (rc = find_workspace(f, o->path)) ||
	    (rc = set_folders(f)) || (rc = dv_ignore_new(&r->ignore, NULL)) ||
	    (rc = read_settings(f, o)))
		return rc;
	rc = dv_repo_outputs_at(r, f->commit, &f->outputs);
	return rc ? dv_err_ctx(rc, "repository '%s'", f->shown) : 0;
}

int dv_guest_open(dv_guest **out, const dv_guest_options *o)
{
	dv_autoptr(dv_guest) f = dv_calloc(1, sizeof *f);
	int rc;

	*out = NULL;
	if (!f)
		return DV_ERROR;
	f->lock = (dv_lock)DV_LOCK_INIT;
	if ((rc = dv_git_check_url(o->url)))
		return rc;
	if (o->rev && (*o->rev == '-' || !*o->rev))
		return dv_err(DV_EUNSAFE, "refused '%s' as a revision", o->rev);
	f->url = dv_strdup(o->url);
	f->shown = dv_url_redact(o->url);
	if (!f->url || !f->shown)
		return dv_err_nomem();
	if ((rc = dv_guest_folder(&f->local, o->url, o->base)) || (rc = find_dir(f, o)) ||
	    (rc = open_repo(f, o)))
		return rc;
	*out = dv_steal(&f);
	return 0;
}

/* -- data -------------------------------------------------------------------------------------- */

bool dv_guest_has(dv_guest *f, const dv_want *w)
{
	dv_autoptr(dv_reader) reader = NULL;
	dv_store *s = NULL;
	bool yes = false;

	if (!f->local)
		return false;
	if (dv_repo_store_look(f->repo, &s) || dv_reader_new(&reader, s) ||
	    dv_sync_is_cached(reader, &w->oid, w->is_tree, &yes))
		dv_error_clear();
	return yes;
}

static void add_moved(dv_move_stats *sum, const dv_move_stats *m)
{
	if (!sum)
		return;
	sum->objects += m->objects;
	sum->chunks += m->chunks;
	sum->packs += m->packs;
	sum->bytes += m->bytes;
	sum->files += m->files;
	sum->requests += m->requests;
}

/* Where a batch of wants comes from: its cache (a store as every remote is), or a remote. */
static int open_place(dv_guest *f, bool cache, const char *remote, int jobs,
		      dv_remote_store **out)
{
	const dv_sync_how how = { .jobs = jobs };
	dv_autofree char *mirror = dv_path_join(f->dir, "remotes/cache");
	const dv_remote_options o = { .name = "cache", .url = f->repo->cache_dir,
				      .mirror_dir = mirror, .url_is_own = true };

	if (!mirror)
		return dv_err_nomem();
	if (cache)
		return dv_remote_store_open(out, &o);
	int rc = dv_sync_remote_open(f->repo, remote, &how, out, NULL);
	if (rc == DV_ENOTFOUND || rc == DV_EUSAGE)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "nothing in '%s' tells where its data is: "
					  "it names no remote at this revision", f->shown),
				   "its owner adds one with 'dv remote add -d NAME URL', and "
				   "commits .dv/config");
	return rc;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* All that come from the same place as the one at `from`; what is done is marked. */
static int fetch_group(dv_guest *f, dv_store *into, const dv_guest_want *w, size_t n,
		       size_t from, char *done, int jobs, dv_move_stats *moved)
{
	dv_autofree dv_want *wants = dv_calloc(n, sizeof *wants);
	dv_autoptr(dv_remote_store) place = NULL;
	const dv_move_options mo = { .jobs = jobs };
	dv_move_stats m = { 0 };
	char kind = done[from];
	size_t k = 0;

	if (!wants)
		return DV_ERROR;
	for (size_t i = from; i < n; i++)
		if (done[i] == kind && (kind == 'c' || same(w[i].remote, w[from].remote))) {
			wants[k++] = w[i].want;
			done[i] = 'd';
		}
	int rc = open_place(f, kind == 'c', w[from].remote, jobs, &place);
	if (!rc)
		rc = dv_transfer_fetch(into, place, wants, k, &mo, &m);
	add_moved(moved, &m);
	return rc;
}

int dv_guest_fetch(dv_guest *f, dv_store *into, const dv_guest_want *w, size_t n, int jobs,
		   dv_move_stats *moved)
{
	dv_autofree char *from = dv_calloc(n + 1, 1);
	dv_autoptr(dv_reader) reader = NULL;
	int rc = from ? dv_reader_new(&reader, into) : DV_ERROR;

	/* 'd' done, 'c' from its cache, 'r' from a remote. */
	for (size_t i = 0; !rc && i < n; i++) {
		bool here = false;

		rc = dv_sync_is_cached(reader, &w[i].want.oid, w[i].want.is_tree, &here);
		from[i] = here ? 'd' : dv_guest_has(f, &w[i].want) ? 'c' : 'r';
	}
	for (size_t i = 0; !rc && i < n; i++)
		if (from[i] != 'd')
			rc = fetch_group(f, into, w, n, i, from, jobs, moved);
	return rc;
}
