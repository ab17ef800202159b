/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log entries as text, both ways. Parsing is strict about what it uses and silent about keys it
 * does not know; writing is canonical, so equal entries are equal bytes.
 */
#include "store/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/sha256.h"

#define ITEMS_MAX ((size_t)1 << 24)
#define NUMBER_MAX ((uint64_t)999999999999)

static void root_release(dv_root *r)
{
	free(r->path);
	free(r->project);
	free(r->commit);
}

void dv_log_entry_release(dv_log_entry *e)
{
	for (size_t i = 0; i < e->nroots; i++)
		root_release(&e->roots[i]);
	free(e->packs);
	free(e->seg_add);
	free(e->seg_drop);
	free(e->roots);
	free(e->condemned);
	*e = (dv_log_entry)DV_LOG_ENTRY_INIT;
}

/* -- adding ------------------------------------------------------------------------------ */

int dv_log_add_pack(dv_log_entry *e, const dv_oid *id, uint64_t size, uint8_t kind)
{
	int rc = dv_grow(&e->packs, &e->packs_cap, e->npacks + 1, sizeof(*e->packs));

	if (rc)
		return rc;
	e->packs[e->npacks++] = (dv_container){ .id = *id, .size = size, .kind = kind };
	return 0;
}

static int add_oid(dv_oid **list, size_t *n, size_t *cap, const dv_oid *id)
{
	int rc = dv_grow(list, cap, *n + 1, sizeof(**list));

	if (rc)
		return rc;
	(*list)[(*n)++] = *id;
	return 0;
}

int dv_log_add_segment(dv_log_entry *e, const dv_oid *id)
{
	return add_oid(&e->seg_add, &e->nseg_add, &e->seg_add_cap, id);
}

int dv_log_drop_segment(dv_log_entry *e, const dv_oid *id)
{
	return add_oid(&e->seg_drop, &e->nseg_drop, &e->seg_drop_cap, id);
}

static int copy_string(char **out, const char *s)
{
	*out = s ? dv_strdup(s) : NULL;
	return s && !*out ? DV_ERROR : 0;
}

int dv_log_add_root(dv_log_entry *e, const dv_oid *oid, bool is_tree, const char *path,
		    const char *project, const char *commit)
{
	dv_root r = { .oid = *oid, .is_tree = is_tree };
	int rc = dv_grow(&e->roots, &e->roots_cap, e->nroots + 1, sizeof(*e->roots));

	if (!rc)
		rc = copy_string(&r.path, path);
	if (!rc)
		rc = copy_string(&r.project, project);
	if (!rc)
		rc = copy_string(&r.commit, commit);
	if (rc) {
		root_release(&r);
		return rc;
	}
	e->roots[e->nroots++] = r;
	return 0;
}

/* -- names ------------------------------------------------------------------------------- */

void dv_log_name(char out[DV_LOG_NAME_LEN + 1], uint64_t number)
{
	dv_assert(number <= NUMBER_MAX);
	for (int i = DV_LOG_NAME_LEN - 1; i >= 0; i--, number /= 10)
		out[i] = (char)('0' + number % 10);
	out[DV_LOG_NAME_LEN] = '\0';
}

uint64_t dv_log_number(const char *name)
{
	uint64_t n = 0;

	for (int i = 0; i < DV_LOG_NAME_LEN; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(name[i] - '0');
	}
	return name[DV_LOG_NAME_LEN] ? 0 : n;
}

/* -- parsing ----------------------------------------------------------------------------- */

static int get_oid(dv_oid *out, const char *s)
{
	if (!s || dv_oid_parse(out, s, strlen(s)))
		return dv_err(DV_ECORRUPT, "an id is not 64 hexadecimal digits");
	return 0;
}

static int parse_oids(dv_json *obj, const char *key, dv_oid **list, size_t *n, size_t *cap)
{
	dv_json *a = NULL;
	int rc = dv_json_opt_array(obj, key, ITEMS_MAX, &a);

	for (size_t i = 0; !rc && a && i < json_array_size(a); i++) {
		dv_oid id;

		rc = get_oid(&id, json_string_value(json_array_get(a, i)));
		if (!rc)
			rc = add_oid(list, n, cap, &id);
	}
	return rc;
}

