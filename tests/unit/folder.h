/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of its own for every test, in which the test stands, and a check that says what went
 * wrong. Included after cmocka.h, by the one source file of a test program.
 */
#ifndef DV_TESTS_UNIT_FOLDER_H
#define DV_TESTS_UNIT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fs.h"

/** Where the test stands: absolute. */
static char root[256];

/** Makes the folder and goes there. */
static inline int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%s/dv-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(root) && chdir(root) == 0 ? 0 : -1;
}

/** Removes it with all that is in it. */
static inline int teardown(void **state)
{
	(void)state;
	return chdir("/") == 0 ? dv_fs_remove_tree(root) : -1;
}

/** Fails the test with the recorded message when a call failed. */
static inline void ok(int rc)
{
	if (rc < 0)
		fail_msg("%s", dv_error_last()->message);
}

#endif
