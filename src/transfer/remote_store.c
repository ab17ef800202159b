/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A remote store as seen from here: its log's state and its index segments, mirrored in a local
 * folder. The mirror is a copy that can be deleted at any time: `state` and index/<sha256>. A
 * segment comes into it only under the name that its bytes have.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"


static void drop_segments(dv_remote_store *r)
{
	for (size_t i = 0; i < r->nsegs; i++)
		dv_segment_free(r->segs[i].map);
	free(r->segs);
	r->segs = NULL;
	r->nsegs = r->segs_cap = 0;
	dv_asking_free(r->asking);
	r->asking = NULL;
}

void dv_remote_store_free(dv_remote_store *r)
{
	if (!r)
		return;
	drop_segments(r);
	if (r->r)
		r->r->driver->close(r->r);
	for (size_t i = 0; i < r->nfooters; i++) {
		dv_pack_footer_release(&r->footers[i]->f);
		free(r->footers[i]);
	}
	free(r->footers);
	dv_log_state_release(&r->state);
	pthread_mutex_destroy(&r->footers_lock);
	free(r->name);
	free(r->mirror);
	free(r->server);
	free(r);
}

/* -- segments ---------------------------------------------------------------------------------- */

static char *segment_path(const dv_remote_store *r, const dv_oid *id)
{
	char name[DV_NAME_ROOM], hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, id);
	snprintf(name, sizeof name, "index/%s", hex);
	return dv_path_join(r->mirror, name);
}

int dv_remote_store_new_segment(dv_remote_store *r, dv_atomic *out)
{
	dv_autofree char *path = dv_path_join(r->mirror, "index/new");

	return path ? dv_atomic_open(out, path, DV_ATOMIC_SYNC) : DV_ERROR;
}

int dv_remote_store_keep_segment(dv_remote_store *r, const dv_oid *id, dv_atomic *file)
{
	dv_autofree char *path = segment_path(r, id);

	return path ? dv_atomic_commit_as(file, path) : DV_ERROR;
}

typedef struct download {
	int fd;
	uint64_t n, max;
	dv_sha256_ctx sum;
	const char *name;
} download;

static int download_sink(const void *p, size_t n, void *payload)
{
	download *d = payload;

	if (n > d->max - d->n)
		return dv_err(DV_ECORRUPT, "'%s' is longer than it may be", d->name);
	d->n += n;
	dv_sha256_update(&d->sum, p, n);
	if (dv_fs_write_all(d->fd, p, n))
		return dv_err_sys("cannot write a copy of '%s'", d->name);
	return 0;
}

static int fetch_segment(dv_remote_store *r, const dv_oid *id)
{
	char name[DV_NAME_ROOM], hex[DV_OID_HEX_SIZE + 1];
	dv_autofree char *path = segment_path(r, id);
	dv_auto(dv_atomic) a = DV_ATOMIC_INIT;
	dv_oid real;

	if (!path)
		return DV_ERROR;
	/* Its bytes are not looked at again: after a crash they must be those of its name. */
	int rc = dv_atomic_open(&a, path, DV_ATOMIC_SYNC);
	if (rc)
		return rc;
	dv_oid_hex(hex, id);
	snprintf(name, sizeof name, "index/%s", hex);
	download d = { .fd = a.fd, .max = DV_SEGMENT_MAX, .name = name };
	dv_sha256_init(&d.sum);
	rc = r->r->driver->get(r->r, name, 0, UINT64_MAX, download_sink, &d);
	if (rc == DV_ENOTFOUND)
		rc = dv_err(DV_ECORRUPT, "'%s' is missing, though the log names it", name);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", r->name);
	dv_sha256_final(&d.sum, &real);
	if (!dv_oid_eq(&real, id)) {
		rc = dv_err(DV_ECORRUPT, "remote '%s': '%s' is damaged", r->name, name);
		return dv_err_hint(rc, "run 'dv fsck --remote %s'", r->name);
	}
	return dv_atomic_commit(&a);
}

