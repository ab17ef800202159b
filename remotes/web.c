/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for web servers: reads a store that lies below a URL, as any static server serves it.
 * Nothing is listed and nothing written. Servers that do not know parts of files, or HEAD, do too,
 * at a price.
 */
#include "remotes/web.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "remotes/drivers.h"
#include "remotes/http.h"

#define JOBS 8
#define ENOUGH 1	/* what a sink returns when it has what it wants */

typedef struct web_remote {
	dv_remote base;
	dv_http *http;
	char *name;
	dv_web_place at;
	dv_web_auth auth;
	atomic_bool answered;	/* the server gave something out */
	atomic_bool no_head, warned;
} web_remote;

static void web_close(dv_remote *r)
{
	web_remote *w = (web_remote *)r;

	if (!w)
		return;
	dv_http_free(w->http);
	dv_web_place_release(&w->at);
	dv_web_auth_release(&w->auth);
	free(w->name);
	free(w);
}
static void web_close_p(web_remote **w)
{
	web_close((dv_remote *)*w);
}

static int open_as(const dv_driver *driver, dv_remote **out, const char *url,
		   const dv_driver_options *o)
{
	__attribute__((cleanup(web_close_p))) web_remote *w = dv_calloc(1, sizeof *w);
	dv_http_options http;

	if (!w || !(w->name = dv_strdup(o->name ? o->name : "")))
		return DV_ERROR;
	dv_http_settings(&http, o);
	int rc = dv_web_place_read(&w->at, url);
	if (rc || (rc = dv_web_auth_read(&w->auth, o, &w->at)) ||
	    (rc = dv_http_new(&w->http, &http)))
		return rc;
	w->base.driver = driver;
	w->base.jobs = JOBS;
	*out = &w->base;
	w = NULL;
	return 0;
}

static int http_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	return open_as(&dv_driver_http, out, url, o);
}

static int https_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	return open_as(&dv_driver_https, out, url, o);
}

/* -- requests ---------------------------------------------------------------------------------- */

/* One GET or HEAD, and what it is to bring. */
typedef struct asking {
	web_remote *w;
	const char *name;
	uint64_t offset, length;	/* what is wanted; UINT64_MAX: to the end */
	uint64_t skip, left;		/* of what comes */
	uint64_t got;			/* went to the sink */
	uint64_t total;			/* size of the file, UINT64_MAX when unknown */
	bool part;			/* a part was asked for */
	dv_sink_cb sink;
	void *payload;
} asking;

static int bad_answer(const asking *a, const char *why)
{
	return dv_err(DV_ERROR, "the answer for '%s' %s", a->name, why);
}

/* "bytes 5-9/100": the first byte and the size of all, which may be '*'. */
static bool read_content_range(const char *v, uint64_t *first, uint64_t *total)
{
	char *end;

	if (strncasecmp(v, "bytes ", 6) != 0 || v[6] < '0' || v[6] > '9')
		return false;
	*first = strtoull(v + 6, &end, 10);
	if (*end != '-' || !(end = strchr(end, '/')))
		return false;
	*total = end[1] >= '0' && end[1] <= '9' ? strtoull(end + 1, NULL, 10) : UINT64_MAX;
	return true;
}

static uint64_t content_length(const dv_http_answer *an)
{
	char v[32], *end;

	if (!dv_http_header(an, "content-length", v, sizeof v) || *v < '0' || *v > '9')
		return UINT64_MAX;
	uint64_t n = strtoull(v, &end, 10);
	return *end ? UINT64_MAX : n;
}

/* Before the first byte: what will come, and what of it is wanted. */
static int on_begin(const dv_http_answer *an, void *payload)
{
	asking *a = payload;
	uint64_t first = 0, total = UINT64_MAX;
	char v[128];

	if (dv_http_header(an, "content-encoding", v, sizeof v) && *v &&
	    strcasecmp(v, "identity") != 0)
		return dv_err_hint(bad_answer(a, "is compressed"),
				   "let the server send files as they are");
	if (an->status == 206) {
		if (!dv_http_header(an, "content-range", v, sizeof v) ||
		    !read_content_range(v, &first, &total) || first > a->offset)
			return bad_answer(a, "is not the part that was asked for");
	} else if (an->status == 200) {
		total = content_length(an);
	} else {
		return dv_err(DV_ERROR, "'%s': the server answers HTTP %d", a->name, an->status);
	}
	a->skip = a->offset - first;
	a->total = total;
	if (an->status == 200 && a->part && !atomic_exchange(&a->w->warned, true))
		dv_warn("the server of remote '%s' does not give out parts of files: they are "
			"fetched whole", a->w->name);
	return 0;
}

