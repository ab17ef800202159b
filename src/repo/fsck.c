/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_fsck: reads a whole store, or looks through it, says which outputs its damages touch, and
 * mends them from another store. Nothing that can still be read is given up: a damaged container
 * goes only after what is readable in it was written anew, and when something in it could not be
 * replaced the container is put aside first.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/progress.h"
#include "repo/record.h"
#include "repo/runlist.h"
#include "repo/sync.h"

#define LOCK_WAIT_MS 10000

typedef struct damage {
	char *kind, *name, *detail;
	uint8_t entry_kind;
	dv_oid id;
	bool repaired;
	char **outputs;
	size_t n, cap;
} damage;
typedef struct fsck {
	dv_repo *repo;
	const dv_fsck_options *o;
	dv_store *store;	/* what is checked */
	dv_remote_store *remote;	/* the other one: this, or */
	dv_store *local;		/* this */
	dv_reader *reader, *source;
	dv_pool *pool;
	dv_output_list outputs;
	char **labels;		/* one for each output; owned */
	size_t nlabels, labels_cap;
	bool *broken;		/* outputs that are not whole */
	damage *d;
	size_t n, cap;
	dv_map entries;		/* id of an entry or object -> index in d */
	const char *label;	/* of the output being looked at */
	dv_map bad;		/* containers that must go */
	char *copy;		/* of a remote that is no folder; gone in the end */
	dv_fsck_summary *sum;
} fsck;

static void fsck_release(fsck *f)
{
	for (size_t i = 0; i < f->n; i++) {
		damage *d = &f->d[i];

		for (size_t k = 0; k < d->n; k++)
			free(d->outputs[k]);
		free(d->outputs);
		free(d->kind);
		free(d->name);
		free(d->detail);
	}
	free(f->d);
	for (size_t i = 0; i < f->nlabels; i++)
		free(f->labels[i]);
	free(f->labels);
	free(f->broken);
	dv_map_release(&f->entries);
	dv_map_release(&f->bad);
	dv_output_list_release(&f->outputs);
	dv_reader_free(f->reader);
	dv_reader_free(f->source);
	dv_remote_store_free(f->remote);
	dv_store_free(f->local);
	dv_store_free(f->store);
	dv_pool_free(f->pool);
	if (f->copy && dv_fs_remove_tree(f->copy) < 0)
		dv_error_clear();	/* the scratch folder goes as a whole */
	free(f->copy);
}

/* -- finding ----------------------------------------------------------------------------------- */

static int touch(damage *d, const char *label)
{
	int rc;

	if (!label || (d->n && strcmp(d->outputs[d->n - 1], label) == 0))
		return 0;
	if ((rc = dv_grow(&d->outputs, &d->cap, d->n + 1, sizeof(char *))) < 0)
		return rc;
	if (!(d->outputs[d->n] = dv_strdup(label)))
		return DV_ERROR;
	d->n++;
	return 0;
}

static bool same_kind(const damage *a, const dv_store_damage *b)
{
	return strcmp(a->kind, b->kind) == 0 && strcmp(a->name, b->name) == 0;
}

static int on_damage(const dv_store_damage *x, void *payload)
{
	fsck *f = payload;
	uint64_t at;
	damage *d;
	int rc;

	/* The same thing again, now from the side of an output. */
	if (dv_map_get(&f->entries, &x->id, &at) &&
	    (same_kind(&f->d[at], x) || f->d[at].entry_kind == x->entry_kind))
		return touch(&f->d[at], f->label);
	if ((rc = dv_grow(&f->d, &f->cap, f->n + 1, sizeof(*f->d))) < 0)
		return rc;
	d = &f->d[f->n];
	*d = (damage){ .kind = dv_strdup(x->kind), .name = dv_strdup(x->name),
		       .detail = dv_strdup(x->detail), .entry_kind = x->entry_kind, .id = x->id };
	f->n++;
	if (!d->kind || !d->name || !d->detail)
		return dv_err_nomem();
	if (!dv_oid_is_zero(&x->id) && (rc = dv_map_put(&f->entries, &x->id, f->n - 1)) < 0)
		return rc;
	if (strcmp(x->kind, "pack") == 0 || strcmp(x->kind, "file") == 0) {
		dv_oid id;

		if (dv_oid_parse(&id, x->name, strlen(x->name)) == 0 &&
		    (rc = dv_map_put(&f->bad, &id, f->n - 1)) < 0)
			return rc;
	}
	return touch(d, f->label);
}

