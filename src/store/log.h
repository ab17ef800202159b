/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: numbered entries, each created only if absent. It alone says which packs and segments
 * belong to the store and which roots were committed. Entries are never deleted or changed. This
 * module parses, serialises and replays; who reads and creates the files (a local folder, a driver)
 * is the caller. Entries are canonical JSON (sorted keys, no spaces) and a newline:
 *
 *   {"base":41,"format":1,"kind":"commit","nonce":"<32 hex>","packs":[{"id":"<64 hex>","size":N}],
 *    "roots":[{"commit":"<hex>","kind":"tree|file","oid":"<64 hex>","path":"…","project":"…",
 *    "runs":"record|log|batch"}],
 *    "segments":{"add":["<64 hex>"],"drop":["<64 hex>"]}}
 *   {"at":N,"base":…,"format":1,"kind":"condemn","nonce":…,
 *    "packs":["<64 hex>",{"file":true,"id":…}],"roots":[…],"segments":{…}}
 *   {"base":…,"format":1,"kind":"checkpoint","nonce":…,"condemned":[…],"packs":[…],"roots":[…],
 *    "segments":["<64 hex>"]}
 * Containers of kind file carry "file":true beside id and size. "at" (seconds since 1970) and
 * "roots" of a condemn entry may be missing. Unknown keys are ignored; a higher "format" is
 * refused. The last key of all is "sum", the SHA-256 of what stands before it.
 */
#ifndef DV_STORE_LOG_H
#define DV_STORE_LOG_H

#include "base/map.h"
#include "store/segment.h"

#define DV_LOG_ENTRY_MAX (64u << 20)	/* bytes of one entry file */
#define DV_LOG_NAME_LEN 12		/* "000000000042" */
#define DV_CHECKPOINT_EVERY 256

enum dv_log_kind { DV_LOG_COMMIT = 1, DV_LOG_CONDEMN, DV_LOG_CHECKPOINT };

/** What is kept of runs: their records, the output of their commands, and trees of these. */
enum dv_run_item_kind { DV_RUN_ITEM_NONE, DV_RUN_ITEM_RECORD, DV_RUN_ITEM_LOG, DV_RUN_ITEM_BATCH };

/** An object that was stored with its whole closure. */
typedef struct dv_root {
	dv_oid oid;
	bool is_tree;
	enum dv_run_item_kind runs;	/* no output, but what is known of runs */
	char *path, *project, *commit;	/* owned; may be NULL */
} dv_root;

typedef struct dv_log_entry {
	enum dv_log_kind kind;
	uint64_t base;
	uint8_t nonce[16];
	dv_container *packs;	/* commit, checkpoint: added or live; condemn: condemned (size 0) */
	size_t npacks, packs_cap;
	dv_oid *seg_add, *seg_drop;
	size_t nseg_add, seg_add_cap, nseg_drop, seg_drop_cap;
	dv_root *roots;
	size_t nroots, roots_cap;
	dv_oid *condemned;	/* checkpoint */
	size_t ncondemned, condemned_cap;
	bool tells_roots;	/* condemn: `roots` are all that still count */
	uint64_t time;		/* condemn: when, in seconds since 1970; 0: not told. Only for
				   politeness to readers */
} dv_log_entry;
#define DV_LOG_ENTRY_INIT { 0 }
void dv_log_entry_release(dv_log_entry *e);
int dv_log_entry_parse(dv_log_entry *out, const char *p, size_t n) DV_MUST_CHECK;
int dv_log_entry_write(dv_buf *out, const dv_log_entry *e) DV_MUST_CHECK;
int dv_log_add_pack(dv_log_entry *e, const dv_oid *id, uint64_t size, uint8_t kind) DV_MUST_CHECK;
int dv_log_add_segment(dv_log_entry *e, const dv_oid *id) DV_MUST_CHECK;
int dv_log_drop_segment(dv_log_entry *e, const dv_oid *id) DV_MUST_CHECK;
int dv_log_add_root(dv_log_entry *e, const dv_oid *oid, bool is_tree, const char *path,
		    const char *project, const char *commit) DV_MUST_CHECK;
/** What a root is told from others by: its oid and its project. */
dv_oid dv_root_key(const dv_oid *oid, const char *project);
/** "000000000042". */
void dv_log_name(char out[DV_LOG_NAME_LEN + 1], uint64_t number);
/** The number of a log file's name, or 0 when it is none. Numbers start at 1. */
uint64_t dv_log_number(const char *name);

/** What a container is found by in the maps of a state: a pack's id, and a whole file's with every
 *  bit turned over, since a file that somebody tracks may be a pack, byte for byte. */
dv_oid dv_container_key(uint8_t kind, const dv_oid *id);

/** What the entries 1 … head add up to. */
typedef struct dv_log_state {
	uint64_t head;		/* newest entry applied; 0 for an empty store */
	uint64_t checkpoint;	/* newest checkpoint applied */
	dv_map packs;		/* key -> index into `containers`; live ones only */
	dv_container *containers;
	size_t ncontainers, containers_cap;
	dv_map condemned;	/* key -> kind */
	dv_oid *segments;	/* live, oldest first */
	size_t nsegments, segments_cap;
	dv_map roots;		/* oid -> 1 tree, 0 file. A condemn entry clears all roots but
				   those that it names: what else it left is vouched for by later
				   commits and by lookups */
	dv_root *owned;		/* the same, once for each project; without path and commit */
	size_t nowned, owned_cap;
	dv_map owned_at;	/* key of oid and project -> index into `owned` */
} dv_log_state;
#define DV_LOG_STATE_INIT { 0 }
void dv_log_state_release(dv_log_state *s);
/** Applies entry `number`, which must be s->head + 1, or any higher one when it is a checkpoint. */
int dv_log_apply(dv_log_state *s, uint64_t number, const dv_log_entry *e) DV_MUST_CHECK;
/** Does the container live? */
bool dv_log_state_has(const dv_log_state *s, uint8_t kind, const dv_oid *id);
/** Was the object committed for `project` (NULL: by somebody who named none), and as a tree if
 *  `is_tree`? */
bool dv_log_state_has_root(const dv_log_state *s, const dv_oid *oid, bool is_tree,
			   const char *project);
/** A checkpoint entry of the state. */
int dv_log_checkpoint(dv_log_entry *out, const dv_log_state *s) DV_MUST_CHECK;

#endif
