/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine behind http.h. A line is an easy handle in a multi handle of its own: it keeps its
 * connections, serves one request at a time in the thread that asks, and waits in a list while
 * nobody needs it. Waiting is done here and not in libcurl, so that cancelling and stalls are seen
 * within a fifth of a second. Redirects are followed here too: what goes where is a question of
 * secrets.
 */
#include "remotes/http.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fs.h"
#include "remotes/curl.h"

#define WAIT_MS 200
#define CONNECT_SECONDS 20u
#define REDIRECTS_MAX 10
#define HEADERS_MAX (64u << 10)
#define ERROR_BODY_MAX (64u << 10)

typedef struct line {
	CURL *easy;
	CURLM *multi;
	struct line *next;
} line;

struct dv_http {
	const dv_curl *curl;
	char *cafile, *clientcert, *clientkey;
	bool insecure, direct;
	unsigned stall_ms, connect_ms;
	CURLSH *share;
	pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
	pthread_mutex_t lock;	/* of idle */
	line *idle;
};

/* A request that is under way. */
typedef struct transfer {
	const dv_curl *curl;
	const dv_http_request *q;
	dv_http_answer *a;
	CURL *easy;
	uint64_t sent, told;	/* of the body */
	bool begun;	/* the sink got something */
	int rc;		/* a callback's failure, with its record in this thread */
	char detail[CURL_ERROR_SIZE];
} transfer;

/* -- the object -------------------------------------------------------------------------------- */

static void share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *payload)
{
	dv_http *h = payload;

	(void)easy;
	(void)access;
	pthread_mutex_lock(&h->share_locks[data]);
}
static void share_unlock(CURL *easy, curl_lock_data data, void *payload)
{
	dv_http *h = payload;

	(void)easy;
	pthread_mutex_unlock(&h->share_locks[data]);
}

/* Names and TLS sessions are found once and used by all lines. */
static int share_new(dv_http *h)
{
	const dv_curl *c = h->curl;

	h->share = c->share_init();
	if (!h->share)
		return dv_err_nomem();
	c->share_setopt(h->share, CURLSHOPT_LOCKFUNC, share_lock);
	c->share_setopt(h->share, CURLSHOPT_UNLOCKFUNC, share_unlock);
	c->share_setopt(h->share, CURLSHOPT_USERDATA, h);
	c->share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	c->share_setopt(h->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
	return 0;
}

static int copy_string(char **out, const char *s)
{
	*out = s ? dv_strdup(s) : NULL;
	return s && !*out ? DV_ERROR : 0;
}

int dv_http_new(dv_http **out, const dv_http_options *o)
{
	const dv_curl *c = dv_curl_load();
	dv_autoptr(dv_http) h = NULL;
	int rc;

	if (!c || !(h = dv_calloc(1, sizeof *h)))
		return DV_ERROR;
	h->curl = c;
	pthread_mutex_init(&h->lock, NULL);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_init(&h->share_locks[i], NULL);
	if ((rc = copy_string(&h->cafile, o->cafile)) ||
	    (rc = copy_string(&h->clientcert, o->clientcert)) ||
	    (rc = copy_string(&h->clientkey, o->clientkey)) || (rc = share_new(h)))
		return rc;
	h->insecure = o->insecure;
	h->direct = o->direct;
	h->stall_ms = 1000 * (o->stall_seconds ? o->stall_seconds : DV_HTTP_STALL_SECONDS);
	h->connect_ms = 1000 * (o->connect_seconds ? o->connect_seconds : CONNECT_SECONDS);
	*out = dv_steal(&h);
	return 0;
}

void dv_http_settings(dv_http_options *out, const dv_driver_options *o)
{
	const char *timeout = dv_driver_setting(o, "timeout");
	unsigned long seconds = timeout ? strtoul(timeout, NULL, 10) : 0;

	*out = (dv_http_options){
		.cafile = dv_driver_setting(o, "cafile"),
		.clientcert = dv_driver_setting(o, "clientcert"),
		.clientkey = dv_driver_setting(o, "clientkey"),
		.insecure = dv_driver_flag(o, "insecure"),
		.stall_seconds = seconds > 86400 ? 86400 : (unsigned)seconds,
	};
	if (out->stall_seconds && out->stall_seconds < CONNECT_SECONDS)
		out->connect_seconds = out->stall_seconds;
}

static void line_free(const dv_curl *c, line *l)
{
	if (!l)
		return;
	if (l->easy)
		c->easy_cleanup(l->easy);
	if (l->multi)
		c->multi_cleanup(l->multi);
	free(l);
}

void dv_http_free(dv_http *h)
{
	if (!h)
		return;
	while (h->idle) {
		line *l = h->idle;

		h->idle = l->next;
		line_free(h->curl, l);
	}
	if (h->share)
		h->curl->share_cleanup(h->share);
	for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
		pthread_mutex_destroy(&h->share_locks[i]);
	pthread_mutex_destroy(&h->lock);
	free(h->cafile);
	free(h->clientcert);
	free(h->clientkey);
	free(h);
}

/* -- lines ------------------------------------------------------------------------------------- */

/* The newest idle line, whose connection is the likeliest to be open still; or a new one. */
static int line_take(dv_http *h, line **out)
{
	const dv_curl *c = h->curl;

	pthread_mutex_lock(&h->lock);
	line *l = h->idle;
	if (l)
		h->idle = l->next;
	pthread_mutex_unlock(&h->lock);
	if (!l) {
		l = dv_calloc(1, sizeof *l);
		if (!l)
			return DV_ERROR;
		l->easy = c->easy_init();
		l->multi = c->multi_init();
		if (!l->easy || !l->multi) {
			line_free(c, l);
			return dv_err_nomem();
		}
		c->multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, 4L);
	}
	l->next = NULL;
	*out = l;
	return 0;
}

