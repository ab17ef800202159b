/* SPDX-License-Identifier: Apache-2.0 */
/* Journals of lock entries. */
#include "repo/lockjournal.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#define MAGIC "dv-journal 1 "

void dv_lockjournal_release(dv_lockjournal *j)
{
	dv_arena_release(&j->arena);
	*j = (dv_lockjournal)DV_LOCKJOURNAL_INIT;
}

char *dv_lockjournal_dir(const dv_repo *r)
{
	char hex[DV_OID_HEX_SIZE + 1], name[] = "journal-0123456789abcdef";
	dv_oid id;

	dv_sha256(&id, r->root, strlen(r->root));
	dv_oid_hex(hex, &id);
	memcpy(name + 8, hex, 16);
	return dv_path_join(r->dvdir, name);
}

int dv_locked_stage_digest(const dv_locked_stage *s, dv_oid *out)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;

	memset(out, 0, sizeof(*out));
	if (!s)
		return 0;
	int rc = dv_locked_stage_print(&b, s);
	if (rc == 0)
		dv_sha256(out, b.p, b.n);
	return rc;
}

int dv_lockjournal_print(dv_buf *out, const char *lock, const dv_oid *before,
			 const dv_locked_stage *s)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid sum;

	dv_oid_hex(hex, before);
	dv_buf_addf(&b, "%s\n%s\n", hex, lock);
	int rc = dv_locked_stage_print(&b, s);
	if (rc)
		return rc;
	dv_sha256(&sum, b.p, b.n);
	dv_oid_hex(hex, &sum);
	dv_buf_addf(out, MAGIC "%s %zu\n", hex, b.n);
	return dv_buf_add(out, b.p, b.n);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* One record at `p`: its length, or 0 when it is none. */
static size_t parse_head(const char *p, size_t n, const char **body, size_t *len, dv_oid *sum)
{
	size_t at = strlen(MAGIC) + DV_OID_HEX_SIZE;

	*len = 0;
	if (n < at + 3 || memcmp(p, MAGIC, strlen(MAGIC)) != 0 ||
	    dv_oid_parse(sum, p + strlen(MAGIC), DV_OID_HEX_SIZE) || p[at] != ' ')
		return 0;
	for (at++; at < n && p[at] >= '0' && p[at] <= '9' && *len < DV_LOCKJOURNAL_MAX; at++)
		*len = *len * 10 + (size_t)(p[at] - '0');
	if (at >= n || p[at] != '\n' || *len > n - at - 1)
		return 0;
	*body = p + at + 1;
	return at + 1 + *len;
}

static int add_record(dv_lockjournal *j, const char *body, size_t len)
{
	const char *eol = len > DV_OID_HEX_SIZE + 1
				  ? memchr(body + DV_OID_HEX_SIZE + 1, '\n',
					   len - DV_OID_HEX_SIZE - 1) : NULL;
	dv_lockjournal_record r = { 0 };
	int rc;

	if (!eol || dv_oid_parse(&r.before, body, DV_OID_HEX_SIZE))
		return 0;
	body += DV_OID_HEX_SIZE + 1;
	len -= DV_OID_HEX_SIZE + 1;
	r.lock = dv_arena_strndup(&j->arena, body, (size_t)(eol - body));
	r.n = len - (size_t)(eol + 1 - body);
	r.text = dv_arena_strndup(&j->arena, eol + 1, r.n);
	if (!r.lock || !r.text)
		return DV_ERROR;
	if ((rc = dv_arena_grow(&j->arena, &j->r, &j->cap, j->n + 1, sizeof(*j->r))))
		return rc;
	j->r[j->n++] = r;
	return 0;
}

int dv_lockjournal_parse(dv_lockjournal *j, const char *text, size_t n)
{
	size_t at = 0, step, len;
	const char *body;
	dv_oid want, sum;
	int rc = 0;

	while (rc == 0 && (step = parse_head(text + at, n - at, &body, &len, &want)) > 0) {
		dv_sha256(&sum, body, len);
		if (!dv_oid_eq(&sum, &want))
			break;
		rc = add_record(j, body, len);
		at += step;
	}
	return rc;
}

int dv_lockjournal_read(dv_lockjournal *j, const dv_repo *r)
{
	dv_autofree char *dir = dv_lockjournal_dir(r);
	struct dirent *e;
	int rc = 0;

	*j = (dv_lockjournal)DV_LOCKJOURNAL_INIT;
	if (!dir)
		return DV_ERROR;
	DIR *d = opendir(dir);
	if (!d)
		return 0;
	while (rc == 0 && (e = readdir(d))) {
		dv_auto(dv_buf) text = DV_BUF_INIT;
		dv_autofree char *path = *e->d_name == '.' ? NULL : dv_path_join(dir, e->d_name);

		if (*e->d_name == '.')
			continue;
		rc = path ? dv_fs_read_file(&text, path, DV_LOCKJOURNAL_MAX) : DV_ERROR;
		if (rc == DV_ENOTFOUND) {
			dv_error_clear();
			rc = 0;
		} else if (rc == 0) {
			rc = dv_lockjournal_parse(j, dv_buf_str(&text), text.n);
		}
	}
	closedir(d);
	return rc;
}

/* -- applying ---------------------------------------------------------------------------------- */

static int apply_record(const dv_lockjournal_record *r, dv_lockfile *l, const char *dir)
{
	dv_auto(dv_lockfile) one = DV_LOCKFILE_INIT;
	dv_auto(dv_buf) text = DV_BUF_INIT;
	dv_oid now;
	int rc;

	dv_buf_adds(&text, "schema: dv 1\nstages:\n");
	dv_buf_add(&text, r->text, r->n);
	if (text.err)
		return text.err;
	if ((rc = dv_lockfile_parse(&one, dv_buf_str(&text), text.n, dir, r->lock)) || one.n != 1)
		return rc ? rc : dv_err(DV_ECORRUPT, "malformed record in a journal");
	rc = dv_locked_stage_digest(dv_lockfile_find(l, one.stages[0].name), &now);
	if (rc || !dv_oid_eq(&now, &r->before))
		return rc;
	return dv_lockfile_put(l, &one.stages[0]);
}

int dv_lockjournal_apply(const dv_lockjournal *j, dv_lockfile *l, const char *lock,
			 const char *dir)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->n; i++)
		if (!strcmp(j->r[i].lock, lock))
			rc = apply_record(&j->r[i], l, dir);
	return rc;
}
