/* SPDX-License-Identifier: Apache-2.0 */
/* A log entry from anywhere: parsed, applied, and written in a form that parses to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "store/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_auto(dv_log_entry) e = DV_LOG_ENTRY_INIT;
	dv_auto(dv_log_entry) back = DV_LOG_ENTRY_INIT;
	dv_auto(dv_log_state) state = DV_LOG_STATE_INIT;
	dv_auto(dv_buf) one = DV_BUF_INIT;
	dv_auto(dv_buf) two = DV_BUF_INIT;

	if (dv_log_entry_parse(&e, (const char *)data, size))
		return 0;
	if (dv_log_apply(&state, 1, &e) || dv_log_apply(&state, 2, &e))
		return 0;
	if (dv_log_entry_write(&one, &e))
		return 0;
	if (dv_log_entry_parse(&back, one.p, one.n) || dv_log_entry_write(&two, &back))
		abort();
	if (one.n != two.n || memcmp(one.p, two.p, one.n) != 0)
		abort();
	return 0;
}
