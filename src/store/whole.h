/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files as containers of their own chunks: what the link modes link to.
 *
 * A whole file may be reached by other names (hard links in a workspace, symbolic links), so that a
 * program can change it. Its modification time is a seal: the nanoseconds are those that its oid
 * makes, set once its bytes were hashed. Whoever writes to it breaks the seal. A file with a broken
 * seal is hashed before anything relies on it; when its bytes are wrong, what it held counts as
 * missing, so that it is stored or fetched anew. Whole files are longer than DV_WHOLE_MIN, and
 * their chunks are those that their recipe lists.
 */
#ifndef DV_STORE_WHOLE_H
#define DV_STORE_WHOLE_H

#include "store/object.h"

/** Files up to this length are never kept whole. They are one chunk, without a recipe; and each
 *  whole file costs an inode and an fsync. */
#define DV_WHOLE_MIN ((uint64_t)64 << 10)

/** The nanoseconds of the seal, 0 … 999999999. */
long dv_whole_stamp(const dv_oid *oid);
/** Does this stat result carry the seal of `oid`? */
bool dv_whole_is_sealed(const struct stat *st, const dv_oid *oid);
/** Protects a file whose bytes are those of `oid`: no write bits (the executable bits are kept),
 *  the seal, all durable. `fd` and `path` name the same file. *st is its stat afterwards. Returns 1
 *  when the file system cannot hold the seal. */
int dv_whole_seal(int fd, const char *path, const dv_oid *oid, struct stat *st) DV_MUST_CHECK;

/** "files/ab/<hex>" below the store's folder; owned, NULL when memory runs out. */
char *dv_store_whole_path(const dv_store *s, const dv_oid *oid);
/** Is `oid` kept whole, and is the file as it was stored? *st (may be NULL) is its stat. The first
 *  question about a file looks at its seal; later ones take that answer. Any thread. */
bool dv_store_has_whole(const dv_store *s, const dv_oid *oid, struct stat *st);
/** Is every whole file as it was stored? */
bool dv_store_wholes_intact(const dv_store *s);
/** A fresh path in files/ for a file that is to become one; owned. */
char *dv_store_whole_tmp(const dv_store *s);
/** The container of a sealed file. */
dv_container dv_whole_container(const dv_oid *oid, const struct stat *st);

/** The chunks of a file by its recipe, as entries of it (in order of id and offset). */
int dv_whole_table(dv_pack_footer *out, const dv_recipe *r) DV_MUST_CHECK;
/** Hashes a file and cuts it into `table` (in order of offset) instead of storing its chunks; the
 *  recipe is stored. worker: the pool's, or -1 from the thread that owns the pool, which alone may
 *  read files over DV_INGEST_SMALL. Returns DV_ETRANSIENT when the file changed meanwhile. */
int dv_ingest_whole(dv_ingest *in, int worker, int fd, const char *name, dv_pack_footer *table,
		    dv_oid *oid, struct stat *st) DV_MUST_CHECK;

#endif