static int add_labels(fsck *f, const char *suffix)
{
	for (size_t i = f->nlabels; i < f->outputs.n; i++) {
		dv_auto(dv_buf) b = DV_BUF_INIT;
		int rc = dv_grow(&f->labels, &f->labels_cap, i + 1, sizeof(char *));

		if (rc < 0)
			return rc;
		dv_buf_addf(&b, "%s%s", f->outputs.o[i].path, suffix);
		if (b.err || !(f->labels[i] = dv_buf_detach(&b)))
			return dv_err_nomem();
		f->nlabels++;
	}
	return 0;
}

/* The outputs of the workspace, then those of HEAD that are different there. */
static int load_outputs(fsck *f)
{
	dv_auto(dv_output_list) head = DV_OUTPUT_LIST_INIT;
	dv_auto(dv_map) here = DV_MAP_INIT;
	char hex[DV_GIT_HEX + 1] = "";
	dv_git *g = NULL;
	int rc = dv_repo_outputs(f->repo, &f->outputs);

	if (rc == 0)
		rc = add_labels(f, "");
	if (rc == 0 && f->repo->has_git && (rc = dv_repo_git(f->repo, &g)) == 0)
		rc = dv_git_head(g, hex);
	if (rc == 0 && *hex)
		rc = dv_repo_outputs_at(f->repo, "HEAD", &head);
	for (size_t i = 0; rc == 0 && i < f->outputs.n; i++)
		rc = dv_map_put(&here, &f->outputs.o[i].pointer.oid, 1);
	for (size_t i = 0; rc == 0 && i < head.n; i++)
		if (!dv_map_has(&here, &head.o[i].pointer.oid))
			rc = dv_output_list_add_copy(&f->outputs, &head.o[i]);
	if (rc == 0)
		rc = add_labels(f, " at HEAD");
	f->broken = rc == 0 ? dv_calloc(f->outputs.n + 1, sizeof(bool)) : NULL;
	return rc < 0 || f->broken ? rc : DV_ERROR;
}

static int lacking(const dv_change *c, void *payload)
{
	fsck *f = payload;
	dv_store_damage d = { .kind = "object", .name = c->path, .detail = "is not all there" };

	for (size_t i = 0; i < f->outputs.n; i++)
		if (strcmp(f->outputs.o[i].path, c->path) == 0)
			f->label = f->labels[i];
	int rc = on_damage(&d, f);
	f->label = NULL;
	return rc;
}

/* Is what the outputs need on the remote, by its index? */
static int check_there(fsck *f)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	uint64_t n = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && f->n == 0 && i < f->outputs.n; i++) {
		const dv_output *o = &f->outputs.o[i];

		if (dv_store_has_object(f->store, &o->pointer.oid))
			rc = dv_output_list_add_copy(&l, o);
	}
	return rc < 0 || !l.n ? rc : dv_sync_missing(f->repo, f->o->remote_name, &l, lacking, f,
						     &n);
}

/* The run records of this clone and what they bring along, in its cache. */
static int check_runs(fsck *f, dv_closure *all, bool damaged)
{
	static const char *const what[] = { "", "run record", "log of a run",
					    "listing of run records" };
	dv_auto(dv_run_list) l = DV_RUN_LIST_INIT;
	int rc = f->o->remote ? 0 : dv_run_list_read(&l, f->repo, 0);

	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		const dv_run_item *it = &l.items[i];
		size_t missing = all->nmissing;

		/* A listing is needed by nobody; it comes again with the next fetch. */
		if (it->kind == DV_RUN_ITEM_BATCH && !dv_store_has_object(f->store, &it->oid))
			continue;
		if (!damaged) {
			rc = dv_closure_add(all, f->reader, &it->oid, false, true);
			if (rc == DV_ECORRUPT) {
				dv_error_clear();
				rc = 0;
			} else if (rc < 0 || all->nmissing == missing) {
				continue;
			}
		}
		f->label = what[it->kind];
		rc = dv_store_check_object(f->reader, &it->oid, false, on_damage, f);
		f->label = NULL;
	}
	return rc;
}

