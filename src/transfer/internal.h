/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of this layer share: the inside of a remote store, and the retrieval of its files.
 * Threads: the functions that say so may run in pool workers; the rest belong to the owner.
 */
#ifndef DV_TRANSFER_INTERNAL_H
#define DV_TRANSFER_INTERNAL_H

#include <pthread.h>

#include "transfer/remote_driver.h"
#include "store/entries.h"
#include "transfer/transfer.h"
#include "transfer/wrap.h"

#define DV_MOVE_JOBS 4		/* connections when the caller does not say */
#define DV_MOVE_JOBS_MAX 64
#define DV_SEGMENT_MAX ((uint64_t)4 << 30)
#define DV_FOOTER_MAX (256u << 20)
#define DV_NAME_ROOM 96		/* of any file in a remote */

typedef struct dv_remote_segment {
	dv_oid id;
	dv_segment *map;	/* NULL: not mirrored; then, when it was asked: */
	uint64_t size, count;	/* bytes (0: unknown) and entries, as the other side says */
} dv_remote_segment;
typedef struct dv_asking dv_asking;

typedef struct dv_footer_slot {
	dv_oid pack;
	dv_pack_footer f;
} dv_footer_slot;

struct dv_remote_store {
	char *name, *mirror;
	char *server;		/* the address from the settings, or "" */
	dv_remote *r;
	enum dv_create create;	/* as far as it is known */
	bool warned;		/* of a place that does not create only if absent */
	dv_traffic traffic;
	bool exists;			/* a store is there; else an empty place */
	dv_log_state state;
	dv_oid head_print;		/* SHA-256 of the head entry's first bytes */
	dv_remote_segment *segs;	/* as state.segments: oldest first */
	size_t nsegs, segs_cap;
	bool may_ask;			/* segments may stay where they are */
	dv_asking *asking;		/* there exactly while some do */
	pthread_mutex_t footers_lock;
	dv_footer_slot **footers;	/* of packs with deltas, once read */
	size_t nfooters, footers_cap;
};

/** Opens the place only, and reads nothing; r->r stays NULL when it is absent. */
int dv_remote_place_open(dv_remote_store **out, const dv_remote_options *o) DV_MUST_CHECK;
/** What is known about creating files there. */
void dv_probe_recall(dv_remote_store *r);
/** Finds it out when it is not known. Comes before the first write. */
int dv_probe_create(dv_remote_store *r) DV_MUST_CHECK;
/** Creates a small file as safely as the place allows: 0, or DV_EEXISTS when another is there. One
 *  that is there already with the same bytes is success: an earlier try made it. */
int dv_remote_create_file(dv_remote_store *r, const char *name, const void *p, size_t n)
	DV_MUST_CHECK;
/** Reads what the log grew by and mirrors its segments. */
int dv_remote_store_refresh(dv_remote_store *r) DV_MUST_CHECK;
/** Reads and parses entry `number`; DV_ENOTFOUND when it is not there (yet). */
int dv_remote_log_read(dv_remote_store *r, uint64_t number, dv_log_entry *out, dv_oid *print)
	DV_MUST_CHECK;
/** Calls cb with the entries from .. to, checkpoints too, in order; all must be there. */
typedef int (*dv_log_cb)(const dv_log_entry *e, void *payload);
int dv_remote_log_each(dv_remote_store *r, uint64_t from, uint64_t to, dv_log_cb cb, void *payload)
	DV_MUST_CHECK;
/** Creates entry `number` from `e`: 0, or DV_EEXISTS when it is somebody else's. */
int dv_remote_log_create(dv_remote_store *r, uint64_t number, const dv_log_entry *e, dv_oid *print)
	DV_MUST_CHECK;
/** Reads the mirror's state; an unusable one counts as none. */
void dv_mirror_load(dv_remote_store *r);
/** Writes the state to the mirror. */
int dv_mirror_save(dv_remote_store *r) DV_MUST_CHECK;
/** Applies entry `number` of the remote's log, which was read or created. */
int dv_remote_log_apply(dv_remote_store *r, uint64_t number, const dv_log_entry *e,
			const dv_oid *print) DV_MUST_CHECK;
