/* SPDX-License-Identifier: Apache-2.0 */
/* How alike words are, to find out what somebody meant. */
#ifndef DV_BASE_WORDS_H
#define DV_BASE_WORDS_H

/** Letters to be changed, added or dropped to make the one of the other; of both at most the first
 *  63 bytes count. */
unsigned dv_edit_distance(const char *a, const char *b);

#endif
