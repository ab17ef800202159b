/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that S3 requests are signed with, found where the tools of AWS look: the settings of the
 * remote, the environment, the user's files, and the services that hand them out to pods,
 * containers and machines. What expires is renewed in time. Secrets are wiped when they are given
 * back, and are in no message.
 */
#ifndef DV_REMOTES_CREDENTIALS_H
#define DV_REMOTES_CREDENTIALS_H

#include "base/cleanup.h"
#include "transfer/remote_driver.h"

typedef struct dv_credentials dv_credentials;

/** What signs a request, owned. `id` is NULL when requests go unsigned (anonymous). */
typedef struct dv_s3_key {
	char *id, *secret;
	char *token;		/* of a session, or NULL */
	unsigned serial;	/* which of the keys of its dv_credentials it is */
} dv_s3_key;
#define DV_S3_KEY_INIT { 0 }
/** Wipes and empties it. */
void dv_s3_key_release(dv_s3_key *k);

/** Reads the settings, the environment and the user's files; asks nobody and starts nothing yet.
 *  The options are borrowed during the call only. DV_EAUTH for half a key or a profile that does
 *  not exist. */
int dv_credentials_new(dv_credentials **out, const dv_driver_options *o) DV_MUST_CHECK;
void dv_credentials_free(dv_credentials *c);
DV_DEFINE_AUTOPTR(dv_credentials)

/** The key to sign with now; any thread. Asks the provider when there is none yet or it ends within
 *  five minutes, once for all threads. DV_EAUTH with a hint that says where was looked,
 *  DV_ETRANSIENT when a service did not answer; anonymous when none is to be had and setting
 *  `anonymous` says so. */
int dv_credentials_get(dv_credentials *c, dv_s3_key *out) DV_MUST_CHECK;
/** The server called `used` expired: the next get renews it, unless another thread did so
 *  already. False when that cannot help, since the key stands in a setting or the environment. Any
 *  thread. */
bool dv_credentials_expired(dv_credentials *c, const dv_s3_key *used);
#define DV_CREDENTIALS_SOURCE_ROOM 256
/** Where the current key is from ("the environment", "profile 'x'"); false before the first get.
 *  Never a secret. Any thread. */
bool dv_credentials_source(dv_credentials *c, char out[DV_CREDENTIALS_SOURCE_ROOM]);

/* What else the environment and the profile say of S3, after the settings of the remote, which come
 * first; NULL when nobody says anything. Borrowed. */

/** Setting `region`, AWS_REGION, AWS_DEFAULT_REGION, the profile's region. A name of letters,
 *  digits and '-' in any case, since it becomes part of a host. */
const char *dv_credentials_region(const dv_credentials *c);
/** Setting `endpointurl`, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url. */
const char *dv_credentials_endpoint(const dv_credentials *c);
/** Setting `addressing`, the profile's s3.addressing_style: "auto", "path" or "virtual". */
const char *dv_credentials_addressing(const dv_credentials *c);
/** Setting `cafile`, AWS_CA_BUNDLE, the profile's ca_bundle. */
const char *dv_credentials_cafile(const dv_credentials *c);

#endif
