/* SPDX-License-Identifier: Apache-2.0 */
/* Whether objects are in the local store, with all that they need. */
#include "repo/sync.h"
#include "store/whole.h"

#define SEEN_MAX ((size_t)1 << 20)	/* chunks that are remembered from one file to the next */

int dv_sync_is_cached(dv_reader *rd, const dv_oid *oid, bool is_tree, bool *yes)
{
	dv_auto(dv_closure) c = DV_CLOSURE_INIT;
	dv_store *s = dv_reader_store(rd);
	uint64_t tree = 0;
	int rc;

	/* What a commit vouched for may be gone since, when somebody wrote to a whole file. */
	*yes = dv_map_get(&dv_store_state(s)->roots, oid, &tree) && (tree || !is_tree) &&
	       dv_store_wholes_intact(s);
	if (*yes || !dv_store_has_object(s, oid))
		return 0;
	rc = dv_closure_add(&c, rd, oid, is_tree, true);
	*yes = rc == 0 && c.nmissing == 0;
	if (rc == DV_ECORRUPT) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}

int dv_sync_is_cached_file(dv_closure *seen, dv_reader *rd, const dv_oid *oid, bool *yes)
{
	dv_store *s = dv_reader_store(rd);
	dv_place at;
	int rc;

	/* Most files are one chunk, and many of these stand alone. */
	bool is_chunk = dv_store_find(s, DV_KIND_CHUNK, oid, &at);
	*yes = is_chunk && !at.nbases;
	if (*yes || (!is_chunk && !dv_store_has_object(s, oid)))
		return 0;
	rc = dv_closure_add(seen, rd, oid, false, true);
	*yes = rc == 0 && seen->nmissing == 0;
	/* What is missing is met once only. */
	if (!*yes || seen->chunks.n > SEEN_MAX)
		dv_closure_release(seen);
	if (rc == DV_ECORRUPT) {
		dv_error_clear();
		rc = 0;
	}
	return rc;
}
