/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workspace from inside: where things are, what is opened when, and which outputs there are.
 * Everything that costs time (libgit2, the stat cache, the store) is opened on first use.
 */
#ifndef DV_REPO_REPO_H
#define DV_REPO_REPO_H

#include "base/map.h"
#include "git/git.h"
#include "git/ignore.h"
#include "git/index.h"
#include "git/lfs_pointer.h"
#include "repo/config.h"
#include "repo/pointer.h"
#include "repo/scratch.h"
#include "repo/statcache.h"
#include "store/tree.h"

/** What a caller of the public API left out: zeros stand for it until the function ends. */
#define DV_OR_ZERO(p) ((p) ? (p) : &(__typeof__(*(p))){ 0 })

struct dv_repo {
	char *root;		/* absolute, normal, links resolved */
	bool has_git;		/* git is used: dirs are set */
	bool guest;		/* of somebody else (repo/guest.h): only to be read */
	bool apart;		/* a passing workspace: the cache does not hear of it */
	dv_git_dirs dirs;
	char *dvdir;		/* <commondir>/dv, or <root>/.dv without git; may not exist yet */
	char *cache_dir;	/* absolute; may not exist yet */
	dv_config config;
	dv_ignore *ignore;	/* never NULL in an open repository */
	/* On first use, through the functions below: */
	dv_git *git;
	dv_statcache *statcache;
	dv_store *store;
	dv_scratch scratch;
	struct dv_landed *landed;	/* of a pull in work (repo/landed.h), or NULL */
};
DV_DEFINE_AUTOPTR(dv_repo)

/** Opens a workspace that lives no longer than a job: what dv keeps for itself lies in its own git
 *  folder (dv_git_work_tree), its store is `cache`. */
int dv_repo_open_apart(dv_repo **out, const char *root, const char *cache) DV_MUST_CHECK;
/** libgit2's view; DV_ERROR "… needs git" without git. Borrowed. */
int dv_repo_git(dv_repo *r, dv_git **out) DV_MUST_CHECK;
/** The stat cache; never NULL on success. Borrowed. */
int dv_repo_statcache(dv_repo *r, dv_statcache **out) DV_MUST_CHECK;
/** The local store, made when absent, with the shared lock taken. Borrowed. */
int dv_repo_store(dv_repo *r, dv_store **out) DV_MUST_CHECK;
/** As above for who only reads: one that is not there is empty, and nothing is written. */
int dv_repo_store_look(dv_repo *r, dv_store **out) DV_MUST_CHECK;
/** Keeps other processes from changing the pointers, the ignore lines and git's index of this work
 *  tree until dv_lock_release; waits for them. Reading needs no lock. Taken before the store is
 *  opened, and not twice. Opens the scratch folder. */
int dv_repo_lock(dv_repo *r, dv_lock *out) DV_MUST_CHECK;
/** What tells this project from others in the log of a remote, the same in every clone; owned. NULL
 *  where nothing tells, as before the first commit. */
int dv_repo_project(dv_repo *r, char **out) DV_MUST_CHECK;
/** Reads the settings anew, after a change. */
int dv_repo_reload_config(dv_repo *r) DV_MUST_CHECK;
/** Should git's index follow (core.autostage, on by default, and there is git)? */
bool dv_repo_autostage(const dv_repo *r, bool no_stage);

/** A path given by the user (relative to the working folder) -> relative to the root, normal, ""
 *  for the root itself; owned. DV_EUNSAFE when it is outside the workspace or reached through a
 *  symbolic link, or inside .git or .dv. It need not exist. */
int dv_repo_rel(const dv_repo *r, const char *user_path, char **rel) DV_MUST_CHECK;
/** Does a path lead into a folder of git or dv, or to one: has it a component .git or .dv? */
bool dv_repo_is_own(const char *rel);
/** Is this the name of a file that belongs to dv or git itself, and so is no data: a pointer, a
 *  pipeline or lock file, .gitignore, .dvignore? */
bool dv_repo_is_meta(const char *name);
/** "ROOT/rel"; owned, NULL when memory runs out. */
char *dv_repo_abs(const dv_repo *r, const char *rel);

/** One output. */
typedef struct dv_output {
	char *path;		/* relative to the root */
	char *pointer_path;	/* likewise: of its pointer, or of the lock file that records it */
	char *stage;		/* the stage that makes it, by its name in that lock file; NULL: it
				   has a pointer of its own */
	dv_pointer pointer;	/* of a stage's output: what the lock file says, with the last part
				   of its path */
	bool filtered;		/* a file that passes through git's filter: git has its pointer
				   under its own path, which pointer_path is, too */
	/* Of such files in the workspace: what git's index knows. */
	dv_gitindex_stat index;
	bool index_racy, index_exec;
	bool skipped;		/* left out of a sparse checkout */
} dv_output;
typedef struct dv_output_list {
	dv_output *o;		/* sorted by path: bytes, with "/" before everything else, so that
				   what is below a folder follows it at once */
	size_t n, cap;
	bool pending_too;	/* also those whose content was never seen, which are no outputs */
} dv_output_list;
#define DV_OUTPUT_LIST_INIT { 0 }
void dv_output_list_release(dv_output_list *l);
/** The output of that path, or NULL. */
dv_output *dv_output_list_find(const dv_output_list *l, const char *path);
/** The output that is `path` or a folder above it; *rest is what follows ("" or "a/b"). NULL when
 *  none. */
