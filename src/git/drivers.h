/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git is told about dv: the settings of the filter, merge and diff drivers named "dv", and the
 * attributes of pointers and lock files. Both stand outside of what is committed: in the config and
 * the info/attributes of the repository (one for all its work trees), or in the user's own files.
 * What the user set otherwise is left alone, and what was written before is not written again.
 */
#ifndef DV_GIT_DRIVERS_H
#define DV_GIT_DRIVERS_H

#include "git/git.h"

enum dv_driver {
	DV_DRIVER_FILTER = 1u << 0,	/* filter.dv: files that git keeps as LFS pointers */
	DV_DRIVER_MERGE = 1u << 1,	/* merge.dv */
	DV_DRIVER_DIFF = 1u << 2,	/* diff.dv */
	DV_DRIVER_ATTRIBUTES = 1u << 3,	/* "*.dv diff=dv merge=dv", "dv.lock merge=dv",
					   ".gitignore merge=dv" */
	DV_DRIVERS_ALL = (1u << 4) - 1
};

/** What became of a call; sets of enum dv_driver. */
typedef struct dv_drivers {
	unsigned changed;	/* written or taken away now */
	unsigned own;		/* set otherwise by the user, and left alone */
} dv_drivers;

/** Tells git about `parts`: in the repository at `d`, or for d NULL in the user's own settings.
 *  `force` replaces what the user set otherwise. `out` may be NULL. */
int dv_gitdrivers_write(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
	DV_MUST_CHECK;
/** Takes away what dv_gitdrivers_write wrote at that level; with `force` also what the user set
 *  otherwise under dv's names. */
int dv_gitdrivers_remove(const dv_git_dirs *d, unsigned parts, bool force, dv_drivers *out)
	DV_MUST_CHECK;
/** Which of them are in force, wherever they are set: *there as dv writes them, *own as the user
 *  wants them. d NULL: by the user's and the system's settings alone. */
int dv_gitdrivers_look(const dv_git_dirs *d, unsigned *there, unsigned *own) DV_MUST_CHECK;

/** The value of a setting that counts in the repository at `d` (NULL: outside of any), replaced;
 *  DV_ENOTFOUND when it is not set. `path`: "~/" at its beginning is the home folder. Opens no
 *  repository, so that "includeIf" is not looked at. */
int dv_gitconfig_read(const dv_git_dirs *d, const char *key, bool path, dv_buf *out)
	DV_MUST_CHECK;

#endif
