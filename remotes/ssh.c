/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for folders behind SSH. It runs the user's own ssh, so that ~/.ssh/config, agents,
 * jump hosts and hardware keys work. Where dv is installed on the far side it is asked to serve the
 * folder, else SFTP is spoken. Secrets are ssh's business alone: none is ever taken from a URL or
 * put on a command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/oid.h"
#include "base/path.h"
#include "remotes/drivers.h"
#include "remotes/sftp.h"
#include "remotes/ssh_cipher.h"
#include "remotes/stdio.h"

#define KEEPALIVE_SECONDS 15	/* ssh gives up after four times of it */
#define CONNECT_SECONDS 30
#define STALL_SECONDS 60
#define ARGS_MAX 32

typedef struct ssh_remote {
	dv_wired wired;
	char *host, *user, *path, *port;	/* user and port may be NULL */
	char *command, *keyfile;	/* settings of the user's; may be NULL */
	unsigned stall;
	bool create;
	bool must_serve;	/* SFTP will not do */
	_Atomic bool serve;	/* dv may be there; cleared when it turns out not to be */
	_Atomic int code;	/* how the last ssh ended that was not answered */
	_Atomic bool refused;	/* it could not start a program there */
	const char *_Atomic cipher;	/* an option; NULL: none, or not known yet */
	_Atomic bool cipher_known;
} ssh_remote;

/* -- the URL ----------------------------------------------------------------------------------- */

/* Text of a URL with its escapes undone; NULL (recorded) for what can be no part of one. */
static char *decode(const char *s, size_t n)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c == '%') {
			char hex[3] = { 0 };

			for (size_t k = 0; k < 2 && i + 1 + k < n; k++)
				hex[k] = (char)(s[i + 1 + k] >= 'A' && s[i + 1 + k] <= 'F' ?
						s[i + 1 + k] + ('a' - 'A') : s[i + 1 + k]);
			if (dv_hex_parse(&c, 1, hex))
				c = 0;
			i += 2;
		}
		if (c < ' ' || c == 0x7f) {
			dv_err(DV_EUSAGE, "an ssh URL has a bad %% escape or a control character");
			return NULL;
		}
		dv_buf_addc(&b, (char)c);
	}
	dv_buf_add(&b, "", 0);
	return dv_buf_detach(&b);
}

/* What reaches a command line, and by way of the user's settings perhaps a shell. */
static int check_word(const char *s, const char *what, const char *more)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789._-";

	if (*s == '-')
		return dv_err(DV_EUNSAFE, "refused the %s '%s': it begins with '-'", what, s);
	for (const char *c = s; *c; c++)
		if (!strchr(plain, *c) && !strchr(more, *c))
			return dv_err(DV_EUNSAFE, "refused the %s of an ssh URL: it holds a "
				      "character that none has", what);
	return *s ? 0 : dv_err(DV_EUSAGE, "an ssh URL has no %s", what);
}

static int parse_authority(ssh_remote *r, const char *s, size_t n)
{
	const char *end = s + n, *host = s, *stop;

	for (const char *c = s; c < end; c++)
		if (*c == '@')
			host = c + 1;
	if (host > s) {
		if (memchr(s, ':', (size_t)(host - 1 - s))) {
			dv_err(DV_EUNSAFE, "refused an ssh URL with a password in it");
			return dv_err_hint(DV_EUNSAFE, "use a key, an agent, or let ssh ask");
		}
		if (!(r->user = decode(s, (size_t)(host - 1 - s))))
			return DV_EUSAGE;
		int rc = check_word(r->user, "user", "@+~\\");
		if (rc)
			return rc;
	}
	if (host < end && *host == '[') {
		host++;
		stop = memchr(host, ']', (size_t)(end - host));
		if (!stop)
			return dv_err(DV_EUSAGE, "an ssh URL has a '[' without a ']'");
		end = stop + 1 < s + n ? stop + 1 : stop;
	} else {
		stop = memchr(host, ':', (size_t)(end - host));
		stop = stop ? stop : end;
		end = stop;
	}
	r->host = dv_strndup(host, (size_t)(stop - host));
	if (!r->host)
		return DV_ERROR;
	if (end < s + n && *end == ':' && end + 1 < s + n) {
		r->port = dv_strndup(end + 1, (size_t)(s + n - end - 1));
		if (!r->port)
			return DV_ERROR;
		if (strlen(r->port) > 5 || r->port[strspn(r->port, "0123456789")])
			return dv_err(DV_EUSAGE, "'%s' is no port", r->port);
	}
	return check_word(r->host, "host", ":%");
}

