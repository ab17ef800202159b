/* SPDX-License-Identifier: Apache-2.0 */
/* W3C PROV-JSON (Member Submission of 24 April 2013) from run records. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sha256.h"
#include "lineage/exchange.h"

#define ID_MAX 160

static dv_json *section(dv_prov *p, const char *name)
{
	dv_json *s = json_object_get(p->doc, name);

	if (!s && (s = json_object()) && json_object_set_new(p->doc, name, s))
		s = NULL;
	return s;
}

/* section[id], a new object; NULL when it is there already (*had) or memory runs out. */
static dv_json *entry(dv_prov *p, const char *name, const char *id, bool *had)
{
	dv_json *s = section(p, name), *o = json_object_get(s, id);

	*had = o != NULL;
	if (o)
		return NULL;
	o = json_object();
	return s && json_object_set_new(s, id, o) == 0 ? o : NULL;
}

static int typed(dv_json *o, const char *key, const char *value, const char *type)
{
	dv_json *v = json_object();
	int rc = dv_json_set(o, key, v);

	if (rc == 0)
		rc = dv_json_set_str(v, "$", value);
	return rc < 0 ? rc : dv_json_set_str(v, "type", type);
}

static int opt(dv_json *o, const char *key, const char *value)
{
	json_t *text = value ? json_string(value) : NULL;

	return text ? dv_json_set(o, key, text) : 0;
}

int dv_prov_begin(dv_prov *p)
{
	dv_json *prefix;

	*p = (dv_prov){ .doc = json_object() };
	prefix = p->doc ? section(p, "prefix") : NULL;
	if (!prefix)
		return dv_err_nomem();
	return dv_json_set_str(prefix, "dv", "urn:dv:");
}

void dv_prov_release(dv_prov *p)
{
	json_decref(p->doc);
	p->doc = NULL;
}

/* One relation: "_:n" in its section, with two ends and a role. */
static int relate(dv_prov *p, const char *kind, const char *a_key, const char *a,
		  const char *b_key, const char *b, const char *role)
{
	dv_json *s = section(p, kind), *o = json_object();
	char id[32];
	int rc;

	snprintf(id, sizeof(id), "_:r%" PRIu64, ++p->n);
	rc = s ? dv_json_set(s, id, o) : dv_err_nomem();
	if (rc == 0)
		rc = dv_json_set_str(o, a_key, a);
	if (rc == 0)
		rc = dv_json_set_str(o, b_key, b);
	return rc < 0 ? rc : opt(o, "prov:role", role);
}

/* An entity is certain bytes at a certain path. */
static int add_entity(dv_prov *p, const dv_run_path *x, char id[ID_MAX])
{
	char hex[DV_OID_HEX_SIZE + 1], path_hex[DV_OID_HEX_SIZE + 1], number[24];
	dv_oid path;
	bool had;
	int rc;

	dv_sha256(&path, x->path, strlen(x->path));
	dv_oid_hex(path_hex, &path);
	dv_oid_hex(hex, &x->oid);
	snprintf(id, ID_MAX, "dv:%s-%.16s", x->has_oid ? hex : "unknown", path_hex);
	dv_json *o = entry(p, "entity", id, &had);
	if (!o)
		return had ? 0 : dv_err_nomem();
	rc = opt(o, "prov:label", x->path);
	if (rc == 0)
		rc = typed(o, "prov:type", x->is_dir ? "dv:Directory" : "dv:File",
			   "prov:QUALIFIED_NAME");
	if (rc == 0 && x->has_oid) {
		snprintf(number, sizeof(number), "%" PRIu64, x->size);
		rc = dv_json_set_str(o, "dv:sha256", hex);
		if (rc == 0)
			rc = typed(o, "dv:size", number, "xsd:long");
	}
	return rc;
}

static int add_agent(dv_prov *p, const dv_run_doc *d, char id[ID_MAX])
{
	const char *name = d->author_name ? d->author_name : "",
		   *email = d->author_email ? d->author_email : "";
	char hex[DV_OID_HEX_SIZE + 1];
	dv_sha256_ctx h;
	dv_oid key;
	bool had;
	int rc;

	dv_sha256_init(&h);
	dv_sha256_update(&h, name, strlen(name) + 1);
	dv_sha256_update(&h, email, strlen(email));
	dv_sha256_final(&h, &key);
	dv_oid_hex(hex, &key);
	snprintf(id, ID_MAX, "dv:person-%.16s", hex);
	dv_json *o = entry(p, "agent", id, &had);
	if (!o)
		return had ? 0 : dv_err_nomem();
	rc = typed(o, "prov:type", "prov:Person", "prov:QUALIFIED_NAME");
	if (rc == 0)
		rc = dv_json_set_str(o, "prov:label", name);
	return rc < 0 || !*email ? rc : dv_json_set_str(o, "dv:email", email);
}