static void line_give_back(dv_http *h, line *l)
{
	h->curl->easy_reset(l->easy);
	pthread_mutex_lock(&h->lock);
	l->next = h->idle;
	h->idle = l;
	pthread_mutex_unlock(&h->lock);
}

/* -- callbacks --------------------------------------------------------------------------------- */

static size_t on_header(char *p, size_t one, size_t n, void *payload)
{
	transfer *t = payload;
	dv_buf *b = &t->a->headers;
	size_t len = n * one;

	while (len > 0 && (p[len - 1] == '\n' || p[len - 1] == '\r'))
		len--;
	if (len >= 5 && memcmp(p, "HTTP/", 5) == 0) {
		/* A new answer: what a 1xx said before it does not count. */
		const char *space = memchr(p, ' ', len);

		dv_buf_clear(b);
		t->a->status = 0;
		for (size_t i = 1; space && i <= 3 && space + i < p + len; i++)
			if (isdigit((unsigned char)space[i]))
				t->a->status = t->a->status * 10 + (space[i] - '0');
		return n * one;
	}
	const char *colon = memchr(p, ':', len);
	if (!colon || memchr(p, '\0', len))
		return n * one;
	if (b->n + len + 1 > HEADERS_MAX) {
		t->rc = dv_err(DV_ERROR, "the server sent too many headers");
		return 0;
	}
	for (const char *s = p; s < colon; s++)
		dv_buf_addc(b, (char)tolower((unsigned char)*s));
	const char *value = colon + 1;
	while (value < p + len && (*value == ' ' || *value == '\t'))
		value++;
	dv_buf_adds(b, ": ");
	dv_buf_add(b, value, (size_t)(p + len - value));
	dv_buf_addc(b, '\n');
	t->rc = b->err;
	return t->rc ? 0 : n * one;
}

static bool is_success(int status)
{
	return status >= 200 && status < 300;
}

