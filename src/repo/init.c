/* SPDX-License-Identifier: Apache-2.0 */
/* Making a repository, and the versions of everything. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <jansson.h>
#include <sqlite3.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/value.h"
#include "repo/repo.h"

static const char config_text[] =
	"# Settings of dv that everybody who has this repository shares.\n"
	"# What belongs to one machine or one person goes to 'dv config --local' or '--global'.\n";
static const char ignore_text[] =
	"# Patterns of files that dv leaves out, in the syntax of .gitignore. These are made by\n"
	"# programs that only look at a directory, which would seem to have changed.\n"
	"__pycache__/\n.ipynb_checkpoints/\n.DS_Store\n";

/* What git must not take from .dv/ when a repository without git gets one later. */
static const char own_ignore_text[] =
	"/cache\n/config.l*\n/config.old\n/saved\n/state.db*\n/tmp\n/remotes\n";

static int write_new(const dv_scratch *s, const char *root, const char *name, const char *text,
		     bool replace)
{
	dv_autofree char *path = dv_path_join(root, name);

	if (!path)
		return dv_err_nomem();
	int rc = dv_scratch_write(s, path, text, strlen(text),
				  DV_ATOMIC_SYNC | (replace ? 0 : DV_ATOMIC_NOREPLACE));
	if (rc == DV_EEXISTS) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

/* Is `root` itself, or a folder above it, a dv repository? *found is its root, or NULL. */
static int find_existing(const char *root, char **found)
{
	dv_autoptr(dv_repo) r = NULL;
	int rc = dv_repo_open(&r, root);

	*found = NULL;
	if (rc == DV_ENOREPO) {
		dv_error_clear();
		return 0;
	}
	if (rc)
		return rc;
	*found = dv_strdup(r->root);
	return *found ? 0 : DV_ERROR;
}

static int check_existing(const char *root, const dv_init_options *o)
{
	dv_autofree char *found = NULL;
	int rc = find_existing(root, &found);

	if (rc || !found)
		return rc;
	if (strcmp(found, root) != 0)
		return o->subdir ? 0 :
		       dv_err_hint(dv_err(DV_EEXISTS, "'%s' lies in the dv repository '%s'", root,
					  found), "use that one, or '--subdir' for one of its own");
	if (!o->force)
		return dv_err_hint(dv_err(DV_EEXISTS, "'%s' is a dv repository already", root),
				   "use '--force' to start its settings anew; the cache stays");
	return 0;
}

/* Moves a file of settings out of the way: nobody's work is thrown away. */
static int set_aside(const char *file, const char *dir, const char *name)
{
	dv_autofree char *to = dv_path_join(dir, name);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = to ? dv_fs_read_file(&text, file, DV_CONFIG_FILE_MAX) : dv_err_nomem();

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (!rc)
		rc = dv_fs_write_file(to, text.p, text.n, DV_ATOMIC_SYNC);
	return rc ? rc : dv_fs_remove_tree(file);
}

/* Forgets settings and what can be made anew. Content is never touched: the cache may hold the only
 * copy of what some commit names. */
static int forget(const char *root)
{
	dv_autoptr(dv_repo) r = NULL;
	int rc = dv_repo_open(&r, root);

	if (rc == DV_ENOREPO) {
		dv_error_clear();
		return 0;
	}
	if (rc)
		return rc;
	dv_autofree char *own = dv_path_join(r->dvdir, "cache");
	dv_autofree char *state = dv_path_join(r->dvdir, "state.db");
	dv_autofree char *mirrors = dv_path_join(r->dvdir, "remotes");
	dv_autofree char *local = dv_path_join(r->dvdir, r->has_git ? "config" : "config.local");
	dv_autofree char *shared = dv_path_join(r->root, ".dv/config");
	if (!own || !state || !mirrors || !local || !shared)
		return dv_err_nomem();
	if (strcmp(own, r->cache_dir) != 0 &&
	    dv_config_string(&r->config, "cache.dir", NULL))
		dv_warn("the cache was '%s'; set it again with 'dv cache dir' when what is there "
			"is still needed", r->cache_dir);
	rc = dv_fs_mkdirs(r->dvdir);
	if (!rc)
		rc = set_aside(local, r->dvdir, "config.local.old");
	if (!rc)
		rc = set_aside(shared, r->dvdir, "config.old");
	if (!rc)
		rc = dv_fs_remove_tree(mirrors);
	return rc ? rc : dv_fs_remove_tree(state);
}

static int check_git(const char *root, const dv_init_options *o, dv_git_dirs *d)
{
	if (o->no_scm)
		return 0;
	int rc = dv_git_discover(d, root);
	if (rc)
		return rc;
	if (!d->workdir)
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is not in a git repository", root),
				   "run 'git init' first, or use '--no-scm'");
	if (strcmp(d->workdir, root) != 0 && !o->subdir)
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is not the root of the git repository "
					  "'%s'", root, d->workdir),
				   "run it there, or use '--subdir'");
	return 0;
}

