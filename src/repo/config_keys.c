/* SPDX-License-Identifier: Apache-2.0 */
/* Which settings dv knows, and what they may hold. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "base/words.h"
#include "repo/config_keys.h"

#define KEY_MAX 1000

static int check_text(const char *v)
{
	return *v ? 0 : -1;
}

static int check_bool(const char *v)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "1", "0",
					     NULL };

	for (const char *const *w = words; *w; w++)
		if (!strcasecmp(v, *w))
			return 0;
	return -1;
}

static int check_number(const char *v, long max)
{
	char *end = NULL;
	long n = strtol(v, &end, 10);

	return end != v && !*end && n >= 0 && n <= max ? 0 : -1;
}

static int check_jobs(const char *v)
{
	return check_number(v, 1024);
}

static int check_compression(const char *v)
{
	return check_number(v, 19);
}

static int check_type(const char *v)
{
	static const char *const words[] = { "copy", "reflink", "hardlink", "symlink", NULL };

	for (;;) {
		size_t n = strcspn(v, ","), k;
		for (k = 0; words[k]; k++)
			if (strlen(words[k]) == n && !strncmp(words[k], v, n))
				break;
		if (!words[k])
			return -1;
		if (!v[n])
			return 0;
		v += n + 1;
	}
}

static int check_url(const char *v)
{
	return *v && *v != '-' ? 0 : -1;
}

/* No user in it: that would be a key, or a token. */
static int check_endpoint(const char *v)
{
	return check_url(v) || strchr(v, '@') ? -1 : 0;
}

static int check_size(const char *v)
{
	char *end = NULL;
	long long n = strtoll(v, &end, 10);

	return end != v && n >= 0 && (!*end || (strchr("kKmMgG", *end) && !end[1])) ? 0 : -1;
}

static int check_seconds(const char *v)
{
	return check_number(v, 86400);
}

static int check_addressing(const char *v)
{
	return strcmp(v, "auto") && strcmp(v, "path") && strcmp(v, "virtual") ? -1 : 0;
}

static int check_sse(const char *v)
{
	return strcmp(v, "AES256") && strcmp(v, "aws:kms") && strcmp(v, "aws:kms:dsse") ? -1 : 0;
}

static int check_serve(const char *v)
{
	return strcmp(v, "auto") && strcmp(v, "always") && strcmp(v, "never") ? -1 : 0;
}

static int check_parsing_bool(const char *v)
{
	return strcmp(v, "store_true") && strcmp(v, "boolean_optional") ? -1 : 0;
}

static int check_parsing_list(const char *v)
{
	return strcmp(v, "nargs") && strcmp(v, "append") ? -1 : 0;
}

static int check_auth(const char *v)
{
	return strcmp(v, "none") && strcmp(v, "basic") && strcmp(v, "bearer") ? -1 : 0;
}

/* A '*' stands for the name of a remote. What starts a program, names a secret or weakens a check
 * is `own`: it counts only where the user set it, since .dv/config comes with a clone. */
static const struct known {
	const char *key;
	int (*check)(const char *value);
	const char *takes;
	bool own;
} known[] = {
	{ "core.remote", check_text, "the name of a remote", false },
	{ "core.autostage", check_bool, "true or false", false },
	{ "core.jobs", check_jobs, "a number from 0 to 1024", false },
	{ "cache.dir", check_text, "a folder", true },
	{ "cache.type", check_type,
	  "a list of copy, reflink, hardlink and symlink with commas between", false },
	{ "cache.delta", check_bool, "true or false", false },
	{ "cache.compression", check_compression, "a number from 0 to 19", false },
	{ "lineage.add", check_bool, "true or false", false },
	{ "lineage.share", check_bool, "true or false", false },
	{ "lineage.namespace", check_text, "a name of this project for OpenLineage", false },
	{ "lineage.openlineage", check_text, "a file, a URL, or off", true },
	{ "parsing.bool", check_parsing_bool, "store_true or boolean_optional", false },
	{ "parsing.list", check_parsing_list, "nargs or append", false },
	{ "remote.*.url", check_url, "a folder or a URL", false },
	{ "remote.*.jobs", check_jobs, "a number from 0 to 1024", false },
	{ "remote.*.timeout", check_seconds, "seconds, up to 86400", false },
	{ "remote.*.limitrate", check_size, "bytes in a second, as in 500k or 20m", false },
	/* S3 */
	{ "remote.*.endpointurl", check_endpoint, "an http or https URL without a user", false },
	{ "remote.*.region", check_text, "the name of a region", false },
	{ "remote.*.profile", check_text, "the name of a profile", false },
	{ "remote.*.addressing", check_addressing, "auto, path or virtual", false },
	{ "remote.*.anonymous", check_bool, "true or false", false },
	{ "remote.*.sse", check_sse, "AES256, aws:kms or aws:kms:dsse", false },
	{ "remote.*.ssekmskeyid", check_text, "the id of a key", false },
	{ "remote.*.storageclass", check_text, "a storage class", false },
	{ "remote.*.requestpayer", check_bool, "true or false", false },
	{ "remote.*.accesskeyid", check_text, "the id of an access key", true },
	{ "remote.*.secretaccesskey", check_text, "a secret", true },
	{ "remote.*.sessiontoken", check_text, "a secret", true },
	{ "remote.*.credentialpath", check_text, "a file of credentials", true },
	{ "remote.*.configpath", check_text, "a file of profiles", true },
	{ "remote.*.credentialprocess", check_text, "a command", true },
	/* TLS and HTTP */
	{ "remote.*.cafile", check_text, "a file of certificates", true },
	{ "remote.*.clientcert", check_text, "a file", true },
	{ "remote.*.clientkey", check_text, "a file", true },
	{ "remote.*.insecure", check_bool, "true or false", true },
	{ "remote.*.auth", check_auth, "none, basic or bearer", false },
	{ "remote.*.header", check_text, "a header, as in 'Name: value'", true },
	{ "remote.*.netrc", check_text, "a file", true },
	{ "remote.*.credentialhelper", check_text, "a command", true },
	/* SSH */
	{ "remote.*.sshcommand", check_text, "a command", true },
	{ "remote.*.keyfile", check_text, "a file", true },
	{ "remote.*.serve", check_serve, "auto, always or never", false },
	{ NULL, NULL, NULL, false },
};

