#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several remotes: which output goes where, what is not pushed at all, and what status says of it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

test_case 'outputs with a remote of their own' '
	git init -q . && $DV init -q
	$DV remote add -q -d main "$TEST_DIR/main"
	$DV remote add -q own "$TEST_DIR/own"
	seq 1000 >a && seq 2000 >b && mkdir d && seq 3000 >d/c
	$DV add -q a b d
	sed -i "s/^  size:/  remote: own\n  size:/" b.dv
	$DV push >out
	grep -q "^  remote: own" b.dv
'

# has REMOTE FILE: can a clone get the file from this remote alone?
has() {
	local keep=$PWD code=0
	rm -rf "$TEST_DIR/probe"
	git add -A && git commit -q --allow-empty -m more
	git clone -q "$keep" "$TEST_DIR/probe"
	cd "$TEST_DIR/probe" || return 1
	# The pointers name remotes; here only the content is asked for.
	sed -i "/^  remote:/d; /^  push:/d" ./*.dv
	"$DV" pull -q -r "$1" "$2" 2>err || code=$?
	cd "$keep" || return 1
	return $code
}

test_case 'each is where it belongs, and only there' '
	has main a
	has main d
	has own b
	code=0; has main b || code=$?; [ "$code" -ne 0 ]
	code=0; has own a || code=$?; [ "$code" -ne 0 ]
'

test_case 'a clone pulls from both without being told' '
	git add -A && git commit -q --allow-empty -m data
	git clone -q . "$TEST_DIR/clone" && cd "$TEST_DIR/clone"
	$DV pull -q
	seq 2000 | cmp - b && seq 3000 | cmp - d/c
	$DV status --remote >out
	lacks out "not in remote"
'

test_case 'an output that is not to be pushed stays here' '
	seq 4000 >secret && $DV add -q secret
	sed -i "s/^  size:/  push: false\n  size:/" secret.dv
	$DV push >out
	code=0; has main secret || code=$?; [ "$code" -ne 0 ]
	$DV status --remote >out
	lacks out "secret"
'

test_case 'what a remote lacks is named, output by output' '
	seq 5000 >later && $DV add -q later
	sed -i "s/^  size:/  remote: own\n  size:/" later.dv
	$DV status --remote >out
	contains out later
	$DV push -q later
	$DV status --remote >out
	lacks out later
	has own later
'

test_case 'a remote that is gone does not keep the others from being served' '
	seq 6000 >x && seq 7000 >y && $DV add -q x y
	$DV remote add -q --no-probe nowhere "$TEST_DIR/missing/deep"
	sed -i "s/^  size:/  remote: unknown\n  size:/" x.dv
	code=0; $DV push 2>err || code=$?
	[ "$code" -ne 0 ]
	contains err unknown
	has main y
'

done_testing