static int parse_url(ssh_remote *r, const char *url)
{
	const char *s = strstr(url, "://");
	size_t n;

	if (!s)
		return dv_err(DV_EUSAGE, "this is no ssh URL");
	s += 3;
	n = strcspn(s, "/");
	int rc = parse_authority(r, s, n);
	if (rc)
		return rc;
	s += n;
	/* /~/ is the folder in which a login starts. */
	if (!strncmp(s, "/~/", 3))
		s += 3;
	else if (!strcmp(s, "/~"))
		s += 2;
	else if (!*s)
		return dv_err_hint(dv_err(DV_EUSAGE, "the ssh URL of '%s' has no path", r->host),
				   "write ssh://%s/path, or ssh://%s/~/path for one below the "
				   "login's folder", r->host, r->host);
	r->path = decode(s, strlen(s));
	if (!r->path)
		return DV_EUSAGE;
	for (size_t k = strlen(r->path); k > 1 && r->path[k - 1] == '/'; k--)
		r->path[k - 1] = '\0';
	if (r->path[0] == '-')
		return dv_err(DV_EUNSAFE, "refused the path '%s': it begins with '-'", r->path);
	return 0;
}

/* -- connecting -------------------------------------------------------------------------------- */

/* What ssh printed, and how it ended, as an error. */
static int lost(bool up, int code, const char *words, void *payload)
{
	ssh_remote *r = payload;
	const char *colon = *words ? ": " : "";

	r->code = code;
	r->refused = strstr(words, "request failed on channel") != NULL;
	if (up)
		return dv_err(DV_ETRANSIENT, "the connection to %s was lost%s%s", r->wired.what,
			      colon, words);
	if (strstr(words, "Host key verification failed") ||
	    strstr(words, "IDENTIFICATION HAS CHANGED")) {
		dv_err(DV_EUNSAFE, "ssh does not trust %s%s%s", r->wired.what, colon, words);
		return dv_err_hint(DV_EUNSAFE, "log in once with ssh to check its key and to keep "
				   "it in known_hosts");
	}
	if (strstr(words, "ermission denied") || strstr(words, "authentication failures") ||
	    strstr(words, "No supported authentication")) {
		dv_err(DV_EAUTH, "%s refused to let ssh in%s%s", r->wired.what, colon, words);
		return dv_err_hint(DV_EAUTH, "see that 'ssh' gets in without dv: user, key and "
				   "agent are those of ~/.ssh/config");
	}
	if (strstr(words, "Bad configuration option") || strstr(words, "command not found") ||
	    strstr(words, "not found") || strstr(words, "subsystem request failed"))
		return dv_err(DV_ERROR, "cannot work on %s through ssh%s%s", r->wired.what, colon,
			      words);
	return dv_err(code == 255 || code < 0 ? DV_ETRANSIENT : DV_ERROR,
		      "cannot reach %s through ssh%s%s", r->wired.what, colon, words);
}

/* Will nobody be asked for anything? Then nothing takes long but what hangs. */
static bool is_batch(bool extra)
{
	return extra || (!dv_process_has_terminal() && !getenv("SSH_ASKPASS"));
}

typedef struct ssh_line {
	const char *argv[ARGS_MAX];
	size_t n;
	char timeout[48], keepalive[48];
} ssh_line;

