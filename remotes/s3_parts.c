/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large objects in parts. An upload that was cut stays on the server; the next put of the same key
 * finds it and sends only the parts that are not there with the MD5 that they have here. Two who
 * put the same key may share an upload: a pack's name commits to its bytes, so the parts are equal,
 * and whoever comes second finds the object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "remotes/s3.h"
#include "remotes/s3_parts.h"
#include "remotes/s3_sign.h"
#include "remotes/s3_xml.h"

#define UPLOADS_MAX 10000u	/* unfinished ones that are looked at */
#define PAGES_MAX 20

uint64_t dv_s3_part_size(uint64_t size)
{
	const uint64_t mib = 1 << 20;
	/* Rounded, so that no part is much smaller than the others. */
	uint64_t parts = (size + DV_S3_PART_SIZE / 2) / DV_S3_PART_SIZE;

	if (parts < 1)
		parts = 1;
	if (parts > DV_S3_PARTS_MAX)
		parts = DV_S3_PARTS_MAX;
	uint64_t part = (size + parts - 1) / parts;
	return (part + mib - 1) / mib * mib;
}

/* -- unfinished uploads ------------------------------------------------------------------------ */

static void upload_release(dv_s3_upload *u)
{
	free(u->key);
	free(u->id);
}

void dv_s3_uploads_release(dv_s3 *s)
{
	for (size_t i = 0; i < s->nuploads; i++)
		upload_release(&s->uploads[i]);
	free(s->uploads);
}

/* Under the lock. A later one of the same key takes the place of the earlier. */
static int note_upload(dv_s3 *s, const char *key, const char *id)
{
	dv_autofree char *k = dv_strdup(key), *i = dv_strdup(id);
	int rc = k && i ? 0 : DV_ERROR;

	for (size_t n = 0; rc == 0 && n < s->nuploads; n++)
		if (strcmp(s->uploads[n].key, key) == 0) {
			free(s->uploads[n].id);
			s->uploads[n].id = dv_steal(&i);
			return 0;
		}
	if (rc == 0)
		rc = dv_grow(&s->uploads, &s->uploads_cap, s->nuploads + 1, sizeof *s->uploads);
	if (rc == 0)
		s->uploads[s->nuploads++] = (dv_s3_upload){ dv_steal(&k), dv_steal(&i) };
	return rc;
}

static void forget_upload(dv_s3 *s, const char *key)
{
	pthread_mutex_lock(&s->lock);
	for (size_t n = 0; n < s->nuploads; n++)
		if (strcmp(s->uploads[n].key, key) == 0) {
			upload_release(&s->uploads[n]);
			s->uploads[n] = s->uploads[--s->nuploads];
			break;
		}
	pthread_mutex_unlock(&s->lock);
}

typedef struct upload_list {
	dv_s3 *s;
	bool more;
	dv_buf key, id, next_key, next_id;
} upload_list;
static void upload_list_release(upload_list *l)
{
	dv_buf_release(&l->key);
	dv_buf_release(&l->id);
	dv_buf_release(&l->next_key);
	dv_buf_release(&l->next_id);
}

static int set_text(dv_buf *b, const char *text)
{
	dv_buf_clear(b);
	return dv_buf_adds(b, text);
}

static int upload_cb(const char *path, const char *text, void *payload)
{
	upload_list *l = payload;
	const char *slash = strchr(path, '/');

	if (!slash)
		return 0;
	if (strcmp(slash, "/Upload/Key") == 0)
		return set_text(&l->key, text);
	if (strcmp(slash, "/Upload/UploadId") == 0)
		return set_text(&l->id, text);
	if (strcmp(slash, "/NextKeyMarker") == 0)
		return set_text(&l->next_key, text);
	if (strcmp(slash, "/NextUploadIdMarker") == 0)
		return set_text(&l->next_id, text);
	if (strcmp(slash, "/IsTruncated") == 0)
		l->more = strcmp(text, "true") == 0;
	if (strcmp(slash, "/Upload") == 0 && l->id.n > 0 && l->s->nuploads < UPLOADS_MAX)
		return note_upload(l->s, dv_buf_str(&l->key), dv_buf_str(&l->id));
	return 0;
}