/** Appends `e` with a number nobody has taken, and applies it. Before each try prepare (NULL: there
 *  is nothing to) may change `e`, or set *stop, and then nothing is created; after an entry of
 *  somebody else's, which was applied, came may set *stop. */
typedef struct dv_log_appending {
	int (*prepare)(dv_log_entry *e, bool *stop, void *payload);
	int (*came)(const dv_log_entry *other, bool *stop, void *payload);
	void *payload;
} dv_log_appending;
int dv_remote_log_append(dv_remote_store *r, dv_log_entry *e, const dv_log_appending *with,
			 bool *stopped) DV_MUST_CHECK;
/** Finds the newest entry and applies all that are new. */
int dv_remote_log_replay(dv_remote_store *r) DV_MUST_CHECK;
/** Forgets the mirror when the remote's log is not the one that it was made from. */
int dv_remote_log_verify(dv_remote_store *r) DV_MUST_CHECK;
/** A file of at most `max` bytes from `offset` on. */
int dv_remote_get_file(dv_remote_store *r, const char *name, size_t max, dv_buf *out) DV_MUST_CHECK;
/** Opens a temporary file in the mirror for a segment. */
int dv_remote_store_new_segment(dv_remote_store *r, dv_atomic *out) DV_MUST_CHECK;
/** Gives it its name in the mirror, without opening it as a segment. */
int dv_remote_store_keep_segment(dv_remote_store *r, const dv_oid *id, dv_atomic *file)
	DV_MUST_CHECK;
/** Numbers the entries of the mirrored index; valid until it changes. */
int dv_remote_store_entries(const dv_remote_store *r, dv_entries *out) DV_MUST_CHECK;
/** Opens the mirror's segments as the state lists them, fetching those that are missing, unless it
 *  is better to ask for rows. */
int dv_remote_store_sync_segments(dv_remote_store *r) DV_MUST_CHECK;

/** Fetches all segments that were left where they are. For all that is no push: only the owner's
 *  thread can look up what is not mirrored, and dv_remote_store_entries has only what is. */
int dv_remote_store_complete(dv_remote_store *r) DV_MUST_CHECK;
/** Mirrors one segment that was left. DV_ECORRUPT when it is not there. */
int dv_remote_store_need_segment(dv_remote_store *r, dv_remote_segment *s) DV_MUST_CHECK;
/** The same of all, without a look at the log. */
int dv_remote_store_need_segments(dv_remote_store *r) DV_MUST_CHECK;
/** Is the place in a container that the log names? Corrects what the index says of that. */
bool dv_remote_place_ok(const dv_remote_store *r, dv_place *at);

/* Rows of segments that are not mirrored (asking.c). The owner's thread; all but _look, _expect and
 * _error only while r->asking is there. */
/** Looks whether the segments that are not mirrored may stay away, and makes r->asking if so. */
int dv_asking_look(dv_remote_store *r, bool *worth) DV_MUST_CHECK;
void dv_asking_free(dv_asking *a);
/** Forgets all rows. From now on, until they are sent, questions are only noted, and nothing that
 *  is not mirrored is found. */
void dv_asking_begin(dv_remote_store *r);
/** Would it be too much to ask for all that was noted? */
bool dv_asking_is_dear(const dv_remote_store *r);
/** For dv_push_walk.on_need: stops a walk that only notes as soon as it is. */
int dv_asking_room(const dv_place *at, void *remote);
/** Asks all that was noted, or mirrors the segments when it has become too much. DV_ENOTFOUND or
 *  DV_ECORRUPT when a segment is not there or damaged. */
int dv_asking_send(dv_remote_store *r) DV_MUST_CHECK;
/** Notes what is going to be looked up, so that it is asked with what else is. */
void dv_asking_expect(dv_remote_store *r, uint8_t kind, const dv_oid *id);
/** Looks among the rows for a better place than *out, if `found`, asking when need be. */
bool dv_asking_find(const dv_remote_store *r, uint8_t kind, const dv_oid *id, bool found,
		    dv_place *out);
/** 0, or the failure of a question on the way: then what was looked up since counts for nothing. */
int dv_asking_error(dv_remote_store *r) DV_MUST_CHECK;

