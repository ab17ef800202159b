/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Push: walk, send packs, then the segment, then the log entry. The entry is created only if
 * absent; when others were faster their entries are read first, and after a collection the push is
 * planned anew. So no clock and no lock takes part in it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "transfer/internal.h"

#define REPLANS 8
#define SEGMENTS_MAX 16
#define LOCK_WAIT_MS 60000

static int forget_sent(dv_pushing *p)
{
	p->nsent = 0;
	dv_segment_builder_free(p->index);
	p->index = NULL;
	return dv_segment_builder_new(&p->index);
}

static void dv_pushing_release(dv_pushing *p)
{
	dv_segment_builder_free(p->index);
	free(p->spill);
	free(p->sent);
	free(p->missing);
	dv_push_walk_release(&p->walk);
}

/* -- the walk over all wants ------------------------------------------------------------------- */

/* Walks all wants, or want `only`, and leaves out what is known to lack something. */
static int walk_wants(dv_pushing *p, dv_reader *reader, size_t only)
{
	int rc = dv_push_walk_init(&p->walk, p->local, reader, p->r, false);

	if (rc)
		return rc;
	dv_pushing_forget_needs(p);
	p->walk.on_need = p->sender ? dv_pushing_need : NULL;
	p->walk.payload = p;
	for (size_t i = 0; i < p->nwants; i++) {
		const dv_want *w = &p->wants[i];

		if (only < p->nwants ? i != only : p->missing[i] > 0)
			continue;
		rc = dv_push_walk_add(&p->walk, &w->oid, w->is_tree);
		if (rc)
			return dv_err_ctx(rc, "output '%s'", w->path ? w->path : "?");
	}
	return 0;
}

/* One walk finds whether all is there. Only when it is not, each want is looked at by itself, as
 * they share objects, and the walk is made again without the ones that lack something. */
static int walk_all(dv_pushing *p, dv_reader *reader)
{
	memset(p->missing, 0, (p->nwants + 1) * sizeof *p->missing);
	int rc = walk_wants(p, reader, p->nwants);
	if (rc || p->walk.missing == 0)
		return rc;
	for (size_t i = 0; i < p->nwants; i++) {
		if ((rc = walk_wants(p, reader, i)))
			return rc;
		p->missing[i] = p->walk.missing;
	}
	return walk_wants(p, reader, p->nwants);
}

/* What the caller is told about wants that lack something: 0 when there are none. */
static int missing_error(const dv_pushing *p)
{
	size_t bad = 0, first = 0, all = 0;

	for (size_t i = p->nwants; i-- > 0;) {
		all += !p->wants[i].runs;
		if (p->missing[i]) {
			bad++;
			first = i;
		}
	}
	if (bad == 0)
		return 0;
	int code = bad >= all ? DV_ENOTFOUND : DV_EPARTIAL;
	code = dv_transfer_missing(code, &p->wants[first], p->missing[first], p->r);
	if (bad > 1)
		dv_err_ctx(code, "%zu outputs were not pushed", bad);
	return code;
}

/* -- what the remote has --------------------------------------------------------------------- */

/* Something could not be looked up, as a segment is gone from the remote: then a newer entry of its
 * log says so, and all has to be planned anew. Else what went wrong is told. */
static int overtaken(dv_remote_store *r, int rc, bool *again)
{
	uint64_t before = r->state.head;
	dv_error why;

	if (!r->asking || (rc != DV_ENOTFOUND && rc != DV_ECORRUPT))
		return rc;
	dv_error_take(&why);
	if ((rc = dv_remote_log_replay(r)))
		return rc;
	if (r->state.head == before)
		return dv_error_put(&why);
	*again = true;
	return dv_remote_store_sync_segments(r);
}

/* Notes what the walk is going to look up, as if the remote had nothing but what is mirrored. */
static int note_questions(dv_pushing *p, dv_reader *reader)
{
	int rc = dv_push_walk_init(&p->walk, p->local, reader, p->r, false);

	dv_asking_begin(p->r);
	p->walk.on_need = dv_asking_room;
	p->walk.payload = p->r;
	for (size_t i = 0; rc == 0 && i < p->nwants; i++) {
		const dv_want *w = &p->wants[i];

		rc = dv_push_walk_add(&p->walk, &w->oid, w->is_tree);
		if (rc < 0)
			dv_err_ctx(rc, "output '%s'", w->path ? w->path : "?");
	}
	return rc < 0 ? rc : 0;
}

/* Asks for the rows of segments that were not copied, or copies them. */
static int ask_for_rows(dv_pushing *p, dv_reader *reader)
{
	dv_remote_store *r = p->r;

	for (int i = 0; r->asking && i < REPLANS; i++) {
		bool again = false;
		int rc = note_questions(p, reader);

		if (rc)
			return rc;
		if (dv_asking_is_dear(r))
			break;
		if ((rc = dv_asking_send(r)) == 0)
			return 0;
		rc = overtaken(r, rc, &again);
		if (rc && rc != DV_ENOTFOUND && rc != DV_ECORRUPT)
			return rc;
		/* Who copies a segment that is damaged tells it best. */
		dv_error_clear();
		if (rc)
			break;
	}
	return dv_remote_store_complete(r);
}

