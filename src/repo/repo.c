/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a workspace, and what is opened on first use. */
#include "repo/repo.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/clone.h"
#include "git/index.h"
#include "repo/lockfile.h"

void dv_repo_free(dv_repo *r)
{
	if (!r)
		return;
	dv_scratch_release(&r->scratch);
	dv_store_free(r->store);
	dv_statcache_free(r->statcache);
	dv_git_free(r->git);
	dv_ignore_free(r->ignore);
	dv_config_release(&r->config);
	dv_git_dirs_release(&r->dirs);
	free(r->root);
	free(r->dvdir);
	free(r->cache_dir);
	free(r);
}

const char *dv_repo_root(const dv_repo *r)
{
	return r->root;
}

const char *dv_repo_cache_dir(const dv_repo *r)
{
	return r->cache_dir;
}

/* -- opening ----------------------------------------------------------------------------------- */

/* 1 when `dir` has a .dv folder, 0 when not. */
static int has_dv(const char *dir)
{
	dv_autofree char *dot = dv_path_join(dir, ".dv");
	dv_autofree char *config = dot ? dv_path_join(dot, "config") : NULL;
	struct stat st;

	if (!config)
		return dv_err_nomem();
	if (lstat(dot, &st))
		return 0;
	if (S_ISLNK(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is a symbolic link", dot),
				   "replace it with a folder; dv does not follow it");
	/* A folder of that name that dv did not make is passed over. */
	return S_ISDIR(st.st_mode) && lstat(config, &st) == 0;
}

static int find_root(char **root, const char *path)
{
	dv_autofree char *dir = realpath(path ? path : ".", NULL);
	struct stat st;

	if (!dir)
		return dv_err_sys("cannot open '%s'", path ? path : ".");
	if (!stat(dir, &st) && !S_ISDIR(st.st_mode)) {
		char *parent = dv_path_dir(dir);
		free(dir);
		dir = parent;
	}
	while (dir) {
		int rc = has_dv(dir);
		if (rc < 0)
			return rc;
		if (rc) {
			*root = dv_steal(&dir);
			return 0;
		}
		char *slash = strrchr(dir, '/');
		if (!slash || !dir[1])
			break;
		slash[slash == dir] = 0;
		if (dv_git_is_ceiling(dir))
			break;
	}
	return dv_err_hint(dv_err(DV_ENOREPO, "not inside a dv repository"),
			   "run 'dv init' at the root of your project");
}

static int find_settings(const dv_gitindex_entry *e, void *payload)
{
	bool *there = payload;
	int c = strcmp(e->path, ".dv/config");

	*there |= c == 0 && e->skip_worktree;
	return c >= 0;
}

/* Was the work tree not checked out yet, of a commit that has settings? */
static bool is_to_check_out(const dv_git_dirs *d)
{
	dv_autoptr(dv_git) g = NULL;
	bool there = false;

	if (!d->workdir || dv_git_open_objects(&g, d->workdir) < 0 ||
	    dv_git_has_file(g, "HEAD", ".dv/config", &there) < 0)
		dv_error_clear();
	return there;
}

/* A sparse checkout may leave out the folder .dv: git's index knows that the root of the work tree
 * is one of a dv repository. Its own settings count, then, those of the folder do not. */
static int find_sparse_root(char **root, const char *path)
{
	dv_auto(dv_git_dirs) d = DV_GIT_DIRS_INIT;
	dv_auto(dv_gitindex) x = DV_GITINDEX_INIT;
	dv_autofree char *dir = realpath(path ? path : ".", NULL);
	dv_autofree char *index = NULL;
	bool there = false, failed;
	dv_error first;

	dv_error_take(&first);
	failed = dir && dv_git_discover(&d, dir) < 0;
	if (dir && !failed && d.workdir &&
	    (index = dv_path_join(d.gitdir, "info/sparse-checkout")) && !access(index, F_OK)) {
		free(index);
		index = dv_path_join(d.gitdir, "index");
		if (index && !dv_gitindex_read(&x, index) &&
		    dv_gitindex_each(&x, find_settings, &there) >= 0 && there)
			*root = dv_strdup(d.workdir);
	}
	if (*root) {
		dv_error_clear();
		return 0;
	}
	/* A bare repository, or a damaged ".git": there is nothing to be made with 'dv init'. */
	if (failed) {
		dv_error e;

		dv_error_take(&e);
		return dv_err_hint(dv_err(DV_ENOREPO, "not inside a dv repository: %s", e.message),
				   "%s", e.hint);
	}
	if (is_to_check_out(&d))
		return dv_err_hint(dv_err(DV_ENOREPO, "not inside a dv repository: the work tree "
					  "'%s' lacks the folder '.dv' that its last commit has",
					  d.workdir),
				   "run 'git checkout' first, or 'git restore .dv' where only that "
				   "is gone");
	return dv_error_put(&first);
}

static int set_dirs(dv_repo *r)
{
	dv_auto(dv_git_dirs) d = DV_GIT_DIRS_INIT;
	dv_autofree char *marker = dv_path_join(r->root, ".dv/no-scm");

	if (!marker)
		return dv_err_nomem();
	/* Made with --no-scm: stays without git also when git comes later. */
	int rc = access(marker, F_OK) == 0 ? 0 : dv_git_discover(&d, r->root);
	if (rc)
		return rc;
	r->has_git = d.workdir != NULL;
	r->dvdir = r->has_git ? dv_path_join(d.commondir, "dv") : dv_path_join(r->root, ".dv");
	r->dirs = d;
	d = (dv_git_dirs)DV_GIT_DIRS_INIT;
	return r->dvdir ? 0 : dv_err_nomem();
}

static char *local_config(const dv_repo *r)
{
	return dv_path_join(r->dvdir, r->has_git ? "config" : "config.local");
}

static int set_cache_dir(dv_repo *r)
{
	const char *dir = dv_config_string(&r->config, "cache.dir", NULL);
	const char *home = getenv("HOME");
	dv_autofree char *joined = NULL;

	if (!dir || !*dir)
		joined = dv_path_join(r->dvdir, "cache");
	else if (!strncmp(dir, "~/", 2) && home)
		joined = dv_path_join(home, dir + 2);
	else
		joined = dv_path_join(r->root, dir);
	char *normal = joined ? dv_path_normal(joined) : NULL;
	if (!normal)
		return dv_err_nomem();
	free(r->cache_dir);
	r->cache_dir = normal;
	return 0;
}

int dv_repo_reload_config(dv_repo *r)
{
	dv_autofree char *local = local_config(r);

	if (!local)
		return dv_err_nomem();
	int rc = dv_config_load(&r->config, r->root, local);
	if (!rc && !r->store)
		rc = set_cache_dir(r);
	return rc;
}

int dv_repo_open(dv_repo **out, const char *path)
{
	dv_autoptr(dv_repo) r = dv_calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return DV_ERROR;
	r->scratch = (dv_scratch)DV_SCRATCH_INIT;
	int rc = find_root(&r->root, path);
	if (rc == DV_ENOREPO)
		rc = find_sparse_root(&r->root, path);
	if (!rc)
		rc = set_dirs(r);
	if (!rc)
		rc = dv_repo_reload_config(r);
	if (!rc)
		rc = dv_ignore_new(&r->ignore, r->root);
	if (rc)
		return rc;
	*out = dv_steal(&r);
	return 0;
}

int dv_repo_open_apart(dv_repo **out, const char *root, const char *cache)
{
	dv_autoptr(dv_repo) r = NULL;
	int rc = dv_repo_open(&r, root);

	*out = NULL;
	if (rc)
		return rc;
	r->apart = true;
	free(r->cache_dir);
	r->cache_dir = dv_path_normal(cache);
	if (r->has_git) {
		free(r->dvdir);
		r->dvdir = dv_path_join(r->dirs.gitdir, "dv");
	}
	if (!r->cache_dir || !r->dvdir)
		return dv_err_nomem();
	*out = dv_steal(&r);
	return 0;
}

/* -- on first use ------------------------------------------------------------------------------ */

int dv_repo_git(dv_repo *r, dv_git **out)
{
	*out = NULL;
	if (!r->has_git)
		return dv_err_hint(dv_err(DV_ERROR, "this needs git, and the workspace has none"),
				   "run 'git init' and 'dv init' to have revisions");
	int rc = r->git ? 0 : dv_git_open(&r->git, &r->dirs, r->root);
	*out = r->git;
	return rc;
}

int dv_repo_statcache(dv_repo *r, dv_statcache **out)
{
	int rc = r->statcache ? 0 : dv_statcache_open(&r->statcache, r->dvdir, r->root);

	*out = r->statcache;
	return rc;
}

/* Leaves word in the cache that this workspace uses it, so that gc keeps what it needs, whoever
 * runs it. */
static int register_in_cache(const dv_repo *r)
{
	dv_autofree char *dir = dv_path_join(r->cache_dir, "repos");
	dv_autofree char *path = NULL;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;

	dv_sha256(&id, r->root, strlen(r->root));
	dv_oid_hex(hex, &id);
	if (!dir || !(path = dv_path_join(dir, hex)))
		return dv_err_nomem();
	if (access(path, F_OK) == 0)
		return 0;
	int rc = dv_fs_mkdirs(dir);
	if (!rc)
		rc = dv_fs_write_file(path, r->root, strlen(r->root), DV_ATOMIC_SYNC);
	if (rc && access(r->cache_dir, W_OK)) {
		/* Nobody adds to a cache that only can be read, and its owner looks after it. */
		dv_error_clear();
		return 0;
	}
	return rc;
}

static int open_store(dv_repo *r, unsigned flags)
{
	dv_autoptr(dv_store) s = NULL;
	int rc = dv_store_open(&s, r->cache_dir, flags);

	if (!rc)
		rc = dv_store_lock(s, false, -1);
	if (!rc)
		r->store = dv_steal(&s);
	return rc;
}

int dv_repo_store_look(dv_repo *r, dv_store **out)
{
	/* Taken already, but for an operation before this one that failed to keep it. */
	int rc = r->store ? dv_store_lock(r->store, false, -1) : open_store(r, DV_STORE_LOOK);

	*out = r->store;
	return rc;
}

int dv_repo_store(dv_repo *r, dv_store **out)
{
	int rc;

	*out = NULL;
	if (r->store && dv_store_is_absent(r->store)) {
		/* An operation before this one only looked. */
		dv_store_free(r->store);
		r->store = NULL;
	}
	rc = r->store ? dv_store_lock(r->store, false, -1) : open_store(r, DV_STORE_CREATE);
	if (!rc && !r->guest && !r->apart)
		rc = register_in_cache(r);
	*out = rc ? NULL : r->store;
	return rc;
}

int dv_repo_lock(dv_repo *r, dv_lock *out)
{
	char hex[DV_OID_HEX_SIZE + 1], name[] = "lock-0123456789abcdef";
	dv_autofree char *path = NULL;
	dv_oid id;

	/* Work trees of one repository share the folder, and are changed independently. */
	dv_sha256(&id, r->root, strlen(r->root));
	dv_oid_hex(hex, &id);
	memcpy(name + 5, hex, 16);
	path = dv_path_join(r->dvdir, name);
	if (!path)
		return dv_err_nomem();
	int rc = dv_fs_mkdirs(r->dvdir);
	if (!rc)
		rc = dv_lock_take(out, path, true, -1, "this workspace");
	return rc ? rc : dv_scratch_open(&r->scratch, r->dvdir);
}

bool dv_repo_autostage(const dv_repo *r, bool no_stage)
{
	return r->has_git && !no_stage && dv_config_bool(&r->config, "core.autostage", true);
}

/* -- paths ------------------------------------------------------------------------------------- */

char *dv_repo_abs(const dv_repo *r, const char *rel)
{
	return *rel ? dv_path_join(r->root, rel) : dv_strdup(r->root);
}

/* The real path of the longest part of `dir` that exists, with the rest behind it. */
static char *real_dir(const char *dir)
{
	dv_autofree char *head = dv_strdup(dir);

	while (head && *head) {
		char *real = realpath(head, NULL);
		if (real) {
			const char *rest = dir + strlen(head);
			char *out = *rest ? dv_path_join(real, rest + (*rest == '/')) :
					    dv_strdup(real);
			free(real);
			return out;
		}
		char *slash = strrchr(head, '/');
		if (!slash)
			break;
		slash[slash == head] = 0;
	}
	return dv_strdup(dir);
}

/* No component but the last may be a symbolic link. */
static int check_parents(const dv_repo *r, const char *rel, const char *user_path)
{
	dv_autofree char *path = dv_repo_abs(r, rel);
	struct stat st;

	if (!path)
		return dv_err_nomem();
	if (!*rel)
		return 0;
	for (char *s = path + strlen(path) - strlen(rel); (s = strchr(s, '/')); s++) {
		*s = 0;
		bool link = !lstat(path, &st) && S_ISLNK(st.st_mode);
		*s = '/';
		if (link)
			return dv_err_hint(dv_err(DV_EUNSAFE,
						  "'%s' is reached through a symbolic link",
						  user_path),
					   "give the path that the link leads to");
	}
	return 0;
}

bool dv_repo_is_own(const char *rel)
{
	for (const char *s = rel; *s; s += strcspn(s, "/"), s += *s == '/') {
		size_t n = strcspn(s, "/");
		if ((n == 4 && !memcmp(s, ".git", 4)) || (n == 3 && !memcmp(s, ".dv", 3)))
			return true;
	}
	return false;
}

bool dv_repo_is_meta(const char *name)
{
	static const char *const own[] = { ".gitignore", DV_IGNORE_FILE, DV_LOCKFILE, "dv.yaml",
					   "dvc.lock", "dvc.yaml", NULL };

	for (const char *const *o = own; *o; o++)
		if (strcmp(name, *o) == 0)
			return true;
	return dv_pointer_is_name(name);
}

int dv_repo_rel(const dv_repo *r, const char *user_path, char **rel)
{
	const char *rest = NULL;

	*rel = NULL;
	if (!*user_path)
		return dv_err(DV_EUSAGE, "an empty path");
	dv_autofree char *cwd = *user_path == '/' ? dv_strdup("/") : realpath(".", NULL);
	if (!cwd)
		return dv_err_sys("cannot find the working folder");
	dv_autofree char *joined = dv_path_join(cwd, user_path);
	dv_autofree char *path = joined ? dv_path_normal(joined) : NULL;
	if (!path)
		return dv_err_nomem();
	if (!dv_path_below(path, r->root, &rest)) {
		/* The same folder may be known by another name, through a link above the root. */
		dv_autofree char *dir = dv_path_dir(path);
		dv_autofree char *real = dir ? real_dir(dir) : NULL;
		dv_autofree char *other = real ? dv_path_join(real, dv_path_base(path)) : NULL;
		if (!other)
			return dv_err_nomem();
		free(path);
		path = dv_steal(&other);
	}
	if (!dv_path_below(path, r->root, &rest))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is outside the workspace '%s'",
					  user_path, r->root), "move it into the workspace first");
	if (dv_repo_is_own(rest))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' lies in a folder of git or dv",
					  user_path), "keep data beside these folders");
	int rc = check_parents(r, rest, user_path);
	if (rc)
		return rc;
	*rel = dv_strdup(rest);
	return *rel ? 0 : DV_ERROR;
}
