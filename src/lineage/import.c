/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dv_lineage_import: runs of other programs, from their OpenLineage events. The events of a run add
 * up, in any order: one of them says how it ended, the earliest when it began. A run becomes a
 * record that says nothing but what the events say, so that reading them twice makes nothing new.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sha256.h"
#include "lineage/exchange.h"
#include "repo/record.h"

#define LINE_MAX_BYTES ((size_t)16 << 20)
#define DEPTH 64
#define RUNS_MAX 1000000u
#define DATASETS_MAX 100000u
#define NAME_MAX_BYTES 4096u

/* A run as far as its events told. */
typedef struct told {
	char *uuid, *ns, *job, *cmd;	/* owned */
	bool began, ended;
	int64_t start, end;
	enum dv_run_state state;
	dv_run_path *in, *out;		/* paths owned */
	size_t nin, in_cap, nout, out_cap;
	bool is_ours;
} told;
typedef struct importing {
	dv_repo *repo;
	dv_store *store;
	char *ns;
	told *runs;
	size_t n, cap;
	dv_map at;		/* uuid, hashed -> index */
	size_t line;
} importing;

static void importing_release(importing *m)
{
	for (size_t i = 0; i < m->n; i++) {
		told *t = &m->runs[i];

		for (size_t k = 0; k < t->nin; k++)
			free((char *)(uintptr_t)t->in[k].path);
		for (size_t k = 0; k < t->nout; k++)
			free((char *)(uintptr_t)t->out[k].path);
		free(t->in);
		free(t->out);
		free(t->uuid);
		free(t->ns);
		free(t->job);
		free(t->cmd);
	}
	free(m->runs);
	free(m->ns);
	dv_map_release(&m->at);
}

/* -- reading events ---------------------------------------------------------------------------- */

static const char *text_at(const dv_json *o, const char *a, const char *b)
{
	const dv_json *v = json_object_get(o, a);

	return json_string_value(b ? json_object_get(v, b) : v);
}

/* Microseconds of a time such as "2024-05-01T12:00:00.5+02:00"; false for what is none. */
static bool parse_time(const char *s, int64_t *out)
{
	struct tm tm = { 0 };
	const char *p = s ? strptime(s, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	int64_t rest = 0, offset = 0;

	if (!p)
		return false;
	if (*p == '.') {
		int64_t scale = 100000;

		for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10)
			rest += (*p - '0') * scale;
	}
	if (*p == '+' || *p == '-') {
		int hours = 0, minutes = 0, sign = *p == '-' ? -1 : 1;

		if (sscanf(p + 1, "%2d:%2d", &hours, &minutes) < 1)
			return false;
		offset = sign * (hours * 3600 + minutes * 60);
	} else if (*p && *p != 'Z' && *p != 'z') {
		return false;
	}
	*out = ((int64_t)timegm(&tm) - offset) * 1000000 + rest;
	return true;
}

static int bad_event(const importing *m, const char *why)
{
	return dv_err(DV_ECORRUPT, "line %zu is no OpenLineage event: %s", m->line, why);
}

static int set_text(char **out, const char *text)
{
	if (*out || !text)
		return 0;
	*out = dv_strdup(text);
	return *out ? 0 : DV_ERROR;
}

/* What a dataset of another namespace is called here. */
static char *dataset_path(const importing *m, const char *ns, const char *name)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	if (strcmp(ns, m->ns) == 0)
		return dv_strdup(name);
	if (strcmp(ns, "file") == 0 && *name == '/')
		return dv_strdup(name);
	dv_buf_addf(&b, "%s%s/%s", ns, strstr(ns, "://") ? "" : "://", name);
	return b.err ? NULL : dv_buf_detach(&b);
}

static void dataset_version(const dv_json *d, dv_run_path *p)
{
	const dv_json *facets = json_object_get(d, "facets");
	const char *version = text_at(facets, "version", "datasetVersion");
	const char *sides[][2] = { { "inputFacets", "inputStatistics" },
				   { "outputFacets", "outputStatistics" } };

	if (version && dv_oid_parse_text(&p->oid, version) == 0)
		p->has_oid = true;
	for (size_t i = 0; i < 2; i++) {
		const dv_json *st = json_object_get(json_object_get(d, sides[i][0]), sides[i][1]);
		json_int_t size = json_integer_value(json_object_get(st, "size"));

		if (size > 0)
			p->size = (uint64_t)size;
	}
}

