/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file on its way here, under a name that the next run finds: what came before it was cut is kept
 * and not asked for again. Whoever holds the lock on the file may write to it; a lock on a file
 * that lost its name since counts for nothing. What is in it is believed only after all of it was
 * verified.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/path.h"
#include "transfer/internal.h"

#define ATTEMPTS 4

void dv_spool_release(dv_spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	*s = (dv_spool)DV_SPOOL_INIT;
}

int dv_spool_discard(dv_spool *s)
{
	s->have = 0;
	if (dv_fs_ftruncate(s->fd, 0) || lseek(s->fd, 0, SEEK_SET) != 0)
		return dv_err_sys("cannot write '%s'", s->path);
	return 0;
}

/* The lock is had and the name is that of the file. */
static bool is_ours(const dv_spool *s, struct stat *st)
{
	struct stat named;

	return flock(s->fd, LOCK_EX | LOCK_NB) == 0 && fstat(s->fd, st) == 0 &&
	       S_ISREG(st->st_mode) && stat(s->path, &named) == 0 &&
	       named.st_ino == st->st_ino && named.st_dev == st->st_dev;
}

int dv_spool_open(dv_spool *s, const char *dir, const dv_oid *id, uint64_t size)
{
	char hex[DV_OID_HEX_SIZE + 1], name[DV_OID_HEX_SIZE + 64];
	uint64_t any = 0;
	struct stat st;

	dv_oid_hex(hex, id);
	for (int i = 0; i < ATTEMPTS; i++) {
		dv_spool_release(s);
		/* Another process brings the same: this one has a file of its own. */
		if (i > 1 && dv_random(&any, sizeof any))
			return DV_ERROR;
		if (i > 1)
			snprintf(name, sizeof name, ".dv-tmp-part-%s-%016llx", hex,
				 (unsigned long long)any);
		else
			snprintf(name, sizeof name, ".dv-tmp-part-%s", hex);
		if (!(s->path = dv_path_join(dir, name)))
			return DV_ERROR;
		s->fd = dv_fs_openat(AT_FDCWD, s->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0666);
		if (s->fd < 0)
			return dv_err_sys("cannot create '%s'", s->path);
		if (!is_ours(s, &st))
			continue;
		s->have = (uint64_t)st.st_size;
		if (s->have > size)
			return dv_spool_discard(s);
		if (lseek(s->fd, 0, SEEK_END) < 0)
			return dv_err_sys("cannot write '%s'", s->path);
		return 0;
	}
	return dv_err(DV_ERROR, "cannot lock '%s'", s->path);
}

void dv_spool_remove(dv_spool *s)
{
	if (s->path)
		dv_fs_unlinkat(AT_FDCWD, s->path, 0);
	dv_spool_release(s);
}