static bool takes_url(const struct known *k)
{
	return k->check == check_url || k->check == check_endpoint;
}

static const struct known *find_known(const char *key)
{
	for (const struct known *k = known; k->key; k++) {
		const char *star = strchr(k->key, '*');
		size_t head = star ? (size_t)(star - k->key) : 0, n = strlen(key);
		if (!star && !strcmp(key, k->key))
			return k;
		if (star && n > head + strlen(star + 1) && !strncmp(key, k->key, head) &&
		    !strcmp(key + n - strlen(star + 1), star + 1))
			return k;
	}
	return NULL;
}

static int unknown_key(const char *key)
{
	const char *best = NULL;
	unsigned least = 4;

	for (const struct known *k = known; k->key; k++) {
		unsigned d = dv_edit_distance(key, k->key);
		if (d < least)
			least = d, best = k->key;
	}
	int rc = dv_err(DV_EUSAGE, "unknown setting '%s'", key);
	if (!strncmp(key, "remote.", 7))
		return dv_err_hint(rc, "'dv help remote' lists the settings of a remote");
	if (!best)
		return dv_err_hint(rc, "settings are core.*, cache.* and remote.NAME.*; see "
				   "'dv help config'");
	return dv_err_hint(rc, "did you mean '%s'", best);
}

bool dv_config_is_secret(const char *key)
{
	static const char *const secrets[] = { "secretaccesskey", "sessiontoken", "header",
					       "password", "secret", "token", NULL };
	const char *leaf = strrchr(key, '.');

	for (const char *const *s = secrets; *s && leaf; s++)
		if (!strcmp(leaf + 1, *s))
			return true;
	return false;
}

bool dv_config_refused(const char *key, const char *value)
{
	const struct known *k = find_known(key);
	const char *leaf = strrchr(key, '.');

	if (!k)	/* of a later version, perhaps; nothing reads it */
		return strstr(key, "command") || strstr(leaf ? leaf : key, "process");
	return k->own || (takes_url(k) && *value == '-');
}

int dv_config_check(const char *key, const char *value)
{
	const struct known *k = find_known(key);

	if (!k)
		return unknown_key(key);
	int rc = takes_url(k) ? dv_url_check(value) : 0;
	if (rc)
		return dv_err_ctx(rc, "'%s'", key);
	bool fits = strlen(value) <= DV_CONFIG_FILE_MAX / 4 && !strchr(value, '\r') &&
		    k->check(value) == 0;
	if (!fits && dv_config_is_secret(key))
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' cannot be that", key), "it takes %s",
				   k->takes);
	if (!fits) {
		dv_autofree char *shown = dv_url_redact(value);

		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' cannot be '%s'", key,
					  shown ? shown : ""), "it takes %s", k->takes);
	}
	return 0;
}

int dv_config_normal_key(char **out, const char *key)
{
	const char *first = strchr(key, '.'), *last = strrchr(key, '.');

	*out = NULL;
	if (!first || first == key || !last[1] || strlen(key) > KEY_MAX || strpbrk(key, "\n\r") ||
	    last == first + 1)
		return dv_err_hint(dv_err(DV_EUSAGE, "'%s' is no setting", key),
				   "settings look like 'core.remote' or 'remote.NAME.url'");
	dv_autofree char *normal = dv_strdup(key);
	if (!normal)
		return DV_ERROR;
	for (char *s = normal; *s; s++) {
		size_t at = (size_t)(s - normal);
		if (at < (size_t)(first - key) || at > (size_t)(last - key))
			*s = (char)tolower((unsigned char)*s);
	}
	if (!find_known(normal))
		return unknown_key(normal);
	*out = dv_steal(&normal);
	return 0;
}
