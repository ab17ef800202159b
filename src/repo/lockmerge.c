/* SPDX-License-Identifier: Apache-2.0 */
/* Three-way merge of lock files. */
#include "repo/lockmerge.h"

#include <string.h>

#include "base/alloc.h"
#include "repo/conflict.h"
#include "repo/lockfile.h"

#define HEAD "schema: dv 1\nstages:\n"
enum { BASE0, BASE1, OURS, THEIRS, SIDES };

typedef struct locks {
	dv_lockfile f[SIDES];
	size_t at[SIDES];
	const dv_locked_stage *s[SIDES];	/* under the present name, or NULL */
	bool known;		/* both bases are the ancestor */
} locks;

static void locks_release(locks *l)
{
	for (unsigned i = 0; i < SIDES; i++)
		dv_lockfile_release(&l->f[i]);
}

/* What cannot be read of the ancestor, because it came from a merge with conflicts for one, is not
 * known; the sides must be read. */
static int read_locks(locks *l, const dv_buf text[3], const char *dir, const char *name)
{
	int rc = 0;

	l->known = true;
	for (unsigned i = 0; i < 2; i++) {
		dv_auto(dv_buf) side = DV_BUF_INIT;

		if (dv_conflict_take(&side, dv_buf_str(&text[0]), text[0].n, i, NULL) ||
		    dv_lockfile_parse(&l->f[i], dv_buf_str(&side), side.n, dir, name)) {
			l->known = false;
			dv_error_clear();
		}
	}
	for (unsigned i = 1; rc == 0 && i < 3; i++)
		rc = dv_lockfile_parse(&l->f[BASE1 + i], dv_buf_str(&text[i]), text[i].n, dir,
				       name);
	return rc;
}

static bool next_stage(locks *l)
{
	const char *name = NULL;

	for (unsigned i = 0; i < SIDES; i++)
		if (l->at[i] < l->f[i].n &&
		    (!name || strcmp(l->f[i].stages[l->at[i]].name, name) < 0))
			name = l->f[i].stages[l->at[i]].name;
	for (unsigned i = 0; name && i < SIDES; i++) {
		l->s[i] = NULL;
		if (l->at[i] < l->f[i].n && !strcmp(l->f[i].stages[l->at[i]].name, name))
			l->s[i] = &l->f[i].stages[l->at[i]++];
	}
	return name != NULL;
}

static bool same(const dv_locked_stage *a, const dv_locked_stage *b)
{
	return a == b || (a && b && dv_locked_stage_equal(a, b));
}

/* But for the record of the run. */
static bool alike(const dv_locked_stage *a, const dv_locked_stage *b)
{
	if (!a || !b)
		return false;
	dv_locked_stage x = *a, y = *b;
	x.has_run = y.has_run = false;
	return dv_locked_stage_equal(&x, &y);
}

static int print_stage(dv_buf *out, const dv_locked_stage *s)
{
	return s ? dv_locked_stage_print(out, s) : 0;
}

/* 1 where the stage is in conflict. */
static int merge_stage(const locks *l, dv_buf *out, int marker)
{
	const dv_locked_stage *o = l->s[OURS], *t = l->s[THEIRS];
	bool known = l->known && same(l->s[BASE0], l->s[BASE1]);
	dv_auto(dv_buf) ours = DV_BUF_INIT, theirs = DV_BUF_INIT;
	int rc;

	if (same(o, t) || (known && same(l->s[BASE0], t)))
		return print_stage(out, o);
	if (known && same(l->s[BASE0], o))
		return print_stage(out, t);
	if (alike(o, t))
		return print_stage(out, o);
	if ((rc = print_stage(&ours, o)) || (rc = print_stage(&theirs, t)) ||
	    (rc = dv_conflict_print(out, &ours, &theirs, marker, true)))
		return rc;
	return 1;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

int dv_lock_merge(dv_buf *out, const dv_buf text[3], const char *dir, const char *name, int marker,
		  dv_lock_clash_fn fn, void *payload, bool *clean)
{
	__attribute__((cleanup(locks_release))) locks l = { 0 };
	int rc = read_locks(&l, text, dir, name);

	*clean = true;
	if (rc)
		return rc;
	const char *o = l.f[OURS].comment, *t = l.f[THEIRS].comment;
	bool theirs = l.known && same_text(l.f[BASE0].comment, o);
	const char *comment = theirs ? t : o;
	dv_buf_adds(out, comment ? comment : "");
	dv_buf_adds(out, HEAD);
	while (rc == 0 && next_stage(&l)) {
		const dv_locked_stage *s = l.s[OURS] ? l.s[OURS]
					 : l.s[THEIRS] ? l.s[THEIRS] : l.s[BASE0];

		rc = merge_stage(&l, out, marker);
		if (rc == 1) {
			*clean = false;
			rc = fn && s ? fn(payload, s->name) : 0;
		}
	}
	return rc ? rc : out->err;
}

/* -- settling ---------------------------------------------------------------------------------- */

typedef struct settling {
	const char *dir, *name;
	dv_lock_want_fn fn;
	void *payload;
} settling;

/* Asks about every stage of one side. */
static int wants_side(const settling *s, const char *text, size_t n, bool *yes)
{
	dv_auto(dv_lockfile) f = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) whole = DV_BUF_INIT;
	int rc = dv_buf_adds(&whole, HEAD);

	if (!rc)
		rc = dv_buf_add(&whole, text, n);
	if (!rc && n)
		rc = dv_lockfile_parse(&f, dv_buf_str(&whole), whole.n, s->dir, s->name);
	for (size_t i = 0; !rc && i < f.n; i++) {
		const dv_locked_stage *st = &f.stages[i];
		dv_autofree const char **outs = dv_calloc(st->nouts + 1, sizeof(*outs));

		if (!outs)
			return DV_ERROR;
		for (size_t k = 0; k < st->nouts; k++)
			if (!(outs[k] = dv_locked_path_full(&f.arena, s->dir, st, &st->outs[k])))
				return DV_ERROR;
		*yes = *yes || s->fn(s->payload, st->name, outs, st->nouts);
	}
	return rc;
}

static int wants(const settling *s, const dv_conflict_part *p, bool *yes)
{
	int rc = 0;

	*yes = !s->fn;
	for (unsigned i = 0; !rc && !*yes && i < 2; i++)
		rc = wants_side(s, p->side[i], p->n[i], yes);
	return rc;
}

int dv_lock_settle(dv_buf *out, const char *text, size_t n, const char *dir, const char *name,
		   unsigned side, dv_lock_want_fn fn, void *payload, uint64_t *taken,
		   uint64_t *left)
{
	const settling s = { dir, name, fn, payload };
	const char *at = text, *end = text + n;
	dv_conflict_part p;
	bool yes = false;
	int rc;

	*taken = *left = 0;
	while (dv_conflict_next(&p, &at, end, &rc)) {
		if (p.conflict && (rc = wants(&s, &p, &yes)))
			return rc;
		if (p.conflict && !yes) {
			++*left;
			dv_buf_add(out, p.raw, p.nraw);
			continue;
		}
		*taken += p.conflict;
		dv_buf_add(out, p.side[side], p.n[side]);
	}
	return rc ? rc : out->err;
}
