/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files at a place that is no store of dv's, such as a remote of DVC's, through the drivers of
 * remotes. Only reads. What comes is hostile: whoever asks knows what it must be.
 */
#ifndef DV_TRANSFER_FOREIGN_H
#define DV_TRANSFER_FOREIGN_H

#include "transfer/remote_driver.h"
#include "transfer/transfer.h"

typedef struct dv_foreign dv_foreign;
/** Opens a place; of the options `create`, `anew` and `mirror_dir` are not looked at. */
int dv_foreign_open(dv_foreign **out, const dv_remote_options *o) DV_MUST_CHECK;
void dv_foreign_free(dv_foreign *f);
DV_DEFINE_AUTOPTR(dv_foreign)
/** The number of files that may be asked for at once. */
int dv_foreign_jobs(const dv_foreign *f);
/** Reads the file `name` ([a-z0-9/._-]) into `fd` from its position on, at most `max` bytes.
 *  DV_ENOTFOUND. Any thread. */
int dv_foreign_get(dv_foreign *f, const char *name, int fd, uint64_t max) DV_MUST_CHECK;

/** The same, told to `sink` in order, which stops it by returning other than 0. Any thread. */
int dv_foreign_read(dv_foreign *f, const char *name,
		    int (*sink)(const void *p, size_t n, void *payload), void *payload)
	DV_MUST_CHECK;

/** The same for a place that is others' own, where any name is read that is a path. */
int dv_foreign_open_theirs(dv_foreign **out, const dv_remote_options *o) DV_MUST_CHECK;
/** What stands at `name` ("": the place itself). DV_ENOTFOUND. */
int dv_foreign_look(dv_foreign *f, const char *name, dv_remote_look *out) DV_MUST_CHECK;
/** Everything below folder `name`, files and folders, with paths relative to it; a folder before
 *  what is in it. DV_EUNSAFE for names that are no paths. */
typedef int (*dv_foreign_walk_cb)(const char *path, const dv_remote_look *l, void *payload);
int dv_foreign_walk(dv_foreign *f, const char *name, dv_foreign_walk_cb cb, void *payload)
	DV_MUST_CHECK;

#endif
