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
/** Does the name of a variable or parameter speak of a secret? */
bool dv_scrub_is_secret(const char *name);

#endif
