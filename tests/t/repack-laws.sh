# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Repacking where it is hard: with whole files in the cache, in a cache that several repositories
# share, while others add and push, and killed on the way. What was committed stays, and the law of
# deltas with it.
#
# Every DV_TEST_STRIDE-th change of the disk is one to be killed at (9).

# What is tested does not depend on the disk; memory is quicker.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
export stride=${DV_TEST_STRIDE:-9}
. "$(dirname "$0")/lib.sh"

export V=$TEST_DIR/versions
# Version N: a table of several chunks, one row in 64 changed, a file that stays, small files.
version() {
	mkdir -p "$V/$1/sub"
	awk -v v="$1" 'BEGIN {
		for (i = 0; i < 4000; i++) {
			last = v - ((v - i * 37 % 64 + 64) % 64)
			printf "%d,%d,%d,place %d\n", i, i * 7919 % 100003, last, i * 31 % 977
		}
	}' >"$V/$1/table"
	seq 20000 >"$V/$1/stays"
	echo "$1" >"$V/$1/sub/small"
	seq "$1" 900 >"$V/$1/sub/list"
}
# start TYPE VERSION…: a repository with these versions, tagged.
start() {
	local type=$1 v
	shift
	git init -q repo
	cd repo
	dv init -q
	dv config --local cache.type "$type"
	dv remote add -q -d store "$TEST_DIR/ws/remote-$type"
	for v in "$@"; do record "$v"; done
}
record() {
	rm -rf data
	cp -R "$V/$1" data
	dv add -q data
	git add -A
	git commit -q -m "$1"
	git tag "v$1"
}
# all_versions N…: come back in the current folder, the last one at the end.
all_versions() {
	local v
	for v in "$@"; do
		git checkout -q "v$v"
		dv checkout -q
		dv status -q
		diff -r data "$V/$v"
	done
	git checkout -q main
	dv checkout -q
}
export -f version start record all_versions
for v in 1 2 3 4 5 6 7 8; do version "$v"; done

for type in hardlink symlink; do
	export type
	test_case "$type: repacked, with whole files in the cache" '
		rm -rf repo "remote-$type"
		start "$type" 1 2 3 4 5 6
		find .git/dv/cache/files -type f | grep -q .
		dv push -q -A
		dv gc -A --repack
		dv fsck -q
		all_versions 6 1 3
		record 7
		dv gc -A --repack
		dv fsck -q
		dv push -q -A
		dv fsck -q --remote --full
		all_versions 7 2 5
		git clone -q . ../clone
		cd ../clone
		dv config --local cache.type copy
		dv pull -q -A
		dv fsck -q
		all_versions 1 2 3 4 5 6 7
		dv gc -q -A --repack
		lawful .git/dv/cache
		all_versions 7 1
		cd ..
		rm -rf clone'

	test_case "$type: what was linked is dropped, and deltas take its place" '
		cd repo
		dv config --local cache.type copy
		dv checkout -q --relink
		git checkout -q v7
		rm -rf .git/dv/cache
		dv pull -q -A
		git checkout -q main
		dv gc -q -A --repack
		dv fsck -q
		lawful .git/dv/cache
		all_versions 7 1 4'
done

test_case 'reflink: repacked on a file system that has it' '
	[ "$(id -u)" = 0 ] || { echo "# skipped: needs root" >&3; exit 0; }
	if command -v mkfs.xfs >/dev/null; then
		truncate -s 400M image
		mkfs.xfs -q image
	elif command -v mkfs.btrfs >/dev/null; then
		truncate -s 300M image
		mkfs.btrfs -q image
	else
		echo "# skipped: neither mkfs.xfs nor mkfs.btrfs" >&3
		exit 0
	fi
	mkdir mnt
	mount -o loop image mnt 2>/dev/null || { echo "# skipped: cannot mount" >&3; exit 0; }
	trap "cd /; umount $TEST_DIR/ws/mnt" EXIT
	cd mnt
	start reflink 1 2 3 4 5
	find .git/dv/cache/files -type f | grep -q .
	dv gc -A --repack
	dv fsck -q
	all_versions 5 1 3
	record 6
	echo more >>data/table
	must_fail 1 dv status -q
	dv checkout -q -f
	dv gc -A --repack
	dv fsck -q
	dv push -q -A
	dv fsck -q --remote --full
	all_versions 6 1 2 3 4 5' 3>&1

