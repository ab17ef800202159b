/* SPDX-License-Identifier: Apache-2.0 */
/* libgit2: opening, the index, settings, revisions. */
#include "git/ask.h"
#include "git/impl.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"

static int started;

/* What these extensions change is none of our business: settings of single work trees, and objects
 * that may be elsewhere. */
static void start(void)
{
	static const char *const known[] = { "partialclone", "worktreeconfig",
					     "preciousobjects" };

	started = git_libgit2_init();
	if (started >= 0)
		git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, known, sizeof known / sizeof *known);
}

int dv_git_start(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
	return started < 0 ? dv_git_fail(started, "cannot start libgit2") : 0;
}

void dv_git_version(char *out, size_t n)
{
	int major = 0, minor = 0, rev = 0;

	git_libgit2_version(&major, &minor, &rev);
	snprintf(out, n, "%d.%d.%d", major, minor, rev);
}

int dv_git_fail(int gc, const char *fmt, ...)
{
	const git_error *e = git_error_last();
	dv_auto(dv_buf) what = DV_BUF_INIT;
	va_list ap;
	int code = gc == GIT_ENOTFOUND ? DV_ENOTFOUND : gc == GIT_ELOCKED ? DV_ELOCKED :
		   gc == GIT_EOWNER ? DV_EUNSAFE : DV_ERROR;

	va_start(ap, fmt);
	dv_buf_vaddf(&what, fmt, ap);
	va_end(ap);
	const char *text = e && e->message && *e->message ? e->message : "git failed";
	dv_err(code, "%s: %s", dv_buf_str(&what), text);
	if (gc == GIT_ELOCKED)
		return dv_err_hint(code, "wait for the other git command, or remove a stale "
				   "'index.lock'");
	if (strstr(text, "unsupported"))
		return dv_err_hint(code, "this repository uses a feature that libgit2 %s lacks; "
				   "turn it off, or use a newer libgit2", LIBGIT2_VERSION);
	return code;
}

/* -- opening ----------------------------------------------------------------------------------- */

/* Without any safe.directory in the settings, libgit2 complains that it is not set. */
static bool is_anothers(int gc)
{
	const git_error *e = git_error_last();

	return gc == GIT_EOWNER || (gc && e && e->message && strstr(e->message, "safe.directory"));
}

static int note_safe(const git_config_entry *e, void *payload)
{
	bool *seen = payload;

	seen[0] |= !strcmp(e->value, "*");
	seen[1] |= !*e->value; /* forgets what came before; then the star is not believed */
	return 0;
}

/* Whether the user's own settings trust every folder, as git reads them; old versions of libgit2
 * know no star. */
static bool trusts_all(void)
{
	git_config *c = NULL;
	bool seen[2] = { false, false };

	if (!git_config_open_default(&c))
		git_config_get_multivar_foreach(c, "safe.directory", NULL, note_safe, seen);
	git_config_free(c);
	return seen[0] && !seen[1];
}

static int open_failed(int gc, const char *path)
{
	if (is_anothers(gc))
		return dv_err_hint(dv_err(DV_EUNSAFE, "the git repository '%s' belongs to another "
					  "user", path),
				   "if you trust it, run 'git config --global --add "
				   "safe.directory %s'", path);
	const git_error *e = git_error_last();
	const char *known = "unsupported extension name extensions.";
	const char *name = e && e->message ? strstr(e->message, known) : NULL;
	if (!name)
		return dv_git_fail(gc, "cannot open the git repository '%s'", path);
	name += strlen(known);
	int rc = dv_err(DV_ERROR, "the git repository '%s' has the extension '%s', which libgit2 "
			"%s does not know", path, name, LIBGIT2_VERSION);
	if (!strcmp(name, "objectformat"))
		return dv_err_hint(rc, "dv needs ids of SHA-1: 'git init --object-format=sha1'");
	if (!strcmp(name, "refstorage"))
		return dv_err_hint(rc, "'git refs migrate --ref-format=files' turns it off");
	return dv_err_hint(rc, "turn it off: 'git config --unset extensions.%s', where nothing "
			   "uses it", name);
}

static int open_ext(git_repository **out, const char *path)
{
	unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH;
	int gc = git_repository_open_ext(out, path, flags, NULL);

	if (is_anothers(gc) && trusts_all()) {
		git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
		gc = git_repository_open_ext(out, path, flags, NULL);
	}
	return gc;
}

