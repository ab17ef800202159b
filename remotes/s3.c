/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver for S3 and what speaks like it. An object appears whole or not at all, so a put needs
 * no temporary name; a body travels with its hashes, and the server refuses what is damaged.
 */
#include "remotes/s3.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/path.h"
#include "remotes/drivers.h"
#include "remotes/s3_parts.h"
#include "remotes/s3_sign.h"
#include "remotes/s3_xml.h"

#define NAME_MAX_LEN 200
#define CONDITIONAL_MAX ((uint64_t)1 << 20)	/* to send in vain is cheaper than to ask */

/* -- opening ----------------------------------------------------------------------------------- */

static void s3_close(dv_remote *r)
{
	dv_s3 *s = (dv_s3 *)r;

	if (!s)
		return;
	dv_http_free(s->http);
	dv_credentials_free(s->credentials);
	dv_s3_place_release(&s->place);
	dv_s3_uploads_release(s);
	pthread_mutex_destroy(&s->lock);
	free(s->storage_class);
	free(s->sse);
	free(s->sse_key);
	free(s);
}
static void close_remote(dv_s3 **s)
{
	s3_close((dv_remote *)*s);
}

static int copy_setting(char **out, const dv_driver_options *o, const char *key)
{
	const char *v = dv_driver_setting(o, key);

	*out = v && *v ? dv_strdup(v) : NULL;
	return v && *v && !*out ? DV_ERROR : 0;
}

static int open_connections(dv_s3 *s, const dv_driver_options *o)
{
	dv_http_options h;

	dv_http_settings(&h, o);
	if (!h.cafile)
		h.cafile = dv_credentials_cafile(s->credentials);
	return dv_http_new(&s->http, &h);
}

static int s3_open(dv_remote **out, const char *url, const dv_driver_options *o)
{
	__attribute__((cleanup(close_remote))) dv_s3 *s = dv_calloc(1, sizeof *s);
	int rc;

	if (!s)
		return DV_ERROR;
	pthread_mutex_init(&s->lock, NULL);
	atomic_init(&s->conditions, DV_S3_UNKNOWN);
	atomic_init(&s->part_threads, DV_S3_PART_THREADS);
	if ((rc = dv_credentials_new(&s->credentials, o)) ||
	    (rc = dv_s3_place_parse(&s->place, url, dv_credentials_endpoint(s->credentials),
				    dv_credentials_addressing(s->credentials))))
		return rc;
	const char *region = dv_credentials_region(s->credentials);
	if (!region || !*region)
		region = "us-east-1";
	if (!dv_s3_region_is_valid(region))
		return dv_err(DV_EUSAGE, "'%s' is no region", region);
	snprintf(s->region, sizeof s->region, "%s", region);
	if ((rc = copy_setting(&s->storage_class, o, "storageclass")) ||
	    (rc = copy_setting(&s->sse, o, "sse")) ||
	    (rc = copy_setting(&s->sse_key, o, "ssekmskeyid")) || (rc = open_connections(s, o)))
		return rc;
	s->requester_pays = dv_driver_flag(o, "requestpayer");
	s->base.driver = &dv_driver_s3;
	s->base.caps = DV_REMOTE_WRITE | DV_REMOTE_LIST | DV_REMOTE_PUT_IF_ABSENT |
		       DV_REMOTE_TELLS | DV_REMOTE_DEPENDS;
	s->base.jobs = DV_S3_JOBS;
	*out = &s->base;
	s = NULL;
	return 0;
}

/* -- names ------------------------------------------------------------------------------------- */