static int add_dataset(const importing *m, const dv_json *d, dv_run_path **list, size_t *n,
		       size_t *cap)
{
	const char *ns = text_at(d, "namespace", NULL), *name = text_at(d, "name", NULL);
	dv_run_path p = { 0 };
	int rc;

	if (!ns || !name || !*name || strlen(ns) + strlen(name) > NAME_MAX_BYTES)
		return bad_event(m, "a dataset has no name");
	if (*n >= DATASETS_MAX)
		return bad_event(m, "it has too many datasets");
	dataset_version(d, &p);
	dv_autofree char *path = dataset_path(m, ns, name);
	if (!path)
		return DV_ERROR;
	for (size_t i = 0; i < *n; i++)
		if (strcmp((*list)[i].path, path) == 0) {
			/* A later event may know the version. */
			if (p.has_oid) {
				(*list)[i].oid = p.oid;
				(*list)[i].has_oid = true;
				(*list)[i].size = p.size;
			}
			return 0;
		}
	if ((rc = dv_grow(list, cap, *n + 1, sizeof(**list))) < 0)
		return rc;
	p.path = dv_steal(&path);
	(*list)[(*n)++] = p;
	return 0;
}

static int add_datasets(const importing *m, const dv_json *event, const char *key,
			dv_run_path **list, size_t *n, size_t *cap)
{
	const dv_json *a = json_object_get(event, key);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_array_size(a); i++)
		rc = add_dataset(m, json_array_get(a, i), list, n, cap);
	return rc;
}

static int find_run(importing *m, const char *uuid, told **out)
{
	uint64_t at;
	dv_oid key;
	int rc;

	dv_sha256(&key, uuid, strlen(uuid));
	if (!dv_map_get(&m->at, &key, &at)) {
		if (m->n >= RUNS_MAX)
			return dv_err(DV_ERROR, "more than %u runs", RUNS_MAX);
		if ((rc = dv_grow(&m->runs, &m->cap, m->n + 1, sizeof(*m->runs))) < 0 ||
		    (rc = dv_map_put(&m->at, &key, at = m->n)) < 0)
			return rc;
		m->runs[m->n++] = (told){ 0 };
	}
	*out = &m->runs[at];
	return 0;
}

static void take_time(told *t, const char *type, int64_t time)
{
	static const char *const ends[] = { "COMPLETE", "FAIL", "ABORT" };
	static const enum dv_run_state states[] = { DV_RUN_COMPLETE, DV_RUN_FAILED,
						    DV_RUN_CANCELED };

	if (!t->began || time < t->start)
		t->start = time;
	t->began = true;
	for (size_t i = 0; type && i < 3; i++)
		if (strcmp(type, ends[i]) == 0) {
			t->ended = true;
			t->end = time;
			t->state = states[i];
		}
}

/* An event of our own names its record; then there is nothing to learn from it. */
static bool is_ours(const importing *m, const dv_json *run)
{
	const char *oid = text_at(json_object_get(run, "facets"), "dv_run", "record");
	dv_oid id;

	return oid && dv_oid_parse_text(&id, oid) == 0 && dv_store_has_object(m->store, &id);
}

