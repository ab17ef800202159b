/* SPDX-License-Identifier: Apache-2.0 */
/* Which outputs there are in the workspace or in a revision. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/filtered.h"
#include "repo/lockjournal.h"

#define OUTPUTS_MAX 10000000

/* -- the list ---------------------------------------------------------------------------------- */

static void output_release(dv_output *o)
{
	free(o->path);
	free(o->pointer_path);
	free(o->stage);
	dv_pointer_release(&o->pointer);
}

void dv_output_list_cut(dv_output_list *l, size_t n)
{
	while (l->n > n)
		output_release(&l->o[--l->n]);
}

void dv_output_list_release(dv_output_list *l)
{
	dv_output_list_cut(l, 0);
	free(l->o);
	*l = (dv_output_list)DV_OUTPUT_LIST_INIT;
}

/* Bytes, '/' before all others. The first n bytes of b. */
static int order_n(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	while (i < n && a[i] && a[i] == b[i])
		i++;
	unsigned x = (unsigned char)a[i], y = i < n ? (unsigned char)b[i] : 0;
	x = x == '/' ? 1 : x ? x + 1 : 0;
	y = y == '/' ? 1 : y ? y + 1 : 0;
	return x < y ? -1 : x > y;
}

static int compare(const void *a, const void *b)
{
	const dv_output *x = a, *y = b;

	return order_n(x->path, y->path, strlen(y->path));
}

