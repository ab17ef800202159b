/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: version datasets beside code.
 *
 * Reading order: errors; dv_repo (a workspace and its store); recording (dv_add, dv_commit);
 * looking (dv_status, dv_diff, dv_ls, dv_cat, dv_du, dv_show); bringing back (dv_checkout); moving
 * between stores (dv_push, dv_fetch, dv_pull); care (dv_fsck, dv_gc); settings; stages and their
 * runs (dv/pipeline.h); what was made from what (dv/lineage.h).
 *
 * Rules: a function that can fail returns 0 or a negative dv_errcode and leaves message and hint in
 * the thread's record (dv_error_last). Structures with an options suffix start zeroed: zero is
 * always the default, and NULL stands for all zeros. A summary that is not wanted is NULL, and so
 * is the callback of a call that does more than tell. A string in a callback's structure is
 * borrowed for the time of the call. Callbacks return 0 to go on; any other value stops the
 * operation and is returned. Callbacks come on the thread that called the operation, but for
 * dv_progress_cb and dv_warning_cb, which may come on any thread, one at a time. A dv_repo is used
 * by one thread at a time; from the first call that needs the cache until dv_repo_free it keeps
 * other processes from deleting what is in there, so that their gc waits. What a function returns
 * is borrowed, what comes through `out` is the caller's. The library never prints and never exits.
 * Before version 1 structures may grow with every minor version: a program is compiled anew for
 * each. Paths are bytes without NUL; paths given by the user are relative to the working folder of
 * the process, paths in results are relative to the root of the workspace.
 */
#ifndef DV_H
#define DV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DV_API __attribute__((visibility("default")))

/** The version that a program is compiled for; dv_version() tells the one that it runs with. */
#define DV_VERSION "0.1.0"
#define DV_VERSION_NUMBER 100	/* major * 10000 + minor * 100 + patch */

/* -- errors ------------------------------------------------------------------------------------ */

/** Result of every fallible call: 0 or one of these. Values never change. */
enum dv_errcode {
	DV_OK = 0,
	DV_ERROR = -1,		/* failed; the message tells */
	DV_ENOTFOUND = -2,	/* a name, file, revision or object is not there */
	DV_EEXISTS = -3,	/* something is there already */
	DV_ELOCKED = -4,	/* another process holds what is needed */
	DV_EAUTH = -5,		/* credentials needed or refused */
	DV_ETRANSIENT = -6,	/* may succeed when tried again */
	DV_ECORRUPT = -7,	/* stored data is damaged or hostile */
	DV_ECANCELLED = -8,	/* dv_cancel() was called */
	DV_EUSAGE = -9,		/* arguments make no sense together */
	DV_ENOREPO = -10,	/* not inside a dv repository */
	DV_EDIRTY = -11,	/* would overwrite work that is not in the store */
	DV_EUNSAFE = -12,	/* refused: a path or setting that must not be trusted */
	DV_EPARTIAL = -13	/* done in part; the callbacks named what is left */
};

/** What went wrong last on this thread, and what to do about it ("" when nothing is known). */
typedef struct dv_error {
	int code;
	char message[2048];
	char hint[512];
	unsigned retry_after_ms;	/* a remote asked for such a pause; 0: it did not */
} dv_error;

/** The thread's record; borrowed, valid until the thread's next dv call. */
DV_API const dv_error *dv_error_last(void);

/** Asks all running operations to stop soon with DV_ECANCELLED. Async-signal-safe. */
DV_API void dv_cancel(void);
/** Forgets a dv_cancel(): until then every operation ends at once with DV_ECANCELLED. */
DV_API void dv_cancel_reset(void);

typedef void (*dv_warning_cb)(const char *message, void *payload);
/** Where warnings go (an unknown key in a pointer, a setting that was refused …). */
DV_API void dv_set_warning_cb(dv_warning_cb cb, void *payload);

typedef int (*dv_kv_cb)(const char *key, const char *value, void *payload);
/** The version, "0.1.0". */
DV_API const char *dv_version(void);
/** Versions of dv, its formats and the libraries it runs with. */
DV_API int dv_version_info(dv_kv_cb cb, void *payload);

