/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_import_url: an output with the content of a file or folder at a URL, read through the drivers
 * of remotes. What was seen there before and after is compared, so that what changed meanwhile is
 * noticed; and what did not change since is not brought again.
 */
#include "repo/importurl.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "base/url.h"
#include "repo/toremote.h"
#include "transfer/foreign.h"

#define FRESH_NS (INT64_C(3) * 1000000000)	/* a time so young may stay through a change */

void dv_urlplace_release(dv_urlplace *u)
{
	dv_foreign_free(u->f);
	dv_lock_release(&u->lock);
	free(u->name);
	free(u->url);
	free(u->dir);
	free(u->remote);
}

static bool is_http(const char *url)
{
	return !strncmp(url, "http://", 7) || !strncmp(url, "https://", 8);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
}

/* "%20" is a blank; what would be no name for a file stays as it is written. */
static void decode(char *name)
{
	dv_autofree char *plain = dv_strdup(name);
	size_t n = 0;

	for (const char *p = name; plain && *p; n++) {
		uint8_t byte;
		char two[3] = { 0 };

		if (*p == '%' && p[1] && p[2]) {
			two[0] = lower(p[1]);
			two[1] = lower(p[2]);
			if (dv_hex_parse(&byte, 1, two) == 0) {
				plain[n] = (char)byte;
				p += 3;
				continue;
			}
		}
		plain[n] = *p++;
	}
	if (!plain || memchr(plain, 0, n) || !dv_name_is_safe(plain, n))
		return;
	plain[n] = 0;
	memcpy(name, plain, n + 1);
}

int dv_urlplace_usual(const dv_urlplace *u, const char *out, char **name)
{
	const char *base = dv_path_base(*u->name ? u->name : u->url);

	*name = dv_strndup(base, strcspn(base, "?#"));
	if (!*name)
		return DV_ERROR;
	if (!is_http(u->url))
		return 0;
	if (!out && (!*u->name || u->is_folder))
		return dv_err_hint(dv_err(DV_EUSAGE, "the URL names no file"),
				   "name the output as well: 'dv import-url URL PATH', or "
				   "'dv add --to-remote -o PATH URL'");
	decode(*name);
	return 0;
}

/* -- the place --------------------------------------------------------------------------------- */

/* The remote of the user's that the URL lies at or below. Those of committed settings count too,
 * but their secrets do not: as for the remote itself. */
static int find_remote(dv_urlplace *u)
{
	const dv_config *c = &u->user->config;
	size_t best = 0;

	for (size_t i = 0; i < c->n; i++) {
		size_t k = strlen(c->e[i].key), n = strlen(c->e[i].value);

		if (k <= 11 || strncmp(c->e[i].key, "remote.", 7) != 0 ||
		    strcmp(c->e[i].key + k - 4, ".url") != 0 || n < best || n < 8 ||
		    strncmp(u->url, c->e[i].value, n) != 0 ||
		    (u->url[n] && u->url[n] != '/' && c->e[i].value[n - 1] != '/'))
			continue;
		free(u->remote);
		u->remote = dv_strndup(c->e[i].key + 7, k - 11);
		if (!u->remote)
			return DV_ERROR;
		best = n;
		u->is_own = c->e[i].level != DV_CONFIG_REPO;
	}
	return 0;
}

/* "remote://NAME/path". */
static int by_remote(dv_urlplace *u, const char *url)
{
	size_t n = strcspn(url + 9, "/");
	dv_auto(dv_buf) full = DV_BUF_INIT, key = DV_BUF_INIT;
	dv_autofree char *base = NULL;
	enum dv_config_level level = DV_CONFIG_REPO;

	u->remote = dv_strndup(url + 9, n);
	if (!u->remote)
		return DV_ERROR;
	int rc = dv_config_remote(&u->user->config, u->user->root, u->remote, NULL, &base);
	if (rc)
		return rc;
	dv_buf_addf(&key, "remote.%s.url", u->remote);
	dv_buf_adds(&full, base);
	while (full.n && full.p[full.n - 1] == '/')
		full.p[--full.n] = 0;
	dv_buf_adds(&full, url + 9 + n);
	if (full.err || key.err)
		return dv_err_nomem();
	dv_config_string(&u->user->config, key.p, &level);
	u->is_own = level != DV_CONFIG_REPO;
	u->url = dv_buf_detach(&full);
	return 0;
}