static int open_segment(dv_remote_store *r, const dv_oid *id, dv_segment **out)
{
	dv_autofree char *path = segment_path(r, id);

	if (!path)
		return DV_ERROR;
	if (access(path, R_OK) == 0 && dv_segment_open(out, path) == 0)
		return 0;
	dv_error_clear();
	int rc = fetch_segment(r, id);
	if (rc == 0)
		rc = dv_segment_open(out, path);
	return rc ? dv_err_ctx(rc, "index of remote '%s'", r->name) : 0;
}

typedef struct fetch_job {
	dv_remote_store *r;
	const dv_oid *id;
} fetch_job;
static int fetch_job_run(void *arg, int worker)
{
	fetch_job *j = arg;

	(void)worker;
	return fetch_segment(j->r, j->id);
}

/* Brings all segments that are not in the mirror, several at a time. */
static int fetch_missing(dv_remote_store *r)
{
	size_t n = 0;
	dv_autofree fetch_job *jobs = dv_calloc(r->state.nsegments + 1, sizeof *jobs);

	if (!jobs)
		return DV_ERROR;
	for (size_t i = 0; i < r->state.nsegments; i++) {
		dv_autofree char *path = segment_path(r, &r->state.segments[i]);

		if (!path)
			return DV_ERROR;
		if (access(path, R_OK))
			jobs[n++] = (fetch_job){ r, &r->state.segments[i] };
	}
	if (n == 0)
		return 0;
	if (n == 1)
		return fetch_job_run(&jobs[0], 0);
	dv_autoptr(dv_pool) pool = NULL;
	int rc = dv_pool_new(&pool, dv_wrap_jobs(r->r, 0), 64);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = dv_pool_submit(pool, fetch_job_run, &jobs[i]);
	return pool ? dv_pool_wait(pool) : rc;
}

