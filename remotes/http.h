/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests for the drivers that speak it: connections are kept and used again, bodies stream
 * from files and into sinks, and what went wrong on the way is told apart from what the server
 * said. libcurl does the work; it is loaded when the first dv_http is made, so that commands which
 * need no network do not pay for it.
 */
#ifndef DV_REMOTES_HTTP_H
#define DV_REMOTES_HTTP_H

#include "base/buf.h"
#include "transfer/remote_driver.h"

#define DV_HTTP_STALL_SECONDS 30	/* without a byte, when the settings do not say */
#define DV_HTTP_TEXT_MAX ((size_t)8 << 20)	/* of an answer that goes to no sink */

typedef struct dv_http dv_http;
struct dv_http_answer;

/** Borrowed during dv_http_new only; NULL and 0 mean the usual. */
typedef struct dv_http_options {
	const char *cafile, *clientcert, *clientkey;
	bool insecure;		/* certificates are not checked */
	bool direct;		/* never through a proxy: what is asked is beside us */
	unsigned stall_seconds;	/* a request that moves no byte for so long has failed */
	unsigned connect_seconds;
} dv_http_options;

/** Any thread; the object is free-threaded: each request takes a connection that is idle, or
 *  makes one. DV_ERROR with a hint when libcurl is not installed. */
int dv_http_new(dv_http **out, const dv_http_options *o) DV_MUST_CHECK;
/** Fills the options from settings (cafile, clientcert, clientkey, insecure, timeout). */
void dv_http_settings(dv_http_options *out, const dv_driver_options *o);
/** No request may be running. NULL is fine. */
void dv_http_free(dv_http *h);
DV_DEFINE_AUTOPTR(dv_http)

/** One request. All is borrowed until dv_http_perform returns. */
typedef struct dv_http_request {
	const char *method, *url;
	const char *const *headers;	/* "Name: value" */
	size_t nheaders;
	/* The body: `n` bytes from `body`, or, when that is NULL and fd is not negative, from `fd`
	 * at `offset`. */
	const void *body;
	int fd;
	uint64_t offset, n;
	const dv_remote *remote;	/* is told of the bytes of the body as they go; or NULL */
	dv_sink_cb sink;		/* gets the body of a 2xx answer; NULL: the answer does */
	void *payload;			/* of both */
	/* Called before the first byte goes to the sink, when status and headers are known; not
	 * zero ends the request and is returned. NULL: every 2xx is welcome. */
	int (*begin)(const struct dv_http_answer *a, void *payload);
	const char *user, *password;	/* basic authentication; NULL: none */
	/* Follow redirects of GET and HEAD: never from https to http, and to another scheme, host
	 * or port with neither credentials nor headers (but Range and Accept). */
	bool follow;
	unsigned deadline_ms;		/* for all of it; 0: only stalls end it */
} dv_http_request;
#define DV_HTTP_REQUEST_INIT { .fd = -1 }

typedef struct dv_http_answer {
	int status;
	dv_buf headers;		/* "name: value\n", names in lower case, of the last answer */
	dv_buf body;		/* of other than 2xx always, cut at 64 KiB; else without a sink */
	uint64_t received;	/* bytes that went to the sink */
} dv_http_answer;
#define DV_HTTP_ANSWER_INIT { 0 }
void dv_http_answer_release(dv_http_answer *a);

/** Performs a request, in the calling thread. The URL is http or https and holds no user: those
 *  come apart. 0 when the server answered, whatever the status; what the sink returned,
 *  DV_ECANCELLED within a second of dv_cancel(), DV_ETRANSIENT for names that do not resolve,
 *  refused and broken connections, stalls and answers cut short, DV_EUNSAFE for a certificate that
 *  is not trusted and for a redirect that must not be followed. Messages name the host, never the
 *  path, the query, a header or a password. `a` is filled anew; after a failure it holds what came
 *  until then. */
int dv_http_perform(dv_http *h, const dv_http_request *q, dv_http_answer *a) DV_MUST_CHECK;
/** A header of the answer by its lower-case name, or NULL; copied into `out` (of `size`). */
const char *dv_http_header(const dv_http_answer *a, const char *name, char *out, size_t size);
/** Records a failure for a status that is none of the caller's: 401 and 403 DV_EAUTH, 404
 *  DV_ENOTFOUND, 408, 429 and 5xx DV_ETRANSIENT with Retry-After noted, else DV_ERROR. `what` names
 *  what was asked for. */
int dv_http_status_error(const dv_http_answer *a, const char *what);

#endif