static dv_output *find_n(const dv_output_list *l, const char *path, size_t n)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = order_n(l->o[mid].path, path, n);
		if (!c)
			return &l->o[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

dv_output *dv_output_list_find(const dv_output_list *l, const char *path)
{
	return find_n(l, path, strlen(path));
}

dv_output *dv_output_list_holding(const dv_output_list *l, const char *path, const char **rest)
{
	for (size_t n = 0; ; ) {
		n += strcspn(path + n, "/");
		dv_output *o = find_n(l, path, n);
		if (o) {
			if (rest)
				*rest = path + n + (path[n] == '/');
			return o;
		}
		if (!path[n])
			return NULL;
		n++;
	}
}

int dv_output_list_add_copy(dv_output_list *l, const dv_output *from)
{
	dv_output o = { .path = dv_strdup(from->path),
			.pointer_path = dv_strdup(from->pointer_path),
			.stage = from->stage ? dv_strdup(from->stage) : NULL,
			.filtered = from->filtered, .index = from->index,
			.index_racy = from->index_racy, .index_exec = from->index_exec,
			.skipped = from->skipped };
	int rc = o.path && o.pointer_path && (o.stage || !from->stage)
			 ? dv_pointer_copy(&o.pointer, &from->pointer) : dv_err_nomem();

	if (!rc && l->n >= OUTPUTS_MAX)
		rc = dv_err(DV_ERROR, "there are more than %d outputs", OUTPUTS_MAX);
	if (!rc)
		rc = dv_grow(&l->o, &l->cap, l->n + 1, sizeof(o));
	if (rc)
		output_release(&o);
	else
		l->o[l->n++] = o;
	return rc;
}

int dv_output_list_add(dv_output_list *l, const char *pointer_path, const dv_pointer *p)
{
	dv_autofree char *dir = dv_path_dir(pointer_path);
	dv_autofree char *path = NULL;

	if (dir)
		path = strcmp(dir, ".") != 0 ? dv_path_join(dir, p->path) : dv_strdup(p->path);
	if (!path)
		return dv_err_nomem();
	const dv_output o = { .path = path, .pointer_path = (char *)(uintptr_t)pointer_path,
			      .pointer = *p };
	return dv_output_list_add_copy(l, &o);
}

int dv_output_list_add_filtered(dv_output_list *l, const char *path, const dv_lfs_pointer *p)
{
	char *same = (char *)(uintptr_t)path;
	const dv_output o = { .path = same, .pointer_path = same, .filtered = true,
			      .pointer = { .path = (char *)(uintptr_t)dv_path_base(path),
					   .oid = p->oid, .size = p->size } };

	return dv_output_list_add_copy(l, &o);
}

/* The directory of a stage in which a record lies, or NULL. */
static const dv_output *around(const dv_output_list *l, const char *record)
{
	size_t n = (size_t)(dv_path_base(record) - record);
	dv_autofree char *dir = n ? dv_strndup(record, n - 1) : NULL;
	const dv_output *holder = dir ? dv_output_list_holding(l, dir, NULL) : NULL;

	return holder && holder->stage && holder->pointer.is_dir ? holder : NULL;
}

/* What lies in a directory that a stage makes records nothing; the walk may have come by before it
 * knew of the stage. */
static int drop_inside(dv_output_list *l)
{
	const char *dir = NULL;
	bool any = false, inside = false;
	size_t kept = 0, n = 0;

	for (size_t i = 0; i < l->n && !any; i++)
		any = l->o[i].stage && l->o[i].pointer.is_dir;
	if (!any)
		return 0;
	dv_autofree bool *drop = dv_calloc(l->n + 1, sizeof(*drop));
	if (!drop)
		return DV_ERROR;
	for (size_t i = 0; i < l->n; i++, drop[i - 1] = inside) {
		const dv_output *o = &l->o[i];
		size_t len = (size_t)(dv_path_base(o->pointer_path) - o->pointer_path);

		/* Neighbours are mostly recorded in one folder. */
		if (dir && len == n && memcmp(dir, o->pointer_path, n) == 0)
			continue;
		const dv_output *holder = around(l, o->pointer_path);
		dir = o->pointer_path;
		n = len;
		inside = holder != NULL;
		if (holder && around(l, holder->pointer_path))
			return dv_err_hint(dv_err(DV_ERROR, "'%s' lies in '%s', which '%s' "
						  "records, and that lies in an output too",
						  o->pointer_path, holder->path,
						  holder->pointer_path),
					   "remove one of the two");
	}
	for (size_t i = 0; i < l->n; i++)
		if (drop[i])
			output_release(&l->o[i]);
		else
			l->o[kept++] = l->o[i];
	l->n = kept;
	return 0;
}

static void name_record(dv_buf *out, const dv_output *o)
{
	if (o->stage)
		dv_buf_addf(out, "the stage '%s' of '%s'", o->stage, o->pointer_path);
	else
		dv_buf_addf(out, "'%s'", o->pointer_path);
}

static int fail_overlap(const dv_output *a, const dv_output *b)
{
	dv_auto(dv_buf) first = DV_BUF_INIT, second = DV_BUF_INIT;

	name_record(&first, a);
	name_record(&second, b);
	if (strcmp(a->path, b->path) == 0)
		dv_err(DV_ERROR, "%s and %s both track '%s'", dv_buf_str(&first),
		       dv_buf_str(&second), a->path);
	else
		dv_err(DV_ERROR, "%s tracks '%s', which lies in '%s' tracked by %s",
		       dv_buf_str(&second), b->path, a->path, dv_buf_str(&first));
	if (!a->stage && !b->stage)
		return dv_err_hint(DV_ERROR, "remove one of the two pointers");
	if (a->stage && b->stage)
		return dv_err_hint(DV_ERROR, "remove the stage that does not make it any more from "
				   "'%s'", a->pointer_path);
	return dv_err_hint(DV_ERROR, "remove the pointer '%s', or the output from '%s'",
			   a->stage ? b->pointer_path : a->pointer_path,
			   a->stage ? a->pointer_path : b->pointer_path);
}

/* A file that git tracks in an output of another kind, which somebody insisted on, is that
 * output's: it is recorded there as well. */
static void drop_filtered(dv_output_list *l)
{
	const char *holder = NULL;
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		dv_output *o = &l->o[i];
		bool beside = i + 1 < l->n && !strcmp(o->path, o[1].path) && !o[1].filtered;

		if (!o->filtered)
			holder = o->path;
		else if (beside || (holder && dv_path_below(o->path, holder, NULL))) {
			output_release(o);
			continue;
		}
		l->o[kept++] = *o;
	}
	l->n = kept;
}

/* Git's index comes in order, and is most of a long list. */
static bool is_sorted(const dv_output_list *l)
{
	for (size_t i = 1; i < l->n; i++)
		if (compare(&l->o[i - 1], &l->o[i]) > 0)
			return false;
	return true;
}

