/* SPDX-License-Identifier: Apache-2.0 */
/* What 'dv db' asks of the lineage index. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/path.h"
#include "lineage/index.h"

int dv_lineage_rebuild(dv_repo *r)
{
	dv_autoptr(dv_index) x = NULL;

	return dv_index_rebuild(&x, r);
}

static int tell_number(const char *key, uint64_t n, dv_kv_cb cb, void *payload)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	return cb(key, text, payload);
}

int dv_lineage_status(dv_repo *r, dv_kv_cb cb, void *payload)
{
	static const char *const counts[][2] = {
		{ "runs", "SELECT count(*) FROM Execution WHERE last_known_state != 0" },
		{ "artifacts", "SELECT count(*) FROM Artifact" },
		{ "events", "SELECT count(*) FROM Event" },
		{ "contexts", "SELECT count(*) FROM Context" },
		{ "missing", "SELECT count(*) FROM Missing" },
		{ "bytes", "SELECT page_count * page_size FROM pragma_page_count, "
			   "pragma_page_size" },
		{ NULL, NULL },
	};
	dv_autofree char *path = dv_path_join(r->dvdir, DV_INDEX_FILE);
	dv_autoptr(dv_index) x = NULL;
	int rc = path ? dv_index_open(&x, r) : DV_ERROR;

	if (rc == 0)
		rc = cb("file", x->in_memory ? "" : path, payload);
	for (size_t i = 0; rc == 0 && counts[i][0]; i++) {
		dv_autostmt *s = NULL;

		rc = dv_index_prepare(x, &s, counts[i][1]);
		if (rc == 0)
			rc = dv_index_step(x, s);
		if (rc > 0)
			rc = tell_number(counts[i][0], (uint64_t)sqlite3_column_int64(s, 0), cb,
					 payload);
	}
	return rc;
}
