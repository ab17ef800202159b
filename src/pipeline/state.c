/* SPDX-License-Identifier: Apache-2.0 */
/* Staleness of stages, and the lock entries that they would get. */
#include "pipeline/state.h"

#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "repo/record.h"

int dv_states_open(dv_states *x, dv_repo *r, int jobs)
{
	int rc;

	x->repo = r;
	if ((rc = dv_repo_pool(&x->pool, r, jobs)) || (rc = dv_repo_store_look(r, &x->store)) ||
	    (rc = dv_reader_new(&x->reader, x->store)))
		return rc;
	return dv_contents_new(&x->contents, r, x->pool, x->reader);
}

void dv_states_release(dv_states *x)
{
	dv_contents_free(x->contents);
	dv_reader_free(x->reader);
	dv_pool_free(x->pool);
	dv_arena_release(&x->arena);
}

/* -- parameters -------------------------------------------------------------------------------- */

/* The document of a file of parameters, or NULL in *doc when it is not there. */
static int params_of(dv_states *x, const char *path, dv_value **doc)
{
	dv_state_file *f = NULL;
	int rc = 0;

	for (size_t i = 0; !f && i < x->nfiles; i++)
		if (!strcmp(x->files[i].path, path))
			f = &x->files[i];
	if (!f) {
		if ((rc = dv_arena_grow(&x->arena, &x->files, &x->files_cap, x->nfiles + 1,
					sizeof(*x->files))))
			return rc;
		f = &x->files[x->nfiles++];
		*f = (dv_state_file){ .path = path };
	}
	if (!f->known) {
		f->doc = NULL;
		rc = dv_params_read(&x->arena, x->repo, path, &f->doc);
		if (rc == DV_ENOTFOUND) {
			dv_error_clear();
			f->doc = NULL;
			rc = 0;
		}
		f->known = rc == 0;
	}
	*doc = f->doc;
	return rc;
}

static int look_at_key(dv_states *x, dv_stage_check *c, const char *file, const char *key,
		       dv_value *old, dv_value *now)
{
	if (!old && !now)
		return dv_stage_check_add(x, c, DV_WHY_PARAM, DV_DELETED, file, key);
	if (!old || !now)
		return dv_stage_check_add(x, c, DV_WHY_PARAM, old ? DV_DELETED : DV_ADDED, file,
					  key);
	return dv_value_equal(old, now)
		       ? 0 : dv_stage_check_add(x, c, DV_WHY_PARAM, DV_MODIFIED, file, key);
}

/* A whole file: what differs is told by its keys at the top. */
static int look_at_whole(dv_states *x, dv_stage_check *c, const char *file, dv_value *old,
			 dv_value *now)
{
	int rc = 0;

	if (!old || old->kind != DV_VALUE_DICT)
		return dv_stage_check_add(x, c, DV_WHY_PARAM, DV_ADDED, file, NULL);
	for (size_t i = 0; rc == 0 && i < now->n; i++)
		rc = look_at_key(x, c, file, now->members[i].key,
				 dv_value_get(old, now->members[i].key), now->members[i].value);
	for (size_t i = 0; rc == 0 && i < old->n; i++)
		if (!dv_value_get(now, old->members[i].key))
			rc = look_at_key(x, c, file, old->members[i].key, old->members[i].value,
					 NULL);
	return rc;
}

static int look_at_params(dv_states *x, const dv_stage *s, const dv_locked_stage *l,
			  dv_stage_check *c)
{
	for (size_t i = 0; i < s->nparams; i++) {
		const dv_stage_params *p = &s->params[i];
		dv_value *old = l->params ? dv_value_get(l->params, p->written) : NULL, *now;
		int rc = params_of(x, p->path, &now);

		if (rc == 0 && !now)
			rc = dv_stage_check_add(x, c, DV_WHY_PARAM, DV_DELETED, p->written, NULL);
		else if (rc == 0 && p->whole)
			rc = look_at_whole(x, c, p->written, old, now);
		for (size_t k = 0; rc == 0 && now && !p->whole && k < p->nkeys; k++)
			rc = look_at_key(x, c, p->written, p->keys[k],
					 old ? dv_value_get(old, p->keys[k]) : NULL,
					 dv_value_at(now, p->keys[k]));
		if (rc)
			return rc;
	}
	return 0;
}

/* -- dependencies and outputs ------------------------------------------------------------------ */

static const dv_locked_path *find(const dv_locked_path *p, size_t n, const char *written)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(p[i].path, written))
			return &p[i];
	return NULL;
}

const dv_locked_path *dv_locked_out(const dv_locked_stage *l, const char *written)
{
	return l ? find(l->outs, l->nouts, written) : NULL;
}

const dv_locked_path *dv_locked_dep(const dv_locked_stage *l, const char *written)
{
	return l ? find(l->deps, l->ndeps, written) : NULL;
}

dv_tree_entry dv_locked_path_entry(const dv_locked_path *p)
{
	return (dv_tree_entry){ .kind = p->is_dir ? 'd' : p->isexec ? 'x' : 'f', .oid = p->oid,
				.size = p->size, .nfiles = p->is_dir ? p->nfiles : 1 };
}