/* Looks at every output when something is damaged; else it is enough that everything is there. */
static int check_outputs(fsck *f)
{
	bool damaged = f->n > 0;
	size_t pos = 0;
	dv_map_entry *e;
	dv_auto(dv_closure) all = DV_CLOSURE_INIT;
	int rc = 0;

	/* A copy without chunks tells nothing of what they list. */
	if (f->copy && !f->o->full)
		return check_there(f);

	for (size_t i = 0; rc == 0 && i < f->outputs.n; i++) {
		const dv_pointer *p = &f->outputs.o[i].pointer;
		size_t missing = all.nmissing;

		/* On a remote, what was never pushed is not damage. */
		if (f->o->remote && !dv_store_has_object(f->store, &p->oid))
			continue;
		if (!damaged) {
			rc = dv_closure_add(&all, f->reader, &p->oid, p->is_dir, true);
			if (rc == DV_ECORRUPT) {
				dv_error_clear();
				rc = 0;
			} else if (rc < 0 || all.nmissing == missing) {
				continue;
			}
		}
		f->label = f->labels[i];
		rc = dv_store_check_object(f->reader, &p->oid, p->is_dir, on_damage, f);
		f->label = NULL;
	}
	if (rc == 0)
		rc = check_runs(f, &all, damaged);
	while ((e = dv_map_next(&all.objects, &pos)))
		f->sum->trees += e->value == 2;
	for (size_t i = 0; rc == 0 && i < f->outputs.n; i++)
		for (size_t k = 0; k < f->n && !f->broken[i]; k++)
			for (size_t j = 0; j < f->d[k].n && !f->broken[i]; j++)
				f->broken[i] = strcmp(f->d[k].outputs[j], f->labels[i]) == 0;
	return rc;
}

/* -- mending ----------------------------------------------------------------------------------- */

static int read_source(fsck *f, uint8_t kind, const dv_oid *id, dv_buf *out)
{
	const uint8_t *p;
	size_t n;
	int rc;

	if (f->remote)
		return dv_remote_store_read(f->remote, kind, id, out);
	if (!f->source)
		return DV_ENOTFOUND;
	dv_buf_clear(out);
	rc = dv_reader_get(f->source, kind, id, &p, &n);
	return rc < 0 ? rc : dv_buf_add(out, p, n);
}

static bool is_bad(const dv_container *c, void *payload)
{
	const fsck *f = payload;

	return dv_map_has(&f->bad, &c->id);
}

/* Everything that the index knows stays. */
static int keep_all(fsck *f, dv_closure *keep)
{
	const dv_log_state *state = dv_store_state(f->store);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < state->nsegments; i++) {
		dv_autofree char *path = dv_store_segment_path(f->store, &state->segments[i]);
		dv_autoptr(dv_segment) seg = NULL;
		dv_place at;
		dv_oid id;

		rc = path ? dv_segment_open(&seg, path) : dv_err_nomem();
		for (size_t k = 0; rc == 0 && k < dv_segment_count(seg); k++)
			if (dv_segment_at(seg, k, &id, &at))
				rc = dv_map_put(at.kind == DV_KIND_CHUNK ? &keep->chunks
									 : &keep->recipes, &id, 1);
	}
	return rc;
}

/* Puts damaged containers aside: a second name in damaged/. Whole files always, as what is in them
 * may be the work of somebody who wrote through a link; packs when something was lost. */
