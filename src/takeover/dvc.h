/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a DVC repository says, read for dv import-dvc: pointers (*.dvc), listings of directories
 * (*.dir), settings, and where the cache and the remotes have what. All of it is hostile: sizes,
 * depth and names are checked, and no path leaves the workspace. All memory is an arena's.
 */
#ifndef DV_TAKEOVER_DVC_H
#define DV_TAKEOVER_DVC_H

#include "base/md5.h"
#include "base/value.h"
#include "repo/repo.h"

#define DV_DVC_FOLDER ".dvc"
#define DV_DVC_FILE_MAX ((size_t)64 << 20)
#define DV_DVC_LOCK_MAX ((size_t)128 << 20)
#define DV_DVC_LISTING_MAX ((size_t)512 << 20)

/** How DVC names bytes. */
typedef struct dv_dvc_name {
	dv_md5 md5;
	bool dos2unix;	/* of text with CRLF as LF, as until DVC 3 */
	bool is_dir;	/* of the listing of a directory */
} dv_dvc_name;
/** Reads "f437…" or "f437….dir"; false when it is something else. */
bool dv_dvc_name_parse(dv_dvc_name *out, const char *text, bool dos2unix);
/** "files/md5/ab/cdef…", or "ab/cdef…" as before DVC 3 when `older`; 64 bytes are enough. */
#define DV_DVC_PLACE_MAX 64
void dv_dvc_place(char out[DV_DVC_PLACE_MAX], const dv_dvc_name *n, bool older);

/* -- listings ---------------------------------------------------------------------------------- */

typedef struct dv_dvc_file {
	const char *path;	/* relative to the directory */
	dv_md5 md5;
} dv_dvc_file;
typedef struct dv_dvc_listing {
	dv_dvc_file *f;		/* sorted by path: bytes, with '/' before all others */
	size_t n, cap;
} dv_dvc_listing;
/** Reads a listing. DV_ECORRUPT for what is none, DV_EUNSAFE for a path that leaves the directory,
 *  is one of git or dv, or is a file and a folder at once; twice the same path is damage. */
int dv_dvc_listing_parse(dv_dvc_listing *out, dv_arena *a, const char *text, size_t n,
			 const char *name) DV_MUST_CHECK;
/** Sorts, and makes the checks. */
int dv_dvc_listing_finish(dv_dvc_listing *l, const char *name) DV_MUST_CHECK;
/** Adds a file; the path is borrowed. */
int dv_dvc_listing_add(dv_dvc_listing *l, dv_arena *a, const char *path, const dv_md5 *md5)
	DV_MUST_CHECK;
/** The text as DVC writes it, from which it makes the name. Reorders the listing. */
int dv_dvc_listing_print(dv_buf *out, dv_dvc_listing *l) DV_MUST_CHECK;
/** The order of paths in trees and listings. */
int dv_dvc_path_cmp(const char *a, const char *b);

/* -- pointers ---------------------------------------------------------------------------------- */

enum dv_dvc_state {
	DV_DVC_OPEN,		/* not decided yet */
	DV_DVC_DONE,		/* its content is in the store */
	DV_DVC_MISSING,		/* nobody has its content, or not all of it */
	DV_DVC_UNSUPPORTED,	/* dv cannot express it: `why` */
};

/** One thing that DVC keeps outside git. */
typedef struct dv_dvc_out {
	const char *from;	/* the file that names it, relative to the root */
	const char *path;	/* relative to the root */
	const char *written;	/* as it stands there */
	dv_dvc_name name;
	bool has_name;
	bool isexec, no_cache, no_push;
	const char *remote;	/* a remote's name or NULL */
	const char *extra;	/* lines of YAML for the pointer: desc, meta …; or NULL */
	bool is_import;
	const char *repo_url, *repo_path, *repo_rev, *repo_lock;	/* of an import, or NULL */
	const char *source, *source_etag;	/* URL or path of one by URL, or NULL */
	uint64_t said_size;	/* as it is written there; 0: it is not */
	dv_dvc_listing listing;	/* of a directory, once has_listing */
	bool has_listing;
	/* Filled by the import. */
	enum dv_dvc_state state;
	const char *why;
	dv_oid oid;
	uint64_t size, nfiles;
	char kind;		/* 'f', 'x', 'd' */
} dv_dvc_out;
typedef struct dv_dvc_outs {
	dv_dvc_out *o;
	size_t n, cap;
} dv_dvc_outs;