static int set_activity(dv_json *o, const dv_run_doc *d)
{
	dv_auto(dv_buf) cmd = DV_BUF_INIT;
	char time[40];
	int rc;

	dv_iso_time(time, d->run.start_us);
	rc = dv_json_set_str(o, "prov:startTime", time);
	dv_iso_time(time, d->run.end_us);
	if (rc == 0)
		rc = dv_json_set_str(o, "prov:endTime", time);
	if (rc == 0)
		rc = opt(o, "prov:label", d->run.stage ? d->run.stage : d->run.type);
	if (rc == 0)
		rc = dv_json_set_str(o, "dv:state", dv_run_state_name(d->run.state));
	if (rc == 0)
		rc = opt(o, "dv:file", d->run.file);
	if (rc == 0)
		rc = opt(o, "dv:commit", d->commit);
	if (rc == 0 && d->cmd)
		rc = json_is_string(d->cmd) ? dv_buf_adds(&cmd, json_string_value(d->cmd))
					    : dv_json_write(&cmd, d->cmd);
	return rc < 0 || !d->cmd ? rc : dv_json_set_str(o, "dv:command", dv_buf_str(&cmd));
}

/* Who ran it, and which run it took its outputs from or was part of. */
static int relate_run(dv_prov *p, const dv_run_doc *d, const char *id)
{
	char hex[DV_OID_HEX_SIZE + 1], other[ID_MAX];
	bool had;
	int rc = 0;

	if (d->author_name || d->author_email) {
		rc = add_agent(p, d, other);
		if (rc == 0)
			rc = relate(p, "wasAssociatedWith", "prov:activity", id, "prov:agent",
				    other, NULL);
	}
	if (rc == 0 && d->run.has_cached) {
		dv_oid_hex(hex, &d->run.cached);
		snprintf(other, sizeof(other), "dv:run-%s", hex);
		if (!entry(p, "activity", other, &had) && !had)
			return dv_err_nomem();
		rc = relate(p, "wasInformedBy", "prov:informed", id, "prov:informant", other, NULL);
	}
	if (rc == 0 && d->parent_run && strlen(d->parent_run) < 100) {
		snprintf(other, sizeof(other), "dv:parent-%s", d->parent_run);
		dv_json *o = entry(p, "activity", other, &had);
		if (!o && !had)
			return dv_err_nomem();
		if (o)
			rc = opt(o, "prov:label", d->parent_job);
		if (rc == 0)
			rc = relate(p, "wasInformedBy", "prov:informed", id, "prov:informant",
				    other, NULL);
	}
	return rc;
}

int dv_prov_add(dv_prov *p, const dv_run_doc *d, const dv_oid *oid)
{
	bool made = d->run.state == DV_RUN_COMPLETE || d->run.state == DV_RUN_CACHED, had;
	char hex[DV_OID_HEX_SIZE + 1], id[ID_MAX], other[ID_MAX];
	dv_json *o;
	int rc;

	dv_oid_hex(hex, oid);
	snprintf(id, sizeof(id), "dv:run-%s", hex);
	o = entry(p, "activity", id, &had);
	if (!o && had)
		o = json_object_get(section(p, "activity"), id);
	rc = o ? set_activity(o, d) : dv_err_nomem();
	if (rc == 0)
		rc = relate_run(p, d, id);
	for (size_t i = 0; rc == 0 && i < d->run.ndeps; i++) {
		rc = add_entity(p, &d->run.deps[i], other);
		if (rc == 0)
			rc = relate(p, "used", "prov:activity", id, "prov:entity", other,
				    d->run.deps[i].path);
	}
	for (size_t i = 0; rc == 0 && made && i < d->run.nouts; i++) {
		rc = add_entity(p, &d->run.outs[i], other);
		if (rc == 0)
			rc = relate(p, "wasGeneratedBy", "prov:entity", other, "prov:activity", id,
				    d->run.outs[i].path);
	}
	return rc;
}
