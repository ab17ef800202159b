/* SPDX-License-Identifier: Apache-2.0 */
/* Files on their way from a fetch to the checkout after it; see landed.h. */
#include "repo/landed.h"

#include <fcntl.h>
#include <string.h>

#include "base/alloc.h"
#include "repo/links.h"

typedef struct file {
	dv_oid oid;
	dv_newfile f;
} file;

struct dv_landed {
	dv_repo *repo;
	int rootfd;
	dv_landing *landing;
	file *files;
	size_t n, cap;
};

static bool is_free(const dv_landed *l, const char *path)
{
	struct stat st;
	int rc = dv_workdir_stat(&st, l->rootfd, path);

	dv_error_clear();
	return rc == DV_ENOTFOUND;
}

/* Where it fails the file is written later, as any other. */
static int wanted(int *fd, const dv_oid *oid, uint64_t size, const char *path, void *payload)
{
	dv_landed *l = payload;
	dv_newfile f = DV_NEWFILE_INIT;

	(void)size;
	if (!path || !is_free(l, path) || dv_grow(&l->files, &l->cap, l->n + 1, sizeof *l->files) ||
	    dv_newfile_open(&f, &l->repo->scratch, l->rootfd)) {
		dv_error_clear();
		return 0;
	}
	/* Beside the root it could not be taken to another folder. */
	if (f.tmp.dir != l->repo->scratch.fd) {
		dv_newfile_release(&f);
		return 0;
	}
	l->files[l->n++] = (file){ *oid, f };
	*fd = f.fd;
	return 0;
}

static int open_all(dv_landed *l)
{
	int rc = dv_scratch_open(&l->repo->scratch, l->repo->dvdir);

	if (rc)
		return rc;
	l->rootfd = dv_fs_openat(AT_FDCWD, l->repo->root, O_RDONLY | O_DIRECTORY, 0);
	return l->rootfd < 0 ? dv_err_sys("cannot open the workspace '%s'", l->repo->root)
			     : dv_landing_new(&l->landing, wanted, l);
}

int dv_landed_new(dv_landed **out, dv_repo *r)
{
	dv_autoptr(dv_landed) l = NULL;
	dv_links links;

	*out = NULL;
	dv_links_init(&links, r, NULL);
	bool links_wanted = dv_links_mode(&links) != DV_LINK_COPY;
	dv_links_release(&links);
	if (links_wanted)
		return 0;
	if (!(l = dv_calloc(1, sizeof *l)))
		return DV_ERROR;
	l->repo = r;
	l->rootfd = -1;
	int rc = open_all(l);
	if (rc == 0)
		*out = dv_steal(&l);
	return rc;
}

void dv_landed_free(dv_landed *l)
{
	if (!l)
		return;
	dv_landing_free(l->landing);
	for (size_t i = 0; i < l->n; i++)
		dv_newfile_release(&l->files[i].f);
	free(l->files);
	if (l->rootfd >= 0)
		close(l->rootfd);
	free(l);
}

dv_landing *dv_landed_landing(dv_landed *l)
{
	return l ? l->landing : NULL;
}

bool dv_landed_take(dv_landed *l, dv_reader *r, const dv_oid *oid, int dirfd, dv_newfile *f)
{
	for (size_t i = 0; l && i < l->n; i++) {
		file *o = &l->files[i];

		if (o->f.fd < 0 || !dv_oid_eq(&o->oid, oid))
			continue;
		if (!dv_landing_take(l->landing, r, oid, o->f.fd)) {
			dv_newfile_release(&o->f);
			return false;
		}
		*f = o->f;
		f->dirfd = dirfd;
		o->f = (dv_newfile)DV_NEWFILE_INIT;
		return true;
	}
	return false;
}