static bool same(const dv_locked_path *l, const dv_content *now)
{
	return l->is_dir == (now->kind == 'd') && dv_oid_eq(&l->oid, &now->oid);
}

int dv_stage_check_add(dv_states *x, dv_stage_check *c, enum dv_why why, enum dv_change_kind kind,
		       const char *path, const char *key)
{
	int rc = dv_arena_grow(&x->arena, &c->reasons, &c->cap, c->n + 1, sizeof(*c->reasons));

	if (rc == 0)
		c->reasons[c->n++] = (dv_reason){ why, kind, path, key };
	return rc;
}

/* What stands at a path of the stage; 1: nobody can say, which is noted. */
static int look_at(dv_states *x, const dv_stage *s, dv_stage_check *c, enum dv_why why,
		   const char *path, const char *written, dv_content *now)
{
	int rc = dv_contents_get(x->contents, path, now);

	if (rc == 0)
		return 0;
	dv_err_ctx(rc, "stage '%s'", s->name);
	if (!x->looks_on || (rc != DV_ERROR && rc != DV_EUNSAFE && rc != DV_ETRANSIENT))
		return rc;
	if (x->nunread++) {
		dv_warn("%s", dv_error_last()->message);
		dv_error_clear();
	} else {
		dv_error_take(&x->unread);
	}
	rc = dv_stage_check_add(x, c, why, DV_MODIFIED, written, NULL);
	return rc ? rc : 1;
}

int dv_states_unread(const dv_states *x)
{
	dv_error first = x->unread;

	if (!x->nunread)
		return 0;
	first.code = DV_EPARTIAL;
	return dv_error_put(&first);
}

static int look_at_deps(dv_states *x, const dv_stage *s, const dv_locked_stage *l,
			dv_stage_check *c)
{
	for (size_t i = 0; i < s->ndeps; i++) {
		const dv_locked_path *was = dv_locked_dep(l, s->deps[i].written);
		dv_content now;
		int rc = look_at(x, s, c, DV_WHY_DEP, s->deps[i].path, s->deps[i].written, &now);

		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		if (!now.kind && !(x->allow_missing && was))
			rc = dv_stage_check_add(x, c, DV_WHY_DEP, DV_DELETED, s->deps[i].written,
						NULL);
		else if (!was || (now.kind && !same(was, &now)))
			rc = dv_stage_check_add(x, c, DV_WHY_DEP, was ? DV_MODIFIED : DV_ADDED,
						s->deps[i].written, NULL);
		if (rc)
			return rc;
	}
	return 0;
}

static int look_at_outs(dv_states *x, const dv_stage *s, const dv_locked_stage *l,
			dv_stage_check *c)
{
	for (size_t i = 0; i < s->nouts; i++) {
		const dv_locked_path *was = dv_locked_out(l, s->outs[i].written);
		bool cached = true;
		dv_content now;
		int rc = look_at(x, s, c, DV_WHY_OUT, s->outs[i].path, s->outs[i].written, &now);

		if (rc < 0)
			return rc;
		if (rc > 0 || (!now.kind && was && x->allow_missing))
			continue;
		if (!now.kind)
			rc = dv_stage_check_add(x, c, DV_WHY_OUT, DV_DELETED, s->outs[i].written,
						NULL);
		else if (!was || !same(was, &now))
			rc = dv_stage_check_add(x, c, DV_WHY_OUT, was ? DV_MODIFIED : DV_ADDED,
						s->outs[i].written, NULL);
		else if (s->outs[i].cache && !x->allow_missing &&
			 !dv_store_has_object(x->store, &was->oid))
			cached = false;
		if (rc == 0 && !cached) {
			c->missing = true;
			rc = dv_stage_check_add(x, c, DV_WHY_OUT, DV_NOT_IN_CACHE,
						s->outs[i].written, NULL);
		}
		if (rc)
			return rc;
	}
	return 0;
}

int dv_stage_look(dv_states *x, const dv_stage *s, const dv_locked_stage *l, dv_stage_check *out)
{
	int rc = 0;

	*out = (dv_stage_check){ 0 };
	if (!l)
		return dv_stage_check_add(x, out, DV_WHY_NEW, DV_ADDED, NULL, NULL);
	if (!dv_value_equal(s->cmd, l->cmd))
		rc = dv_stage_check_add(x, out, DV_WHY_CMD, DV_MODIFIED, NULL, NULL);
	if (rc == 0 && !s->frozen) {
		if (s->always_changed || (!s->ndeps && !s->nparams && !s->nouts))
			rc = dv_stage_check_add(x, out, DV_WHY_ALWAYS, DV_MODIFIED, NULL, NULL);
		if (rc == 0)
			rc = look_at_deps(x, s, l, out);
		if (rc == 0)
			rc = look_at_params(x, s, l, out);
	}
	size_t before = out->n;
	if (rc == 0)
		rc = look_at_outs(x, s, l, out);
	out->outs_only = before == 0 && out->n > 0;
	for (size_t i = 0; i < out->n; i++)
		if (out->reasons[i].kind == DV_ADDED)
			out->outs_only = false;
	return rc;
}