/* As browsers do with an address that was typed or copied. */
static int escape_blanks(char **url)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (!strchr(*url, ' '))
		return 0;
	for (const char *p = *url; *p; p++)
		if (*p == ' ' ? dv_buf_adds(&b, "%20") : dv_buf_add(&b, p, 1))
			return b.err;
	free(*url);
	*url = dv_buf_detach(&b);
	return *url ? 0 : dv_err_nomem();
}

static int make_url(dv_urlplace *u, const char *url, const char *base)
{
	int rc = dv_url_check(url);

	if (rc)
		return rc;
	if (*url == '-' || !*url)
		return dv_err(DV_EUNSAFE, "refused '%s' as the address of data", url);
	if (!strncmp(url, "remote://", 9))
		return by_remote(u, url);
	if ((rc = dv_guest_folder(&u->url, url, base)))
		return rc;
	if (!u->url)
		u->url = dv_url_scheme(url) ? dv_strdup(url) : dv_path_scp_url(url);
	if (!u->url)
		return dv_err_nomem();
	dv_url_lower_scheme(u->url);
	if (is_http(u->url) && (rc = escape_blanks(&u->url)))
		return rc;
	return find_remote(u);
}

/* The place is the folder above; its driver reads the last part there. */
static int split(dv_urlplace *u, char **place)
{
	size_t scheme = dv_url_scheme(u->url), start = scheme ? scheme + 3 : 0;
	size_t end = strcspn(u->url, "?#");

	if (strncmp(u->url, "http", 4) != 0)
		end = strlen(u->url);
	u->is_folder = end > start && u->url[end - 1] == '/';
	while (end > start + 1 && u->url[end - 1] == '/' && !u->url[end])
		u->url[--end] = 0;
	size_t at = end;
	while (at > start && u->url[at - 1] != '/')
		at--;
	bool whole = at <= start;	/* of a host or a bucket */
	u->name = dv_strdup(whole ? "" : u->url + at);
	*place = whole ? dv_strdup(u->url) : dv_strndup(u->url, at > 1 ? at - 1 : 1);
	return u->name && *place ? 0 : dv_err_nomem();
}

static const char *place_setting(void *ctx, const char *key)
{
	dv_urlplace *u = ctx;
	dv_auto(dv_buf) full = DV_BUF_INIT;

	if (!strcmp(key, "serve"))
		return "never";
	if (!u->remote || dv_buf_addf(&full, "remote.%s.%s", u->remote, key))
		return NULL;
	return dv_config_string(&u->user->config, full.p, NULL);
}

static int open_dir(dv_urlplace *u)
{
	char hex[DV_OID_HEX_SIZE + 1], name[] = "foreign/0123456789abcdef";
	dv_oid id;

	dv_sha256(&id, u->url, strlen(u->url));
	dv_oid_hex(hex, &id);
	memcpy(name + 8, hex, 16);
	u->dir = dv_path_join(u->user->dvdir, name);
	dv_autofree char *lock = u->dir ? dv_path_join(u->dir, "lock") : NULL;
	if (!lock)
		return dv_err_nomem();
	int rc = dv_fs_mkdirs(u->dir);
	return rc ? rc : dv_lock_take(&u->lock, lock, true, -1, "what comes from that place");
}

char *dv_urlplace_host(const char *url)
{
	dv_autofree char *shown = dv_url_redact(url);
	size_t n = shown ? dv_url_scheme(shown) : 0;

	if (!shown)
		return NULL;
	return n ? dv_strndup(shown, n + 3 + strcspn(shown + n + 3, "/?#")) : dv_steal(&shown);
}

