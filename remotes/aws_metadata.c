/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys from the services beside us: the agent of a container and the machine's own metadata. They
 * are asked without a proxy, and soon given up: most machines have neither.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "remotes/credentials_impl.h"
#include "remotes/http.h"

#define TOKEN_MAX ((size_t)16 << 10)
#define SERVICE_MS 5000u	/* what answered once is waited for longer */

typedef struct ask {
	const char *method, *url;
	const char *header;	/* or NULL */
	unsigned ms;
} ask;

static int perform(dv_http *h, const ask *q, dv_http_answer *a)
{
	dv_http_request r = DV_HTTP_REQUEST_INIT;

	r.method = q->method;
	r.url = q->url;
	r.headers = &q->header;
	r.nheaders = q->header != NULL;
	r.deadline_ms = q->ms;
	return dv_http_perform(h, &r, a);
}

static int new_http(dv_http **out, unsigned seconds)
{
	return dv_http_new(out, &(dv_http_options){ .direct = true, .connect_seconds = seconds,
						    .stall_seconds = seconds });
}

static void wipe(dv_http_answer *a)
{
	if (a->body.p)
		OPENSSL_cleanse(a->body.p, a->body.cap);
	dv_http_answer_release(a);
}
#define dv_autoanswer __attribute__((unused, cleanup(wipe))) dv_http_answer

/* -- containers -------------------------------------------------------------------------------- */

