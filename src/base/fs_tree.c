/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree. Links are never followed, not even when a folder is exchanged for a link while
 * we work: every step goes by an open folder and one name, and the way back up is checked. Uses
 * three descriptors and no recursion, however deep the tree is.
 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"

typedef struct level {
	char *name;	/* of the folder we went down into */
	dev_t dev;	/* its parent: what ".." must lead to */
	ino_t ino;
} level;

typedef struct walk {
	int fd;		/* the folder we are in */
	level *levels;
	size_t n, cap;
	const char *path;	/* the whole tree, for messages */
	int refilled;	/* how often a folder was not empty after it had been emptied */
} walk;

static void walk_release(walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->levels[i].name);
	free(w->levels);
	if (w->fd >= 0)
		close(w->fd);
}

static int cannot(const walk *w, const char *name)
{
	return dv_err_sys("cannot remove '%s' in '%s'", name, w->path);
}

/* Goes down into `name`; 0 also when it has gone or is no folder any more. */
static int go_down(walk *w, const char *name)
{
	struct stat st;
	level l = { 0 };
	int fd = dv_fs_openat(w->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : cannot(w, name);
	l.name = dv_strdup(name);
	if (!l.name || dv_grow(&w->levels, &w->cap, w->n + 1, sizeof(l))) {
		free(l.name);
		close(fd);
		return DV_ERROR;
	}
	if (fstat(w->fd, &st)) {
		int rc = cannot(w, name);

		free(l.name);
		close(fd);
		return rc;
	}
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	w->levels[w->n++] = l;
	close(w->fd);
	w->fd = fd;
	return 0;
}

/* Goes back up and removes the folder we were in. */
static int go_up(walk *w)
{
	level *l = &w->levels[w->n - 1];
	dv_autofree char *name = l->name;
	struct stat st;
	int fd = dv_fs_openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	w->n--;
	if (fd < 0)
		return cannot(w, name);
	close(w->fd);
	w->fd = fd;
	if (fstat(fd, &st) || st.st_dev != l->dev || st.st_ino != l->ino)
		return dv_err(DV_ERROR, "'%s' was moved while it was being removed", w->path);
	if (dv_fs_unlinkat(w->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR)
		return 0;
	/* Somebody filled it meanwhile: the next look at the parent finds it again. */
	if ((errno != ENOTEMPTY && errno != EEXIST) || ++w->refilled > 16)
		return cannot(w, name);
	return 0;
}

/* Removes one name. A folder that is not empty is told by *down. */
static int remove_name(walk *w, const char *name, bool is_dir, bool *down)
{
	*down = false;
	if (!is_dir) {
		if (dv_fs_unlinkat(w->fd, name, 0) == 0 || errno == ENOENT)
			return 0;
		if (errno != EISDIR)
			return cannot(w, name);
	}
	if (dv_fs_unlinkat(w->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return cannot(w, name);
	*down = true;
	return 0;
}

/* Removes what can be removed here; *down when a folder was entered instead. */
static int empty_here(walk *w, bool *down)
{
	int fd = dv_fs_openat(w->fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	int rc = 0;

	*down = false;
	if (!dir) {
		rc = cannot(w, ".");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && !*down && (errno = 0, e = readdir(dir))) {
		if (!dv_name_is_safe(e->d_name, strlen(e->d_name)))
			continue;
		rc = remove_name(w, e->d_name, e->d_type == DT_DIR, down);
		if (!rc && *down)
			rc = go_down(w, e->d_name);
	}
	if (!rc && !*down && errno)
		rc = cannot(w, ".");
	closedir(dir);
	return rc;
}

int dv_fs_remove_tree(const char *path)
{
	__attribute__((cleanup(walk_release))) walk w = { .fd = -1, .path = path };
	dv_autofree char *trimmed = dv_strdup(path), *parent = NULL;
	const char *base;
	bool down;
	int rc;

	if (!trimmed)
		return DV_ERROR;
	for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
		trimmed[n - 1] = '\0';
	base = dv_path_base(trimmed);
	if (!dv_name_is_safe(base, strlen(base)))
		return dv_err(DV_EUSAGE, "cannot remove '%s'", path);
	parent = dv_path_dir(trimmed);
	if (!parent)
		return DV_ERROR;
	w.fd = dv_fs_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY, 0);
	if (w.fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", parent);
	for (;;) {
		rc = remove_name(&w, base, false, &down);
		if (rc || !down)
			return rc;
		rc = go_down(&w, base);
		while (!rc && w.n > 0) {
			rc = empty_here(&w, &down);
			if (!rc && !down)
				rc = go_up(&w);
		}
		if (!rc)
			rc = dv_check_cancel();
		if (rc)
			return rc;
	}
}
