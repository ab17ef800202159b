/* SPDX-License-Identifier: Apache-2.0 */
/* Store and listings for merges. */
#include "repo/mergework.h"

#include "repo/record.h"

#define FEW_TRIES 2	/* somebody waits */

/* The listing is brought into the cache: whoever looks at the result needs it again. */
static int fetch(dv_mergework *w, const char *path, const dv_oid *oid)
{
	const dv_sync_how how = { .tries = FEW_TRIES };
	const dv_want want = { .oid = *oid, .path = *path ? path : "." };
	const dv_move_options mo = { 0 };
	dv_move_stats st = { 0 };
	int rc = 0;

	if (!w->asked) {
		w->asked = true;
		rc = dv_sync_remote_open(w->repo, w->remote, &how, &w->from, NULL);
	} else if (!w->from) {
		rc = DV_ENOTFOUND;
	}
	if (rc == 0)
		rc = dv_transfer_fetch(w->store, w->from, &want, 1, &mo, &st);
	return rc;
}

static int list(void *ctx, const char *path, const dv_oid *oid, dv_tree *out)
{
	dv_mergework *w = ctx;
	int rc = dv_store_has_object(w->store, oid) ? dv_tree_load(out, w->reader, oid)
						    : DV_ENOTFOUND;

	if (rc != DV_ENOTFOUND)
		return rc;
	rc = fetch(w, path, oid);
	if (rc == DV_ECANCELLED)
		return rc;
	if (rc < 0)
		return dv_err_hint(dv_err(DV_ENOTFOUND, "a listing of '%s' is neither in the cache "
					  "nor on a remote in reach", *path ? path : "."),
				   "run 'dv fetch' with the revisions that are merged");
	return dv_tree_load(out, w->reader, oid);
}

int dv_mergework_open(dv_mergework *w, dv_repo *r, const char *remote)
{
	int level = dv_repo_compression(r), rc;

	w->repo = r;
	w->remote = remote;
	w->tree.side = (dv_side){ list, w };
	if ((rc = dv_repo_store(r, &w->store)) || (rc = dv_reader_new(&w->reader, w->store)) ||
	    (rc = dv_writer_new(&w->writer, w->store, level)) ||
	    (rc = dv_encoder_new(&w->enc, level)))
		return rc;
	w->tree.writer = w->writer;
	w->tree.enc = w->enc;
	return 0;
}

void dv_mergework_release(dv_mergework *w)
{
	dv_remote_store_free(w->from);
	dv_encoder_free(w->enc);
	dv_writer_free(w->writer);
	dv_reader_free(w->reader);
	*w = (dv_mergework)DV_MERGEWORK_INIT;
}

int dv_mergework_commit(dv_mergework *w)
{
	return dv_writer_commit(w->writer, NULL, 0);
}