/* Without TLS a token goes to this machine and to the agents of ECS and EKS only. */
static bool may_ask(const char *url)
{
	static const char *const known[] = { "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
					     "[::1]", "localhost", NULL };
	char host[64];
	struct in_addr ip;

	if (!strncmp(url, "https://", 8))
		return true;
	if (strncmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	size_t n = *url == '[' ? strcspn(url, "]") + 1 : strcspn(url, ":/?#");
	if (n >= sizeof host || strcspn(url, "@") < strcspn(url, "/?#"))
		return false;
	snprintf(host, sizeof host, "%.*s", (int)n, url);
	for (const char *const *k = known; *k; k++)
		if (!strcmp(*k, host))
			return true;
	return inet_pton(AF_INET, host, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127;
}

/* "Authorization: …", or nothing. */
static int container_header(dv_secret_buf *out)
{
	const char *file = dv_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *token = dv_aws_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	dv_auto(dv_secret_buf) text = DV_BUF_INIT;

	if (file) {
		if (dv_buf_reserve(&text, TOKEN_MAX + 1) ||
		    dv_fs_read_file(&text, file, TOKEN_MAX))
			return dv_err(DV_EAUTH, "cannot read the file that "
				      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names");
		while (text.n && strchr(" \r\n\t", text.p[text.n - 1]))
			text.p[--text.n] = 0;
		token = dv_buf_str(&text);
	}
	if (!token || !*token)
		return 0;
	if (strpbrk(token, "\r\n"))
		return dv_err(DV_EAUTH, "the token for the container's credentials is no header");
	if (dv_buf_reserve(out, strlen(token) + 32))
		return out->err;
	return dv_buf_addf(out, "Authorization: %s", token);
}

int dv_aws_container(dv_lease *out, bool *found)
{
	const char *relative = dv_aws_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = dv_aws_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	dv_auto(dv_secret_buf) header = DV_BUF_INIT;
	dv_auto(dv_buf) url = DV_BUF_INIT;
	dv_autoptr(dv_http) h = NULL;
	dv_autoanswer a = DV_HTTP_ANSWER_INIT;

	*found = relative || full;
	if (!*found)
		return 0;
	if (dv_buf_addf(&url, "%s%s", relative ? "http://169.254.170.2" : "",
			relative ? relative : full))
		return url.err;
	if ((relative && *relative != '/') || !may_ask(url.p))
		return dv_err(DV_EAUTH, "the address of the container's credentials is neither "
			      "https nor on this machine");
	int rc = container_header(&header);
	if (rc || (rc = new_http(&h, 2)))
		return rc;
	rc = perform(h, &(ask){ "GET", url.p, header.n ? header.p : NULL, SERVICE_MS }, &a);
	if (rc)
		return dv_err_ctx(rc, "the container's credentials");
	if (a.status != 200)
		return dv_err(a.status >= 500 ? DV_ETRANSIENT : DV_EAUTH,
			      "the container's credentials: the service answers HTTP %d", a.status);
	snprintf(out->source, sizeof out->source, "the container's credentials");
	return dv_lease_from_json(out, dv_buf_str(&a.body), a.body.n, out->source);
}

/* -- machines ---------------------------------------------------------------------------------- */

static int instance_base(dv_buf *out)
{
	const char *base = dv_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = dv_aws_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (!base)
		base = mode && strcasecmp(mode, "ipv6") == 0 ? "http://[fd00:ec2::254]" :
							       "http://169.254.169.254";
	dv_buf_adds(out, base);
	while (out->n && out->p[out->n - 1] == '/')
		out->p[--out->n] = 0;
	return out->err;
}

/* A name of a role: it becomes part of a URL. */
static bool role_name(dv_buf *b)
{
	size_t n = strcspn(dv_buf_str(b), "\r\n");

	if (n == 0 || n > 128)
		return false;
	b->n = n;
	b->p[n] = 0;
	for (size_t i = 0; i < n; i++)
		if (b->p[i] <= ' ' || b->p[i] == 0x7f || strchr("/?#%", b->p[i]))
			return false;
	return true;
}

/* The key of the role that the machine has, once its service is known to be there. */
static int instance_key(dv_http *h, const char *base, const char *header, dv_lease *out,
			bool *found)
{
	static const char list[] = "/latest/meta-data/iam/security-credentials/";
	dv_auto(dv_buf) url = DV_BUF_INIT;
	dv_autoanswer roles = DV_HTTP_ANSWER_INIT;
	dv_autoanswer key = DV_HTTP_ANSWER_INIT;

	if (dv_buf_addf(&url, "%s%s", base, list))
		return url.err;
	int rc = perform(h, &(ask){ "GET", url.p, header, SERVICE_MS }, &roles);
	if (rc)
		return dv_err_ctx(rc, "instance metadata");
	if (roles.status != 200 || !role_name(&roles.body))
		return roles.status >= 500 ? dv_http_status_error(&roles, "instance metadata") : 0;
	if (dv_buf_adds(&url, roles.body.p))
		return url.err;
	rc = perform(h, &(ask){ "GET", url.p, header, SERVICE_MS }, &key);
	if (rc || key.status != 200)
		return rc ? dv_err_ctx(rc, "instance metadata") :
			    dv_http_status_error(&key, "instance metadata");
	*found = true;
	snprintf(out->source, sizeof out->source, "the machine's role '%.200s'", roles.body.p);
	return dv_lease_from_json(out, dv_buf_str(&key.body), key.body.n, "instance metadata");
}

int dv_aws_instance(dv_lease *out, bool *found)
{
	const char *off = dv_aws_env("AWS_EC2_METADATA_DISABLED");
	dv_auto(dv_buf) base = DV_BUF_INIT, url = DV_BUF_INIT;
	dv_auto(dv_secret_buf) header = DV_BUF_INIT;
	dv_autoptr(dv_http) h = NULL;
	dv_autoanswer token = DV_HTTP_ANSWER_INIT;

	*found = false;
	if (off && strcasecmp(off, "true") == 0)
		return 0;
	int rc = instance_base(&base);
	if (rc || (rc = new_http(&h, 1)))
		return rc;
	if (dv_buf_addf(&url, "%s/latest/api/token", base.p))
		return url.err;
	rc = perform(h, &(ask){ "PUT", url.p, "X-aws-ec2-metadata-token-ttl-seconds: 21600", 1000 },
		     &token);
	if (rc == DV_ECANCELLED)
		return rc;
	/* Anything may answer there that is not EC2's. */
	if (rc || token.status != 200 || !token.body.n || token.body.n > TOKEN_MAX ||
	    strpbrk(token.body.p, "\r\n")) {
		dv_error_clear();
		return 0;
	}
	if (dv_buf_reserve(&header, token.body.n + 64) ||
	    dv_buf_addf(&header, "X-aws-ec2-metadata-token: %s", token.body.p))
		return header.err;
	return instance_key(h, base.p, header.p, out, found);
}
