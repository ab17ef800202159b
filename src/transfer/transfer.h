/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving objects between the local store and a remote store. What is missing is found from the
 * remote's log and index segments, which are mirrored in a local folder and reused, or from rows of
 * them that are asked for many at a time; nothing is ever listed. Only missing chunks travel,
 * packed; a local pack that the remote lacks for the most part goes as it is. The order on the
 * remote is the store's: packs, segment, log entry; so a push that was cut leaves the remote valid,
 * and what arrived is found again.
 */
#ifndef DV_TRANSFER_TRANSFER_H
#define DV_TRANSFER_TRANSFER_H

#include "store/care.h"
#include "store/landing.h"

typedef struct dv_remote_store dv_remote_store;

typedef struct dv_remote_options {
	const char *name;	/* for messages */
	const char *shown;	/* in their place, of what has no name; NULL: the name */
	const char *url;	/* absolute folder or scheme://… */
	const char *mirror_dir;	/* where log state and segments are kept; made when absent */
	bool create;		/* initialise an empty place as a store */
	bool anew;		/* with create: also one that was a store, as the mirror knows */
	bool may_ask;		/* for a push: leave index segments where they are, if the other
				   side answers what it looks up in them and that is less */
	bool url_is_own;	/* it stands in the user's own settings, not in a committed file */
	int jobs;		/* connections wanted; 0: as the driver likes */
	uint64_t rate;		/* bytes in a second at most; 0: no limit */
	int tries;		/* of what passes by itself; 0: as many as have a chance */
	const char *(*setting)(void *ctx, const char *key);	/* as in dv_driver_options */
	void *ctx;
} dv_remote_options;
/** Whether some driver reaches such a URL; a folder always is reached. */
bool dv_remote_has_driver(const char *url);
/** Opens a place, makes it when it is absent and o->create is set, and finds out what it can do by
 *  writing, reading and removing a small file. *out is filled as far as it went, also on failure.
 *  What is found about creating files is kept in the mirror. */
int dv_remote_store_probe(const dv_remote_options *o, dv_abilities *out) DV_MUST_CHECK;
/** Opens a remote: checks dv-store.json, replays new log entries, mirrors new segments. An empty
 *  place without `create` is an empty store for reading (head 0). With `create`, DV_ERROR when the
 *  store that the mirror was made from is gone or was replaced, unless `anew`. */
int dv_remote_store_open(dv_remote_store **out, const dv_remote_options *o) DV_MUST_CHECK;
void dv_remote_store_free(dv_remote_store *r);
DV_DEFINE_AUTOPTR(dv_remote_store)
/** What its log says, as far as it was read; borrowed. */
const dv_log_state *dv_remote_store_state(const dv_remote_store *r);
bool dv_remote_store_find(const dv_remote_store *r, uint8_t kind, const dv_oid *id, dv_place *out);
bool dv_remote_store_has_object(const dv_remote_store *r, const dv_oid *oid);
/** True when the remote's log vouches for the object with everything below it. */
bool dv_remote_store_has_root(const dv_remote_store *r, const dv_oid *oid);

/** What went through the remote since it was opened. */
typedef struct dv_remote_traffic {
	uint64_t requests, sent, received;
} dv_remote_traffic;
dv_remote_traffic dv_remote_store_traffic(const dv_remote_store *r);

/** One thing to move. */
typedef struct dv_want {
	dv_oid oid;
	bool is_tree;
	const char *path;	/* of the output, for the log and for messages */
	enum dv_run_item_kind runs;	/* no output, but what is known of runs */
	uint64_t size;		/* bytes of all that is below it; 0: not known */
} dv_want;
typedef struct dv_move_options {
	int jobs;		/* connections; 0: the driver's default */
	bool dry;
	const char *project, *commit;	/* for the log's roots; may be NULL */
	dv_landing *landing;	/* of a fetch: shown the files that come nearly whole and all their
				   chunks; NULL: nobody asks */
} dv_move_options;
typedef struct dv_move_stats {
	uint64_t objects, chunks, packs, bytes, files;
	uint64_t requests;	/* dry: that would move the data, about */
} dv_move_stats;
/** local -> remote. DV_ENOTFOUND naming the output when the local store lacks something that the
 *  remote lacks too; then nothing is committed for that output but the others are (DV_EPARTIAL). */
int dv_transfer_push(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		     const dv_move_options *o, dv_move_stats *out) DV_MUST_CHECK;
/** remote -> local: trees first, then what they name. Everything is verified before it is committed
 *  locally. Objects that are there already cost nothing. As push for what is missing. What
 *  is damaged on the remote is left out, and everything else comes: DV_EPARTIAL naming the outputs
 *  it touches, DV_ECORRUPT when it touches all. With `dry` nothing is stored. */
