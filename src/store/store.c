/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open store: its description, the log replayed, the live segments mapped. The log alone says
 * what belongs to the store, so an entry found in a segment counts only while its container lives.
 */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/path.h"
#include "store/store_priv.h"

#define FSCK_HINT "run 'dv fsck --repair'"
#define MISSING_MAX 1000	/* log entries that fsck passes over */

const char *dv_store_dir(const dv_store *s)
{
	return s->dir;
}

const dv_log_state *dv_store_state(const dv_store *s)
{
	return &s->state;
}

char *dv_store_path(const dv_store *s, const char *folder, const dv_oid *id, bool fan)
{
	char hex[DV_OID_HEX_SIZE + 1], name[DV_OID_HEX_SIZE + 32];

	dv_oid_hex(hex, id);
	if (fan)
		snprintf(name, sizeof(name), "%s/%.2s/%s", folder, hex, hex);
	else
		snprintf(name, sizeof(name), "%s/%s", folder, hex);
	return dv_path_join(s->dir, name);
}

char *dv_store_container_path(const dv_store *s, const dv_container *c)
{
	return dv_store_path(s, c->kind == DV_CONTAINER_FILE ? "files" : "packs", &c->id, true);
}

char *dv_store_segment_path(const dv_store *s, const dv_oid *name)
{
	return dv_store_path(s, "index", name, false);
}

#define DV_HINT_LOG "bring it back from a copy of the store; else move the store away and fill " \
		    "a new one with 'dv pull' or 'dv push'"

/* -- the description --------------------------------------------------------------------- */

/* The description comes last: where it is, the folders are. */
static int create_store(const char *dir, const char *path)
{
	static const char *const folders[] = { "packs", "index", "log", "files" };
	int rc = dv_fs_mkdirs_sync(dir);

	for (size_t i = 0; !rc && i < sizeof(folders) / sizeof(*folders); i++) {
		dv_autofree char *sub = dv_path_join(dir, folders[i]);

		rc = sub ? dv_fs_mkdirs_sync(sub) : DV_ERROR;
	}
	if (!rc)
		rc = dv_fs_write_file(path, dv_store_description, strlen(dv_store_description),
				      DV_ATOMIC_NOREPLACE | DV_ATOMIC_SYNC);
	if (rc == DV_EEXISTS) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

static int open_description(const char *dir, unsigned flags)
{
	dv_autofree char *path = dv_path_join(dir, DV_STORE_DESCRIPTION);
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc;

	if (!path)
		return DV_ERROR;
	rc = dv_fs_read_file(&text, path, DV_STORE_DESCRIPTION_MAX);
	if (rc == DV_ENOTFOUND && (flags & DV_STORE_CREATE)) {
		dv_error_clear();
		rc = create_store(dir, path);
		if (!rc)
			rc = dv_fs_read_file(&text, path, DV_STORE_DESCRIPTION_MAX);
	}
	if (rc == DV_ENOTFOUND)
		return dv_err(DV_ENOTFOUND, "there is no store in '%s'", dir);
	return rc ? rc : dv_store_check_description(&text, path);
}

/* -- the log ----------------------------------------------------------------------------- */

/* DV_ENOTFOUND when the entry is not there. */
static int read_entry(const dv_store *s, uint64_t number, dv_log_entry *e)
{
	char name[DV_LOG_NAME_LEN + 8] = "log/";
	dv_autofree char *path = NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc;

	dv_log_name(name + 4, number);
	path = dv_path_join(s->dir, name);
	if (!path)
		return DV_ERROR;
	rc = dv_fs_read_file(&text, path, DV_LOG_ENTRY_MAX);
	if (rc)
		return rc;
	rc = dv_log_entry_parse(e, text.p, text.n);
	if (rc)
		rc = dv_err_ctx(rc, "log entry '%s'", path);
	if (rc == DV_ECORRUPT)
		dv_err_hint(rc, DV_HINT_LOG);
	return rc;
}

static int find_head(const dv_store *s, uint64_t *head)
{
	dv_autofree char *path = dv_path_join(s->dir, "log");
	struct dirent *d;
	DIR *dir;

	*head = 0;
	if (!path)
		return DV_ERROR;
	dir = opendir(path);
	if (!dir)
		return dv_err_sys("cannot read the log in '%s'", path);
	while ((d = readdir(dir))) {
		uint64_t n = dv_log_number(d->d_name);

		if (n > *head)
			*head = n;
	}
	closedir(dir);
	return 0;
}

/* What is damaged or missing is told by fsck, which looks at the rest as well. A file whose name
 * says that there are millions of entries is not believed. */
static bool may_skip(dv_store *s, int rc)
{
	if ((rc != DV_ECORRUPT && rc != DV_ENOTFOUND) || !(s->flags & DV_STORE_TOLERATE) ||
	    (rc == DV_ENOTFOUND && ++s->missing > MISSING_MAX))
		return false;
	dv_error_clear();
	s->torn = true;
	return true;
}

/* Starts from the newest checkpoint: they stand behind multiples of DV_CHECKPOINT_EVERY. */
static int load_checkpoint(dv_store *s, uint64_t head)
{
	uint64_t at = head ? (head - 1) / DV_CHECKPOINT_EVERY * DV_CHECKPOINT_EVERY : 0;

	for (; at; at -= DV_CHECKPOINT_EVERY) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
		int rc = read_entry(s, at + 1, &e);

		if (may_skip(s, rc))
			continue;
		if (rc == DV_ENOTFOUND)
			return dv_err(DV_ECORRUPT, "log entry %" PRIu64 " is missing in '%s'",
				      at + 1, s->dir);
		if (rc)
			return rc;
		if (e.kind == DV_LOG_CHECKPOINT)
			return dv_log_apply(&s->state, at + 1, &e);
	}
	return 0;
}

