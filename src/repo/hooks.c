/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_install and dv_uninstall. A hook comes into view complete, and one that was there before has
 * its second name before it loses its first.
 */
#include "repo/hooks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "git/drivers.h"
#include "repo/workdir.h"

void dv_hooks_release(dv_hooks *h)
{
	free(h->dir);
	free(h->usual);
	free(h->scripts);
	free(h->lefthook);
	*h = (dv_hooks)DV_HOOKS_INIT;
}

/* -- where ------------------------------------------------------------------------------------- */

/* What core.hooksPath says, as git understands it: from the root of the work tree. */
static int hooks_path(dv_repo *r, char **out)
{
	dv_auto(dv_buf) v = DV_BUF_INIT;
	const char *home = getenv("HOME");
	dv_autofree char *path = NULL;
	dv_git *g = NULL;
	int rc = dv_repo_git(r, &g);

	*out = NULL;
	if (rc == 0)
		rc = dv_git_config(g, "core.hooksPath", &v);
	if (rc < 0 || v.n == 0)
		return rc;
	if (strncmp(v.p, "~/", 2) == 0 && home && *home)
		path = dv_path_join(home, v.p + 2);
	else
		path = dv_path_join(r->dirs.workdir, v.p);
	*out = path ? dv_path_normal(path) : NULL;
	return *out ? 0 : dv_err_nomem();
}

/* Is it inside the git folder, links resolved, whether it is there or not? */
static int is_inside(const dv_git_dirs *d, const char *dir, bool *inside)
{
	dv_autofree char *common = realpath(d->commondir, NULL);
	dv_autofree char *parent = dv_path_dir(dir);
	dv_autofree char *real = realpath(dir, NULL);

	if (!real && parent)
		real = realpath(parent, NULL);
	*inside = common && real && dv_path_below(real, common, NULL);
	return parent ? 0 : dv_err_nomem();
}

static int find_lefthook(dv_hooks *h, const dv_repo *r)
{
	static const char *const names[] = { "lefthook.yml", ".lefthook.yml", "lefthook.yaml",
					     ".lefthook.yaml", "lefthook.toml", "lefthook.json",
					     ".config/lefthook.yml" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		dv_autofree char *path = dv_path_join(r->dirs.workdir, names[i]);

		if (!path)
			return dv_err_nomem();
		if (access(path, R_OK) == 0) {
			h->lefthook = dv_steal(&path);
			return 0;
		}
	}
	return 0;
}

/* Husky 9 points git at ".husky/_", which runs what people write to ".husky". */
static int find_scripts(dv_hooks *h)
{
	dv_autofree char *up = dv_path_dir(h->dir);
	const char *base = dv_path_base(h->dir);
	bool nine = up && strcmp(base, "_") == 0 && strcmp(dv_path_base(up), ".husky") == 0;

	if (!up)
		return dv_err_nomem();
	h->husky = nine || strcmp(base, ".husky") == 0;
	h->scripts = nine ? dv_steal(&up) : dv_strdup(h->dir);
	return h->scripts ? 0 : DV_ERROR;
}

int dv_hooks_find(dv_hooks *out, dv_repo *r)
{
	dv_auto(dv_hooks) h = DV_HOOKS_INIT;
	int rc;

	*out = (dv_hooks)DV_HOOKS_INIT;
	h.usual = dv_path_join(r->dirs.commondir, "hooks");
	if (!h.usual)
		return dv_err_nomem();
	if ((rc = hooks_path(r, &h.dir)) < 0)
		return rc;
	if (!h.dir && !(h.dir = dv_strdup(h.usual)))
		return DV_ERROR;
	if ((rc = is_inside(&r->dirs, h.dir, &h.own)) < 0 || (rc = find_scripts(&h)) < 0 ||
	    (rc = find_lefthook(&h, r)) < 0)
		return rc;
	*out = h;
	h = (dv_hooks)DV_HOOKS_INIT;
	return 0;
}

/* -- one hook ---------------------------------------------------------------------------------- */

