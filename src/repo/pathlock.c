/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on paths. A list is lines, NUL at their ends: "n WHO", then "r PATH" or "w PATH" that WHO
 * uses. The lock for reading and writing lists holds a number that each new list raises.
 */
#include "repo/pathlock.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#define LIST_MAX ((size_t)64 << 20)	/* of the file that says who works where */
#define HIGH_FD 200	/* scripts use the low ones */

typedef struct held {
	size_t owner;
	const char *who;
	const dv_pathlock_path *paths;
	char *const *holders;	/* of those that are not ours; NULL: all are */
	size_t n;
} held;

struct dv_pathlocks {
	char *dir, *gate;	/* the folder of lists; the lock for reading and writing them */
	char *list;		/* our own */
	int fd;			/* of it, locked; -1 before the first use */
	uint64_t lists;		/* how many there were, ours included */
	bool others;
	const char *stage;	/* whose command we are, or NULL */
	held *h;
	size_t n, cap;
};

/* -- the gate ---------------------------------------------------------------------------------- */

/* How many lists were ever made. */
static uint64_t read_count(int fd)
{
	char text[24] = { 0 };
	size_t got;

	return dv_fs_pread_all(fd, text, sizeof(text) - 1, 0, &got) < 0 && got == 0
		       ? 0 : strtoull(text, NULL, 10);
}

static int enter(dv_pathlocks *l, dv_lock *gate)
{
	int rc = dv_lock_take(gate, l->gate, true, -1, "this workspace");

	if (rc == 0 && read_count(gate->fd) != l->lists)
		l->others = true;
	return rc;
}

static int raise_count(dv_pathlocks *l, int fd)
{
	char text[24];

	l->lists = read_count(fd) + 1;
	snprintf(text, sizeof(text), "%" PRIu64 "\n", l->lists);
	return dv_fs_pwrite_all(fd, text, strlen(text), 0) < 0
		       ? dv_err_sys("cannot write '%s'", l->gate) : 0;
}

int dv_pathlocks_new(dv_pathlocks **out, dv_repo *r)
{
	dv_autoptr(dv_pathlocks) l = dv_calloc(1, sizeof(*l));
	char hex[DV_OID_HEX_SIZE + 1], name[] = "running-0123456789abcdef";
	const char *root = getenv("DV_ROOT");
	dv_auto(dv_lock) gate = DV_LOCK_INIT;
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
	if (root && !strcmp(root, r->root))
		l->stage = getenv("DV_STAGE");
	int rc = dv_fs_mkdirs(l->dir);
	if (rc || (rc = dv_lock_take(&gate, l->gate, true, -1, "this workspace")))
		return rc;
	l->lists = read_count(gate.fd);
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

static int open_list(dv_pathlocks *l, int gate)
{
	char name[32];
	uint64_t id;
	int rc;

	if (l->fd >= 0)
		return 0;
	if ((rc = dv_random(&id, sizeof(id))) || (rc = raise_count(l, gate)))
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

	for (size_t i = 0; i < l->n; i++) {
		const held *h = &l->h[i];

		dv_buf_adds(&b, "n ");
		dv_buf_add(&b, h->who, strlen(h->who) + 1);
		for (size_t k = 0; k < h->n; k++) {
			if (h->holders && h->holders[k])
				continue;
			dv_buf_adds(&b, h->paths[k].exclusive ? "w " : "r ");
			dv_buf_add(&b, h->paths[k].path, strlen(h->paths[k].path) + 1);
		}
	}
	if (b.err)
		return b.err;
	/* Shorter first: what is behind the end must not look like a path. */
	if (dv_fs_ftruncate(l->fd, 0) < 0 || dv_fs_pwrite_all(l->fd, b.p, b.n, 0) < 0)
		return dv_err_sys("cannot write '%s'", l->list);
	return 0;
}

/* -- those of others --------------------------------------------------------------------------- */

typedef struct question {
	const dv_pathlock_path *paths;
	size_t n;
	const char *stage;	/* whose paths do not count, or NULL */
	char **holders;		/* the answer */
	size_t nheld;
} question;

/* Is that what others are told of the stage of that name, in whatever file? */
static bool is_stage(const char *who, const char *name)
{
	size_t n = strlen(who), len = name ? strlen(name) : 0;

	return len && n > len + 2 && who[n - 1] == '\'' &&
	       (who[n - len - 2] == '\'' || who[n - len - 2] == ':') &&
	       strncmp(who + n - len - 1, name, len) == 0;
}

static int ask_line(question *q, const char *who, const char *line)
{
	for (size_t i = 0; i < q->n; i++) {
		const dv_pathlock_path *p = &q->paths[i];

		if (q->holders[i] || (*line != 'w' && !p->exclusive) ||
		    (!dv_path_below(line + 2, p->path, NULL) &&
		     !dv_path_below(p->path, line + 2, NULL)))
			continue;
		if (!(q->holders[i] = dv_strdup(who)))
			return dv_err_nomem();
		q->nheld++;
	}
	return 0;
}

static int ask_list(dv_pathlocks *l, const char *path, question *q)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autoclose int fd = dv_fs_openat(AT_FDCWD, path, O_RDONLY, 0);
	const char *who = "another process";
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : dv_err_sys("cannot open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		dv_fs_unlinkat(AT_FDCWD, path, 0);
		return 0;
	}
	l->others = true;
	if ((rc = dv_fs_read_fd(&b, fd, path, LIST_MAX)))
		return rc;
	for (size_t at = 0, len; rc == 0 && at < b.n; at += len + 1) {
		const char *line = b.p + at;

		len = strnlen(line, b.n - at);
		if (at + len == b.n || len < 3)
			break;
		if (*line == 'n')
			who = line + 2;
		else if (!is_stage(who, q->stage))
			rc = ask_line(q, who, line);
	}
	return rc;
}