/* The key of a name; with `folder` it ends in a slash. */
static int key_of(const dv_s3 *s, const char *name, bool folder, char **out)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789/._-";
	size_t n = strlen(name);
	dv_auto(dv_buf) b = DV_BUF_INIT;

	bool usual = n <= NAME_MAX_LEN && strspn(name, ok) == n;

	if ((!usual && !s->base.any_names) || ((n > 0 || !folder) && !dv_path_is_safe(name)))
		return dv_err(DV_EUNSAFE, "refused to use '%s' as a name in a remote", name);
	dv_buf_addf(&b, "%s%s%s", s->place.prefix, name, folder && n > 0 ? "/" : "");
	if (b.err)
		return b.err;
	*out = b.n ? dv_buf_detach(&b) : dv_strdup("");
	return *out ? 0 : DV_ERROR;
}

/* -- looking ----------------------------------------------------------------------------------- */

/* An answer to HEAD has no body that says what is wrong. The same question as a GET of one byte
 * has; and what it teaches, as the region, counts from then on. */
static int ask_why(dv_s3 *s, const char *key)
{
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;

	c.method = "GET";
	c.key = key;
	dv_s3_call_header(&c, "Range: bytes=0-0");
	int rc = dv_s3_call_perform(s, &c, &a);
	if (rc == 0 && a.status != 416 && (a.status < 200 || a.status >= 300))
		rc = dv_s3_failure(s, &c, &a);
	return rc;
}

int dv_s3_head(dv_s3 *s, const char *key, uint64_t *size)
{
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	char text[32], *end = NULL;

	c.method = "HEAD";
	c.key = key;
	int rc = dv_s3_call_perform(s, &c, &a);
	if (rc == 0 && (a.status == 400 || a.status == 403)) {
		if ((rc = ask_why(s, key)))
			return rc;
		rc = dv_s3_call_perform(s, &c, &a);
	}
	if (rc == 0 && (a.status < 200 || a.status >= 300))
		rc = dv_s3_failure(s, &c, &a);
	if (rc)
		return rc;
	if (dv_http_header(&a, "content-length", text, sizeof text))
		*size = strtoull(text, &end, 10);
	if (!end || end == text || *end)
		return dv_err(DV_ERROR, "the server does not say how long '%s' is", key);
	return 0;
}

int dv_s3_there(dv_s3 *s, const char *key, uint64_t size)
{
	uint64_t n = 0;
	int rc = dv_s3_head(s, key, &n);

	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		return 0;
	}
	if (rc)
		return rc;
	if (n == size)
		return 1;
	return dv_err(DV_EEXISTS, "'s3://%s/%s' is there already with another size",
		      s->place.bucket, key);
}

static int s3_stat(dv_remote *r, const char *name, uint64_t *size)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_autofree char *key = NULL;
	int rc = key_of(s, name, false, &key);

	return rc ? rc : dv_s3_head(s, key, size);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A server may ignore the range: then what was not asked for is dropped here. */
typedef struct reading {
	dv_sink_cb sink;
	void *payload;
	uint64_t offset, skip, left;
	bool ranged, full;
} reading;

#define ENOUGH 1	/* never a code of dv, whose failures are negative */

static int reading_begin(const dv_http_answer *a, void *payload)
{
	reading *g = payload;
	char text[64];
	const char *from = dv_http_header(a, "content-range", text, sizeof text);

	if (a->status == 206 && g->ranged) {
		if (from && (strncmp(from, "bytes ", 6) != 0 ||
			     strtoull(from + 6, NULL, 10) != g->offset))
			return dv_err(DV_ERROR, "the server sends another range than asked for");
		g->skip = 0;
	} else {
		g->skip = g->offset;
	}
	return 0;
}

static int reading_sink(const void *p, size_t n, void *payload)
{
	reading *g = payload;
	const char *b = p;

	if (g->skip > 0) {
		size_t drop = g->skip < n ? (size_t)g->skip : n;

		g->skip -= drop, b += drop, n -= drop;
	}
	size_t take = n < g->left ? n : (size_t)g->left;
	if (take > 0) {
		int rc = g->sink(b, take, g->payload);

		if (rc)
			return rc;
	}
	g->left -= take;
	if (take == n)
		return 0;
	g->full = true;
	return ENOUGH;
}

