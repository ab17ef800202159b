/* SPDX-License-Identifier: Apache-2.0 */
/* OpenLineage events (version 2-0-2 of its specification) from run records. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "lineage/exchange.h"

#define SPEC "https://openlineage.io/spec/"
#define EVENT_SCHEMA SPEC "2-0-2/OpenLineage.json#/$defs/RunEvent"
#define RUN_FACET SPEC "2-0-2/OpenLineage.json#/$defs/RunFacet"

void dv_iso_time(char out[40], int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	int rest = (int)(us % 1000000);
	struct tm tm;

	if (rest < 0) {
		rest += 1000000;
		t--;
	}
	if (!gmtime_r(&t, &tm) || tm.tm_year > 8099 || tm.tm_year < -1899) {
		snprintf(out, 40, "1970-01-01T00:00:00.000000Z");
		return;
	}
	snprintf(out, 40, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, rest);
}

int dv_openlineage_namespace(char **out, dv_repo *r)
{
	const char *text = getenv("OPENLINEAGE_NAMESPACE");
	dv_autofree char *project = NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = 0;

	if (!text || !*text)
		text = dv_config_string(&r->config, "lineage.namespace", NULL);
	if (!text || !*text) {
		rc = dv_repo_project(r, &project);
		if (rc == 0)
			rc = dv_buf_addf(&b, "dv://%s", project ? project : "local");
	} else {
		rc = dv_buf_adds(&b, text);
	}
	if (rc < 0)
		return rc;
	*out = dv_buf_detach(&b);
	return *out ? 0 : DV_ERROR;
}

/* -- facets ------------------------------------------------------------------------------------ */

/* A new facet obj[name]; borrowed, NULL when memory runs out. */
static dv_json *facet(dv_json *obj, const char *name, const char *schema)
{
	dv_json *f = json_object();

	if (dv_json_set(obj, name, f) < 0 || dv_json_set_str(f, "_producer", DV_PRODUCER) < 0 ||
	    dv_json_set_str(f, "_schemaURL", schema) < 0)
		return NULL;
	return f;
}

static int statistics(dv_json *set, const dv_run_path *p, bool output)
{
	dv_json *f = facet(set, output ? "outputStatistics" : "inputStatistics", output ?
		SPEC "facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/"
		"OutputStatisticsOutputDatasetFacet" :
		SPEC "facets/1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/"
		"InputStatisticsInputDatasetFacet");
	int rc = f ? dv_json_set(f, "size", json_integer((json_int_t)p->size)) : DV_ERROR;

	if (rc == 0)
		rc = dv_json_set(f, "fileCount",
				 json_integer(p->is_dir ? (json_int_t)p->nfiles : 1));
	return rc;
}

/* What was imported says by its path which namespace it is of. */
static int set_name(dv_json *o, const char *ns, const dv_run_path *p)
{
	const char *mark = strstr(p->path, "://");
	const char *slash = mark ? strchr(mark + 3, '/') : NULL;
	dv_auto(dv_buf) b = DV_BUF_INIT;
	json_t *name;
	int rc;

	if (mark && slash && slash[1]) {
		rc = dv_buf_add(&b, p->path, (size_t)(slash - p->path));
		if (rc == 0)
			rc = dv_json_set_str(o, "namespace", dv_buf_str(&b));
		return rc < 0 ? rc : dv_json_set_str(o, "name", slash + 1);
	}
	if ((rc = dv_json_set_str(o, "namespace", *p->path == '/' ? "file" : ns)) < 0)
		return rc;
	name = json_string(p->path);
	if (name)
		return dv_json_set(o, "name", name);
	/* Bytes that JSON cannot hold. */
	for (const char *s = p->path; *s; s++)
		dv_buf_addf(&b, (unsigned char)*s < 0x80 ? "%c" : "%%%02X", (unsigned char)*s);
	return b.err ? b.err : dv_json_set_str(o, "name", dv_buf_str(&b));
}

static int add_dataset(dv_json *list, const char *ns, const dv_run_path *p, bool output)
{
	dv_json *o = json_object(), *facets = json_object(), *f;
	int rc = json_array_append_new(list, o) ? dv_err_nomem() : set_name(o, ns, p);

	if (rc == 0)
		rc = dv_json_set(o, "facets", facets);
	else
		json_decref(facets);
	if (rc < 0 || !p->has_oid)
		return rc;
	f = facet(facets, "version", SPEC "facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/"
					  "DatasetVersionDatasetFacet");
	rc = f ? dv_json_set_oid(f, "datasetVersion", &p->oid) : DV_ERROR;
	if (rc == 0) {
		dv_json *more = json_object();

		rc = dv_json_set(o, output ? "outputFacets" : "inputFacets", more);
		if (rc == 0)
			rc = statistics(more, p, output);
	}
	return rc;
}

