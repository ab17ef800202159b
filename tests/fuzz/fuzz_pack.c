/* SPDX-License-Identifier: Apache-2.0 */
/* A pack from anywhere: its footer is parsed and every entry decoded, deltas against the pack's
 * first bytes; then all of it is checked. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/pack.h"

static int no_delta(const dv_pack_entry *e, void *payload)
{
	(void)e;
	(void)payload;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_pack_footer) f = DV_PACK_FOOTER_INIT;
	size_t need, given = size < 32 ? size : 32, decoded = 0;

	/* As a reader does it: the tail, then what it asks for. */
	if (dv_pack_footer_parse(&f, data + size - given, given, size, &need))
		return 0;
	if (need && need <= size &&
	    dv_pack_footer_parse(&f, data + size - need, need, size, &need))
		return 0;
	if (need)
		return 0;
	for (size_t i = 0; i < f.n && decoded < 16u << 20; i++) {
		const dv_pack_entry *e = &f.e[i];
		uint8_t *out = malloc(e->raw);

		if (out && dv_pack_decode(out, e, data + e->offset, e->nbases ? data : NULL,
					  e->nbases ? 32 : 0))
			dv_error_clear();
		decoded += e->raw;
		free(out);
		if (dv_pack_footer_find(&f, e->kind, &e->id) != e)
			abort();
		for (int k = 0; k < e->nbases; k++)
			if (dv_oid_is_zero(&f.bases[e->bases_at + (uint32_t)k]))
				break;
	}
	if (decoded < 16u << 20) {
		const dv_oid name = { { 0 } };
		const dv_pack_watch watch = { .delta = no_delta };
		dv_oid real;
		int version, fd = memfd_create("pack", MFD_CLOEXEC);

		if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
		    !dv_pack_check(fd, size, &f, &name, &watch))
			abort();
		if (!dv_pack_name(fd, size, &f, &real, &version) &&
		    dv_pack_check(fd, size, &f, &real, &watch))
			dv_error_clear();
		close(fd);
		dv_error_clear();
	}
	return 0;
}
