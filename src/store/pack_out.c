/* SPDX-License-Identifier: Apache-2.0 */
/* Writing packs one after the other; see pack_out.h. */
#include "store/pack_out.h"

#include "base/alloc.h"
#include "base/path.h"
#include "store/store_priv.h"

#define FLUSH ((size_t)1 << 20)	/* so much is written at a time */

void dv_pack_out_release(dv_pack_out *o)
{
	dv_atomic_release(&o->file);
	dv_buf_release(&o->buf);
	dv_pack_footer_release(&o->f);
	for (size_t i = 0; i < o->nmade; i++)
		dv_pack_footer_release(&o->made[i].f);
	free(o->made);
}

static int flush(dv_pack_out *o)
{
	if (o->buf.err)
		return o->buf.err;
	if (dv_fs_write_all(o->file.fd, o->buf.p, o->buf.n) < 0)
		return dv_err_sys("cannot write '%s'", o->file.tmp);
	dv_buf_clear(&o->buf);
	return 0;
}

static int begin(dv_pack_out *o)
{
	dv_autofree char *path = dv_path_join(o->s->dir, "packs/new");
	uint8_t nonce[16], head[DV_PACK_HEADER];
	int rc = dv_random(nonce, sizeof(nonce));

	if (!path)
		return DV_ERROR;
	if (!rc)
		rc = dv_atomic_open(&o->file, path,
				    DV_ATOMIC_SYNC | DV_ATOMIC_NOREPLACE | DV_ATOMIC_READONLY);
	if (rc < 0)
		return rc;
	dv_pack_header(head, nonce);
	dv_sha256_init(&o->hash);
	dv_sha256_update(&o->hash, head, sizeof(head));
	o->offset = DV_PACK_HEADER;
	return dv_buf_add(&o->buf, head, sizeof(head));
}

/* Gives the file, which is written, the name that its content has. */
static int name(dv_pack_out *o, const dv_container *c)
{
	dv_autofree char *path = dv_store_container_path(o->s, c);
	dv_autofree char *dir = path ? dv_path_dir(path) : NULL;
	dv_autofree char *packs = dv_path_join(o->s->dir, "packs");

	if (!dir || !packs)
		return DV_ERROR;
	int rc = dv_fs_mkdirs(dir);
	if (!rc)
		rc = dv_atomic_commit_as(&o->file, path);
	return rc ? rc : dv_fs_sync_dir(packs);
}

int dv_pack_out_end(dv_pack_out *o)
{
	dv_holding made = { .readable = true };

	if (o->file.fd < 0)
		return 0;
	int rc = flush(o);
	if (!rc)
		rc = dv_pack_footer_write(&o->buf, &o->f, o->offset);
	dv_sha256_update(&o->hash, o->buf.p, o->buf.n);
	made.c.size = o->offset + o->buf.n;
	if (!rc)
		rc = flush(o);
	if (rc < 0)
		return rc;
	dv_sha256_final(&o->hash, &made.c.id);
	made.f = o->f;
	rc = name(o, &made.c);
	if (!rc)
		rc = dv_grow(&o->made, &o->made_cap, o->nmade + 1, sizeof(*o->made));
	if (rc < 0)
		return rc;
	dv_atomic_release(&o->file);
	o->made[o->nmade++] = made;
	o->f = (dv_pack_footer)DV_PACK_FOOTER_INIT;
	o->e_cap = o->bases_cap = 0;
	return 0;
}

static bool is_full(const dv_pack_out *o, const dv_pack_entry *e)
{
	return o->offset + e->stored > DV_PACK_TARGET || o->f.n >= DV_PACK_ENTRIES_MAX ||
	       o->f.nbases + e->nbases > DV_PACK_ENTRIES_MAX;
}

int dv_pack_out_add(dv_pack_out *o, dv_pack_entry e, const uint8_t *stored, const dv_oid *bases)
{
	int rc = o->file.fd >= 0 && is_full(o, &e) ? dv_pack_out_end(o) : 0;

	if (!rc && o->file.fd < 0)
		rc = begin(o);
	if (!rc)
		rc = dv_grow(&o->f.e, &o->e_cap, o->f.n + 1, sizeof(*o->f.e));
	if (!rc && e.nbases)
		rc = dv_grow(&o->f.bases, &o->bases_cap, o->f.nbases + e.nbases,
			     sizeof(*o->f.bases));
	if (rc < 0)
		return rc;
	e.offset = o->offset;
	e.bases_at = dv_pack_add_bases(o->f.bases, &o->f.nbases, bases, e.nbases);
	o->f.e[o->f.n++] = e;
	o->offset += e.stored;
	dv_pack_name_entry(&o->hash, &e, stored);
	dv_buf_add(&o->buf, stored, e.stored);
	return o->buf.n < FLUSH ? o->buf.err : flush(o);
}