test_case 'killed at any change of the disk, with whole files' '
	rm -rf repo remote-hardlink base
	start hardlink 1 2 3 4
	# Half of the versions are in whole files, the others in packs with deltas.
	dv config --local cache.type copy
	dv checkout -q --relink
	for v in 5 6 7 8; do record "$v"; done
	cd ..
	mv repo base
	n=1
	while :; do
		rm -rf repo
		cp -a base repo
		cd repo
		rc=0
		DV_FAULT=die:$n dv gc -A --repack >../out 2>&1 || rc=$?
		[ "$rc" -eq 0 ] || [ "$rc" -eq 137 ]
		dv fsck -q
		lawful .git/dv/cache
		all_versions 8 1 4
		dv gc -q -A --repack
		dv fsck -q
		lawful .git/dv/cache
		all_versions 8 5
		cd ..
		[ "$rc" -ne 0 ] || break
		n=$((n + stride))
	done
	[ "$n" -gt 5 ]
	rm -rf base'

test_case 'two repositories in one cache, one of which repacks' '
	for name in one two; do
		git init -q "$name"
		cd "$name"
		dv init -q
		dv config -q --local cache.dir "$TEST_DIR/ws/shared"
		cd ..
	done
	cd one
	for v in 1 2 3 4 5 6; do record "$v"; done
	cd ../two
	# The other way round: what is a base in one is a delta in the other.
	for v in 8 6 4 2; do record "$v"; done
	for i in 1 2; do
		dv gc -q -A --repack --force
		dv fsck -q
		lawful ../shared
		all_versions 8 6 4 2
		cd ../one
		all_versions 1 2 3 4 5 6
		dv fsck -q
		cd ../two
	done
	cd ../one
	dv gc -q -A --repack --force
	lawful ../shared
	all_versions 6 5 4 3 2 1
	cd ../two
	all_versions 8 6 4 2'

test_case 'with a remote in between, and what only the other has' '
	for name in one two; do (cd "$name" && dv remote add -q -d store ../far && dv push -q -A); done
	lawful far
	cd one
	dv fsck -q --remote --full
	rm -rf ../shared
	dv pull -q -A
	cd ../two
	dv pull -q -A
	dv gc -q -A --repack --force
	lawful ../shared
	all_versions 8 6 4 2
	cd ../one
	all_versions 1 2 3 4 5 6'

test_case 'adds and pushes while another repacks' '
	cd two
	(for i in 1 2 3 4 5 6; do
		rc=0
		dv gc -q -A --repack || rc=$?
		[ "$rc" -eq 0 ] || [ "$rc" -eq 11 ] || exit 1
	done) & turner=$!
	cd ../one
	for v in 7 8; do record "$v" && dv push -q; done
	for v in 1 7 3; do
		cp "$V/$v/table" data/table
		echo "$v" >>data/table
		dv add -q data
		git commit -q -a -m "again $v"
		dv push -q
	done
	wait $turner
	dv push -q -A
	dv fsck -q
	dv fsck -q --remote --full
	lawful ../shared ../far
	all_versions 1 2 3 4 5 6 7 8
	cd ../two
	all_versions 8 6 4 2'

test_case 'a large table that builds on its own beginning is turned, too' '
	rm -rf repo
	git init -q repo
	cd repo
	dv init -q
	for v in 1 2; do
		awk -v v="$v" "BEGIN { for (i = 0; i < 200000; i++)
			print i, i * 7919 % 100003, i * 48271 % 2147483647, i % 5000 == 7 ? v : 0 }" >table
		dv add -q table
		git add -A
		git commit -q -m "$v"
	done
	[ "$(stat -c %s table)" -gt 4194304 ]
	dv gc -q -A --repack
	dv fsck -q
	lawful .git/dv/cache
	sed -n "s/.*oid: sha256://p" table.dv >new
	dv show --json "$(cat new)" >new.json
	dv du -a --json >du.json
	python3 - <<-END
	import json
	total = json.load(open("du.json"))[-1]
	new = json.load(open("new.json"))
	# What both versions have is there once, in the form that the newest one has.
	assert total["stored"] < new["stored"] * 1.1, (total, new)
	END'

done_testing