/* -- segment ----------------------------------------------------------------------------------- */

static bool container_is_live(const dv_container *c, void *payload)
{
	const dv_remote_store *r = payload;

	return dv_log_state_has(&r->state, c->kind, &c->id);
}

typedef struct by_count {
	size_t index, count;
} by_count;
static int compare_counts(const void *a, const void *b)
{
	const by_count *x = a, *y = b;

	return (x->count > y->count) - (x->count < y->count);
}

/* The smallest segments go into the new one when there are many. */
static int choose_small(dv_pushing *p, dv_log_entry *e, const dv_segment **out, size_t *n)
{
	dv_remote_store *r = p->r;

	*n = 0;
	if (r->nsegs < SEGMENTS_MAX)
		return 0;
	dv_autofree by_count *order = dv_calloc(r->nsegs, sizeof *order);
	if (!order)
		return DV_ERROR;
	for (size_t i = 0; i < r->nsegs; i++)
		order[i] = (by_count){ i, r->segs[i].map ? dv_segment_count(r->segs[i].map) :
							   (size_t)r->segs[i].count };
	qsort(order, r->nsegs, sizeof *order, compare_counts);
	while (*n < r->nsegs - SEGMENTS_MAX / 4) {
		dv_remote_segment *s = &r->segs[order[*n].index];
		int rc = dv_remote_store_need_segment(r, s);

		if (rc || (rc = dv_log_drop_segment(e, &s->id)))
			return rc;
		out[(*n)++] = s->map;
	}
	return 0;
}

static int send_segment(dv_pushing *p, dv_log_entry *e)
{
	dv_remote_store *r = p->r;
	dv_autofree const dv_segment **small = dv_reallocarray(NULL, r->nsegs + 1, sizeof *small);
	dv_auto(dv_atomic) file = DV_ATOMIC_INIT;
	char name[DV_NAME_ROOM], hex[DV_OID_HEX_SIZE + 1];
	struct stat st;
	size_t n = 0;
	dv_oid id;
	int rc = small ? choose_small(p, e, small, &n) : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < p->nsent; i++)
		rc = dv_log_add_pack(e, &p->sent[i].id, p->sent[i].size, p->sent[i].kind);
	if (rc || (rc = dv_remote_store_new_segment(r, &file)) ||
	    (rc = dv_segment_builder_write(p->index, small, n, container_is_live, r, file.fd,
					   &id)))
		return rc;
	if (fstat(file.fd, &st) || lseek(file.fd, 0, SEEK_SET) != 0)
		return dv_err_sys("cannot read '%s'", file.tmp);
	dv_oid_hex(hex, &id);
	snprintf(name, sizeof name, "index/%s", hex);
	if ((rc = r->r->driver->put(r->r, name, file.fd, (uint64_t)st.st_size)))
		return dv_err_ctx(rc, "remote '%s'", r->name);
	rc = dv_remote_store_keep_segment(r, &id, &file);
	return rc ? rc : dv_log_add_segment(e, &id);
}

/* -- log --------------------------------------------------------------------------------------- */

/* Creates the entry under the first free number. *again: it has to be planned anew. */
/* Beside the packs that go a collection drops from the index what is not needed in others, and
 * deltas may have been turned round. */
static int came(const dv_log_entry *other, bool *stop, void *unused)
{
	(void)unused;
	*stop = other->kind == DV_LOG_CONDEMN;
	return 0;
}

/* *again: a collection came between. */
static int append(dv_pushing *p, dv_log_entry *e, bool *again)
{
	return dv_remote_log_append(p->r, e, &(dv_log_appending){ .came = came }, again);
}

/* Lets later readers start here. Losing the race for the number does no harm. */
static int checkpoint(dv_remote_store *r)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_oid print;

	if (r->state.head - r->state.checkpoint < DV_CHECKPOINT_EVERY)
		return 0;
	int rc = dv_log_checkpoint(&e, &r->state);
	if (rc || (rc = dv_random(e.nonce, sizeof e.nonce)))
		return rc;
	e.base = r->state.head;
	rc = dv_remote_log_create(r, r->state.head + 1, &e, &print);
	if (rc == DV_EEXISTS) {
		dv_error_clear();
		return 0;
	}
	return rc ? rc : dv_remote_log_apply(r, r->state.head + 1, &e, &print);
}

int dv_pushing_commit(dv_pushing *p, dv_log_entry *e, bool *again)
{
	int rc = p->nsent ? send_segment(p, e) : 0;

	*again = false;
	if (rc)
		rc = overtaken(p->r, rc, again);
	if (rc || *again || (rc = append(p, e, again)))
		return rc;
	if (!*again && (rc = checkpoint(p->r)))
		return rc;
	if ((rc = dv_remote_store_sync_segments(p->r)))
		return rc;
	return dv_mirror_save(p->r);
}

