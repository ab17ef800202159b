/* SPDX-License-Identifier: Apache-2.0 */
/* What must not get into a record. */
#ifndef DV_LINEAGE_SCRUB_H
#define DV_LINEAGE_SCRUB_H

#include <stdbool.h>

#include "base/json.h"

/** Appends a text with "***" for logins and signatures in its URLs. */
int dv_scrub_text(dv_buf *out, const char *text) DV_MUST_CHECK;
/** A copy of a value, all its texts scrubbed; NULL with the failure recorded. */
dv_json *dv_scrub_json(const dv_json *j);
/** Appends what a command printed, with "***" for the values of our environment's variables whose
 *  names speak of secrets: those of eight bytes or more that are no absolute paths. */
int dv_scrub_log(dv_buf *out, const char *p, size_t n) DV_MUST_CHECK;
/** Does the name of a variable or parameter speak of a secret? */
bool dv_scrub_is_secret(const char *name);

#endif
