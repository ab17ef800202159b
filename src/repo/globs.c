/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of targets. The folders before the first wildcard are taken as they are, like any path
 * of the user's; what follows is matched against paths below them, and only folders that can hold a
 * match are read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/path.h"
#include "git/wildmatch.h"
#include "repo/targets.h"

#define WILD "*?[\\"

typedef struct pattern {
	const char *user;	/* as typed */
	char *base;		/* root-relative folder where the wildcards begin; "" is the root */
	char *glob;		/* below it; "" when there are no wildcards: base is the target */
	bool dir_only;		/* had a slash at the end */
} pattern;

static void pattern_release(pattern *p)
{
	free(p->base);
	free(p->glob);
}

static int pattern_parse(pattern *p, const dv_repo *r, const char *user)
{
	const char *wild = strpbrk(user, WILD), *at = user;
	dv_autofree char *base = NULL;

	*p = (pattern){ .user = user };
	for (const char *s = user; wild && s < wild; s++)
		if (*s == '/')
			at = s + 1;
	if (!wild)
		base = dv_strdup(user);
	else
		base = at == user ? dv_strdup(".") : dv_strndup(user, (size_t)(at - user));
	size_t n = strlen(at);
	while (wild && n && at[n - 1] == '/')
		p->dir_only = true, n--;
	p->glob = dv_strndup(at, wild ? n : 0);
	return base && p->glob ? dv_repo_rel(r, base, &p->base) : dv_err_nomem();
}

/* Does the first component of the pattern match the first `n` bytes of `name`? */
static int component(const char *glob, size_t glob_n, const char *name, size_t n, bool *match)
{
	dv_autofree char *g = dv_strndup(glob, glob_n);
	dv_autofree char *s = dv_strndup(name, n);

	if (!g || !s)
		return dv_err_nomem();
	*match = dv_wildmatch(g, s);
	return 0;
}

/* Can anything below the folder `dir` (relative to the pattern's base) match? */
static int can_hold(const char *glob, const char *dir, bool *can)
{
	*can = true;
	while (*dir) {
		size_t g = strcspn(glob, "/"), d = strcspn(dir, "/");
		int e;

		if (g == 2 && glob[0] == '*' && glob[1] == '*')
			return 0;
		if ((e = component(glob, g, dir, d, can)) < 0 || !*can)
			return e;
		glob += g + (glob[g] == '/');
		dir += d + (dir[d] == '/');
	}
	*can = *glob != '\0';
	return 0;
}

/* Names with a leading dot are matched only by a component that has one too. */
static int is_hidden(const char *glob, const char *name, bool *hidden)
{
	*hidden = *name == '.';
	for (const char *g = glob; *hidden && *g;) {
		size_t n = strcspn(g, "/");
		bool match = false;
		int e = *g == '.' ? component(g, n, name, strlen(name), &match) : 0;

		if (e < 0)
			return e;
		*hidden = !match;
		g += n + (g[n] == '/');
	}
	return 0;
}

/* What follows `base` in a root-relative path; NULL when the path is not strictly below it. */
static const char *below(const char *path, const char *base)
{
	const char *rest = path;

	if (*base && !dv_path_below(path, base, &rest))
		return NULL;
	return *rest ? rest : NULL;
}

static int no_match(const pattern *p, bool tracked)
{
	int e = dv_err(DV_ENOTFOUND, "nothing %smatches '%s'", tracked ? "that is tracked " : "",
		       p->user);

	if (strchr(p->user, '{'))
		return dv_err_hint(e, "braces are not expanded: give several patterns");
	if (tracked)
		return dv_err_hint(e, "run 'dv ls -R' to see what is tracked");
	return dv_err_hint(e, "'*' stays within a folder, '**/' crosses folders, and a leading '.' "
			   "must be written");
}

/* -- the workspace ----------------------------------------------------------------------------- */

typedef struct walk {
	const dv_repo *r;
	const pattern *p;
	dv_targets *found;
	const dv_output_list *inside;	/* only what lies in these counts; NULL: anything */
	char **todo;			/* folders to be read, root-relative, owned */
	size_t n, cap;
} walk;

static void walk_release(walk *w)
{
	while (w->n)
		free(w->todo[--w->n]);
	free(w->todo);
}

static int later(walk *w, char *owned)
{
	int e = owned ? dv_grow(&w->todo, &w->cap, w->n + 1, sizeof(*w->todo)) : dv_err_nomem();

	if (e < 0)
		free(owned);
	else
		w->todo[w->n++] = owned;
	return e;
}