/* Reads a file that may be missing, or not be for us to read. */
static int read_maybe(dv_buf *out, const char *path)
{
	int rc = dv_fs_read_file(out, path, DV_HOOK_FILE_MAX);

	if (rc < 0)
		dv_buf_clear(out);
	dv_error_clear();
	return out->err;
}

static int calls_dv(const char *file, const char *name, bool *yes)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, words = DV_BUF_INIT;
	int rc = file ? read_maybe(&text, file) : 0;

	dv_buf_addf(&words, "dv hook %s", name);
	*yes = text.n && memmem(text.p, text.n, dv_buf_str(&words), words.n) != NULL;
	return rc < 0 ? rc : words.err;
}

static bool mentions(const dv_buf *text, const char *words)
{
	return text->n && memmem(text->p, text->n, words, strlen(words)) != NULL;
}

/* Who looks after the hook, and does that one call dv? */
static int look_at_foreign(dv_hook_file *f, const dv_hooks *h, const char *dir, const char *path,
			   const char *name, const dv_buf *text)
{
	dv_autofree char *script = NULL;
	bool calls = false;
	int rc;

	if (strcmp(dir, h->dir) == 0 && !h->own)
		f->manager = h->husky ? DV_MANAGER_HUSKY : DV_MANAGER_FOLDER;
	else if (mentions(text, "lefthook"))
		f->manager = DV_MANAGER_LEFTHOOK;
	if ((rc = calls_dv(path, name, &calls)) == 0 && !calls &&
	    f->manager == DV_MANAGER_LEFTHOOK)
		rc = calls_dv(h->lefthook, name, &calls);
	if (rc == 0 && !calls && f->manager == DV_MANAGER_HUSKY) {
		if (!(script = dv_path_join(h->scripts, name)))
			return dv_err_nomem();
		rc = calls_dv(script, name, &calls);
	}
	if (calls)
		f->state = DV_HOOK_CALLS;
	return rc;
}

int dv_hook_look(dv_hook_file *out, const dv_hooks *h, const char *dir, const char *name)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, wanted = DV_BUF_INIT, kept = DV_BUF_INIT;
	dv_autofree char *path = dv_path_join(dir, name);
	struct stat st;
	int rc;

	*out = (dv_hook_file){ .state = DV_HOOK_ABSENT };
	if (!path || dv_buf_addf(&kept, "%s" DV_HOOK_KEPT, path) < 0)
		return dv_err_nomem();
	out->kept = lstat(dv_buf_str(&kept), &st) == 0;
	if (lstat(path, &st) == 0) {
		out->state = DV_HOOK_FOREIGN;
		out->executable = access(path, X_OK) == 0;
		if ((rc = read_maybe(&text, path)) < 0 ||
		    (rc = dv_hook_script(&wanted, name)) < 0)
			return rc;
		if (dv_hook_is_ours(&text)) {
			bool same = text.n == wanted.n && memcmp(text.p, wanted.p, text.n) == 0;

			out->state = same ? DV_HOOK_OURS : DV_HOOK_OLD;
			return 0;
		}
	}
	return look_at_foreign(out, h, dir, path, name, &text);
}

/* -- writing one ------------------------------------------------------------------------------- */

typedef struct setup {
	dv_repo *repo;
	const dv_install_options *o;
	dv_setup_cb cb;
	void *payload;
	dv_hooks hooks;
	size_t by_hand;		/* what git's user has to do */
} setup;

static void setup_release(setup *s)
{
	dv_hooks_release(&s->hooks);
}

static int tell(setup *s, enum dv_setup_state state, const char *what, const char *name,
		const char *path, const char *text, bool chained)
{
	dv_setup_event e = { state, what, name, path, text, chained };

	if (state == DV_SETUP_BY_HAND)
		s->by_hand++;
	return s->cb ? s->cb(&e, s->payload) : 0;
}