/** How far an operation is. Totals are 0 while unknown. */
typedef struct dv_progress {
	const char *phase;
	uint64_t bytes_done, bytes_total, files_done, files_total;
} dv_progress;
typedef void (*dv_progress_cb)(const dv_progress *p, void *payload);
/** Installs the process's progress callback; called at most some ten times a second. */
DV_API void dv_set_progress_cb(dv_progress_cb cb, void *payload);

/* -- repository -------------------------------------------------------------------------------- */

typedef struct dv_repo dv_repo;

typedef struct dv_init_options {
	bool no_scm;	/* no git: everything lives in .dv/ */
	bool subdir;	/* allow a root below the root of the git work tree */
	bool force;	/* start anew: settings are set aside as "config.old" and "config.local.old"
			   beside the cache; pointers, .dvignore and the cache stay */
} dv_init_options;

/** Makes `path` a dv repository: .dv/config, .dvignore, staged in git when there is one. */
DV_API int dv_init(const char *path, const dv_init_options *o);

/** Opens the repository that holds `path` (NULL: the working folder). DV_ENOREPO when none does. */
DV_API int dv_repo_open(dv_repo **out, const char *path);
DV_API void dv_repo_free(dv_repo *r);
/** The root of the workspace, absolute. Borrowed. */
DV_API const char *dv_repo_root(const dv_repo *r);
/** The folder of the local store (the cache), absolute. Borrowed. */
DV_API const char *dv_repo_cache_dir(const dv_repo *r);

/* -- recording --------------------------------------------------------------------------------- */

typedef struct dv_add_options {
	bool glob;		/* targets are patterns (*, ?, [], **) */
	const char *message;	/* commit the pointers and .gitignore files that this call wrote,
				   and nothing else that is staged, with this message */
	bool no_stage;		/* leave git's index alone */
	bool force;		/* also a directory that is here only in part */
	int jobs;		/* threads, 0: one per CPU */
} dv_add_options;

/** What happened to one output. */
typedef struct dv_output_event {
	const char *path;	/* of the output */
	const char *pointer;	/* of its pointer */
	const char *oid;	/* 64 hex digits */
	bool is_dir, changed;
	uint64_t size, nfiles;	/* logical bytes and files */
	uint64_t stored;	/* bytes the store grew by in the whole call so far */
	uint64_t nfiles_before;	/* recorded: files in the directory that its pointer named until
				   then; 0 when it is new */
	bool made;		/* by a stage, and recorded before: it was stored now */
	const char *sent_to;	/* the remote that has it now, and not the store; or NULL */
	uint64_t sent;		/* bytes that went there */
} dv_output_event;
typedef int (*dv_output_cb)(const dv_output_event *e, void *payload);

/** Records the targets' content: store, pointer, .gitignore line, git's index. */
DV_API int dv_add(dv_repo *r, const char *const *targets, size_t n, const dv_add_options *o,
		  dv_output_cb cb, void *payload);

typedef struct dv_to_remote_options {
	const char *remote;	/* NULL: the default one */
	const char *out;	/* as cp takes it; NULL: the source itself where that lies in the
				   workspace, else the last part of its path */
	const char *message;	/* as in dv_add_options */
	bool force;		/* replace the pointer that is there */
	bool no_stage;
	int jobs;		/* threads, and connections; 0: as many as there are CPUs, and at
				   most 3 */
} dv_to_remote_options;
/** Records the file or directory `source` (a path, also outside of the workspace, or a URL as
 *  dv_import_url takes it) by sending it to a remote; the store here does not get it, and the
 *  workspace stays as it is. The pointer is written once the remote has all of it for good. What
 *  was cut goes on when it is called again with the same source. Memory and temporary files are
 *  bounded: about 64 MiB of disk for each connection, and twice that. */
DV_API int dv_add_to_remote(dv_repo *r, const char *source, const dv_to_remote_options *o,
			    dv_output_cb cb, void *payload);