static int list_uploads_page(dv_s3 *s, upload_list *l, dv_buf *body)
{
	dv_auto(dv_buf) q = DV_BUF_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;

	if (l->next_key.n > 0) {
		dv_buf_adds(&q, "key-marker=");
		dv_s3_encode(&q, dv_buf_str(&l->next_key), false);
		dv_buf_addc(&q, '&');
	}
	dv_buf_adds(&q, "prefix=");
	dv_s3_encode(&q, s->place.prefix, false);
	if (l->next_key.n > 0 && l->next_id.n > 0) {
		dv_buf_adds(&q, "&upload-id-marker=");
		dv_s3_encode(&q, dv_buf_str(&l->next_id), false);
	}
	dv_buf_adds(&q, "&uploads=");
	if (q.err)
		return q.err;
	c.method = "GET";
	c.query = dv_buf_str(&q);
	int rc = dv_s3_ask(s, &c, &a);
	return rc ? rc : dv_buf_add(body, dv_buf_str(&a.body), a.body.n);
}

/* Once for each remote that is opened. A server or a key that does not allow it costs the chance to
 * go on, no more. */
static int list_uploads(dv_s3 *s)
{
	dv_auto(upload_list) l = { .s = s };
	int rc = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		dv_auto(dv_buf) body = DV_BUF_INIT;

		rc = list_uploads_page(s, &l, &body);
		if (rc)
			break;
		l.more = false;
		pthread_mutex_lock(&s->lock);
		rc = dv_xml_scan(dv_buf_str(&body), body.n, upload_cb, &l);
		pthread_mutex_unlock(&s->lock);
		if (rc || !l.more || l.next_key.n == 0)
			break;
	}
	if (rc == DV_ETRANSIENT || rc == DV_ECANCELLED)
		return rc;
	if (rc)
		dv_error_clear();
	return 0;
}