/* Applies entries up to `upto`, which must all be there, or with 0 as many as there are. *condemned
 * (may be NULL) tells whether one of them condemned packs. */
static int read_log(dv_store *s, uint64_t upto, bool *condemned)
{
	while (!upto || s->state.head < upto) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
		uint64_t number = s->state.head + 1;
		int rc = read_entry(s, number, &e);

		if (rc == DV_ENOTFOUND && !upto) {
			dv_error_clear();
			return 0;
		}
		if (may_skip(s, rc)) {
			s->state.head = number;
			continue;
		}
		if (rc == DV_ENOTFOUND) {
			dv_err(DV_ECORRUPT, "log entry %" PRIu64 " is missing in '%s'", number,
			       s->dir);
			return dv_err_hint(DV_ECORRUPT, DV_HINT_LOG);
		}
		if (!rc)
			rc = dv_log_apply(&s->state, number, &e);
		if (rc)
			return rc;
		if (condemned && e.kind == DV_LOG_CONDEMN)
			*condemned = true;
	}
	return 0;
}

/* -- segments ---------------------------------------------------------------------------- */

static dv_segment *take_mapped(dv_mapped *list, size_t n, const dv_oid *id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].seg && dv_oid_eq(&list[i].id, id))
			return dv_steal(&list[i].seg);
	return NULL;
}

static int map_segment(const dv_store *s, const dv_oid *id, dv_segment **seg)
{
	dv_autofree char *path = dv_store_segment_path(s, id);
	int rc = path ? dv_segment_open(seg, path) : DV_ERROR;

	if (rc && (s->flags & DV_STORE_TOLERATE)) {
		dv_error_clear();
		*seg = NULL;
		return 0;
	}
	if (rc == DV_ECORRUPT || rc == DV_ENOTFOUND)
		dv_err_hint(rc, FSCK_HINT);
	return rc;
}

/* Makes the mapped segments those of the state. */
static int map_segments(dv_store *s)
{
	dv_mapped *old = s->segs;
	size_t nold = s->nsegs;
	int rc = 0;

	s->segs = dv_calloc(s->state.nsegments ? s->state.nsegments : 1, sizeof(*s->segs));
	s->nsegs = 0;
	if (!s->segs) {
		s->segs = old;
		s->nsegs = nold;
		return DV_ERROR;
	}
	for (size_t i = 0; !rc && i < s->state.nsegments; i++) {
		dv_mapped m = { .id = s->state.segments[i] };

		m.seg = take_mapped(old, nold, &m.id);
		if (!m.seg)
			rc = map_segment(s, &m.id, &m.seg);
		if (!rc && m.seg)
			s->segs[s->nsegs++] = m;
	}
	for (size_t i = 0; i < nold; i++)
		dv_segment_free(old[i].seg);
	free(old);
	return rc;
}

static bool is_live(const dv_container *c, void *payload)
{
	const dv_log_state *state = payload;

	return dv_map_has(&state->packs, &c->id);
}

int dv_store_spill_segment(const dv_store *s, dv_segment_builder *b, const dv_segment **out)
{
	dv_autofree char *path = dv_path_join(s->dir, "index/new");

	return path ? dv_segment_builder_spill(b, path, out) : DV_ERROR;
}