/** "packs/ab/<hex>" or "files/ab/<hex>". */
void dv_remote_container_name(char out[DV_NAME_ROOM], const dv_container *c);
/** Bytes [offset, offset + n) of a file, all of them; DV_ECORRUPT when it ends before. Any
 *  thread. */
int dv_remote_get_range(dv_remote_store *r, const char *name, uint64_t offset, size_t n,
			dv_buf *out) DV_MUST_CHECK;
/** The bases of an entry in a remote pack: appended to `out` (nbases of them). Any thread. */
int dv_remote_bases(dv_remote_store *r, uint8_t kind, const dv_oid *id, const dv_place *at,
		    dv_oid out[DV_BASES_MAX]) DV_MUST_CHECK;
/** The footer of a remote pack, kept once it was read; borrowed. Any thread. */
int dv_remote_footer(dv_remote_store *r, const dv_container *c, const dv_pack_footer **out)
	DV_MUST_CHECK;
/** As above when an entry is known to end at offset `from`, near the footer. */
int dv_remote_footer_behind(dv_remote_store *r, const dv_container *c, uint64_t from,
			    const dv_pack_footer **out) DV_MUST_CHECK;
/** Makes the pack entry that a place describes (bases_at is 0). */
void dv_place_entry(dv_pack_entry *out, const dv_oid *id, const dv_place *at);
/** Checks decoded bytes: a chunk against its id, a recipe that it parses. Any thread. */
int dv_check_entry(uint8_t kind, const dv_oid *id, const uint8_t *p, size_t n) DV_MUST_CHECK;

/** Gives the bytes of an entry: 0, DV_ENOTFOUND (need not be recorded), or a failure. */
typedef int (*dv_get_cb)(uint8_t kind, const dv_oid *id, dv_buf *out, void *payload);
/** The recipe of an object, through all levels. All entries of a level are asked for, even when one
 *  is not found; then DV_ENOTFOUND, without a record. */
int dv_meta_recipe(dv_recipe *out, const dv_oid *oid, dv_get_cb get, void *payload) DV_MUST_CHECK;
/** The bytes of an object of at most `max`, checked against its oid; as above. */
int dv_meta_object(dv_buf *out, const dv_oid *oid, bool is_chunk, size_t max, dv_get_cb get,
		   void *payload) DV_MUST_CHECK;

/** An entry that has to travel, and where the sending side has it. */
typedef struct dv_need {
	dv_oid id;
	dv_place at;
	unsigned level;		/* of a fetch: above those of its bases */
	uint32_t rank;		/* of a fetch: its container's turn */
} dv_need;

/** The walk of a push: what is below the wants, is not on the remote and is here. Or, with
 *  `check_only`, whether all of it is on the remote. One thread. */
typedef struct dv_push_walk {
	dv_store *local;
	dv_reader *reader;
	dv_remote_store *remote;
	bool check_only;
	int remote_only;	/* > 0: below an object that only the remote has */
	dv_entries here;	/* of the local store */
	dv_bits seen, needed;	/* of them: visited; to be sent */
	uint8_t *depth;		/* of each that was visited, as it is or will be on the remote */
	dv_map files, trees, chunks, recipes;	/* visited; the last two and long files: not here */
	uint64_t n, nchunks;	/* entries and chunks to be sent */
	uint64_t objects, nfiles;	/* with entries to be sent */
	uint64_t missing;
	/** Told where each entry is that has to be sent, as it is found; NULL: nobody asks. */
	int (*on_need)(const dv_place *at, void *payload);
	/** Told where on the remote each entry is that is there; then nothing is passed over
	 *  because the log vouches for it. NULL: nobody asks. */
	int (*on_there)(const dv_oid *id, const dv_place *at, void *payload);
	void *payload;
} dv_push_walk;
int dv_push_walk_init(dv_push_walk *w, dv_store *local, dv_reader *reader, dv_remote_store *remote,
		      bool check_only) DV_MUST_CHECK;
void dv_push_walk_release(dv_push_walk *w);
int dv_push_walk_add(dv_push_walk *w, const dv_oid *oid, bool is_tree) DV_MUST_CHECK;
/** Was the chunk visited: has the remote got it, or will it? *depth: of its copy there. */
bool dv_push_walk_has_chunk(const dv_push_walk *w, const dv_oid *id, uint8_t *depth);