int dv_pushing_add_roots(dv_pushing *p, dv_log_entry *e)
{
	for (size_t i = 0; i < p->nwants; i++) {
		const dv_want *w = &p->wants[i];

		/* Said by another project it is not said by ours: each drops its own. */
		if (p->missing[i] ||
		    dv_log_state_has_root(&p->r->state, &w->oid, w->is_tree, p->o->project))
			continue;
		int rc = dv_log_add_root(e, &w->oid, w->is_tree, w->path, p->o->project,
					 p->o->commit);
		if (rc)
			return rc;
		e->roots[e->nroots - 1].runs = w->runs;
	}
	return 0;
}

static int plan_and_send(dv_pushing *p, dv_reader *reader)
{
	int rc = dv_pushing_begin(p);

	if (rc == 0)
		rc = walk_all(p, reader);
	int asked = dv_asking_error(p->r);
	if (rc == 0 && asked == 0) {
		rc = dv_pushing_send(p);
		asked = dv_asking_error(p->r);
	}
	dv_pushing_end(p);
	return asked ? asked : rc;
}

static int push_once(dv_pushing *p, dv_reader *reader, bool *again)
{
	dv_auto(dv_log_entry) e = { .kind = DV_LOG_COMMIT };

	*again = false;
	int rc = forget_sent(p);
	if (rc == 0)
		rc = ask_for_rows(p, reader);
	if (rc == 0)
		rc = plan_and_send(p, reader);
	if (rc)
		rc = overtaken(p->r, rc, again);
	if (rc || *again || p->o->dry || (rc = dv_pushing_add_roots(p, &e)) ||
	    (p->nsent == 0 && e.nroots == 0))
		return rc;
	return dv_pushing_commit(p, &e, again);
}

static void count(const dv_pushing *p, dv_move_stats *out)
{
	out->chunks = p->walk.nchunks;
	out->objects = p->walk.objects;
	out->files = p->walk.nfiles;
	out->bytes = p->bytes;
	out->packs = p->nsent;
	out->requests = p->o->dry ? p->requests : 0;
}

static bool nothing_to_do(const dv_pushing *p)
{
	for (size_t i = 0; i < p->nwants; i++)
		if (!dv_log_state_has_root(&p->r->state, &p->wants[i].oid, p->wants[i].is_tree,
					   p->o->project))
			return false;
	return true;
}

static void warn_of_weakness(dv_remote_store *r)
{
	if (!r->warned)
		dv_warn("remote '%s' cannot create files only if they are absent: of two pushes in "
			"the same moment one may have to be made again ('dv status --remote' "
			"tells)", r->name);
	r->warned = true;
}

int dv_pushing_check(dv_remote_store *remote)
{
	if (remote->r && !(remote->r->caps & DV_REMOTE_WRITE))
		return dv_err_hint(dv_err(DV_ERROR, "remote '%s' can only be read", remote->name),
				   "push by another way to the same place, by s3://, ssh:// or its "
				   "folder, which may be a remote of its own");
	if (!remote->r || !remote->exists)
		return dv_err(DV_ENOTFOUND, "remote '%s' is not there", remote->name);
	int rc = dv_probe_create(remote);
	if (rc == 0 && remote->create != DV_CREATE_ENFORCED)
		warn_of_weakness(remote);
	return rc;
}

int dv_transfer_push(dv_store *local, dv_remote_store *remote, const dv_want *w, size_t n,
		     const dv_move_options *o, dv_move_stats *out)
{
	static const dv_move_options none;
	dv_autoptr(dv_reader) reader = NULL;
	dv_auto(dv_pushing) p = {
		.local = local, .r = remote, .wants = w, .nwants = n, .o = o ? o : &none,
	};
	dv_move_stats unused;
	bool again = true;
	int rc;

	out = out ? out : &unused;
	*out = (dv_move_stats){ 0 };
	if (nothing_to_do(&p))
		return 0;
	if (!p.o->dry && (rc = dv_pushing_check(remote)))
		return rc;
	p.missing = dv_calloc(n + 1, sizeof *p.missing);
	p.spill = dv_path_join(remote->mirror, "index/new");
	if (!p.missing || !p.spill)
		return DV_ERROR;
	rc = dv_store_lock(local, false, LOCK_WAIT_MS);
	if (rc == 0)
		rc = dv_reader_new(&reader, local);
	for (int i = 0; rc == 0 && again && i < REPLANS; i++)
		rc = push_once(&p, reader, &again);
	if (rc == 0 && again)
		rc = dv_err(DV_ETRANSIENT, "the packs of remote '%s' keep being condemned",
			    remote->name);
	if (rc)
		return rc;
	count(&p, out);
	return missing_error(&p);
}