int dv_states_learn(dv_states *x, const dv_stage *const *stages, size_t n)
{
	dv_autofree const char **paths = NULL;
	size_t np = 0;

	for (size_t i = 0; i < n; i++)
		np += stages[i]->ndeps + stages[i]->nouts;
	if (!(paths = dv_reallocarray(NULL, np + 1, sizeof(*paths))))
		return DV_ERROR;
	np = 0;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; !stages[i]->frozen && k < stages[i]->ndeps; k++)
			paths[np++] = stages[i]->deps[k].path;
		for (size_t k = 0; k < stages[i]->nouts; k++)
			paths[np++] = stages[i]->outs[k].path;
	}
	return dv_contents_learn(x->contents, paths, np);
}

void dv_states_forget(dv_states *x, const dv_stage *s)
{
	for (size_t i = 0; i < s->nouts; i++) {
		dv_contents_forget(x->contents, s->outs[i].path);
		for (size_t k = 0; k < x->nfiles; k++)
			if (dv_path_below(x->files[k].path, s->outs[i].path, NULL))
				x->files[k].known = false;
	}
}

/* -- entries ----------------------------------------------------------------------------------- */

static int missing(const dv_stage *s, const dv_spot *at, const char *path)
{
	return dv_err_at(DV_ENOTFOUND, at, "the stage '%s' needs '%s', which is not there", s->name,
			 path);
}

static int entry_params(dv_states *x, const dv_stage *s, dv_locked_stage *out)
{
	dv_arena *a = &x->arena;

	if (!s->nparams)
		return 0;
	if (!(out->params = dv_value_new(a, DV_VALUE_DICT, &s->at)))
		return DV_ERROR;
	for (size_t i = 0; i < s->nparams; i++) {
		const dv_stage_params *p = &s->params[i];
		dv_value *now, *dict = NULL;
		int rc = params_of(x, p->path, &now);

		if (rc)
			return rc;
		if (!now)
			return missing(s, &p->at, p->path);
		dict = p->whole ? now : dv_value_new(a, DV_VALUE_DICT, &p->at);
		for (size_t k = 0; dict && !p->whole && k < p->nkeys; k++) {
			dv_value *v = dv_value_at(now, p->keys[k]);

			if (!v)
				return dv_err_at(DV_ENOTFOUND, &p->at, "the stage '%s' needs the "
						 "parameter '%s', which is not in '%s'", s->name,
						 p->keys[k], p->path);
			if ((rc = dv_value_set(a, dict, p->keys[k], &p->at, v)))
				return rc;
		}
		if (!dict || (rc = dv_value_set(a, out->params, p->written, &p->at, dict)))
			return DV_ERROR;
	}
	return 0;
}

/* The stage's folder from that of its file. */
static const char *relative_wdir(dv_arena *a, const dv_stage *s)
{
	dv_autofree char *from = dv_path_join("/", s->dir), *to = dv_path_join("/", s->wdir);
	dv_autofree char *rel = from && to ? dv_path_relative(to, from) : NULL;

	return rel ? dv_arena_strdup(a, *rel ? rel : ".") : NULL;
}

int dv_stage_entry(dv_states *x, const dv_stage *s, dv_locked_stage *out)
{
	*out = (dv_locked_stage){ .name = s->name, .cmd = s->cmd, .ndeps = s->ndeps,
				  .wdir = relative_wdir(&x->arena, s) };
	out->deps = dv_arena_alloc(&x->arena, (s->ndeps + 1) * sizeof(*out->deps));
	out->outs = dv_arena_alloc(&x->arena, (s->nouts + 1) * sizeof(*out->outs));
	if (!out->wdir || !out->deps || !out->outs)
		return DV_ERROR;
	for (size_t i = 0; i < s->ndeps; i++) {
		dv_content now;
		int rc = dv_contents_get(x->contents, s->deps[i].path, &now);

		if (rc)
			return dv_err_ctx(rc, "stage '%s'", s->name);
		if (!now.kind)
			return missing(s, &s->deps[i].at, s->deps[i].path);
		out->deps[i] = (dv_locked_path){
			.path = s->deps[i].written, .oid = now.oid, .size = now.size,
			.nfiles = now.kind == 'd' ? now.nfiles : 0, .is_dir = now.kind == 'd',
		};
	}
	return entry_params(x, s, out);
}

int dv_stage_entry_out(dv_states *x, const dv_stage *s, const dv_stage_out *o,
		       const dv_content *now, dv_locked_path *out)
{
	(void)x;
	if (!now->kind)
		return dv_err_hint(dv_err_at(DV_ENOTFOUND, &o->at, "the stage '%s' did not make "
					     "'%s'", s->name, o->path),
				   "let its command write this path, or take it out of the "
				   "pipeline file");
	*out = (dv_locked_path){
		.path = o->written, .oid = now->oid, .size = now->size,
		.nfiles = now->kind == 'd' ? now->nfiles : 0, .is_dir = now->kind == 'd',
		.isexec = now->kind == 'x', .no_cache = !o->cache, .no_push = !o->push,
		.remote = o->remote,
	};
	return 0;
}
