/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a profile in the user's files holds or leads to. */
#include <stdio.h>

#include "remotes/credentials_impl.h"

#define SECTION_ROOM 512

typedef struct profiles {
	dv_credentials *c;
	dv_aws_config f;
} profiles;

static void profiles_release(profiles *p)
{
	dv_aws_config_release(&p->f);
}

static bool exists(const profiles *p, const char *name)
{
	char section[SECTION_ROOM];

	if (strlen(name) > SECTION_ROOM - 16)
		return false;
	snprintf(section, sizeof section, "profile %s", name);
	return dv_aws_config_has(&p->f, section);
}

static int from_static(const profiles *p, const char *name, dv_lease *out, bool *found)
{
	const char *id = dv_aws_profile_get(&p->f, name, "aws_access_key_id");
	const char *secret = dv_aws_profile_get(&p->f, name, "aws_secret_access_key");

	if (!id != !secret)
		return dv_err_hint(dv_err(DV_EAUTH, "profile '%s' has only half a key", name),
				   "give it aws_access_key_id and aws_secret_access_key");
	*found = id != NULL;
	if (!*found)
		return 0;
	snprintf(out->source, sizeof out->source, "profile '%.200s'", name);
	return dv_lease_set(out, id, secret, dv_aws_profile_get(&p->f, name, "aws_session_token"));
}

/* What signs in with a browser is for the tools of AWS to do. */
static int check_sso(const profiles *p, const char *name)
{
	if (!dv_aws_profile_get(&p->f, name, "sso_session") &&
	    !dv_aws_profile_get(&p->f, name, "sso_start_url"))
		return 0;
	dv_err(DV_EAUTH, "profile '%s' signs in by SSO, which dv does not do itself", name);
	return dv_err_hint(DV_EAUTH, "let the AWS tools do it: 'dv remote modify --local %s "
			   "credentialprocess \"aws configure export-credentials --profile %s\"'",
			   p->c->remote, name);
}

static int resolve(const profiles *p, const char *name, dv_lease *out, bool *found)
{
	int rc = from_static(p, name, out, found);

	if (rc || *found)
		return rc;
	return check_sso(p, name);
}

int dv_aws_profile(dv_credentials *c, const char *name, dv_lease *out, bool *found)
{
	__attribute__((cleanup(profiles_release))) profiles p = { .c = c };
	int rc = dv_aws_files_read(c, &p.f);

	*found = false;
	if (rc)
		return rc;
	if (!exists(&p, name)) {
		if (!c->profile_named)
			return 0;
		return dv_err_hint(dv_err(DV_EAUTH, "there is no profile '%s'", name),
				   "profiles are in '%s' and '%s'",
				   c->config_file ? c->config_file : "~/.aws/config",
				   c->credentials_file ? c->credentials_file :
							 "~/.aws/credentials");
	}
	return resolve(&p, name, out, found);
}
