/* SPDX-License-Identifier: Apache-2.0 */
/* Run records as other programs write and read them: OpenLineage events and W3C PROV-JSON. */
#ifndef DV_LINEAGE_EXCHANGE_H
#define DV_LINEAGE_EXCHANGE_H

#include "lineage/index.h"

#define DV_PRODUCER "urn:dv:" DV_VERSION

/** Where this project's jobs and datasets live for others: OPENLINEAGE_NAMESPACE, the setting
 *  lineage.namespace, or "dv://" and the project. Owned. */
int dv_openlineage_namespace(char **out, dv_repo *r) DV_MUST_CHECK;
/** Appends the two events of a run, START and how it ended, each a line. */
int dv_openlineage_events(dv_buf *out, const char *ns, const dv_run_doc *d, const dv_oid *oid)
	DV_MUST_CHECK;
/** "2024-05-01T12:00:00.000001Z" */
void dv_iso_time(char out[40], int64_t us);

/** A PROV-JSON document in the making. */
typedef struct dv_prov {
	dv_json *doc;
	uint64_t n;	/* relations so far */
} dv_prov;
int dv_prov_begin(dv_prov *p) DV_MUST_CHECK;
int dv_prov_add(dv_prov *p, const dv_run_doc *d, const dv_oid *oid) DV_MUST_CHECK;
void dv_prov_release(dv_prov *p);

/** Sends events of runs as they are recorded, where the settings or the environment ask for it: to
 *  a file (lineage.openlineage = PATH), or by HTTP (a URL there, or OPENLINEAGE_URL). Failing to is
 *  no failure of the run: it is warned of once. */
typedef struct dv_emit dv_emit;
/** *out is NULL when nobody asks for events. */
int dv_emit_open(dv_emit **out, dv_repo *r) DV_MUST_CHECK;
/** Takes a record's text. */
void dv_emit_add(dv_emit *e, const dv_buf *record, const dv_oid *oid);
/** Appends to the file what is due. */
void dv_emit_flush(dv_emit *e);
/** Sends what is due, for a few seconds at most. */
void dv_emit_free(dv_emit *e);

#endif
