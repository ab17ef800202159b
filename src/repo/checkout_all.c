/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_checkout: the outputs that the user names, one after the other. What a running stage reads or
 * writes is left to it: the paths are claimed (pathlock.h) before anything is written, and stages
 * that begin later wait for us.
 */
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/progress.h"
#include "repo/checkout_impl.h"
#include "repo/filtered.h"
#include "repo/pathlock.h"

#define WHO "'dv checkout'"
#define WAIT_MS 100	/* between two tries to get a lock */
#define ROUNDS 8	/* of reading what stages record meanwhile */

/* What concerns one output only stops that one: the first such failure is kept, the others are
 * warned of. */
static int note_failure(checkout *c, int r)
{
	if (r != DV_ENOTFOUND && r != DV_EDIRTY && r != DV_ECORRUPT && r != DV_ELOCKED)
		return r;
	if (!c->nfailed++)
		dv_error_take(&c->failed);
	else
		dv_warn("%s", dv_error_last()->message);
	return 0;
}

/* Part of the outputs are as they should be: another code than for a failure of all. */
static int finish(checkout *c, size_t wanted)
{
	if (!c->nfailed)
		return 0;
	if (c->nfailed < wanted)
		c->failed.code = DV_EPARTIAL;
	return dv_error_put(&c->failed);
}

/* -- paths that stages use --------------------------------------------------------------------- */

typedef struct claims {
	dv_pathlocks *locks;
	dv_pathlock_path *paths;	/* of the wanted outputs, borrowed from their list */
	size_t *index;			/* in that list */
	char **holders;			/* who uses them, or NULL */
	size_t n;
} claims;

static void claims_release(claims *k)
{
	dv_pathlocks_free(k->locks);
	for (size_t i = 0; k->holders && i < k->n; i++)
		free(k->holders[i]);
	free(k->holders);
	free(k->index);
	free(k->paths);
}

static int claim(claims *k, const checkout *c, const dv_output_list *l)
{
	const char *inner;

	k->paths = dv_calloc(l->n + 1, sizeof(*k->paths));
	k->index = dv_calloc(l->n + 1, sizeof(*k->index));
	k->holders = dv_calloc(l->n + 1, sizeof(*k->holders));
	if (!k->paths || !k->index || !k->holders)
		return DV_ERROR;
	for (size_t i = 0; i < l->n; i++)
		/* Git has its own ways to other versions of what passes through its filter. */
		if ((!l->o[i].filtered || c->o->rev || c->o->force) &&
		    dv_targets_want(&c->targets, &l->o[i], &inner)) {
			k->index[k->n] = i;
			k->paths[k->n++] = (dv_pathlock_path){ l->o[i].path, true };
		}
	return k->n ? dv_pathlocks_claim(k->locks, 0, WHO, k->paths, k->n, k->holders) : 0;
}

/* What a stage recorded between our reading and our claim is newer than what was read. */
static int is_stale(const checkout *c, const dv_output_list *l, const claims *k, bool *stale)
{
	dv_auto(dv_output_list) now = DV_OUTPUT_LIST_INIT;
	int e;

	*stale = false;
	if (c->o->rev || !dv_pathlocks_met_others(k->locks))
		return 0;
	if ((e = dv_repo_outputs(c->repo, &now)) < 0)
		return e;
	for (size_t i = 0; i < k->n; i++) {
		const dv_output *was = &l->o[k->index[i]];
		const dv_output *is = dv_output_list_find(&now, was->path);

		*stale |= !is || !dv_oid_eq(&is->pointer.oid, &was->pointer.oid) ||
			  is->pointer.is_dir != was->pointer.is_dir;
	}
	return 0;
}

/* An output that is not ours: nothing is wrong when it is as it should be. */
static int look_on(checkout *c, const dv_output *o, bool parts, const char *who)
{
	bool differs = true;
	int e = c->o->relink ? 0 : dv_checkout_work_differs(c, o, parts, &differs);

	if (e == DV_ECANCELLED)
		return e;
	if (e == 0 && !differs)
		return 0;
	dv_error_clear();
	dv_err(DV_ELOCKED, "'%s' stays as it is: %s uses it", o->path, who);
	return dv_err_hint(DV_ELOCKED, "'--wait' waits until it has ended");
}