int dv_output_list_finish(dv_output_list *l)
{
	if (!is_sorted(l))
		qsort(l->o, l->n, sizeof(*l->o), compare);
	drop_filtered(l);
	int rc = drop_inside(l);
	for (size_t i = 1; rc == 0 && i < l->n; i++)
		if (dv_path_below(l->o[i].path, l->o[i - 1].path, NULL))
			rc = fail_overlap(&l->o[i - 1], &l->o[i]);
	return rc;
}

/* -- the workspace ----------------------------------------------------------------------------- */

struct walk {
	dv_repo *r;
	dv_output_list *out;
	dv_path_list *pipelines;	/* or NULL */
	dv_lockjournal journal;	/* what runs have not put into lock files */
	dv_map met;		/* hashes of the paths of lock files; only with a journal */
	dv_path_list damaged;	/* records that cannot be read */
	bool tolerate;		/* none of them fails the call */
	dv_map made;		/* hashes of the paths of outputs, which are not gone into */
	bool rules;		/* git's attributes were met, or may be elsewhere */
	char **todo;		/* folders that are still to be read, owned */
	size_t n, cap;
};

void dv_path_list_release(dv_path_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->p[i]);
	free(l->p);
	*l = (dv_path_list)DV_PATH_LIST_INIT;
}

static int push(char ***list, size_t *cap, size_t *n, char *owned)
{
	int rc = owned ? dv_grow(list, cap, *n + 1, sizeof(char *)) : dv_err_nomem();

	if (rc)
		free(owned);
	else
		(*list)[(*n)++] = owned;
	return rc;
}

int dv_path_list_add(dv_path_list *l, const char *path)
{
	return push(&l->p, &l->cap, &l->n, dv_strdup(path));
}

static dv_oid path_key(const char *path)
{
	dv_oid key;

	dv_sha256(&key, path, strlen(path));
	return key;
}

/* Notes outputs that were added behind the first `from`. */
static int note_made(struct walk *w, size_t from)
{
	int rc = 0;

	for (size_t i = from; !rc && i < w->out->n; i++) {
		const dv_output *o = &w->out->o[i];
		dv_oid key;

		if (o->stage && !o->pointer.is_dir)
			continue;
		key = path_key(o->path);
		rc = dv_map_put(&w->made, &key, 1);
	}
	return rc;
}

static int read_journaled(struct walk *w, const char *rel, const char *text, size_t n)
{
	const dv_oid key = path_key(rel);
	int rc = dv_map_put(&w->met, &key, 1);

	return rc ? rc : dv_output_list_read_journaled(w->out, rel, text, n, &w->journal);
}

/* Lock files that are in the journal alone, as when the first run was killed. */
static int read_unwritten(struct walk *w)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < w->journal.n; i++) {
		const char *lock = w->journal.r[i].lock;
		const dv_oid key = path_key(lock);

		if (!dv_map_has(&w->met, &key) && dv_path_is_safe(lock))
			rc = read_journaled(w, lock, "", 0);
	}
	return rc;
}

static int read_record(struct walk *w, const char *rel)
{
	bool lock = !dv_pointer_is_name(dv_path_base(rel));
	dv_autofree char *path = dv_repo_abs(w->r, rel);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	size_t from = w->out->n;
	struct stat st;

	if (!path)
		return dv_err_nomem();
	/* A folder or a link of such a name is no pointer; it may be anybody's. A lock file behind
	 * a link is read by nobody who looks at a revision. */
	if (lstat(path, &st) || (!S_ISREG(st.st_mode) && !(lock && S_ISLNK(st.st_mode))))
		return 0;
	if (!S_ISREG(st.st_mode))
		return dv_err_hint(dv_err(DV_EUNSAFE, "'%s' is a symbolic link", rel),
				   "replace the link with the file");
	int rc = dv_fs_read_file(&text, path, lock ? DV_LOCKFILE_MAX : DV_POINTER_MAX);
	if (!rc && lock && w->journal.n)
		rc = read_journaled(w, rel, dv_buf_str(&text), text.n);
	else if (!rc)
		rc = dv_output_list_read(w->out, rel, dv_buf_str(&text), text.n, NULL);
	return rc ? rc : note_made(w, from);
}