/* The id of an unfinished upload of `key`, or NULL. Owned. */
static int find_upload(dv_s3 *s, const char *key, char **id)
{
	pthread_mutex_lock(&s->lock);
	bool listed = s->uploads_listed;
	s->uploads_listed = true;
	pthread_mutex_unlock(&s->lock);
	if (!listed) {
		int rc = list_uploads(s);

		if (rc) {
			pthread_mutex_lock(&s->lock);
			s->uploads_listed = false;
			pthread_mutex_unlock(&s->lock);
			return rc;
		}
	}
	pthread_mutex_lock(&s->lock);
	for (size_t n = 0; n < s->nuploads && !*id; n++)
		if (strcmp(s->uploads[n].key, key) == 0)
			*id = dv_strdup(s->uploads[n].id);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* -- one upload -------------------------------------------------------------------------------- */

typedef struct upload_state {
	dv_s3 *s;
	const char *key;
	char *id;
	int fd;
	uint64_t size, part_size;
	unsigned nparts;
	dv_s3_part *parts;
	struct part_job *jobs;
	dv_s3_part now;		/* being read from a listing */
	unsigned next;		/* part number marker of it */
	bool more;
} upload_state;
static void upload_state_release(upload_state *u)
{
	free(u->id);
	free(u->parts);
	free(u->jobs);
}

typedef struct part_job {
	upload_state *u;
	unsigned number;	/* from 1 */
} part_job;

static uint64_t part_length(const upload_state *u, unsigned number)
{
	uint64_t at = (uint64_t)(number - 1) * u->part_size;

	return u->size - at < u->part_size ? u->size - at : u->part_size;
}

void dv_s3_etag_plain(char out[DV_S3_ETAG_ROOM], const char *etag)
{
	size_t n = strlen(etag);

	if (n >= 2 && etag[0] == '"' && etag[n - 1] == '"')
		etag++, n -= 2;
	if (n >= DV_S3_ETAG_ROOM)
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (etag[i] < '!' || etag[i] > '~' || strchr("<>&\"", etag[i]))
			n = 0;
	memcpy(out, etag, n);
	out[n] = '\0';
}

static int part_cb(const char *path, const char *text, void *payload)
{
	upload_state *u = payload;
	const char *slash = strchr(path, '/');

	if (!slash)
		return 0;
	if (strcmp(slash, "/Part/PartNumber") == 0) {
		u->now.number = (unsigned)strtoul(text, NULL, 10);
	} else if (strcmp(slash, "/Part/Size") == 0) {
		u->now.size = strtoull(text, NULL, 10);
	} else if (strcmp(slash, "/Part/ETag") == 0) {
		dv_s3_etag_plain(u->now.etag, text);
	} else if (strcmp(slash, "/Part") == 0) {
		if (u->now.number >= 1 && u->now.number <= u->nparts)
			u->parts[u->now.number - 1] = u->now;
		if (u->now.number > u->next)
			u->next = u->now.number;
		u->now = (dv_s3_part){ 0 };
	} else if (strcmp(slash, "/IsTruncated") == 0) {
		u->more = strcmp(text, "true") == 0;
	}
	return 0;
}

/* What arrived of an upload that was cut. */
static int list_parts(upload_state *u)
{
	for (int page = 0; page < PAGES_MAX; page++) {
		dv_auto(dv_buf) q = DV_BUF_INIT;
		dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
		dv_s3_call c = DV_S3_CALL_INIT;
		unsigned before = u->next;

		if (before > 0)
			dv_buf_addf(&q, "part-number-marker=%u&", before);
		dv_buf_adds(&q, "uploadId=");
		dv_s3_encode(&q, u->id, false);
		if (q.err)
			return q.err;
		c.method = "GET";
		c.key = u->key;
		c.query = dv_buf_str(&q);
		int rc = dv_s3_ask(u->s, &c, &a);
		u->more = false;
		if (rc == 0)
			rc = dv_xml_scan(dv_buf_str(&a.body), a.body.n, part_cb, u);
		if (rc || !u->more || u->next == before)
			return rc;
	}
	return 0;
}

static int id_cb(const char *path, const char *text, void *payload)
{
	const char *slash = strchr(path, '/');

	return slash && strcmp(slash, "/UploadId") == 0 ? set_text(payload, text) : 0;
}

typedef struct header_room {
	dv_buf b[3];
} header_room;
static void header_room_release(header_room *h)
{
	for (int i = 0; i < 3; i++)
		dv_buf_release(&h->b[i]);
}

static int create_upload(upload_state *u, bool pack)
{
	dv_auto(header_room) room = { .b = { DV_BUF_INIT } };
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_auto(dv_buf) id = DV_BUF_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;
	int rc = dv_s3_object_headers(u->s, &c, pack, room.b);

	if (rc)
		return rc;
	c.method = "POST";
	c.key = u->key;
	c.query = "uploads=";
	if ((rc = dv_s3_ask(u->s, &c, &a)) ||
	    (rc = dv_xml_scan(dv_buf_str(&a.body), a.body.n, id_cb, &id)))
		return rc;
	if (id.n == 0)
		return dv_err(DV_ERROR, "the server began an upload without a name");
	pthread_mutex_lock(&u->s->lock);
	rc = note_upload(u->s, u->key, dv_buf_str(&id));
	pthread_mutex_unlock(&u->s->lock);
	free(u->id);
	u->id = dv_buf_detach(&id);
	memset(u->parts, 0, u->nparts * sizeof *u->parts);
	return rc;
}

/* -- parts ------------------------------------------------------------------------------------- */

bool dv_s3_part_is_there(const dv_s3_part *p, uint64_t size, const char *md5)
{
	return p->size == size && md5[0] && strcasecmp(p->etag, md5) == 0;
}

static int send_part(upload_state *u, unsigned number, const dv_s3_digest *d)
{
	dv_auto(dv_buf) q = DV_BUF_INIT, md5 = DV_BUF_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;
	char etag[DV_S3_ETAG_ROOM + 2];

	dv_buf_addf(&q, "partNumber=%u&uploadId=", number);
	dv_s3_encode(&q, u->id, false);
	if (d->md5[0]) {
		dv_buf_addf(&md5, "Content-MD5: %s", d->md5);
		dv_s3_call_header(&c, dv_buf_str(&md5));
	}
	if (q.err || md5.err)
		return q.err ? q.err : md5.err;
	c.method = "PUT";
	c.key = u->key;
	c.query = dv_buf_str(&q);
	c.sha256 = d->sha256;
	c.fd = u->fd;
	c.offset = (uint64_t)(number - 1) * u->part_size;
	c.n = part_length(u, number);
	int rc = dv_s3_ask(u->s, &c, &a);
	if (rc)
		return rc;
	if (!dv_http_header(&a, "etag", etag, sizeof etag))
		return dv_err(DV_ERROR, "the server took a part and gave it no ETag");
	dv_s3_etag_plain(u->parts[number - 1].etag, etag);
	u->parts[number - 1].size = c.n;
	u->parts[number - 1].number = number;
	return 0;
}

static int part_run(void *arg, int worker)
{
	const part_job *j = arg;
	upload_state *u = j->u;
	const dv_s3_part *there = &u->parts[j->number - 1];
	uint64_t n = part_length(u, j->number), at = (uint64_t)(j->number - 1) * u->part_size;
	bool with_md5 = there->size == n || dv_s3_is_anonymous(u->s);
	dv_s3_digest d;
	int rc = dv_check_cancel();

	(void)worker;
	if (rc || (rc = dv_s3_digest_fd(&d, u->fd, at, n, with_md5)))
		return rc;
	if (dv_s3_part_is_there(there, n, d.etag))
		return 0;
	return send_part(u, j->number, &d);
}

/* Threads that this put may have beside the caller's: all puts of a remote share them. */
static int borrow_threads(dv_s3 *s, int want)
{
	int there = atomic_load(&s->part_threads), n;

	do {
		n = there < want ? there : want;
		if (n <= 0)
			return 0;
	} while (!atomic_compare_exchange_weak(&s->part_threads, &there, there - n));
	return n;
}

static int send_parts(upload_state *u)
{
	int want = u->nparts < DV_S3_PART_THREADS ? (int)u->nparts : DV_S3_PART_THREADS, rc = 0;
	int extra = borrow_threads(u->s, want - 1);
	dv_autoptr(dv_pool) pool = NULL;

	if (extra == 0) {
		for (unsigned i = 0; rc == 0 && i < u->nparts; i++)
			rc = part_run(&u->jobs[i], 0);
		return rc;
	}
	rc = dv_pool_new(&pool, extra + 1, 2 * (extra + 1));
	for (unsigned i = 0; rc == 0 && i < u->nparts; i++)
		rc = dv_pool_submit(pool, part_run, &u->jobs[i]);
	if (pool)
		rc = dv_pool_wait(pool);
	atomic_fetch_add(&u->s->part_threads, extra);
	return rc;
}

/* -- the end ----------------------------------------------------------------------------------- */

static int abort_upload(upload_state *u)
{
	dv_auto(dv_buf) q = DV_BUF_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;

	forget_upload(u->s, u->key);
	dv_buf_adds(&q, "uploadId=");
	dv_s3_encode(&q, u->id, false);
	c.method = "DELETE";
	c.key = u->key;
	c.query = dv_buf_str(&q);
	return q.err ? q.err : dv_s3_ask(u->s, &c, &a);
}

/* The object is there with its size; what the server says last is not enough. */
static int check_there(upload_state *u)
{
	int rc = dv_s3_there(u->s, u->key, u->size);

	if (rc == 0)
		return dv_err(DV_ETRANSIENT, "'s3://%s/%s' is not there after its upload",
			      u->s->place.bucket, u->key);
	return rc < 0 ? rc : 0;
}

static int complete(upload_state *u)
{
	dv_auto(dv_buf) q = DV_BUF_INIT, body = DV_BUF_INIT;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_s3_call c = DV_S3_CALL_INIT;
	dv_s3_digest d;
	dv_s3_error e;

	dv_buf_adds(&body, "<CompleteMultipartUpload "
			   "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (unsigned i = 0; i < u->nparts; i++)
		dv_buf_addf(&body, "<Part><PartNumber>%u</PartNumber><ETag>\"%s\"</ETag></Part>",
			    i + 1, u->parts[i].etag);
	dv_buf_adds(&body, "</CompleteMultipartUpload>");
	dv_buf_adds(&q, "uploadId=");
	dv_s3_encode(&q, u->id, false);
	int rc = q.err ? q.err : body.err;
	if (rc || (rc = dv_s3_digest_bytes(&d, body.p, body.n)))
		return rc;
	c.method = "POST";
	c.key = u->key;
	c.query = dv_buf_str(&q);
	c.body = body.p;
	c.n = body.n;
	c.sha256 = d.sha256;
	if ((rc = dv_s3_call_perform(u->s, &c, &a)))
		return rc;
	/* The status was sent before the work was done: an error may follow a 200. */
	dv_s3_error_parse(&e, &a);
	if (a.status == 200 && !e.code[0])
		return 0;
	if (a.status == 200)
		a.status = 500;
	return dv_s3_failure(u->s, &c, &a);
}

/* Complete, and what its failures mean. */
static int finish(upload_state *u)
{
	int rc = complete(u);

	if (rc == 0 || rc == DV_ENOTFOUND) {
		/* An upload that is gone was completed: by a request whose answer got lost, or by
		 * another who puts the same. */
		forget_upload(u->s, u->key);
		return check_there(u);
	}
	if (rc != DV_ERROR)
		return rc;
	/* The server does not accept the parts as they are: the next try begins anew. */
	dv_error why;
	dv_error_take(&why);
	if (abort_upload(u))
		dv_error_clear();
	return dv_error_put(&why);
}

int dv_s3_put_parts(dv_s3 *s, const char *key, bool pack, int fd, uint64_t size)
{
	dv_auto(upload_state) u = { .s = s, .key = key, .fd = fd, .size = size,
				    .part_size = dv_s3_part_size(size) };
	int rc = dv_s3_there(s, key, size);

	if (rc)
		return rc < 0 ? rc : 0;
	u.nparts = (unsigned)((size + u.part_size - 1) / u.part_size);
	u.parts = dv_calloc(u.nparts, sizeof *u.parts);
	u.jobs = dv_calloc(u.nparts, sizeof *u.jobs);
	if (!u.parts || !u.jobs)
		return DV_ERROR;
	for (unsigned i = 0; i < u.nparts; i++)
		u.jobs[i] = (part_job){ &u, i + 1 };
	if ((rc = find_upload(s, key, &u.id)))
		return rc;
	if (u.id) {
		rc = list_parts(&u);
		if (rc == DV_ETRANSIENT || rc == DV_ECANCELLED)
			return rc;
		if (rc == DV_ENOTFOUND) {
			free(dv_steal(&u.id));
			forget_upload(s, key);
		}
		/* Who may not look at the parts may still send them, all of them. */
		if (rc)
			dv_error_clear();
	}
	if (!u.id && (rc = create_upload(&u, pack)))
		return rc;
	if ((rc = send_parts(&u)))
		return rc;
	return finish(&u);
}
