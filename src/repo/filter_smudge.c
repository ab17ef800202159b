/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Smudge: content on its way out of git. What the store has is answered at once, verified; what it
 * lacks is asked of the remote, all delayed files together. A large file of a checkout is left to
 * the end: git gets the pointer, and the file itself is written once git has written its index.
 * What cannot be had stays a pointer, which is what git has, too.
 */
#include "repo/filter_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/sync.h"

void dv_filter_files_release(dv_filter_files *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->f[i].path);
	free(l->f);
	*l = (dv_filter_files){ 0 };
}

int dv_filter_files_add(dv_filter_files *l, const char *path, const dv_lfs_pointer *p)
{
	int rc = dv_grow(&l->f, &l->cap, l->n + 1, sizeof(*l->f));
	char *copy = rc ? NULL : dv_strdup(path);

	if (!copy)
		return rc ? rc : DV_ERROR;
	l->f[l->n++] = (dv_filter_file){ copy, *p };
	return 0;
}

static int answer_pointer(dv_filter *f, const dv_lfs_pointer *p)
{
	char text[DV_LFS_POINTER_MAX + 1];

	return dv_filter_answer(f, text, dv_lfs_pointer_print(text, p));
}

/* -- content ----------------------------------------------------------------------------------- */

static int send_part(const void *p, size_t n, void *payload)
{
	dv_filter *f = payload;

	dv_pkt_bytes(&f->reply, p, n);
	return f->reply.n >= DV_PKT_DATA_MAX ? dv_pkt_send(f->out, &f->reply) : 0;
}

/* A file of any size, as it is read. What fails in the middle is told behind it. */
static int stream(dv_filter *f, const dv_lfs_pointer *p)
{
	dv_pkt_line(&f->reply, "status=success");
	dv_pkt_flush(&f->reply);
	int rc = dv_object_stream(f->reader, &p->oid, 0, UINT64_MAX, send_part, f);
	bool gone = rc == DV_ENOTFOUND && dv_store_has_object(f->store, &p->oid);

	if (rc == DV_ECANCELLED || gone)
		return rc;
	if (rc) {
		dv_warn("'%s': %s", dv_buf_str(&f->path), dv_error_last()->message);
		dv_error_clear();
	}
	dv_pkt_flush(&f->reply);
	if (rc)
		dv_pkt_line(&f->reply, "status=error");
	dv_pkt_flush(&f->reply);
	return dv_pkt_send(f->out, &f->reply);
}

static int answer_content(dv_filter *f, const dv_lfs_pointer *p, bool checkout)
{
	int rc;

	if (p->size > DV_FILTER_LATE) {
		/* Who compares is content with the pointer, which "dv textconv" shows as the
		 * content; what a merge writes is in the work tree, and gets its content late. */
		if (!checkout && (f->of_tree || !dv_filter_git_compares()))
			return stream(f, p);
		rc = dv_filter_files_add(&f->late, dv_buf_str(&f->path), p);
		return rc ? rc : answer_pointer(f, p);
	}
	dv_buf_clear(&f->content);
	rc = dv_object_read(f->reader, &p->oid, (size_t)DV_FILTER_LATE, &f->content);
	if (!rc && f->content.n != p->size)
		rc = dv_err(DV_ECORRUPT, "the pointer says another size than its content has");
	return rc ? dv_filter_refuse(f) : dv_filter_answer(f, f->content.p, f->content.n);
}

static int leave(dv_filter *f, const dv_lfs_pointer *p)
{
	int rc = dv_filter_files_add(&f->left, dv_buf_str(&f->path), p);

	return rc ? rc : answer_pointer(f, p);
}

/* -- what the store lacks ---------------------------------------------------------------------- */

/* Why something is missing: the first reason is told in the end. */
static void note_why(dv_filter *f)
{
	if (!f->why.n)
		dv_buf_adds(&f->why, dv_error_last()->message);
	dv_error_clear();
}

/* Asks the default remote. One that fails is not asked again. */
static int bring(dv_filter *f, const dv_filter_file *files, size_t n)
{
	dv_autofree dv_want *w = dv_calloc(n + 1, sizeof(*w));
	size_t k = 0;

	if (!w)
		return DV_ERROR;
	for (size_t i = 0; i < n; i++)
		if (!dv_store_has_object(f->store, &files[i].p.oid))
			w[k++] = (dv_want){ .oid = files[i].p.oid, .path = files[i].path };
	if (!k || f->asked)
		return 0;
	int rc = dv_sync_bring(f->repo, w, k);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc) {
		f->asked = rc != DV_EPARTIAL;
		note_why(f);
	}
	return 0;
}

static dv_oid key_of(const char *path)
{
	dv_oid key;

	dv_sha256(&key, path, strlen(path));
	return key;
}

static int delay(dv_filter *f, const dv_lfs_pointer *p)
{
	const dv_oid key = key_of(dv_buf_str(&f->path));
	int rc = dv_map_put(&f->delayed_at, &key, f->delayed.n);

	if (!rc)
		rc = dv_filter_files_add(&f->delayed, dv_buf_str(&f->path), p);
	dv_pkt_line(&f->reply, "status=delayed");
	dv_pkt_flush(&f->reply);
	return rc ? rc : dv_pkt_send(f->out, &f->reply);
}

/* All that was delayed is ready after one transfer; an empty list is the end. One git may check out
 * several commits, as in a rebase: what was listed for one is not for the next. */
