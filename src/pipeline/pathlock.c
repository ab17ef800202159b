/* SPDX-License-Identifier: Apache-2.0 */
/* Locks on paths. A list is lines of "r PATH" or "w PATH", NUL at their ends. */
#include "pipeline/pathlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#define LIST_MAX ((size_t)64 << 20)
#define HIGH_FD 200	/* scripts use the low ones */

typedef struct held {
	size_t owner;
	const dv_pathlock_path *paths;
	size_t n;
} held;

struct dv_pathlocks {
	char *dir, *gate;	/* the folder of lists; the lock for reading and writing them */
	char *list;		/* our own */
	int fd;			/* of it, locked; -1 before the first use */
	bool others;
	held *h;
	size_t n, cap;
};

int dv_pathlocks_new(dv_pathlocks **out, dv_repo *r)
{
	dv_autoptr(dv_pathlocks) l = dv_calloc(1, sizeof(*l));
	char hex[DV_OID_HEX_SIZE + 1], name[] = "running-0123456789abcdef";
	dv_oid id;

	*out = NULL;
	if (!l)
		return DV_ERROR;
	l->fd = -1;
	dv_sha256(&id, r->root, strlen(r->root));
	dv_oid_hex(hex, &id);
	memcpy(name + 8, hex, 16);
	l->dir = dv_path_join(r->dvdir, name);
	l->gate = l->dir ? dv_path_join(l->dir, "lock") : NULL;
	if (!l->gate)
		return dv_err_nomem();
	int rc = dv_fs_mkdirs(l->dir);
	if (rc)
		return rc;
	*out = dv_steal(&l);
	return 0;
}

void dv_pathlocks_free(dv_pathlocks *l)
{
	if (!l)
		return;
	if (l->fd >= 0) {
		dv_fs_unlinkat(AT_FDCWD, l->list, 0);
		close(l->fd);
	}
	free(l->dir);
	free(l->gate);
	free(l->list);
	free(l->h);
	free(l);
}

bool dv_pathlocks_met_others(const dv_pathlocks *l)
{
	return l->others;
}

int dv_pathlocks_fd(const dv_pathlocks *l)
{
	return l->fd;
}

/* -- our own list ------------------------------------------------------------------------------ */

static int open_list(dv_pathlocks *l)
{
	char name[32];
	uint64_t id;
	int rc;

	if (l->fd >= 0)
		return 0;
	if ((rc = dv_random(&id, sizeof(id))))
		return rc;
	snprintf(name, sizeof(name), "list-%016llx", (unsigned long long)id);
	if (!(l->list = dv_path_join(l->dir, name)))
		return dv_err_nomem();
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, l->list, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (fd < 0)
		return dv_err_sys("cannot create '%s'", l->list);
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	if (l->fd < 0 || flock(l->fd, LOCK_EX | LOCK_NB) < 0)
		return dv_err_sys("cannot lock '%s'", l->list);
	return 0;
}

static int write_list(dv_pathlocks *l)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < l->h[i].n; k++) {
			const dv_pathlock_path *p = &l->h[i].paths[k];

			dv_buf_adds(&b, p->exclusive ? "w " : "r ");
			dv_buf_add(&b, p->path, strlen(p->path) + 1);
		}
	if (b.err)
		return b.err;
	/* Shorter first: what is behind the end must not look like a path. */
	if (dv_fs_ftruncate(l->fd, 0) < 0 || dv_fs_pwrite_all(l->fd, b.p, b.n, 0) < 0)
		return dv_err_sys("cannot write '%s'", l->list);
	return 0;
}

/* -- those of others --------------------------------------------------------------------------- */

static bool clash(const char *line, const dv_pathlock_path *p)
{
	return (*line == 'w' || p->exclusive) &&
	       (dv_path_below(line + 2, p->path, NULL) || dv_path_below(p->path, line + 2, NULL));
}

/* 1: the list at `path` has nothing against it. */
static int check_list(dv_pathlocks *l, const char *path, const dv_pathlock_path *paths, size_t n,
		      char **blocker)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 1 : dv_err_sys("cannot open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		dv_fs_unlinkat(AT_FDCWD, path, 0);
		return 1;
	}
	l->others = true;
	if ((rc = dv_fs_read_fd(&b, fd, path, LIST_MAX)))
		return rc;
	for (size_t at = 0, len; at < b.n; at += len + 1) {
		const char *line = b.p + at;

		len = strnlen(line, b.n - at);
		if (at + len == b.n || len < 3)
			break;
		for (size_t i = 0; i < n; i++)
			if (clash(line, &paths[i])) {
				if (blocker)
					*blocker = dv_strdup(paths[i].path);
				return 0;
			}
	}
	return 1;
}

static int check_others(dv_pathlocks *l, const dv_pathlock_path *paths, size_t n, char **blocker)
{
	DIR *d = opendir(l->dir);
	const char *own = l->list ? dv_path_base(l->list) : "";
	struct dirent *e;
	int rc = 1;

	if (!d)
		return dv_err_sys("cannot list '%s'", l->dir);
	while (rc == 1 && (e = readdir(d))) {
		dv_autofree char *path = NULL;

		if (strncmp(e->d_name, "list-", 5) != 0 || !strcmp(e->d_name, own))
			continue;
		path = dv_path_join(l->dir, e->d_name);
		rc = path ? check_list(l, path, paths, n, blocker) : dv_err_nomem();
	}
	closedir(d);
	return rc;
}

int dv_pathlocks_try(dv_pathlocks *l, size_t owner, const dv_pathlock_path *paths, size_t n,
		     char **blocker)
{
	dv_auto(dv_lock) gate = DV_LOCK_INIT;
	int rc;

	if (blocker)
		*blocker = NULL;
	if ((rc = dv_grow(&l->h, &l->cap, l->n + 1, sizeof(*l->h))) ||
	    (rc = dv_lock_take(&gate, l->gate, true, -1, "this workspace")) ||
	    (rc = open_list(l)))
		return rc;
	rc = check_others(l, paths, n, blocker);
	if (rc != 1)
		return rc;
	l->h[l->n++] = (held){ owner, paths, n };
	rc = write_list(l);
	if (rc)
		l->n--;
	return rc ? rc : 1;
}

int dv_pathlocks_release(dv_pathlocks *l, size_t owner)
{
	dv_auto(dv_lock) gate = DV_LOCK_INIT;
	size_t n = 0;
	int rc = dv_lock_take(&gate, l->gate, true, -1, "this workspace");

	if (rc)
		return rc;
	for (size_t i = 0; i < l->n; i++)
		if (l->h[i].owner != owner)
			l->h[n++] = l->h[i];
	if (n == l->n)
		return 0;
	l->n = n;
	return write_list(l);
}
