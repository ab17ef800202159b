/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A remote's log: found, read, replayed, added to; and the mirror's `state` file, which keeps what
 * the entries add up to, so that only new ones are read. The state names the entry it goes up to by
 * a print of its bytes: a remote that was replaced is noticed, and the mirror starts anew.
 *
 * state: "dv-mirror 1 <head, 12 digits> <checkpoint, 12 digits> <print, 64 hex> <SHA-256 of the
 * rest, 64 hex>", newline, a checkpoint entry.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"
#include "transfer/internal.h"

#define PRINT_BYTES (64u << 10)
#define STATE_HEADER 168u
#define STATE_MAX (2u * DV_LOG_ENTRY_MAX)

static void log_path(char out[DV_NAME_ROOM], uint64_t number)
{
	char name[DV_LOG_NAME_LEN + 1];

	dv_log_name(name, number);
	snprintf(out, DV_NAME_ROOM, "log/%s", name);
}

static void print_of(dv_oid *out, const dv_buf *b)
{
	dv_sha256(out, b->p, b->n < PRINT_BYTES ? b->n : PRINT_BYTES);
}

static int bad_entry(int rc, uint64_t number, const dv_remote_store *r)
{
	rc = dv_err_ctx(rc, "entry %" PRIu64 " of remote '%s'", number, r->name);
	if (rc == DV_ECORRUPT)
		dv_err_hint(rc, "run 'dv fsck -r %s' to see what is left", r->name);
	return rc;
}

int dv_remote_log_read(dv_remote_store *r, uint64_t number, dv_log_entry *out, dv_oid *print)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;

	log_path(name, number);
	int rc = dv_remote_get_file(r, name, DV_LOG_ENTRY_MAX, &b);
	if (rc)
		return rc;
	print_of(print, &b);
	rc = dv_log_entry_parse(out, dv_buf_str(&b), b.n);
	return rc ? bad_entry(rc, number, r) : 0;
}

int dv_remote_log_create(dv_remote_store *r, uint64_t number, const dv_log_entry *e, dv_oid *print)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT, there = DV_BUF_INIT;
	int rc = dv_log_entry_write(&b, e);

	if (rc)
		return rc;
	print_of(print, &b);
	log_path(name, number);
	rc = r->r->driver->put_if_absent(r->r, name, b.p, b.n);
	if (rc != DV_EEXISTS)
		return rc ? dv_err_ctx(rc, "remote '%s'", r->name) : 0;
	/* Our own entry, when the answer to a first try got lost. */
	rc = dv_remote_get_file(r, name, DV_LOG_ENTRY_MAX, &there);
	if (rc)
		return rc;
	if (there.n == b.n && memcmp(there.p, b.p, b.n) == 0)
		return 0;
	return dv_err(DV_EEXISTS, "remote '%s' has an entry %" PRIu64 " already", r->name, number);
}

int dv_remote_log_apply(dv_remote_store *r, uint64_t number, const dv_log_entry *e,
			const dv_oid *print)
{
	int rc = dv_log_apply(&r->state, number, e);

	if (rc)
		return bad_entry(rc, number, r);
	r->head_print = *print;
	return 0;
}

static int top_cb(const char *name, uint64_t size, void *payload)
{
	dv_map *seen = payload;
	uint64_t n = dv_log_number(name);
	dv_oid key;

	(void)size;
	if (n == 0 || strlen(name) != DV_LOG_NAME_LEN)
		return 0;
	/* The map wants uniform keys. */
	dv_sha256(&key, &n, sizeof n);
	return dv_map_put(seen, &key, n);
}

/* The newest entry after the state's head, by a listing: the end of the run without a gap. */
static int top_by_list(dv_remote_store *r, uint64_t *top)
{
	char after[DV_LOG_NAME_LEN + 1];
	dv_auto(dv_map) seen = DV_MAP_INIT;

	dv_log_name(after, r->state.head);
	int rc = r->r->driver->list(r->r, "log", r->state.head ? after : NULL, top_cb, &seen);
	if (rc)
		return dv_err_ctx(rc, "remote '%s'", r->name);
	for (*top = r->state.head;; (*top)++) {
		uint64_t n = *top + 1;
		dv_oid key;

		dv_sha256(&key, &n, sizeof n);
		if (!dv_map_has(&seen, &key))
			return 0;
	}
}

static int entry_exists(dv_remote_store *r, uint64_t number, bool *exists)
{
	char name[DV_NAME_ROOM];
	uint64_t size;

	log_path(name, number);
	int rc = r->r->driver->stat(r->r, name, &size);
	*exists = rc == 0;
	return rc == DV_ENOTFOUND ? 0 : rc;
}

/* The same without listing: doubling steps, then halving them. */
static int top_by_probe(dv_remote_store *r, uint64_t *top)
{
	uint64_t low = r->state.head, step = 1, high;
	bool exists;
	int rc;

	for (;; step *= 2) {
		high = low + step;
		if ((rc = entry_exists(r, high, &exists)))
			return rc;
		if (!exists)
			break;
		low = high;
		if (step >= (uint64_t)1 << 36)
			return dv_err(DV_ECORRUPT, "the log of remote '%s' has no end", r->name);
	}
	while (high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		if ((rc = entry_exists(r, mid, &exists)))
			return rc;
		if (exists)
			low = mid;
		else
			high = mid;
	}
	*top = low;
	return 0;
}