static int parse_container(dv_log_entry *e, dv_json *j)
{
	const char *hex = NULL;
	uint64_t size = 0;
	bool file = false;
	dv_oid id;
	int rc;

	if (!json_is_object(j))
		return dv_err(DV_ECORRUPT, "a pack is not an object");
	rc = dv_json_get_str(j, "id", &hex);
	if (!rc)
		rc = get_oid(&id, hex);
	if (!rc)
		rc = dv_json_get_u64(j, "size", (uint64_t)INT64_MAX, &size);
	if (!rc)
		rc = dv_json_opt_bool(j, "file", &file);
	if (rc)
		return rc;
	return dv_log_add_pack(e, &id, size, file ? DV_CONTAINER_FILE : DV_CONTAINER_PACK);
}

static int parse_condemned(dv_log_entry *e, dv_json *j)
{
	const char *hex = NULL;
	bool file = false;
	dv_oid id;
	int rc = dv_json_get_str(j, "id", &hex);

	if (!rc)
		rc = get_oid(&id, hex);
	if (!rc)
		rc = dv_json_opt_bool(j, "file", &file);
	return rc ? rc : dv_log_add_pack(e, &id, 0, file ? DV_CONTAINER_FILE : DV_CONTAINER_PACK);
}

static int parse_packs(dv_log_entry *e, dv_json *obj)
{
	dv_json *a = NULL;
	int rc = dv_json_opt_array(obj, "packs", ITEMS_MAX, &a);

	for (size_t i = 0; !rc && a && i < json_array_size(a); i++) {
		dv_json *j = json_array_get(a, i);
		dv_oid id;

		if (e->kind != DV_LOG_CONDEMN) {
			rc = parse_container(e, j);
			continue;
		}
		if (json_is_object(j)) {
			rc = parse_condemned(e, j);
			continue;
		}
		rc = get_oid(&id, json_string_value(j));
		if (!rc)
			rc = dv_log_add_pack(e, &id, 0, DV_CONTAINER_PACK);
	}
	return rc;
}

static const char *const run_items[] = { "", "record", "log", "batch" };

static enum dv_run_item_kind run_item(const char *name)
{
	for (int i = DV_RUN_ITEM_RECORD; name && i <= DV_RUN_ITEM_BATCH; i++)
		if (strcmp(name, run_items[i]) == 0)
			return (enum dv_run_item_kind)i;
	return DV_RUN_ITEM_NONE;
}

static int parse_root(dv_log_entry *e, dv_json *j)
{
	const char *hex = NULL, *kind = NULL, *path = NULL, *project = NULL, *commit = NULL;
	const char *runs = NULL;
	dv_oid oid;
	int rc;

	if (!json_is_object(j))
		return dv_err(DV_ECORRUPT, "a root is not an object");
	rc = dv_json_get_str(j, "oid", &hex);
	if (!rc)
		rc = get_oid(&oid, hex);
	if (!rc)
		rc = dv_json_get_str(j, "kind", &kind);
	if (!rc && strcmp(kind, "tree") != 0 && strcmp(kind, "file") != 0)
		rc = dv_err(DV_ECORRUPT, "a root is neither file nor tree");
	if (!rc)
		rc = dv_json_opt_str(j, "path", &path);
	if (!rc)
		rc = dv_json_opt_str(j, "project", &project);
	if (!rc)
		rc = dv_json_opt_str(j, "commit", &commit);
	if (!rc)
		rc = dv_json_opt_str(j, "runs", &runs);
	if (!rc)
		rc = dv_log_add_root(e, &oid, kind[0] == 't', path, project, commit);
	if (!rc)
		e->roots[e->nroots - 1].runs = run_item(runs);
	return rc;
}

static int parse_roots(dv_log_entry *e, dv_json *obj)
{
	dv_json *a = NULL;
	int rc = dv_json_opt_array(obj, "roots", ITEMS_MAX, &a);

	e->tells_roots = a && e->kind == DV_LOG_CONDEMN;
	for (size_t i = 0; !rc && a && i < json_array_size(a); i++)
		rc = parse_root(e, json_array_get(a, i));
	return rc;
}

static int parse_segments(dv_log_entry *e, dv_json *obj)
{
	dv_json *o = NULL;
	int rc;

	if (e->kind == DV_LOG_CHECKPOINT)
		return parse_oids(obj, "segments", &e->seg_add, &e->nseg_add, &e->seg_add_cap);
	rc = dv_json_opt_object(obj, "segments", &o);
	if (rc || !o)
		return rc;
	rc = parse_oids(o, "add", &e->seg_add, &e->nseg_add, &e->seg_add_cap);
	if (!rc)
		rc = parse_oids(o, "drop", &e->seg_drop, &e->nseg_drop, &e->seg_drop_cap);
	return rc;
}

