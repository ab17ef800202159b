/* SPDX-License-Identifier: Apache-2.0 */
/* The edit distance of words, and sizes in words; see words.h. */
#include "base/words.h"

#include <stdio.h>
#include <string.h>

#define WORD_MAX 63

unsigned dv_edit_distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t n = strnlen(b, WORD_MAX);

	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= WORD_MAX && a[i - 1]; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned up = row[j], best = corner + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = up;
			row[j] = best;
		}
	}
	return row[n];
}

const char *dv_size_words(char buf[DV_SIZE_WORDS], uint64_t bytes)
{
	static const char units[] = "kMGTPE";
	double v = (double)bytes / 1000;
	int u = 0;

	if (bytes < 1000) {
		snprintf(buf, DV_SIZE_WORDS, "%u B", (unsigned)bytes);
		return buf;
	}
	/* 999.95 would be shown as 1000.0 */
	for (; v >= 999.95; u++)
		v /= 1000;
	snprintf(buf, DV_SIZE_WORDS, "%.1f %cB", v, units[u]);
	return buf;
}