int dv_remote_log_replay(dv_remote_store *r)
{
	uint64_t top = 0, from = r->state.head + 1;
	dv_oid print;
	int rc = r->r->caps & DV_REMOTE_LIST ? top_by_list(r, &top) : top_by_probe(r, &top);

	if (rc)
		return rc;
	/* Far behind: start at the newest checkpoint, which is not far back. */
	if (top > r->state.head + 2 * DV_CHECKPOINT_EVERY) {
		for (uint64_t n = top; n > top - 2 * DV_CHECKPOINT_EVERY; n--) {
			dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;

			if ((rc = dv_remote_log_read(r, n, &e, &print)))
				return rc;
			if (e.kind == DV_LOG_CHECKPOINT) {
				from = n;
				break;
			}
		}
	}
	for (uint64_t n = from; n <= top; n++) {
		dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;

		if ((rc = dv_check_cancel()) || (rc = dv_remote_log_read(r, n, &e, &print)) ||
		    (rc = dv_remote_log_apply(r, n, &e, &print)))
			return rc;
	}
	return 0;
}

static void forget(dv_remote_store *r)
{
	dv_log_state_release(&r->state);
	r->state = (dv_log_state)DV_LOG_STATE_INIT;
	memset(&r->head_print, 0, sizeof r->head_print);
}

int dv_remote_log_verify(dv_remote_store *r)
{
	char name[DV_NAME_ROOM];
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_oid print;

	if (r->state.head == 0)
		return 0;
	log_path(name, r->state.head);
	int rc = dv_remote_get_range(r, name, 0, PRINT_BYTES, &b);
	if (rc && rc != DV_ENOTFOUND && rc != DV_ECORRUPT)
		return rc;
	print_of(&print, &b);
	if (rc == DV_ENOTFOUND || !dv_oid_eq(&print, &r->head_print))
		forget(r);
	return 0;
}

static bool parse_number(const char *p, uint64_t *out)
{
	*out = 0;
	for (int i = 0; i < DV_LOG_NAME_LEN; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(p[i] - '0');
	}
	return true;
}

static int parse_state(dv_remote_store *r, const char *p, size_t n)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	uint64_t head, checkpoint;
	dv_oid print, sum, real;

	if (n <= STATE_HEADER || memcmp(p, "dv-mirror 1 ", 12) != 0 ||
	    !parse_number(p + 12, &head) || !parse_number(p + 25, &checkpoint) ||
	    dv_oid_parse(&print, p + 38, 64) ||
	    dv_oid_parse(&sum, p + 103, 64) || head == 0 || checkpoint > head)
		return dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	dv_sha256(&real, p + STATE_HEADER, n - STATE_HEADER);
	if (!dv_oid_eq(&real, &sum))
		return dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	int rc = dv_log_entry_parse(&e, p + STATE_HEADER, n - STATE_HEADER);
	if (rc == 0 && e.kind != DV_LOG_CHECKPOINT)
		rc = dv_err(DV_ECORRUPT, "the mirror of remote '%s' is damaged", r->name);
	if (rc || (rc = dv_log_apply(&r->state, head, &e)))
		return rc;
	r->state.checkpoint = checkpoint;
	r->head_print = print;
	return 0;
}

void dv_mirror_load(dv_remote_store *r)
{
	dv_auto(dv_buf) b = DV_BUF_INIT;
	dv_autofree char *path = dv_path_join(r->mirror, "state");

	forget(r);
	if (!path || dv_fs_read_file(&b, path, STATE_MAX) || parse_state(r, dv_buf_str(&b), b.n)) {
		forget(r);
		dv_error_clear();
	}
}

int dv_mirror_save(dv_remote_store *r)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_auto(dv_buf) b = DV_BUF_INIT, all = DV_BUF_INIT;
	char hex[DV_OID_HEX_SIZE + 1], sum[DV_OID_HEX_SIZE + 1];
	dv_autofree char *path = dv_path_join(r->mirror, "state");
	dv_oid real;

	if (!path)
		return DV_ERROR;
	if (r->state.head == 0)
		return dv_fs_remove_tree(path);
	int rc = dv_log_checkpoint(&e, &r->state);
	if (rc || (rc = dv_log_entry_write(&b, &e)))
		return rc;
	dv_sha256(&real, b.p, b.n);
	dv_oid_hex(sum, &real);
	dv_oid_hex(hex, &r->head_print);
	dv_buf_addf(&all, "dv-mirror 1 %012" PRIu64 " %012" PRIu64 " %s %s\n", r->state.head,
		    r->state.checkpoint, hex, sum);
	dv_buf_add(&all, b.p, b.n);
	if (all.err)
		return all.err;
	return dv_fs_write_file(path, all.p, all.n, 0);
}
