/* SPDX-License-Identifier: Apache-2.0 */
/* What was made from something, and on which branches that is an output now. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "lineage/ancestry.h"

#define REFS_MAX 10000

typedef struct impact {
	dv_index *index;
	dv_ancestry graph;
	dv_walk walk;
	dv_map outputs;		/* path and oid, hashed -> index into `places` */
	struct place {
		uint32_t *refs;
		size_t n, cap;
	} *places;
	size_t nplaces, places_cap;
	char **refs;		/* names, owned */
	size_t nrefs, refs_cap;
} impact;
static void impact_release(impact *m)
{
	dv_ancestry_release(&m->graph);
	dv_walk_release(&m->walk);
	dv_map_release(&m->outputs);
	for (size_t i = 0; i < m->nplaces; i++)
		free(m->places[i].refs);
	free(m->places);
	for (size_t i = 0; i < m->nrefs; i++)
		free(m->refs[i]);
	free(m->refs);
}

static dv_oid output_key(const char *path, const dv_oid *oid)
{
	dv_sha256_ctx h;
	dv_oid key;

	dv_sha256_init(&h);
	dv_sha256_update(&h, oid->b, sizeof(oid->b));
	dv_sha256_update(&h, path, strlen(path));
	dv_sha256_final(&h, &key);
	return key;
}

static int note_output(impact *m, const dv_output *o, uint32_t ref)
{
	dv_oid key = output_key(o->path, &o->pointer.oid);
	uint64_t at;
	int rc = 0;

	if (!dv_map_get(&m->outputs, &key, &at)) {
		rc = dv_grow(&m->places, &m->places_cap, m->nplaces + 1, sizeof(*m->places));
		if (rc == 0)
			rc = dv_map_put(&m->outputs, &key, at = m->nplaces);
		if (rc < 0)
			return rc;
		m->places[m->nplaces++] = (struct place){ 0 };
	}
	struct place *p = &m->places[at];
	rc = dv_grow(&p->refs, &p->cap, p->n + 1, sizeof(*p->refs));
	if (rc == 0)
		p->refs[p->n++] = ref;
	return rc;
}

static int add_ref(impact *m, const char *name, dv_output_list *l)
{
	int rc = dv_grow(&m->refs, &m->refs_cap, m->nrefs + 1, sizeof(*m->refs));

	if (rc < 0 || !(m->refs[m->nrefs] = dv_strdup(name)))
		return rc < 0 ? rc : DV_ERROR;
	m->nrefs++;
	for (size_t i = 0; rc == 0 && i < l->n; i++)
		rc = note_output(m, &l->o[i], (uint32_t)m->nrefs - 1);
	return rc;
}

static int on_ref(const char *name, const char *hex, void *payload)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	impact *m = payload;
	int rc;

	if (m->nrefs >= REFS_MAX)
		return 0;
	rc = dv_repo_outputs_at(m->index->repo, hex, &l);
	if (rc < 0 && rc != DV_ECANCELLED) {
		dv_warn("the outputs of '%s' are not known: %s", name, dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	return rc < 0 ? rc : add_ref(m, name, &l);
}

/* Which outputs there are, everywhere. */
static int load_refs(impact *m)
{
	dv_auto(dv_output_list) l = DV_OUTPUT_LIST_INIT;
	dv_repo *r = m->index->repo;
	dv_git *g = NULL;
	int rc = dv_repo_outputs(r, &l);

	if (rc == 0)
		rc = add_ref(m, "workspace", &l);
	if (rc == 0 && r->has_git && (rc = dv_repo_git(r, &g)) == 0)
		rc = dv_git_refs(g, on_ref, m);
	return rc;
}

static int all_versions(dv_target *t, dv_index *x)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(x, &s, "SELECT id FROM Artifact WHERE uri IN (SELECT uri FROM "
					 "Artifact WHERE id = ?1)");

	if (rc < 0 || t->nartifacts == 0)
		return rc;
	sqlite3_bind_int64(s, 1, t->artifacts[0]);
	t->nartifacts = 0;
	while (rc == 0 && (rc = dv_index_step(x, s)) > 0) {
		rc = dv_grow(&t->artifacts, &t->artifacts_cap, t->nartifacts + 1,
			     sizeof(*t->artifacts));
		if (rc == 0)
			t->artifacts[t->nartifacts++] = sqlite3_column_int64(s, 0);
	}
	return rc;
}

/* Tells one artifact, when it is where `outputs` says: an output somewhere, or nowhere. */
static int tell(impact *m, sqlite3_stmt *s, uint32_t node, bool outputs, dv_impact_cb cb,
		void *payload)
{
	dv_autofree const char **names = NULL;
	dv_artifact_row row;
	uint64_t at = 0;
	dv_oid key;
	int rc;

	sqlite3_reset(s);
	sqlite3_bind_int64(s, 1, node);
	if ((rc = dv_index_step(m->index, s)) <= 0)
		return rc;
	dv_artifact_row_read(&row, s);
	if (!row.info.oid)
		return 0;
	key = output_key(row.info.path, &row.oid);
	if (dv_map_get(&m->outputs, &key, &at) != outputs)
		return 0;
	dv_impact i = { .artifact = &row.info };
	if (outputs) {
		const struct place *p = &m->places[at];

		if (!(names = dv_calloc(p->n, sizeof(*names))))
			return DV_ERROR;
		for (size_t k = 0; k < p->n; k++)
			names[k] = m->refs[p->refs[k]];
		i.refs = names;
		i.nrefs = p->n;
	}
	return cb(&i, payload);
}

int dv_lineage_impact(dv_repo *r, const char *target, bool versions, dv_impact_cb cb, void *payload)
{
	dv_autoptr(dv_index) x = NULL;
	__attribute__((cleanup(impact_release))) impact m = { 0 };
	dv_auto(dv_target) t = DV_TARGET_INIT;
	dv_autostmt *s = NULL;
	int rc = dv_index_open(&x, r);

	m.index = x;
	if (rc == 0)
		rc = dv_target_find(&t, x, target);
	if (rc == 0 && versions)
		rc = all_versions(&t, x);
	if (rc < 0 || (rc = dv_ancestry_load(&m.graph, x)) < 0 ||
	    (rc = dv_walk_begin(&m.walk, &m.graph)) < 0 ||
	    (rc = dv_walk_target(&m.walk, &m.graph, &t)) < 0 ||
	    (rc = dv_walk_go(&m.walk, &m.graph, false, 0)) < 0 || (rc = load_refs(&m)) < 0 ||
	    (rc = dv_index_prepare(x, &s, "SELECT " DV_ARTIFACT_BARE
				   "0, 0 FROM Artifact a WHERE a.id = ?1")) < 0)
		return rc;
	for (int pass = 0; rc == 0 && pass < 2; pass++)
		for (size_t i = 0; rc == 0 && i < m.walk.n; i++)
			if (m.walk.visits[i].depth && m.walk.visits[i].node < m.graph.nartifacts)
				rc = tell(&m, s, m.walk.visits[i].node, pass == 0, cb, payload);
	return rc;
}
