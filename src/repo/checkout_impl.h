/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking out as its parts see it: checkout.c brings one output to what its pointer says,
 * checkout_all.c does it for those that a command names, restore.c for who runs stages.
 */
#ifndef DV_REPO_CHECKOUT_IMPL_H
#define DV_REPO_CHECKOUT_IMPL_H

#include <stdatomic.h>

#include "repo/links.h"
#include "repo/scan.h"
#include "repo/targets.h"

typedef struct checkout {
	dv_repo *repo;
	dv_store *store;
	dv_pool *pool;
	dv_scan *scan;
	dv_error failed;	/* the first failure of an output */
	size_t nfailed;
	dv_reader **readers;	/* one a worker, and one for the calling thread at the end */
	int rootfd;
	const dv_checkout_options *o;
	dv_targets targets;
	dv_checkout_summary *sum;
	const dv_output *output;	/* in work */
	bool parts;		/* not all of it is wanted */
	dv_scanned now;		/* what stands there */
	const dv_oid *known;	/* what may be replaced although the store lacks it */
	size_t nknown;
	dv_deltas deltas;	/* in work, with root-relative paths */
	dv_deltas folders;	/* to be removed, parents first */
	struct stat *written;	/* by index of deltas */
	dv_seen *seen;		/* likewise: what the scan saw there; NULL with force */
	dv_buf lost, missing;	/* the first names of what would be lost, of what is missing */
	size_t nlost, nmissing, nremovals, ndeltas;
	uint64_t total, nfiles;	/* to be written */
	dv_links links;
	dv_writer *writer;	/* for whole files; NULL until the first */
	bool probed;
	_Atomic uint64_t bytes;
} checkout;

/** Opens what every output needs; `c` has its repository, options and summary, and rootfd -1. */
int dv_checkout_work_open(checkout *c) DV_MUST_CHECK;
void dv_checkout_work_release(checkout *c);
/** The reader of the calling thread. */
dv_reader *dv_checkout_work_reader(checkout *c);
/** Makes an output as its pointer says, or, with `parts`, those of it that are targets. */
int dv_checkout_work_output(checkout *c, const dv_output *o, bool parts, dv_change_cb cb,
			    void *payload) DV_MUST_CHECK;
/** Is there something to be done about it? Changes nothing. */
int dv_checkout_work_differs(checkout *c, const dv_output *o, bool parts, bool *yes) DV_MUST_CHECK;

#endif
