/* SPDX-License-Identifier: Apache-2.0 */
/* What dv_doctor looks at and others look at as well. */
#ifndef DV_REPO_DOCTOR_H
#define DV_REPO_DOCTOR_H

#include "repo/repo.h"

/** Tells of a folder: its file system, whether one can write there, and room. */
int dv_doctor_folder(dv_finding_cb cb, void *payload, const char *topic, const char *dir)
	DV_MUST_CHECK;

#endif