int dv_urlplace_open(dv_urlplace *u, dv_repo *r, const char *url, const char *base)
{
	dv_autofree char *place = NULL, *shown = dv_url_redact(url);
	int rc;

	dv_autofree char *host = NULL;

	*u = (dv_urlplace){ .user = r, .lock = DV_LOCK_INIT };
	if ((rc = make_url(u, url, base)) || (rc = split(u, &place)) || (rc = open_dir(u)))
		return rc;
	if (!(host = dv_urlplace_host(u->url)))
		return DV_ERROR;
	const dv_remote_options o = { .name = u->remote ? u->remote : "source",
				      .shown = u->remote ? NULL : host, .url = place,
				      .url_is_own = u->is_own, .setting = place_setting,
				      .ctx = u };
	rc = dv_foreign_open_theirs(&u->f, &o);
	return rc ? dv_err_ctx(rc, "'%s'", shown ? shown : "") : 0;
}

/* -- what is there ----------------------------------------------------------------------------- */

void dv_urlfiles_release(dv_urlfiles *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->l[i].path);
	free(l->l);
}

static int on_file(const char *path, const dv_remote_look *look, void *payload)
{
	dv_urlfiles *l = payload;

	if (!dv_path_is_safe(path) || dv_repo_is_own(path))
		return dv_err(DV_EUNSAFE, "'%s' is no path that data may have", path);
	if (look->is_dir)
		return 0;
	int rc = dv_grow(&l->l, &l->cap, l->n + 1, sizeof *l->l);
	if (rc)
		return rc;
	l->l[l->n] = (dv_urlfile){ .path = dv_strdup(path), .look = *look };
	if (!l->l[l->n].path)
		return DV_ERROR;
	l->size += look->has_size ? look->size : 0;
	l->n++;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const dv_urlfile *)a)->path, ((const dv_urlfile *)b)->path);
}

static int make_checksum(dv_source *s, const dv_urlfiles *l)
{
	dv_sha256_ctx sum;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char text[DV_OID_TEXT_SIZE + 1];
	dv_oid id;

	dv_sha256_init(&sum);
	for (size_t i = 0; i < l->n; i++) {
		const dv_remote_look *k = &l->l[i].look;

		dv_buf_clear(&b);
		if (k->has_size)
			dv_buf_addf(&b, "%llu ", (unsigned long long)k->size);
		else
			dv_buf_adds(&b, "- ");
		if (k->has_mtime)
			dv_buf_addf(&b, "%lld ", (long long)k->mtime_ns);
		else
			dv_buf_adds(&b, "- ");
		dv_buf_addf(&b, "%s %s\n", *k->etag ? k->etag : "-", l->l[i].path);
		if (b.err)
			return b.err;
		dv_sha256_update(&sum, b.p, b.n);
	}
	dv_sha256_final(&sum, &id);
	dv_oid_text(text, &id);
	free(s->checksum);
	s->checksum = dv_strdup(text);
	return s->checksum ? 0 : DV_ERROR;
}

static bool is_young(int64_t mtime_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return mtime_ns > now.tv_sec * INT64_C(1000000000) + now.tv_nsec - FRESH_NS;
}

int dv_urlplace_look(dv_urlplace *u, dv_source *s, dv_urlfiles *l)
{
	dv_remote_look k;
	int rc = dv_foreign_look(u->f, u->name, &k);

	if (rc)
		return rc;
	s->is_dir = k.is_dir;
	if (k.is_dir) {
		if ((rc = dv_foreign_walk(u->f, u->name, on_file, l)))
			return rc;
		if (l->n)
			qsort(l->l, l->n, sizeof *l->l, by_path);
		s->has_size = true;
		s->size = l->size;
		s->nfiles = l->n;
		return make_checksum(s, l);
	}
	s->has_size = k.has_size;
	s->size = k.size;
	/* One that was just written may be written again within the same tick of its clock. */
	s->has_mtime = !*k.etag && k.has_mtime && k.mtime_ns > 0 && !is_young(k.mtime_ns);
	s->mtime_ns = k.mtime_ns;
	free(s->etag);
	s->etag = *k.etag ? dv_strdup(k.etag) : NULL;
	return *k.etag && !s->etag ? DV_ERROR : 0;
}

