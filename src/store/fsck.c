/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a store: every byte of every container is read, or what their names are made of. Damage
 * is noted and the check goes on; the workers' notes reach the caller on its own thread.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/sha256.h"
#include "store/care_impl.h"
#include "store/recipe.h"
#include "store/store_priv.h"

#define READ_SIZE ((size_t)1 << 20)

typedef struct note {
	const char *kind;
	char *name, *detail;
	uint8_t entry_kind;
	dv_oid id;
} note;
typedef struct fsck {
	dv_store *s;
	bool quick;
	dv_holdings all;
	struct task *tasks;
	dv_reader **readers;	/* one a worker */
	int nreaders;
	pthread_mutex_t lock;	/* the notes */
	note *notes;
	size_t n, cap;
	dv_store_damage_cb cb;
	void *payload;
} fsck;
typedef struct task {
	fsck *f;
	const dv_holding *h;
} task;

static void fsck_release(fsck *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->notes[i].name);
		free(f->notes[i].detail);
	}
	free(f->notes);
	for (int i = 0; f->readers && i < f->nreaders; i++)
		dv_reader_free(f->readers[i]);
	free(f->readers);
	free(f->tasks);
	dv_holdings_release(&f->all);
	pthread_mutex_destroy(&f->lock);
}

/* Any thread. entry: NULL, or the entry that cannot be read. */
static int add_note(fsck *f, const char *kind, const char *name, const char *detail,
		    const dv_pack_entry *entry)
{
	note x = { .kind = kind, .name = dv_strdup(name), .detail = dv_strdup(detail) };
	int rc = x.name && x.detail ? 0 : DV_ERROR;

	if (entry) {
		x.entry_kind = entry->kind;
		x.id = entry->id;
	}
	pthread_mutex_lock(&f->lock);
	if (!rc)
		rc = dv_grow(&f->notes, &f->cap, f->n + 1, sizeof(*f->notes));
	if (!rc)
		f->notes[f->n++] = x;
	pthread_mutex_unlock(&f->lock);
	if (rc < 0) {
		free(x.name);
		free(x.detail);
	}
	return rc;
}

static int note_id(fsck *f, const char *kind, const dv_oid *id, const char *detail)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, id);
	return add_note(f, kind, hex, detail, NULL);
}

static int note_entry(fsck *f, const dv_pack_entry *e, const char *detail)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, &e->id);
	return add_note(f, e->kind == DV_KIND_CHUNK ? "chunk" : "recipe", hex, detail, e);
}

/* -- containers -------------------------------------------------------------------------------- */

/* The digest and length of a whole file. */
static int hash_whole(const char *path, dv_oid *id, uint64_t *size)
{
	dv_autofree uint8_t *buf = dv_malloc(READ_SIZE);
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	dv_sha256_ctx ctx;

	*size = 0;
	if (!buf)
		return DV_ERROR;
	if (fd < 0)
		return dv_err_sys("cannot open '%s'", path);
	dv_sha256_init(&ctx);
	for (;;) {
		size_t got;

		if (dv_fs_pread_all(fd, buf, READ_SIZE, (off_t)*size, &got) < 0)
			return dv_err_sys("cannot read '%s'", path);
		dv_sha256_update(&ctx, buf, got);
		*size += got;
		if (got < READ_SIZE)
			break;
		if (dv_check_cancel() < 0)
			return DV_ECANCELLED;
	}
	dv_sha256_final(&ctx, id);
	return 0;
}

/* Does it take more than a look to know the name? A pack of version 1 has the name of all its
 * bytes. */
static int is_long(int fd, bool *lengthy)
{
	uint8_t header[DV_PACK_HEADER];
	size_t got;

	if (dv_fs_pread_all(fd, header, sizeof(header), 0, &got) < 0)
		return dv_err_sys("cannot read a pack");
	*lengthy = got == sizeof(header) && dv_pack_version(header) == 1;
	return 0;
}

