/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a local folder: the cache, and a remote that is a folder seen from its own side.
 *
 *   dv-store.json  packs/ab/<sha256>  index/<sha256>  log/000000000042  files/ab/<oid>  lock
 *
 * Guarantees: nothing is visible before it is durable (pack, then segment, then log entry); files
 * never change after they got their name; readers need no lock against writers, and writers none
 * against each other. Only the deletion of files by gc excludes both (dv_store_lock). Every chunk
 * is verified against its id before it is handed out.
 *
 * Threads: lookups and reads from any number at once; see each function for the rest.
 */
#ifndef DV_STORE_STORE_H
#define DV_STORE_STORE_H

#include "base/fs.h"
#include "base/pool.h"
#include "store/log.h"

typedef struct dv_store dv_store;

enum dv_store_flags {
	DV_STORE_CREATE = 1u << 0,	/* make it when it is not there */
	DV_STORE_TOLERATE = 1u << 1,	/* skip segments and log entries that are missing or
					   damaged (fsck) */
	DV_STORE_LOOK = 1u << 2,	/* one that is not there is empty; only to be read then */
};
/** The file that says what a store is, and what it says in a new one. */
#define DV_STORE_DESCRIPTION "dv-store.json"
#define DV_STORE_DESCRIPTION_MAX ((size_t)1 << 16)
extern const char dv_store_description[];
/** Can this dv read and write such a store? `where` is for messages. */
int dv_store_check_description(const dv_buf *text, const char *where) DV_MUST_CHECK;

/** Opens the store in `dir` and replays its log. DV_ENOTFOUND when there is none. A newer format is
 *  refused. */
int dv_store_open(dv_store **out, const char *dir, unsigned flags) DV_MUST_CHECK;
void dv_store_free(dv_store *s);
DV_DEFINE_AUTOPTR(dv_store)
/** Opened with DV_STORE_LOOK, and not there. */
bool dv_store_is_absent(const dv_store *s);
/** Were log entries skipped? What is known of the store is then not all that it is. */
bool dv_store_is_torn(const dv_store *s);
const char *dv_store_dir(const dv_store *s);
const dv_log_state *dv_store_state(const dv_store *s);
/** Reads log entries that others created since, and maps their segments. Not while others read. */
int dv_store_refresh(dv_store *s) DV_MUST_CHECK;
/** "packs/ab/<hex>" or "files/ab/<hex>" below the store's folder; owned. */
char *dv_store_container_path(const dv_store *s, const dv_container *c);
/** "index/<hex>" below the store's folder; owned. */
char *dv_store_segment_path(const dv_store *s, const dv_oid *name);

/** Keeps files from being deleted (shared) or keeps everybody out (exclusive, for gc). Held until
 *  dv_store_unlock or free. Taking shared twice is fine. Exclusive is taken anew: when that fails a
 *  shared lock held before is gone too. */
int dv_store_lock(dv_store *s, bool exclusive, int timeout_ms) DV_MUST_CHECK;
void dv_store_unlock(dv_store *s);

/* -- reading ---------------------------------------------------------------------------------- */

/** Looks an entry up in all segments. Of several copies the least deep counts, or the newest: so no
 *  chain of deltas grows when copies are added. */
bool dv_store_find(const dv_store *s, uint8_t kind, const dv_oid *id, dv_place *out);
/** True when the object's first entry is there (chunk or recipe); the empty object always is. */
bool dv_store_has_object(const dv_store *s, const dv_oid *oid);
/** The one oid or chunk of the store whose hexadecimal form begins with `hex` (lower case, at least
 *  four digits). Looks at every entry. DV_ENOTFOUND, DV_EUSAGE when there are several. */
int dv_store_complete(const dv_store *s, const char *hex, dv_oid *out) DV_MUST_CHECK;
/** Scratch for one reading thread: buffers and decompression state. */
typedef struct dv_reader dv_reader;
int dv_reader_new(dv_reader **out, dv_store *s) DV_MUST_CHECK;
void dv_reader_free(dv_reader *r);
DV_DEFINE_AUTOPTR(dv_reader)
/** The store it reads. Borrowed. */
dv_store *dv_reader_store(const dv_reader *r);
/** Reads and decodes an entry, following its bases; chunks are verified against their id, recipes
 *  are checked to parse. *p is borrowed until the next call with this reader.
 *  DV_ENOTFOUND "chunk … is not in the store", DV_ECORRUPT "chunk … is damaged in pack …". */
int dv_reader_get(dv_reader *r, uint8_t kind, const dv_oid *id, const uint8_t **p, size_t *n)
	DV_MUST_CHECK;
/** As above from a given place and without verification of the id (for readers that verify the
 *  object as a whole). */
int dv_reader_get_at(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p,
		     size_t *n) DV_MUST_CHECK;
/** As above, into `out`, which has room for at->raw bytes. */
int dv_reader_read_at(dv_reader *r, const dv_oid *id, const dv_place *at, uint8_t *out)
	DV_MUST_CHECK;