/* Removes mirrored segments that the log no longer names. Best effort. */
static void sweep_mirror(dv_remote_store *r)
{
	dv_autofree char *dir = dv_path_join(r->mirror, "index");
	DIR *d = dir ? opendir(dir) : NULL;
	dv_auto(dv_map) live = DV_MAP_INIT;
	int rc = 0;

	for (size_t i = 0; i < r->state.nsegments && rc == 0; i++)
		rc = dv_map_put(&live, &r->state.segments[i], 1);
	for (const struct dirent *e; d && rc == 0 && (e = readdir(d)) != NULL;) {
		dv_oid id;

		if (dv_oid_parse(&id, e->d_name, strlen(e->d_name)) == 0 &&
		    !dv_map_has(&live, &id))
			dv_fs_unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}

static bool is_mirrored(const dv_remote_store *r, const dv_oid *id)
{
	dv_autofree char *path = segment_path(r, id);

	return path && access(path, R_OK) == 0;
}

/* The segments of the state, with what is open of them, or can be opened in the mirror. */
static int take_segments(dv_remote_store *r, dv_remote_segment *old, size_t nold)
{
	int rc = dv_grow(&r->segs, &r->segs_cap, r->state.nsegments + 1, sizeof *r->segs);

	for (size_t i = 0; rc == 0 && i < r->state.nsegments; i++) {
		dv_remote_segment *s = &r->segs[r->nsegs];

		*s = (dv_remote_segment){ .id = r->state.segments[i] };
		for (size_t k = 0; k < nold; k++)
			if (dv_oid_eq(&old[k].id, &s->id)) {
				*s = old[k];
				old[k].map = NULL;
				break;
			}
		if (!s->map && (!r->may_ask || is_mirrored(r, &s->id)))
			rc = open_segment(r, &s->id, &s->map);
		if (rc == 0)
			r->nsegs++;
	}
	return rc;
}

int dv_remote_store_need_segment(dv_remote_store *r, dv_remote_segment *s)
{
	return s->map ? 0 : open_segment(r, &s->id, &s->map);
}

int dv_remote_store_need_segments(dv_remote_store *r)
{
	int rc = fetch_missing(r);

	for (size_t i = 0; rc == 0 && i < r->nsegs; i++)
		rc = dv_remote_store_need_segment(r, &r->segs[i]);
	return rc;
}

/* Leaves the segments that are not mirrored where they are, or brings them as well. */
static int settle_segments(dv_remote_store *r)
{
	bool ask = false;
	int rc = r->may_ask ? dv_asking_look(r, &ask) : 0;

	if (rc || ask)
		return rc;
	dv_asking_free(r->asking);
	r->asking = NULL;
	return r->may_ask ? dv_remote_store_need_segments(r) : 0;
}

int dv_remote_store_sync_segments(dv_remote_store *r)
{
	dv_remote_segment *old = r->segs;
	size_t nold = r->nsegs;
	int rc = r->may_ask ? 0 : fetch_missing(r);

	if (rc)
		return rc;
	r->segs = NULL;
	r->nsegs = r->segs_cap = 0;
	rc = take_segments(r, old, nold);
	for (size_t k = 0; k < nold; k++)
		dv_segment_free(old[k].map);
	free(old);
	return rc ? rc : settle_segments(r);
}

int dv_remote_store_complete(dv_remote_store *r)
{
	if (!r->asking)
		return 0;
	r->may_ask = false;
	return dv_remote_store_refresh(r);
}

/* -- opening ----------------------------------------------------------------------------------- */

static int check_description(const dv_remote_store *r, const dv_buf *b)
{
	int rc = dv_store_check_description(b, DV_STORE_DESCRIPTION);

	return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
}

/* Reads dv-store.json, or creates it. */
static int describe(dv_remote_store *r, bool create)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	for (int i = 0; i < 2; i++) {
		int rc = dv_remote_get_file(r, DV_STORE_DESCRIPTION, DV_STORE_DESCRIPTION_MAX, &b);
		if (rc == 0) {
			r->exists = true;
			return check_description(r, &b);
		}
		if (rc != DV_ENOTFOUND)
			return rc;
		if (!create || i > 0 || !(r->r->caps & DV_REMOTE_WRITE))
			break;
		if ((rc = dv_probe_create(r)))
			return rc;
		rc = dv_remote_create_file(r, DV_STORE_DESCRIPTION, dv_store_description,
					   strlen(dv_store_description));
		if (rc == 0) {
			r->exists = true;
			return 0;
		}
		if (rc != DV_EEXISTS)
			return rc;
	}
	dv_error_clear();
	return 0;
}

const dv_driver *dv_driver_for(const char *url)
{
	size_t n = strcspn(url, ":");
	const char *scheme = url;

	if (url[0] == '/')
		scheme = "file", n = 4;
	for (size_t i = 0; dv_drivers[i]; i++) {
		const dv_driver *d = dv_drivers[i];

		if (d->reaches ? d->reaches(url) :
		    strlen(d->scheme) == n && !memcmp(d->scheme, scheme, n))
			return d;
	}
	return NULL;
}

static int open_driver(dv_remote_store *r, const dv_remote_options *o)
{
	const dv_driver_options to = { .name = r->name, .create = o->create, .jobs = o->jobs,
				       .url_is_own = o->url_is_own,
				       .setting = o->setting, .ctx = o->ctx };
	const dv_wrap_options wrap = { .name = r->name, .rate = o->rate, .jobs = o->jobs,
				       .tries = o->tries, .traffic = &r->traffic };
	const char *url = o->url;
	int n = (int)strcspn(url, ":");

	if (url[0] != '/' && strncmp(url + n, "://", 3) != 0)
		return dv_err(DV_EUSAGE, "remote '%s' is at neither URL nor absolute path",
			      r->name);
	const dv_driver *d = dv_driver_for(url);
	if (!d) {
		dv_err(DV_ERROR, "remote '%s': this dv cannot reach '%.*s' URLs", r->name, n, url);
		return dv_err_hint(DV_ERROR, "put a program 'dv-remote-%.*s' on PATH, or use "
				   "another place: 'dv remote modify %s url URL'", n, url,
				   r->name);
	}
	int rc = dv_wrap_open(&r->r, d, url, &to, &wrap);
	if (rc == DV_ENOTFOUND && !o->create) {
		dv_error_clear();
		return 0;
	}
	return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
}