static int write_files(const char *root, const dv_git_dirs *d, const dv_init_options *o)
{
	dv_auto(dv_scratch) tmp = DV_SCRATCH_INIT;
	dv_autofree char *dot = dv_path_join(root, ".dv");
	dv_autofree char *own = d->workdir ? dv_path_join(d->commondir, "dv") :
					     dv_path_join(root, ".dv");
	struct stat st;

	if (!dot || !own)
		return dv_err_nomem();
	if (!lstat(dot, &st) && !S_ISDIR(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is not a folder", dot), "remove it");
	int rc = dv_fs_mkdirs(dot);
	if (!rc)
		rc = dv_scratch_open(&tmp, own);
	if (!rc && o->no_scm)
		rc = write_new(&tmp, dot, ".gitignore", own_ignore_text, true);
	if (!rc && o->no_scm)
		rc = write_new(&tmp, dot, "no-scm", "This repository was made without git.\n",
			       true);
	if (!rc)
		rc = write_new(&tmp, root, DV_IGNORE_FILE, ignore_text, false);
	/* Last: this file makes the folder a repository. */
	return rc ? rc : write_new(&tmp, dot, "config", config_text, o->force);
}

static int stage_files(const char *root)
{
	static const char *const names[] = { ".dv/config", DV_IGNORE_FILE };
	dv_autoptr(dv_repo) r = NULL;
	dv_git *g = NULL;
	int rc = dv_repo_open(&r, root);

	if (rc || !dv_repo_autostage(r, false))
		return rc;
	rc = dv_repo_git(r, &g);
	return rc ? rc : dv_git_stage(g, names, 2, NULL, 0);
}

int dv_init(const char *path, const dv_init_options *options)
{
	static const dv_init_options none;
	const dv_init_options *o = options ? options : &none;
	dv_auto(dv_git_dirs) dirs = DV_GIT_DIRS_INIT;
	dv_autofree char *root = realpath(path ? path : ".", NULL);
	dv_autoptr(dv_git) g = NULL;

	if (!root)
		return dv_err_sys("cannot open '%s'", path ? path : ".");
	int rc = check_git(root, o, &dirs);
	/* What git cannot do here is found before anything is written. */
	if (!rc && dirs.workdir)
		rc = dv_git_open(&g, &dirs, root);
	if (!rc && g)
		rc = dv_git_check(g);
	if (!rc)
		rc = check_existing(root, o);
	if (!rc && o->force)
		rc = forget(root);
	if (!rc)
		rc = write_files(root, &dirs, o);
	return rc || o->no_scm ? rc : stage_files(root);
}

/* -- versions ---------------------------------------------------------------------------------- */

int dv_version_info(dv_kv_cb cb, void *payload)
{
	char git[32];

	dv_git_version(git, sizeof(git));
	const struct {
		const char *key, *value;
	} list[] = {
		{ "dv", dv_version() },
		{ "store format", "1" },
		{ "pointer format", "1" },
		{ "libgit2", git },
		{ "sqlite", sqlite3_libversion() },
		{ "openssl", OpenSSL_version(OPENSSL_VERSION_STRING) },
		{ "zstd", ZSTD_versionString() },
		{ "jansson", jansson_version_str() },
		{ "libyaml", dv_yaml_version() },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		int rc = cb(list[i].key, list[i].value, payload);
		if (rc)
			return rc;
	}
	return 0;
}