/** The stored bytes of a place as they are, and its base ids (nbases of them, borrowed). */
int dv_reader_stored(dv_reader *r, const dv_oid *id, const dv_place *at, const uint8_t **p,
		     const dv_oid **bases) DV_MUST_CHECK;

/** The base ids of a place (nbases of them), borrowed until the next call. */
int dv_reader_bases(dv_reader *r, const dv_oid *id, const dv_place *at, const dv_oid **bases)
	DV_MUST_CHECK;

/* -- writing ---------------------------------------------------------------------------------- */

/** A batch of new entries, visible to others all at once by dv_writer_commit, and not at all when
 *  it is freed before. Puts may come from many threads; a writer thread of its own appends to the
 *  pack, hashes it and writes it out. */
typedef struct dv_writer dv_writer;
int dv_writer_new(dv_writer **out, dv_store *s, int level) DV_MUST_CHECK;
void dv_writer_free(dv_writer *w);
DV_DEFINE_AUTOPTR(dv_writer)
/** The compression level given to dv_writer_new, for the encoders of its users. */
int dv_writer_level(const dv_writer *w);
/** The store it adds to. Borrowed. */
dv_store *dv_writer_store(const dv_writer *w);
/** From now on also stores what the store has, for entries that cannot be read: of several copies
 *  the least deep counts, so one in full takes the place of a delta whose bases are lost. */
void dv_writer_renew(dv_writer *w);
/** True when the store or this batch has the entry. */
bool dv_writer_has(dv_writer *w, uint8_t kind, const dv_oid *id);
/** Adds an entry that is not there yet (a second put of the same is a no-op). enc: the calling
 *  thread's; sticky may be NULL. *added tells whether it was new (may be NULL). */
int dv_writer_put(dv_writer *w, dv_encoder *enc, uint8_t kind, const dv_oid *id, const uint8_t *raw,
		  size_t n, dv_sticky *sticky, bool *added) DV_MUST_CHECK;
/** Adds an entry in stored form, as another store had it; bases are put before it (DV_ENOTFOUND).
 *  DV_EUSAGE when its chain would be longer than DV_DEPTH_MAX: put the decoded bytes instead. */
int dv_writer_put_stored(dv_writer *w, const dv_pack_entry *e, const uint8_t *stored,
			 const dv_oid *bases) DV_MUST_CHECK;
/** Takes a complete pack file over: `tmp` in the store's packs/ folder, already durable and
 *  verified to have the name `id`. */
int dv_writer_adopt_pack(dv_writer *w, const char *tmp, const dv_container *c,
			 const dv_pack_footer *f) DV_MUST_CHECK;
/** Takes a whole file over as container of its own chunks: `tmp` inside the store's files/ folder,
 *  durable, with content `c->id`; the footer's entries are its chunks (offset, raw = stored). */
int dv_writer_adopt_file(dv_writer *w, const char *tmp, const dv_container *c,
			 const dv_pack_footer *f) DV_MUST_CHECK;
/** Bytes that this batch adds to the store so far. */
uint64_t dv_writer_bytes(dv_writer *w);
/** Makes the batch durable and visible: packs, segment (merging small ones), log entry with the
 *  given roots. Without new entries only a log entry when a root is new; nothing at all else. The
 *  store sees the new entries afterwards; the writer can be used again. */
int dv_writer_commit(dv_writer *w, const dv_root *roots, size_t nroots) DV_MUST_CHECK;

/** Where the packs of a batch go when its store is only the place where they are made. */
typedef struct dv_outlet {
	/** Is the entry where the packs go? Any thread. */
	bool (*has)(void *ctx, uint8_t kind, const dv_oid *id);
	/** Takes a complete pack: `tmp`, which is the taker's from now on, also when it fails. May
	 *  wait. Never from two threads at once. */
	int (*take)(void *ctx, const dv_container *c, char *tmp);
	void *ctx;
} dv_outlet;
/** From now on every pack goes to `o` (borrowed) once it is complete, and what is there is not
 *  stored again; nothing comes into the store. Said before the first put. Such a batch has no
 *  deltas, as nothing can be read back, and ends with dv_writer_hand_over. */
void dv_writer_send_to(dv_writer *w, const dv_outlet *o);
bool dv_writer_sends(const dv_writer *w);
/** Hands the last pack over. *out, owned, is the index of all packs that the outlet took, with
 *  files in the store's folder. After that the writer can only be freed. */
int dv_writer_hand_over(dv_writer *w, dv_segment_builder **out) DV_MUST_CHECK;

/* -- care ------------------------------------------------------------------------------------- */

/** Creates the next log entry from `e` (base and nonce are set here), looking at what came between:
 *  DV_ELOCKED when a condemn entry named a pack that `e` adds or that the caller relies on. */
int dv_store_append(dv_store *s, dv_log_entry *e) DV_MUST_CHECK;

#endif
