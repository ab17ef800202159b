/* SPDX-License-Identifier: Apache-2.0 */
/* What links.c and take.c share. */
#ifndef DV_REPO_LINKS_IMPL_H
#define DV_REPO_LINKS_IMPL_H

#include "repo/links.h"

#define DV_LINK_REFUSED 1000	/* and errno: the file systems do not offer the mode */

/** Does this errno say that the file systems do not offer the mode? */
bool dv_link_is_refused(int err);
/** Goes on to the next mode, with a warning that gives errno's reason, unless another thread
 *  did. */
void dv_links_give_up(dv_links *l, enum dv_link_mode mode, int err);
/** Goes on to copy: no whole file can be sealed. */
void dv_links_no_seal(dv_links *l);
/** Notes that this command makes the whole file; *fresh is false when it did so before. */
int dv_links_claim(dv_links *l, const dv_oid *oid, bool *fresh) DV_MUST_CHECK;

#endif
