/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways to a remote that do not lead through the cache. What is on its way lies in
 * onward/<16 hex>/ of dv's folder: `work` is a store of a few packs, which goes when the command
 * ends, and `sent` says what arrived, so that a command that was cut goes on.
 */
#include "repo/toremote.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "repo/sync.h"

#define TRIES 4			/* when collections come between */
#define FORGET_SECONDS (30 * 86400)

/* -- the folder -------------------------------------------------------------------------------- */

/* Removes what is not needed any more of a folder whose lock is held; all of it when no run that
 * was cut could go on from it. */
static int tidy(const char *dir)
{
	dv_autofree char *work = dv_path_join(dir, "work"), *sent = dv_path_join(dir, "sent");
	struct stat st;

	if (!work || !sent)
		return dv_err_nomem();
	/* An empty one is of no use, and others stay. */
	dv_fs_unlinkat(AT_FDCWD, sent, AT_REMOVEDIR);
	if (stat(sent, &st) || time(NULL) - st.st_mtime > FORGET_SECONDS)
		return dv_fs_remove_tree(dir);
	return dv_fs_remove_tree(work);
}

/* Takes the lock of a folder, which whoever had it before may have removed. */
static int lock_folder(dv_lock *lock, const char *dir, int timeout_ms)
{
	dv_autofree char *file = dv_path_join(dir, "lock");
	struct stat held, named;

	for (int i = 0; file && i < 8; i++) {
		int rc = timeout_ms ? dv_fs_mkdirs(dir) : 0;

		if (rc || (rc = dv_lock_take(lock, file, true, timeout_ms,
					     "what is on its way to a remote")))
			return rc;
		if (!fstat(lock->fd, &held) && !stat(file, &named) && held.st_ino == named.st_ino)
			return 0;
		dv_lock_release(lock);
	}
	return file ? dv_err(DV_ELOCKED, "cannot keep the folder '%s'", dir) : DV_ERROR;
}

/* What runs that were cut left behind. */
static void sweep(const char *all)
{
	DIR *d = opendir(all);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		dv_autofree char *dir = *e->d_name == '.' ? NULL : dv_path_join(all, e->d_name);
		dv_lock lock = DV_LOCK_INIT;

		if (dir && !lock_folder(&lock, dir, 0) && tidy(dir))
			dv_warn("%s", dv_error_last()->message);
		dv_lock_release(&lock);
		dv_error_clear();
	}
	if (d)
		closedir(d);
}

void dv_toremote_release(dv_toremote *t)
{
	dv_store_free(t->scratch);
	dv_remote_store_free(t->remote);
	if (t->lock.fd >= 0 && tidy(t->dir))
		dv_warn("%s", dv_error_last()->message);
	dv_lock_release(&t->lock);
	free(t->name);
	free(t->project);
	free(t->dir);
}

static int open_folder(dv_toremote *t, const char *url, const char *source)
{
	dv_autofree char *all = dv_path_join(t->repo->dvdir, "onward");
	char hex[DV_OID_HEX_SIZE + 1];
	dv_sha256_ctx sum;
	dv_oid id;

	if (!all)
		return dv_err_nomem();
	sweep(all);
	dv_sha256_init(&sum);
	dv_sha256_update(&sum, url, strlen(url) + 1);
	dv_sha256_update(&sum, source, strlen(source));
	dv_sha256_final(&sum, &id);
	dv_oid_hex(hex, &id);
	hex[16] = 0;
	t->dir = dv_path_join(all, hex);
	return t->dir ? lock_folder(&t->lock, t->dir, -1) : dv_err_nomem();
}

int dv_toremote_open(dv_toremote *t, dv_repo *r, const char *remote, const char *source, int jobs)
{
	dv_autofree char *url = NULL;
	int rc;

	*t = (dv_toremote){ .repo = r, .lock = DV_LOCK_INIT, .jobs = jobs };
	if ((rc = dv_config_remote(&r->config, r->root, remote, NULL, &url)) ||
	    (rc = open_folder(t, url, source)) || (rc = dv_repo_project(r, &t->project)))
		return rc;
	const dv_sync_how how = { .create = true, .jobs = jobs };
	return dv_sync_remote_open(r, remote, &how, &t->remote, &t->name);
}

/* -- sending ----------------------------------------------------------------------------------- */

static int run_once(dv_toremote *t, dv_toremote_fn fn, void *payload, const char *path,
		    dv_tree_entry *out, bool *again)
{
	dv_autofree char *work = dv_path_join(t->dir, "work"), *sent = dv_path_join(t->dir, "sent");
	dv_autofree char *dir = work ? dv_path_join(work, "store") : NULL;
	const dv_move_options o = { .jobs = t->jobs, .project = t->project };
	dv_autoptr(dv_onward) x = NULL;
	dv_move_stats moved;
	int rc;

	*again = false;
	dv_store_free(dv_steal(&t->scratch));
	if (!dir || !sent)
		return dv_err_nomem();
	if ((rc = dv_fs_remove_tree(work)) || (rc = dv_fs_mkdirs(work)) ||
	    (rc = dv_store_open(&t->scratch, dir, DV_STORE_CREATE)) ||
	    (rc = dv_onward_new(&x, t->remote, t->scratch, dv_repo_compression(t->repo), sent,
				&o)) ||
	    (rc = fn(t, dv_onward_writer(x), out, payload)))
		return rc;
	const dv_want want = { .oid = out->oid, .is_tree = out->kind == 'd', .path = path };
	rc = dv_onward_commit(x, &want, 1, again, &moved);
	t->sent += moved.bytes;
	return rc;
}

int dv_toremote_run(dv_toremote *t, dv_toremote_fn fn, void *payload, const char *path,
		    dv_tree_entry *out)
{
	bool again = true;
	int rc = 0;

	for (int i = 0; !rc && again && i < TRIES; i++)
		rc = run_once(t, fn, payload, path, out, &again);
	if (!rc && again)
		rc = dv_err_hint(dv_err(DV_ETRANSIENT, "the packs of remote '%s' keep being "
					"condemned", t->name), "run the command again");
	return rc;
}

void dv_toremote_unlock(dv_importing *im)
{
	dv_record_release(&im->rec);
	im->rec = (dv_record){ 0 };
	dv_store_free(im->repo->store);
	im->repo->store = NULL;
}

/* -- the pointer ------------------------------------------------------------------------------- */

/* Where a pull looks for an output by itself. */
static bool is_default(const dv_toremote *t)
{
	dv_autofree char *name = NULL, *url = NULL;

	if (dv_config_remote(&t->repo->config, t->repo->root, NULL, &name, &url)) {
		dv_error_clear();
		return false;
	}
	return !strcmp(name, t->name);
}

int dv_toremote_publish(dv_toremote *t, dv_importing *im, dv_pointer *p, const dv_pointer *old)
{
	free(p->remote);
	p->remote = is_default(t) ? NULL : dv_strdup(t->name);
	if (!p->remote && !is_default(t))
		return DV_ERROR;
	p->no_push = false;
	im->rec.sent_to = t->name;
	im->rec.sent = t->sent;
	return dv_record_sent(&im->rec, im->path, im->pointer_path, p, old);
}
