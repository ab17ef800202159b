/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From buffers to packs, and from packs to a commit. The order is the promise: packs durable under
 * their names, then the segment, then the log entry. Before the entry nobody knows the files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "store/writer_priv.h"

/* -- the pack ---------------------------------------------------------------------------- */

static int pack_bytes(dv_wpack *p, const void *bytes, size_t n)
{
	p->size += n;
	return dv_direct_write(&p->out, bytes, n);
}

static int open_pack(dv_writer *w)
{
	dv_wpack *p = &w->pack;
	dv_autofree char *path = dv_path_join(w->store->dir, "packs/new");
	uint8_t header[DV_PACK_HEADER], nonce[16];
	int rc = path ? dv_random(nonce, sizeof(nonce)) : DV_ERROR;

	if (!rc)
		rc = dv_atomic_open(&p->file, path, 0);
	if (!rc)
		rc = dv_direct_open(&p->out, p->file.fd, p->file.tmp);
	if (rc)
		return rc;
	dv_sha256_init(&p->name);
	p->size = 0;
	dv_pack_header(header, nonce);
	dv_sha256_update(&p->name, header, sizeof(header));
	return pack_bytes(p, header, sizeof(header));
}

void dv_writer_drop_pack(dv_writer *w)
{
	dv_direct_writer_release(&w->pack.out);
	w->pack.out = (dv_direct_writer)DV_DIRECT_INIT;
	dv_atomic_release(&w->pack.file);
	dv_pack_footer_release(&w->pack.f);
	w->pack.e_cap = w->pack.bases_cap = 0;
}

int dv_writer_write_buffer(dv_writer *w, dv_wbuf *b)
{
	dv_wpack *p = &w->pack;
	dv_pack_footer *f = &p->f;
	int rc = dv_check_cancel();

	if (!rc && p->file.fd >= 0 &&
	    (f->n + b->ne > DV_PACK_ENTRIES_MAX || f->nbases + b->nb > DV_PACK_ENTRIES_MAX))
		rc = dv_writer_close_pack(w);
	if (!rc && p->file.fd < 0)
		rc = open_pack(w);
	if (!rc)
		rc = dv_grow(&f->e, &p->e_cap, f->n + b->ne, sizeof(*f->e));
	if (!rc && b->nb)
		rc = dv_grow(&f->bases, &p->bases_cap, f->nbases + b->nb, sizeof(*f->bases));
	if (rc)
		return rc;
	for (size_t i = 0; i < b->ne; i++) {
		dv_pack_entry *e = &f->e[f->n++];

		*e = b->e[i];
		dv_pack_name_entry(&p->name, e, b->p + e->offset);
		e->offset += p->size;
		if (e->nbases)
			e->bases_at += (uint32_t)f->nbases;
	}
	if (b->nb)
		memcpy(f->bases + f->nbases, b->bases, b->nb * sizeof(*b->bases));
	f->nbases += b->nb;
	rc = pack_bytes(p, b->p, b->n);
	if (!rc && p->size >= DV_PACK_TARGET)
		rc = dv_writer_close_pack(w);
	return rc;
}

int dv_writer_add_pending(dv_writer *w, const dv_container *c, char *tmp, bool adopted)
{
	int rc = dv_grow(&w->pending, &w->pending_cap, w->npending + 1, sizeof(*w->pending));

	if (rc)
		return rc;
	w->pending[w->npending++] = (dv_pending){ .c = *c, .tmp = tmp, .adopted = adopted };
	return 0;
}

/* Data to the disk, the mode to read only. The descriptor is closed in any case. */
static int seal(dv_atomic *file)
{
	struct stat st;
	int rc = 0, fd = dv_steal_fd(&file->fd);

	if (fstat(fd, &st) || dv_fs_fchmod(fd, st.st_mode & 0444) || dv_fs_fdatasync(fd))
		rc = dv_err_sys("cannot sync '%s'", file->tmp);
	if (close(fd) && errno != EINTR && !rc)
		rc = dv_err_sys("cannot write '%s'", file->tmp);
	return rc;
}

