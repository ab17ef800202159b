/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this layer share about an open store. */
#ifndef DV_STORE_STORE_PRIV_H
#define DV_STORE_STORE_PRIV_H

#include <pthread.h>

#include "store/store.h"

typedef struct dv_mapped {
	dv_oid id;
	dv_segment *seg;
} dv_mapped;

struct dv_store {
	char *dir;
	unsigned flags;
	bool torn;		/* see dv_store_is_torn */
	unsigned missing;	/* log entries that were skipped for that */
	bool absent;		/* nothing of it is on the disk */
	dv_log_state state;
	dv_mapped *segs;	/* live segments that could be mapped, oldest first */
	size_t nsegs, segs_cap;
	pthread_rwlock_t lock;	/* state and segs: lookups share it, commit and refresh do not */
	dv_lock flock;
	bool exclusive;		/* the kind of lock held, when one is */
	pthread_mutex_t whole_lock;	/* wholes; taken last */
	dv_map wholes;		/* whole files that were looked at -> what was found */
	int unlooked;		/* why one could not be opened (errno), though it may be there */
};

/** "<store>/<folder>/<hex>" or, with `fan`, "<store>/<folder>/ab/<hex>"; owned. */
char *dv_store_path(const dv_store *s, const char *folder, const dv_oid *id, bool fan);
/** dv_segment_builder_spill into a temporary file of the store. */
int dv_store_spill_segment(const dv_store *s, dv_segment_builder *b, const dv_segment **out)
	DV_MUST_CHECK;
/** Finishes the builder, merges `with` into it, as far as its containers are live, and makes the
 *  segment durable under its name. */
int dv_store_put_segment(dv_store *s, dv_segment_builder *b, const dv_segment *const *with,
			 size_t n, dv_oid *name) DV_MUST_CHECK;
/** Loads and checks the footer of a pack of the store. */
int dv_store_load_footer(const dv_store *s, const dv_container *c, dv_pack_footer *out)
	DV_MUST_CHECK;
/** Deletes temporary files older than `seconds`; the exclusive lock must be held. */
int dv_store_clean(dv_store *s, int64_t seconds) DV_MUST_CHECK;

/** Is a whole file as it was stored? Looks once, and warns when it is not. One that is there and
 *  cannot be opened counts as whole: who reads it fails with the reason. */
bool dv_whole_intact(const dv_store *s, const dv_container *c);
/** Fails when that happened: nothing new may rely on such a file. */
int dv_whole_check_looks(dv_store *s) DV_MUST_CHECK;
/** Forgets what was found of a file that was replaced. */
void dv_whole_forget(dv_store *s, const dv_oid *oid);
/** Gives a file that was changed, and is about to be replaced, a second name in damaged/. */
int dv_whole_put_aside(dv_store *s, const dv_container *c, const char *path) DV_MUST_CHECK;
/** False when the object's whole file was changed and the chunks are nowhere else. */
bool dv_whole_chunks_there(const dv_store *s, const dv_oid *oid);

#endif
