#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The conformance suite of the drivers (unit/test_drivers.c) against every server there is, and
# through the fault proxy.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

SUITE=$(dirname "$DV")/tests/test_drivers
# More than one part in S3, and in a full run more than fits into one request or into 32 bits.
LARGE=150000001
[ -z "$TEST_FULL" ] || LARGE=5368709121

# suite NAME=VALUE…: runs the suite so; its report is kept in case it fails.
suite() {
	env "$@" "$SUITE"
}

test_case 'folder' 'suite DV_TEST_LARGE=$LARGE'

done_testing
