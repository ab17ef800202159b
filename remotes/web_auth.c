/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials for web servers. The address of a remote may be a stranger's, since it can come with
 * a clone; so what is sent is bound to the host that it is for, or to an address of the user's own
 * settings.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "base/alloc.h"
#include "remotes/command.h"
#include "remotes/netrc.h"
#include "remotes/web.h"

#define HELPER_MAX ((size_t)64 << 10)
#define HEADERS_MAX 64u

/* -- the place --------------------------------------------------------------------------------- */

void dv_web_place_release(dv_web_place *p)
{
	free(p->base);
	free(p->host);
	free(p->user);
	free(p->authority);
	*p = (dv_web_place)DV_WEB_PLACE_INIT;
}

static int refuse_url(const char *why)
{
	return dv_err_hint(dv_err(DV_EUSAGE, "the URL of the remote %s", why),
			   "write it as https://HOST[:PORT]/PATH");
}

static int read_authority(dv_web_place *out, const char *p, size_t n)
{
	size_t host = 0;

	for (size_t i = n; i-- > 0;)
		if (p[i] == '@') {
			if (memchr(p, ':', i))
				return dv_err_hint(dv_err(DV_EUNSAFE, "the URL of the remote holds "
							  "a password"),
						   "put it into ~/.netrc, set the remote's 'auth' "
						   "to 'basic', and take it out of the URL");
			out->user = dv_strndup(p, i);
			if (!out->user)
				return DV_ERROR;
			p += i + 1, n -= i + 1;
			break;
		}
	if (n > 0 && *p == '-')
		return dv_err(DV_EUNSAFE, "refused a host that begins with '-'");
	if (n > 0 && *p == '[') {
		const char *end = memchr(p, ']', n);
		host = end ? (size_t)(end - p) + 1 : 0;
	} else {
		const char *colon = memchr(p, ':', n);
		host = colon ? (size_t)(colon - p) : n;
	}
	for (size_t i = host + 1; i < n; i++)
		if (!isdigit((unsigned char)p[i]))
			return refuse_url("has a port that is no number");
	if (host == 0 || (host < n && p[host] != ':') || host + 1 == n)
		return refuse_url("names no host");
	out->host = dv_strndup(p, host);
	out->authority = dv_strndup(p, n);
	return out->host && out->authority ? 0 : DV_ERROR;
}

int dv_web_place_read(dv_web_place *out, const char *url)
{
	dv_auto(dv_web_place) at = DV_WEB_PLACE_INIT;
	dv_auto(dv_buf) base = DV_BUF_INIT;

	at.tls = strncasecmp(url, "https://", 8) == 0;
	if (!at.tls && strncasecmp(url, "http://", 7) != 0)
		return refuse_url("is neither http nor https");
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '\\')
			return refuse_url("has blanks or control characters");
	const char *p = url + (at.tls ? 8 : 7);
	size_t n = strcspn(p, "/?#");
	int rc = read_authority(&at, p, n);
	if (rc)
		return rc;
	if (strpbrk(p + n, "?#"))
		return refuse_url("has a query, which the names of files cannot follow");
	dv_buf_addf(&base, "%s://%s", at.tls ? "https" : "http", at.authority);
	size_t path = base.n;
	dv_buf_adds(&base, p + n);
	while (!base.err && base.n > path && base.p[base.n - 1] == '/')
		base.p[--base.n] = 0;
	if (!(at.base = dv_buf_detach(&base)))
		return DV_ERROR;
	at.path = at.base + path;
	*out = at;
	at = (dv_web_place)DV_WEB_PLACE_INIT;
	return 0;
}

/* -- what is sent ------------------------------------------------------------------------------ */

void dv_web_auth_release(dv_web_auth *a)
{
	dv_secret_free(a->user);
	dv_secret_free(a->password);
	for (size_t i = 0; i < a->n; i++)
		dv_secret_free(a->headers[i]);
	free(a->headers);
	*a = (dv_web_auth)DV_WEB_AUTH_INIT;
}

/* Takes `line` over. */
static int add_header(dv_web_auth *a, char *line)
{
	int rc = line ? dv_grow(&a->headers, &a->cap, a->n + 1, sizeof *a->headers) : DV_ERROR;

	if (rc)
		dv_secret_free(line);
	else
		a->headers[a->n++] = line;
	return rc;
}

static bool is_name(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("!#$%&'*+-.^_`|~", p[i]))
			return false;
	return n > 0;
}

/* Those that say how an answer is framed are the driver's. */
static bool is_ours(const char *p, size_t n)
{
	static const char *const ours[] = { "host", "range", "content-length", "transfer-encoding",
					    "accept-encoding", "connection", "expect", "te",
					    "upgrade", NULL };

	for (const char *const *o = ours; *o; o++)
		if (strlen(*o) == n && strncasecmp(*o, p, n) == 0)
			return true;
	return false;
}

/* Headers of the setting, one a line. */
static int read_headers(dv_web_auth *a, const char *lines)
{
	for (const char *p = lines; *p;) {
		size_t n = strcspn(p, "\n"), name = strcspn(p, ":\n");

		if (n > 0) {
			if (name == n || !is_name(p, name))
				return dv_err_hint(dv_err(DV_EUSAGE, "the setting 'header' holds "
							  "what is no header"),
						   "it takes 'Name: value', several on lines of "
						   "their own");
			if (is_ours(p, name))
				return dv_err(DV_EUSAGE, "the setting 'header' may not change "
					      "'%.*s'", (int)name, p);
			if (a->n >= HEADERS_MAX)
				return dv_err(DV_EUSAGE, "the setting 'header' holds too many");
			int rc = add_header(a, dv_strndup(p, n));
			if (rc)
				return rc;
		}
		p += n + (p[n] == '\n');
	}
	return 0;
}