static int write_script(const char *path, const char *name)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_auto(dv_atomic) a = DV_ATOMIC_INIT;
	int rc = dv_hook_script(&text, name);

	if (rc < 0)
		return rc;
	if ((rc = dv_atomic_open(&a, path, DV_ATOMIC_SYNC)) < 0)
		return dv_err_hint(rc, "the hooks must be writable: look at the rights of their "
				   "folder");
	if (dv_fs_write_all(a.fd, text.p, text.n) < 0 ||
	    dv_fs_fchmod(a.fd, dv_workdir_mode(true)) < 0)
		return dv_err_sys("cannot write '%s'", path);
	return dv_atomic_commit(&a);
}

/* Gives what stands there its second name. */
static int keep(const char *path)
{
	dv_auto(dv_buf) kept = DV_BUF_INIT;

	if (dv_buf_addf(&kept, "%s" DV_HOOK_KEPT, path) < 0)
		return kept.err;
	if (dv_fs_linkat(AT_FDCWD, path, AT_FDCWD, dv_buf_str(&kept)) == 0 ||
	    dv_fs_rename_noreplace(AT_FDCWD, path, AT_FDCWD, dv_buf_str(&kept)) == 0)
		return 0;
	return dv_err_sys("cannot keep '%s' as '%s'", path, dv_buf_str(&kept));
}

static int tell_by_hand(setup *s, enum dv_hook_manager m, const char *name)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *file = NULL;
	int rc = dv_hook_by_hand(&s->hooks, m, name, &file, &text);

	return rc < 0 ? rc : tell(s, DV_SETUP_BY_HAND, "hook", name, file, dv_buf_str(&text),
				  false);
}

static int in_the_way(const char *path)
{
	dv_err(DV_EEXISTS, "'%s' is not dv's any more, and '%s" DV_HOOK_KEPT "' is still kept",
	       path, path);
	return dv_err_hint(DV_EEXISTS, "make one file of the two, and run 'dv install' again");
}

static int install_hook(setup *s, const char *name)
{
	const dv_hooks *h = &s->hooks;
	dv_autofree char *path = dv_path_join(h->dir, name);
	dv_hook_file f;
	int rc;

	if (!path)
		return dv_err_nomem();
	if ((rc = dv_hook_look(&f, h, h->dir, name)) < 0)
		return rc;
	if (f.state == DV_HOOK_CALLS || (f.state == DV_HOOK_OURS && f.executable))
		return tell(s, DV_SETUP_WAS, "hook", name, path, NULL, f.kept);
	if (f.manager != DV_MANAGER_NONE && !s->o->force)
		return tell_by_hand(s, f.manager, name);
	if (f.state == DV_HOOK_FOREIGN && f.kept)
		return in_the_way(path);
	if (f.state == DV_HOOK_FOREIGN && (rc = keep(path)) < 0)
		return rc;
	if ((rc = write_script(path, name)) < 0)
		return rc;
	return tell(s, DV_SETUP_DONE, "hook", name, path, NULL,
		    f.kept || f.state == DV_HOOK_FOREIGN);
}

static int install_hooks(setup *s)
{
	int rc = dv_hooks_find(&s->hooks, s->repo);

	if (rc == 0 && (s->hooks.own || s->o->force) &&
	    (rc = dv_fs_mkdirs(s->hooks.dir)) < 0)
		return rc;
	for (const char *const *n = dv_hook_names; rc == 0 && *n; n++)
		rc = install_hook(s, *n);
	return rc;
}

static int uninstall_hook(setup *s, const char *dir, const char *name)
{
	dv_auto(dv_buf) kept = DV_BUF_INIT;
	dv_autofree char *path = dv_path_join(dir, name);
	dv_hook_file f;
	bool ours;
	int rc;

	if (!path || dv_buf_addf(&kept, "%s" DV_HOOK_KEPT, path) < 0)
		return dv_err_nomem();
	if ((rc = dv_hook_look(&f, &s->hooks, dir, name)) < 0)
		return rc;
	ours = f.state == DV_HOOK_OURS || f.state == DV_HOOK_OLD;
	if (f.kept && (ours || f.state == DV_HOOK_ABSENT)) {
		if (dv_fs_renameat(AT_FDCWD, dv_buf_str(&kept), AT_FDCWD, path) < 0)
			return dv_err_sys("cannot put '%s' back", path);
		return tell(s, DV_SETUP_RESTORED, "hook", name, path, NULL, false);
	}
	if (ours) {
		if (dv_fs_unlinkat(AT_FDCWD, path, 0) < 0)
			return dv_err_sys("cannot remove '%s'", path);
		return tell(s, DV_SETUP_REMOVED, "hook", name, path, NULL, false);
	}
	if (f.state == DV_HOOK_CALLS)
		return tell(s, DV_SETUP_BY_HAND, "hook", name, path, NULL, false);
	return f.kept ? in_the_way(path) : 0;
}

