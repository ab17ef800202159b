/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for all other schemes: 'dv-remote-<scheme> NAME URL', a program that the user has put
 * on PATH, is run and spoken to in dv's own protocol.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "remotes/drivers.h"
#include "remotes/stdio.h"

#define PREFIX "dv-remote-"
#define SCHEME_MAX 40
#define STALL_SECONDS 300	/* a program may have slow things to do */

typedef struct program_remote {
	dv_wired wired;
	char *program, *name, *url;
	unsigned stall;
	bool create;
} program_remote;

/* Length of the scheme, 0 when there is none, or none that can name a program. */
static size_t scheme_of(const char *url)
{
	size_t n = strspn(url, "abcdefghijklmnopqrstuvwxyz0123456789+.-");

	return n && n <= SCHEME_MAX && *url != '-' && *url != '.' && !strncmp(url + n, "://", 3) ?
	       n : 0;
}

/* The program for a URL, owned, or NULL. Relative entries of PATH do not count: the working folder
 * may be anybody's. */
static char *find_program(const char *url)
{
	const char *path = getenv("PATH");
	size_t n = scheme_of(url);
	struct stat st;

	while (n && path && *path) {
		size_t len = strcspn(path, ":");
		dv_auto(dv_buf) b = DV_BUF_INIT;

		if (*path == '/' && !dv_buf_add(&b, path, len) &&
		    !dv_buf_addf(&b, "/" PREFIX "%.*s", (int)n, url) && stat(b.p, &st) == 0 &&
		    S_ISREG(st.st_mode) && access(b.p, X_OK) == 0)
			return dv_buf_detach(&b);
		path += len + (path[len] == ':');
	}
	return NULL;
}

static bool program_reaches(const char *url)
{
	dv_autofree char *program = find_program(url);

	return program != NULL;
}

static int lost(bool up, int code, const char *words, void *payload)
{
	const program_remote *r = payload;
	const char *colon = *words ? ": " : "";

	if (up)
		return dv_err(DV_ETRANSIENT, "%s ended%s%s", r->wired.what, colon, words);
	if (code == 127)
		return dv_err(DV_ERROR, "cannot run %s%s%s", r->wired.what, colon, words);
	return dv_err(DV_ERROR, "%s ended before it said anything%s%s", r->wired.what, colon,
		      words);
}

static int program_connect(dv_wired *d, bool extra, dv_wire **out)
{
	program_remote *r = (program_remote *)d;
	const char *const argv[] = { r->program, r->name, r->url, NULL };
	const dv_mux_options o = { .what = d->what, .stall_seconds = r->stall, .lost = lost,
				   .payload = r };
	dv_auto(dv_answer) hello = { 0 };
	dv_process p = DV_PROCESS_INIT;
	dv_mux *m = NULL;
	int rc = dv_process_start(&p, NULL, argv);

	(void)extra;
	if (rc || (rc = dv_mux_new(&m, &p, &o)))
		return rc;
	if ((rc = dv_stdio_hello(m, &hello, r->create))) {
		dv_mux_free(m);
		return rc;
	}
	return dv_stdio_new(out, m, &hello, d->what);
}

static void program_release(dv_wired *d)
{
	program_remote *r = (program_remote *)d;

	free(r->program);
	free(r->name);
	free(r->url);
}

static void program_freep(program_remote **r)
{
	if (*r)
		dv_wired_close(&(*r)->wired.base);
}

/* What would show in a list of processes, or be taken for an option. */
static int check_words(const char *name, const char *url)
{
	const char *s = strstr(url, "://") + 3;
	const char *end = s + strcspn(s, "/?#"), *at = NULL;

	for (const char *c = s; c < end; c++)
		at = *c == '@' ? c : at;
	if (at && memchr(s, ':', (size_t)(at - s)))
		return dv_err(DV_EUNSAFE, "refused a URL with a password in it");
	if (*name == '-')
		return dv_err(DV_EUNSAFE, "refused the name '%s': it begins with '-'", name);
	return 0;
}

static int program_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	__attribute__((cleanup(program_freep))) program_remote *r = dv_calloc(1, sizeof *r);
	const char *timeout = dv_driver_setting(o, "timeout");
	dv_auto(dv_buf) what = DV_BUF_INIT;
	size_t n = scheme_of(url);

	if (!r)
		return DV_ERROR;
	dv_wired_init(&r->wired, o->jobs > 0 ? o->jobs : 1);
	r->wired.base.driver = &dv_driver_program;
	r->wired.connect = program_connect;
	r->wired.release = program_release;
	r->create = o->create;
	r->stall = timeout ? (unsigned)strtoul(timeout, NULL, 10) : STALL_SECONDS;
	r->program = find_program(url);
	if (!r->program) {
		dv_err(DV_ERROR, "this dv cannot reach '%.*s' URLs", (int)n, url);
		return dv_err_hint(DV_ERROR, "put a program '" PREFIX "%.*s' on PATH", (int)n, url);
	}
	int rc = check_words(o->name, url);
	if (rc)
		return rc;
	r->name = dv_strdup(o->name);
	r->url = dv_strdup(url);
	dv_buf_addf(&what, "'" PREFIX "%.*s'", (int)n, url);
	r->wired.what = dv_buf_detach(&what);
	if (!r->name || !r->url || !r->wired.what)
		return DV_ERROR;
	if ((rc = dv_wired_open(&r->wired)))
		return rc;
	*out = &r->wired.base;
	r = NULL;
	return 0;
}

const dv_driver dv_driver_program = {
	.version = 2,
	.scheme = "*",
	.reaches = program_reaches,
	.open = program_open,
	.close = dv_wired_close,
	.stat = dv_wired_stat,
	.get = dv_wired_get,
	.put = dv_wired_put,
	.put_if_absent = dv_wired_put_if_absent,
	.list = dv_wired_list,
	.remove = dv_wired_remove,
	.find = dv_wired_find,
};
