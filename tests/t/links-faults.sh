# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Link modes under faults: dv is killed at its n-th change of the disk, or that change fails. The
# data in the workspace is whole whatever happened, and the next run completes.

# What is tested does not depend on the disk; memory is quicker.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "$0")/lib.sh"

# start MODE
start() {
	cd "$TEST_DIR/ws"
	rm -rf repo one
	git init -q repo
	cd repo
	dv init -q
	dv config --local cache.type "$1"
	mkdir data
	seq 20000 >data/big
	seq 3 3 60000 >data/run
	chmod 755 data/run
	echo tiny >data/tiny
	cp -a data ../one
}

# attack STEP KIND COMMAND...: fails the n-th change for n = 1, 1 + STEP, ...; then `check` runs.
attack() {
	local step=$1 kind=$2 n=1 rc
	shift 2
	rm -rf ../case ../base
	cp -a "$PWD" ../base
	while :; do
		rm -rf ../case && cp -a ../base ../case
		rc=0
		(cd ../case && DV_FAULT=$kind:$n "$@" >../out 2>&1) || rc=$?
		# Not behind "||": there the shell would ignore set -e.
		set +e
		(set -e; cd ../case; check)
		[ $? -eq 0 ] || { echo "# after $kind:$n (status $rc)"; cat ../out; exit 1; }
		set -e
		[ "$rc" -ne 0 ] || break
		n=$((n + step))
	done
	[ "$n" -gt 10 ]
}

for mode in hardlink symlink; do
	step=1
	[ $mode = hardlink ] || step=2
	test_case "$mode: add, killed at any change" '
		start '$mode'
		check() {
			[ -z "$(find data -name ".dv-tmp-*")" ]
			diff -r data ../one
			dv add -q data
			dv status -q
			dv fsck -q
			diff -r data ../one
			dv cat data/big | cmp - ../one/big
		}
		attack '$step' die dv add data'

	test_case "$mode: add, with a full disk at any change" '
		start '$mode'
		check() {
			[ -z "$(find data -name ".dv-tmp-*")" ]
			diff -r data ../one
			dv add -q data
			dv status -q
			dv fsck -q
			diff -r data ../one
		}
		attack 3 enospc dv add data'

	test_case "$mode: checkout, killed at any change" '
		start copy
		dv add -q data
		dv config --local cache.type '$mode'
		rm -r data
		check() {
			dv checkout -q
			dv status -q
			dv fsck -q
			[ -z "$(find data -name ".dv-tmp-*")" ]
			diff -r data ../one
		}
		attack '$step' die dv checkout'
done

test_case 'hardlink: --relink, killed at any change' '
	start copy
	dv add -q data
	dv config --local cache.type hardlink
	check() {
		dv checkout -q --relink
		dv status -q
		dv fsck -q
		[ -z "$(find data -name ".dv-tmp-*")" ]
		[ "$(stat -c %h data/big)" = 2 ]
		diff -r data ../one
	}
	attack 1 die dv checkout --relink'

done_testing
