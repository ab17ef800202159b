/* SPDX-License-Identifier: Apache-2.0 */
/* Words for people: how alike they are, to find out what somebody meant, and those of sizes. */
#ifndef DV_BASE_WORDS_H
#define DV_BASE_WORDS_H

#include <stdint.h>

/** Letters to be changed, added or dropped to make the one of the other; of both at most the first
 *  63 bytes count. */
unsigned dv_edit_distance(const char *a, const char *b);

#define DV_SIZE_WORDS 16
/** "12 B", "3.4 MB": the size as commands print it. Returns `buf`. */
const char *dv_size_words(char buf[DV_SIZE_WORDS], uint64_t bytes);

#endif