/* -- netrc and helpers ------------------------------------------------------------------------- */

/* A line "key=value" of a helper's answer. Owned. */
static char *answer_line(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");

		if (n > len && !strncmp(p, key, len) && p[len] == '=') {
			size_t v = n - len - 1;

			if (v > 0 && p[len + v] == '\r')
				v--;
			return dv_strndup(p + len + 1, v);
		}
		p += n + (p[n] == '\n');
	}
	return NULL;
}

/* Asks in the words of git-credential. */
static int ask_helper(const char *line, const dv_web_place *at, dv_login *out, bool *found)
{
	dv_auto(dv_secret_buf) answer = DV_BUF_INIT;
	dv_auto(dv_buf) ask = DV_BUF_INIT;

	dv_buf_addf(&ask, "protocol=%s\nhost=%s\n", at->tls ? "https" : "http", at->authority);
	if (at->path[0] == '/' && at->path[1])
		dv_buf_addf(&ask, "path=%s\n", at->path + 1);
	if (at->user)
		dv_buf_addf(&ask, "username=%s\n", at->user);
	dv_buf_addc(&ask, '\n');
	if (ask.err)
		return ask.err;
	int rc = dv_command_run(line, "the command of the setting 'credentialhelper'", ask.p,
				&answer, HELPER_MAX);
	if (rc)
		return rc;
	out->user = answer_line(dv_buf_str(&answer), "username");
	out->password = answer_line(dv_buf_str(&answer), "password");
	*found = out->password != NULL;
	return 0;
}

static bool is_loopback(const char *host)
{
	struct in_addr a;

	return !strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
	       (inet_pton(AF_INET, host, &a) == 1 && ntohl(a.s_addr) >> 24 == 127);
}

/* The words for where nothing was found. */
static int no_login(const dv_web_place *at, const char *netrc, const char *helper)
{
	int rc = dv_err(DV_EAUTH, "there is no login for '%s'", at->host);

	return dv_err_hint(rc, "add 'machine %s login NAME password …' to '%s'%s", at->host,
			   netrc ? netrc : "~/.netrc",
			   helper ? "; the command of 'credentialhelper' knew none either" :
				    ", or name a command in the remote's setting "
				    "'credentialhelper'");
}

static int find_login(const dv_driver_options *o, const dv_web_place *at, dv_login *out)
{
	const char *netrc = dv_driver_setting(o, "netrc");
	const char *helper = dv_driver_setting(o, "credentialhelper");
	bool found = false;
	/* An entry for everybody is not for a host that a stranger chose. */
	int rc = dv_netrc_read(netrc, at->host, at->user, o->url_is_own, out, &found);

	if (rc == 0 && !found && helper)
		rc = ask_helper(helper, at, out, &found);
	if (rc == 0 && !found)
		rc = no_login(at, netrc, helper);
	return rc;
}

static int use_login(dv_web_auth *a, const dv_web_place *at, dv_login *l, bool bearer)
{
	dv_auto(dv_secret_buf) header = DV_BUF_INIT;

	if (strpbrk(l->password, "\r\n") || (bearer && strchr(l->password, ' ')))
		return dv_err(DV_EAUTH, "the password for '%s' has characters that cannot be sent",
			      at->host);
	if (bearer) {
		if (dv_buf_reserve(&header, strlen(l->password) + 32) ||
		    dv_buf_addf(&header, "Authorization: Bearer %s", l->password))
			return header.err;
		return add_header(a, dv_buf_detach(&header));
	}
	a->user = l->user ? dv_steal(&l->user) : dv_strdup(at->user ? at->user : "");
	a->password = dv_steal(&l->password);
	return a->user ? 0 : DV_ERROR;
}

static int check_wire(const dv_driver_options *o, const dv_web_place *at)
{
	if (at->tls || is_loopback(at->host))
		return 0;
	if (o->url_is_own) {
		dv_warn("remote '%s': the password for '%s' travels without encryption", o->name,
			at->host);
		return 0;
	}
	int rc = dv_err(DV_EUNSAFE, "a password would travel to '%s' without encryption", at->host);
	return dv_err_hint(rc, "use https, or say that you mean it: 'dv remote modify --local %s "
			   "url URL'", o->name);
}

int dv_web_auth_read(dv_web_auth *out, const dv_driver_options *o, const dv_web_place *at)
{
	const char *header = dv_driver_setting(o, "header"), *auth = dv_driver_setting(o, "auth");
	dv_auto(dv_web_auth) a = DV_WEB_AUTH_INIT;
	dv_auto(dv_login) login = DV_LOGIN_INIT;
	int rc = 0;

	if (header && !o->url_is_own)
		dv_warn("remote '%s': the setting 'header' is not sent, since the URL comes from "
			"a committed file; use 'dv remote modify --local %s url URL'", o->name,
			o->name);
	else if (header)
		rc = read_headers(&a, header);
	if (!auth && (dv_driver_setting(o, "netrc") || dv_driver_setting(o, "credentialhelper")))
		auth = "basic";
	if (rc == 0 && auth && strcmp(auth, "none") != 0) {
		if ((rc = check_wire(o, at)) == 0 && (rc = find_login(o, at, &login)) == 0)
			rc = use_login(&a, at, &login, !strcmp(auth, "bearer"));
	}
	if (rc)
		return rc;
	*out = a;
	a = (dv_web_auth)DV_WEB_AUTH_INIT;
	return 0;
}
