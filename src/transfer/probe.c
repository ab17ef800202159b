/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding out what the place behind a driver can do, by doing it with a small file that goes away
 * again. The question that matters is whether a file is created only if it is absent: three kinds
 * of servers enforce it, refuse it, or say yes and overwrite. What was found is kept in the mirror,
 * so that a place is asked once.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define PROBE_BYTES 64
#define FILE_MAX 256

static const char *const words[] = {
	[DV_CREATE_UNKNOWN] = "unknown", [DV_CREATE_ENFORCED] = "enforced",
	[DV_CREATE_REFUSED] = "refused", [DV_CREATE_IGNORED] = "ignored",
};

/* -- what is kept ------------------------------------------------------------------------------ */

/* "dv-probe 1 <word> <SHA-256 of the server's address, 64 hex>": a bucket of the same name on
 * another server is another place. */
static int describe(const dv_remote_store *r, enum dv_create create, dv_buf *out)
{
	char hex[DV_OID_HEX_SIZE + 1];
	dv_oid id;

	dv_sha256(&id, r->server, strlen(r->server));
	dv_oid_hex(hex, &id);
	return dv_buf_addf(out, "dv-probe 1 %s %s\n", words[create], hex);
}

static enum dv_create load(const dv_remote_store *r)
{
	dv_autofree char *path = dv_path_join(r->mirror, "probe");
	dv_auto(dv_buf) b = DV_BUF_INIT;
	enum dv_create found = DV_CREATE_UNKNOWN;

	if (path && dv_fs_read_file(&b, path, FILE_MAX) == 0)
		for (int c = DV_CREATE_ENFORCED; c <= DV_CREATE_IGNORED; c++) {
			dv_auto(dv_buf) text = DV_BUF_INIT;

			if (describe(r, (enum dv_create)c, &text) == 0 && text.n == b.n &&
			    memcmp(text.p, b.p, b.n) == 0)
				found = (enum dv_create)c;
		}
	dv_error_clear();
	return found;
}

static int save(const dv_remote_store *r)
{
	dv_autofree char *path = dv_path_join(r->mirror, "probe");
	dv_auto(dv_buf) text = DV_BUF_INIT;
	int rc = path ? describe(r, r->create, &text) : DV_ERROR;

	return rc ? rc : dv_fs_write_file(path, text.p, text.n, 0);
}

void dv_probe_recall(dv_remote_store *r)
{
	if (r->r->caps & DV_REMOTE_DEPENDS)
		r->create = load(r);
	else
		r->create = r->r->caps & DV_REMOTE_PUT_IF_ABSENT ? DV_CREATE_ENFORCED :
								  DV_CREATE_REFUSED;
}

/* -- asking ------------------------------------------------------------------------------------ */

typedef struct probe {
	dv_remote_store *r;
	char name[DV_NAME_ROOM];
	char text[2][PROBE_BYTES + 1];	/* of the first and of the second file */
	dv_abilities found;
} probe;

static int begin(probe *p)
{
	uint8_t any[PROBE_BYTES + 16];
	int rc = dv_random(any, sizeof any);

	for (int k = 0; k < 2; k++)
		for (int i = 0; i < PROBE_BYTES / 2; i++)
			snprintf(p->text[k] + 2 * i, 3, "%02x", any[k * PROBE_BYTES / 2 + i]);
	snprintf(p->name, sizeof p->name, "probe/");
	for (int i = 0; i < 16; i++)
		snprintf(p->name + 6 + 2 * i, 3, "%02x", any[PROBE_BYTES + i]);
	return rc;
}

static int put_text(const probe *p)
{
	dv_autoclose int fd = dv_memory_file(p->text[0], PROBE_BYTES);

	return fd < 0 ? DV_ERROR : p->r->r->driver->put(p->r->r, p->name, fd, PROBE_BYTES);
}

static int read_text(const probe *p, uint64_t offset, size_t n, dv_buf *out)
{
	return dv_remote_get_range(p->r, p->name, offset, n, out);
}

/* Does the file hold the second text, although the first was there before? */
static int was_replaced(const probe *p, bool *yes)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = read_text(p, 0, PROBE_BYTES, &b);

	*yes = rc == 0 && memcmp(b.p, p->text[1], PROBE_BYTES) == 0;
	return rc;
}

