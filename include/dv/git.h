/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdv: at home in git. Hooks that bring and push data, and the drivers that git asks.
 *
 * A part of <dv.h>, which includes it; what is said there of errors, ownership and threads holds.
 */
#ifndef DV_GIT_H
#define DV_GIT_H

#include <dv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum dv_setup_state {
	DV_SETUP_DONE = 1,	/* written now */
	DV_SETUP_WAS,		/* it was so already */
	DV_SETUP_KEPT,		/* left as it is: set otherwise by the user, or still needed */
	DV_SETUP_BY_HAND,	/* somebody else's file, which the user has to change */
	DV_SETUP_REMOVED,
	DV_SETUP_RESTORED	/* a hook: what was there before is back */
};
typedef struct dv_setup_event {
	enum dv_setup_state state;
	const char *what;	/* "hook", "driver"; "hooks": of other workspaces, which keep
				   them all; "filter": kept for the files that pass through it */
	const char *name;	/* "pre-push"; "filter", "merge", "diff", "attributes" */
	const char *path;	/* the file, or NULL */
	const char *text;	/* by hand: the lines that are to be added to it; or NULL */
	bool chained;		/* a hook that was there before is kept, and run first */
} dv_setup_event;
typedef int (*dv_setup_cb)(const dv_setup_event *e, void *payload);
typedef struct dv_install_options {
	bool global;	/* in the user's own settings of git; no hooks */
	bool force;	/* also in place of what the user set, and in a folder of hooks that is not
			   git's own */
} dv_install_options;
/** Installs the hooks that bring and push data, and tells git about dv's filter, merge and diff
 *  drivers. Done twice, it changes nothing. DV_EPARTIAL: hooks are somebody else's, and events say
 *  what to add to them. r may be NULL with `global`. */
DV_API int dv_install(dv_repo *r, const dv_install_options *o, dv_setup_cb cb, void *payload);
/** Undoes that: hooks that were there before are put back as they were. */
DV_API int dv_uninstall(dv_repo *r, const dv_install_options *o, dv_setup_cb cb, void *payload);

enum dv_hook_word { DV_HOOK_NOTE = 1, DV_HOOK_WARNING, DV_HOOK_HINT };
typedef void (*dv_hook_cb)(enum dv_hook_word kind, const char *text, void *payload);
/** What a hook of git does, called in the folder and with the arguments that git gave it; `in` is
 *  its input, for those that have one. Only a pre-push fails for what went wrong: the others say it
 *  through cb and let git go on. Outside of a dv repository nothing happens. */
DV_API int dv_hook(const char *name, const char *const *args, size_t n, int in, dv_hook_cb cb,
		   void *payload);

#ifdef __cplusplus
}
#endif

#endif