typedef struct dv_commit_options {
	bool glob;		/* targets are patterns over what is tracked */
	bool no_stage;
	bool force;		/* also directories that are here only in part */
	int jobs;
} dv_commit_options;
/** Records what changed in the outputs (all of them when n is 0). A directory of which files are
 *  neither here nor in the cache stays as recorded: DV_EDIRTY, or DV_EPARTIAL with others. */
DV_API int dv_commit(dv_repo *r, const char *const *targets, size_t n, const dv_commit_options *o,
		     dv_output_cb cb, void *payload);

typedef struct dv_remove_options {
	bool outs;	/* the data too; what the store lacks only with force */
	bool force;
	bool no_stage;
} dv_remove_options;
/** Stops tracking: pointer and .gitignore line go, the data stays unless `outs`. */
DV_API int dv_remove(dv_repo *r, const char *const *targets, size_t n, const dv_remove_options *o,
		     dv_output_cb cb, void *payload);
typedef struct dv_move_output_options {
	bool no_stage;
} dv_move_output_options;
/** Renames an output with its pointer, ignore line and stat cache; src may be a file in a tracked
 *  directory's output only as a whole output. */
DV_API int dv_move(dv_repo *r, const char *src, const char *dst,
		   const dv_move_output_options *o, dv_output_cb cb, void *payload);

/* -- looking ----------------------------------------------------------------------------------- */

enum dv_change_kind {
	DV_UNCHANGED,
	DV_ADDED,
	DV_MODIFIED,
	DV_DELETED,
	DV_RENAMED,
	DV_NOT_IN_CACHE,	/* the pointer's content is not in the local store; new_oid is what
				   stands in the workspace */
	DV_NOT_IN_REMOTE,
	DV_NOT_CHECKED_OUT	/* a file of git's filter of which only the pointer stands there */
};

typedef struct dv_change {
	enum dv_change_kind kind;
	const char *output;	/* the output it belongs to */
	const char *stage;	/* the stage that makes the output, or NULL */
	const char *path;	/* of the file; of the output itself for its own state */
	const char *old_path;	/* renamed from, or NULL */
	const char *old_oid, *new_oid;	/* 64 hex digits or NULL */
	bool is_dir;
	bool filtered;		/* the output passes through git's filter */
	bool recorded;		/* what stands in the workspace for a whole output is in the cache:
				   another version of it */
	uint64_t old_size, new_size;
} dv_change;
typedef int (*dv_change_cb)(const dv_change *c, void *payload);

typedef struct dv_status_options {
	bool remote;		/* ask the remote what it lacks */
	const char *remote_name;	/* NULL: the default one */
	bool quick;		/* stop at the first change (for -q) */
	bool glob;		/* targets are patterns over what is tracked */
	int jobs;
} dv_status_options;
typedef struct dv_status_summary {
	uint64_t outputs, changed, not_in_cache, not_in_remote;
	uint64_t pipelines;	/* files of the workspace that define stages */
} dv_status_summary;
/** Workspace against pointers (all outputs when n is 0). Writes nothing but the stat cache. An
 *  output that cannot be read stops only itself: DV_EPARTIAL in the end, or its code when it was
 *  all. */
DV_API int dv_status(dv_repo *r, const char *const *targets, size_t n, const dv_status_options *o,
		     dv_change_cb cb, void *payload, dv_status_summary *out);

/** The commit that a revision names, as 40 hex digits (hex may be NULL). DV_ENOTFOUND when git
 *  knows none. */
DV_API int dv_revision(dv_repo *r, const char *rev, char hex[41]);

typedef struct dv_diff_summary {
	uint64_t added, modified, deleted, renamed;
	uint64_t added_bytes, deleted_bytes;
} dv_diff_summary;
/** Revision a against b; b NULL is the workspace, a NULL is HEAD. Targets limit the outputs. */
DV_API int dv_diff(dv_repo *r, const char *a, const char *b, const char *const *targets, size_t n,
		   dv_change_cb cb, void *payload, dv_diff_summary *out);