static int uninstall_hooks(setup *s)
{
	int rc = dv_hooks_find(&s->hooks, s->repo);
	bool two = rc == 0 && strcmp(s->hooks.dir, s->hooks.usual) != 0;

	for (const char *const *n = dv_hook_names; rc == 0 && *n; n++) {
		rc = uninstall_hook(s, s->hooks.dir, *n);
		if (rc == 0 && two)
			rc = uninstall_hook(s, s->hooks.usual, *n);
	}
	return rc;
}

/* -- workspaces -------------------------------------------------------------------------------- */

static int read_list(dv_buf *text, const dv_git_dirs *d, char **file)
{
	dv_autofree char *dir = dv_path_join(d->commondir, "dv");

	*file = dir ? dv_path_join(dir, DV_HOOK_WORKSPACES) : NULL;
	return *file ? read_maybe(text, *file) : dv_err_nomem();
}

int dv_hook_workspaces(dv_path_list *out, const dv_git_dirs *d)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *file = NULL;
	int rc = read_list(&text, d, &file);

	for (const char *p = dv_buf_str(&text); rc == 0 && *p;) {
		size_t n = strcspn(p, "\n");
		dv_autofree char *rel = dv_strndup(p, n);
		dv_autofree char *abs = NULL;

		p += n + (p[n] == '\n');
		if (!rel)
			return DV_ERROR;
		if (strcmp(rel, ".") == 0)
			abs = dv_strdup(d->workdir);
		else if (dv_path_is_safe(rel))
			abs = dv_path_join(d->workdir, rel);
		else
			continue;
		rc = abs ? dv_path_list_add(out, abs) : DV_ERROR;
	}
	return rc;
}

/* Puts this workspace on the list, or takes it off; *others: some are left. */
static int note_workspace(const dv_repo *r, bool there, bool *others)
{
	dv_auto(dv_buf) text = DV_BUF_INIT, next = DV_BUF_INIT;
	dv_autofree char *file = NULL, *dir = NULL;
	const char *rest = "";
	int rc = read_list(&text, &r->dirs, &file);

	*others = false;
	if (rc < 0)
		return rc;
	dv_path_below(r->root, r->dirs.workdir, &rest);
	if (!*rest)
		rest = ".";
	for (const char *p = dv_buf_str(&text); *p;) {
		size_t n = strcspn(p, "\n");

		if (n && !(n == strlen(rest) && memcmp(p, rest, n) == 0)) {
			dv_buf_add(&next, p, n);
			dv_buf_addc(&next, '\n');
			*others = true;
		}
		p += n + (p[n] == '\n');
	}
	if (there && !strchr(rest, '\n'))
		dv_buf_addf(&next, "%s\n", rest);
	if (next.err || !(dir = dv_path_dir(file)))
		return dv_err_nomem();
	if (next.n == text.n && memcmp(dv_buf_str(&next), dv_buf_str(&text), text.n) == 0)
		return 0;
	if ((rc = dv_fs_mkdirs(dir)) < 0)
		return rc;
	return next.n ? dv_fs_write_file(file, next.p, next.n, DV_ATOMIC_SYNC)
		      : dv_fs_remove_tree(file);
}

/* -- drivers ----------------------------------------------------------------------------------- */

