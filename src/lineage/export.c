/* SPDX-License-Identifier: Apache-2.0 */
/* dv_lineage_export: which runs, and in which words. */
#include <string.h>

#include "base/alloc.h"
#include "lineage/exchange.h"
#include "lineage/ancestry.h"

#define PART ((size_t)1 << 20)	/* bytes that are handed over at once */

typedef struct exporting {
	dv_index *index;
	char *ns;
	dv_prov prov;
	bool is_prov;
	dv_buf out;
	dv_data_cb cb;
	void *payload;
} exporting;
static void exporting_release(exporting *e)
{
	dv_prov_release(&e->prov);
	dv_buf_release(&e->out);
	free(e->ns);
}

static int hand_over(exporting *e, size_t least)
{
	int rc = e->out.err;

	if (rc == 0 && e->out.n && e->out.n >= least) {
		rc = e->cb(e->out.p, e->out.n, e->payload);
		dv_buf_clear(&e->out);
	}
	return rc;
}

static int export_run(exporting *e, const dv_oid *oid)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	int rc = dv_run_doc_load(&d, e->index->reader, oid);

	if (rc == DV_ENOTFOUND || rc == DV_ECORRUPT) {
		dv_warn("%s", dv_error_last()->message);
		dv_error_clear();
		return 0;
	}
	if (rc < 0 || d.kind != DV_RUN_DOC_RUN)
		return rc;
	if (e->is_prov)
		return dv_prov_add(&e->prov, &d, oid);
	rc = dv_openlineage_events(&e->out, e->ns, &d, oid);
	return rc < 0 ? rc : hand_over(e, PART);
}

/* The runs behind the targets, marked by their row. */
static int mark(dv_index *x, const char *const *targets, size_t n, uint8_t **marks)
{
	dv_auto(dv_ancestry) g = DV_ANCESTRY_INIT;
	dv_auto(dv_walk) w = DV_WALK_INIT;
	int rc = dv_ancestry_load(&g, x);

	if (rc == 0)
		rc = dv_walk_begin(&w, &g);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		dv_auto(dv_target) t = DV_TARGET_INIT;

		rc = dv_target_find(&t, x, targets[i]);
		if (rc == 0)
			rc = dv_walk_target(&w, &g, &t);
	}
	if (rc == 0)
		rc = dv_walk_go(&w, &g, true, 0);
	if (rc == 0 && !(*marks = dv_calloc(g.nruns + 1, 1)))
		rc = DV_ERROR;
	for (size_t i = 0; rc == 0 && i < w.n; i++)
		if (w.visits[i].node >= g.nartifacts)
			(*marks)[w.visits[i].node - g.nartifacts] = 1;
	return rc;
}

static int export_all(exporting *e, const uint8_t *marks)
{
	dv_autostmt *s = NULL;
	int rc = dv_index_prepare(e->index, &s, "SELECT id, external_id FROM Execution WHERE "
				  "last_known_state != 0 ORDER BY create_time, external_id");

	while (rc == 0 && (rc = dv_index_step(e->index, s)) > 0) {
		dv_oid oid;

		rc = 0;
		if (dv_index_oid(s, 1, &oid) && (!marks || marks[sqlite3_column_int64(s, 0)]))
			rc = export_run(e, &oid);
		if (rc == 0)
			rc = dv_check_cancel();
	}
	return rc;
}

int dv_lineage_export(dv_repo *r, const char *format, const char *const *targets, size_t n,
		      dv_data_cb cb, void *payload)
{
	dv_autoptr(dv_index) x = NULL;
	__attribute__((cleanup(exporting_release))) exporting e = {
		.cb = cb, .payload = payload, .is_prov = strcmp(format, "prov") == 0,
	};
	dv_autofree uint8_t *marks = NULL;
	int rc = 0;

	if (!e.is_prov && strcmp(format, "openlineage") != 0)
		return dv_err(DV_EUSAGE, "'%s' is no format: there are openlineage and prov",
			      format);
	rc = dv_index_open(&x, r);
	e.index = x;
	if (rc == 0)
		rc = dv_openlineage_namespace(&e.ns, r);
	if (rc == 0 && e.is_prov)
		rc = dv_prov_begin(&e.prov);
	if (rc == 0 && n)
		rc = mark(x, targets, n, &marks);
	if (rc == 0)
		rc = export_all(&e, marks);
	if (rc == 0 && e.is_prov)
		rc = dv_json_write(&e.out, e.prov.doc);
	if (rc == 0 && e.is_prov)
		rc = dv_buf_addc(&e.out, '\n');
	return rc ? rc : hand_over(&e, 1);
}