bool dv_remote_has_driver(const char *url)
{
	return strncmp(url + strcspn(url, ":"), "://", 3) != 0 || dv_driver_for(url);
}

int dv_remote_store_refresh(dv_remote_store *r)
{
	uint64_t before = r->state.head;

	if (!r->r || !r->exists)
		return 0;
	int rc = dv_remote_log_replay(r);
	uint64_t seen = r->state.head;
	if (rc == 0)
		rc = dv_remote_store_sync_segments(r);
	/* A segment may have gone since its entry was read; then a newer one says so. */
	if (rc == DV_ECORRUPT) {
		dv_error why;

		dv_error_take(&why);
		if ((rc = dv_remote_log_replay(r)))
			return rc;
		rc = r->state.head > seen ? dv_remote_store_sync_segments(r) : dv_error_put(&why);
	}
	if (rc)
		return rc;
	if (r->state.head == before)
		return 0;
	sweep_mirror(r);
	return dv_mirror_save(r);
}

/* What a push finds where it pushed before. To go on would be to fill the folder on which a disk is
 * not mounted, or somebody else's store. */
static int gone(const dv_remote_store *r)
{
	int rc = dv_err(DV_ERROR, "remote '%s' is gone: there is no store where it was", r->name);

	return dv_err_hint(rc, "see that its disk is mounted and its URL is right; if it is to "
			   "begin anew, 'dv push --force'");
}

static int replaced(const dv_remote_store *r)
{
	int rc = dv_err(DV_ERROR, "remote '%s' is not the store that it was, or in an older state",
			r->name);

	return dv_err_hint(rc, "'dv status --remote' tells what it lacks; 'dv push --force' goes "
			   "on with it");
}

/* dv-store.json is gone, and what stands beside it is not. */
static int beheaded(const dv_remote_store *r)
{
	int rc = dv_err(DV_ECORRUPT, "remote '%s' has lost its '" DV_STORE_DESCRIPTION "', without "
			"which no other clone finds it", r->name);

	return dv_err_hint(rc, "'dv fsck --remote' tells what else is lost; 'dv push --force' "
			   "writes it again");
}

/* Compares with what the mirror knew, which was verified: without the same log it is empty now. */
static int check_same(dv_remote_store *r, bool push)
{
	bool same = r->state.head > 0;

	if (same && r->exists)
		return 0;
	if (same)
		return beheaded(r);
	if (push)
		return r->exists ? replaced(r) : gone(r);
	/* Who only reads is told. The mirror of what is gone stays, for a push to notice. */
	if (!r->exists)
		return 0;
	dv_warn("remote '%s' is not the store that it was, or in an older state", r->name);
	return dv_mirror_save(r);
}

static int open_all(dv_remote_store *r, const dv_remote_options *o, bool warm)
{
	bool push = o->create && !o->anew;
	int rc;

	if (!r->r)
		return warm && push ? gone(r) : 0;
	dv_mirror_load(r);
	warm = r->state.head > 0;
	if ((rc = dv_remote_log_verify(r)) || (rc = describe(r, o->create && !(warm && push))) ||
	    (warm && (rc = check_same(r, push))))
		return rc;
	return dv_remote_store_refresh(r);
}

int dv_remote_place_open(dv_remote_store **out, const dv_remote_options *o)
{
	dv_autoptr(dv_remote_store) r = dv_calloc(1, sizeof *r);
	dv_autofree char *index = dv_path_join(o->mirror_dir, "index");
	const char *server = o->setting ? o->setting(o->ctx, "endpointurl") : NULL;

	if (!r)
		return DV_ERROR;
	pthread_mutex_init(&r->footers_lock, NULL);
	r->name = dv_strdup(o->name ? o->name : o->url);
	r->mirror = dv_strdup(o->mirror_dir);
	r->server = dv_strdup(server ? server : "");
	if (!r->name || !r->mirror || !r->server)
		return DV_ERROR;
	int rc = index ? dv_fs_mkdirs(index) : DV_ERROR;
	if (rc || (rc = open_driver(r, o)))
		return rc;
	if (r->r)
		dv_probe_recall(r);
	r->may_ask = o->may_ask;
	*out = dv_steal(&r);
	return 0;
}

