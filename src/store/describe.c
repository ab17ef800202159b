/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which a store, local or remote, says what it is. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "store/store.h"

#define CHUNKER "gear64-1"
#define NEWER "install a newer version of dv"

const char dv_store_description[] = "{\"chunker\":\"" CHUNKER "\",\"features\":[],\"format\":1}\n";

static int check(const dv_buf *text, const char *where)
{
	dv_autoptr(dv_json) obj = NULL;
	dv_json *features = NULL;
	const char *chunker = NULL;
	uint64_t format = 0;
	int rc = dv_json_parse(&obj, text->p, text->n, DV_STORE_DESCRIPTION_MAX, 8, where);

	if (rc)
		return rc;
	if (!json_is_object(obj))
		return dv_err(DV_ECORRUPT, "'%s' does not describe a store", where);
	rc = dv_json_get_u64(obj, "format", (uint64_t)INT64_MAX, &format);
	if (rc)
		return dv_err_ctx(rc, "'%s'", where);
	if (format != 1) {
		dv_err(DV_ERROR, "store '%s' has format %" PRIu64 ", this dv reads up to 1", where,
		       format);
		return dv_err_hint(DV_ERROR, NEWER);
	}
	rc = dv_json_opt_array(obj, "features", 1000, &features);
	if (!rc)
		rc = dv_json_get_str(obj, "chunker", &chunker);
	if (rc)
		return dv_err_ctx(rc, "'%s'", where);
	if ((features && json_array_size(features)) || strcmp(chunker, CHUNKER) != 0) {
		dv_err(DV_ERROR, "store '%s' needs features that this dv does not know", where);
		return dv_err_hint(DV_ERROR, NEWER);
	}
	return 0;
}

int dv_store_check_description(const dv_buf *text, const char *where)
{
	int rc = check(text, where);

	if (rc != DV_ECORRUPT)
		return rc;
	return dv_err_hint(rc, "it is to hold this line: %.*s",
			   (int)strcspn(dv_store_description, "\n"), dv_store_description);
}
