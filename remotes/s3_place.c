/* SPDX-License-Identifier: Apache-2.0 */
/* Takes apart what the user wrote, and builds URLs from it. */
#include "remotes/s3_place.h"

#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/url.h"
#include "remotes/s3_sign.h"

void dv_s3_place_release(dv_s3_place *p)
{
	free(p->bucket);
	free(p->prefix);
	free(p->host);
	free(p->path);
}

void dv_s3_address_release(dv_s3_address *a)
{
	dv_buf_release(&a->host);
	dv_buf_release(&a->path);
	dv_buf_release(&a->url);
}

bool dv_s3_region_is_valid(const char *region)
{
	size_t n = strlen(region);

	return n > 0 && n < DV_S3_REGION_ROOM && region[0] != '-' &&
	       strspn(region, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "0123456789-_") == n;
}

/* Old buckets may have capitals and underscores; none begins with '-' or has a slash. */
static bool bucket_is_valid(const char *b, size_t n)
{
	return n >= 3 && n <= 255 && isalnum((unsigned char)b[0]) &&
	       strspn(b, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789._-") >= n &&
	       !memmem(b, n, "..", 2);
}

/* Parts that are "." or ".." or empty would not reach the server as they are written. */
static bool prefix_is_valid(const char *p, size_t n)
{
	if (n + 128 > DV_S3_KEY_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return false;
	while (n > 0) {
		const char *slash = memchr(p, '/', n);
		size_t part = slash ? (size_t)(slash - p) : n;

		if (!dv_name_is_safe(p, part))
			return false;
		p += slash ? part + 1 : part;
		n -= slash ? part + 1 : part;
	}
	return true;
}

static int parse_url(dv_s3_place *out, const char *url)
{
	static const char scheme[] = "s3://";
	int rc;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return dv_err(DV_EUSAGE, "this is no s3:// URL");
	const char *bucket = url + strlen(scheme);
	size_t n = strcspn(bucket, "/");
	if (!bucket_is_valid(bucket, n)) {
		dv_autofree char *shown = dv_url_redact(url);

		rc = dv_err(DV_EUSAGE, "'%s' names no bucket", shown ? shown : "s3://…");
		return dv_err_hint(rc, "write s3://BUCKET/PREFIX; keys go to the environment, the "
				       "host to the setting 'endpointurl'");
	}
	const char *prefix = bucket + n;
	while (*prefix == '/')
		prefix++;
	size_t len = strlen(prefix);
	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (!prefix_is_valid(prefix, len))
		return dv_err(DV_EUSAGE, "the prefix '%s' cannot be used", prefix);
	out->bucket = dv_strndup(bucket, n);
	out->prefix = dv_malloc(len + 2);
	if (!out->bucket || !out->prefix)
		return DV_ERROR;
	memcpy(out->prefix, prefix, len);
	memcpy(out->prefix + len, len ? "/" : "", len ? 2 : 1);
	return 0;
}

static int bad_endpoint(void)
{
	int rc = dv_err(DV_EUSAGE, "the setting 'endpointurl' is no URL of a server");

	return dv_err_hint(rc, "write it as https://HOST[:PORT]");
}

static int parse_endpoint(dv_s3_place *out, const char *endpoint)
{
	size_t skip = strncasecmp(endpoint, "https://", 8) == 0 ? 8 :
		      strncasecmp(endpoint, "http://", 7) == 0 ? 7 : 0;

	if (!skip)
		return bad_endpoint();
	out->https = skip == 8;
	const char *host = endpoint + skip, *usual = out->https ? ":443" : ":80";
	size_t n = strcspn(host, "/"), len = strlen(host);
	for (const char *s = host; *s; s++)
		if ((unsigned char)*s <= 0x20 || *s == 0x7f || strchr("?#@\\%\"<>", *s))
			return bad_endpoint();
	if (n == 0 || host[0] == '-' || host[0] == ':' || strstr(host + n, "/.") ||
	    strstr(host + n, "//"))
		return bad_endpoint();
	while (len > n && host[len - 1] == '/')
		len--;
	out->path = dv_strndup(host + n, len - n);
	/* The port that goes without saying is not sent, so it must not be signed. */
	if (n > strlen(usual) && memcmp(host + n - strlen(usual), usual, strlen(usual)) == 0)
		n -= strlen(usual);
	out->host = dv_strndup(host, n);
	if (!out->host || !out->path)
		return DV_ERROR;
	for (char *p = out->host; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* A certificate for *.host covers no name with a dot in place of the star. */
static bool fits_host(const char *bucket)
{
	for (const char *p = bucket; *p; p++)
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '-')
			return false;
	return strlen(bucket) <= 63;
}

int dv_s3_place_parse(dv_s3_place *out, const char *url, const char *endpoint,
		      const char *addressing)
{
	int rc = parse_url(out, url);

	if (rc)
		return rc;
	if (endpoint && *endpoint) {
		if ((rc = parse_endpoint(out, endpoint)))
			return rc;
	} else {
		out->amazon = out->https = true;
		out->path = dv_strdup("");
		if (!out->path)
			return DV_ERROR;
	}
	if (addressing && strcmp(addressing, "virtual") == 0)
		out->virtual_host = true;
	else if (!addressing || strcmp(addressing, "path") != 0)
		out->virtual_host = fits_host(out->bucket) &&
				    (out->amazon || ends_with(out->host, ".amazonaws.com") ||
				     ends_with(out->host, ".amazonaws.com.cn"));
	return 0;
}

int dv_s3_address_of(dv_s3_address *out, const dv_s3_place *p, const char *region, const char *key,
		     const char *query)
{
	dv_buf_clear(&out->host);
	dv_buf_clear(&out->path);
	dv_buf_clear(&out->url);
	if (p->virtual_host)
		dv_buf_addf(&out->host, "%s.", p->bucket);
	if (p->amazon)
		dv_buf_addf(&out->host, "s3.%s.amazonaws.com%s", region,
			    strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
	else
		dv_buf_adds(&out->host, p->host);
	dv_buf_adds(&out->path, p->path);
	if (!p->virtual_host)
		dv_buf_addf(&out->path, "/%s", p->bucket);
	if (key || out->path.n == 0)
		dv_buf_addc(&out->path, '/');
	if (key)
		dv_s3_encode(&out->path, key, true);
	dv_buf_addf(&out->url, "%s://%s%s%s%s", p->https ? "https" : "http",
		    dv_buf_str(&out->host), dv_buf_str(&out->path), *query ? "?" : "", query);
	return out->host.err ? out->host.err : out->path.err ? out->path.err : out->url.err;
}
