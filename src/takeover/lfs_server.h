/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where Git LFS has the objects of a repository: its own folder, that of a remote on this machine,
 * or an LFS server. What .lfsconfig says comes with a clone: it may name a server, but no login of
 * the user's goes there, unless it is the host that the user cloned from.
 */
#ifndef DV_TAKEOVER_LFS_SERVER_H
#define DV_TAKEOVER_LFS_SERVER_H

#include "repo/repo.h"
#include "transfer/lfs_api.h"

typedef struct dv_lfs_place {
	char *objects;		/* the folder of Git LFS's own objects, absolute */
	char *remote_objects;	/* that of the remote, when it is a folder; or NULL */
	char *url;		/* of the server, without a user; or NULL */
	bool own;		/* the user named its host */
	char *ssh_host, *ssh_port, *ssh_path;	/* it is asked for through ssh; or NULL */
	char *ssh_command;			/* a line for sh that git has for ssh, or NULL */
	/* What is known of the login by now. */
	bool asked;
	char *user, *password, *header;
} dv_lfs_place;
void dv_lfs_place_release(dv_lfs_place *p);
/** Finds out from git's settings and .lfsconfig. */
int dv_lfs_place_find(dv_lfs_place *out, dv_repo *r) DV_MUST_CHECK;
/** dv_lfs_fetch from there, with a login when it is asked for. */
int dv_lfs_place_fetch(dv_lfs_place *p, dv_lfs_object *objects, size_t n) DV_MUST_CHECK;
/** The server's address from a remote's of git ("https://host/x.git/info/lfs"); NULL where that is
 *  none of http. Owned. */
char *dv_lfs_url_of_remote(const char *remote);

#endif