/* The command line up to the host. What is said here bounds the time before the far side speaks to
 * us; afterwards a stall is noticed here. */
static void ssh_words(const ssh_remote *r, bool extra, ssh_line *w)
{
	const char **argv = w->argv;
	unsigned quarter = r->stall > 4 ? r->stall / 4 : 1;
	size_t n = 0;

	argv[n++] = "ssh";
	argv[n++] = "-x";
	argv[n++] = "-a";
	argv[n++] = "-T";
	argv[n++] = "-oClearAllForwardings=yes";
	argv[n++] = "-oPermitLocalCommand=no";
	if (is_batch(extra))
		argv[n++] = "-oBatchMode=yes";
	if (!r->command || !strstr(r->command, "ConnectTimeout")) {
		snprintf(w->timeout, sizeof w->timeout, "-oConnectTimeout=%u",
			 r->stall < CONNECT_SECONDS ? r->stall : CONNECT_SECONDS);
		argv[n++] = w->timeout;
	}
	if (!r->command || !strstr(r->command, "ServerAliveInterval")) {
		snprintf(w->keepalive, sizeof w->keepalive, "-oServerAliveInterval=%u",
			 quarter < KEEPALIVE_SECONDS ? quarter : KEEPALIVE_SECONDS);
		argv[n++] = w->keepalive;
	}
	if (r->keyfile)
		argv[n++] = "-i", argv[n++] = r->keyfile;
	if (r->port)
		argv[n++] = "-p", argv[n++] = r->port;
	if (r->user)
		argv[n++] = "-l", argv[n++] = r->user;
	w->n = n;
}

static int start(ssh_remote *r, bool extra, const char *far_command, dv_mux **out)
{
	ssh_line w;
	dv_process p = DV_PROCESS_INIT;
	const dv_mux_options o = {
		.what = r->wired.what, .stall_seconds = r->stall, .lost = lost, .payload = r,
		.stop = &r->wired.closing,
		/* To connect and to be let in; a user takes the time that it needs. */
		.hello_seconds = is_batch(extra) ? 2 * r->stall : 0,
	};

	ssh_words(r, extra, &w);
	if (!r->cipher_known) {
		r->cipher = dv_ssh_cipher(r->command, w.argv, w.n, r->host);
		r->cipher_known = true;
	}
	if (r->cipher)
		w.argv[w.n++] = r->cipher;
	if (!far_command)
		w.argv[w.n++] = "-s";
	w.argv[w.n++] = "--";
	w.argv[w.n++] = r->host;
	w.argv[w.n++] = far_command ? far_command : "sftp";
	w.argv[w.n] = NULL;
	int rc = dv_process_start(&p, r->command, w.argv);
	return rc ? rc : dv_mux_new(out, &p, &o);
}

/* The far shell's command, with the path quoted for it. */
static int serve_command(const ssh_remote *r, dv_buf *out)
{
	dv_buf_adds(out, "dv serve --stdio -- '");
	for (const char *s = *r->path ? r->path : "."; *s; s++)
		if (*s == '\'')
			dv_buf_adds(out, "'\\''");
		else
			dv_buf_addc(out, *s);
	return dv_buf_addc(out, '\'');
}

/* Says hello to who is there: dv, or an SFTP server, whose account can start nothing else. */
static int greet(ssh_remote *r, dv_mux *m, dv_answer *hello)
{
	int rc = dv_stdio_hello(m, hello, r->create);

	if (rc == 0 && hello->type != DV_STDIO_WELCOME && hello->type != DV_STDIO_ERROR &&
	    hello->type != SSH_FXP_VERSION)
		rc = dv_mux_nonsense(m, "neither dv's protocol nor SFTP");
	return rc;
}

