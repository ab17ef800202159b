/* SPDX-License-Identifier: Apache-2.0 */
/* Commits that dv makes, and whose they are. */
#include <stdlib.h>
#include <string.h>

#include "git/impl.h"

/* -- who commits ------------------------------------------------------------------------------- */

/* What the environment says, else git's settings: nothing where neither does. */
static int identity(dv_git *g, const char *variable, const char *key, dv_buf *out)
{
	const char *text = getenv(variable);

	dv_buf_clear(out);
	return text && *text ? dv_buf_adds(out, text) : dv_git_config(g, key, out);
}

int dv_git_author(dv_git *g, dv_buf *name, dv_buf *email)
{
	int rc = identity(g, "GIT_AUTHOR_NAME", "user.name", name);

	if (!rc)
		rc = identity(g, "GIT_AUTHOR_EMAIL", "user.email", email);
	git_error_clear();
	return rc;
}

static int make_signature(dv_git *g, const char *name_var, const char *email_var,
			  git_signature **out)
{
	dv_auto(dv_buf) name = DV_BUF_INIT;
	dv_auto(dv_buf) email = DV_BUF_INIT;
	int rc = identity(g, name_var, "user.name", &name);

	if (!rc)
		rc = identity(g, email_var, "user.email", &email);
	if (rc)
		return rc;
	if (!name.n || !email.n)
		return dv_err_hint(dv_err(DV_ERROR, "git does not know who commits: %s is not set",
					  name.n ? "user.email" : "user.name"),
				   "run 'git config --global user.name NAME' and 'git config "
				   "--global user.email ADDRESS'");
	int gc = git_signature_now(out, dv_buf_str(&name), dv_buf_str(&email));
	return gc ? dv_git_fail(gc, "cannot use the name '%s' for a commit", dv_buf_str(&name)) : 0;
}

/* -- the commit -------------------------------------------------------------------------------- */

static int check_committable(dv_git *g, git_index *index)
{
	if (git_index_has_conflicts(index))
		return dv_err_hint(dv_err(DV_ERROR, "git's index has conflicts"),
				   "resolve them and commit with git");
	if (git_repository_state(g->repo) != GIT_REPOSITORY_STATE_NONE)
		return dv_err_hint(dv_err(DV_ERROR, "git is in the middle of a merge, a rebase or "
					  "the like"), "finish it with git, then commit with git");
	return 0;
}

static int create_commit(dv_git *g, const char *message, const git_oid *tree_id, git_commit *head,
			 git_oid *id)
{
	dv_autoptr(git_signature) author = NULL;
	dv_autoptr(git_signature) committer = NULL;
	dv_autoptr(git_tree) tree = NULL;
	git_buf text = GIT_BUF_INIT;
	const git_commit *parents[1] = { head };

	int rc = make_signature(g, "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", &author);
	if (!rc)
		rc = make_signature(g, "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", &committer);
	if (rc)
		return rc;
	int gc = git_tree_lookup(&tree, g->repo, tree_id);
	if (!gc)
		gc = git_message_prettify(&text, message, 0, '#');
	if (!gc && !text.size) {
		git_buf_dispose(&text);
		return dv_err(DV_EUSAGE, "the commit message is empty");
	}
	if (!gc)
		gc = git_commit_create(id, g->repo, "HEAD", author, committer, NULL, text.ptr, tree,
				       head ? 1 : 0, parents);
	git_buf_dispose(&text);
	return gc ? dv_git_fail(gc, "cannot commit") : 0;
}

/* HEAD's tree with `paths` as they are in the index. */
static int build_tree(dv_git *g, git_index *index, const git_commit *head,
		      const char *const *paths, size_t n, git_oid *out)
{
	dv_autoptr(git_index) next = NULL;
	dv_autoptr(git_tree) old = NULL;
	int gc = git_index_new(&next);

	if (!gc && head)
		gc = git_commit_tree(&old, head);
	if (!gc && old)
		gc = git_index_read_tree(next, old);
	for (size_t i = 0; !gc && i < n; i++) {
		dv_autofree char *full = dv_git_full(g, paths[i]);

		if (!full)
			return dv_err_nomem();
		const git_index_entry *e = git_index_get_bypath(index, full, 0);
		if (e)
			gc = git_index_add(next, e);
		else if (git_index_get_bypath(next, full, 0))
			gc = git_index_remove(next, full, 0);
	}
	if (!gc)
		gc = git_index_write_tree_to(out, next, g->repo);
	return gc ? dv_git_fail(gc, "cannot write git's tree") : 0;
}

int dv_git_commit(dv_git *g, const char *message, const char *const *paths, size_t n,
		  char hex[DV_GIT_HEX + 1])
{
	dv_autoptr(git_index) index = NULL;
	dv_autoptr(git_commit) head = NULL;
	git_oid tree, id;

	if (hex)
		hex[0] = 0;
	int rc = dv_git_open_index(g, &index);
	if (!rc && !index)
		return dv_err_hint(dv_err(DV_ERROR, "dv cannot commit with this index of git's"),
				   "leave out the message, and commit with git");
	if (!rc)
		rc = check_committable(g, index);
	if (!rc)
		rc = dv_git_head_commit(g, &head);
	if (!rc)
		rc = build_tree(g, index, head, paths, n, &tree);
	if (rc)
		return rc;
	if (head ? git_oid_equal(git_commit_tree_id(head), &tree) : n == 0) {
		if (!head)
			return 0;
		git_oid_cpy(&id, git_commit_id(head));
	} else {
		rc = create_commit(g, message, &tree, head, &id);
		if (rc)
			return rc;
	}
	if (hex)
		git_oid_tostr(hex, DV_GIT_HEX + 1, &id);
	return 0;
}