int dv_git_open_path(git_repository **out, const char *path)
{
	int gc = open_ext(out, path);

	if (gc == GIT_ENOTFOUND)
		return dv_err(DV_ENOTFOUND, "there is no git repository in '%s'", path);
	return gc ? open_failed(gc, path) : 0;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int open_repository(git_repository **out, const dv_git_dirs *d)
{
	unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH;
	int gc = open_ext(out, d->workdir);

	/* GIT_DIR may name another repository than the one that lies in the work tree. */
	if (!gc && !same_folder(git_repository_path(*out), d->gitdir)) {
		git_repository_free(*out);
		*out = NULL;
		gc = GIT_ENOTFOUND;
	}
	if (gc == GIT_ENOTFOUND) {
		gc = git_repository_open_ext(out, d->gitdir, flags | GIT_REPOSITORY_OPEN_NO_DOTGIT,
					     NULL);
		if (!gc)
			gc = git_repository_set_workdir(*out, d->workdir, 0);
	}
	if (gc)
		return open_failed(gc, d->workdir);
	if (git_repository_is_bare(*out))
		return dv_err_hint(dv_err(DV_ERROR, "'%s' is a bare git repository", d->gitdir),
				   "run dv in a work tree");
	return 0;
}

/* Git's hooks are told of another index than the repository's own, as 'git commit FILE' makes one.
 * A relative name starts at the root of the work tree. */
static int use_index(git_repository *repo, const char *workdir)
{
	const char *name = getenv("GIT_INDEX_FILE");
	dv_autofree char *path = name && *name ? dv_path_join(workdir, name) : NULL;
	dv_autoptr(git_index) index = NULL;

	if (!name || !*name)
		return 0;
	if (!path)
		return dv_err_nomem();
	int gc = git_index_open(&index, path);
	if (!gc)
		gc = git_repository_set_index(repo, index);
	return gc ? dv_git_fail(gc, "cannot open git's index '%s'", path) : 0;
}

int dv_git_open(dv_git **out, const dv_git_dirs *d, const char *root)
{
	const char *rest = NULL;
	int rc = dv_git_start();

	*out = NULL;
	if (rc)
		return rc;
	dv_autoptr(dv_git) g = dv_calloc(1, sizeof(*g));
	if (!g)
		return DV_ERROR;
	if (!dv_path_below(root, d->workdir, &rest))
		return dv_err(DV_ERROR, "'%s' is not in the git work tree '%s'", root, d->workdir);
	g->root = dv_strdup(root);
	g->workdir = dv_strdup(d->workdir);
	g->commondir = dv_strdup(d->commondir);
	dv_auto(dv_buf) prefix = DV_BUF_INIT;
	dv_buf_addf(&prefix, "%s%s", rest, *rest ? "/" : "");
	g->prefix = dv_buf_detach(&prefix);
	if (!g->root || !g->workdir || !g->commondir || !g->prefix)
		return dv_err_nomem();
	rc = open_repository(&g->repo, d);
	if (!rc)
		rc = use_index(g->repo, d->workdir);
	if (rc)
		return rc;
	*out = dv_steal(&g);
	return 0;
}

void dv_git_free(dv_git *g)
{
	if (!g)
		return;
	git_repository_free(g->repo);
	free(g->root);
	free(g->workdir);
	free(g->commondir);
	free(g->prefix);
	free(g);
}

char *dv_git_full(const dv_git *g, const char *path)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	dv_buf_addf(&b, "%s%s", g->prefix, path);
	return dv_buf_detach(&b);
}

const char *dv_git_own(const dv_git *g, const char *full)
{
	size_t n = strlen(g->prefix);

	return strncmp(full, g->prefix, n) == 0 && full[n] ? full + n : NULL;
}

/* -- index ------------------------------------------------------------------------------------- */

int dv_git_open_index(dv_git *g, git_index **out)
{
	int gc = git_repository_index(out, g->repo);

	if (!gc)
		gc = git_index_read(*out, 1);
	if (gc && dv_gitask_is_served()) {
		git_index_free(*out);
		*out = NULL;
		git_error_clear();
		return 0;
	}
	return gc ? dv_git_fail(gc, "cannot read git's index") : 0;
}

int dv_git_check(dv_git *g)
{
	dv_autoptr(git_index) index = NULL;

	return dv_git_open_index(g, &index);
}

static int change_index(dv_git *g, git_index *index, const char *path, bool add)
{
	dv_autofree char *full = dv_git_full(g, path);

	if (!full)
		return dv_err_nomem();
	int gc = add ? git_index_add_bypath(index, full) : git_index_remove_bypath(index, full);
	if (gc && (add || gc != GIT_ENOTFOUND))
		return dv_git_fail(gc, "cannot stage '%s'", path);
	return 0;
}

int dv_git_write_index(git_index *index)
{
	const char *path = git_index_path(index);
	struct stat st;
	bool was = path && stat(path, &st) == 0;
	int gc = git_index_write(index);

	if (gc || !was)
		return gc;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, st.st_mtim };
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);
	if (fd >= 0)
		(void)dv_fs_futimens(fd, times);
	return 0;
}