typedef struct dv_entry {
	const char *path;
	char kind;		/* 'f' file, 'x' executable, 'l' symlink, 'd' directory */
	const char *oid;	/* NULL for what dv does not track */
	uint64_t size, nfiles;
	bool is_output;
	const char *stage;	/* of an output: the stage that makes it, or NULL */
} dv_entry;
typedef int (*dv_entry_cb)(const dv_entry *e, void *payload);
/** Lists what dv tracks below `path` ("" or NULL: everything) in a revision (NULL: workspace's
 *  pointers). */
DV_API int dv_ls(dv_repo *r, const char *rev, const char *path, bool recursive, dv_entry_cb cb,
		 void *payload);

typedef int (*dv_data_cb)(const void *p, size_t n, void *payload);
/** Streams a tracked file's bytes [offset, offset+length); length UINT64_MAX: to the end. Reads
 *  only the chunks it needs; those that the cache lacks come from the output's remote, and are not
 *  kept. */
DV_API int dv_cat(dv_repo *r, const char *rev, const char *path, uint64_t offset, uint64_t length,
		  dv_data_cb cb, void *payload);

/** What an output, in one or more versions, takes in the cache. Bytes. */
typedef struct dv_usage {
	const char *path;	/* NULL: all outputs together */
	uint64_t versions;	/* that were counted */
	uint64_t nfiles, logical;	/* files and links in them, and their bytes */
	uint64_t unique;	/* bytes of the different chunks of which these consist */
	uint64_t stored;	/* what is needed takes so much in the cache; of that */
	uint64_t support;	/* so much for listings, recipes and chunks others build on, */
	uint64_t shared;	/* and so much is needed by several outputs */
	uint64_t saved_sharing;	/* logical less unique: equal chunks are kept once */
	uint64_t saved_deltas, saved_compression;	/* unique less stored, by how it is kept */
	uint64_t missing;	/* objects that the cache lacks, wholly or in part */
} dv_usage;
typedef int (*dv_usage_cb)(const dv_usage *u, void *payload);
typedef struct dv_du_options {
	const char *rev;	/* outputs of this revision; NULL: the workspace's */
	bool all_commits;	/* all versions of each output in git, too */
} dv_du_options;
/** Tells for each output, and then for all together, what it takes. `path` ("" or NULL:
 *  everything): only what is at or below it, without the sum. */
DV_API int dv_du(dv_repo *r, const char *path, const dv_du_options *o, dv_usage_cb cb,
		 void *payload);

/** An object as the cache has it. */
typedef struct dv_object {
	char oid[65];
	bool is_dir;		/* the listing of a directory */
	uint64_t size;		/* of the object itself */
	uint64_t nfiles, total;	/* directories: files and their bytes below */
	uint64_t nchunks, ndeltas, missing;	/* chunks; those kept as deltas; those not there */
	uint64_t stored;	/* bytes they take, without bases */
	unsigned depth;		/* of the longest chain of deltas */
} dv_object;
typedef struct dv_chunk {
	uint64_t offset, size, stored;
	const char *id, *form, *pack;	/* form: "raw", "zstd" or "delta" */
	unsigned depth, nbases;
} dv_chunk;
typedef int (*dv_chunk_cb)(const dv_chunk *c, void *payload);
/** Tells about the object `oid` (in hexadecimal, "sha256:" before it or not, or its first digits),
 *  the entries of a directory, and the chunks. */
DV_API int dv_show(dv_repo *r, const char *oid, dv_object *out, dv_entry_cb entries,
		   dv_chunk_cb chunks, void *payload);

/** Is `path` excluded by .dvignore? cb gets source "FILE:LINE" and the pattern. */
DV_API int dv_check_ignore(dv_repo *r, const char *path, bool *ignored, dv_kv_cb cb, void *payload);

/* -- bringing back ----------------------------------------------------------------------------- */

