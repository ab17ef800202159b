/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over trees of git for the records in them; private to walk.c and hidden.c. */
#ifndef DV_GIT_WALK_H
#define DV_GIT_WALK_H

#include "git/attributes.h"
#include "git/ignore.h"
#include "git/impl.h"

typedef struct dv_git_walk {
	dv_git *g;
	dv_git_pointer_cb cb;	/* NULL: what is met is only marked as seen */
	void *payload;
	dv_map *seen;		/* of id and path; NULL: everything is reported */
	dv_ignore *ignore;	/* the revision's own rules; NULL: they do not count */
	unsigned ignored;	/* folders around that .dvignore excludes */
	const char *where;
	dv_attributes *rules;	/* of git, in force where the walk is */
	dv_oid rules_name;
	bool filter;		/* files there may pass through the filter */
	bool doubtful;		/* they may anywhere */
	dv_git_lacking *lacking;	/* nothing is told: what a partial clone lacks is noted */
} dv_git_walk;

/** Makes a walk ready, of which the first fields are set: the rules that hold in all commits. */
int dv_git_walk_open(dv_git_walk *w) DV_MUST_CHECK;
void dv_git_walk_release(dv_git_walk *w);
/** To be called where w->rules changed. */
void dv_git_walk_note_rules(dv_git_walk *w);
/** Tells the records of a commit that were not seen yet. */
int dv_git_walk_commit(git_commit *c, void *w) DV_MUST_CHECK;
/** Tells a record. */
int dv_git_walk_record(dv_git_walk *w, const git_oid *id, const char *path) DV_MUST_CHECK;
/** A file that may pass through the filter: told when it is a pointer. */
int dv_git_walk_filtered(dv_git_walk *w, const git_oid *id, const char *path) DV_MUST_CHECK;
typedef int (*dv_git_walk_fn)(dv_git_walk *w, void *ctx);
/** Runs a walk. What it would miss in a partial clone is brought before, many objects at once. */
int dv_git_walk_run(dv_git_walk *w, dv_git_walk_fn fn, void *ctx) DV_MUST_CHECK;

#endif