int dv_transfer_fetch(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		      const dv_move_options *o, dv_move_stats *out) DV_MUST_CHECK;
/** A batch of new entries that goes to a remote pack by pack as it is made, so that nothing of it
 *  has to be kept here. */
typedef struct dv_onward dv_onward;
/** `scratch`: an empty store, where at most a few packs are at a time; they go to the remote over
 *  o->jobs connections (0: at most 3). `sent` is a folder of the caller's, made when absent, that
 *  remembers which packs are there already: what was cut goes on where the same folder is given
 *  again. All is borrowed. Until the free the remote is used for nothing else. */
int dv_onward_new(dv_onward **out, dv_remote_store *remote, dv_store *scratch, int level,
		  const char *sent, const dv_move_options *o) DV_MUST_CHECK;
void dv_onward_free(dv_onward *x);
DV_DEFINE_AUTOPTR(dv_onward)
/** Where to put what is to be sent; dv_writer_sends() is true of it. */
dv_writer *dv_onward_writer(dv_onward *x);
/** Sends the rest and commits all of it on the remote as these wants, of which nothing may be
 *  missing. *again: a collection came between, nothing is committed, and all is to be put again
 *  into a new batch, with the same folder `sent`. Else that folder is gone. Of *out `packs` and
 *  `bytes` are filled. Then only the free may follow. */
int dv_onward_commit(dv_onward *x, const dv_want *w, size_t n, bool *again, dv_move_stats *out)
	DV_MUST_CHECK;

/** Reads an object of at most `max` bytes, a listing say, from where it is, checked, and stores
 *  nothing; out is replaced. DV_ENOTFOUND. */
int dv_transfer_read(dv_store *local, dv_remote_store *remote, const dv_oid *oid, size_t max,
		     dv_buf *out) DV_MUST_CHECK;
/** Tells an object's bytes [offset, offset + length), clipped, from where they are, each chunk
 *  checked, and stores nothing. Asks for no more than it needs. DV_ENOTFOUND. */
int dv_transfer_stream(dv_store *local, dv_remote_store *remote, const dv_oid *oid,
		       uint64_t offset, uint64_t length,
		       int (*sink)(const void *p, size_t n, void *payload), void *payload)
	DV_MUST_CHECK;
/** The collection of a remote; docs/durability.md says why nothing is lost by it. */
typedef struct dv_collect_options {
	/** Must what hangs on this root stay? */
	bool (*keep)(const dv_root *root, void *payload);
	void *payload;
	bool dry;
	bool force;		/* although a root that is kept lacks something */
	uint64_t grace;		/* seconds for which condemned packs stay for readers; with 0 also
				   packs that no entry names go at once, however young */
} dv_collect_options;
typedef struct dv_collect_stats {
	uint64_t roots_kept, roots_dropped, roots_damaged;
	uint64_t packs_kept, bytes_kept;
	uint64_t packs_rewritten, bytes_rewritten;	/* what was needed of them; now, or with
							   dry next */
	uint64_t packs_condemned, bytes_condemned;	/* now */
	uint64_t packs_removed, bytes_removed;		/* files, now or with dry next */
	uint64_t packs_waiting, bytes_waiting;		/* files that stay for readers */
	uint64_t orphans_waiting;	/* packs that no entry names, too young to be condemned */
} dv_collect_stats;
/** Puts what is needed of packs with less than 60 % of it into new ones, condemns the packs that no
 *  kept root needs, and removes those whose time has come. DV_ECORRUPT
 *  when a kept root lacks something, unless forced. */
int dv_transfer_collect(dv_store *local, dv_remote_store *remote, const dv_collect_options *o,
			dv_collect_stats *out) DV_MUST_CHECK;
/** Copies a remote as it is, damage and all, into the empty folder `dir`, which then opens as a
 *  store; with `full` whole packs, else all but their chunks. DV_ENOTFOUND when there is none. */
int dv_transfer_replica(const dv_remote_options *o, const char *dir, bool full) DV_MUST_CHECK;
/** Does the remote have the object with everything below? Uses local trees where they are. */
int dv_transfer_has_all(dv_store *local, dv_remote_store *remote, const dv_want *w, bool *has)
	DV_MUST_CHECK;
/** Reads one entry from the remote, decoded and verified (for repair); out is replaced. */
int dv_remote_store_read(dv_remote_store *r, uint8_t kind, const dv_oid *id, dv_buf *out)
	DV_MUST_CHECK;

#endif