/** "output 'data': 3 objects are neither in the cache nor on remote 'r'", with its hint. */
int dv_transfer_missing(int code, const dv_want *w, uint64_t missing, const dv_remote_store *r);
/** Shared by both directions: how many threads. */
int dv_move_jobs(const dv_move_options *o, const dv_remote_store *r);

/** Places for those who compute, at most as many as there are connections and a few more than
 *  CPUs. Who has one holds it for as long as no network is waited for. Any thread. */
typedef struct dv_slots {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	uint64_t busy;		/* bits */
	int n;
} dv_slots;
void dv_slots_init(dv_slots *s, int connections);
void dv_slots_release(dv_slots *s);
/** Waits for a place: its number, an index for scratch. */
int dv_slots_take(dv_slots *s);
void dv_slots_give(dv_slots *s, int i);

/** A pack being put together. */
typedef struct dv_packer {
	int fd;
	dv_buf pending;
	dv_sha256_ctx name;
	uint64_t at;
	dv_pack_footer f;
	size_t e_cap, b_cap;
} dv_packer;
#define DV_PACKER_INIT { .fd = -1 }
void dv_packer_release(dv_packer *k);
/** Begins one that is to hold these entries. */
int dv_packer_begin(dv_packer *k, const dv_remote_store *r, const dv_need *needs, size_t n,
		    bool in_memory) DV_MUST_CHECK;
/** Adds an entry in its stored form; of `e` offset and bases_at do not count. */
int dv_packer_add(dv_packer *k, const dv_pack_entry *e, const uint8_t *stored, const dv_oid *bases)
	DV_MUST_CHECK;
/** The pack is in k->fd, its footer in k->f. */
int dv_packer_end(dv_packer *k, dv_container *c) DV_MUST_CHECK;

/** One push, from the walk to the log entry. */
typedef struct dv_pushing {
	dv_store *local;
	dv_remote_store *r;
	const dv_want *wants;
	size_t nwants;
	const dv_move_options *o;
	uint64_t *missing;	/* per want; those with any are left out */
	dv_push_walk walk;
	dv_container *sent;	/* packs that are on the remote now */
	size_t nsent, sent_cap;
	dv_segment_builder *index;	/* of their entries */
	char *spill;		/* where the index may leave some of them */
	uint64_t bytes;		/* to be sent */
	uint64_t requests;	/* that this takes, with those for segment and log */
	struct dv_sender *sender;	/* between begin and end */
} dv_pushing;

/** Begins to send: from now on dv_pushing_need() is told of what the walk finds, and a pack that
 *  goes as a whole, wherever the walk leads yet, is on its way before the walk ends. */
int dv_pushing_begin(dv_pushing *p) DV_MUST_CHECK;
int dv_pushing_need(const dv_place *at, void *pushing) DV_MUST_CHECK;
/** The walk begins anew; what is on its way stays so. */
void dv_pushing_forget_needs(dv_pushing *p);
/** Stops what is under way. */
void dv_pushing_end(dv_pushing *p);
/** Sends what the walk found: whole packs and collected ones. Fills p->sent and p->index. */
int dv_pushing_send(dv_pushing *p) DV_MUST_CHECK;

/** Notes a pack that is on the remote now, and its entries. One thread at a time. */
int dv_pushing_note_sent(dv_pushing *p, const dv_container *c, const dv_pack_footer *f)
	DV_MUST_CHECK;
/** May there be a push to this remote? Finds out how files are created there, and warns. */
int dv_pushing_check(dv_remote_store *remote) DV_MUST_CHECK;
/** Adds the wants that lack nothing, and that the remote's log does not vouch for yet. */
int dv_pushing_add_roots(dv_pushing *p, dv_log_entry *e) DV_MUST_CHECK;
/** Commits what was sent: the segment, then the entry `e`, which gets packs and segment. *again: a
 *  collection came between, nothing was committed, and all has to be planned anew. */
int dv_pushing_commit(dv_pushing *p, dv_log_entry *e, bool *again) DV_MUST_CHECK;
/** Puts the entries `needs` of a remote, which are sorted here, into new packs and commits them.
 *  Those that are damaged stay where they are, with a warning. *again: as above. */