int dv_store_put_segment(dv_store *s, dv_segment_builder *b, const dv_segment *const *with,
			 size_t n, dv_oid *name)
{
	dv_auto(dv_atomic) file = DV_ATOMIC_INIT;
	dv_autofree char *temp = dv_path_join(s->dir, "index/new");
	dv_autofree char *path = NULL;
	int rc = temp ? dv_atomic_open(&file, temp, DV_ATOMIC_SYNC | DV_ATOMIC_READONLY) :
			DV_ERROR;

	if (!rc)
		rc = dv_segment_builder_write(b, with, n, is_live, &s->state, file.fd, name);
	if (rc < 0)
		return rc;
	/* What stands under the name may be damaged, or not be durable yet. */
	path = dv_store_segment_path(s, name);
	return path ? dv_atomic_commit_as(&file, path) : DV_ERROR;
}

static int refresh_locked(dv_store *s)
{
	/* A segment that went while we looked was merged away: then the log has grown. */
	for (int tries = 0;; tries++) {
		uint64_t head;
		int rc = read_log(s, 0, NULL);

		if (!rc)
			rc = map_segments(s);
		if (rc != DV_ENOTFOUND)
			return rc;
		head = s->state.head;
		if (find_head(s, &head) || head <= s->state.head || tries >= 3) {
			dv_err(DV_ECORRUPT, "an index segment is missing in '%s'", s->dir);
			return dv_err_hint(DV_ECORRUPT, FSCK_HINT);
		}
	}
}

int dv_store_refresh(dv_store *s)
{
	int rc;

	pthread_rwlock_wrlock(&s->lock);
	rc = refresh_locked(s);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

int dv_store_open(dv_store **out, const char *dir, unsigned flags)
{
	dv_autoptr(dv_store) s = NULL;
	uint64_t head = 0;
	int rc = open_description(dir, flags);
	bool absent = rc == DV_ENOTFOUND && (flags & DV_STORE_LOOK);

	if (rc && !absent)
		return rc;
	if (absent)
		dv_error_clear();
	s = dv_calloc(1, sizeof(*s));
	if (!s)
		return DV_ERROR;
	s->flock = (dv_lock)DV_LOCK_INIT;
	s->flags = flags;
	s->absent = absent;
	pthread_rwlock_init(&s->lock, NULL);
	pthread_mutex_init(&s->whole_lock, NULL);
	s->dir = dv_strdup(dir);
	if (!s->dir)
		return DV_ERROR;
	rc = absent ? 0 : find_head(s, &head);
	if (!rc)
		rc = load_checkpoint(s, head);
	if (!rc && head)
		rc = read_log(s, head, NULL);
	if (!rc)
		rc = refresh_locked(s);
	if (rc)
		return rc;
	*out = dv_steal(&s);
	return 0;
}

bool dv_store_is_torn(const dv_store *s)
{
	return s->torn;
}

bool dv_store_is_absent(const dv_store *s)
{
	return s->absent;
}

void dv_store_free(dv_store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nsegs; i++)
		dv_segment_free(s->segs[i].seg);
	free(s->segs);
	dv_log_state_release(&s->state);
	dv_lock_release(&s->flock);
	pthread_rwlock_destroy(&s->lock);
	pthread_mutex_destroy(&s->whole_lock);
	dv_map_release(&s->wholes);
	free(s->dir);
	free(s);
}

/* -- locks ------------------------------------------------------------------------------- */

int dv_store_lock(dv_store *s, bool exclusive, int timeout_ms)
{
	dv_autofree char *path = NULL;
	int rc;

	if (s->absent || (s->flock.fd >= 0 && (s->exclusive || !exclusive)))
		return 0;
	path = dv_path_join(s->dir, "lock");
	if (!path)
		return DV_ERROR;
	/* Our own shared lock would keep us out. */
	dv_lock_release(&s->flock);
	rc = dv_lock_take(&s->flock, path, exclusive, timeout_ms, "the store");
	if (rc)
		return rc;
	s->exclusive = exclusive;
	/* What was known before may have been collected meanwhile. */
	rc = dv_store_refresh(s);
	if (rc)
		dv_store_unlock(s);
	return rc;
}

void dv_store_unlock(dv_store *s)
{
	dv_lock_release(&s->flock);
	s->exclusive = false;
}

/* -- lookups ----------------------------------------------------------------------------- */