/* -- bringing ---------------------------------------------------------------------------------- */

static bool is_as_before(const dv_source *a, const dv_source *b)
{
	if (a->is_dir || b->is_dir)
		return dv_source_is_unchanged(a, b);
	return (!a->has_size || !b->has_size || a->size == b->size) &&
	       (!a->etag || !b->etag || !strcmp(a->etag, b->etag)) && a->mtime_ns == b->mtime_ns;
}

int dv_urlplace_check_again(dv_urlplace *u, const dv_source *before)
{
	dv_autoptr(dv_source) after = dv_source_copy(before);
	dv_auto(dv_urlfiles) again = { 0 };

	if (!after)
		return dv_err_nomem();
	int rc = dv_urlplace_look(u, after, &again);
	if (rc || is_as_before(before, after))
		return rc;
	return dv_err_hint(dv_err(DV_ETRANSIENT, "it changed while it was read"),
			   "run the command again");
}

/* Into the store, where it is durable then. `before`: what it was here so far, or NULL. */
static int bring(dv_urlplace *u, dv_source *s, const dv_urlfiles *l, dv_importing *im,
		 const dv_oid *before, dv_tree_entry *e)
{
	const dv_urlread how = { .phase = "downloading", .deltas = dv_repo_deltas(u->user),
				 .jobs = im->jobs, .before = before };
	int rc = dv_urlplace_ingest(u, s, l, im->rec.writer, &how, e);

	return rc ? rc : dv_writer_commit(im->rec.writer, NULL, 0);
}

typedef struct sending {
	dv_urlplace *u;
	dv_source *s;
	dv_urlfiles *l;
	int jobs;
	bool again;
} sending;

static int send_files(dv_toremote *t, dv_writer *w, dv_tree_entry *out, void *payload)
{
	sending *x = payload;
	const dv_urlread how = { .phase = "sending", .jobs = x->jobs };
	int rc = 0;

	(void)t;
	if (x->again) {
		dv_urlfiles_release(x->l);
		*x->l = (dv_urlfiles){ 0 };
		rc = dv_urlplace_look(x->u, x->s, x->l);
	}
	x->again = true;
	return rc ? rc : dv_urlplace_ingest(x->u, x->s, x->l, w, &how, out);
}

/* To a remote, from which it may be brought. */
static int send_to(dv_urlplace *u, dv_toremote *t, const char *remote, const char *path,
		   dv_source *s, dv_urlfiles *l, int jobs, dv_tree_entry *e)
{
	sending x = { .u = u, .s = s, .l = l, .jobs = jobs };
	int rc = dv_toremote_open(t, u->user, remote, u->url, jobs);

	return rc ? rc : dv_toremote_run(t, send_files, &x, path, e);
}

static int fail(int rc, const char *url)
{
	dv_autofree char *shown = dv_url_redact(url);

	return dv_err_ctx(rc, "'%s'", shown ? shown : "");
}

/* The address as the pointer has it: a relative folder is relative to the root of the workspace. */
static char *written_url(const dv_repo *r, const dv_urlplace *u, const char *url)
{
	if (*u->url != '/' || *url == '/' || dv_url_scheme(url))
		return dv_strdup(url);
	return dv_path_relative(u->url, r->root);
}

/* `pending`: nothing is known of what was not read. */
static int make_pointer(dv_pointer *p, const char *path, const dv_tree_entry *e, dv_source *s,
			bool pending)
{
	dv_source bare = { .url = s->url };
	int rc = dv_import_pointer(p, path, e, pending ? &bare : s);

	p->is_pending = !rc && pending;
	return rc;
}