/* Waits until nobody else uses any of the paths. */
static int wait_for(dv_repo *r, const dv_path_list *busy)
{
	dv_autofree dv_pathlock_path *paths = dv_calloc(busy->n + 1, sizeof(*paths));
	dv_autoptr(dv_pathlocks) locks = NULL;
	const struct timespec pause = { .tv_nsec = WAIT_MS * 1000000L };
	bool told = false;
	int e = paths ? dv_pathlocks_new(&locks, r) : DV_ERROR;

	for (size_t i = 0; e == 0 && i < busy->n; i++)
		paths[i] = (dv_pathlock_path){ busy->p[i], true };
	while (e == 0 && (e = dv_check_cancel()) == 0) {
		dv_autofree char *blocker = NULL;

		e = dv_pathlocks_try(locks, 0, WHO, paths, busy->n, &blocker);
		if (e != 0)
			return e < 0 ? e : 0;
		if (!told)
			dv_warn("waiting: %s", blocker ? blocker : "another process is at work");
		told = true;
		nanosleep(&pause, NULL);
	}
	return e;
}

/* -- all of them ------------------------------------------------------------------------------- */

typedef struct job {
	const char *const *targets;
	size_t n;
	dv_change_cb cb;
	void *payload;
	dv_path_list busy;	/* to wait for */
	bool stale;		/* to be read anew */
} job;

static int each(checkout *c, const dv_output_list *l, const claims *k, job *j)
{
	int e = 0;

	dv_progress_start("comparing", 0, 0);
	for (size_t i = 0; e == 0 && i < k->n; i++) {
		const dv_output *o = &l->o[k->index[i]];
		const char *inner;
		bool parts = dv_targets_want(&c->targets, o, &inner) && inner;

		if ((e = dv_check_cancel()) < 0)
			break;
		e = k->holders[i] ? look_on(c, o, parts, k->holders[i])
				  : dv_checkout_work_output(c, o, parts, j->cb, j->payload);
		if (e == DV_ELOCKED && c->o->wait) {
			dv_error_clear();
			e = dv_path_list_add(&j->busy, o->path);
		}
		if (e < 0)
			e = note_failure(c, e);
	}
	dv_progress_end();
	return e;
}

/* Everything that can be done now. */
static int one_round(dv_repo *r, const dv_checkout_options *o, dv_checkout_summary *out, job *j)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	__attribute__((cleanup(claims_release))) claims k = { 0 };
	dv_auto(dv_lock) lock = DV_LOCK_INIT;
	__attribute__((cleanup(dv_checkout_work_release)))
	checkout c = { .repo = r, .o = o, .sum = out, .rootfd = -1 };
	dv_targets_scope scope = { .repo = r, .a = &l, .workspace = true };
	int e;

	if ((e = dv_repo_lock(r, &lock)) < 0 || (e = dv_pathlocks_new(&k.locks, r)) < 0 ||
	    (e = o->rev ? dv_repo_outputs_at(r, o->rev, &l) : dv_repo_outputs(r, &l)) < 0 ||
	    (e = dv_checkout_work_open(&c)) < 0)
		return e;
	scope.reader = dv_checkout_work_reader(&c);
	if ((e = dv_targets_tracked(&c.targets, r, &l, scope.reader, o->glob, j->targets,
				    j->n)) < 0 ||
	    (e = dv_targets_check(&c.targets, &scope)) < 0 || (e = claim(&k, &c, &l)) < 0 ||
	    (e = is_stale(&c, &l, &k, &j->stale)) < 0 || j->stale)
		return e;
	e = each(&c, &l, &k, j);
	out->bytes += c.bytes;
	if (e == 0 && !o->rev && !o->force &&
	    (e = dv_filtered_checkout(r, &l, &c.targets, o->jobs, j->cb, j->payload, out)) < 0)
		e = note_failure(&c, e);
	return e != 0 ? e : finish(&c, k.n);
}

int dv_checkout(dv_repo *r, const char *const *targets, size_t n, const dv_checkout_options *o,
		dv_change_cb cb, void *payload, dv_checkout_summary *out)
{
	job j = { .targets = targets, .n = n, .cb = cb, .payload = payload };
	int e;

	o = DV_OR_ZERO(o);
	out = DV_OR_ZERO(out);
	memset(out, 0, sizeof(*out));
	for (int round = 0; round < ROUNDS; round++) {
		j.stale = false;
		e = one_round(r, o, out, &j);
		if (j.busy.n && e != DV_ECANCELLED) {
			/* What else went wrong goes wrong again. */
			dv_error_clear();
			e = wait_for(r, &j.busy);
			j.stale = true;
			round = -1;
		}
		dv_path_list_release(&j.busy);
		if (e < 0 || !j.stale)
			return e;
	}
	return dv_err_hint(dv_err(DV_ELOCKED, "stages record new outputs again and again"),
			   "try again when they have ended");
}