int dv_git_stage(dv_git *g, const char *const *add, size_t nadd, const char *const *drop,
		 size_t ndrop)
{
	dv_autoptr(git_index) index = NULL;
	int rc = dv_git_open_index(g, &index);

	if (!rc && !index)
		return dv_gitask_stage(g, add, nadd, drop, ndrop);
	for (size_t i = 0; !rc && i < ndrop; i++)
		rc = change_index(g, index, drop[i], false);
	for (size_t i = 0; !rc && i < nadd; i++)
		rc = change_index(g, index, add[i], true);
	if (!rc) {
		int gc = dv_git_write_index(index);
		rc = gc ? dv_git_fail(gc, "cannot write git's index") : 0;
	}
	if (rc && index) {
		/* The repository shares the index object: forget what was changed in memory. */
		git_index_read(index, 1);
	}
	return rc;
}

int dv_git_is_tracked(dv_git *g, const char *path, bool *tracked, char **which)
{
	dv_autoptr(git_index) index = NULL;
	dv_auto(dv_buf) below = DV_BUF_INIT;
	size_t at = 0;

	*tracked = false;
	if (which)
		*which = NULL;
	int rc = dv_git_open_index(g, &index);
	if (rc || !index)
		return rc ? rc : dv_gitask_is_tracked(g, path, tracked, which);
	dv_autofree char *full = dv_git_full(g, path);
	if (!full || dv_buf_addf(&below, "%s%s", full, *path ? "/" : ""))
		return dv_err_nomem();
	const git_index_entry *e = git_index_get_bypath(index, full, 0);
	if (!e && !git_index_find_prefix(&at, index, dv_buf_str(&below)))
		e = git_index_get_byindex(index, at);
	git_error_clear();
	if (!e)
		return 0;
	*tracked = true;
	if (which && !(*which = dv_strdup(e->path + strlen(g->prefix))))
		return DV_ERROR;
	return 0;
}

int dv_git_is_ignored(dv_git *g, const char *path, bool *ignored)
{
	dv_autofree char *full = dv_git_full(g, path);
	int yes = 0;

	*ignored = false;
	if (!full)
		return dv_err_nomem();
	int gc = git_ignore_path_is_ignored(&yes, g->repo, full);
	if (gc)
		return dv_git_fail(gc, "cannot read git's ignore rules for '%s'", path);
	*ignored = yes != 0;
	return 0;
}

int dv_git_read_staged(dv_git *g, const char *path, size_t max, dv_buf *out)
{
	dv_autoptr(git_index) index = NULL;
	dv_autoptr(git_blob) blob = NULL;
	dv_autofree char *full = dv_git_full(g, path);

	dv_buf_clear(out);
	if (!full)
		return dv_err_nomem();
	int rc = dv_git_open_index(g, &index);
	if (rc || !index)
		return rc ? rc : dv_gitask_read_staged(g, path, max, out);
	const git_index_entry *e = git_index_get_bypath(index, full, 0);
	if (!e)
		return dv_err(DV_ENOTFOUND, "git's index has no '%s'", path);
	int gc = git_blob_lookup(&blob, g->repo, &e->id);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in git's index", path);
	if ((uint64_t)git_blob_rawsize(blob) > max)
		return dv_err(DV_ERROR, "'%s' in git's index is too large", path);
	return dv_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
}

/* -- settings --------------------------------------------------------------------------------- */

int dv_git_config(dv_git *g, const char *key, dv_buf *out)
{
	git_config *config = NULL;
	git_buf value = GIT_BUF_INIT;

	if (!git_repository_config(&config, g->repo) &&
	    !git_config_get_string_buf(&value, config, key))
		dv_buf_add(out, value.ptr, value.size);
	git_buf_dispose(&value);
	git_config_free(config);
	return out->err;
}

int dv_git_user_config(const char *key, dv_buf *out)
{
	git_config *config = NULL;
	git_buf value = GIT_BUF_INIT;
	int rc = dv_git_start();

	if (rc)
		return rc;
	if (!git_config_open_default(&config) && !git_config_get_string_buf(&value, config, key))
		dv_buf_add(out, value.ptr, value.size);
	git_buf_dispose(&value);
	git_config_free(config);
	git_error_clear();
	return out->err;
}

/* -- changes ----------------------------------------------------------------------------------- */

#define DIRTY_FOUND 1
static int on_dirty(const char *path, unsigned flags, void *payload)
{
	bool *dirty = payload;

	(void)path;
	if (flags == GIT_STATUS_CURRENT || (flags & GIT_STATUS_IGNORED))
		return 0;
	*dirty = true;
	return DIRTY_FOUND;
}

int dv_git_is_dirty(dv_git *g, bool *dirty)
{
	git_status_options o = { .version = GIT_STATUS_OPTIONS_VERSION };
	int gc;

	*dirty = false;
	o.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
	o.flags = GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
	gc = git_status_foreach_ext(g->repo, &o, on_dirty, dirty);
	return gc && gc != DIRTY_FOUND ? dv_git_fail(gc, "cannot see what git has changed") : 0;
}