static int parse_frame(dv_log_entry *e, dv_json *obj)
{
	static const char *const kinds[] = { "", "commit", "condemn", "checkpoint" };
	const char *kind = NULL, *nonce = NULL;
	uint64_t format = 0;
	int rc;

	if (!json_is_object(obj))
		return dv_err(DV_ECORRUPT, "not a JSON object");
	rc = dv_json_get_u64(obj, "format", (uint64_t)INT64_MAX, &format);
	if (!rc && format != 1) {
		rc = dv_err(DV_ERROR, "has format %" PRIu64 ", this dv reads up to 1", format);
		return dv_err_hint(rc, "install a newer version of dv");
	}
	if (!rc)
		rc = dv_json_get_u64(obj, "base", NUMBER_MAX, &e->base);
	if (!rc)
		rc = dv_json_get_str(obj, "kind", &kind);
	if (!rc)
		rc = dv_json_get_str(obj, "nonce", &nonce);
	if (!rc && (strlen(nonce) != 2 * sizeof(e->nonce) ||
		    dv_hex_parse(e->nonce, sizeof(e->nonce), nonce)))
		rc = dv_err(DV_ECORRUPT, "the nonce is not 32 hexadecimal digits");
	for (int i = DV_LOG_COMMIT; !rc && i <= DV_LOG_CHECKPOINT; i++)
		if (!strcmp(kind, kinds[i]))
			e->kind = (enum dv_log_kind)i;
	if (!rc && !e->kind)
		rc = dv_err(DV_ECORRUPT, "an entry of unknown kind");
	return rc;
}

/* The last key is a sum of all bytes before it. Entries that were written earlier have none. */
#define SUM_KEY ",\"sum\":\""
#define SUM_END "\"}\n"
#define SUM_TAIL (sizeof SUM_KEY - 1 + DV_OID_HEX_SIZE + sizeof SUM_END - 1)

static int check_sum(const char *p, size_t n)
{
	dv_oid said, real;

	if (n < SUM_TAIL || memcmp(p + n - SUM_TAIL, SUM_KEY, sizeof SUM_KEY - 1) != 0)
		return 0;
	dv_sha256(&real, p, n - SUM_TAIL);
	if (dv_oid_parse(&said, p + n - SUM_TAIL + sizeof SUM_KEY - 1, DV_OID_HEX_SIZE) ||
	    !dv_oid_eq(&said, &real))
		return dv_err(DV_ECORRUPT, "the log entry is not what its sum says");
	return 0;
}

int dv_log_entry_parse(dv_log_entry *out, const char *p, size_t n)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_autoptr(dv_json) obj = NULL;
	int rc;

	*out = (dv_log_entry)DV_LOG_ENTRY_INIT;
	if (!n)
		return dv_err(DV_ECORRUPT, "the log entry is empty");
	rc = dv_json_parse(&obj, p, n, DV_LOG_ENTRY_MAX, 8, "log entry");
	/* A later format, which the frame tells, may sum up in another way. */
	if (!rc)
		rc = parse_frame(&e, obj);
	if (!rc)
		rc = check_sum(p, n);
	if (!rc)
		rc = parse_packs(&e, obj);
	if (!rc)
		rc = parse_roots(&e, obj);
	if (!rc)
		rc = parse_segments(&e, obj);
	if (!rc && e.kind == DV_LOG_CHECKPOINT)
		rc = parse_oids(obj, "condemned", &e.condemned, &e.ncondemned, &e.condemned_cap);
	if (!rc && e.kind == DV_LOG_CONDEMN && json_object_get(obj, "at"))
		rc = dv_json_get_u64(obj, "at", (uint64_t)INT64_MAX, &e.time);
	if (rc)
		return rc;
	*out = e;
	e = (dv_log_entry)DV_LOG_ENTRY_INIT;
	return 0;
}

/* -- writing ----------------------------------------------------------------------------- */

static void put_oid(dv_buf *b, const dv_oid *id)
{
	char hex[DV_OID_HEX_SIZE + 1];

	dv_oid_hex(hex, id);
	dv_buf_addf(b, "\"%s\"", hex);
}

static void put_oids(dv_buf *b, const char *key, const dv_oid *list, size_t n)
{
	dv_buf_addf(b, "\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		if (i)
			dv_buf_addc(b, ',');
		put_oid(b, &list[i]);
	}
	dv_buf_addc(b, ']');
}

/* A path need not be UTF-8, JSON must be. The root is named by its oid: the path only tells people
 * where it was, so bytes that JSON cannot hold may become question marks. */