bool dv_store_find(const dv_store *s, uint8_t kind, const dv_oid *id, dv_place *out)
{
	pthread_rwlock_t *lock = (pthread_rwlock_t *)(uintptr_t)&s->lock;
	bool found = false;
	dv_place at;

	pthread_rwlock_rdlock(lock);
	/* The least deep copy counts: so no chain of deltas grows or closes when others come. */
	for (size_t i = s->nsegs; (!found || out->depth) && i-- > 0;) {
		if (!dv_segment_find(s->segs[i].seg, kind, id, &at) ||
		    (found && at.depth >= out->depth) ||
		    !dv_log_state_has(&s->state, at.in.kind, &at.in.id) ||
		    (at.in.kind == DV_CONTAINER_FILE && !dv_whole_intact(s, &at.in)))
			continue;
		*out = at;
		found = true;
	}
	pthread_rwlock_unlock(lock);
	return found;
}

bool dv_store_has_object(const dv_store *s, const dv_oid *oid)
{
	dv_place at;

	return dv_oid_is_empty(oid) || dv_store_find(s, DV_KIND_CHUNK, oid, &at) ||
	       (dv_store_find(s, DV_KIND_RECIPE, oid, &at) && dv_whole_chunks_there(s, oid));
}

/* -- appending --------------------------------------------------------------------------- */

/* DV_EEXISTS when the number is taken. */
static int create_entry(dv_store *s, dv_log_entry *e)
{
	char name[DV_LOG_NAME_LEN + 8] = "log/";
	dv_autofree char *path = NULL;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc;

	e->base = s->state.head;
	dv_log_name(name + 4, s->state.head + 1);
	path = dv_path_join(s->dir, name);
	if (!path || dv_random(e->nonce, sizeof(e->nonce)))
		return DV_ERROR;
	rc = dv_log_entry_write(&text, e);
	if (!rc && text.n > DV_LOG_ENTRY_MAX)
		rc = dv_err(DV_ERROR, "the log entry would be too long");
	if (!rc)
		rc = dv_fs_write_file(path, text.p, text.n,
				      DV_ATOMIC_NOREPLACE | DV_ATOMIC_SYNC | DV_ATOMIC_READONLY);
	if (!rc)
		rc = dv_log_apply(&s->state, s->state.head + 1, e);
	return rc;
}

/* Best effort: without it replaying takes longer, nothing else. */
static void add_checkpoint(dv_store *s)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	int rc = dv_log_checkpoint(&e, &s->state);

	if (!rc)
		rc = create_entry(s, &e);
	if (rc)
		dv_error_clear();
}

static int append_locked(dv_store *s, dv_log_entry *e)
{
	int rc;

	while ((rc = create_entry(s, e)) == DV_EEXISTS) {
		bool condemned = false;

		rc = read_log(s, 0, &condemned);
		if (rc)
			return rc;
		if (condemned) {
			dv_err(DV_ELOCKED, "the store was cleaned up at the same time");
			return dv_err_hint(DV_ELOCKED, "run the command again");
		}
		rc = dv_check_cancel();
		if (rc)
			return rc;
	}
	if (rc)
		return rc;
	if (s->state.head % DV_CHECKPOINT_EVERY == 0)
		add_checkpoint(s);
	return refresh_locked(s);
}

int dv_store_append(dv_store *s, dv_log_entry *e)
{
	int rc;

	pthread_rwlock_wrlock(&s->lock);
	rc = append_locked(s, e);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

/* -- care -------------------------------------------------------------------------------- */

/* The temporary files of a folder, and of the folders "00" to "ff" in it. */
static int clean_folder(const char *path, time_t before, bool fan)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	struct stat st;
	int rc = 0;

	if (!dir)
		return 0;
	while (rc == 0 && (d = readdir(dir))) {
		if (fan && strlen(d->d_name) == 2 && *d->d_name != '.') {
			dv_autofree char *sub = dv_path_join(path, d->d_name);
			rc = sub ? clean_folder(sub, before, false) : DV_ERROR;
			continue;
		}
		if (strncmp(d->d_name, ".dv-tmp-", 8) != 0 ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    st.st_mtime >= before)
			continue;
		dv_fs_unlinkat(dirfd(dir), d->d_name, 0);
	}
	closedir(dir);
	return rc;
}

int dv_store_clean(dv_store *s, int64_t seconds)
{
	static const char *const folders[] = { ".", "packs", "index", "log", "files" };
	time_t before = time(NULL) - (time_t)seconds;
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(folders) / sizeof(*folders); i++) {
		dv_autofree char *path = dv_path_join(s->dir, folders[i]);

		rc = path ? clean_folder(path, before, i > 0) : DV_ERROR;
	}
	return rc;
}