static int put_aside(fsck *f, bool lost)
{
	dv_autofree char *dir = dv_path_join(dv_store_dir(f->store), "damaged");
	const dv_log_state *state = dv_store_state(f->store);
	int rc = dir ? 0 : dv_err_nomem();

	for (size_t i = 0; rc == 0 && i < state->ncontainers; i++) {
		const dv_container *c = &state->containers[i];
		dv_autofree char *from = NULL, *to = NULL;

		if (!dv_map_has(&f->bad, &c->id) || (!lost && c->kind == DV_CONTAINER_PACK))
			continue;
		from = dv_store_container_path(f->store, c);
		to = from ? dv_path_join(dir, dv_path_base(from)) : NULL;
		if (!to)
			return dv_err_nomem();
		if ((rc = dv_fs_mkdirs(dir)) < 0)
			return rc;
		if (access(from, F_OK) == 0 && access(to, F_OK) != 0 &&
		    dv_fs_linkat(AT_FDCWD, from, AT_FDCWD, to) < 0)
			rc = dv_err_sys("cannot put '%s' aside", from);
	}
	return rc;
}

static int sweep_bad(fsck *f)
{
	dv_auto(dv_closure) keep = DV_CLOSURE_INIT;
	dv_sweep o = { .keep = &keep, .drop_container = is_bad, .payload = f,
		       .level = dv_repo_compression(f->repo) };
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_sweep_stats st;
	bool lost = false;
	int rc = keep_all(f, &keep);

	for (size_t i = 0; rc == 0 && !lost && i < f->n; i++)
		lost = f->d[i].entry_kind &&
		       read_source(f, f->d[i].entry_kind, &f->d[i].id, &b) < 0;
	dv_error_clear();
	if (rc == 0)
		rc = put_aside(f, lost);
	return rc < 0 ? rc : dv_store_sweep(f->store, &o, &st);
}

/* Brings entries from the other store: such as are not there any more, or then, with `renew`, such
 * as still cannot be read, because they are deltas to what could not be brought. */
static int bring_entries(fsck *f, bool renew)
{
	dv_autoptr(dv_encoder) enc = NULL;
	dv_autoptr(dv_writer) w = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_writer_new(&w, f->store, dv_repo_compression(f->repo));

	if (rc == 0)
		rc = dv_encoder_new(&enc, dv_repo_compression(f->repo));
	if (rc == 0 && renew)
		dv_writer_renew(w);
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		const damage *d = &f->d[i];
		const uint8_t *p;
		dv_place at;
		size_t n;

		if (!d->entry_kind || (rc = dv_check_cancel()) < 0 ||
		    (renew ? dv_reader_get(f->reader, d->entry_kind, &d->id, &p, &n) == 0 :
			     dv_store_find(f->store, d->entry_kind, &d->id, &at)))
			continue;
		dv_error_clear();
		if (read_source(f, d->entry_kind, &d->id, &b) < 0) {
			dv_error_clear();
			continue;
		}
		rc = dv_writer_put(w, enc, d->entry_kind, &d->id, (const uint8_t *)b.p, b.n, NULL,
				   NULL);
	}
	return rc < 0 ? rc : dv_writer_commit(w, NULL, 0);
}

/* Whole objects that are missing, whatever they consist of. */
static int bring_objects(fsck *f)
{
	dv_autofree dv_want *w = dv_calloc(f->outputs.n + 1, sizeof(*w));
	dv_autoptr(dv_remote_store) to = NULL;
	dv_move_options mo = { .jobs = f->o->jobs };
	dv_move_stats st;
	size_t n = 0;
	int rc = w ? 0 : DV_ERROR;

	for (size_t i = 0; rc == 0 && i < f->outputs.n; i++)
		if (f->broken[i])
			w[n++] = (dv_want){ .oid = f->outputs.o[i].pointer.oid,
					    .is_tree = f->outputs.o[i].pointer.is_dir,
					    .path = f->outputs.o[i].path };
	if (rc < 0 || n == 0 || (!f->remote && !f->local))
		return rc;
	if (f->remote) {
		rc = dv_transfer_fetch(f->store, f->remote, w, n, &mo, &st);
	} else {
		rc = dv_repo_remote_open(f->repo, f->o->remote_name, false, &to, NULL);
		if (rc == 0)
			rc = dv_transfer_push(f->local, to, w, n, &mo, &st);
	}
	if (rc == DV_ENOTFOUND || rc == DV_EPARTIAL) {
		dv_error_clear();	/* told as damage that is not repaired */
		rc = 0;
	}
	return rc < 0 ? rc : dv_store_refresh(f->store);
}

