/* SPDX-License-Identifier: Apache-2.0 */
/* The index as it was when the filter began, by path. */
#include "repo/filter_past.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "git/index.h"

struct dv_filter_past {
	dv_gitindex index;
	dv_map at;	/* SHA-256 of the path -> offset of the blob's id in `index`, in a row */
	dv_buf ids;
};

void dv_filter_past_free(dv_filter_past *p)
{
	if (!p)
		return;
	dv_gitindex_release(&p->index);
	dv_map_release(&p->at);
	dv_buf_release(&p->ids);
	free(p);
}

static dv_oid key_of(const char *path)
{
	dv_oid key;

	dv_sha256(&key, path, strlen(path));
	return key;
}

static int note(const dv_gitindex_entry *e, void *payload)
{
	dv_filter_past *p = payload;
	const dv_oid key = key_of(e->path);

	if (e->merge_stage || (e->mode & S_IFMT) != S_IFREG)
		return 0;
	int rc = dv_map_put(&p->at, &key, p->ids.n);
	return rc ? rc : dv_buf_add(&p->ids, e->id, e->id_size);
}

static int load(dv_filter *f)
{
	dv_autofree char *own = NULL;
	const char *path = getenv("GIT_INDEX_FILE");

	f->past = dv_calloc(1, sizeof(*f->past));
	if (!f->past)
		return DV_ERROR;
	if (!f->repo->has_git)
		return 0;
	if (!path || !*path)
		path = own = dv_path_join(f->repo->dirs.gitdir, "index");
	if (!path)
		return DV_ERROR;
	if (dv_gitindex_read(&f->past->index, path) ||
	    dv_gitindex_each(&f->past->index, note, f->past))
		dv_error_clear();
	return 0;
}

int dv_filter_past_find(dv_filter *f, const char *path, dv_oid *oid, bool *had)
{
	const dv_oid key = key_of(path);
	dv_lfs_pointer p;
	uint64_t at;
	dv_git *g;

	*had = false;
	int rc = f->past ? 0 : load(f);
	if (rc || !dv_map_get(&f->past->at, &key, &at))
		return rc;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	char hex[DV_GIT_HEX + 1];
	for (size_t i = 0; i < DV_GIT_HEX / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)f->past->ids.p[at + i]);
	if (f->past->index.id_size != DV_GIT_HEX / 2 || dv_repo_git(f->repo, &g) ||
	    dv_git_read_id(g, hex, path, DV_LFS_POINTER_MAX, &text)) {
		dv_error_clear();
		return 0;
	}
	*had = dv_lfs_pointer_parse(&p, text.p, text.n) && p.size;
	if (*had)
		*oid = p.oid;
	return 0;
}