/* The name and size that a container ought to have by its bytes. *version: of a pack, else 0. */
static int hash_container(const fsck *f, const char *path, const dv_holding *h, dv_oid *id,
			  uint64_t *size, int *version)
{
	dv_autoclose int fd = -1;
	bool lengthy = h->c.kind == DV_CONTAINER_FILE;
	struct stat st;
	int rc;

	*version = 0;
	*size = 0;
	if (lengthy && !f->quick)
		return hash_whole(path, id, size);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return dv_err_sys("cannot open '%s'", path);
	*size = (uint64_t)st.st_size;
	rc = f->quick && !lengthy ? is_long(fd, &lengthy) : 0;
	if (rc < 0)
		return rc;
	if (f->quick && lengthy) {
		*id = h->c.id;
		return 0;
	}
	/* The footer is none of a pack of another size. */
	return h->readable && *size == h->c.size ? dv_pack_name(fd, *size, &h->f, id, version) : 0;
}

/* A copy that the index does not lead to is not in use: gc left it behind, perhaps without its
 * bases. */
static bool is_in_use(const dv_store *s, const dv_holding *h, const dv_pack_entry *e)
{
	dv_place at;

	if (!dv_store_find(s, e->kind, &e->id, &at))
		return !e->nbases;
	return at.in.kind == h->c.kind && dv_oid_eq(&at.in.id, &h->c.id) && at.offset == e->offset;
}

/* Whether a delta that does not decode is itself to blame. */
static bool has_whole_bases(dv_reader *r, const dv_holding *h, const dv_pack_entry *e)
{
	for (size_t i = 0; h->readable && i < e->nbases; i++) {
		const uint8_t *p;
		size_t n;

		if (dv_reader_get(r, DV_KIND_CHUNK, &h->f.bases[e->bases_at + i], &p, &n) < 0)
			return false;
	}
	return true;
}

/* The law of deltas: bases are there, and each is less deep than what builds on it. *kept tells. */
static int check_law(fsck *f, const dv_holding *h, const dv_pack_entry *e, bool *kept, bool *bad)
{
	char hex[DV_OID_HEX_SIZE + 1], detail[DV_OID_HEX_SIZE + 80];

	*kept = true;
	for (size_t i = 0; h->readable && i < e->nbases; i++) {
		const dv_oid *base = &h->f.bases[e->bases_at + i];
		bool found;
		dv_place at;

		found = dv_store_find(f->s, DV_KIND_CHUNK, base, &at);
		if (found && at.depth < e->depth)
			continue;
		dv_oid_hex(hex, base);
		snprintf(detail, sizeof(detail), "chunk %s, which it builds on, is %s", hex,
			 found ? "as deep as itself" : "missing");
		*kept = false;
		*bad |= found;
		return note_entry(f, e, detail);
	}
	return 0;
}

/* *bad: the entry is damaged. That is noted only where the entry is in use; the name of a pack of
 * version 1 vouches for all its bytes, so there the others need no look. */
static int check_entry(fsck *f, dv_reader *r, const dv_holding *h, const dv_pack_entry *e,
		       int version, bool *bad)
{
	bool used = is_in_use(f->s, h, e);
	dv_place at = { .in = h->c, .offset = e->offset, .stored = e->stored, .raw = e->raw,
			.kind = e->kind, .codec = e->codec, .nbases = e->nbases,
			.depth = e->depth };
	const uint8_t *p;
	bool kept = true;
	size_t n;
	dv_oid id;
	int rc = used ? check_law(f, h, e, &kept, bad) : 0;

	if (rc < 0 || !kept || f->quick || (!used && (version == 1 || e->nbases)))
		return rc;
	rc = dv_reader_get_at(r, &e->id, &at, &p, &n);
	if (!rc && e->kind == DV_KIND_CHUNK) {
		dv_sha256(&id, p, n);
		if (!dv_oid_eq(&id, &e->id))
			rc = dv_err(DV_ECORRUPT, "its bytes do not match its name");
	} else if (!rc) {
		dv_auto(dv_recipe) recipe = DV_RECIPE_INIT;
		uint8_t level;

		rc = dv_recipe_parse(&recipe, &level, p, n);
	}
	if (rc >= 0 || !dv_is_damage(rc))
		return rc;
	rc = used ? note_entry(f, e, dv_error_last()->message) : 0;
	*bad |= has_whole_bases(r, h, e);
	return rc;
}