int dv_remote_store_open(dv_remote_store **out, const dv_remote_options *o)
{
	dv_autoptr(dv_remote_store) r = NULL;
	dv_autofree char *state = dv_path_join(o->mirror_dir, "state");
	bool warm = state && access(state, F_OK) == 0;
	dv_remote_options place = *o;

	place.create = o->create && (o->anew || !warm);
	int rc = state ? dv_remote_place_open(&r, &place) : DV_ERROR;

	if (rc == 0)
		rc = open_all(r, o, warm);
	if (rc == 0)
		*out = dv_steal(&r);
	return rc;
}

/* -- lookups ----------------------------------------------------------------------------------- */

const dv_log_state *dv_remote_store_state(const dv_remote_store *r)
{
	return &r->state;
}

/* The log's word on a container counts, not the segment's; a place outside it is none. */
bool dv_remote_place_ok(const dv_remote_store *r, dv_place *at)
{
	dv_pack_entry e;
	dv_oid key = dv_container_key(at->in.kind, &at->in.id);
	uint64_t i;

	if (!dv_map_get(&r->state.packs, &key, &i) || i >= r->state.ncontainers)
		return false;
	at->in = r->state.containers[i];
	dv_place_entry(&e, &at->in.id, at);
	if (at->in.kind == DV_CONTAINER_FILE)
		return at->codec == DV_CODEC_RAW && at->stored == at->raw && at->nbases == 0 &&
		       at->raw <= DV_RAW_MAX && at->stored <= at->in.size &&
		       at->offset <= at->in.size - at->stored;
	return dv_pack_entry_check(&e, at->in.size) == NULL;
}

dv_remote_traffic dv_remote_store_traffic(const dv_remote_store *r)
{
	return (dv_remote_traffic){ r->traffic.requests, r->traffic.sent, r->traffic.received };
}

bool dv_remote_store_find(const dv_remote_store *r, uint8_t kind, const dv_oid *id, dv_place *out)
{
	bool found = false;
	dv_place at;

	for (size_t i = r->nsegs; (!found || out->depth) && i-- > 0;) {
		if (!r->segs[i].map || !dv_segment_find(r->segs[i].map, kind, id, &at) ||
		    (found && at.depth >= out->depth) || !dv_remote_place_ok(r, &at))
			continue;
		*out = at;
		found = true;
	}
	return r->asking && (!found || out->depth) ? dv_asking_find(r, kind, id, found, out) :
						     found;
}

static bool entry_ok(dv_place *at, const void *payload)
{
	return dv_remote_place_ok(payload, at);
}

int dv_remote_store_entries(const dv_remote_store *r, dv_entries *out)
{
	dv_autofree const dv_segment **segs = dv_reallocarray(NULL, r->nsegs + 1, sizeof *segs);

	if (!segs)
		return DV_ERROR;
	size_t n = 0;
	for (size_t i = 0; i < r->nsegs; i++)
		if (r->segs[i].map)
			segs[n++] = r->segs[i].map;
	return dv_entries_init(out, segs, n, entry_ok, r);
}

bool dv_remote_store_has_object(const dv_remote_store *r, const dv_oid *oid)
{
	dv_place at;

	return dv_oid_is_empty(oid) || dv_remote_store_find(r, DV_KIND_CHUNK, oid, &at) ||
	       dv_remote_store_find(r, DV_KIND_RECIPE, oid, &at);
}

bool dv_remote_store_has_root(const dv_remote_store *r, const dv_oid *oid)
{
	return dv_map_has(&r->state.roots, oid);
}
