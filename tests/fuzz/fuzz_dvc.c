/* SPDX-License-Identifier: Apache-2.0 */
/* Files of DVC and Git LFS: pointers, listings, settings, lock files and attributes from strangers.
 * A listing that is read gives, printed and read again, the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "pipeline/import_dvc.h"
#include "takeover/lfs_take.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void listing(const char *text, size_t n)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_dvc_listing l, again;

	if (dv_dvc_listing_parse(&l, &a, text, n, "listing"))
		return;
	dv_assert(!dv_dvc_listing_print(&out, &l));
	dv_assert(!dv_dvc_listing_parse(&again, &a, out.p, out.n, "listing"));
	dv_assert(l.n == again.n);
	for (size_t i = 0; i < l.n; i++)
		dv_assert(!strcmp(l.f[i].path, again.f[i].path) &&
			  !memcmp(&l.f[i].md5, &again.f[i].md5, sizeof l.f[i].md5));
}

static void pointer(const char *text, size_t n)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_dvc_outs outs = { 0 };

	if (dv_dvc_file_parse(&outs, &a, text, n, "a/b.dvc"))
		return;
	for (size_t i = 0; i < outs.n; i++)
		dv_assert(outs.o[i].state == DV_DVC_UNSUPPORTED || outs.o[i].has_name);
}

static void settings(const char *text, size_t n)
{
	dv_repo r = { .root = (char *)(uintptr_t)"/w" };
	dv_dvc_settings s = { 0 };
	dv_dvc_mapping m;

	if (!dv_dvc_settings_parse(&s, text, n, false, "config") &&
	    !dv_dvc_settings_map(&s, &r, true, &m))
		for (size_t i = 0; i < m.n; i++)
			dv_assert(m.m[i].key || m.m[i].why);
	dv_dvc_settings_release(&s);
}

static void rest(const char *text, size_t n)
{
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_dvc_lock l = { 0 };
	bool changed;

	(void)!dv_dvc_lock_parse(&l, &a, text, n, "dvc.lock");
	dv_assert(!dv_lfs_attributes(&out, text, n, &changed));
	dv_assert(changed || out.n == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	dv_auto(dv_buf) text = DV_BUF_INIT;

	if (!n || n > 1 << 16 || dv_buf_add(&text, p + 1, n - 1))
		return 0;
	switch (*p & 3) {
	case 0:
		listing(dv_buf_str(&text), text.n);
		break;
	case 1:
		pointer(dv_buf_str(&text), text.n);
		break;
	case 2:
		settings(dv_buf_str(&text), text.n);
		break;
	default:
		rest(dv_buf_str(&text), text.n);
	}
	dv_error_clear();
	return 0;
}