static int ignore_damage(const dv_store_damage *d, void *payload)
{
	bool *found = payload;

	(void)d;
	*found = true;
	return 0;
}

static bool is_mended(fsck *f, const damage *d)
{
	const dv_log_state *state = dv_store_state(f->store);
	bool found = false;
	const uint8_t *p;
	dv_oid id;
	size_t n;

	if (d->entry_kind)
		return dv_reader_get(f->reader, d->entry_kind, &d->id, &p, &n) == 0;
	if (!dv_oid_is_zero(&d->id))
		return dv_store_check_object(f->reader, &d->id, strcmp(d->kind, "tree") == 0,
					     ignore_damage, &found) == 0 && !found;
	if (dv_oid_parse(&id, d->name, strlen(d->name)) < 0)
		return false;
	if (strcmp(d->kind, "pack") == 0)
		return !dv_log_state_has(state, DV_CONTAINER_PACK, &id);
	if (strcmp(d->kind, "file") == 0)
		return !dv_log_state_has(state, DV_CONTAINER_FILE, &id);
	if (strcmp(d->kind, "segment") != 0)
		return false;
	for (size_t i = 0; i < state->nsegments; i++)
		if (dv_oid_eq(&state->segments[i], &id))
			return false;
	return true;
}

static int repair(fsck *f)
{
	bool segments = false;
	int rc = dv_store_lock(f->store, true, LOCK_WAIT_MS);

	if (rc == DV_ELOCKED)
		return dv_err_hint(dv_err(rc, "another dv process uses the store '%s'",
					  dv_store_dir(f->store)), "try again when it has ended");
	for (size_t i = 0; i < f->n; i++)
		segments = segments || strcmp(f->d[i].kind, "segment") == 0;
	if (rc == 0 && segments)
		rc = dv_store_reindex(f->store);
	if (rc == 0 && f->bad.n)
		rc = sweep_bad(f);
	if (rc == 0)
		rc = bring_entries(f, false);
	if (rc == 0)
		rc = bring_entries(f, true);
	if (rc == 0)
		rc = bring_objects(f);
	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		f->d[i].repaired = is_mended(f, &f->d[i]);
		f->sum->repaired += f->d[i].repaired;
		dv_error_clear();
	}
	return rc;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* The folder of a remote that is one. */
static int remote_folder(fsck *f, char **out)
{
	dv_autofree char *name = NULL, *url = NULL;
	int rc = dv_config_remote(&f->repo->config, f->repo->root, f->o->remote_name, &name, &url);

	if (rc == 0)
		rc = dv_path_from_url(out, url);
	if (rc != DV_EUSAGE)
		return rc;
	dv_error_clear();
	if (f->o->repair)
		return dv_err_hint(dv_err(DV_ERROR, "remote '%s' is no folder of this machine: it "
					  "can be checked but not repaired", name),
				   "run 'dv fsck --repair' on the machine that has the store");
	/* What is taken from elsewhere is looked at here, in a folder that nobody else uses. */
	if ((rc = dv_scratch_open(&f->repo->scratch, f->repo->dvdir)) < 0)
		return rc;
	f->copy = dv_path_join(f->repo->scratch.dir, "new-fsck");
	*out = f->copy ? dv_strdup(f->copy) : NULL;
	if (!*out || dv_fs_mkdirs(f->copy))
		return DV_ERROR;
	return dv_sync_replica(f->repo, name, f->copy, f->o->full);
}

static int open_local(fsck *f)
{
	int rc = dv_store_open(&f->local, f->repo->cache_dir, DV_STORE_CREATE);

	if (rc == 0)
		rc = dv_store_lock(f->local, false, -1);
	return rc < 0 ? rc : dv_reader_new(&f->source, f->local);
}

