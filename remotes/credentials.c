/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the places where S3 keys are looked for, and keeping the one that was found until it
 * ends. One lock: whoever finds that there is no key asks for it, and all others wait for that.
 */
#include "remotes/credentials_impl.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/path.h"

#define AHEAD (5 * 60)		/* seconds before its end that a key is renewed */
#define PATIENCE 30		/* seconds between tries to renew a key that is still good */

/* -- keys -------------------------------------------------------------------------------------- */

void dv_s3_key_release(dv_s3_key *k)
{
	dv_secret_free(k->id);
	dv_secret_free(k->secret);
	dv_secret_free(k->token);
	*k = (dv_s3_key)DV_S3_KEY_INIT;
}

void dv_lease_release(dv_lease *l)
{
	dv_s3_key_release(&l->key);
	*l = (dv_lease){ 0 };
}

int dv_lease_set(dv_lease *l, const char *id, const char *secret, const char *token)
{
	/* They become parts of headers. */
	if (strpbrk(id, " \r\n/,") || strpbrk(secret, "\r\n") ||
	    (token && strpbrk(token, " \r\n")))
		return dv_err(DV_EAUTH, "the key for S3 has characters that no key has");
	l->key.id = dv_strdup(id);
	l->key.secret = dv_strdup(secret);
	l->key.token = token ? dv_strdup(token) : NULL;
	return l->key.id && l->key.secret && (!token || l->key.token) ? 0 : DV_ERROR;
}

static int copy_key(dv_s3_key *out, const dv_s3_key *k, unsigned serial)
{
	dv_lease l = { 0 };
	int rc = k->id ? dv_lease_set(&l, k->id, k->secret, k->token) : 0;

	if (rc) {
		dv_lease_release(&l);
		return rc;
	}
	*out = l.key;
	out->serial = serial;
	return 0;
}

/* -- making one -------------------------------------------------------------------------------- */

const char *dv_aws_env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static bool truth(const char *v)
{
	return v && (!strcasecmp(v, "true") || !strcasecmp(v, "yes") || !strcasecmp(v, "on") ||
		     !strcmp(v, "1"));
}

static int keep(char **out, const char *v)
{
	if (!v)
		return 0;
	*out = dv_strdup(v);
	return *out ? 0 : DV_ERROR;
}

/* A file of the user: by the setting, the environment, or below the home folder. */
static int keep_file(char **out, bool *set, const char *setting, const char *env, const char *dflt)
{
	const char *home = dv_aws_env("HOME");
	const char *path = setting ? setting : dv_aws_env(env);

	*set = setting != NULL;
	if (!path)
		path = dflt;
	if (strncmp(path, "~/", 2) != 0)
		return keep(out, path);
	if (!home)
		return 0;
	*out = dv_path_join(home, path + 2);
	return *out ? 0 : DV_ERROR;
}

static int read_one(dv_aws_config *out, const char *path, bool must, bool credentials)
{
	int rc = path ? dv_aws_config_read(out, path, credentials) : 0;

	if (rc != DV_ENOTFOUND)
		return rc;
	if (must)
		return dv_err(DV_EAUTH, "there is no file '%s', which a setting names", path);
	dv_error_clear();
	return 0;
}

int dv_aws_files_read(const dv_credentials *c, dv_aws_config *out)
{
	int rc = read_one(out, c->config_file, c->config_file_set, false);

	return rc ? rc : read_one(out, c->credentials_file, c->credentials_file_set, true);
}

/* Regions become parts of hosts, and one of a committed file must not change which host. */
static int check_region(const char *region)
{
	size_t n = strlen(region), i = 0;

	while (i < n && (isalnum((unsigned char)region[i]) ||
			 (region[i] == '-' && i > 0 && i + 1 < n)))
		i++;
	if (n > 0 && n <= 63 && i == n)
		return 0;
	return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is no name of a region", region),
			   "regions look like 'us-east-1'");
}