/* -- revisions --------------------------------------------------------------------------------- */

int dv_git_lookup(dv_git *g, const char *rev, git_commit **out)
{
	dv_autoptr(git_object) any = NULL;
	git_object *commit = NULL;
	int gc = git_revparse_single(&any, g->repo, rev);

	*out = NULL;
	if (gc == GIT_EAMBIGUOUS)
		return dv_err_hint(dv_err(DV_EUSAGE, "the revision '%s' is ambiguous", rev),
				   "give more digits of the commit");
	if (gc)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "unknown revision '%s'", rev),
				   "see 'git log' and 'git branch -a' for what there is");
	if (git_object_peel(&commit, any, GIT_OBJECT_COMMIT))
		return dv_err(DV_ENOTFOUND, "'%s' is not a commit", rev);
	*out = (git_commit *)commit;
	return 0;
}

int dv_git_resolve(dv_git *g, const char *rev, char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_commit) c = NULL;
	int rc = dv_git_lookup(g, rev, &c);

	if (!rc)
		git_oid_tostr(hex, DV_GIT_HEX + 1, git_commit_id(c));
	return rc;
}

int dv_git_head_commit(dv_git *g, git_commit **out)
{
	git_oid id;
	int gc = git_reference_name_to_id(&id, g->repo, "HEAD");

	*out = NULL;
	if (gc == GIT_ENOTFOUND || gc == GIT_EUNBORNBRANCH) {
		git_error_clear();
		return 0;
	}
	if (!gc)
		gc = git_commit_lookup(out, g->repo, &id);
	return gc ? dv_git_fail(gc, "cannot read HEAD") : 0;
}

int dv_git_head(dv_git *g, char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_commit) c = NULL;
	int rc = dv_git_head_commit(g, &c);

	hex[0] = 0;
	if (!rc && c)
		git_oid_tostr(hex, DV_GIT_HEX + 1, git_commit_id(c));
	return rc;
}

int dv_git_read_blob(dv_git *g, const char *rev, const char *path, size_t max, dv_buf *out)
{
	dv_autoptr(git_commit) c = NULL;
	dv_autoptr(git_tree) tree = NULL;
	dv_autoptr(git_tree_entry) e = NULL;
	dv_autoptr(git_blob) blob = NULL;

	dv_buf_clear(out);
	int rc = dv_git_lookup(g, rev, &c);
	if (rc)
		return rc;
	dv_autofree char *full = dv_git_full(g, path);
	if (!full)
		return dv_err_nomem();
	int gc = dv_git_tree(g, git_commit_tree_id(c), &tree);
	if (!gc)
		gc = dv_git_entry(g, tree, full, &e);
	if (!gc && (!e || git_tree_entry_type(e) != GIT_OBJECT_BLOB))
		return dv_err(DV_ENOTFOUND, "there is no file '%s' in '%s'", path, rev);
	if (!gc)
		gc = dv_git_blob(g, git_tree_entry_id(e), &blob);
	if (gc)
		return dv_git_fail(gc, "cannot read '%s' in '%s'", path, rev);
	if ((uint64_t)git_blob_rawsize(blob) > max)
		return dv_err(DV_ERROR, "'%s' in '%s' is too large", path, rev);
	return dv_buf_add(out, git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob));
}

/* -- references -------------------------------------------------------------------------------- */

static const char *ref_label(const char *name)
{
	static const char *const heads[] = { "refs/heads/", "refs/remotes/" };

	for (size_t i = 0; i < 2; i++)
		if (strncmp(name, heads[i], strlen(heads[i])) == 0)
			return name + strlen(heads[i]);
	return strncmp(name, "refs/tags/", 10) == 0 ? name + 5 : NULL;
}

int dv_git_refs(dv_git *g, dv_git_ref_cb cb, void *payload)
{
	dv_autoptr(git_reference_iterator) it = NULL;
	int gc = git_reference_iterator_new(&it, g->repo), rc = 0;

	while (!gc && rc == 0) {
		dv_autoptr(git_reference) ref = NULL;
		dv_autoptr(git_object) commit = NULL;
		char hex[DV_GIT_HEX + 1] = "";
		const char *label;

		gc = git_reference_next(&ref, it);
		if (gc || !(label = ref_label(git_reference_name(ref))) ||
		    git_reference_peel(&commit, ref, GIT_OBJECT_COMMIT))
			continue;
		git_oid_tostr(hex, sizeof(hex), git_object_id(commit));
		rc = cb(label, hex, payload);
	}
	git_error_clear();
	return rc ? rc : gc == GIT_ITEROVER ? 0 : dv_git_fail(gc, "cannot list git's references");
}