static int parent_facet(dv_json *facets, const dv_run_doc *d)
{
	dv_json *f, *run = json_object(), *job = json_object();
	int rc;

	f = facet(facets, "parent", SPEC "facets/1-0-1/ParentRunFacet.json#/$defs/ParentRunFacet");
	rc = f ? dv_json_set(f, "run", run) : DV_ERROR;
	if (rc == 0)
		rc = dv_json_set(f, "job", job);
	if (rc == 0)
		rc = dv_json_set_str(run, "runId", d->parent_run);
	if (rc == 0)
		rc = dv_json_set_str(job, "namespace", d->parent_namespace);
	return rc < 0 ? rc : dv_json_set_str(job, "name", d->parent_job);
}

static int error_facet(dv_json *facets, const dv_run *r)
{
	char text[64];
	dv_json *f = facet(facets, "errorMessage", SPEC "facets/1-0-1/ErrorMessageRunFacet.json#/"
							"$defs/ErrorMessageRunFacet");
	int rc;

	snprintf(text, sizeof(text), r->exit_code > 128 ? "ended by signal %d"
							 : "ended with exit status %d",
		 r->exit_code > 128 ? r->exit_code - 128 : r->exit_code);
	rc = f ? dv_json_set_str(f, "message", text) : DV_ERROR;
	return rc < 0 ? rc : dv_json_set_str(f, "programmingLanguage", "shell");
}

/* What only dv knows, so that an import of its own events finds the records again. */
static int own_facet(dv_json *facets, const dv_run_doc *d, const dv_oid *oid)
{
	dv_json *f = facet(facets, "dv_run", RUN_FACET);
	int rc = f ? dv_json_set_oid(f, "record", oid) : DV_ERROR;

	if (rc == 0)
		rc = dv_json_set_str(f, "state", dv_run_state_name(d->run.state));
	if (rc == 0)
		rc = dv_json_set(f, "exit", json_integer(d->run.exit_code));
	if (rc == 0 && d->commit)
		rc = dv_json_set_str(f, "commit", d->commit);
	if (rc == 0 && d->dirty >= 0)
		rc = dv_json_set(f, "dirty", json_boolean(d->dirty));
	if (rc == 0 && d->run.has_cached)
		rc = dv_json_set_oid(f, "cached_from", &d->run.cached);
	return rc;
}

static int run_facets(dv_json *facets, const dv_run_doc *d, const dv_oid *oid, bool end)
{
	dv_json *f;
	int rc = 0;

	if (d->parent_run && d->parent_job && d->parent_namespace)
		rc = parent_facet(facets, d);
	if (rc == 0) {
		f = facet(facets, "processing_engine",
			  SPEC "facets/1-1-1/ProcessingEngineRunFacet.json#/$defs/"
			  "ProcessingEngineRunFacet");
		rc = f ? dv_json_set_str(f, "name", d->run.origin ? d->run.origin : "dv")
		       : DV_ERROR;
		if (rc == 0)
			rc = dv_json_set_str(f, "version", d->version ? d->version : "0");
	}
	if (rc == 0 && end && d->run.state == DV_RUN_FAILED)
		rc = error_facet(facets, &d->run);
	return rc < 0 ? rc : own_facet(facets, d, oid);
}

/* -- events ------------------------------------------------------------------------------------ */

static int job_name(dv_buf *out, const dv_run *r)
{
	const char *slash = r->file ? strrchr(r->file, '/') : NULL;

	if (r->stage && r->origin)
		return dv_buf_adds(out, r->stage);
	if (r->stage)
		return dv_buf_addf(out, "%.*s%s", slash ? (int)(slash + 1 - r->file) : 0,
				   slash ? r->file : "", r->stage);
	return dv_buf_addf(out, "%s%s%s", r->type, r->file ? "/" : "", r->file ? r->file : "");
}

