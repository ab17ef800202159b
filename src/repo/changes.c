/* SPDX-License-Identifier: Apache-2.0 */
/* Telling about changes. */
#include "repo/changes.h"

#include <string.h>

dv_tree_entry dv_pointer_entry(const dv_pointer *p)
{
	return (dv_tree_entry){ .kind = p->is_dir ? 'd' : p->isexec ? 'x' : 'f', .oid = p->oid,
				.size = p->size, .nfiles = p->is_dir ? p->nfiles : 1 };
}

static enum dv_change_kind kind_of(const dv_delta *d)
{
	if (d->old_path)
		return DV_RENAMED;
	return !d->old_kind ? DV_ADDED : !d->new_kind ? DV_DELETED : DV_MODIFIED;
}

static int tell(enum dv_change_kind kind, const dv_delta *d, const dv_output *o, const char *path,
		const char *old_path, dv_change_cb cb, void *payload)
{
	char old_hex[DV_OID_HEX_SIZE + 1], new_hex[DV_OID_HEX_SIZE + 1];

	if (!cb)
		return 0;
	dv_oid_hex(old_hex, &d->old_oid);
	dv_oid_hex(new_hex, &d->new_oid);
	dv_change c = {
		.kind = kind,
		.output = o ? o->path : path,
		.stage = o ? o->stage : NULL,
		.path = path,
		.old_path = old_path,
		.old_oid = d->old_kind ? old_hex : NULL,
		.new_oid = d->new_kind ? new_hex : NULL,
		.is_dir = (d->new_kind ? d->new_kind : d->old_kind) == 'd',
		.old_size = d->old_size,
		.new_size = d->new_size,
	};
	return cb(&c, payload);
}

int dv_changes_tell(const dv_delta *d, const dv_output *o, const char *path, const char *old_path,
		    dv_change_cb cb, void *payload)
{
	return tell(kind_of(d), d, o, path, old_path, cb, payload);
}

int dv_changes_tell_absent(const dv_delta *d, const dv_output *o, const char *path,
			   dv_change_cb cb, void *payload)
{
	return tell(DV_NOT_IN_CACHE, d, o, path, NULL, cb, payload);
}

static int tell_whole(enum dv_change_kind kind, const dv_output *o, const dv_oid *now,
		      uint64_t now_size, bool recorded, dv_change_cb cb, void *payload)
{
	char old_hex[DV_OID_HEX_SIZE + 1], new_hex[DV_OID_HEX_SIZE + 1];

	if (!cb)
		return 0;
	dv_oid_hex(old_hex, &o->pointer.oid);
	if (now)
		dv_oid_hex(new_hex, now);
	dv_change c = {
		.kind = kind,
		.output = o->path,
		.stage = o->stage,
		.path = o->path,
		.old_oid = old_hex,
		.new_oid = now ? new_hex : NULL,
		.is_dir = o->pointer.is_dir,
		.filtered = o->filtered,
		.recorded = recorded,
		.old_size = o->pointer.size,
		.new_size = now_size,
	};
	return cb(&c, payload);
}

int dv_changes_tell_output(enum dv_change_kind kind, const dv_output *o, const dv_oid *now,
			   uint64_t now_size, dv_change_cb cb, void *payload)
{
	return tell_whole(kind, o, now, now_size, false, cb, payload);
}

int dv_changes_tell_state(enum dv_change_kind kind, const dv_output *o, const dv_scanned *now,
			  bool recorded, dv_change_cb cb, void *payload)
{
	return tell_whole(kind, o, now->kind ? &now->oid : NULL, now->size, recorded, cb, payload);
}
