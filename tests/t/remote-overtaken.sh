#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Readers of a remote that is collected while they read, without any grace: what is there under
# another name now is found there, and what is gone is said to be gone.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
# Records of runs are roots too; here only what is added is to be counted.
"$DV" config --global lineage.add false

# data SEED LINES: text that compresses little and looks like no other.
data() {
	awk -v s="$1" -v n="$2" 'BEGIN { srand(s); for (i = 0; i < n; i++)
		printf "%d,%d,%d\n", rand() * 1e9, rand() * 1e9, rand() * 1e9 }'
}

# collected: what the remote has goes, but the last commit's.
collected() {
	git reflog expire --expire=all --all
	"$DV" gc --remote --rev main --force --grace 0 -q
}

# reader COMMAND…: a clone of the branch `old` that runs it, stopped before its call $n; its status
# is in $code, and $state is T when it was stopped. `while_stopped` runs meanwhile, here.
reader() {
	rm -rf ../reader
	git clone -q -b old . ../reader
	# shellcheck disable=SC2154
	(cd ../reader && DV_REMOTE_FAULT=$n:stop exec "$@") >out 2>err &
	local pid=$!
	while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
		[ "$state" != T ] && [ "$state" != Z ]; do
		sleep 0.01
	done
	while_stopped
	[ "$state" != T ] || kill -CONT "$pid"
	code=0
	wait "$pid" || code=$?
	[ "$code" -eq 0 ] || cat err
}
export -f data collected reader

git init -q
"$DV" init -q
"$DV" remote add -q -d store "$remote"
mkdir data
data 1 3000 >data/a
data 2 3000 >data/b
"$DV" add -q data
git add -A
git commit -qm old
git branch old
data 3 3000 >data/a
data 4 3000 >data/b
"$DV" add -q data
git commit -qam new
"$DV" push -q -a

# again: all of it is collected, and pushed again; the packs have other names now.
again() {
	collected
	"$DV" push -q -a
}
export -f again

test_case 'a pull goes on with what a collection and a push put elsewhere' '
	while_stopped() { again; }
	n=3
	while :; do
		reader "$DV" pull -q -j 1
		[ "$code" -eq 0 ]
		(cd ../reader && "$DV" status -q)
		data 1 3000 | cmp - ../reader/data/a
		[ "$state" = T ] || break
		n=$((n + 3))
	done
	echo "$n calls"
	[ "$n" -gt 5 ]'

test_case 'so does cat' '
	while_stopped() { again; }
	n=3
	while :; do
		reader "$DV" cat data/b
		[ "$code" -eq 0 ]
		data 2 3000 | cmp - out
		[ "$state" = T ] || break
		n=$((n + 3))
	done
	[ "$n" -gt 4 ]'

test_case 'what is gone for good is said to be missing, and the rest is kept' '
	while_stopped() { collected; }
	n=3
	while :; do
		"$DV" push -q -a
		reader "$DV" pull -q -j 1
		# The first of these are before it knows the index.
		if [ "$code" -ne 0 ]; then
			[ "$code" -eq 2 ]
			contains err "neither in the cache nor on remote"
		fi
		[ "$state" = T ] || break
		n=$((n + 3))
	done
	[ "$n" -gt 5 ]'

done_testing
