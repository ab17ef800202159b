/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as services and programs print them, with the time at which they end. */
#include <stdio.h>

#include "base/json.h"
#include "remotes/command.h"
#include "remotes/credentials_impl.h"

#define TEXT_MAX ((size_t)64 << 10)

static bool digits(const char **s, size_t n, int *out)
{
	*out = 0;
	for (size_t i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (**s - '0');
	}
	return true;
}

static bool skip(const char **s, const char *any)
{
	if (!**s || !strchr(any, **s))
		return false;
	(*s)++;
	return true;
}

/* "Z", "+01:00" or "+0100", in seconds. */
static bool read_offset(const char *s, long *out)
{
	int h, m, sign = *s == '-' ? -1 : 1;

	*out = 0;
	if (skip(&s, "Zz"))
		return !*s;
	if (!skip(&s, "+-") || !digits(&s, 2, &h))
		return false;
	skip(&s, ":");
	if (!digits(&s, 2, &m) || *s || h > 23 || m > 59)
		return false;
	*out = sign * (h * 3600L + m * 60L);
	return true;
}

bool dv_aws_time(const char *s, time_t *out)
{
	struct tm t = { 0 };
	long offset;

	if (!digits(&s, 4, &t.tm_year) || !skip(&s, "-") || !digits(&s, 2, &t.tm_mon) ||
	    !skip(&s, "-") || !digits(&s, 2, &t.tm_mday) || !skip(&s, "Tt ") ||
	    !digits(&s, 2, &t.tm_hour) || !skip(&s, ":") || !digits(&s, 2, &t.tm_min) ||
	    !skip(&s, ":") || !digits(&s, 2, &t.tm_sec))
		return false;
	if (skip(&s, "."))
		s += strspn(s, "0123456789");
	if (!read_offset(s, &offset) || t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 ||
	    t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return false;
	t.tm_year -= 1900;
	t.tm_mon--;
	*out = timegm(&t) - offset;
	return true;
}

static int no_key(const char *what)
{
	return dv_err(DV_EAUTH, "%s gave no key", what);
}

int dv_lease_from_json(dv_lease *l, const char *p, size_t n, const char *what)
{
	dv_autoptr(dv_json) j = NULL;
	const char *id = NULL, *secret = NULL, *token = NULL, *ends = NULL, *code = NULL;

	/* What is wrong with the text is not told: it may hold the secret. */
	if (dv_json_parse(&j, p, n, TEXT_MAX, 8, what) || !json_is_object(j))
		return no_key(what);
	if (dv_json_opt_str(j, "Code", &code) || (code && strcasecmp(code, "Success") != 0) ||
	    dv_json_get_str(j, "AccessKeyId", &id) ||
	    dv_json_get_str(j, "SecretAccessKey", &secret) ||
	    dv_json_opt_str(j, "SessionToken", &token) ||
	    (!token && dv_json_opt_str(j, "Token", &token)) ||
	    dv_json_opt_str(j, "Expiration", &ends) || !*id || !*secret)
		return no_key(what);
	if (ends && *ends && !dv_aws_time(ends, &l->expires))
		return dv_err(DV_EAUTH, "%s gave a key that ends at no time", what);
	return dv_lease_set(l, id, secret, token && *token ? token : NULL);
}

int dv_aws_process(const char *line, const char *what, dv_lease *out)
{
	dv_auto(dv_secret_buf) text = DV_BUF_INIT;
	int rc = dv_command_run(line, what, "", &text, TEXT_MAX);

	if (rc)
		return rc;
	snprintf(out->source, sizeof out->source, "%s", what);
	rc = dv_lease_from_json(out, dv_buf_str(&text), text.n, what);
	if (rc != DV_EAUTH)
		return rc;
	return dv_err_hint(rc, "it prints JSON with Version, AccessKeyId, SecretAccessKey, and "
			   "where they are needed SessionToken and Expiration");
}