static size_t on_body(char *p, size_t one, size_t n, void *payload)
{
	transfer *t = payload;
	dv_http_answer *a = t->a;
	size_t len = n * one;

	if (!is_success(a->status)) {
		size_t room = a->body.n < ERROR_BODY_MAX ? ERROR_BODY_MAX - a->body.n : 0;

		t->rc = dv_buf_add(&a->body, p, len < room ? len : room);
	} else if (!t->q->sink) {
		if (len > DV_HTTP_TEXT_MAX - a->body.n)
			t->rc = dv_err(DV_ERROR, "the server's answer is too long");
		else
			t->rc = dv_buf_add(&a->body, p, len);
	} else {
		if (!t->begun && t->q->begin)
			t->rc = t->q->begin(a, t->q->payload);
		t->begun = true;
		if (t->rc == 0)
			t->rc = t->q->sink(p, len, t->q->payload);
		if (t->rc == 0)
			a->received += len;
	}
	return t->rc ? 0 : len;
}

static size_t on_read(char *p, size_t one, size_t n, void *payload)
{
	transfer *t = payload;
	const dv_http_request *q = t->q;
	uint64_t left = q->n - t->sent;
	size_t want = n * one, got = 0;

	if (want > left)
		want = (size_t)left;
	if (want == 0)
		return 0;
	if (q->body) {
		memcpy(p, (const char *)q->body + t->sent, want);
		got = want;
	} else if (dv_fs_pread_all(q->fd, p, want, (off_t)(q->offset + t->sent), &got) &&
		   got == 0) {
		t->rc = dv_err_sys("cannot read what is sent");
		return CURL_READFUNC_ABORT;
	}
	if (got == 0) {
		t->rc = dv_err(DV_ERROR, "the file that is sent became shorter");
		return CURL_READFUNC_ABORT;
	}
	/* What is sent anew, after a kept connection turned out to be closed, was told before. */
	if (q->remote && t->sent + got > t->told) {
		t->rc = dv_remote_sending(q->remote, (size_t)(t->sent + got - t->told));
		if (t->rc)
			return CURL_READFUNC_ABORT;
		t->told = t->sent + got;
	}
	t->sent += got;
	return got;
}

/* A kept connection may turn out to be closed: the body is then sent again on a new one. */
static int on_seek(void *payload, curl_off_t offset, int origin)
{
	transfer *t = payload;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->q->n)
		return CURL_SEEKFUNC_FAIL;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* -- setting up -------------------------------------------------------------------------------- */