static int note_pack(fsck *f, const dv_holding *h, const char *detail, bool *noted)
{
	if (*noted)
		return 0;
	*noted = true;
	return note_id(f, h->c.kind == DV_CONTAINER_FILE ? "file" : "pack", &h->c.id, detail);
}

static int check_container(void *arg, int worker)
{
	const task *t = arg;
	fsck *f = t->f;
	dv_autofree char *path = dv_store_container_path(f->s, &t->h->c);
	dv_reader **r = &f->readers[worker];
	const dv_holding *h = t->h;
	bool noted = false, bad = false;
	uint64_t size;
	dv_oid id;
	int version, rc = path ? hash_container(f, path, h, &id, &size, &version) : DV_ERROR;

	if (rc < 0 && !dv_is_damage(rc))
		return rc;
	if (rc < 0)
		rc = note_pack(f, h, dv_error_last()->message, &noted);
	else if (h->c.kind == DV_CONTAINER_PACK && !h->readable)
		rc = note_pack(f, h, "its footer is damaged", &noted);
	else if (size != h->c.size || !dv_oid_eq(&id, &h->c.id))
		rc = note_pack(f, h, "its bytes do not match its name", &noted);
	if (!rc && !*r)
		rc = dv_reader_new(r, f->s);
	for (size_t i = 0; i < h->f.n && !rc; i++) {
		rc = dv_check_cancel();
		if (!rc)
			rc = check_entry(f, *r, h, &h->f.e[i], version, &bad);
		dv_progress_add(f->quick ? 0 : h->f.e[i].stored, 0);
	}
	return !rc && bad ? note_pack(f, h, "it holds what is damaged", &noted) : rc;
}

static int check_containers(fsck *f, dv_pool *pool)
{
	int rc = 0, waited;
	uint64_t bytes = 0;

	f->tasks = dv_calloc(f->all.n + 1, sizeof(*f->tasks));
	f->readers = dv_calloc((size_t)dv_pool_threads(pool), sizeof(*f->readers));
	if (!f->tasks || !f->readers)
		return DV_ERROR;
	f->nreaders = dv_pool_threads(pool);
	for (size_t i = 0; i < f->all.n && !f->quick; i++)
		bytes += f->all.h[i].c.size;
	dv_progress_total(bytes, 0);
	for (size_t i = 0; i < f->all.n && !rc; i++) {
		f->tasks[i] = (task){ f, &f->all.h[i] };
		rc = dv_pool_submit(pool, check_container, &f->tasks[i]);
	}
	waited = dv_pool_wait(pool);
	return waited < 0 ? waited : rc;
}

/* -- segments ---------------------------------------------------------------------------------- */

static bool agrees(const fsck *f, const dv_segment *seg, size_t i)
{
	const dv_pack_entry *e;
	const dv_holding *h;
	dv_place p;
	dv_oid id;

	if (!dv_segment_at(seg, i, &id, &p))
		return false;
	/* Of a container that is gone the log says so, and lookups pass over it. */
	if (!(h = dv_holdings_find(&f->all, &p.in)))
		return true;
	e = dv_pack_footer_find(&h->f, p.kind, &id);
	return e && e->offset == p.offset && e->stored == p.stored && e->raw == p.raw &&
	       e->codec == p.codec && e->nbases == p.nbases && e->depth == p.depth;
}

static int check_segment(fsck *f, const dv_oid *name)
{
	dv_autofree char *path = dv_store_segment_path(f->s, name);
	dv_autoptr(dv_segment) seg = NULL;
	uint64_t size;
	dv_oid id;
	int rc = path ? hash_whole(path, &id, &size) : DV_ERROR;

	if (rc < 0 && !dv_is_damage(rc))
		return rc;
	if (!rc && !dv_oid_eq(&id, name))
		return note_id(f, "segment", name, "its bytes do not match its name");
	if (!rc)
		rc = dv_segment_open(&seg, path);
	if (rc < 0)
		return dv_is_damage(rc) ? note_id(f, "segment", name, dv_error_last()->message)
					: rc;
	for (size_t i = 0; i < dv_segment_count(seg); i++)
		if (!agrees(f, seg, i))
			return note_id(f, "segment", name, "it does not agree with the packs");
	return 0;
}