static int s3_get(dv_remote *r, const char *name, uint64_t offset, uint64_t length,
		  dv_sink_cb sink, void *payload)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_autofree char *key = NULL;
	reading g = { .sink = sink, .payload = payload, .offset = offset, .left = length };
	char range[64];
	uint64_t size;
	int rc = key_of(s, name, false, &key);

	if (rc)
		return rc;
	if (length == 0)
		return dv_s3_head(s, key, &size);
	c.method = "GET";
	c.key = key;
	c.sink = reading_sink;
	c.begin = reading_begin;
	c.payload = &g;
	if (length == UINT64_MAX || length > UINT64_MAX - offset) {
		snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", offset);
		g.ranged = offset > 0;
	} else {
		snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-%" PRIu64, offset,
			 offset + length - 1);
		g.ranged = true;
	}
	if (g.ranged)
		dv_s3_call_header(&c, range);
	rc = dv_s3_call_perform(s, &c, &a);
	if (rc == ENOUGH && g.full)
		return 0;
	/* Behind the end there is nothing. */
	if (rc == 0 && a.status == 416)
		return 0;
	if (rc == 0 && (a.status < 200 || a.status >= 300))
		rc = dv_s3_failure(s, &c, &a);
	return rc;
}

/* -- writing ----------------------------------------------------------------------------------- */

int dv_s3_object_headers(const dv_s3 *s, dv_s3_call *c, bool pack, dv_buf room[3])
{
	const struct {
		const char *name, *value;
	} all[3] = {
		{ "x-amz-server-side-encryption", s->sse },
		{ "x-amz-server-side-encryption-aws-kms-key-id", s->sse ? s->sse_key : NULL },
		{ "x-amz-storage-class", pack ? s->storage_class : NULL },
	};

	for (int i = 0; i < 3; i++) {
		if (!all[i].value)
			continue;
		if (dv_buf_addf(&room[i], "%s: %s", all[i].name, all[i].value))
			return room[i].err;
		dv_s3_call_header(c, dv_buf_str(&room[i]));
	}
	return 0;
}

typedef struct header_room {
	dv_buf b[4];
} header_room;
static void header_room_release(header_room *h)
{
	for (int i = 0; i < 4; i++)
		dv_buf_release(&h->b[i]);
}

/* One PUT; with `absent` only where nothing is. The answer is the caller's to read. */
static int put_once(dv_s3 *s, dv_s3_call *c, const dv_s3_digest *d, bool pack, bool absent,
		    dv_http_answer *a)
{
	dv_auto(header_room) room = { .b = { DV_BUF_INIT } };
	int rc = dv_s3_object_headers(s, c, pack, room.b);

	if (rc)
		return rc;
	c->method = "PUT";
	c->sha256 = d->sha256;
	if (d->md5[0]) {
		if ((rc = dv_buf_addf(&room.b[3], "Content-MD5: %s", d->md5)))
			return rc;
		dv_s3_call_header(c, dv_buf_str(&room.b[3]));
	}
	if (absent)
		dv_s3_call_header(c, "If-None-Match: *");
	rc = dv_s3_call_perform(s, c, a);
	/* The headers lie in this function's frame. */
	memset(c->headers, 0, sizeof c->headers);
	if (rc == 0 && absent && a->status == 412)
		atomic_store(&s->conditions, DV_S3_ENFORCED);
	return rc;
}

static bool is_pack(const char *name)
{
	return strncmp(name, "packs/", 6) == 0 || strncmp(name, "files/", 6) == 0;
}

