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
	char source[DV_CREDENTIALS_SOURCE_ROOM];	/* for people */
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
	/* Of the token service: its URL (NULL: that of AWS) and region (NULL: the usual). The URL
	 * is never from the settings of a remote, which a stranger may have committed. */
	char *sts, *sts_region;
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

/** "2030-01-02T03:04:05Z", also with a fraction and an offset. */
bool dv_aws_time(const char *s, time_t *out);
/** Fills an empty lease from what a service printed as JSON. `what` names it in messages, which
 *  never show the text. DV_EAUTH. */
int dv_lease_from_json(dv_lease *l, const char *p, size_t n, const char *what) DV_MUST_CHECK;
/** A role to take. Borrowed. */
typedef struct dv_aws_role {
	const char *arn;
	const char *session, *external_id, *duration;	/* may be NULL */
} dv_aws_role;

/* Providers: 0 with *found false when the place has nothing to give. */

/** What a profile says, also through other profiles. */
int dv_aws_profile(dv_credentials *c, const char *name, dv_lease *out, bool *found) DV_MUST_CHECK;
/** The variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. */
int dv_lease_from_env(dv_lease *out, bool *found) DV_MUST_CHECK;
/** What a command prints. */
int dv_aws_process(const char *line, const char *what, dv_lease *out) DV_MUST_CHECK;
/** AWS_WEB_IDENTITY_TOKEN_FILE. */
int dv_aws_env_identity(const dv_credentials *c, dv_lease *out, bool *found) DV_MUST_CHECK;
/** AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI. */
int dv_aws_container(dv_lease *out, bool *found) DV_MUST_CHECK;
/** The service of a machine of EC2; where there is none that is known within a second. */
int dv_aws_instance(dv_lease *out, bool *found) DV_MUST_CHECK;

/* The token service (STS). `source` of the lease is the caller's. */

/** Takes a role with the key in `by`. */
int dv_aws_assume_role(const dv_credentials *c, const dv_lease *by, const dv_aws_role *role,
		       dv_lease *out) DV_MUST_CHECK;
/** Takes a role with the token in a file. */
int dv_aws_web_identity(const dv_credentials *c, const char *token_file, const dv_aws_role *role,
			dv_lease *out) DV_MUST_CHECK;

#endif