/* Opens both stores. The one that is checked may have damaged segments. */
static int open_stores(fsck *f)
{
	dv_autofree char *folder = NULL;
	int rc;

	/* A lock that this process holds through another descriptor would keep us out. */
	dv_store_free(f->repo->store);
	f->repo->store = NULL;
	if (!f->o->remote)
		rc = dv_store_open(&f->store, f->repo->cache_dir, DV_STORE_TOLERATE |
				   (f->o->repair ? DV_STORE_CREATE : DV_STORE_LOOK));
	else if ((rc = remote_folder(f, &folder)) == 0)
		rc = dv_store_open(&f->store, folder, DV_STORE_TOLERATE);
	if (rc == 0)
		rc = dv_store_lock(f->store, false, -1);
	/* Nobody collects garbage on a remote; where nothing can be written there is no lock. */
	if (rc == DV_ERROR && folder && !f->o->repair && access(folder, W_OK)) {
		dv_error_clear();
		rc = 0;
	}
	if (rc == 0 && f->o->repair) {
		if (!f->o->remote) {
			rc = dv_repo_remote_open(f->repo, f->o->remote_name, false, &f->remote,
						 NULL);
			if (rc == DV_ENOTFOUND) {
				/* Without a remote the index can be mended all the same. */
				dv_warn("%s", dv_error_last()->message);
				dv_error_clear();
				rc = 0;
			}
		}
		if (rc == 0 && f->o->remote)
			rc = open_local(f);
	}
	if (rc == 0)
		rc = dv_repo_pool(&f->pool, f->repo, f->o->jobs);
	return rc < 0 ? rc : dv_reader_new(&f->reader, f->store);
}

static int tell(const fsck *f, dv_damage_cb cb, void *payload)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < f->n; i++) {
		const damage *d = &f->d[i];
		dv_damage x = { .kind = d->kind, .name = d->name, .detail = d->detail,
				.repaired = d->repaired };

		if (d->n == 0)
			rc = cb(&x, payload);
		for (size_t k = 0; rc == 0 && k < d->n; k++) {
			x.output = d->outputs[k];
			rc = cb(&x, payload);
		}
	}
	return rc;
}

/* What a lost entry named would count for nothing, and go. */
static int no_repair(const fsck *f)
{
	dv_err(DV_ECORRUPT, "the log of '%s' is damaged, so nothing was repaired",
	       dv_store_dir(f->store));
	return dv_err_hint(DV_ECORRUPT, "bring the entries back from a copy of the store first");
}

int dv_fsck(dv_repo *r, const dv_fsck_options *o, dv_damage_cb cb, void *payload,
	    dv_fsck_summary *out)
{
	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	__attribute__((cleanup(fsck_release))) fsck f = { .repo = r, .o = o, .sum = out };
	dv_store_stats st = { 0 };
	int rc;

	memset(out, 0, sizeof(*out));
	out->quick = o->quick || (o->remote && !o->full && !o->repair);
	if (o->quick && (o->full || o->repair))
		return dv_err(DV_EUSAGE, "a quick look neither reads everything nor repairs");
	if ((rc = load_outputs(&f)) < 0 || (rc = open_stores(&f)) < 0)
		return rc;
	dv_progress_start("verifying", 0, 0);
	rc = dv_store_fsck(f.store, f.pool, out->quick, on_damage, &f, &st);
	if (rc == 0)
		rc = check_outputs(&f);
	dv_progress_end();
	if (rc != 0)
		return rc;
	out->packs = st.packs;
	out->segments = st.segments;
	out->chunks = st.chunks;
	out->recipes = st.recipes;
	out->bytes = st.bytes;
	out->damaged = f.n;
	if (o->repair && f.n && !dv_store_is_torn(f.store))
		rc = repair(&f);
	if (rc == 0 && cb)
		rc = tell(&f, cb, payload);
	if (rc == 0 && o->repair && dv_store_is_torn(f.store))
		rc = no_repair(&f);
	return rc;
}
