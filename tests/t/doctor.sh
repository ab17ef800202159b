# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv doctor, inside and outside of a repository.

. "$(dirname "$0")/lib.sh"

test_case 'outside of a repository it looks at the machine' '
	"$DV" doctor >out
	contains out hashing
	contains out "not inside a dv repository"'

git init -q
"$DV" init -q

test_case 'a sound repository has no problems, and nothing is left behind' '
	find . -not -path "./.git/dv/*" | sort >"$TEST_DIR/before"
	"$DV" doctor >"$TEST_DIR/out"
	find . -not -path "./.git/dv/*" | sort >"$TEST_DIR/after"
	same "$TEST_DIR/before" "$TEST_DIR/after"
	contains "$TEST_DIR/out" "No problems found"
	"$DV" doctor --json >"$TEST_DIR/out"
	contains "$TEST_DIR/out" "\"topic\""'

test_case 'a missing name is a problem with a hint' '
	rm "$HOME/.gitconfig"
	must_fail 1 "$DV" doctor >"$TEST_DIR/out"
	contains "$TEST_DIR/out" user.name'

test_case 'a remote that cannot be reached is named' '
	"$DV" remote add -q store "$TEST_DIR/file/below"
	touch "$TEST_DIR/file"
	must_fail 1 "$DV" doctor >"$TEST_DIR/out"
	contains "$TEST_DIR/out" store'

done_testing