typedef struct dv_checkout_options {
	bool force;	/* overwrite work that is not in the store */
	bool relink;	/* make files anew that are not as cache.type asks */
	const char *rev;	/* take pointers from this revision; NULL: the workspace */
	bool glob;	/* targets are patterns over what is tracked */
	bool wait;	/* for running stages that use what is to be changed */
	int jobs;
} dv_checkout_options;
typedef struct dv_checkout_summary {
	uint64_t added, modified, deleted, outputs, bytes;
	uint64_t relinked;	/* files made anew with another link mode */
} dv_checkout_summary;
/** Makes the outputs equal to their pointers. Targets down to one file inside a directory. What a
 *  running stage reads or writes stays as it is: DV_ELOCKED when it ought to change. */
DV_API int dv_checkout(dv_repo *r, const char *const *targets, size_t n,
		       const dv_checkout_options *o, dv_change_cb cb, void *payload,
		       dv_checkout_summary *out);

/* -- git's filter ------------------------------------------------------------------------------ */

typedef struct dv_track_options {
	bool filename;		/* the patterns are names: nothing in them is special */
	bool no_stage;
} dv_track_options;
typedef struct dv_track_event {
	const char *pattern;
	const char *file;	/* the .gitattributes that has it */
	bool changed;
} dv_track_event;
typedef int (*dv_track_cb)(const dv_track_event *e, void *payload);
/** Has files that match pass through the filter: writes "PATTERN filter=dv …" to the .gitattributes
 *  of the working folder, and tells git of the filter. */
DV_API int dv_track(dv_repo *r, const char *const *patterns, size_t n, const dv_track_options *o,
		    dv_track_cb cb, void *payload);
/** Takes such lines away again. */
DV_API int dv_untrack(dv_repo *r, const char *const *patterns, size_t n,
		      const dv_track_options *o, dv_track_cb cb, void *payload);
/** Tells the patterns that there are. */
DV_API int dv_track_list(dv_repo *r, dv_track_cb cb, void *payload);
typedef int (*dv_path_cb)(const char *path, void *payload);
/** Tells the files that match and that git has as they are: "git add --renormalize" mends it. */
DV_API int dv_track_raw(dv_repo *r, dv_path_cb cb, void *payload);

typedef struct dv_filtered_info {
	const char *path, *oid;
	uint64_t size;
	char mark;		/* the work tree has: '*' content, '-' the pointer, ' ' nothing */
	bool cached;
} dv_filtered_info;
typedef int (*dv_filtered_cb)(const dv_filtered_info *i, void *payload);
/** Lists the files that pass through the filter, in git's index or (mark is ' ') a revision. */
DV_API int dv_ls_files(dv_repo *r, const char *rev, dv_filtered_cb cb, void *payload);

typedef struct dv_filter_options {
	int in, out;	/* pipes to git; they stay the caller's */
} dv_filter_options;
/** Speaks git's long-running filter protocol until git closes the pipe: content of files with the
 *  attribute "filter=dv" goes to the store of the repository around the working folder, and git
 *  gets pointers; and back. What was answered is durable when it returns; large files are written
 *  to the work tree before that. */
DV_API int dv_filter_process(const dv_filter_options *o);

/* -- moving between stores --------------------------------------------------------------------- */

typedef struct dv_transfer_options {
	const char *remote;	/* NULL: the default one */
	bool all_branches, all_tags, all_commits;
	/** Further revisions, each a commit; or "A..B": of all that is reachable from B and not
	 *  from A (left out: HEAD), "A...B": from either and not from both, a pattern with * ? [
	 *  of branches and tags, and "^A" (also a pattern): what is named otherwise then stands for
	 *  its whole history, without that of A. */
	const char *const *revs;
	size_t nrevs;
	int jobs;
	bool dry;
	bool glob;		/* targets are patterns over what is tracked */
	bool force, relink;	/* pull: for its checkout; push with force: also to a place that
				   was emptied or replaced since the last push */
	bool wait;		/* pull: for its checkout */
	uint64_t limit_rate;	/* bytes in a second at most; 0: what remote.NAME.limitrate says */
} dv_transfer_options;
typedef struct dv_transfer_summary {
	uint64_t objects, chunks, packs;	/* moved */
	uint64_t bytes;				/* moved, as stored */
	uint64_t files;				/* files whose content is now there in full */
	dv_checkout_summary checkout;		/* pull */
	uint64_t requests;			/* made to remotes; dry: that would be made, too */
	uint64_t sent, received;		/* bytes over the wire, with logs and indexes */
} dv_transfer_summary;
DV_API int dv_push(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
		   dv_transfer_summary *out);