dv_output *dv_output_list_holding(const dv_output_list *l, const char *path, const char **rest);
/** Adds a copy of the pointer found at `pointer_path`; sort with dv_output_list_finish. */
int dv_output_list_add(dv_output_list *l, const char *pointer_path, const dv_pointer *p)
	DV_MUST_CHECK;
/** Adds a copy of an output of any kind. */
int dv_output_list_add_copy(dv_output_list *l, const dv_output *o) DV_MUST_CHECK;
/** Adds a file that passes through git's filter. */
int dv_output_list_add_filtered(dv_output_list *l, const char *path, const dv_lfs_pointer *p)
	DV_MUST_CHECK;
/** Takes away what was added behind the first `n`. */
void dv_output_list_cut(dv_output_list *l, size_t n);
/** Appends what the text of the file at `path` records: the output of a pointer, or of a lock file
 *  those that are in the store; that of a pointer of Git LFS. `seen` (NULL: none) remembers stages
 *  of lock files: one that stood in the same file with the same words before is passed over, so
 *  that the history of a large file costs what changed. Codes of dv_pointer_parse and
 *  dv_lockfile_parse; then nothing is appended. */
int dv_output_list_read(dv_output_list *l, const char *path, const char *text, size_t n,
			dv_map *seen) DV_MUST_CHECK;
/** How the user names the stage of an output to a command: "train", "sub/dv.yaml:train"; owned. */
char *dv_output_stage_address(const dv_repo *r, const dv_output *o);
/** Sorts, leaves out what is recorded inside a directory that a stage makes, and refuses outputs
 *  that are or hold another (DV_ERROR naming both records). */
int dv_output_list_finish(dv_output_list *l) DV_MUST_CHECK;

/** Streams bytes of the file `rel` of an output, or inside one, as dv_cat does. */
int dv_output_stream(dv_repo *r, const dv_output_list *all, dv_reader *reader, const char *rel,
		     uint64_t offset, uint64_t length, dv_data_cb cb, void *payload) DV_MUST_CHECK;

/** What is at the path `rel`, an output or inside one; listings that the cache lacks come from the
 *  output's remote. DV_ENOTFOUND. */
int dv_output_entry(dv_repo *r, const dv_output_list *all, const char *rel, dv_tree_entry *out)
	DV_MUST_CHECK;
/** dv_ls over outputs that are known; `rel` is relative to the root. */
int dv_output_ls(dv_repo *r, const dv_output_list *all, const char *rel, bool recursive,
		 dv_entry_cb cb, void *payload) DV_MUST_CHECK;

/** Paths relative to the root. */
typedef struct dv_path_list {
	char **p;
	size_t n, cap;
} dv_path_list;
#define DV_PATH_LIST_INIT { 0 }
void dv_path_list_release(dv_path_list *l);
/** Adds a copy. */
int dv_path_list_add(dv_path_list *l, const char *path) DV_MUST_CHECK;

/** Keeps git from seeing outputs at `paths` (relative to the root) as dv_add does: "/NAME" in the
 *  .gitignore of the folder, all of one folder in one write. Folders that are not there are
 *  passed over; nothing happens without git. The .gitignore files that changed, or that git's
 *  index has without these lines, are appended to `changed` (may be NULL), for dv_git_stage.
 *  DV_EUNSAFE for a folder that is reached through a link. The lock of the work tree is held. */
int dv_repo_ignore_outputs(dv_repo *r, const char *const *paths, size_t n, dv_path_list *changed)
	DV_MUST_CHECK;
/** Takes the line of one path out again, if it is there. The .gitignore file is appended to
 *  `changed`, or to `gone` when nothing else stood there. */
int dv_repo_unignore(dv_repo *r, const char *path, dv_path_list *changed, dv_path_list *gone)
	DV_MUST_CHECK;

/** All outputs of the workspace, those of pointers and those of stages that a lock file records:
 *  outside .git, .dv, ignored folders, nested repositories of dv or git, and the outputs
 *  themselves. */
int dv_repo_outputs(dv_repo *r, dv_output_list *out) DV_MUST_CHECK;
/** As above, and the pipeline files met on the way: dv.yaml, and dvc.yaml where a folder has no
 *  dv.yaml, sorted. */
int dv_repo_outputs_and_pipelines(dv_repo *r, dv_output_list *out, dv_path_list *pipelines)
	DV_MUST_CHECK;
/** As dv_repo_outputs; pointers and lock files that cannot be read are appended to `damaged` and do
 *  not fail the call. */
int dv_repo_outputs_and_damaged(dv_repo *r, dv_output_list *out, dv_path_list *damaged)
	DV_MUST_CHECK;
/** Those of a revision, by the same rules: its own .dvignore files count. Pointers and lock files
 *  that are damaged fail the call. */
int dv_repo_outputs_at(dv_repo *r, const char *rev, dv_output_list *out) DV_MUST_CHECK;

#endif