static int put_whole(dv_s3 *s, const char *name, const char *key, int fd, uint64_t size)
{
	bool absent = size <= CONDITIONAL_MAX && atomic_load(&s->conditions) == DV_S3_ENFORCED;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_digest d;
	int rc = absent ? 0 : dv_s3_there(s, key, size);

	if (rc)
		return rc < 0 ? rc : 0;
	if ((rc = dv_s3_digest_fd(&d, fd, 0, size, true)))
		return rc;
	c.key = key;
	c.fd = fd;
	c.n = size;
	rc = put_once(s, &c, &d, is_pack(name), absent, &a);
	if (rc)
		return rc;
	if (absent && a.status == 412) {
		rc = dv_s3_there(s, key, size);
		if (rc == 0)
			return dv_err(DV_ETRANSIENT, "'s3://%s/%s' comes and goes",
				      s->place.bucket, key);
		return rc < 0 ? rc : 0;
	}
	return a.status >= 200 && a.status < 300 ? 0 : dv_s3_failure(s, &c, &a);
}

static int s3_put(dv_remote *r, const char *name, int fd, uint64_t size)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_autofree char *key = NULL;
	struct stat st;
	int rc = key_of(s, name, false, &key);

	if (rc)
		return rc;
	if (fstat(fd, &st))
		return dv_err_sys("cannot look at what is sent as '%s'", name);
	if ((uint64_t)st.st_size != size)
		return dv_err(DV_ERROR, "what is sent as '%s' has %" PRIu64 " bytes, not %" PRIu64,
			      name, (uint64_t)st.st_size, size);
	return size <= DV_S3_SINGLE_MAX ? put_whole(s, name, key, fd, size) :
				    dv_s3_put_parts(s, key, is_pack(name), fd, size);
}

/* -- creating ---------------------------------------------------------------------------------- */

static int exists(const dv_s3 *s, const char *key)
{
	return dv_err(DV_EEXISTS, "'s3://%s/%s' is there already", s->place.bucket, key);
}

static int buffer_sink(const void *p, size_t n, void *payload)
{
	return dv_buf_add(payload, p, n);
}

/* Where the server has no conditional PUT: look, write, look again. Two who write at the same
 * moment may both believe that they won; so the caps do not promise it. */
static int create_weakly(dv_s3 *s, const char *name, const char *key, const void *p, size_t n,
			 const dv_s3_digest *d)
{
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_auto(dv_buf) there = DV_BUF_INIT;
	uint64_t size;
	int rc = dv_s3_head(s, key, &size);

	if (rc != DV_ENOTFOUND)
		return rc ? rc : exists(s, key);
	dv_error_clear();
	c.key = key;
	c.body = p;
	c.n = n;
	if ((rc = put_once(s, &c, d, false, false, &a)))
		return rc;
	if (a.status < 200 || a.status >= 300)
		return dv_s3_failure(s, &c, &a);
	if ((rc = s3_get(&s->base, name, 0, (uint64_t)n + 1, buffer_sink, &there)))
		return rc;
	if (there.n != n || memcmp(dv_buf_str(&there), p, n) != 0)
		return exists(s, key);
	return 0;
}

static int s3_put_if_absent(dv_remote *r, const char *name, const void *p, size_t n)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_autofree char *key = NULL;
	dv_s3_digest d;
	int rc = key_of(s, name, false, &key);

	if (rc || (rc = dv_s3_digest_bytes(&d, p, n)))
		return rc;
	if (atomic_load(&s->conditions) == DV_S3_REFUSED)
		return create_weakly(s, name, key, p, n, &d);
	c.key = key;
	c.body = p;
	c.n = n;
	if ((rc = put_once(s, &c, &d, false, true, &a)))
		return rc;
	if (a.status == 412)
		return exists(s, key);
	if (a.status == 501) {
		atomic_store(&s->conditions, DV_S3_REFUSED);
		__atomic_fetch_and(&s->base.caps, ~(unsigned)DV_REMOTE_PUT_IF_ABSENT,
				   __ATOMIC_RELAXED);
		return create_weakly(s, name, key, p, n, &d);
	}
	return a.status >= 200 && a.status < 300 ? 0 : dv_s3_failure(s, &c, &a);
}

/* -- listing ----------------------------------------------------------------------------------- */

