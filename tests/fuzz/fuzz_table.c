/* SPDX-License-Identifier: Apache-2.0 */
/* Columns come out of any CSV, and what they become is a document that nothing in them ends. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/json.h"
#include "pipeline/plots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const revs[] = { "workspace" };
	dv_auto(dv_arena) a = DV_ARENA_INIT;
	dv_auto(dv_buf) spec = DV_BUF_INIT, page = DV_BUF_INIT;
	dv_autoptr(dv_json) j = NULL;
	dv_plot_line line = { .path = "f.csv" };
	dv_plot_def def = { .id = "f", .lines = &line, .n = 1 };
	dv_column c = { 0 };
	dv_plot_row rows[64];
	dv_plot p = { .def = &def, .rows = rows, .revs = revs, .nrevs = 1 };

	if (!size)
		return 0;
	def.form = (enum dv_plot_form)(data[0] % 8);
	if (dv_column_from_table(&a, (const char *)data + 1, size - 1, "f.csv", ',', NULL, NULL,
				 data[0] & 64, &c) < 0) {
		dv_error_clear();
		return 0;
	}
	for (size_t i = 0; i < c.n && p.n < 64; i++)
		rows[p.n++] = (dv_plot_row){ .x = c.c[i], .y = c.c[c.n - 1 - i] };
	dv_assert(dv_plot_spec(&spec, &p) == 0);
	dv_assert(dv_json_parse(&j, spec.p, spec.n, (size_t)1 << 24, 32, "spec") == 0);
	if (!memchr(spec.p, '<', spec.n))
		return 0;
	dv_assert(dv_plot_page(&page, &spec) == 0);
	/* Two scripts begin and end, whatever the data holds. */
	size_t ends = 0;
	for (const char *s = page.p; (s = strstr(s, "</script")); s++)
		ends++;
	dv_assert(ends == 2);
	return 0;
}
