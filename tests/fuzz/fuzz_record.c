/* SPDX-License-Identifier: Apache-2.0 */
/* A run record from anywhere: read, then told to others in all their languages. */
#include <string.h>

#include "lineage/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_run_doc) d = DV_RUN_DOC_INIT;
	dv_auto(dv_buf) out = DV_BUF_INIT;
	dv_oid oid = { { 1 } };
	dv_prov p;

	if (dv_run_doc_parse(&d, (const char *)data, size) < 0 || d.kind != DV_RUN_DOC_RUN)
		return 0;
	(void)!dv_openlineage_events(&out, "dv://x", &d, &oid);
	if (dv_prov_begin(&p) == 0)
		(void)!dv_prov_add(&p, &d, &oid);
	dv_prov_release(&p);
	return 0;
}