static int tell_drivers(setup *s, unsigned parts, const dv_drivers *d, bool there)
{
	static const struct {
		unsigned part;
		const char *name;
	} all[] = {
		{ DV_DRIVER_FILTER, "filter" }, { DV_DRIVER_MERGE, "merge" },
		{ DV_DRIVER_DIFF, "diff" }, { DV_DRIVER_ATTRIBUTES, "attributes" },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(all) / sizeof(*all); i++) {
		if (!(all[i].part & parts))
			continue;
		if (d->own & all[i].part)
			rc = tell(s, DV_SETUP_KEPT, "driver", all[i].name, NULL, NULL, false);
		else if (d->changed & all[i].part)
			rc = tell(s, there ? DV_SETUP_DONE : DV_SETUP_REMOVED, "driver",
				  all[i].name, NULL, NULL, false);
		else if (there)
			rc = tell(s, DV_SETUP_WAS, "driver", all[i].name, NULL, NULL, false);
	}
	return rc;
}

static int need_git(dv_repo *r)
{
	dv_git *git;

	/* What git cannot do here is found before anything is written. */
	if (r && r->has_git)
		return dv_repo_git(r, &git);
	return dv_err_hint(dv_err(DV_ERROR, "the workspace has no git, and so no hooks"),
			   "run 'git init' and 'dv init', or give '--global'");
}

static int by_hand(const setup *s, const char *what)
{
	if (!s->by_hand)
		return 0;
	dv_err(DV_EPARTIAL, "%zu %s", s->by_hand, what);
	return dv_err_hint(DV_EPARTIAL, "change the files that were named as they need it; 'dv "
			   "doctor' tells whether the hooks run");
}

int dv_install(dv_repo *r, const dv_install_options *o, dv_setup_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(setup) s = { .repo = r, .o = o, .cb = cb, .payload = payload };
	dv_drivers d;
	bool others;
	int rc = o->global ? 0 : need_git(r);

	if (rc == 0)
		rc = dv_gitdrivers_write(o->global ? NULL : &r->dirs, DV_DRIVERS_ALL, o->force,
					 &d);
	if (rc == 0)
		rc = tell_drivers(&s, DV_DRIVERS_ALL, &d, true);
	if (rc != 0 || o->global)
		return rc;
	if ((rc = install_hooks(&s)) != 0 || (rc = note_workspace(r, true, &others)) < 0)
		return rc;
	return by_hand(&s, s.by_hand == 1 ? "hook does not call dv yet"
					  : "hooks do not call dv yet");
}

/* The drivers that can go: without its filter git would take what it has of tracked files for other
 * content. */
static int parts_to_remove(const setup *s, unsigned *parts)
{
	dv_git *g = NULL;
	bool used = false;
	int rc;

	*parts = DV_DRIVERS_ALL;
	if (s->o->global || s->o->force)
		return 0;
	if ((rc = dv_repo_git(s->repo, &g)) < 0 || (rc = dv_git_uses_filter(g, &used)) < 0)
		return rc;
	if (used)
		*parts &= ~(unsigned)DV_DRIVER_FILTER;
	return 0;
}

int dv_uninstall(dv_repo *r, const dv_install_options *o, dv_setup_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(setup) s = { .repo = r, .o = o, .cb = cb, .payload = payload };
	dv_drivers d;
	unsigned parts;
	bool others = false;
	int rc = o->global || (r && r->has_git) ? 0 : need_git(r);

	if (rc == 0 && !o->global)
		rc = note_workspace(r, false, &others);
	if (rc == 0 && others)
		return tell(&s, DV_SETUP_KEPT, "hooks", "other workspaces", NULL, NULL, false);
	if (rc == 0 && !o->global)
		rc = uninstall_hooks(&s);
	if (rc == 0)
		rc = parts_to_remove(&s, &parts);
	if (rc == 0)
		rc = dv_gitdrivers_remove(o->global ? NULL : &r->dirs, parts, o->force, &d);
	if (rc == 0 && parts != DV_DRIVERS_ALL)
		rc = tell(&s, DV_SETUP_KEPT, "filter", "filter", NULL, NULL, false);
	if (rc == 0)
		rc = tell_drivers(&s, parts, &d, false);
	if (rc != 0)
		return rc;
	return by_hand(&s, s.by_hand == 1 ? "hook of others still calls dv"
					  : "hooks of others still call dv");
}