int dv_filter_list(dv_filter *f)
{
	int rc = 0;

	if (f->nlisted < f->delayed.n) {
		rc = bring(f, f->delayed.f + f->nlisted, f->delayed.n - f->nlisted);
		for (; !rc && f->nlisted < f->delayed.n; f->nlisted++)
			dv_pkt_line(&f->reply, "pathname=%s", f->delayed.f[f->nlisted].path);
	}
	dv_pkt_flush(&f->reply);
	dv_pkt_line(&f->reply, "status=success");
	dv_pkt_flush(&f->reply);
	return rc ? rc : dv_pkt_send(f->out, &f->reply);
}

/* -- all --------------------------------------------------------------------------------------- */

/* Git asks for a delayed file again without its content, once. */
static bool was_delayed(dv_filter *f, dv_lfs_pointer *p)
{
	const dv_oid key = key_of(dv_buf_str(&f->path));
	uint64_t i;

	if (f->can_delay || !dv_map_get(&f->delayed_at, &key, &i) || i >= f->nlisted ||
	    !f->delayed.f[i].p.size)
		return false;
	*p = f->delayed.f[i].p;
	f->delayed.f[i].p.size = 0;
	return true;
}

int dv_filter_smudge(dv_filter *f)
{
	dv_lfs_pointer p;
	bool again = false;
	int rc = dv_filter_read(f);

	if (rc)
		return rc;
	if (f->whole && f->content.n == 0)
		again = was_delayed(f, &p);
	if (!again && (!f->whole || !dv_lfs_pointer_parse(&p, f->content.p, f->content.n) ||
		       !p.size || f->skip))
		return dv_filter_pass(f);
	/* In a clone the settings may not be there yet: what is left is tried again in the end. */
	if (dv_filter_open(f)) {
		note_why(f);
		return leave(f, &p);
	}
	/* It may be what this git added a moment ago. */
	if (f->dirty && dv_filter_commit(f)) {
		dv_warn("%s (%s)", dv_error_last()->message, dv_error_last()->hint);
		dv_error_clear();
	}
	if (dv_store_has_object(f->store, &p.oid))
		return answer_content(f, &p, again || f->can_delay);
	if (f->can_delay && !again)
		return delay(f, &p);
	if (!again) {
		const dv_filter_file one = { (char *)(uintptr_t)dv_buf_str(&f->path), p };

		rc = bring(f, &one, 1);
		if (!rc && dv_store_has_object(f->store, &p.oid))
			return answer_content(f, &p, false);
	}
	return rc ? rc : leave(f, &p);
}

/* -- the end ----------------------------------------------------------------------------------- */

/* Paths come relative to git's work tree, and are wanted relative to the workspace. */
static const char *own_path(const dv_filter *f, const char *path)
{
	const char *prefix = "", *rest = path;

	if (f->repo->has_git && f->repo->dirs.workdir)
		dv_path_below(f->repo->root, f->repo->dirs.workdir, &prefix);
	if (*prefix && !dv_path_below(path, prefix, &rest))
		return NULL;
	return dv_path_is_safe(rest) ? rest : NULL;
}

static int write_files(dv_filter *f, dv_filter_files *l, dv_filtered_file *files)
{
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	size_t n = 0;
	int rc = dv_repo_lock(f->repo, &lock);

	for (size_t i = 0; i < l->n; i++) {
		const char *path = own_path(f, l->f[i].path);

		if (path)
			files[n++] = (dv_filtered_file){ .path = path, .p = l->f[i].p };
	}
	return rc ? rc : dv_filtered_bring(f->repo, files, n, 0);
}

/* Files that could not be smudged for want of a workspace get another chance. */
static int try_again(dv_filter *f)
{
	dv_filter_files l = f->left;
	int rc = 0;

	if (!l.n || (f->repo && f->asked) || dv_filter_open(f)) {
		dv_error_clear();
		return 0;
	}
	rc = bring(f, l.f, l.n);
	f->left = (dv_filter_files){ 0 };
	for (size_t i = 0; !rc && i < l.n; i++)
		rc = dv_filter_files_add(dv_store_has_object(f->store, &l.f[i].p.oid) ? &f->late
										      : &f->left,
					 l.f[i].path, &l.f[i].p);
	dv_filter_files_release(&l);
	return rc;
}

static void tell_left(const dv_filter *f)
{
	const char *first = f->left.n ? f->left.f[0].path : "";

	if (!f->left.n)
		return;
	if (f->left.n > 1)
		dv_warn("'%s' and %zu more hold only pointers, their content is not here%s%s; run "
			"'dv pull' to bring it", first, f->left.n - 1, f->why.n ? ": " : "",
			dv_buf_str(&f->why));
	else
		dv_warn("'%s' holds only a pointer, its content is not here%s%s; run 'dv pull' to "
			"bring it", first, f->why.n ? ": " : "", dv_buf_str(&f->why));
}

int dv_filter_finish(dv_filter *f)
{
	int rc = try_again(f);

	if (!rc && f->late.n) {
		dv_autofree dv_filtered_file *files = dv_calloc(f->late.n, sizeof(*files));

		rc = files ? write_files(f, &f->late, files) : DV_ERROR;
		if (rc)
			dv_err_hint(rc, "run 'dv checkout' for the files that still hold pointers");
	}
	tell_left(f);
	return rc;
}
