/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which project this is, for the log of a remote that several share: the first commit of its
 * history and its folder in git's work tree. So all clones say the same, without a setting.
 * Where that is not so, as after two histories were joined, clones take each other for strangers,
 * and collections keep more than they need to. Found once, and kept in the file `project`.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/repo.h"

#define RANDOM_BYTES 16

static int random_name(char out[2 * RANDOM_BYTES + 1])
{
	uint8_t b[RANDOM_BYTES];
	int rc = dv_random(b, sizeof(b));

	for (size_t i = 0; i < sizeof(b); i++) {
		out[2 * i] = "0123456789abcdef"[b[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	out[2 * RANDOM_BYTES] = 0;
	return rc;
}

/* "" when nothing tells. */
static int find_name(dv_repo *r, char out[DV_GIT_HEX + 1])
{
	dv_git *git = NULL;
	int rc;

	if (!r->has_git)
		return random_name(out);
	rc = dv_repo_git(r, &git);
	return rc < 0 ? rc : dv_git_first_commit(git, out);
}

int dv_repo_project(dv_repo *r, char **out)
{
	dv_autofree char *path = dv_path_join(r->dvdir, "project");
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char name[DV_GIT_HEX + 1];
	size_t top = r->has_git ? strlen(r->dirs.workdir) : 0;
	int rc;

	*out = NULL;
	if (!path)
		return DV_ERROR;
	if (dv_fs_read_file(&b, path, DV_GIT_HEX) < 0 || b.n == 0) {
		dv_error_clear();
		dv_buf_clear(&b);
		if ((rc = find_name(r, name)) < 0 || !name[0])
			return rc;
		if ((rc = dv_buf_adds(&b, name)) < 0 || (rc = dv_fs_mkdirs(r->dvdir)) < 0 ||
		    (rc = dv_fs_write_file(path, b.p, b.n, 0)) < 0)
			return rc;
	}
	if (r->has_git && strncmp(r->root, r->dirs.workdir, top) == 0 && r->root[top] == '/')
		dv_buf_addf(&b, ":%s", r->root + top + 1);
	if (b.err)
		return b.err;
	*out = dv_buf_detach(&b);
	return 0;
}
