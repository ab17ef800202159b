/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv filter-process as its parts see it: filter.c speaks with git, filter_clean.c stores what git
 * adds, filter_smudge.c brings what git checks out.
 */
#ifndef DV_REPO_FILTER_IMPL_H
#define DV_REPO_FILTER_IMPL_H

#include "base/pktline.h"
#include "repo/filtered.h"
#include "repo/repo.h"
#include "store/object.h"

/* Content that is kept in memory while git sends it; more of it goes into the store, or into a
 * temporary file. */
#define DV_FILTER_HOLD ((size_t)DV_INGEST_SMALL)
/* Files above it are written by dv itself once git is done: git would keep them in memory. */
#define DV_FILTER_LATE ((uint64_t)4 << 20)

typedef struct dv_filter_batch dv_filter_batch;

/* A file of which the content is to come later. */
typedef struct dv_filter_file {
	char *path;		/* relative to the root of git's work tree */
	dv_lfs_pointer p;
} dv_filter_file;
typedef struct dv_filter_files {
	dv_filter_file *f;
	size_t n, cap;
} dv_filter_files;
void dv_filter_files_release(dv_filter_files *l);
int dv_filter_files_add(dv_filter_files *l, const char *path, const dv_lfs_pointer *p)
	DV_MUST_CHECK;

typedef struct dv_filter {
	int out;
	dv_pkt_reader in;
	dv_buf reply;
	bool skip;		/* DV_SKIP_SMUDGE */
	/* the workspace, opened with the first file that needs it */
	dv_repo *repo;
	dv_store *store;
	dv_reader *reader;
	bool told;		/* why it cannot be opened */
	/* the request */
	dv_buf line, command, path;
	bool can_delay;
	bool of_tree;		/* it is about a whole tree, as in a checkout or an archive */
	dv_buf content;		/* the beginning, at most DV_FILTER_HOLD bytes */
	bool whole;		/* all of it: the list ended */
	/* clean */
	dv_pool *pool;
	dv_writer *writer;
	dv_ingest *ingest;
	dv_filter_batch *batch;	/* is being filled; NULL: none */
	dv_filter_batch *submitted;
	bool dirty;		/* something is not durable */
	uint64_t since;		/* bytes taken since the last commit */
	struct dv_filter_past *past;	/* what files were before; NULL: not read yet */
	int stays;		/* do files stay in the work tree? 0: not looked at; 1 or -1 */
	char *spare;		/* folder with copies of what is not durable; NULL: none */
	dv_error lost;		/* why something that was answered cannot be stored */
	/* smudge */
	dv_filter_files delayed, late, left;
	dv_map delayed_at;	/* SHA-256 of the path -> index in `delayed` */
	size_t nlisted;		/* so many of `delayed` were listed */
	bool asked;
	dv_buf why;		/* why content could not be had */
} dv_filter;

/** Opens the workspace and its store. */
int dv_filter_open(dv_filter *f) DV_MUST_CHECK;
/** The next bytes of the content, borrowed until the next call; none, and f->whole, at its end. */
int dv_filter_next(dv_filter *f, const uint8_t **p, size_t *n) DV_MUST_CHECK;
/** As above, into `p`, at most `room` bytes, which is more than 0. */
int dv_filter_next_into(dv_filter *f, void *p, size_t room, size_t *n) DV_MUST_CHECK;
/** Reads content until there is enough: DV_FILTER_HOLD bytes, or all. */
int dv_filter_read(dv_filter *f) DV_MUST_CHECK;
/** Reads and drops the rest of the content. */
int dv_filter_drain(dv_filter *f) DV_MUST_CHECK;
/** Answers with what is in memory. */
int dv_filter_answer(dv_filter *f, const void *p, size_t n) DV_MUST_CHECK;
/** Answers that this file failed, and tells why (the error's record); the next may succeed. */
int dv_filter_refuse(dv_filter *f) DV_MUST_CHECK;
/** Answers with the content as it came, whatever its length. */
int dv_filter_pass(dv_filter *f) DV_MUST_CHECK;

/** Answers one request: the content that comes becomes a pointer. What fails for this file alone is
 *  told to git, and is no failure here; so with dv_filter_smudge. */
int dv_filter_clean(dv_filter *f) DV_MUST_CHECK;
/** Makes everything that was answered durable. */
int dv_filter_commit(dv_filter *f) DV_MUST_CHECK;
void dv_filter_clean_release(dv_filter *f);

/** Answers one request: a pointer becomes content, now or, where git can wait, later. */
int dv_filter_smudge(dv_filter *f) DV_MUST_CHECK;
/** Tells git which of the files that were to come later can be had now. */
int dv_filter_list(dv_filter *f) DV_MUST_CHECK;
/** Is the git that started this process one that compares or merges versions? */
bool dv_filter_git_compares(void);
/** Is it one that is known to leave what it reads where it is? */
bool dv_filter_git_leaves(void);
/** Writes the files that were left to the end, and tells which cannot be had. */
int dv_filter_finish(dv_filter *f) DV_MUST_CHECK;

#endif
