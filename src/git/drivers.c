/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of dv's drivers in git's config, and the attributes that name them. libgit2 writes
 * the config; lines of attributes stand at the beginning of their file, so that every line of the
 * user's is stronger.
 */
#include "git/drivers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/impl.h"

#define FILE_MAX ((size_t)4 << 20)	/* of settings, or attributes */

DV_DEFINE_AUTOPTR(git_config)

typedef struct setting {
	unsigned part;
	bool decides;	/* another value of this one is the user's own driver */
	const char *key, *value;
} setting;

static const setting settings[] = {
	{ DV_DRIVER_FILTER, true, "filter.dv.process", "dv filter-process" },
	{ DV_DRIVER_FILTER, false, "filter.dv.required", "true" },
	{ DV_DRIVER_MERGE, true, "merge.dv.driver", "dv merge-driver %O %A %B %L %P" },
	{ DV_DRIVER_MERGE, false, "merge.dv.name", "pointers and lock files of dv" },
	{ DV_DRIVER_DIFF, true, "diff.dv.textconv", "dv textconv" },
};
#define NSETTINGS (sizeof(settings) / sizeof(*settings))

static const char *const sections[] = { "[filter \"dv\"]", "[merge \"dv\"]", "[diff \"dv\"]" };
#define NSECTIONS (sizeof(sections) / sizeof(*sections))

/* The first line is a comment that comes and goes with the others. */
static const char *const lines[] = {
	"# from 'dv install': how git merges and shows pointers and lock files",
	"*.dv diff=dv merge=dv",
	".gitignore merge=dv",
	"dv.lock merge=dv",
};
#define NLINES (sizeof(lines) / sizeof(*lines))

/* -- files ------------------------------------------------------------------------------------- */

/* Where the user's own files are: in ~, or in the folder of XDG. */
static char *xdg_file(const char *name)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	dv_autofree char *base = NULL, *dir = NULL;

	if (xdg && *xdg)
		base = dv_strdup(xdg);
	else if (home && *home)
		base = dv_path_join(home, ".config");
	dir = base ? dv_path_join(base, "git") : NULL;
	return dir ? dv_path_join(dir, name) : NULL;
}

/* The user's config, as git chooses it; NULL when there is no home. */
static char *user_config(void)
{
	const char *given = getenv("GIT_CONFIG_GLOBAL"), *home = getenv("HOME");
	dv_autofree char *own = NULL, *xdg = NULL;

	if (given)
		return dv_strdup(given);
	own = home && *home ? dv_path_join(home, ".gitconfig") : NULL;
	if (own && access(own, F_OK) == 0)
		return dv_steal(&own);
	xdg = xdg_file("config");
	return xdg && (!own || access(xdg, F_OK) == 0) ? dv_steal(&xdg) : dv_steal(&own);
}

/* Where links lead, so that the file they lead to is what changes; the name itself where nothing
 * is. NULL when memory runs out. */
static char *behind_links(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : dv_strdup(path);
}

static int make_parent(const char *path)
{
	dv_autofree char *dir = dv_path_dir(path);

	return dir ? dv_fs_mkdirs(dir) : DV_ERROR;
}

/* -- git's config ------------------------------------------------------------------------------ */

static int add_file(git_config *c, const char *path, git_config_level_t level)
{
	int gc = path && *path && access(path, R_OK) == 0
		 ? git_config_add_file_ondisk(c, path, level, NULL, 0) : 0;

	return gc ? dv_git_fail(gc, "cannot read git's settings in '%s'", path) : 0;
}

static bool env_says(const char *name)
{
	const char *v = getenv(name);
	int yes = 0;

	return v && *v && git_config_parse_bool(&yes, v) == 0 && yes;
}