/* "host" or "host:port" of a URL, for messages. */
static void url_host(char out[256], const char *url)
{
	const char *p = strstr(url, "://");

	p = p ? p + 3 : url;
	size_t n = strcspn(p, "/?#");
	for (size_t i = n; i-- > 0;)
		if (p[i] == '@') {
			p += i + 1;
			n -= i + 1;
			break;
		}
	snprintf(out, 256, "%.*s", n < 255 ? (int)n : 255, p);
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

static bool is_http(const char *url)
{
	return strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
}

static int check_request(const dv_http_request *q)
{
	if (!is_http(q->url))
		return dv_err(DV_EUSAGE, "only http and https URLs can be asked for");
	if (has_control(q->url) || has_control(q->method))
		return dv_err(DV_EUNSAFE, "refused a URL with control characters");
	for (size_t i = 0; i < q->nheaders; i++)
		if (has_control(q->headers[i]))
			return dv_err(DV_EUNSAFE, "refused a header with control characters");
	return 0;
}

typedef struct header_list {
	const dv_curl *curl;
	struct curl_slist *list;
} header_list;
static void header_list_release(header_list *h)
{
	if (h->list)
		h->curl->slist_free_all(h->list);
}

static int header_list_add(header_list *h, const char *s)
{
	struct curl_slist *more = h->curl->slist_append(h->list, s);

	if (!more)
		return dv_err_nomem();
	h->list = more;
	return 0;
}

/* What may go to a host that was not asked for: nothing that could be a secret. */
static bool may_travel(const char *header)
{
	return strncasecmp(header, "range:", 6) == 0 || strncasecmp(header, "accept:", 7) == 0;
}

static int fill_headers(header_list *l, const dv_http_request *q, bool foreign)
{
	/* Waiting for "100 Continue" costs a round trip, or a second where it is not known. */
	int rc = header_list_add(l, "Expect:");

	for (size_t i = 0; rc == 0 && i < q->nheaders; i++)
		if (!foreign || may_travel(q->headers[i]))
			rc = header_list_add(l, q->headers[i]);
	return rc;
}

static void set_connection(const dv_http *h, CURL *e)
{
	const dv_curl *c = h->curl;

	c->easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	c->easy_setopt(e, CURLOPT_SHARE, h->share);
	c->easy_setopt(e, CURLOPT_USERAGENT, "dv/" DV_VERSION);
	c->easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	c->easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
	c->easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	c->easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
	c->easy_setopt(e, CURLOPT_BUFFERSIZE, 512L << 10);
	c->easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
	c->easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	c->easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	c->easy_setopt(e, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
	c->easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name that does not resolve must not hold up cancelling. */
	c->easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
#endif
	if (h->cafile)
		c->easy_setopt(e, CURLOPT_CAINFO, h->cafile);
	if (h->direct)
		c->easy_setopt(e, CURLOPT_NOPROXY, "*");
	if (h->insecure) {
		c->easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		c->easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static void set_request(const dv_http *h, transfer *t, const char *url, const header_list *headers,
			bool foreign)
{
	const dv_curl *c = h->curl;
	const dv_http_request *q = t->q;
	CURL *e = t->easy;

	c->easy_setopt(e, CURLOPT_URL, url);
	c->easy_setopt(e, CURLOPT_HTTPHEADER, headers->list);
	c->easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
	c->easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	c->easy_setopt(e, CURLOPT_HEADERDATA, t);
	c->easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	c->easy_setopt(e, CURLOPT_WRITEDATA, t);
	if (strcmp(q->method, "HEAD") == 0) {
		c->easy_setopt(e, CURLOPT_NOBODY, 1L);
	} else if (q->body || q->fd >= 0 || strcmp(q->method, "PUT") == 0 ||
		   strcmp(q->method, "POST") == 0) {
		c->easy_setopt(e, CURLOPT_UPLOAD, 1L);
		c->easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->n);
		c->easy_setopt(e, CURLOPT_READFUNCTION, on_read);
		c->easy_setopt(e, CURLOPT_READDATA, t);
		c->easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
		c->easy_setopt(e, CURLOPT_SEEKDATA, t);
		c->easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
	} else if (strcmp(q->method, "GET") != 0) {
		c->easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
	}
	if (foreign)
		return;
	if (q->user) {
		c->easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		c->easy_setopt(e, CURLOPT_USERNAME, q->user);
		c->easy_setopt(e, CURLOPT_PASSWORD, q->password ? q->password : "");
	}
	if (h->clientcert) {
		c->easy_setopt(e, CURLOPT_SSLCERT, h->clientcert);
		c->easy_setopt(e, CURLOPT_SSLKEY, h->clientkey ? h->clientkey : h->clientcert);
	}
}

/* -- running ----------------------------------------------------------------------------------- */

/* How much moved so far, in either direction. */
static uint64_t moved(const transfer *t)
{
	curl_off_t up = 0, down = 0;
	long headers = 0;

	t->curl->easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
	t->curl->easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
	t->curl->easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &headers);
	return (uint64_t)up + (uint64_t)down + (uint64_t)headers;
}

static int transfer_error(const transfer *t, CURLcode code, const char *host)
{
	const char *text = t->curl->easy_strerror(code);
	const char *detail = t->detail[0] ? t->detail : text;
	int rc;

	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		rc = dv_err(DV_EUNSAFE, "'%s' is not to be trusted: %s", host, detail);
		return dv_err_hint(rc, "check the URL; an authority of your own is named by the "
				       "remote's setting 'cafile'");
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
		return dv_err(DV_ERROR, "cannot talk to '%s': %s", host, detail);
	case CURLE_OUT_OF_MEMORY:
		return dv_err_nomem();
	case CURLE_URL_MALFORMAT:
	case CURLE_LOGIN_DENIED:
		rc = dv_err(DV_EUSAGE, "the URL of '%s' cannot be used: %s", host, text);
		return dv_err_hint(rc, "write it as https://HOST[:PORT]/PATH, without a user");
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_FUNCTION_ARGUMENT:
	case CURLE_NOT_BUILT_IN:
		return dv_err(DV_ERROR, "cannot talk to '%s': %s", host, text);
	case CURLE_COULDNT_CONNECT: {
		long no = 0;

		t->curl->easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &no);
		return dv_err(DV_ETRANSIENT, "cannot connect to '%s': %s", host,
			      no ? strerror((int)no) : text);
	}
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return dv_err(DV_ETRANSIENT, "cannot find '%s': %s", host, text);
	default:
		return dv_err(DV_ETRANSIENT, "the connection to '%s' broke: %s", host, text);
	}
}

