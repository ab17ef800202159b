# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# The tour of the README: its commands, run as they are printed, answer what is printed. Sizes that
# depend on the compressor and the folder of the tour may differ.

. "$(dirname "$0")/lib.sh"

sed -n '/^```console$/,/^```$/{/^```/!p;}' "$TEST_SOURCE/../README.md" >"$TEST_DIR/want"

# Runs the lines that begin with '$ ' and prints them, each with its answer.
tour() {
	local line
	while IFS= read -r line; do
		case $line in
		'$ '*)
			printf '%s\n' "$line"
			eval "${line#??}" 2>&1
			;;
		esac
	done <"$TEST_DIR/want"
}

# Sizes with a unit; and where the tour is.
settle() {
	sed -e "s|$TEST_DIR/ws|/tmp/tour|g" -e 's/[0-9][0-9.]* [kM]\{0,1\}B/SIZE/g' -e 's/[0-9]\{1,\} chunks\{0,1\}/CHUNKS/g'
}

test_case 'the README has a tour' '
	[ "$(grep -c "^[$] " "$TEST_DIR/want")" -ge 10 ]'

test_case 'its commands answer what it says' '
	tour >"$TEST_DIR/got" </dev/null
	settle <"$TEST_DIR/got" >"$TEST_DIR/got.settled"
	settle <"$TEST_DIR/want" >"$TEST_DIR/want.settled"
	diff -u "$TEST_DIR/want.settled" "$TEST_DIR/got.settled"'

done_testing