static void put_string(dv_buf *b, const char *key, const char *s)
{
	dv_autoptr(dv_json) ok = json_string(s);

	dv_buf_addf(b, "\"%s\":\"", key);
	for (const char *p = s; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\')
			dv_buf_addf(b, "\\%c", c);
		else if (c < 0x20)
			dv_buf_addf(b, "\\u%04x", c);
		else
			dv_buf_addc(b, c >= 0x80 && !ok ? '?' : (char)c);
	}
	dv_buf_addc(b, '"');
}

static void put_packs(dv_buf *b, const dv_log_entry *e)
{
	dv_buf_adds(b, ",\"packs\":[");
	for (size_t i = 0; i < e->npacks; i++) {
		const dv_container *c = &e->packs[i];

		if (i)
			dv_buf_addc(b, ',');
		if (e->kind == DV_LOG_CONDEMN && c->kind == DV_CONTAINER_PACK) {
			put_oid(b, &c->id);
			continue;
		}
		dv_buf_adds(b, c->kind == DV_CONTAINER_FILE ? "{\"file\":true,\"id\":"
							    : "{\"id\":");
		put_oid(b, &c->id);
		if (e->kind != DV_LOG_CONDEMN)
			dv_buf_addf(b, ",\"size\":%" PRIu64, c->size);
		dv_buf_addc(b, '}');
	}
	dv_buf_addc(b, ']');
}

static void put_runs(dv_buf *b, enum dv_run_item_kind kind)
{
	dv_buf_addc(b, ',');
	put_string(b, "runs", run_items[kind]);
}

static void put_roots(dv_buf *b, const dv_log_entry *e)
{
	dv_buf_adds(b, ",\"roots\":[");
	for (size_t i = 0; i < e->nroots; i++) {
		const dv_root *r = &e->roots[i];

		dv_buf_adds(b, i ? ",{" : "{");
		if (r->commit) {
			put_string(b, "commit", r->commit);
			dv_buf_addc(b, ',');
		}
		dv_buf_addf(b, "\"kind\":\"%s\",\"oid\":", r->is_tree ? "tree" : "file");
		put_oid(b, &r->oid);
		if (r->path) {
			dv_buf_addc(b, ',');
			put_string(b, "path", r->path);
		}
		if (r->project) {
			dv_buf_addc(b, ',');
			put_string(b, "project", r->project);
		}
		if (r->runs)
			put_runs(b, r->runs);
		dv_buf_addc(b, '}');
	}
	dv_buf_addc(b, ']');
}

int dv_log_entry_write(dv_buf *out, const dv_log_entry *e)
{
	static const char *const kinds[] = { "", "commit", "condemn", "checkpoint" };
	char hex[DV_OID_HEX_SIZE + 1];
	size_t start = out->n;
	dv_oid sum;

	dv_buf_addc(out, '{');
	if (e->kind == DV_LOG_CONDEMN && e->time)
		dv_buf_addf(out, "\"at\":%" PRIu64 ",", e->time);
	dv_buf_addf(out, "\"base\":%" PRIu64 ",", e->base);
	if (e->kind == DV_LOG_CHECKPOINT) {
		put_oids(out, "condemned", e->condemned, e->ncondemned);
		dv_buf_addc(out, ',');
	}
	dv_buf_addf(out, "\"format\":1,\"kind\":\"%s\",\"nonce\":\"", kinds[e->kind]);
	for (size_t i = 0; i < sizeof(e->nonce); i++)
		dv_buf_addf(out, "%02x", e->nonce[i]);
	dv_buf_addc(out, '"');
	put_packs(out, e);
	if (e->kind != DV_LOG_CONDEMN || e->tells_roots)
		put_roots(out, e);
	dv_buf_addc(out, ',');
	if (e->kind == DV_LOG_CHECKPOINT) {
		put_oids(out, "segments", e->seg_add, e->nseg_add);
	} else {
		dv_buf_adds(out, "\"segments\":{");
		put_oids(out, "add", e->seg_add, e->nseg_add);
		dv_buf_addc(out, ',');
		put_oids(out, "drop", e->seg_drop, e->nseg_drop);
		dv_buf_addc(out, '}');
	}
	if (out->err)
		return out->err;
	dv_sha256(&sum, out->p + start, out->n - start);
	dv_oid_hex(hex, &sum);
	dv_buf_addf(out, SUM_KEY "%s" SUM_END, hex);
	return out->err;
}