/* Moves bytes until the transfer is over, one way or another. */
static int run(const dv_http *h, transfer *t, CURLM *multi, uint64_t started, const char *host)
{
	const dv_curl *c = h->curl;
	uint64_t last = 0, changed = dv_clock_ms();
	int running = 1, queued;

	for (;;) {
		CURLMcode mc = c->multi_perform(multi, &running);
		const CURLMsg *m;

		if (mc)
			return dv_err(DV_ERROR, "cannot talk to '%s': %s", host,
				      c->multi_strerror(mc));
		while ((m = c->multi_info_read(multi, &queued)) != NULL)
			if (m->msg == CURLMSG_DONE) {
				if (t->rc)
					return t->rc;
				return m->data.result ?
					transfer_error(t, m->data.result, host) : 0;
			}
		if (t->rc)
			return t->rc;
		int rc = dv_check_cancel();
		if (rc)
			return rc;
		uint64_t n = moved(t), now = dv_clock_ms();
		if (n != last) {
			last = n;
			changed = now;
		}
		if (now - changed >= h->stall_ms)
			return dv_err(DV_ETRANSIENT, "'%s' stalled: not a byte in %u seconds", host,
				      h->stall_ms / 1000);
		if (t->q->deadline_ms && now - started >= t->q->deadline_ms)
			return dv_err(DV_ETRANSIENT, "'%s' took longer than %u ms", host,
				      t->q->deadline_ms);
		c->multi_poll(multi, NULL, 0, WAIT_MS, NULL);
	}
}

static int perform_on(dv_http *h, line *l, transfer *t, const char *url, bool foreign,
		      uint64_t started)
{
	dv_auto(header_list) headers = { .curl = h->curl };
	char host[256];
	int rc = fill_headers(&headers, t->q, foreign);

	if (rc)
		return rc;
	url_host(host, url);
	set_connection(h, l->easy);
	set_request(h, t, url, &headers, foreign);
	if (h->curl->multi_add_handle(l->multi, l->easy))
		return dv_err_nomem();
	rc = run(h, t, l->multi, started, host);
	h->curl->multi_remove_handle(l->multi, l->easy);
	h->curl->easy_reset(l->easy);
	return rc;
}

/* TLS of old versions of libcurl writes to its socket without MSG_NOSIGNAL. */
static int perform_quietly(dv_http *h, line *l, transfer *t, const char *url, bool foreign,
			   uint64_t started)
{
	const struct timespec none = { 0 };
	sigset_t pipe_set, before, pending;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &before);
	int rc = perform_on(h, l, t, url, foreign, started);
	if (!sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR)
			continue;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void answer_clear(dv_http_answer *a)
{
	a->status = 0;
	a->received = 0;
	dv_buf_clear(&a->headers);
	dv_buf_clear(&a->body);
}

