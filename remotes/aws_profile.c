/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a profile in the user's files holds or leads to. */
#include <stdio.h>

#include "remotes/credentials_impl.h"

#define SECTION_ROOM 512
#define DEPTH_MAX 5	/* roles that are taken one with the key of another */

typedef struct profiles {
	dv_credentials *c;
	dv_aws_config f;
} profiles;

static void profiles_release(profiles *p)
{
	dv_aws_config_release(&p->f);
}

static int resolve(const profiles *p, const char *name, int depth, dv_lease *out, bool *found);

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

/* The key that a role is taken with, by the profile's word. */
static int find_base(const profiles *p, const char *name, int depth, dv_lease *out)
{
	const char *source = dv_aws_profile_get(&p->f, name, "source_profile");
	const char *place = dv_aws_profile_get(&p->f, name, "credential_source");
	bool found = false;
	int rc = 0;

	if (source && !exists(p, source))
		return dv_err(DV_EAUTH, "there is no profile '%s', which is the source_profile of "
			      "'%s'", source, name);
	if (source && !strcmp(source, name))
		rc = from_static(p, name, out, &found);
	else if (source)
		rc = resolve(p, source, depth + 1, out, &found);
	else if (!strcmp(place, "Environment"))
		rc = dv_lease_from_env(out, &found);
	else if (!strcmp(place, "EcsContainer"))
		rc = dv_aws_container(out, &found);
	else if (!strcmp(place, "Ec2InstanceMetadata"))
		rc = dv_aws_instance(out, &found);
	else
		return dv_err(DV_EAUTH, "profile '%s' has the credential_source '%s', which is "
			      "none", name, place);
	if (rc || found)
		return rc;
	return dv_err(DV_EAUTH, "profile '%s' takes a role with the key of '%s', which has none",
		      name, source ? source : place);
}

/* Does the profile take a role? */
static int from_role(const profiles *p, const char *name, int depth, dv_lease *out, bool *found)
{
	const char *token = dv_aws_profile_get(&p->f, name, "web_identity_token_file");
	dv_aws_role role = {
		.arn = dv_aws_profile_get(&p->f, name, "role_arn"),
		.session = dv_aws_profile_get(&p->f, name, "role_session_name"),
		.external_id = dv_aws_profile_get(&p->f, name, "external_id"),
		.duration = dv_aws_profile_get(&p->f, name, "duration_seconds"),
	};
	dv_auto(dv_lease) base = { 0 };

	*found = role.arn && (token || dv_aws_profile_get(&p->f, name, "source_profile") ||
			      dv_aws_profile_get(&p->f, name, "credential_source"));
	if (!*found)
		return 0;
	if (depth >= DEPTH_MAX)
		return dv_err(DV_EAUTH, "profile '%s' leads through too many source_profiles",
			      name);
	snprintf(out->source, sizeof out->source, "role '%.120s' of profile '%.80s'", role.arn,
		 name);
	if (token)
		return dv_aws_web_identity(p->c, token, &role, out);
	if (dv_aws_profile_get(&p->f, name, "mfa_serial"))
		return dv_err_hint(dv_err(DV_EAUTH, "profile '%s' wants the code of a device, for "
					  "which dv does not ask", name),
				   "let the AWS tools do it: 'dv remote modify --local %s "
				   "credentialprocess \"aws configure export-credentials --profile "
				   "%s\"'", p->c->remote, name);
	int rc = find_base(p, name, depth, &base);
	return rc ? rc : dv_aws_assume_role(p->c, &base, &role, out);
}

static int from_process(const profiles *p, const char *name, dv_lease *out, bool *found)
{
	const char *line = dv_aws_profile_get(&p->f, name, "credential_process");
	char what[256];

	*found = line != NULL;
	if (!*found)
		return 0;
	snprintf(what, sizeof what, "the credential_process of profile '%.180s'", name);
	return dv_aws_process(line, what, out);
}

static int resolve(const profiles *p, const char *name, int depth, dv_lease *out, bool *found)
{
	int rc = from_role(p, name, depth, out, found);

	if (rc || *found || (rc = from_static(p, name, out, found)) || *found ||
	    (rc = from_process(p, name, out, found)) || *found)
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
	return resolve(&p, name, 0, out, found);
}