/* Creates the file twice. */
static int try_create(probe *p)
{
	dv_remote *r = p->r->r;
	enum dv_create *create = &p->found.create;
	bool replaced;
	int rc = r->driver->put_if_absent(r, p->name, p->text[0], PROBE_BYTES);

	/* An answer that got lost. */
	if (rc == DV_EEXISTS)
		rc = 0;
	if (rc == DV_ERROR) {
		*create = DV_CREATE_REFUSED;
		rc = put_text(p);
	}
	if (rc)
		return rc;
	p->found.write = true;
	if (*create == DV_CREATE_REFUSED)
		return 0;
	rc = r->driver->put_if_absent(r, p->name, p->text[1], PROBE_BYTES);
	if (rc == DV_EEXISTS) {
		if ((rc = was_replaced(p, &replaced)))
			return rc;
		*create = replaced ? DV_CREATE_IGNORED : DV_CREATE_ENFORCED;
	} else if (rc == 0) {
		*create = DV_CREATE_IGNORED;
	} else if (rc == DV_ERROR) {
		*create = DV_CREATE_REFUSED;
		rc = 0;
	}
	/* The driver may do what it can on a server that refused, and say so by its caps. */
	if (rc == 0 && *create == DV_CREATE_ENFORCED && !(r->caps & DV_REMOTE_PUT_IF_ABSENT &
							  dv_wrap_driver_caps(r)))
		*create = DV_CREATE_REFUSED;
	return rc;
}

static void try_remove(probe *p)
{
	dv_remote *r = p->r->r;

	if (r->driver->remove && r->driver->remove(r, p->name) == 0)
		p->found.remove = true;
	dv_error_clear();
}

/* Some of what was called names the remote, some does not. */
static int name_remote(int rc, const dv_remote_store *r)
{
	return strncmp(dv_error_last()->message, "remote '", 8) ?
	       dv_err_ctx(rc, "remote '%s'", r->name) : rc;
}

int dv_probe_create(dv_remote_store *r)
{
	probe p = { .r = r };

	if (r->create != DV_CREATE_UNKNOWN)
		return 0;
	int rc = begin(&p);
	if (rc == 0)
		rc = try_create(&p);
	if (p.found.write)
		try_remove(&p);
	if (rc)
		return name_remote(rc, r);
	r->create = p.found.create;
	return save(r);
}

static int found_cb(const char *name, uint64_t size, void *payload)
{
	probe *p = payload;

	p->found.list |= strcmp(name, p->name + 6) == 0 && size == PROBE_BYTES;
	return 0;
}

/* Reads all and a part, and lists. */
static int try_read(probe *p)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_remote *r = p->r->r;
	const char *text = p->text[0];
	bool replaced = false;
	int rc = was_replaced(p, &replaced);

	if (replaced)
		text = p->text[1];
	if (rc == 0)
		rc = read_text(p, 5, 20, &b);
	if (rc == 0 && memcmp(b.p, text + 5, 20) != 0)
		rc = dv_err(DV_ERROR, "remote '%s' gave other bytes than it was asked for",
			    p->r->name);
	p->found.read = rc == 0;
	if (rc || !(r->caps & DV_REMOTE_LIST))
		return rc;
	return r->driver->list(r, "probe", NULL, found_cb, p);
}

/* A place that is only read: is there anything? */
static int look(probe *p)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	int rc = dv_remote_get_file(p->r, DV_STORE_DESCRIPTION, DV_STORE_DESCRIPTION_MAX, &b);

	p->found.read = rc == 0 || rc == DV_ENOTFOUND;
	p->found.list = p->r->r->caps & DV_REMOTE_LIST;
	if (rc == DV_ENOTFOUND) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

int dv_remote_store_probe(const dv_remote_options *o, dv_abilities *out)
{
	dv_autoptr(dv_remote_store) r = NULL;
	probe p = { 0 };
	int rc = dv_remote_place_open(&r, o);

	*out = p.found;
	if (rc)
		return rc;
	p.r = r;
	if (!r->r)
		return dv_err(DV_ENOTFOUND, "remote '%s' is not there", r->name);
	rc = begin(&p);
	if (rc == 0 && r->r->caps & DV_REMOTE_WRITE) {
		rc = try_create(&p);
		/* Who may not write may still read. */
		if (rc == DV_EAUTH && !p.found.write) {
			dv_error_clear();
			rc = look(&p);
		} else if (rc == DV_ERROR && !p.found.write) {
			dv_error why;

			dv_error_take(&why);
			(void)!look(&p);
			rc = dv_error_put(&why);
		} else if (rc == 0) {
			rc = try_read(&p);
		}
	} else if (rc == 0) {
		rc = look(&p);
	}
	if (p.found.write)
		try_remove(&p);
	*out = p.found;
	if (rc)
		return name_remote(rc, r);
	if (p.found.write && r->r->caps & DV_REMOTE_DEPENDS) {
		r->create = p.found.create;
		rc = save(r);
	}
	return rc;
}