/* endpoint_url of the profile: of its services section for `service`, or its own. */
static const char *profile_endpoint(const dv_aws_config *f, const char *profile,
				    const char *service)
{
	const char *services = dv_aws_profile_get(f, profile, "services"), *url = NULL;
	char section[300], key[32];

	if (truth(dv_aws_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")) ||
	    truth(dv_aws_profile_get(f, profile, "ignore_configured_endpoint_urls")))
		return NULL;
	if (services && strlen(services) < 256) {
		snprintf(section, sizeof section, "services %s", services);
		snprintf(key, sizeof key, "%s.endpoint_url", service);
		url = dv_aws_config_get(f, section, key);
	}
	return url ? url : dv_aws_profile_get(f, profile, "endpoint_url");
}

static const char *env_endpoint(const char *name)
{
	const char *url = dv_aws_env(name);

	if (truth(dv_aws_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
		return NULL;
	return url ? url : dv_aws_env("AWS_ENDPOINT_URL");
}

/* The first that says something. */
static const char *first(const char *a, const char *b, const char *c)
{
	return a ? a : b ? b : c;
}

static int read_places(dv_credentials *c, const dv_driver_options *o)
{
	dv_auto(dv_aws_config) f = DV_AWS_CONFIG_INIT;
	int rc = dv_aws_files_read(c, &f);

	if (rc)
		return rc;
	const char *env = first(dv_aws_env("AWS_REGION"), dv_aws_env("AWS_DEFAULT_REGION"), NULL);
	const char *named = dv_aws_profile_get(&f, c->profile, "region");
	const char *region = first(dv_driver_setting(o, "region"), env, named);
	const char *sts_region = first(env, named, dv_driver_setting(o, "region"));
	const char *style = dv_aws_profile_get(&f, c->profile, "s3.addressing_style");
	if (style && strcmp(style, "path") != 0 && strcmp(style, "virtual") != 0)
		style = "auto";
	if ((region && (rc = check_region(region))) ||
	    (sts_region && (rc = check_region(sts_region))) || (rc = keep(&c->region, region)) ||
	    (rc = keep(&c->endpoint, first(dv_driver_setting(o, "endpointurl"),
					   env_endpoint("AWS_ENDPOINT_URL_S3"),
					   profile_endpoint(&f, c->profile, "s3")))) ||
	    (rc = keep(&c->sts, first(env_endpoint("AWS_ENDPOINT_URL_STS"),
				      profile_endpoint(&f, c->profile, "sts"), NULL))) ||
	    (rc = keep(&c->sts_region, sts_region)) ||
	    (rc = keep(&c->addressing, first(dv_driver_setting(o, "addressing"), style, NULL))))
		return rc;
	return keep(&c->cafile, first(dv_driver_setting(o, "cafile"), dv_aws_env("AWS_CA_BUNDLE"),
				      dv_aws_profile_get(&f, c->profile, "ca_bundle")));
}

static int read_settings(dv_credentials *c, const dv_driver_options *o)
{
	const char *profile = dv_driver_setting(o, "profile");
	const char *named = first(profile, dv_aws_env("AWS_PROFILE"),
				  dv_aws_env("AWS_DEFAULT_PROFILE"));
	int rc;

	c->profile_set = profile != NULL;
	c->profile_named = named != NULL;
	c->anonymous = truth(dv_driver_setting(o, "anonymous"));
	if ((rc = keep(&c->remote, o->name ? o->name : "")) ||
	    (rc = keep(&c->id, dv_driver_setting(o, "accesskeyid"))) ||
	    (rc = keep(&c->secret, dv_driver_setting(o, "secretaccesskey"))) ||
	    (rc = keep(&c->token, dv_driver_setting(o, "sessiontoken"))) ||
	    (rc = keep(&c->process, dv_driver_setting(o, "credentialprocess"))) ||
	    (rc = keep(&c->profile, named ? named : "default")) ||
	    (rc = keep_file(&c->credentials_file, &c->credentials_file_set,
			    dv_driver_setting(o, "credentialpath"), "AWS_SHARED_CREDENTIALS_FILE",
			    "~/.aws/credentials")))
		return rc;
	return keep_file(&c->config_file, &c->config_file_set, dv_driver_setting(o, "configpath"),
			 "AWS_CONFIG_FILE", "~/.aws/config");
}

/* Half a key is a mistake to be told, not a reason to look further. */
static int check_halves(const dv_credentials *c)
{
	bool id = dv_aws_env("AWS_ACCESS_KEY_ID"), secret = dv_aws_env("AWS_SECRET_ACCESS_KEY");
	const char *r = c->remote;

	if (!c->id != !c->secret)
		return dv_err_hint(dv_err(DV_EAUTH, "remote '%s' has only half a key: its setting "
					  "'%s' is missing", r,
					  c->id ? "secretaccesskey" : "accesskeyid"),
				   "set it with 'dv remote modify --local %s %s …'", r,
				   c->id ? "secretaccesskey" : "accesskeyid");
	if (!c->id && !c->process && !c->profile_set && id != secret)
		return dv_err_hint(dv_err(DV_EAUTH, "the environment has only half a key: %s is "
					  "not set", id ? "AWS_SECRET_ACCESS_KEY" :
							  "AWS_ACCESS_KEY_ID"),
				   "set both, or unset both");
	return 0;
}

int dv_credentials_new(dv_credentials **out, const dv_driver_options *o)
{
	dv_autoptr(dv_credentials) c = dv_calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		return DV_ERROR;
	pthread_mutex_init(&c->lock, NULL);
	int rc = read_settings(c, o);
	if (rc || (rc = check_halves(c)) || (rc = read_places(c, o)))
		return rc;
	*out = dv_steal(&c);
	return 0;
}

void dv_credentials_free(dv_credentials *c)
{
	if (!c)
		return;
	dv_secret_free(c->id);
	dv_secret_free(c->secret);
	dv_secret_free(c->token);
	dv_secret_free(c->process);
	free(c->remote);
	free(c->profile);
	free(c->credentials_file);
	free(c->config_file);
	free(c->region);
	free(c->endpoint);
	free(c->addressing);
	free(c->cafile);
	free(c->sts);
	free(c->sts_region);
	dv_buf_release(&c->looked);
	dv_lease_release(&c->now);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* -- the order --------------------------------------------------------------------------------- */

static void looked(dv_credentials *c, const char *where)
{
	dv_buf_addf(&c->looked, "%s%s", c->looked.n ? ", " : "", where);
}

static int from_settings(const dv_credentials *c, dv_lease *out, bool *found)
{
	*found = c->id != NULL;
	if (!*found)
		return 0;
	out->lasting = true;
	snprintf(out->source, sizeof out->source, "the settings of the remote");
	return dv_lease_set(out, c->id, c->secret, c->token);
}

int dv_lease_from_env(dv_lease *out, bool *found)
{
	const char *id = dv_aws_env("AWS_ACCESS_KEY_ID");
	const char *secret = dv_aws_env("AWS_SECRET_ACCESS_KEY");

	*found = id && secret;
	if (!*found)
		return 0;
	out->lasting = true;
	snprintf(out->source, sizeof out->source, "the environment");
	return dv_lease_set(out, id, secret, dv_aws_env("AWS_SESSION_TOKEN"));
}

static int nothing(dv_credentials *c, dv_lease *out)
{
	if (c->anonymous) {
		snprintf(out->source, sizeof out->source, "none (anonymous)");
		out->lasting = true;
		return 0;
	}
	return dv_err_hint(dv_err(DV_EAUTH, "there are no credentials for S3"),
			   "looked at %s; set them there, or 'dv remote modify %s anonymous true' "
			   "for a public bucket", dv_buf_str(&c->looked), c->remote);
}

static int from_profile(dv_credentials *c, dv_lease *out, bool *found)
{
	char where[300];
	int rc = dv_aws_profile(c, c->profile, out, found);

	if (rc || *found)
		return rc;
	snprintf(where, sizeof where, "profile '%.100s' in %s", c->profile,
		 c->credentials_file_set || c->config_file_set ? "the files of the settings" :
								 "~/.aws");
	looked(c, where);
	return 0;
}

/* What services of the surroundings hand out. */
static int from_services(dv_credentials *c, dv_lease *out, bool *found)
{
	int rc = dv_aws_container(out, found);

	if (rc || *found)
		return rc;
	looked(c, "the container's credentials");
	if ((rc = dv_aws_instance(out, found)) || *found)
		return rc;
	looked(c, "instance metadata");
	return 0;
}

static int find(dv_credentials *c, dv_lease *out)
{
	bool found = false;
	int rc = from_settings(c, out, &found);

	dv_buf_clear(&c->looked);
	looked(c, "the settings of the remote");
	if (rc || found)
		return rc;
	if (c->process)
		return dv_aws_process(c->process, "the command of the setting "
				      "'credentialprocess'", out);
	if (!c->profile_set) {
		if ((rc = dv_lease_from_env(out, &found)) || found ||
		    (rc = dv_aws_env_identity(c, out, &found)) || found)
			return rc;
		looked(c, "the environment (AWS_ACCESS_KEY_ID)");
	}
	if ((rc = from_profile(c, out, &found)) || found)
		return rc;
	/* Who names a profile wants that one, and no other key. */
	if (!c->profile_set && ((rc = from_services(c, out, &found)) || found))
		return rc;
	return nothing(c, out);
}

/* -- keeping it -------------------------------------------------------------------------------- */

static time_t when_to_renew(const dv_lease *l, time_t now)
{
	time_t early = l->expires - AHEAD, half = now + (l->expires - now) / 2;

	/* What lasts a short time only is used for half of it. */
	return early > half ? early : half;
}

static int renew(dv_credentials *c, time_t now)
{
	dv_auto(dv_lease) l = { 0 };
	int rc = find(c, &l);

	if (rc == 0) {
		dv_lease_release(&c->now);
		c->now = l;
		l = (dv_lease){ 0 };
		c->have = true, c->stale = false;
		c->renew_at = c->now.expires ? when_to_renew(&c->now, now) : 0;
		c->serial++;
		return 0;
	}
	if (c->have && !c->stale && c->now.expires > now && rc != DV_ECANCELLED) {
		dv_error_clear();
		c->renew_at = now + PATIENCE;
		return 0;
	}
	if (rc != DV_ETRANSIENT && rc != DV_ECANCELLED)
		dv_error_take(&c->failed);
	return rc;
}

int dv_credentials_get(dv_credentials *c, dv_s3_key *out)
{
	time_t now = time(NULL);
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->failed.code)
		rc = dv_error_put(&c->failed);
	else if (!c->have || c->stale || (c->now.expires && now >= c->renew_at))
		rc = renew(c, now);
	if (rc == 0)
		rc = copy_key(out, &c->now.key, c->serial);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

bool dv_credentials_expired(dv_credentials *c, const dv_s3_key *used)
{
	pthread_mutex_lock(&c->lock);
	bool again = c->have && !c->now.lasting;
	if (again && used->serial == c->serial)
		c->stale = true;
	pthread_mutex_unlock(&c->lock);
	return again;
}

bool dv_credentials_source(dv_credentials *c, char out[DV_CREDENTIALS_SOURCE_ROOM])
{
	pthread_mutex_lock(&c->lock);
	bool have = c->have;
	if (have)
		memcpy(out, c->now.source, DV_CREDENTIALS_SOURCE_ROOM);
	pthread_mutex_unlock(&c->lock);
	return have;
}

const char *dv_credentials_region(const dv_credentials *c)
{
	return c->region;
}

const char *dv_credentials_endpoint(const dv_credentials *c)
{
	return c->endpoint;
}

const char *dv_credentials_addressing(const dv_credentials *c)
{
	return c->addressing;
}

const char *dv_credentials_cafile(const dv_credentials *c)
{
	return c->cafile;
}