static int on_bytes(const void *p, size_t n, void *payload)
{
	asking *a = payload;
	const char *s = p;

	if (n <= a->skip) {
		a->skip -= n;
		return 0;
	}
	s += a->skip, n -= (size_t)a->skip;
	a->skip = 0;
	/* Only what is too much ends the answer: one that is read to its end leaves a connection
	 * that can be used again. */
	bool surplus = n > a->left;
	if (surplus)
		n = (size_t)a->left;
	int rc = n && a->sink ? a->sink(s, n, a->payload) : 0;
	if (rc)
		return rc;
	a->left -= n;
	a->got += n;
	return surplus ? ENOUGH : 0;
}

/* What is missing on servers that hide it: those that do not list answer 403 for a file that is
 * not there. Once the server gave something out, that is what it means. */
static int status_error(const web_remote *w, const dv_http_answer *an, const char *name)
{
	char what[300];

	snprintf(what, sizeof what, "'%s'", name);
	if (an->status == 403 && atomic_load(&w->answered))
		return dv_err(DV_ENOTFOUND, "%s is not there, or not for everybody (HTTP 403)",
			      what);
	int rc = dv_http_status_error(an, what);
	if (an->status == 401 && !w->auth.user && !w->auth.n)
		return dv_err_hint(rc, "set the remote's 'auth' to 'basic' or 'bearer', and put "
				   "the login for '%s' into ~/.netrc", w->at.host);
	if (an->status == 401 || an->status == 403)
		return dv_err_hint(rc, "check the login for '%s'; 'dv help remote' tells where it "
				   "comes from", w->at.host);
	return rc;
}

static int perform(const asking *a, const char *method, const char *range, dv_http_answer *an)
{
	const web_remote *w = a->w;
	dv_autofree const char **headers = dv_calloc(w->auth.n + 2, sizeof *headers);
	dv_auto(dv_buf) url = DV_BUF_INIT;
	size_t n = 0;

	if (!headers || dv_buf_addf(&url, "%s/%s", w->at.base, a->name))
		return headers ? url.err : DV_ERROR;
	for (size_t i = 0; i < w->auth.n; i++)
		headers[n++] = w->auth.headers[i];
	headers[n++] = "Accept-Encoding: identity";
	if (range)
		headers[n++] = range;
	dv_http_request q = DV_HTTP_REQUEST_INIT;
	q.method = method;
	q.url = url.p;
	q.headers = headers;
	q.nheaders = n;
	q.user = w->auth.user;
	q.password = w->auth.password;
	q.follow = true;
	if (*method == 'G') {
		q.begin = on_begin;
		q.sink = on_bytes;
		q.payload = (void *)a;
	}
	return dv_http_perform(w->http, &q, an);
}

/* Asks for the rest of what is wanted; *done when there is no more. */
static int get_some(asking *a, bool *done)
{
	dv_auto(dv_http_answer) an = DV_HTTP_ANSWER_INIT;
	uint64_t before = a->got, left = a->left;
	char range[80];

	a->part = a->offset > 0 || left != UINT64_MAX;
	if (left == UINT64_MAX)
		snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", a->offset);
	else
		snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, a->offset,
			 a->offset + left - 1);
	a->total = UINT64_MAX;
	int rc = perform(a, "GET", a->part ? range : NULL, &an);
	if (rc == ENOUGH)
		rc = 0;
	if (rc)
		return rc;
	*done = true;
	if (an.status == 416) {
		atomic_store(&a->w->answered, true);
		return 0;
	}
	if (an.status != 200 && an.status != 206)
		return status_error(a->w, &an, a->name);
	atomic_store(&a->w->answered, true);
	/* A server may give less of a part than it was asked for. */
	a->offset += a->got - before;
	if (an.status == 206 && a->left > 0 && a->got > before && a->total != UINT64_MAX)
		*done = a->offset >= a->total;
	return 0;
}

static int web_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		   dv_sink_cb sink, void *payload)
{
	asking a = { .w = (web_remote *)r, .name = name, .offset = offset, .sink = sink,
		     .payload = payload };
	bool done = length == 0;
	int rc = 0;

	if (length > UINT64_MAX - offset)
		length = UINT64_MAX;
	a.left = length;
	while (rc == 0 && !done)
		rc = get_some(&a, &done);
	return rc;
}

