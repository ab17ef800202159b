/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: merging, conflicts, and what git shows of pointers.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_MERGE_H
#define DV_MERGE_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dv_conflict_why {
	DV_CONFLICT_ADDED = 1,		/* both sides added it, differently */
	DV_CONFLICT_CHANGED,
	DV_CONFLICT_OURS_DELETED,	/* ours deleted what theirs changed */
	DV_CONFLICT_THEIRS_DELETED,
	DV_CONFLICT_KIND,	/* a directory against a file, or a file against a link */
	DV_CONFLICT_KEYS,	/* what the pointer says beside the content: remote, meta … */
	DV_CONFLICT_STAGE	/* what a lock file says of a stage */
};
typedef struct dv_conflict {
	enum dv_conflict_why why;
	const char *path;	/* file, directory or output, or the lock file; from the root */
	const char *record;	/* the pointer or lock file; the file itself when git's filter keeps
				   it */
	const char *stage;	/* of a lock file, else NULL */
} dv_conflict;
typedef int (*dv_conflict_cb)(const dv_conflict *c, void *payload);

typedef struct dv_merge_files {
	const char *base, *ours, *theirs;	/* files; `ours` gets the result */
	int marker;		/* length of conflict markers; 0: 7 */
	const char *path;	/* what is merged, from the top of git's work tree */
} dv_merge_files;
/** Merges three versions of a pointer, a lock file, or another file that git knows with merge=dv;
 *  listings that the cache lacks come from the remote. *conflicts is 0 when all is decided. r may
 *  be NULL. Writes nothing but `ours` and the store. */
DV_API int dv_merge(dv_repo *r, const dv_merge_files *f, dv_conflict_cb cb, void *payload,
		    uint64_t *conflicts);

/** Tells what is in conflict, in the targets (none: everywhere). */
DV_API int dv_conflicts(dv_repo *r, const char *const *targets, size_t n, dv_conflict_cb cb,
			void *payload);
typedef struct dv_resolve_options {
	bool theirs;		/* take theirs, else ours */
	bool force;		/* overwrite work that is not in the store: of files that git's
				   filter keeps */
	bool no_stage;
} dv_resolve_options;
typedef struct dv_resolve_summary {
	uint64_t settled;	/* pointers, lock files and files that have no conflict any more */
	uint64_t left;		/* those of the targets that still have some */
} dv_resolve_summary;
/** Takes one side of what is in conflict in the targets: an output, a file or directory in one, a
 *  pointer or lock file, or a stage by an output of its. A record without further conflicts is
 *  staged; data stays as it is until dv_checkout. cb is told about what is left in the records that
 *  were touched. DV_ENOTFOUND for a target without conflict. */
DV_API int dv_resolve(dv_repo *r, const char *const *targets, size_t n,
		      const dv_resolve_options *o, dv_conflict_cb cb, void *payload,
		      dv_resolve_summary *out);

/** Tells what a file under git's diff=dv says, in lines for people: a pointer with the files of its
 *  directory, as far as the cache knows them; a lock file as it is; of any other file its oid and
 *  size. r may be NULL. */
DV_API int dv_textconv(dv_repo *r, const char *path, dv_data_cb cb, void *payload);

#ifdef __cplusplus
}
#endif

#endif