/* One request and its answer, wherever a redirect may point. */
static int once(dv_http *h, const dv_http_request *q, dv_http_answer *a, const char *url,
		bool foreign, uint64_t started)
{
	line *l = NULL;
	int rc = line_take(h, &l);

	if (rc)
		return rc;
	answer_clear(a);
	transfer t = { .curl = h->curl, .q = q, .a = a, .easy = l->easy };
	rc = perform_quietly(h, l, &t, url, foreign, started);
	line_give_back(h, l);
	if (rc == 0 && a->status < 200) {
		char host[256];

		url_host(host, url);
		rc = dv_err(DV_ETRANSIENT, "'%s' sent an answer without a status", host);
	}
	return rc;
}

/* -- redirects --------------------------------------------------------------------------------- */

/* Scheme, host and port of a URL in one form, NULL when it has none. Owned. */
static char *origin_of(const dv_curl *c, CURLU *u)
{
	static const CURLUPart parts[] = { CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT };
	dv_auto(dv_buf) b = DV_BUF_INIT;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char *s = NULL;

		if (c->url_get(u, parts[i], &s, CURLU_DEFAULT_PORT))
			return NULL;
		for (const char *p = s; *p; p++)
			dv_buf_addc(&b, (char)tolower((unsigned char)*p));
		dv_buf_addc(&b, ' ');
		c->free(s);
	}
	return b.err ? NULL : dv_buf_detach(&b);
}

static int refuse(const char *host, const char *why)
{
	return dv_err(DV_EUNSAFE, "'%s' redirects %s", host, why);
}

/* Where `location`, as seen from `url`, leads; owned. */
static int resolve(const dv_curl *c, CURLU *u, const char *url, const char *location, char **out,
		   bool *foreign)
{
	dv_autofree char *from = NULL, *to = NULL;
	char host[256], *full = NULL;

	url_host(host, url);
	if (c->url_set(u, CURLUPART_URL, url, 0) || !(from = origin_of(c, u)) ||
	    has_control(location) || c->url_set(u, CURLUPART_URL, location, 0) ||
	    !(to = origin_of(c, u)))
		return refuse(host, "to what is no URL");
	/* A user in it would be credentials that a stranger chose. */
	c->url_set(u, CURLUPART_USER, NULL, 0);
	c->url_set(u, CURLUPART_PASSWORD, NULL, 0);
	c->url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	if (strncmp(to, "http ", 5) != 0 && strncmp(to, "https ", 6) != 0)
		return refuse(host, "to another protocol");
	if (strncmp(from, "https ", 6) == 0 && strncmp(to, "https ", 6) != 0)
		return refuse(host, "from https to http");
	if (strcmp(from, to) != 0)
		*foreign = true;
	if (c->url_get(u, CURLUPART_URL, &full, 0))
		return refuse(host, "to what is no URL");
	*out = dv_strdup(full);
	c->free(full);
	return *out ? 0 : DV_ERROR;
}

static bool is_redirect(const dv_http_request *q, const dv_http_answer *a)
{
	static const int statuses[] = { 301, 302, 303, 307, 308 };

	if (!q->follow || (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0))
		return false;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (a->status == statuses[i])
			return true;
	return false;
}

int dv_http_perform(dv_http *h, const dv_http_request *q, dv_http_answer *a)
{
	dv_autofree char *url = NULL;
	char location[4096], host[256];
	uint64_t started = dv_clock_ms();
	bool foreign = false;
	int rc = check_request(q);

	answer_clear(a);
	if (rc || (rc = dv_check_cancel()))
		return rc;
	for (int i = 0; i <= REDIRECTS_MAX; i++) {
		dv_autofree char *next = NULL;

		rc = once(h, q, a, url ? url : q->url, foreign, started);
		if (rc || !is_redirect(q, a) ||
		    !dv_http_header(a, "location", location, sizeof location))
			return rc;
		CURLU *u = h->curl->url();
		if (!u)
			return dv_err_nomem();
		rc = resolve(h->curl, u, url ? url : q->url, location, &next, &foreign);
		h->curl->url_cleanup(u);
		if (rc)
			return rc;
		free(url);
		url = dv_steal(&next);
	}
	url_host(host, q->url);
	return dv_err(DV_ERROR, "'%s' redirects in circles", host);
}