DV_API int dv_fetch(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
		    dv_transfer_summary *out);
/** fetch, then checkout. */
DV_API int dv_pull(dv_repo *r, const char *const *targets, size_t n, const dv_transfer_options *o,
		   dv_change_cb cb, void *payload, dv_transfer_summary *out);

/* -- care -------------------------------------------------------------------------------------- */

typedef struct dv_fsck_options {
	bool remote;			/* check the remote, not the cache */
	const char *remote_name;
	bool repair;			/* bring damaged or missing chunks from the other store */
	bool quick;			/* look at names, headers, footers, index and log alone */
	bool full;			/* read every byte of a remote, too, as `repair` does */
	int jobs;
} dv_fsck_options;
typedef struct dv_damage {
	const char *kind;	/* "pack", "file" (kept whole), "segment", "chunk", "recipe",
				   "tree", "object", "log" */
	const char *name;	/* file or id */
	const char *detail;
	const char *output;	/* an output it touches ("path" or "path at REV"), or NULL */
	bool repaired;
} dv_damage;
typedef int (*dv_damage_cb)(const dv_damage *d, void *payload);
typedef struct dv_fsck_summary {
	uint64_t packs, segments, chunks, recipes, trees, bytes, damaged, repaired;
	bool quick;		/* the bytes of chunks were not read */
} dv_fsck_summary;
/** Verifies a store: every byte of the cache; of a remote, without `full` or `repair`, only what
 *  `quick` looks at. 0 also when damage was found: see out->damaged - repaired. DV_EUSAGE: quick
 *  with one of these. */
DV_API int dv_fsck(dv_repo *r, const dv_fsck_options *o, dv_damage_cb cb, void *payload,
		   dv_fsck_summary *out);

typedef struct dv_gc_options {
	bool workspace, all_branches, all_tags, all_commits;	/* roots; one at least */
	const char *const *revs;	/* as in dv_transfer_options */
	size_t nrevs;
	int last_n;		/* also the last n commits of each revision */
	bool dry;
	bool force;		/* also what is on no remote */
	bool repack;		/* stores the newest versions in full, older ones as deltas */
	bool remote;		/* a remote instead of the cache; force: drops also what no commit
				   that is known here names. last_n and repack are not for it */
	const char *remote_name;	/* NULL: the default one */
	int grace;		/* hours for which condemned packs stay for readers; 0: 24; below
				   0: none */
} dv_gc_options;
typedef struct dv_gc_summary {
	uint64_t objects_kept, chunks_kept, chunks_dropped, packs_dropped, packs_rewritten;
	uint64_t bytes_freed, bytes_kept;
	uint64_t bytes_unused;		/* of bytes_kept: what nothing needs in packs that stay */
	uint64_t kept_not_on_remote;	/* objects kept only because no remote has them */
	uint64_t chunks_repacked;	/* stored otherwise than before */
	/* Of a remote; packs_dropped: condemned now, with those that were rewritten. A root is an
	 * object that was pushed. */
	uint64_t roots_kept, roots_dropped;
	uint64_t roots_of_others, roots_unknown;	/* of roots_kept: pushed by other projects;
							   named by no commit that is known here */
	uint64_t files_removed, files_waiting, bytes_removed, bytes_waiting;	/* of packs */
} dv_gc_summary;
DV_API int dv_gc(dv_repo *r, const dv_gc_options *o, dv_gc_summary *out);

typedef struct dv_finding {
	const char *topic, *value;
	const char *problem, *hint;	/* NULL when all is well */
} dv_finding;
typedef int (*dv_finding_cb)(const dv_finding *f, void *payload);
/** Looks at the machine, the store and the remotes; r may be NULL. */
DV_API int dv_doctor(dv_repo *r, dv_finding_cb cb, void *payload);

