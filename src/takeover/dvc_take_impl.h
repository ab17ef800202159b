/* SPDX-License-Identifier: Apache-2.0 */
/* Taking over as its halves see it: dvc_take.c brings files by name, dvc_outs.c outputs. */
#ifndef DV_TAKEOVER_DVC_TAKE_IMPL_H
#define DV_TAKEOVER_DVC_TAKE_IMPL_H

#include <pthread.h>

#include "repo/links.h"
#include "takeover/dvc_take.h"

/* Of one worker, and of the thread that calls. */
typedef struct station {
	dv_md5_stream *plain, *dos2unix;	/* NULL: nobody asks for such names */
} station;

/* A name that was taken over. */
typedef struct taken {
	dv_dvc_name name;
	dv_oid oid;
	uint64_t size;
} taken;

struct dv_dvc_take {
	dv_dvc_take_options o;
	dv_store *store;
	dv_scan *scan;
	dv_ingest *ingest;
	dv_encoder *enc;
	dv_links links;
	dv_foreign *remote;
	bool remote_tried;
	station *stations;
	int nstations;
	dv_scan_watch watch;
	char *notes;		/* the file of what was taken over */
	pthread_mutex_t lock;	/* of what follows */
	taken *t;
	size_t n, cap;
	dv_map by_name;		/* name -> index */
	dv_map by_oid[2];	/* plain, dos2unix: oid -> index */
	dv_buf waiting;		/* lines to be noted after the commit */
	uint64_t committed;	/* bytes of the writer then */
	dv_path_list symlinks;
};

/** Remembers that `oid` has that name; any thread. */
int dv_dvc_take_learn(dv_dvc_take *t, const dv_dvc_name *n, const dv_oid *oid, uint64_t size)
	DV_MUST_CHECK;
/** The name by which the content `oid` goes; false when nobody knows. */
bool dv_dvc_take_name_of(dv_dvc_take *t, const dv_oid *oid, bool dos2unix, dv_dvc_name *out);
/** Commits, and notes what was taken over. */
int dv_dvc_take_commit(dv_dvc_take *t, const dv_root *roots, size_t n) DV_MUST_CHECK;
/** The same when much waits. */
int dv_dvc_take_commit_some(dv_dvc_take *t) DV_MUST_CHECK;

#endif
