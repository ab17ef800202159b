/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a hook, for the files that do its work. */
#ifndef DV_REPO_HOOK_H
#define DV_REPO_HOOK_H

#include "repo/repo.h"

typedef struct dv_hook_call {
	const char *const *args;
	size_t nargs;
	int in;			/* its input, */
	dv_buf text;		/* and that, once it was read: for each workspace anew */
	bool read;
	dv_hook_cb cb;
	void *payload;
} dv_hook_call;
void dv_hook_call_release(dv_hook_call *h);

/** Tells the caller, in words that are made like printf's; none are not told. */
void dv_hook_say(const dv_hook_call *h, enum dv_hook_word kind, const char *fmt, ...)
	DV_PRINTF(3, 4);
/** Says the failure on record, with its hint, and forgets it. */
void dv_hook_say_failure(const dv_hook_call *h);

/** Is git about to end a merge, a cherry-pick or a revert, whose commit the data follows? */
bool dv_hook_will_follow(const dv_git_dirs *d);
/** Warns of what was not recorded, and of data that went past the filter. */
int dv_hook_pre_commit(dv_hook_call *h, dv_repo *r) DV_MUST_CHECK;
/** pre-push NAME URL: pushes the data of the commits that go, before they go. */
int dv_hook_pre_push(dv_hook_call *h, dv_repo *r) DV_MUST_CHECK;

#endif