static int ask_others(dv_pathlocks *l, question *q)
{
	DIR *d = opendir(l->dir);
	const char *own = l->list ? dv_path_base(l->list) : "";
	struct dirent *e;
	int rc = 0;

	if (!d)
		return dv_err_sys("cannot list '%s'", l->dir);
	while (rc == 0 && (e = readdir(d))) {
		dv_autofree char *path = NULL;

		if (strncmp(e->d_name, "list-", 5) != 0 || !strcmp(e->d_name, own))
			continue;
		path = dv_path_join(l->dir, e->d_name);
		rc = path ? ask_list(l, path, q) : dv_err_nomem();
	}
	closedir(d);
	return rc;
}

/* 1 taken, 0: with `all`, a path is not to be had. */
static int take(dv_pathlocks *l, const held *h, question *q, bool all)
{
	dv_auto(dv_lock) gate = DV_LOCK_INIT;
	int rc;

	if ((rc = dv_grow(&l->h, &l->cap, l->n + 1, sizeof(*l->h))) || (rc = enter(l, &gate)) ||
	    (rc = open_list(l, gate.fd)) || (rc = ask_others(l, q)))
		return rc;
	if (all && q->nheld)
		return 0;
	l->h[l->n++] = *h;
	rc = write_list(l);
	if (rc)
		l->n--;
	return rc ? rc : 1;
}

int dv_pathlocks_try(dv_pathlocks *l, size_t owner, const char *who, const dv_pathlock_path *paths,
		     size_t n, char **blocker)
{
	dv_autofree char **holders = dv_calloc(n + 1, sizeof(*holders));
	const held h = { .owner = owner, .who = who, .paths = paths, .n = n };
	question q = { .paths = paths, .n = n, .holders = holders };
	int rc = holders ? take(l, &h, &q, true) : DV_ERROR;

	if (blocker)
		*blocker = NULL;
	for (size_t i = 0; holders && i < n; i++) {
		dv_auto(dv_buf) b = DV_BUF_INIT;

		if (rc == 0 && blocker && !*blocker && holders[i]) {
			dv_buf_addf(&b, "%s uses '%s'", holders[i], paths[i].path);
			*blocker = dv_buf_detach(&b);
		}
		free(holders[i]);
	}
	return rc;
}

int dv_pathlocks_claim(dv_pathlocks *l, size_t owner, const char *who,
		       const dv_pathlock_path *paths, size_t n, char **holders)
{
	const held h = { .owner = owner, .who = who, .paths = paths, .n = n, .holders = holders };
	question q = { .paths = paths, .n = n, .holders = holders, .stage = l->stage };
	int rc = take(l, &h, &q, false);

	return rc < 0 ? rc : 0;
}

int dv_pathlocks_release(dv_pathlocks *l, size_t owner)
{
	dv_auto(dv_lock) gate = DV_LOCK_INIT;
	size_t n = 0;
	int rc = enter(l, &gate);

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

char *dv_pathlock_stage(const char *dir, const char *file, const char *name)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (*dir)
		dv_buf_addf(&b, "the stage '%s:%s'", file, name);
	else
		dv_buf_addf(&b, "the stage '%s'", name);
	return dv_buf_detach(&b);
}
