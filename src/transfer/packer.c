/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack on its way to a remote, put together entry by entry in a file without a name.
 *
 * Its nonce is made from what it holds and from how many packs the log condemned. So what is tried
 * again after it was cut makes the same packs and finds them there, and yet no name that was
 * condemned comes back.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "transfer/internal.h"

#define FLUSH_AT ((size_t)1 << 20)

void dv_packer_release(dv_packer *k)
{
	if (k->fd >= 0)
		close(k->fd);
	dv_buf_release(&k->pending);
	dv_pack_footer_release(&k->f);
	*k = (dv_packer)DV_PACKER_INIT;
}

static int flush(dv_packer *k)
{
	if (k->pending.err)
		return k->pending.err;
	if (k->pending.n && dv_fs_write_all(k->fd, k->pending.p, k->pending.n))
		return dv_err_sys("cannot write a pack");
	k->at += k->pending.n;
	dv_buf_clear(&k->pending);
	return 0;
}

static void make_nonce(const dv_remote_store *r, const dv_need *needs, size_t n, uint8_t nonce[16])
{
	uint64_t condemned = r->state.condemned.n;
	dv_sha256_ctx sum;
	dv_oid id;

	dv_sha256_init(&sum);
	dv_sha256_update(&sum, &condemned, sizeof condemned);
	for (size_t i = 0; i < n; i++)
		dv_sha256_update(&sum, needs[i].id.b, sizeof needs[i].id.b);
	dv_sha256_final(&sum, &id);
	memcpy(nonce, id.b, 16);
}

int dv_packer_begin(dv_packer *k, const dv_remote_store *r, const dv_need *needs, size_t n,
		    bool in_memory)
{
	uint8_t header[DV_PACK_HEADER], nonce[16];

	/* On the disk it lies in the mirror's folder, where nothing has to be cleared away. */
	if (!in_memory)
		k->fd = dv_fs_openat(AT_FDCWD, r->mirror, O_TMPFILE | O_RDWR, 0600);
	if (k->fd < 0)
		k->fd = dv_memory_file(NULL, 0);
	if (k->fd < 0)
		return DV_ERROR;
	make_nonce(r, needs, n, nonce);
	dv_pack_header(header, nonce);
	dv_sha256_init(&k->name);
	dv_sha256_update(&k->name, header, sizeof header);
	return dv_buf_add(&k->pending, header, sizeof header);
}

int dv_packer_add(dv_packer *k, const dv_pack_entry *e, const uint8_t *stored, const dv_oid *bases)
{
	int rc = dv_grow(&k->f.e, &k->e_cap, k->f.n + 1, sizeof *k->f.e);

	if (rc == 0 && e->nbases)
		rc = dv_grow(&k->f.bases, &k->b_cap, k->f.nbases + e->nbases, sizeof *bases);
	if (rc)
		return rc;
	dv_pack_entry *n = &k->f.e[k->f.n++];
	*n = *e;
	n->offset = k->at + k->pending.n;
	n->bases_at = dv_pack_add_bases(k->f.bases, &k->f.nbases, bases, e->nbases);
	dv_pack_name_entry(&k->name, e, stored);
	dv_buf_add(&k->pending, stored, e->stored);
	return k->pending.n >= FLUSH_AT ? flush(k) : k->pending.err;
}

int dv_packer_end(dv_packer *k, dv_container *c)
{
	int rc = flush(k);

	if (rc == 0)
		rc = dv_pack_footer_write(&k->pending, &k->f, k->at);
	dv_sha256_update(&k->name, k->pending.p, k->pending.n);
	if (rc || (rc = flush(k)))
		return rc;
	*c = (dv_container){ .size = k->at, .kind = DV_CONTAINER_PACK };
	dv_sha256_final(&k->name, &c->id);
	return 0;
}