typedef struct listing {
	dv_list_cb cb;
	void *payload;
	const char *after;
	char name[NAME_MAX_LEN + 1];	/* of the object that is being read; "": none of ours */
	uint64_t size;
	bool more;
	dv_buf token;
	dv_remote_look_cb look;		/* instead of cb: everything, with folders */
	const char *folder;		/* then: what keys begin with */
	dv_remote_look now;
	dv_buf key;
} listing;
static void listing_release(listing *l)
{
	dv_buf_release(&l->token);
	dv_buf_release(&l->key);
}

/* Everything that others keep there; `key` is of a folder when it ends in a slash. */
static int give_look(listing *l, const char *key, bool folder)
{
	size_t n = strlen(l->folder), k = strlen(key);
	dv_autofree char *name = NULL;

	if (k <= n || strncmp(key, l->folder, n) != 0)
		return 0;
	name = dv_strndup(key + n, k - n - folder);
	if (!name)
		return DV_ERROR;
	if (folder)
		l->now = (dv_remote_look){ .is_dir = true };
	return dv_name_is_safe(name, strlen(name)) ? l->look(name, &l->now, l->payload) : 0;
}

static int looking_cb(const char *path, const char *text, listing *l)
{
	if (strcmp(path, "ListBucketResult/Contents/Key") == 0) {
		dv_buf_clear(&l->key);
		l->now = (dv_remote_look){ .is_dir = false };
		return dv_buf_adds(&l->key, text);
	}
	if (strcmp(path, "ListBucketResult/Contents/ETag") == 0)
		snprintf(l->now.etag, sizeof l->now.etag, "%s", text);
	if (strcmp(path, "ListBucketResult/Contents/Size") == 0) {
		l->now.size = strtoull(text, NULL, 10);
		l->now.has_size = true;
	}
	if (strcmp(path, "ListBucketResult/Contents") == 0)
		return give_look(l, dv_buf_str(&l->key), false);
	if (strcmp(path, "ListBucketResult/CommonPrefixes/Prefix") == 0)
		return give_look(l, text, true);
	return 0;
}

/* Only what dv may have written itself has a name here; others may keep things beside it. */
static void take_name(listing *l, const char *key)
{
	const char *slash = strrchr(key, '/'), *name = slash ? slash + 1 : key;
	size_t n = strlen(name);

	l->name[0] = '\0';
	if (n > 0 && n <= NAME_MAX_LEN && name[0] != '.' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n)
		memcpy(l->name, name, n + 1);
}

static int listing_cb(const char *path, const char *text, void *payload)
{
	listing *l = payload;
	int rc = l->look ? looking_cb(path, text, l) : 0;

	if (rc)
		return rc;
	if (strcmp(path, "ListBucketResult/Contents/Key") == 0) {
		take_name(l, text);
	} else if (strcmp(path, "ListBucketResult/Contents/Size") == 0) {
		l->size = strtoull(text, NULL, 10);
	} else if (strcmp(path, "ListBucketResult/Contents") == 0) {
		if (l->cb && l->name[0] && (!l->after || strcmp(l->name, l->after) > 0))
			return l->cb(l->name, l->size, l->payload);
	} else if (strcmp(path, "ListBucketResult/IsTruncated") == 0) {
		l->more = strcmp(text, "true") == 0;
	} else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0) {
		dv_buf_clear(&l->token);
		return dv_buf_adds(&l->token, text);
	}
	return 0;
}