static int connect_as(ssh_remote *r, bool extra, bool serve, dv_wire **out)
{
	dv_auto(dv_answer) hello = { 0 };
	dv_auto(dv_buf) command = DV_BUF_INIT;
	dv_mux *m = NULL;
	int rc = serve ? serve_command(r, &command) : 0;

	r->code = -1;
	r->refused = false;
	if (rc || (rc = start(r, extra, serve ? command.p : NULL, &m)))
		return rc;
	if ((rc = greet(r, m, &hello))) {
		dv_mux_free(m);
		return rc;
	}
	if (hello.type != SSH_FXP_VERSION)
		return dv_stdio_new(out, m, &hello, r->wired.what);
	r->serve = false;
	return dv_sftp_new(out, m, &hello, r->path, r->wired.what, r->create);
}

static int ssh_connect(dv_wired *d, bool extra, dv_wire **out)
{
	ssh_remote *r = (ssh_remote *)d;
	bool serve = r->serve;
	int rc = connect_as(r, extra, serve, out);

	/* 255 is ssh's own failure, which SFTP would meet as well. */
	bool absent = rc && serve && rc != DV_ECANCELLED && rc != DV_ENOTFOUND &&
		      !(r->code == 255 && !r->refused);
	if (absent && r->must_serve)
		return dv_err_hint(rc, "install dv there, or set remote.NAME.serve to auto");
	if (!absent)
		return rc;
	dv_error_clear();
	r->serve = false;
	return connect_as(r, extra, false, out);
}

/* -- the driver -------------------------------------------------------------------------------- */

static void ssh_release(dv_wired *d)
{
	ssh_remote *r = (ssh_remote *)d;

	free(r->host);
	free(r->user);
	free(r->path);
	free(r->port);
	free(r->command);
	free(r->keyfile);
}

static void ssh_remote_close(dv_remote **r)
{
	dv_wired_close(*r);
}

static int copy_setting(char **out, const dv_driver_options *o, const char *key)
{
	const char *v = dv_driver_setting(o, key);

	*out = v && *v ? dv_strdup(v) : NULL;
	return v && *v && !*out ? DV_ERROR : 0;
}

static int ssh_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	__attribute__((cleanup(ssh_remote_close))) dv_remote *base = NULL;
	ssh_remote *r = dv_calloc(1, sizeof *r);
	const char *timeout = dv_driver_setting(o, "timeout");
	const char *serve = dv_driver_setting(o, "serve");
	dv_auto(dv_buf) what = DV_BUF_INIT;

	if (!r)
		return DV_ERROR;
	base = &r->wired.base;
	dv_wired_init(&r->wired, o->jobs);
	base->driver = &dv_driver_ssh;
	r->wired.connect = ssh_connect;
	r->wired.release = ssh_release;
	r->create = o->create;
	r->serve = !serve || strcmp(serve, "never") != 0;
	r->must_serve = serve && !strcmp(serve, "always");
	r->stall = timeout ? (unsigned)strtoul(timeout, NULL, 10) : 0;
	r->stall = r->stall ? r->stall : STALL_SECONDS;
	int rc = parse_url(r, url);
	if (rc == 0)
		rc = copy_setting(&r->command, o, "sshcommand");
	if (rc == 0)
		rc = copy_setting(&r->keyfile, o, "keyfile");
	if (rc)
		return rc;
	dv_buf_addf(&what, "'%s'", r->host);
	if (!(r->wired.what = dv_buf_detach(&what)))
		return DV_ERROR;
	if ((rc = dv_wired_open(&r->wired)))
		return rc;
	*out = dv_steal(&base);
	return 0;
}

const dv_driver dv_driver_ssh = {
	.version = 2,
	.scheme = "ssh",
	.open = ssh_open,
	.close = dv_wired_close,
	.stat = dv_wired_stat,
	.get = dv_wired_get,
	.put = dv_wired_put,
	.put_if_absent = dv_wired_put_if_absent,
	.list = dv_wired_list,
	.remove = dv_wired_remove,
	.find = dv_wired_find,
	.look = dv_wired_look,
	.look_in = dv_wired_look_in,
	.expect = dv_wired_expect,
};