/** Reads the text of a pointer that lies at `from`; appends its outputs. What dv cannot express
 *  comes as an output that is unsupported, or with a warning. DV_ECORRUPT, DV_EUNSAFE. */
int dv_dvc_file_parse(dv_dvc_outs *out, dv_arena *a, const char *text, size_t n, const char *from)
	DV_MUST_CHECK;
/** The path `written` in a file of folder `dir` relative to the root; DV_EUNSAFE when it leaves the
 *  workspace or is a file of git, dv or DVC. */
int dv_dvc_path(dv_arena *a, const char *dir, const char *written, const char **out) DV_MUST_CHECK;

/** The pointer that dv writes for an output whose content is in the store. Where an import came
 *  from stays in it: as dv's own source, or as notes for the reader. */
int dv_dvc_pointer(dv_pointer *out, const dv_dvc_out *o) DV_MUST_CHECK;

/** Everything that DVC has to say in a workspace. */
typedef struct dv_dvc_found {
	dv_path_list pointers, pipelines, locks, ignores;	/* sorted */
} dv_dvc_found;
void dv_dvc_found_release(dv_dvc_found *f);
/** Walks the workspace; not into .git, .dv, .dvc, links, and repositories of their own. */
int dv_dvc_find(dv_repo *r, dv_dvc_found *out) DV_MUST_CHECK;

/* -- settings ---------------------------------------------------------------------------------- */

typedef struct dv_dvc_setting {
	const char *section;	/* "core", "remote.NAME" */
	const char *key, *value;
	bool own;		/* of config.local: the user's */
} dv_dvc_setting;
typedef struct dv_dvc_settings {
	dv_arena arena;
	dv_dvc_setting *s;
	size_t n, cap;
} dv_dvc_settings;
void dv_dvc_settings_release(dv_dvc_settings *s);
/** Reads the text of a file of settings. DV_ERROR with its line for what is none. */
int dv_dvc_settings_parse(dv_dvc_settings *s, const char *text, size_t n, bool own,
			  const char *name) DV_MUST_CHECK;
/** Reads .dvc/config and .dvc/config.local; absent ones are empty. */
int dv_dvc_settings_read(dv_dvc_settings *s, const dv_repo *r) DV_MUST_CHECK;
/** The last value of a setting, or NULL; *own (may be NULL) is that of the value. */
const char *dv_dvc_setting_get(const dv_dvc_settings *s, const char *section, const char *key,
			       bool *own);

/** What a setting becomes. */
typedef struct dv_dvc_mapped {
	const char *key, *value;	/* in dv; key NULL: nothing */
	bool local;		/* for the git folder's dv/config only */
	const char *from;	/* "core.remote", in DVC */
	const char *why;	/* it cannot be had; or NULL */
	bool done;		/* for the caller: dv has it */
} dv_dvc_mapped;
typedef struct dv_dvc_mapping {
	dv_dvc_mapped *m;
	size_t n, cap;
} dv_dvc_mapping;
/** Translates the settings; all of their arena. Nothing that weakens a check, names a file or
 *  starts a program is taken from .dvc/config, which comes with a clone. `store`: the URLs of
 *  remotes are those of dv's own stores, beside DVC's files; else of DVC's files. */
int dv_dvc_settings_map(dv_dvc_settings *s, const dv_repo *r, bool store, dv_dvc_mapping *out)
	DV_MUST_CHECK;

/** DVC's cache folder, absolute; owned by the arena. */
const char *dv_dvc_cache_dir(dv_dvc_settings *s, const dv_repo *r);

#endif