/* What counts here, the strongest last. */
static int open_all(git_config **out, const dv_git_dirs *d)
{
	dv_autoptr(git_config) c = NULL;
	dv_autofree char *own = NULL, *xdg = NULL, *local = NULL;
	git_buf sys = GIT_BUF_INIT;
	int rc = dv_git_start();

	if (rc == 0 && git_config_new(&c))
		rc = dv_git_fail(-1, "cannot read git's settings");
	if (rc == 0 && !env_says("GIT_CONFIG_NOSYSTEM") && !git_config_find_system(&sys))
		rc = add_file(c, sys.ptr, GIT_CONFIG_LEVEL_SYSTEM);
	git_buf_dispose(&sys);
	git_error_clear();
	if (rc == 0 && !getenv("GIT_CONFIG_GLOBAL") && (xdg = xdg_file("config")))
		rc = add_file(c, xdg, GIT_CONFIG_LEVEL_XDG);
	own = user_config();
	if (rc == 0 && own && !(xdg && strcmp(own, xdg) == 0))
		rc = add_file(c, own, GIT_CONFIG_LEVEL_GLOBAL);
	if (rc == 0 && d && !(local = dv_path_join(d->commondir, "config")))
		rc = dv_err_nomem();
	if (rc == 0)
		rc = add_file(c, local, GIT_CONFIG_LEVEL_LOCAL);
	if (rc == 0)
		*out = dv_steal(&c);
	return rc;
}

/* The file that is written; behind links. */
static int level_file(char **out, const dv_git_dirs *d)
{
	dv_autofree char *path = d ? dv_path_join(d->commondir, "config") : user_config();

	if (!path || !*path)
		return dv_err_hint(dv_err(DV_ERROR, "there is no home folder for git's settings"),
				   "set HOME");
	*out = behind_links(path);
	return *out ? 0 : DV_ERROR;
}

static int open_level(git_config **out, const char *path)
{
	int rc = dv_git_start();
	int gc = rc ? 0 : git_config_open_ondisk(out, path);

	return gc ? dv_git_fail(gc, "cannot read git's settings in '%s'", path) : rc;
}

/* The value of the key, replaced; false when it is not set. */
static bool get(git_config *c, const char *key, dv_buf *out)
{
	git_buf v = GIT_BUF_INIT;
	bool found = git_config_get_string_buf(&v, c, key) == 0;

	dv_buf_clear(out);
	if (found)
		dv_buf_add(out, v.ptr, v.size);
	git_buf_dispose(&v);
	git_error_clear();
	return found;
}

static bool is_ours(git_config *c, const setting *s)
{
	dv_auto(dv_buf) v = DV_BUF_INIT;

	return get(c, s->key, &v) && strcmp(dv_buf_str(&v), s->value) == 0;
}

int dv_gitconfig_read(const dv_git_dirs *d, const char *key, bool path, dv_buf *out)
{
	dv_auto(dv_buf) v = DV_BUF_INIT;
	dv_autoptr(git_config) c = NULL;
	const char *home = getenv("HOME");
	int rc = open_all(&c, d);

	dv_buf_clear(out);
	if (rc < 0)
		return rc;
	if (!get(c, key, &v))
		return dv_err(DV_ENOTFOUND, "'%s' is not set", key);
	if (path && home && strncmp(dv_buf_str(&v), "~/", 2) == 0)
		return dv_buf_addf(out, "%s/%s", home, dv_buf_str(&v) + 2);
	return dv_buf_add(out, dv_buf_str(&v), v.n);
}

/* The parts that the user set otherwise. */
static unsigned owned(git_config *c)
{
	unsigned own = 0;

	for (size_t i = 0; i < NSETTINGS; i++) {
		dv_auto(dv_buf) v = DV_BUF_INIT;

		if (settings[i].decides && get(c, settings[i].key, &v) && v.n &&
		    strcmp(dv_buf_str(&v), settings[i].value) != 0)
			own |= settings[i].part;
	}
	return own;
}