/* One page, after that of which `token` is. */
static int list_page(dv_s3 *s, listing *l, const char *folder, const char *token)
{
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_auto(dv_buf) q = DV_BUF_INIT;

	/* In the order of the names, as it is signed. */
	if (token) {
		dv_buf_adds(&q, "continuation-token=");
		dv_s3_encode(&q, token, false);
		dv_buf_addc(&q, '&');
	}
	dv_buf_adds(&q, "delimiter=%2F&list-type=2&prefix=");
	dv_s3_encode(&q, folder, false);
	if (l->after && !token) {
		dv_buf_adds(&q, "&start-after=");
		dv_s3_encode(&q, folder, false);
		dv_s3_encode(&q, l->after, false);
	}
	if (q.err)
		return q.err;
	c.method = "GET";
	c.query = dv_buf_str(&q);
	int rc = dv_s3_ask(s, &c, &a);
	if (rc)
		return rc;
	l->more = false;
	dv_buf_clear(&l->token);
	return dv_xml_scan(dv_buf_str(&a.body), a.body.n, listing_cb, l);
}

static int list_pages(dv_s3 *s, listing *l, const char *folder)
{
	dv_autofree char *token = NULL;
	int rc = 0;

	for (;;) {
		if (rc || (rc = list_page(s, l, folder, token)))
			return rc;
		if (!l->more)
			return 0;
		if (l->token.n == 0 || (token && strcmp(token, dv_buf_str(&l->token)) == 0))
			return dv_err(DV_ERROR, "the listing of 's3://%s/%s' does not go on",
				      s->place.bucket, folder);
		free(token);
		token = dv_buf_detach(&l->token);
		rc = token ? 0 : DV_ERROR;
	}
}

static int s3_list(dv_remote *r, const char *dir, const char *after, dv_list_cb cb, void *payload)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_auto(listing) l = { .cb = cb, .payload = payload, .after = after };
	dv_autofree char *folder = NULL;
	int rc = key_of(s, dir, true, &folder);

	return rc ? rc : list_pages(s, &l, folder);
}

static int s3_look_in(dv_remote *r, const char *dir, dv_remote_look_cb cb, void *payload)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_auto(listing) l = { .look = cb, .payload = payload };
	dv_autofree char *folder = NULL;
	int rc = key_of(s, dir, true, &folder);

	l.folder = folder;
	return rc ? rc : list_pages(s, &l, folder);
}

static int is_something(const char *name, const dv_remote_look *look, void *payload)
{
	(void)name, (void)look;
	*(bool *)payload = true;
	return ENOUGH;
}

/* An object, or else a folder, which is there when something is in it. */
static int s3_look(dv_remote *r, const char *name, dv_remote_look *out)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_autofree char *key = NULL;
	bool any = false;
	int rc = *name ? key_of(s, name, false, &key) : DV_ENOTFOUND;

	*out = (dv_remote_look){ .is_dir = !*name };
	if (rc == 0)
		rc = dv_s3_head(s, key, &out->size);
	if (rc && rc != DV_ENOTFOUND)
		return rc;
	if (rc == 0) {
		c.method = "HEAD";
		c.key = key;
		out->has_size = true;
		if ((rc = dv_s3_ask(s, &c, &a)))
			return rc;
		if (!dv_http_header(&a, "etag", out->etag, sizeof out->etag))
			out->etag[0] = 0;
		return 0;
	}
	rc = s3_look_in(r, name, is_something, &any);
	out->is_dir = true;
	if (rc < 0 || any)
		return rc < 0 ? rc : 0;
	return dv_err(DV_ENOTFOUND, "there is no 's3://%s/%s%s'", s->place.bucket, s->place.prefix,
		      name);
}

static int s3_remove(dv_remote *r, const char *name)
{
	dv_s3 *s = (dv_s3 *)r;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_autofree char *key = NULL;
	int rc = key_of(s, name, false, &key);

	if (rc)
		return rc;
	c.method = "DELETE";
	c.key = key;
	return dv_s3_ask(s, &c, &a);
}

const dv_driver dv_driver_s3 = {
	.version = 2,
	.scheme = "s3",
	.open = s3_open,
	.close = s3_close,
	.stat = s3_stat,
	.get = s3_get,
	.put = s3_put,
	.put_if_absent = s3_put_if_absent,
	.list = s3_list,
	.remove = s3_remove,
	.look = s3_look,
	.look_in = s3_look_in,
};