int dv_writer_close_pack(dv_writer *w)
{
	dv_wpack *p = &w->pack;
	dv_auto(dv_buf) footer = DV_BUF_INIT;
	dv_container c = { .kind = DV_CONTAINER_PACK };
	int rc;

	if (p->file.fd < 0)
		return 0;
	rc = dv_pack_footer_write(&footer, &p->f, p->size);
	dv_sha256_update(&p->name, footer.p, footer.n);
	if (!rc)
		rc = pack_bytes(p, footer.p, footer.n);
	if (!rc)
		rc = dv_direct_finish(&p->out);
	if (!rc)
		rc = seal(&p->file);
	if (rc)
		return rc;
	c.size = p->size;
	dv_sha256_final(&p->name, &c.id);
	rc = dv_segment_builder_add(w->index, &c, &p->f);
	if (!rc && w->outlet)
		rc = w->outlet->take(w->outlet->ctx, &c, dv_steal(&p->file.tmp));
	else if (!rc && !(rc = dv_writer_add_pending(w, &c, p->file.tmp, false)))
		p->file.tmp = NULL;
	dv_writer_drop_pack(w);
	if (rc)
		return rc;
	pthread_mutex_lock(&w->lock);
	rc = dv_writer_spill(w);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int dv_writer_spill(dv_writer *w)
{
	const dv_segment *seg = NULL;
	int rc = dv_store_spill_segment(w->store, w->index, &seg);

	for (size_t i = 0; !rc && seg && i < dv_segment_count(seg); i++) {
		uint64_t *kinds;
		dv_place at;
		dv_oid id;

		if (!dv_segment_at(seg, i, &id, &at) || !(kinds = dv_map_find(&w->have, &id)))
			continue;
		/* With a chunk goes its depth. */
		*kinds &= at.kind == DV_KIND_CHUNK ? DV_KIND_RECIPE : ~(uint64_t)DV_KIND_RECIPE;
		if (!*kinds)
			dv_map_remove(&w->have, &id);
	}
	return rc;
}

void dv_writer_drop_pending(dv_writer *w)
{
	for (size_t i = 0; i < w->npending; i++) {
		dv_pending *p = &w->pending[i];
		dv_autofree char *path = NULL;

		if (p->tmp) {
			dv_fs_unlinkat(AT_FDCWD, p->tmp, 0);
		} else if (!w->named && !p->adopted) {
			path = dv_store_container_path(w->store, &p->c);
			if (path)
				dv_fs_unlinkat(AT_FDCWD, path, 0);
		}
		free(p->tmp);
	}
	w->npending = 0;
}

/* -- names ------------------------------------------------------------------------------- */

/* What stands there is either the same bytes or was changed by somebody: this mends it. */
static int place_whole(dv_writer *w, dv_pending *p, const char *path, bool *dir)
{
	struct stat st;
	int rc = dv_whole_put_aside(w->store, &p->c, path);

	if (rc < 0)
		return rc;
	if (dv_fs_renameat(AT_FDCWD, p->tmp, AT_FDCWD, path) < 0)
		return dv_err_sys("cannot create '%s'", path);
	/* Between two names of one file a rename does nothing. */
	if (lstat(p->tmp, &st) == 0)
		dv_fs_unlinkat(AT_FDCWD, p->tmp, 0);
	dv_whole_forget(w->store, &p->c.id);
	free(p->tmp);
	p->tmp = NULL;
	*dir = true;
	return 0;
}

/* Gives one container its name; `dirs` marks the folders to sync. */
static int place(dv_writer *w, dv_pending *p, bool dirs[2][257])
{
	dv_autofree char *path = dv_store_container_path(w->store, &p->c);
	dv_autofree char *dir = path ? dv_path_dir(path) : NULL;
	int kind = p->c.kind == DV_CONTAINER_FILE;

	if (!dir)
		return DV_ERROR;
	if (dv_fs_mkdirat(AT_FDCWD, dir, 0777) == 0)
		dirs[kind][256] = true;
	else if (errno != EEXIST)
		return dv_err_sys("cannot create '%s'", dir);
	if (kind)
		return place_whole(w, p, path, &dirs[kind][p->c.id.b[0]]);
	if (dv_fs_rename_noreplace(AT_FDCWD, p->tmp, AT_FDCWD, path)) {
		if (errno != EEXIST)
			return dv_err_sys("cannot create '%s'", path);
		/* The same bytes are there already: names say what is inside. */
		dv_fs_unlinkat(AT_FDCWD, p->tmp, 0);
		p->adopted = true;
	}
	free(p->tmp);
	p->tmp = NULL;
	dirs[kind][p->c.id.b[0]] = true;
	return 0;
}

static int sync_folder(dv_writer *w, int kind, int i)
{
	dv_autofree char *top = dv_path_join(w->store->dir, kind ? "files" : "packs");
	dv_autofree char *sub = NULL;
	static const char digits[] = "0123456789abcdef";
	char name[3] = { digits[(i >> 4) & 15], digits[i & 15], '\0' };

	if (!top)
		return DV_ERROR;
	if (i == 256)
		return dv_fs_sync_dir(top);
	sub = dv_path_join(top, name);
	return sub ? dv_fs_sync_dir(sub) : DV_ERROR;
}

static int place_all(dv_writer *w)
{
	bool dirs[2][257] = { { false } };
	int rc = 0;

	for (size_t i = 0; !rc && i < w->npending; i++)
		rc = w->pending[i].tmp ? place(w, &w->pending[i], dirs) : 0;
	for (int kind = 0; !rc && kind < 2; kind++)
		for (int i = 0; !rc && i <= 256; i++)
			rc = dirs[kind][i] ? sync_folder(w, kind, i) : 0;
	return rc;
}

/* -- the segment ------------------------------------------------------------------------- */

#define MERGE_MIN 8
#define MERGE_RATIO 4

static int compare_counts(const void *pa, const void *pb)
{
	const dv_mapped *a = *(const dv_mapped *const *)pa, *b = *(const dv_mapped *const *)pb;
	size_t na = dv_segment_count(a->seg), nb = dv_segment_count(b->seg);

	return na < nb ? -1 : na > nb;
}

/* Small segments are merged into the new one once there are several: as in any log-structured
 * merge, an entry is copied a few times in all and a lookup sees few segments. */
static int choose_small(dv_writer *w, dv_log_entry *e, const dv_segment **out, size_t *n)
{
	dv_store *s = w->store;
	dv_autofree const dv_mapped **by_count = dv_reallocarray(NULL, s->nsegs + 1,
								 sizeof(*by_count));
	size_t total = dv_segment_builder_count(w->index), k = 0;
	int rc = 0;

	*n = 0;
	if (!by_count)
		return DV_ERROR;
	for (size_t i = 0; i < s->nsegs; i++)
		by_count[i] = &s->segs[i];
	qsort(by_count, s->nsegs, sizeof(*by_count), compare_counts);
	while (k < s->nsegs && dv_segment_count(by_count[k]->seg) <= MERGE_RATIO * total)
		total += dv_segment_count(by_count[k++]->seg);
	if (k < MERGE_MIN)
		return 0;
	for (size_t i = 0; !rc && i < k; i++) {
		out[i] = by_count[i]->seg;
		rc = dv_log_drop_segment(e, &by_count[i]->id);
	}
	*n = k;
	return rc;
}

static int write_segment(dv_writer *w, dv_log_entry *e)
{
	dv_autofree const dv_segment **small = dv_reallocarray(NULL, w->store->nsegs + 1,
							       sizeof(*small));
	dv_oid name;
	size_t n = 0;
	int rc = small ? choose_small(w, e, small, &n) : DV_ERROR;

	if (!rc)
		rc = dv_store_put_segment(w->store, w->index, small, n, &name);
	return rc ? rc : dv_log_add_segment(e, &name);
}

/* -- the commit -------------------------------------------------------------------------- */

static int add_roots(const dv_store *s, dv_log_entry *e, const dv_root *roots, size_t n)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		if (dv_map_has(&s->state.roots, &roots[i].oid))
			continue;
		rc = dv_log_add_root(e, &roots[i].oid, roots[i].is_tree, roots[i].path,
				     roots[i].project, roots[i].commit);
		if (!rc)
			e->roots[e->nroots - 1].runs = roots[i].runs;
	}
	return rc;
}