static int write_settings(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
{
	dv_autoptr(git_config) all = NULL;
	dv_autoptr(git_config) level = NULL;
	dv_autofree char *path = NULL;
	int rc;

	if ((rc = open_all(&all, d)) < 0 || (rc = level_file(&path, d)) < 0 ||
	    (rc = make_parent(path)) < 0 || (rc = open_level(&level, path)) < 0)
		return rc;
	out->own |= force ? 0 : owned(all) & parts;
	for (size_t i = 0; i < NSETTINGS; i++) {
		const setting *s = &settings[i];
		int gc;

		if (!(s->part & parts & ~out->own) || is_ours(level, s))
			continue;
		gc = git_config_set_string(level, s->key, s->value);
		if (gc)
			return dv_git_fail(gc, "cannot write '%s' into '%s'", s->key, path);
		out->changed |= s->part;
	}
	return 0;
}

/* -- sections that were left empty ------------------------------------------------------------- */

static bool is_header_of_ours(const char *line, size_t n)
{
	for (size_t i = 0; i < NSECTIONS; i++)
		if (n == strlen(sections[i]) && memcmp(line, sections[i], n) == 0)
			return true;
	return false;
}

/* Copies the text without headers of ours that nothing follows. */
static int without_empty(const dv_buf *text, dv_buf *out)
{
	for (const char *p = dv_buf_str(text); *p;) {
		size_t n = strcspn(p, "\n"), next = n + (p[n] == '\n');

		if (!is_header_of_ours(p, n) || (p[next] && p[next] != '['))
			dv_buf_add(out, p, next);
		p += next;
	}
	return out->err;
}

/* Under git's own lock. An empty section says nothing, so that failing is no failure. */
static void drop_empty_sections(const char *path)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, rest = DV_BUF_INIT, lock = DV_BUF_INIT;
	dv_autoclose int fd = -1;
	struct stat st;
	bool done = false;

	if (dv_buf_addf(&lock, "%s.lock", path) < 0 || stat(path, &st) < 0)
		return;
	fd = dv_fs_openat(AT_FDCWD, dv_buf_str(&lock), O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return;
	if (dv_fs_read_file(&text, path, FILE_MAX) == 0 && !memchr(dv_buf_str(&text), 0, text.n) &&
	    without_empty(&text, &rest) == 0 && rest.n < text.n)
		done = dv_fs_write_all(fd, dv_buf_str(&rest), rest.n) == 0 &&
		       dv_fs_fchmod(fd, st.st_mode & 0777) == 0 &&
		       dv_fs_renameat(AT_FDCWD, dv_buf_str(&lock), AT_FDCWD, path) == 0;
	if (!done)
		dv_fs_unlinkat(AT_FDCWD, dv_buf_str(&lock), 0);
	dv_error_clear();
}

static int remove_settings(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
{
	dv_autoptr(git_config) level = NULL;
	dv_autofree char *path = NULL;
	int rc = level_file(&path, d);

	if (rc == 0 && access(path, F_OK) != 0)
		return 0;
	if (rc < 0 || (rc = open_level(&level, path)) < 0)
		return rc;
	out->own |= force ? 0 : owned(level) & parts;
	for (size_t i = 0; i < NSETTINGS; i++) {
		const setting *s = &settings[i];
		dv_auto(dv_buf) v = DV_BUF_INIT;
		int gc;

		if (!(s->part & parts & ~out->own) || !get(level, s->key, &v))
			continue;
		gc = git_config_delete_entry(level, s->key);
		if (gc)
			return dv_git_fail(gc, "cannot take '%s' out of '%s'", s->key, path);
		out->changed |= s->part;
	}
	if (out->changed)
		drop_empty_sections(path);
	return 0;
}

/* -- attributes -------------------------------------------------------------------------------- */

static int attributes_file(char **out, const dv_git_dirs *d)
{
	dv_auto(dv_buf) set = DV_BUF_INIT;
	dv_autofree char *path = NULL;
	int rc = 0;

	if (d) {
		path = dv_path_join(d->commondir, "info/attributes");
	} else {
		rc = dv_gitconfig_read(NULL, "core.attributesfile", true, &set);
		if (rc == 0)
			path = dv_strdup(dv_buf_str(&set));
		else if (rc == DV_ENOTFOUND)
			path = xdg_file("attributes");
		else
			return rc;
		dv_error_clear();
	}
	if (!path)
		return dv_err_hint(dv_err(DV_ERROR, "there is no home folder for git's "
					  "attributes"), "set HOME");
	*out = behind_links(path);
	return *out ? 0 : DV_ERROR;
}

/* Which of our lines this is, or -1. */
static int line_of_ours(const char *p, size_t n)
{
	while (n && (p[n - 1] == '\r' || p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	for (size_t i = 0; i < NLINES; i++)
		if (n == strlen(lines[i]) && memcmp(p, lines[i], n) == 0)
			return (int)i;
	return -1;
}

/* The file of attributes, told apart into our lines and the user's. */
typedef struct attributes {
	char *path;
	dv_buf rest;	/* the user's, as they are */
	unsigned seen;	/* bits: the indexes of ours */
} attributes;
static void attributes_release(attributes *a)
{
	free(a->path);
	dv_buf_release(&a->rest);
}

static int split(attributes *a, const dv_buf *text)
{
	const char *p = dv_buf_str(text), *end = p + text->n;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = nl ? (size_t)(nl - p) : (size_t)(end - p);
		int ours = line_of_ours(p, n);

		if (ours >= 0)
			a->seen |= 1u << ours;
		else
			dv_buf_add(&a->rest, p, n + (nl != NULL));
		p += n + (nl != NULL);
	}
	return a->rest.err;
}

static int read_attributes(attributes *a, const dv_git_dirs *d)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = attributes_file(&a->path, d);

	if (rc == 0)
		rc = dv_fs_read_file(&text, a->path, FILE_MAX);
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	return rc < 0 ? rc : split(a, &text);
}

/* All lines but the comment. */
static bool is_complete(const attributes *a)
{
	return (a->seen | 1) == (1u << NLINES) - 1;
}

static int write_attributes(const dv_git_dirs *d, dv_drivers *out)
{
	dv_auto(attributes) a = { 0 };
	dv_auto(dv_buf) all = DV_BUF_INIT;
	int rc = read_attributes(&a, d);

	if (rc < 0 || is_complete(&a))
		return rc;
	for (size_t i = 0; i < NLINES; i++)
		dv_buf_addf(&all, "%s\n", lines[i]);
	dv_buf_add(&all, dv_buf_str(&a.rest), a.rest.n);
	if (all.err || (rc = make_parent(a.path)) < 0)
		return all.err ? all.err : rc;
	out->changed |= DV_DRIVER_ATTRIBUTES;
	return dv_fs_write_file(a.path, dv_buf_str(&all), all.n,
				DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);
}

static int remove_attributes(const dv_git_dirs *d, dv_drivers *out)
{
	dv_auto(attributes) a = { 0 };
	int rc = read_attributes(&a, d);

	if (rc < 0 || !a.seen)
		return rc;
	out->changed |= DV_DRIVER_ATTRIBUTES;
	if (a.rest.n)
		return dv_fs_write_file(a.path, dv_buf_str(&a.rest), a.rest.n,
					DV_ATOMIC_SYNC | DV_ATOMIC_KEEP_MODE);
	if (dv_fs_unlinkat(AT_FDCWD, a.path, 0) < 0)
		return dv_err_sys("cannot remove '%s'", a.path);
	return 0;
}

static int look_at_attributes(const dv_git_dirs *d, bool *there)
{
	dv_auto(attributes) a = { 0 };
	int rc = read_attributes(&a, d);

	if (rc == 0)
		*there = is_complete(&a);
	return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

int dv_gitdrivers_write(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
{
	dv_drivers none;
	int rc;

	out = out ? out : &none;
	*out = (dv_drivers){ 0 };
	rc = write_settings(d, parts, force, out);
	/* The drivers come first: attributes that name what is not there would be in the way. */
	return rc == 0 && (parts & DV_DRIVER_ATTRIBUTES) ? write_attributes(d, out) : rc;
}

int dv_gitdrivers_remove(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
{
	dv_drivers none;
	int rc = 0;

	out = out ? out : &none;
	*out = (dv_drivers){ 0 };
	if (parts & DV_DRIVER_ATTRIBUTES)
		rc = remove_attributes(d, out);
	return rc == 0 ? remove_settings(d, parts, force, out) : rc;
}

int dv_gitdrivers_look(const dv_git_dirs *d, unsigned *there, unsigned *own)
{
	dv_autoptr(git_config) all = NULL;
	bool here = false, user = false;
	int rc = open_all(&all, d);

	*there = *own = 0;
	if (rc < 0)
		return rc;
	*own = owned(all);
	for (size_t i = 0; i < NSETTINGS; i++)
		if (settings[i].decides && is_ours(all, &settings[i]))
			*there |= settings[i].part;
	rc = look_at_attributes(NULL, &user);
	if (rc == DV_ERROR && d) {
		dv_error_clear();	/* no home: no attributes there */
		rc = 0;
	}
	if (rc == 0 && d)
		rc = look_at_attributes(d, &here);
	if (here || user)
		*there |= DV_DRIVER_ATTRIBUTES;
	return rc;
}
