/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that find S3 keys share. */
#ifndef DV_REMOTES_CREDENTIALS_IMPL_H
#define DV_REMOTES_CREDENTIALS_IMPL_H

#include <pthread.h>
#include <time.h>

#include "remotes/aws_config.h"
#include "remotes/credentials.h"

/** A key and how long it lasts. */
typedef struct dv_lease {
	dv_s3_key key;
	time_t expires;		/* 0: nobody said so */
	bool lasting;		/* it stands where it does not change: no use to look again */
	char source[256];	/* for people */
} dv_lease;
void dv_lease_release(dv_lease *l);

struct dv_credentials {
	char *remote;		/* its name */
	char *id, *secret, *token, *process;	/* settings of the remote */
	char *profile;		/* named by the setting, the environment or "default" */
	bool profile_set;	/* by the setting: comes before the environment */
	bool profile_named;	/* by the setting or the environment: must exist */
	bool anonymous;
	char *credentials_file, *config_file;
	bool credentials_file_set, config_file_set;	/* by the settings: must exist */
	char *region, *endpoint, *addressing, *cafile;
	dv_buf looked;		/* where nothing was found, for the hint */

	pthread_mutex_t lock;	/* of what follows, and of `looked` */
	dv_lease now;
	bool have, stale;
	time_t renew_at;
	unsigned serial;
	dv_error failed;	/* what asking again will not mend; code 0: none */
};

/** A non-empty variable of the environment, or NULL. */
const char *dv_aws_env(const char *name);
/** Copies a key into an empty lease. */
int dv_lease_set(dv_lease *l, const char *id, const char *secret, const char *token) DV_MUST_CHECK;
/** Reads the user's two files. */
int dv_aws_files_read(const dv_credentials *c, dv_aws_config *out) DV_MUST_CHECK;

/* Providers: 0 with *found false when the place has nothing to give. */

/** What a profile says, also through other profiles. */
int dv_aws_profile(dv_credentials *c, const char *name, dv_lease *out, bool *found) DV_MUST_CHECK;

#endif
