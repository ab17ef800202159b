/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content that goes to a remote without being kept here: docs/durability.md says in which order.
 */
#ifndef DV_REPO_TOREMOTE_H
#define DV_REPO_TOREMOTE_H

#include "repo/import.h"
#include "transfer/transfer.h"

/** dv_add_to_remote with an accountant, who may be NULL. */
int dv_repo_add_to_remote(dv_repo *r, const char *source, const dv_to_remote_options *o,
			  const dv_accountant *a, dv_output_cb cb, void *payload) DV_MUST_CHECK;

/** One source on its way to one remote. */
typedef struct dv_toremote {
	dv_repo *repo;
	dv_remote_store *remote;
	char *name;		/* of the remote */
	char *project;
	char *dir;		/* of ours: what is on its way, and what was sent */
	dv_lock lock;
	dv_store *scratch;	/* while it runs */
	int jobs;
	uint64_t sent;		/* bytes */
} dv_toremote;
void dv_toremote_release(dv_toremote *t);
/** Opens a remote (NULL: the default one), of which a store is made when the place is empty.
 *  `source` tells this from others that go on at the same time; again with the same source goes on
 *  where a run was cut. */
int dv_toremote_open(dv_toremote *t, dv_repo *r, const char *remote, const char *source, int jobs)
	DV_MUST_CHECK;
/** Puts the source into a writer; *out is what it is. May be called more than once. */
typedef int (*dv_toremote_fn)(dv_toremote *t, dv_writer *w, dv_tree_entry *out, void *payload);
/** Sends what `fn` puts, and commits it on the remote as output `path`: after that the remote has
 *  all of it for good. */
int dv_toremote_run(dv_toremote *t, dv_toremote_fn fn, void *payload, const char *path,
		    dv_tree_entry *out) DV_MUST_CHECK;
/** Ends an open record for the time that data travel, and lets the store be collected: nothing of
 *  this is held while who knows how long the network takes. The record is opened anew after it. */
void dv_toremote_unlock(dv_importing *im);
/** Writes the pointer of what was sent, which names the remote unless it is the default one. */
int dv_toremote_publish(dv_toremote *t, dv_importing *im, dv_pointer *p, const dv_pointer *old)
	DV_MUST_CHECK;

#endif