/* Merged segments are of no use to anybody: a reader that misses one finds that the log has grown.
 * A file that stays behind is litter for the next collection. */
static void unlink_merged(const dv_store *s, const dv_log_entry *e)
{
	for (size_t i = 0; i < e->nseg_drop; i++) {
		dv_autofree char *path = dv_store_segment_path(s, &e->seg_drop[i]);
		bool live = false;

		for (size_t k = 0; k < s->state.nsegments; k++)
			live |= dv_oid_eq(&s->state.segments[k], &e->seg_drop[i]);
		if (path && !live)
			dv_fs_unlinkat(AT_FDCWD, path, 0);
	}
}

static int commit(dv_writer *w, const dv_root *roots, size_t nroots)
{
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_COMMIT };
	int rc = dv_writer_flush(w);

	if (!rc)
		rc = add_roots(w->store, &e, roots, nroots);
	if (rc || (!w->npending && !e.nroots))
		return rc;
	for (size_t i = 0; !rc && i < w->npending; i++)
		rc = dv_log_add_pack(&e, &w->pending[i].c.id, w->pending[i].c.size,
				     w->pending[i].c.kind);
	if (!rc && w->npending) {
		rc = place_all(w);
		if (!rc)
			rc = write_segment(w, &e);
	}
	if (rc)
		return rc;
	w->named = true;
	rc = dv_store_append(w->store, &e);
	if (!rc)
		unlink_merged(w->store, &e);
	return rc;
}

int dv_writer_commit(dv_writer *w, const dv_root *roots, size_t nroots)
{
	int rc = dv_whole_check_looks(w->store);

	if (!rc)
		rc = commit(w, roots, nroots);

	pthread_mutex_lock(&w->lock);
	if (rc) {
		/* A batch that failed half-way cannot be tried again. */
		if (!w->failed)
			dv_error_take(&w->error);
		w->failed = true;
	} else {
		dv_segment_builder_free(w->index);
		w->index = NULL;
		rc = dv_segment_builder_new(&w->index);
		w->npending = 0;
		w->named = false;
		dv_map_clear(&w->have);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}
