/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git LFS servers, for who takes objects over from them: the batch API, and then one GET for each
 * object from wherever the server says. Logins go to the server's own host alone.
 */
#include "remotes/http.h"

#include <jansson.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/pool.h"
#include "base/url.h"

#define MEDIA "application/vnd.git-lfs+json"
#define HEADERS_MAX 32	/* of one request */
#define CONNECTIONS 8	/* at once, as git-lfs opens */

/* -- what is asked ----------------------------------------------------------------------------- */

static int print_request(dv_buf *out, const dv_lfs_object *objects, size_t n)
{
	dv_buf_adds(out, "{\"operation\":\"download\",\"transfers\":[\"basic\"],\"objects\":[");
	for (size_t i = 0; i < n; i++)
		dv_buf_addf(out, "%s{\"oid\":\"%s\",\"size\":%llu}", i ? "," : "", objects[i].oid,
			    (unsigned long long)objects[i].size);
	return dv_buf_adds(out, "],\"hash_algo\":\"sha256\"}");
}

static bool is_one_line(const char *s)
{
	return !strpbrk(s, "\r\n");
}

/* -- what comes -------------------------------------------------------------------------------- */

/* One object on its way. */
typedef struct getting {
	dv_http *http;
	const dv_lfs_server *server;
	dv_lfs_object *o;
	const char *url;
	const char *headers[HEADERS_MAX];
	char *owned[HEADERS_MAX];
	size_t nheaders;
	bool login;
	uint64_t left;
} getting;

static int take(const void *p, size_t n, void *payload)
{
	getting *g = payload;

	if (n > g->left)
		return dv_err(DV_ECORRUPT, "the object is longer than git's pointer says");
	g->left -= n;
	return dv_fs_write_all(g->o->fd, p, n) ? dv_err_sys("cannot write the object") : 0;
}

static int get_job(void *arg, int worker)
{
	getting *g = arg;
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	const dv_http_request q = {
		.method = "GET", .url = g->url, .headers = g->headers, .nheaders = g->nheaders,
		.fd = -1, .sink = take, .payload = g, .follow = true,
		.user = g->login ? g->server->user : NULL,
		.password = g->login ? g->server->password : NULL,
	};
	int rc = dv_http_perform(g->http, &q, &a);

	(void)worker;
	if (rc == 0 && (a.status < 200 || a.status > 299))
		rc = dv_http_status_error(&a, "an object of Git LFS");
	if (rc == 0 && g->left)
		rc = dv_err(DV_ECORRUPT, "the object is shorter than git's pointer says");
	g->o->rc = rc;
	return rc == DV_ECANCELLED ? rc : 0;
}

/* "https://host:1/x" and "https://host:1/y" are one place. */
static bool is_same_place(const char *a, const char *b)
{
	size_t n = strcspn(a, "/") + 2;

	if (strlen(a) < n || strlen(b) < n)
		return false;
	n += strcspn(a + n, "/");
	return !strncasecmp(a, b, n) && (b[n] == '/' || !b[n]);
}

static int set_headers(getting *g, const dv_json *headers)
{
	const char *name;
	dv_json *value;

	json_object_foreach((dv_json *)(uintptr_t)headers, name, value) {
		const char *text = json_string_value(value);
		dv_auto(dv_buf) line = DV_BUF_INIT;

		if (!text || !is_one_line(text) || !is_one_line(name) ||
		    g->nheaders == HEADERS_MAX)
			continue;
		if (!strcasecmp(name, "Authorization"))
			g->login = false;
		if (dv_buf_addf(&line, "%s: %s", name, text) ||
		    !(g->owned[g->nheaders] = dv_buf_detach(&line)))
			return DV_ERROR;
		g->headers[g->nheaders] = g->owned[g->nheaders];
		g->nheaders++;
	}
	return 0;
}

/* Finds what the answer says of an object; url stays NULL when it has none. */
static int read_action(getting *g, const dv_json *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const dv_json *item = json_array_get(list, i), *action;
		const char *oid = json_string_value(json_object_get(item, "oid")), *href;

		if (!oid || strcmp(oid, g->o->oid) != 0)
			continue;
		action = json_object_get(json_object_get(item, "actions"), "download");
		href = json_string_value(json_object_get(action, "href"));
		if (!href || dv_url_check(href))
			continue;
		if ((strncmp(href, "https://", 8) != 0 && strncmp(href, "http://", 7) != 0) ||
		    (!strncmp(g->server->url, "https://", 8) && strncmp(href, "https://", 8)))
			return dv_err(DV_EUNSAFE, "the Git LFS server sends to a place that is "
				      "not as safe as itself");
		g->url = href;
		g->login = g->server->user && is_same_place(g->server->url, href);
		return set_headers(g, json_object_get(action, "header"));
	}
	return 0;
}

static int get_all(dv_http *http, const dv_lfs_server *s, const dv_json *list, dv_lfs_object *o,
		   size_t n)
{
	dv_autofree getting *g = dv_calloc(n + 1, sizeof(*g));
	dv_autoptr(dv_pool) pool = NULL;
	int rc = g ? dv_pool_new(&pool, CONNECTIONS, 64) : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		g[i] = (getting){ .http = http, .server = s, .o = &o[i], .left = o[i].size };
		o[i].rc = DV_ENOTFOUND;
		rc = read_action(&g[i], list);
		if (rc == 0 && g[i].url)
			rc = dv_pool_submit(pool, get_job, &g[i]);
	}
	int waited = pool ? dv_pool_wait(pool) : 0;

	for (size_t i = 0; g && i < n; i++)
		for (size_t k = 0; k < g[i].nheaders; k++)
			free(g[i].owned[k]);
	return rc ? rc : waited;
}

int dv_lfs_fetch(const dv_lfs_server *s, dv_lfs_object *objects, size_t n)
{
	const char *headers[HEADERS_MAX + 2] = { "Accept: " MEDIA, "Content-Type: " MEDIA };
	dv_auto(dv_http_answer) a = DV_HTTP_ANSWER_INIT;
	dv_auto(dv_buf) url = DV_BUF_INIT, text = DV_BUF_INIT;
	const dv_http_options usual = { 0 };
	dv_autoptr(dv_http) http = NULL;
	dv_autoptr(dv_json) doc = NULL;
	dv_json *list;
	int rc = dv_url_check(s->url);

	for (size_t i = 0; i < s->nheaders && i < HEADERS_MAX; i++)
		headers[2 + i] = s->headers[i];
	if (rc == 0)
		rc = dv_buf_addf(&url, "%s/objects/batch", s->url);
	if (rc == 0 && (rc = print_request(&text, objects, n)) == 0)
		rc = dv_http_new(&http, &usual);
	if (rc < 0)
		return rc;
	const dv_http_request q = {
		.method = "POST", .url = url.p, .headers = headers, .body = text.p, .n = text.n,
		.nheaders = 2 + (s->nheaders < HEADERS_MAX ? s->nheaders : HEADERS_MAX), .fd = -1,
		.user = s->user, .password = s->password,
	};
	rc = dv_http_perform(http, &q, &a);
	if (rc == 0 && (a.status < 200 || a.status > 299))
		rc = dv_http_status_error(&a, "the Git LFS server");
	if (rc == 0)
		rc = dv_json_parse(&doc, a.body.p, a.body.n, DV_HTTP_TEXT_MAX, 16,
				   "the answer of the Git LFS server");
	if (rc == 0)
		rc = dv_json_get_array(doc, "objects", 100000, &list);
	return rc ? rc : get_all(http, s, list, objects, n);
}