static int take_event(importing *m, const dv_json *event)
{
	const dv_json *run = json_object_get(event, "run"), *job = json_object_get(event, "job");
	const char *uuid = text_at(run, "runId", NULL);
	told *t = NULL;
	int64_t time;
	int rc;

	if (!json_is_object(event))
		return bad_event(m, "it is no object");
	if (!run && (json_object_get(event, "dataset") || job))
		return 0;	/* tells of no run */
	if (!uuid || !*uuid || strlen(uuid) > 100)
		return bad_event(m, "it has no run id");
	if (!text_at(job, "namespace", NULL) || !text_at(job, "name", NULL))
		return bad_event(m, "its job has no name");
	if (!parse_time(text_at(event, "eventTime", NULL), &time))
		return bad_event(m, "it has no time");
	if ((rc = find_run(m, uuid, &t)) < 0)
		return rc;
	t->is_ours |= is_ours(m, run);
	take_time(t, text_at(event, "eventType", NULL), time);
	if ((rc = set_text(&t->uuid, uuid)) < 0 ||
	    (rc = set_text(&t->ns, text_at(job, "namespace", NULL))) < 0 ||
	    (rc = set_text(&t->job, text_at(job, "name", NULL))) < 0 ||
	    (rc = set_text(&t->cmd, text_at(json_object_get(job, "facets"), "sourceCode",
					    "sourceCode"))) < 0 ||
	    (rc = add_datasets(m, event, "inputs", &t->in, &t->nin, &t->in_cap)) < 0)
		return rc;
	return add_datasets(m, event, "outputs", &t->out, &t->nout, &t->out_cap);
}

static int read_lines(importing *m, const char *p, size_t n)
{
	const char *end = p + n;
	int rc = 0;

	for (; rc == 0 && p < end; m->line++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;
		dv_autoptr(dv_json) event = NULL;
		size_t len = (size_t)(stop - p), blank = 0;

		while (blank < len && strchr(" \t\r", p[blank]))
			blank++;
		if (blank < len) {
			rc = dv_json_parse(&event, p, len, LINE_MAX_BYTES, DEPTH, "an event");
			rc = rc < 0 ? dv_err_ctx(rc, "line %zu", m->line) : take_event(m, event);
		}
		p = stop + 1;
		if (rc == 0)
			rc = dv_check_cancel();
	}
	return rc;
}

/* -- writing records --------------------------------------------------------------------------- */

static int record(importing *m, dv_run_context *c, dv_writer *w, const told *t, uint64_t *runs)
{
	dv_value cmd = { .kind = DV_VALUE_STRING, .s = t->cmd };
	dv_run run = {
		.type = "external", .uuid = t->uuid, .file = t->ns, .stage = t->job,
		.cmd = t->cmd ? &cmd : NULL, .deps = t->in, .ndeps = t->nin, .outs = t->out,
		.nouts = t->nout, .start_us = t->start, .end_us = t->end, .state = t->state,
		.exit_code = t->state == DV_RUN_FAILED, .origin = "openlineage",
	};
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_oid oid;
	int rc = dv_run_print(&text, c, &run);

	if (rc < 0)
		return rc;
	dv_sha256(&oid, text.p, text.n);
	if (dv_store_has_object(m->store, &oid))
		return 0;
	++*runs;
	return dv_run_record(c, w, &run, &oid);
}

int dv_lineage_import(dv_repo *r, const void *text, size_t n, uint64_t *runs)
{
	__attribute__((cleanup(importing_release))) importing m = { .repo = r, .line = 1 };
	dv_autoptr(dv_run_context) c = NULL;
	dv_autoptr(dv_writer) w = NULL;
	uint64_t count = 0, open = 0;
	int rc = dv_repo_store(r, &m.store);

	if (rc == 0)
		rc = dv_openlineage_namespace(&m.ns, r);
	if (rc == 0)
		rc = read_lines(&m, text, n);
	if (rc == 0)
		rc = dv_writer_new(&w, m.store, dv_repo_compression(r));
	if (rc == 0)
		rc = dv_run_context_open_quick(&c, r);
	for (size_t i = 0; rc == 0 && i < m.n; i++) {
		open += !m.runs[i].ended;
		if (m.runs[i].ended && !m.runs[i].is_ours)
			rc = record(&m, c, w, &m.runs[i], &count);
	}
	if (rc == 0)
		rc = dv_writer_commit(w, NULL, 0);
	if (rc == 0)
		rc = dv_run_flush(c, true);
	if (rc == 0 && open)
		dv_warn("%" PRIu64 " runs were left out, as no event says how they ended", open);
	if (runs)
		*runs = rc < 0 ? 0 : count;
	return rc;
}