int dv_rewrite(dv_store *local, dv_reader *reader, dv_remote_store *r, dv_need *needs, size_t n,
	       bool *again) DV_MUST_CHECK;

/** A file in memory with the given bytes, or empty when n is 0; a descriptor or -1 (recorded). */
int dv_memory_file(const void *p, size_t n);

/** A file on its way here. */
typedef struct dv_spool {
	int fd;
	char *path;
	uint64_t have;	/* bytes that came before */
} dv_spool;
#define DV_SPOOL_INIT { .fd = -1 }
/** Opens, in the folder of a store's packs, what there is of a container, to go on at its end. The
 *  lock is held until the release. */
int dv_spool_open(dv_spool *s, const char *dir, const dv_oid *id, uint64_t size) DV_MUST_CHECK;
/** Begins anew. */
int dv_spool_discard(dv_spool *s) DV_MUST_CHECK;
/** Removes the file and releases. */
void dv_spool_remove(dv_spool *s);
/** Lets go of the file, which stays. */
void dv_spool_release(dv_spool *s);

/** An entry's bytes that the walk of a fetch needs again. Not in the writer yet: a pack that comes
 *  as a whole may bring it. */
typedef struct dv_kept {
	dv_buf bytes;
	dv_oid id;
	uint8_t kind;
} dv_kept;
typedef struct dv_fetching {
	dv_store *local;
	dv_remote_store *r;
	const dv_want *wants;
	size_t nwants;
	const dv_move_options *o;
	uint64_t *missing;	/* per want */
	dv_writer *writer;
	dv_pool *pool;
	bool plan_only;		/* retrieves nothing, counts the requests that it would take */
	uint64_t run_max;	/* bytes that one request asks for */
	dv_slots slots;
	dv_reader **readers;	/* per slot, and one more for the owner */
	dv_encoder **encoders;	/* per slot, when it needed one */
	pthread_mutex_t lock;	/* of what follows */
	dv_map cache[2];	/* structure: chunks, recipes: id -> index of its bytes */
	dv_kept *cached;
	size_t ncached, cached_cap;
	uint64_t cached_bytes, bytes, packs, planned;
	uint64_t uncommitted;
	dv_spool *spools;	/* of packs that the writer has and no commit names yet */
	size_t nspools, spools_cap;
	dv_map bad[2];		/* chunks, recipes that the remote has damaged */
	uint64_t nbad;
	dv_map ranks;		/* containers -> in which order they are first needed */
	bool overtaken;		/* a file that the index names is gone */
	bool reloaded;		/* and the index is of after that: it counts as damage */
} dv_fetching;

/** Brings entries from the remote, verified, into the writer; with `keep` into the cache instead.
 *  What turns out damaged is left out, with a warning for each file, and noted in f->bad. The array
 *  is sorted and may grow by bases (dv_grow). From the owner. */
int dv_fetching_retrieve(dv_fetching *f, dv_need **needs, size_t *n, size_t *cap, bool keep)
	DV_MUST_CHECK;
/** Adds the bases of deltas that are neither here nor asked for to the array, which grows
 *  (dv_grow), and sets the levels of all. */
int dv_fetching_add_bases(dv_fetching *f, dv_need **needs, size_t *n, size_t *cap) DV_MUST_CHECK;
/** A collection may have been faster than this fetch: the log tells where things are now. Records
 *  and returns. */
int dv_fetching_overtaken(dv_fetching *f);
/** Notes that the remote has the entry damaged. Any thread. */
int dv_fetching_note_bad(dv_fetching *f, const dv_need *need) DV_MUST_CHECK;
/** Lets go of the files of packs that are committed, or never will be. */
void dv_fetching_drop_spools(dv_fetching *f);
/** Puts into the writer what the cache holds and neither store nor writer has. */
int dv_fetching_settle(dv_fetching *f) DV_MUST_CHECK;
/** Settles, commits without roots and empties the cache: what it held is in the store now. */
int dv_fetching_flush(dv_fetching *f) DV_MUST_CHECK;

/** The driver for a URL, or NULL. */
const dv_driver *dv_driver_for(const char *url);

#endif