int dv_repo_import_url(dv_repo *r, const char *url, const dv_import_options *o,
		       const dv_accountant *a, dv_output_cb cb, void *payload)
{
	o = DV_OR_ZERO(o);
	dv_auto(dv_importing) im = { .repo = r, .force = o->force, .no_stage = o->no_stage,
				     .jobs = o->jobs, .accountant = a };
	dv_auto(dv_urlplace) u = { .lock = DV_LOCK_INIT };
	dv_autoptr(dv_source) s = dv_calloc(1, sizeof *s);
	dv_auto(dv_urlfiles) l = { 0 };
	dv_auto(dv_pointer) p = DV_POINTER_INIT;
	dv_auto(dv_toremote) t = { .lock = DV_LOCK_INIT };
	dv_tree_entry e = { .kind = 'f' };
	int rc;

	if (!s)
		return DV_ERROR;
	if (o->to_remote && o->no_download)
		return dv_err(DV_EUSAGE, "what is not read cannot be sent to a remote");
	if ((rc = dv_urlplace_open(&u, r, url, NULL)))
		return rc;
	dv_autofree char *usual = NULL;
	if ((rc = dv_urlplace_usual(&u, o->out, &usual)))
		return fail(rc, url);
	s->url = written_url(r, &u, url);
	if (!s->url)
		return dv_err_nomem();
	if ((rc = dv_importing_place(&im, o->out, usual)))
		return rc;
	if ((rc = dv_urlplace_look(&u, s, &l)))
		return fail(rc, url);
	if ((rc = dv_importing_open(&im, cb, payload)))
		return rc;
	if (o->to_remote) {
		dv_toremote_unlock(&im);
		if ((rc = send_to(&u, &t, o->remote, im.path, s, &l, o->jobs, &e)))
			return fail(rc, url);
		rc = dv_importing_open(&im, cb, payload);
	} else if (!o->no_download) {
		rc = bring(&u, s, &l, &im, NULL, &e);
	}
	if (rc)
		return o->to_remote ? rc : fail(rc, url);
	if ((rc = dv_importing_check_free(&im)) ||
	    (rc = make_pointer(&p, im.path, &e, s, o->no_download)) ||
	    (rc = o->to_remote ? dv_toremote_publish(&t, &im, &p, NULL)
			       : dv_importing_publish(&im, &p, NULL, o->no_download)))
		return rc;
	return dv_record_finish(&im.rec, NULL);
}

int dv_importurl_again(dv_importing *im, const dv_output *o, const dv_update_options *how,
		       dv_toremote *t, dv_source **out, dv_tree_entry *e, bool *same)
{
	const dv_pointer *p = &o->pointer;
	const char *remote = how->remote ? how->remote : p->remote;
	dv_auto(dv_urlplace) u = { .lock = DV_LOCK_INIT };
	dv_autoptr(dv_source) s = dv_calloc(1, sizeof *s);
	dv_auto(dv_urlfiles) l = { 0 };
	int rc;

	*same = false;
	*e = (dv_tree_entry){ .kind = 0 };
	if (!s || !(s->url = dv_strdup(p->source->url)))
		return DV_ERROR;
	if (p->source->extra && !(s->extra = dv_strdup(p->source->extra)))
		return DV_ERROR;
	if ((rc = dv_urlplace_open(&u, im->repo, s->url, im->repo->root)))
		return rc;
	if ((rc = dv_urlplace_look(&u, s, &l)))
		return fail(rc, s->url);
	*same = !p->is_pending && dv_source_is_unchanged(p->source, s);
	if (*same || how->no_download)
		rc = 0;
	else if (how->to_remote)
		rc = send_to(&u, t, remote, o->path, s, &l, how->jobs, e);
	else
		rc = bring(&u, s, &l, im, p->is_dir || p->is_pending ? NULL : &p->oid, e);
	if (rc)
		return fail(rc, s->url);
	*out = dv_steal(&s);
	return 0;
}