static int set_job(dv_json *job, const char *ns, const dv_run_doc *d)
{
	dv_json *facets = json_object(), *f;
	dv_auto(dv_buf) name = DV_BUF_INIT, cmd = DV_BUF_INIT;
	int rc = dv_json_set(job, "facets", facets);

	if (rc == 0)
		rc = dv_json_set_str(job, "namespace",
				     d->run.origin && d->run.file ? d->run.file : ns);
	if (rc == 0)
		rc = job_name(&name, &d->run);
	if (rc == 0)
		rc = dv_json_set_str(job, "name", dv_buf_str(&name));
	if (rc < 0)
		return rc;
	f = facet(facets, "jobType", SPEC "facets/2-0-3/JobTypeJobFacet.json#/$defs/"
					  "JobTypeJobFacet");
	rc = f ? dv_json_set_str(f, "processingType", "BATCH") : DV_ERROR;
	if (rc == 0)
		rc = dv_json_set_str(f, "integration", "DV");
	if (rc == 0)
		rc = dv_json_set_str(f, "jobType", "TASK");
	if (rc < 0 || !d->cmd)
		return rc;
	rc = json_is_string(d->cmd) ? dv_buf_adds(&cmd, json_string_value(d->cmd)) : 0;
	for (size_t i = 0; rc == 0 && i < json_array_size(d->cmd); i++) {
		const char *line = json_string_value(json_array_get(d->cmd, i));

		rc = dv_buf_addf(&cmd, "%s%s", i ? "\n" : "", line ? line : "");
	}
	f = rc < 0 ? NULL
		   : facet(facets, "sourceCode", SPEC "facets/1-0-1/SourceCodeJobFacet.json#/$defs/"
						      "SourceCodeJobFacet");
	rc = f ? dv_json_set_str(f, "language", "shell") : DV_ERROR;
	return rc < 0 ? rc : dv_json_set_str(f, "sourceCode", dv_buf_str(&cmd));
}

static int set_run(dv_json *run, const dv_run_doc *d, const dv_oid *oid, bool end)
{
	dv_json *facets = json_object();
	char uuid[DV_RUN_UUID];
	int rc = dv_json_set(run, "facets", facets);

	/* A record without one gets one of its name. */
	snprintf(uuid, sizeof(uuid), "%02x%02x%02x%02x-%02x%02x-8%01x%02x-a%01x%02x-"
		 "%02x%02x%02x%02x%02x%02x", oid->b[0], oid->b[1], oid->b[2], oid->b[3], oid->b[4],
		 oid->b[5], oid->b[6] & 15, oid->b[7], oid->b[8] & 15, oid->b[9], oid->b[10],
		 oid->b[11], oid->b[12], oid->b[13], oid->b[14], oid->b[15]);
	if (rc == 0)
		rc = dv_json_set_str(run, "runId", d->run.uuid ? d->run.uuid : uuid);
	return rc < 0 ? rc : run_facets(facets, d, oid, end);
}

static int write_event(dv_buf *out, const char *ns, const dv_run_doc *d, const dv_oid *oid,
		       bool end)
{
	static const char *const ends[] = { "COMPLETE", "FAIL", "ABORT", "COMPLETE" };
	dv_autoptr(dv_json) e = json_object();
	dv_json *run = json_object(), *job = json_object(), *inputs = json_array(),
		*outputs = json_array();
	bool made = d->run.state == DV_RUN_COMPLETE || d->run.state == DV_RUN_CACHED;
	char time[40];
	int rc = dv_json_set(e, "run", run), more = dv_json_set(e, "job", job);

	rc = rc ? rc : more;
	more = dv_json_set(e, "inputs", inputs);
	rc = rc ? rc : more;
	more = dv_json_set(e, "outputs", outputs);
	rc = rc ? rc : more;
	dv_iso_time(time, end ? d->run.end_us : d->run.start_us);
	if (rc == 0)
		rc = dv_json_set_str(e, "eventType", end ? ends[d->run.state] : "START");
	if (rc == 0)
		rc = dv_json_set_str(e, "eventTime", time);
	if (rc == 0)
		rc = dv_json_set_str(e, "producer", DV_PRODUCER);
	if (rc == 0)
		rc = dv_json_set_str(e, "schemaURL", EVENT_SCHEMA);
	if (rc == 0)
		rc = set_run(run, d, oid, end);
	if (rc == 0)
		rc = set_job(job, ns, d);
	for (size_t i = 0; rc == 0 && i < d->run.ndeps; i++)
		rc = add_dataset(inputs, ns, &d->run.deps[i], false);
	for (size_t i = 0; rc == 0 && end && made && i < d->run.nouts; i++)
		rc = add_dataset(outputs, ns, &d->run.outs[i], true);
	if (rc == 0)
		rc = dv_json_write(out, e);
	return rc < 0 ? rc : dv_buf_addc(out, '\n');
}

int dv_openlineage_events(dv_buf *out, const char *ns, const dv_run_doc *d, const dv_oid *oid)
{
	int rc = write_event(out, ns, d, oid, false);

	return rc < 0 ? rc : write_event(out, ns, d, oid, true);
}