/* -- settings ---------------------------------------------------------------------------------- */

enum dv_config_level {
	DV_CONFIG_ANY = 0,	/* reading: the strongest; writing: repo */
	DV_CONFIG_SYSTEM,	/* /etc/dv/config */
	DV_CONFIG_GLOBAL,	/* $XDG_CONFIG_HOME/dv/config */
	DV_CONFIG_REPO,		/* .dv/config, committed */
	DV_CONFIG_LOCAL		/* dv/config in the git folder, or .dv/config.local without git */
};
typedef struct dv_config_value {
	const char *key, *value, *origin;	/* origin: the file */
	enum dv_config_level level;
} dv_config_value;
typedef int (*dv_config_cb)(const dv_config_value *v, void *payload);
/** r may be NULL: then only system and global. */
DV_API int dv_config_get(dv_repo *r, enum dv_config_level level, const char *key, dv_config_cb cb,
			 void *payload);
DV_API int dv_config_list(dv_repo *r, enum dv_config_level level, dv_config_cb cb, void *payload);
DV_API int dv_config_set(dv_repo *r, enum dv_config_level level, const char *key,
			 const char *value);
DV_API int dv_config_unset(dv_repo *r, enum dv_config_level level, const char *key);

typedef struct dv_remote_info {
	const char *name, *url;
	bool is_default;
} dv_remote_info;
typedef int (*dv_remote_cb)(const dv_remote_info *i, void *payload);
DV_API int dv_remote_list(dv_repo *r, dv_remote_cb cb, void *payload);
/** What becomes of a request to create a file on a remote only if it is absent. */
enum dv_create { DV_CREATE_UNKNOWN, DV_CREATE_ENFORCED, DV_CREATE_REFUSED, DV_CREATE_IGNORED };
/** What a remote can do for us. */
typedef struct dv_abilities {
	bool read, write, list, remove;
	enum dv_create create;	/* unknown where nothing may be written */
} dv_abilities;
/** Finds it out by writing, reading and removing a small file. The place is made when it is absent,
 *  unless it is a folder of this machine: then, and for a URL that no driver reaches,
 *  DV_ENOTFOUND. *out is filled as far as it went. */
DV_API int dv_remote_probe(dv_repo *r, const char *name, dv_abilities *out);
typedef struct dv_remote_add_options {
	bool make_default;
	bool force;	/* replace one of that name */
} dv_remote_add_options;
/** Adds a remote; a relative folder is taken relative to the working folder and stored relative to
 *  the root of the workspace. */
DV_API int dv_remote_add(dv_repo *r, enum dv_config_level level, const char *name, const char *url,
			 const dv_remote_add_options *o);
/** value NULL unsets the option. */
DV_API int dv_remote_modify(dv_repo *r, enum dv_config_level level, const char *name,
			    const char *option, const char *value);
DV_API int dv_remote_remove(dv_repo *r, enum dv_config_level level, const char *name);
DV_API int dv_remote_rename(dv_repo *r, enum dv_config_level level, const char *old_name,
			    const char *new_name);
/** name NULL: cb gets the default; else sets it, or unsets it when name is "". */
DV_API int dv_remote_default(dv_repo *r, enum dv_config_level level, const char *name,
			     dv_remote_cb cb, void *payload);

typedef struct dv_serve_options {
	int in, out;	/* where requests come from and answers go to: 0 and 1 */
	bool read_only;
} dv_serve_options;
/** Serves the store in a folder to a dv elsewhere, in the protocol of docs/remote-protocol.md,
 *  until the requests end. Nothing outside the folder is reached. */
DV_API int dv_serve(const char *path, const dv_serve_options *o);

#ifdef __cplusplus
}
#endif

/* The other parts. */
#include <dv/git.h>
#include <dv/foreign.h>
#include <dv/lineage.h>
#include <dv/merge.h>
#include <dv/pipeline.h>
#include <dv/takeover.h>

#endif