static bool is_made(const struct walk *w, const char *rel)
{
	if (!w->made.n)
		return false;
	const dv_oid key = path_key(rel);
	return dv_map_has(&w->made, &key);
}

static unsigned char type_of(int dirfd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type;
	if (fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return DT_UNKNOWN;
	return S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG :
	       S_ISLNK(st.st_mode) ? DT_LNK : DT_UNKNOWN;
}

/* The pipeline file of a folder: a dv.yaml, which takes the place of a dvc.yaml that was met. */
static int note_pipeline(struct walk *w, const char *rel, const char *name)
{
	dv_path_list *l = w->pipelines;
	bool own = !strcmp(name, "dv.yaml");
	size_t dir = strlen(rel) - strlen(name);

	if (dv_ignore_match_here(w->r->ignore, rel, false, NULL))
		return 0;
	if (l->n && !strncmp(l->p[l->n - 1], rel, dir) && !strchr(l->p[l->n - 1] + dir, '/')) {
		char *copy = own ? dv_strdup(rel) : NULL;

		if (own && !copy)
			return DV_ERROR;
		if (own) {
			free(l->p[l->n - 1]);
			l->p[l->n - 1] = copy;
		}
		return 0;
	}
	return push(&l->p, &l->cap, &l->n, dv_strdup(rel));
}

static bool is_pipeline(const char *name)
{
	return !strcmp(name, "dv.yaml") || !strcmp(name, "dvc.yaml");
}

static int visit(struct walk *w, dv_path_list *l, const char *dir, const char *name,
		 unsigned char type)
{
	w->rules |= !strcmp(name, ".gitattributes");
	bool pipeline = type == DT_REG && w->pipelines && is_pipeline(name);
	bool record = (type == DT_REG && dv_output_is_record(name)) ||
		      (type == DT_LNK && !strcmp(name, DV_LOCKFILE));

	if ((type != DT_DIR && !record && !pipeline) || !strcmp(name, ".") ||
	    !strcmp(name, "..") || !strcmp(name, ".git") || !strcmp(name, ".dv"))
		return 0;
	char *rel = *dir ? dv_path_join(dir, name) : dv_strdup(name);
	if (!rel)
		return DV_ERROR;
	if (type == DT_DIR)
		return push(&l->p, &l->cap, &l->n, rel);
	int rc = pipeline ? note_pipeline(w, rel, name) :
		 dv_ignore_match_here(w->r->ignore, rel, false, NULL) ? 0 : read_record(w, rel);
	/* It counts for nothing when it turns out to lie in what a stage makes. */
	if (rc < 0 && rc != DV_ECANCELLED && record && (*dir || w->tolerate)) {
		dv_error_clear();
		rc = dv_path_list_add(&w->damaged, rel);
	}
	free(rel);
	return rc;
}

/* Is this folder the root of another repository, whose outputs are its own? */
static bool is_nested(int fd)
{
	struct stat st;

	return !fstatat(fd, ".git", &st, AT_SYMLINK_NOFOLLOW) ||
	       !fstatat(fd, ".dv/config", &st, AT_SYMLINK_NOFOLLOW);
}

static int read_folder(struct walk *w, const char *dir)
{
	dv_auto(dv_path_list) l = DV_PATH_LIST_INIT;
	dv_autofree char *path = dv_repo_abs(w->r, dir);
	int rc = 0;

	if (!path)
		return dv_err_nomem();
	if (is_made(w, dir))
		return 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
		return 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		rc = dv_err_sys("cannot read the folder '%s'", *dir ? dir : ".");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	bool skip = *dir && is_nested(fd);
	for (struct dirent *e; !skip && !rc && (e = readdir(d)); )
		rc = visit(w, &l, dir, e->d_name, type_of(fd, e));
	closedir(d);
	for (size_t i = 0; !rc && i < l.n; i++) {
		if (dv_ignore_match_here(w->r->ignore, l.p[i], true, NULL))
			continue;
		rc = push(&w->todo, &w->cap, &w->n, dv_steal(&l.p[i]));
	}
	return rc;
}

/* Fails as the first damaged record does that lies in no directory of a stage. */
static int tell_damage(struct walk *w)
{
	size_t n = w->out->n;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->damaged.n; i++)
		if (!around(w->out, w->damaged.p[i]))
			rc = read_record(w, w->damaged.p[i]);
	/* Somebody may have mended it meanwhile. */
	return rc || n == w->out->n ? rc : dv_output_list_finish(w->out);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Rules for the filter may stand where the walk does not come by. Looking at git's index costs
 * time, which is saved where there are none. */
static bool has_rules_elsewhere(const dv_repo *r)
{
	static const char *const places[] = { "info/attributes", "info/sparse-checkout" };

	for (size_t i = 0; r->has_git && i < 2; i++) {
		dv_autofree char *path = dv_path_join(i ? r->dirs.gitdir : r->dirs.commondir,
						      places[i]);
		dv_auto(dv_buf) text = DV_BUF_INIT;

		if (!path || (i && !access(path, F_OK)))
			return true;
		if (!i && !dv_fs_read_file(&text, path, DV_POINTER_MAX) &&
		    strstr(dv_buf_str(&text), "filter"))
			return true;
		dv_error_clear();
	}
	return r->has_git && strcmp(r->root, r->dirs.workdir) != 0;
}

int dv_repo_outputs(dv_repo *r, dv_output_list *out)
{
	return dv_repo_outputs_and_pipelines(r, out, NULL);
}

static int find_outputs(dv_repo *r, dv_output_list *out, dv_path_list *pipelines,
			dv_path_list *damaged)
{
	struct walk w = { .r = r, .out = out, .pipelines = pipelines,
			  .tolerate = damaged != NULL };
	int rc = dv_lockjournal_read(&w.journal, r);

	w.rules = has_rules_elsewhere(r);
	if (!rc)
		rc = push(&w.todo, &w.cap, &w.n, dv_strdup(""));
	while (!rc && w.n) {
		dv_autofree char *dir = w.todo[--w.n];
		rc = dv_check_cancel();
		if (!rc)
			rc = read_folder(&w, dir);
	}
	while (w.n)
		free(w.todo[--w.n]);
	free(w.todo);
	if (pipelines && pipelines->n)
		qsort(pipelines->p, pipelines->n, sizeof(*pipelines->p), compare_names);
	if (!rc)
		rc = read_unwritten(&w);
	if (!rc && w.rules)
		rc = dv_filtered_outputs(r, out);
	if (!rc)
		rc = dv_output_list_finish(out);
	if (!rc && !damaged)
		rc = tell_damage(&w);
	for (size_t i = 0; !rc && damaged && i < w.damaged.n; i++)
		if (!around(out, w.damaged.p[i]))
			rc = dv_path_list_add(damaged, w.damaged.p[i]);
	dv_lockjournal_release(&w.journal);
	dv_map_release(&w.met);
	dv_map_release(&w.made);
	dv_path_list_release(&w.damaged);
	return rc;
}

int dv_repo_outputs_and_pipelines(dv_repo *r, dv_output_list *out, dv_path_list *pipelines)
{
	return find_outputs(r, out, pipelines, NULL);
}

int dv_repo_outputs_and_damaged(dv_repo *r, dv_output_list *out, dv_path_list *damaged)
{
	return find_outputs(r, out, NULL, damaged);
}

/* -- a revision -------------------------------------------------------------------------------- */

static int on_record(const char *where, const char *path, const char *text, size_t n,
		     void *payload)
{
	int rc = dv_output_list_read(payload, path, text, n, NULL);

	return rc ? dv_err_ctx(rc, "in revision %.10s", where) : 0;
}

int dv_repo_outputs_at(dv_repo *r, const char *rev, dv_output_list *out)
{
	dv_git *g = NULL;
	int rc = dv_repo_git(r, &g);

	if (!rc)
		rc = dv_git_pointers_at(g, rev, on_record, out);
	return rc ? rc : dv_output_list_finish(out);
}