static bool is_own(const char *name, bool is_dir)
{
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0 ||
	    strcmp(name, ".dv") == 0)
		return true;
	return !is_dir && dv_repo_is_meta(name);
}

static bool is_folder(int fd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int visit(walk *w, const char *dir, const char *name, bool is_dir)
{
	dv_autofree char *path = NULL;
	bool hidden, can = false;
	const char *rest;
	int e;

	if (is_own(name, is_dir))
		return 0;
	if ((e = is_hidden(w->p->glob, name, &hidden)) < 0 || hidden)
		return e;
	path = *dir ? dv_path_join(dir, name) : dv_strdup(name);
	if (!path)
		return dv_err_nomem();
	if (dv_ignore_match_here(w->r->ignore, path, is_dir, NULL))
		return 0;
	rest = below(path, w->p->base);
	if (rest && dv_wildmatch(w->p->glob, rest) && (is_dir || !w->p->dir_only) &&
	    (!w->inside || dv_output_list_holding(w->inside, path, NULL)))
		return dv_targets_add(w->found, dv_steal(&path));
	if (!is_dir || !rest || (e = can_hold(w->p->glob, rest, &can)) < 0 || !can)
		return is_dir && rest ? e : 0;
	return later(w, dv_steal(&path));
}

static int read_folder(walk *w, const char *dir)
{
	dv_autofree char *path = dv_repo_abs(w->r, dir);
	struct stat st;
	int e = 0;

	if (!path)
		return dv_err_nomem();
	int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	/* Went meanwhile, or the user may not look: there is nothing to match. */
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES))
		return 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		e = dv_err_sys("cannot read the folder '%s'", *dir ? dir : ".");
		if (fd >= 0)
			close(fd);
		return e;
	}
	bool nested = *dir && (fstatat(fd, ".git", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
			       fstatat(fd, ".dv/config", &st, AT_SYMLINK_NOFOLLOW) == 0);
	for (struct dirent *x; !nested && e == 0 && (x = readdir(d));)
		e = visit(w, dir, x->d_name, is_folder(fd, x));
	closedir(d);
	return e;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int walk_workspace(dv_targets *t, const dv_repo *r, const pattern *p,
			  const dv_output_list *inside)
{
	__attribute__((cleanup(walk_release))) walk w = { .r = r, .p = p, .found = t,
							  .inside = inside };
	size_t from = t->n;
	int e = 0;

	if (!*p->base || !dv_ignore_match(r->ignore, p->base, true, NULL))
		e = later(&w, dv_strdup(p->base));
	while (e == 0 && w.n) {
		dv_autofree char *dir = w.todo[--w.n];

		if ((e = dv_check_cancel()) == 0)
			e = read_folder(&w, dir);
	}
	if (t->n - from > 1)
		qsort(t->path + from, t->n - from, sizeof(*t->path), by_name);
	return e;
}

int dv_targets_glob(dv_targets *t, const dv_repo *r, const char *const *user, size_t n)
{
	t->all = n == 0;
	for (size_t i = 0; i < n; i++) {
		__attribute__((cleanup(pattern_release))) pattern p = { 0 };
		size_t before = t->n;
		int e = pattern_parse(&p, r, user[i]);

		if (e == 0)
			e = *p.glob ? walk_workspace(t, r, &p, NULL)
				    : dv_targets_add(t, dv_strdup(p.base));
		if (e < 0)
			return e;
		if (t->n == before)
			return no_match(&p, false);
	}
	return dv_targets_finish(t);
}

/* -- what is tracked --------------------------------------------------------------------------- */

typedef struct folder {
	char *path;	/* root-relative, owned */
	dv_oid oid;
	int depth;
} folder;
typedef struct search {
	dv_targets *t;
	const pattern *p;
	const dv_side *side;
	folder *todo;
	size_t n, cap;
	bool unknown;		/* a listing that might hold a match could not be read */
} search;

static void search_release(search *s)
{
	while (s->n)
		free(s->todo[--s->n].path);
	free(s->todo);
}

/* Takes a path in, or notes the folder for later when it can hold a match. */
static int consider(search *s, const char *path, bool is_dir, const dv_oid *oid, int depth)
{
	const char *rest = below(path, s->p->base);
	bool can = false;
	int e = 0;

	if (rest && dv_wildmatch(s->p->glob, rest) && (is_dir || !s->p->dir_only))
		return dv_targets_add(s->t, dv_strdup(path));
	if (!is_dir || depth > DV_TREE_DEPTH)
		return 0;
	if (rest)
		e = can_hold(s->p->glob, rest, &can);
	else
		can = dv_path_below(s->p->base, path, NULL);
	if (e < 0 || !can)
		return e;
	char *own = dv_strdup(path);
	e = own ? dv_grow(&s->todo, &s->cap, s->n + 1, sizeof(*s->todo)) : dv_err_nomem();
	if (e < 0)
		free(own);
	else
		s->todo[s->n++] = (folder){ own, *oid, depth };
	return e;
}

static int list_folder(search *s, const folder *f)
{
	dv_auto(dv_tree) tree = DV_TREE_INIT;
	int e = s->side->list(s->side->ctx, f->path, &f->oid, &tree);

	if (e == DV_ENOTFOUND) {
		dv_error_clear();
		s->unknown = true;
		return 0;
	}
	for (size_t i = 0; e == 0 && i < tree.n; i++) {
		dv_autofree char *path = dv_path_join(f->path, tree.e[i].name);
		bool hidden;

		if (!path)
			return dv_err_nomem();
		e = is_hidden(s->p->glob, tree.e[i].name, &hidden);
		/* On the way to the base every name is one that the user wrote. */
		if (e == 0 && (!hidden || !below(path, s->p->base)))
			e = consider(s, path, tree.e[i].kind == 'd', &tree.e[i].oid, f->depth + 1);
	}
	return e;
}

/* The folders above an output, the output, its pointer, and what is in it. */
static int match_output(search *s, const dv_output *o)
{
	const char *rest = below(o->path, s->p->base);
	const char *pointer = below(o->pointer_path, s->p->base);
	int e;

	for (const char *end = rest; end && (end = strchr(end, '/')); end++) {
		dv_autofree char *above = dv_strndup(o->path, (size_t)(end - o->path));

		if (!above)
			return dv_err_nomem();
		if (dv_wildmatch(s->p->glob, below(above, s->p->base)))
			return dv_targets_add(s->t, dv_steal(&above));
	}
	/* "*" means the data: a pointer is meant only where its suffix is written. */
	if (pointer && strstr(s->p->glob, DV_POINTER_SUFFIX) && !s->p->dir_only &&
	    dv_wildmatch(s->p->glob, pointer))
		return dv_targets_add(s->t, dv_strdup(o->pointer_path));
	e = consider(s, o->path, o->pointer.is_dir, &o->pointer.oid, 0);
	while (e == 0 && s->n) {
		folder f = s->todo[--s->n];

		if ((e = dv_check_cancel()) == 0)
			e = list_folder(s, &f);
		free(f.path);
	}
	return e;
}

static int expand_tracked(dv_targets *t, const dv_repo *r, const dv_output_list *l,
			  const dv_side *inside, bool workspace, const char *user)
{
	__attribute__((cleanup(pattern_release))) pattern p = { 0 };
	__attribute__((cleanup(search_release))) search s = { .t = t, .p = &p, .side = inside };
	size_t before = t->n;
	int e = pattern_parse(&p, r, user);

	if (e < 0)
		return e;
	if (!*p.glob) {
		dv_targets_scope scope = { .repo = r, .a = l };
		const char *one = user;
		dv_auto(dv_targets) plain = DV_TARGETS_INIT;

		if ((e = dv_targets_resolve(&plain, r, &one, 1)) < 0 ||
		    (e = dv_targets_check(&plain, &scope)) < 0)
			return e;
		return dv_targets_add(t, dv_strdup(p.base));
	}
	for (size_t i = 0; e == 0 && i < l->n; i++)
		e = match_output(&s, &l->o[i]);
	if (e == 0 && workspace)
		e = walk_workspace(t, r, &p, l);
	if (e < 0 || t->n > before)
		return e;
	if (!s.unknown)
		return no_match(&p, true);
	return dv_err_hint(dv_err(DV_ENOTFOUND, "nothing that is tracked matches '%s', as far as "
				  "the cache knows", user),
			   "run 'dv fetch' to bring the listings that are not here");
}

int dv_targets_glob_tracked(dv_targets *t, const dv_repo *r, const dv_output_list *l,
			    const dv_side *inside, bool workspace, const char *const *user,
			    size_t n)
{
	int e = 0;

	t->all = n == 0;
	for (size_t i = 0; e == 0 && i < n; i++)
		e = expand_tracked(t, r, l, inside, workspace, user[i]);
	return e < 0 ? e : dv_targets_finish(t);
}