/* The size by asking for one byte; where the server does not tell, all of them are counted. */
static int stat_by_get(web_remote *w, const char *name, uint64_t *size)
{
	dv_auto(dv_http_answer) an = DV_HTTP_ANSWER_INIT;
	asking a = { .w = w, .name = name, .left = 1, .total = UINT64_MAX };
	int rc = perform(&a, "GET", "Range: bytes=0-0", &an);

	if (rc && rc != ENOUGH)
		return rc;
	if (an.status == 416) {
		*size = 0;
	} else if (an.status != 200 && an.status != 206) {
		return status_error(w, &an, name);
	} else if (a.total != UINT64_MAX) {
		*size = a.total;
	} else {
		asking all = { .w = w, .name = name, .left = UINT64_MAX };
		bool done = false;

		if ((rc = get_some(&all, &done)))
			return rc;
		*size = all.got;
	}
	atomic_store(&w->answered, true);
	return 0;
}

static int web_stat(dv_remote *r, const char *name, uint64_t *size)
{
	web_remote *w = (web_remote *)r;
	dv_auto(dv_http_answer) an = DV_HTTP_ANSWER_INIT;
	const asking a = { .w = w, .name = name };
	char v[64];

	if (atomic_load(&w->no_head))
		return stat_by_get(w, name, size);
	int rc = perform(&a, "HEAD", NULL, &an);
	if (rc)
		return rc;
	switch (an.status) {
	case 200:
		*size = content_length(&an);
		if (*size == UINT64_MAX ||
		    dv_http_header(&an, "content-encoding", v, sizeof v) != NULL)
			return stat_by_get(w, name, size);
		atomic_store(&w->answered, true);
		return 0;
	case 400:
	case 405:
	case 501:
		atomic_store(&w->no_head, true);
		return stat_by_get(w, name, size);
	default:
		return status_error(w, &an, name);
	}
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool read_date(const char *v, int64_t *ns)
{
	struct tm tm = { 0 };
	const char *end = strptime(v, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!end || *end)
		return false;
	*ns = (int64_t)timegm(&tm) * INT64_C(1000000000);
	return *ns > 0;
}

static int web_look(dv_remote *r, const char *name, dv_remote_look *out)
{
	web_remote *w = (web_remote *)r;
	dv_auto(dv_http_answer) an = DV_HTTP_ANSWER_INIT;
	const asking a = { .w = w, .name = name };
	char v[128];
	int rc = perform(&a, "HEAD", NULL, &an);

	*out = (dv_remote_look){ 0 };
	if (rc)
		return rc;
	if (an.status == 400 || an.status == 405 || an.status == 501)
		return 0;	/* it does not tell */
	if (an.status != 200)
		return status_error(w, &an, name);
	atomic_store(&w->answered, true);
	out->size = content_length(&an);
	out->has_size = out->size != UINT64_MAX;
	if (!dv_http_header(&an, "etag", out->etag, sizeof out->etag))
		out->etag[0] = 0;
	out->has_mtime = dv_http_header(&an, "last-modified", v, sizeof v) &&
			 read_date(v, &out->mtime_ns);
	return 0;
}

/* -- what a web server does not do ------------------------------------------------------------- */

static int read_only(void)
{
	return dv_err(DV_EUSAGE, "a web server can only be read");
}

static int web_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	(void)r, (void)name, (void)fd, (void)size;
	return read_only();
}

static int web_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	(void)r, (void)name, (void)p, (void)n;
	return read_only();
}

static int web_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	(void)r, (void)dir, (void)after, (void)cb, (void)payload;
	return dv_err(DV_EUSAGE, "a web server lists nothing");
}

static int web_remove(dv_remote *r, const char *name)
{
	(void)r, (void)name;
	return read_only();
}

#define WEB_DRIVER(s)                                                                              \
	{                                                                                          \
		.version = 2, .scheme = #s, .open = s##_open, .close = web_close,                  \
		.stat = web_stat, .get = web_get, .put = web_put,                                  \
		.put_if_absent = web_put_if_absent, .list = web_list, .remove = web_remove,        \
		.look = web_look,                                                                  \
	}

const dv_driver dv_driver_http = WEB_DRIVER(http);
const dv_driver dv_driver_https = WEB_DRIVER(https);