/* -- log --------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int check_entry_file(fsck *f, const char *dir, uint64_t number)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_autofree char *path = NULL;
	char name[DV_LOG_NAME_LEN + 1];
	int rc;

	dv_log_name(name, number);
	path = dv_path_join(dir, name);
	if (!path)
		return DV_ERROR;
	rc = dv_fs_read_file(&text, path, DV_LOG_ENTRY_MAX);
	if (!rc)
		rc = dv_log_entry_parse(&e, dv_buf_str(&text), text.n);
	return dv_is_damage(rc) ? add_note(f, "log", name, dv_error_last()->message, NULL) : rc;
}

static int check_log(fsck *f)
{
	dv_autofree char *path = dv_path_join(dv_store_dir(f->s), "log");
	dv_autofree uint64_t *numbers = NULL;
	size_t n = 0, cap = 0;
	const struct dirent *d;
	int rc = 0;
	DIR *dir;

	if (!path)
		return DV_ERROR;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return dv_err_sys("cannot list '%s'", path);
	while (dir && !rc && (d = readdir(dir))) {
		uint64_t number = dv_log_number(d->d_name);

		if (number && !(rc = dv_grow(&numbers, &cap, n + 1, sizeof(*numbers))))
			numbers[n++] = number;
	}
	if (dir)
		closedir(dir);
	if (n)
		qsort(numbers, n, sizeof(*numbers), by_number);
	for (size_t i = 0; i < n && !rc; i++) {
		char name[DV_LOG_NAME_LEN + 1];

		dv_log_name(name, i ? numbers[i - 1] + 1 : 1);
		if (numbers[i] != (i ? numbers[i - 1] + 1 : 1))
			rc = add_note(f, "log", name, "this entry is not there", NULL);
		if (!rc)
			rc = check_entry_file(f, path, numbers[i]);
	}
	return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

static int tell(fsck *f)
{
	for (size_t i = 0; i < f->n; i++) {
		const note *x = &f->notes[i];
		dv_store_damage d = { .kind = x->kind, .name = x->name, .detail = x->detail,
				      .entry_kind = x->entry_kind, .id = x->id };
		int rc = f->cb ? f->cb(&d, f->payload) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static void count(const fsck *f, dv_store_stats *out)
{
	*out = (dv_store_stats){ .packs = f->all.n,
				 .segments = dv_store_state(f->s)->nsegments };
	for (size_t i = 0; i < f->all.n; i++) {
		const dv_holding *h = &f->all.h[i];

		out->bytes += h->c.size;
		for (size_t k = 0; k < h->f.n; k++) {
			out->chunks += h->f.e[k].kind == DV_KIND_CHUNK;
			out->recipes += h->f.e[k].kind == DV_KIND_RECIPE;
		}
	}
}

int dv_store_fsck(dv_store *s, dv_pool *pool, bool quick, dv_store_damage_cb cb, void *payload,
		  dv_store_stats *out)
{
	__attribute__((cleanup(fsck_release))) fsck f = { .s = s, .quick = quick, .cb = cb,
							  .payload = payload,
							  .lock = PTHREAD_MUTEX_INITIALIZER };
	const dv_log_state *state = dv_store_state(s);
	int rc = check_log(&f);

	if (!rc)
		rc = dv_holdings_load(&f.all, s);
	if (!rc)
		rc = check_containers(&f, pool);
	for (size_t i = 0; i < state->nsegments && !rc; i++)
		rc = check_segment(&f, &state->segments[i]);
	if (rc < 0)
		return rc;
	if (out)
		count(&f, out);
	return tell(&f);
}
