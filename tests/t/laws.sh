# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# The law of deltas: every delta has its bases in the same store, each less deep than itself, so
# that no chain is long or goes round in a circle; however stores turned their chains that exchange
# packs. And what a damaged base takes down is named, and comes back.

# What is tested does not depend on the disk; memory is quicker.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "$0")/lib.sh"

export V=$TEST_DIR/versions
store() { python3 "$TEST_SOURCE/t/store.py" "$@"; }
# Version N of a table of 3000 rows: one row in 64 changes.
version() {
	awk -v v="$1" 'BEGIN {
		for (i = 0; i < 3000; i++) {
			last = v - ((v - i * 37 % 64 + 64) % 64)
			printf "%d,%d,%d,place %d\n", i, i * 7919 % 100003, last, i * 31 % 977
		}
	}'
}
# add_version N: to the repository in the current folder.
add_version() {
	[ -f "$V/$1" ] || version "$1" >"$V/$1"
	cp "$V/$1" table
	"$DV" add -q table
	git add -A
	git commit -q -m "$1"
	git tag "v$1"
}
# new NAME: a repository in a folder NAME, with two remotes of its own.
new() {
	git init -q "$1"
	cd "$1"
	"$DV" init -q
	"$DV" remote add -q -d common "$TEST_DIR/common-$1"
	"$DV" remote add -q private "$TEST_DIR/private-$1"
	git add -A
	git commit -q -m start
}
# whole FOLDER...: repositories whose cache can be read and is lawful.
whole() {
	local d
	for d in "$@"; do
		"$DV" -C "$d" fsck -q --full
		"$DV" -C "$d" fsck -q --quick
		lawful "$d/.git/dv/cache"
	done
}
# all_versions N...: in the current folder.
all_versions() {
	local v
	for v in "$@"; do
		git checkout -q "v$v"
		"$DV" checkout -q
		same table "$V/$v"
	done
	git checkout -q main
	"$DV" checkout -q
}
export -f store version add_version new whole all_versions
mkdir "$V"

test_case 'chains do not grow with pushes and repacks in turn' '
	new turns
	for v in $(seq 19); do
		add_version "$v"
		"$DV" push -q
		"$DV" gc -q -A --repack
	done
	lawful ../turns/.git/dv/cache "$TEST_DIR/common-turns"
	"$DV" fsck -q --remote --full
	git clone -q . ../turned
	cd ../turned
	"$DV" pull -q -A
	whole .
	all_versions $(seq 19)'

test_case 'nor with fetches and repacks in turn' '
	git clone -q turns reader
	cd reader
	for v in $(seq 19); do
		git checkout -q "v$v"
		"$DV" pull -q
		git branch -q -f kept
		"$DV" gc -q --rev kept -w -f --repack
		same table "$V/$v"
	done
	git checkout -q main
	"$DV" pull -q -A
	whole .
	all_versions $(seq 19)'

test_case 'two stores that turned their chains differently push to one remote' '
	new a
	for v in $(seq 20); do add_version "$v"; done
	"$DV" push -q -A -r private
	git clone -q . ../b
	cd ../b
	"$DV" pull -q -A -r private
	"$DV" gc -q -A --repack
	cd ../a
	for v in 3 10 15; do
		# The common remote gets a form of some versions from one, and the next ones from the other.
		git checkout -q "v$v"
		"$DV" push -q
		cd ../b
		git checkout -q "v$((v + 2))"
		"$DV" checkout -q
		"$DV" push -q
		cd ../a
	done
	git checkout -q main
	"$DV" push -q -A
	git -C ../b checkout -q main
	"$DV" -C ../b push -q -A
	lawful "$TEST_DIR/common-a" "$TEST_DIR/private-a"
	whole . ../b
	"$DV" fsck -q --remote --full'

test_case 'and at the same time' '
	for i in 1 2 3 4; do
		rm -rf "$TEST_DIR/common-a"
		"$DV" -C a push -q -A --force & one=$!
		"$DV" -C b push -q -A --force & two=$!
		wait "$one"
		wait "$two"
		lawful "$TEST_DIR/common-a"
		"$DV" -C a fsck -q --remote --full
	done'

test_case 'a third one pulls from it, turns, and pushes on' '
	git clone -q a c
	cd c
	"$DV" pull -q -A
	whole .
	all_versions $(seq 20)
	"$DV" gc -q -A --repack
	"$DV" push -q -A -r private
	"$DV" push -q -A
	whole .
	all_versions 20 1 7
	lawful "$TEST_DIR/common-a" "$TEST_DIR/private-a"'

test_case 'what is turned here takes what is straight there' '
	new straight
	for v in $(seq 16); do add_version "$v"; done
	"$DV" push -q -A
	git clone -q . ../half
	cd ../half
	for v in 8 3; do
		git checkout -q "v$v"
		"$DV" pull -q
	done
	git branch -q -f kept v8
	"$DV" gc -q --rev kept -n 8 -f --repack
	whole .
	for v in 12 1 16 5; do
		git checkout -q "v$v"
		"$DV" pull -q
		whole .
	done
	git checkout -q main
	"$DV" pull -q -A
	whole .
	all_versions $(seq 16)
	"$DV" gc -q -A --repack
	whole .
	all_versions $(seq 16)'

test_case 'a collection does not bring back deltas that lost their bases' '
	git clone -q straight few
	cd few
	"$DV" pull -q -A
	for keep in 12 9 6 3 1; do
		git branch -q -f kept "v$keep"
		"$DV" gc -q --rev kept -n $((keep / 2)) -f --repack
		whole .
		"$DV" gc -q --rev kept -f
		whole .
		git checkout -q "v$keep"
		"$DV" checkout -q
		same table "$V/$keep"
		git checkout -q main
		"$DV" pull -q -A
		whole .
	done
	all_versions $(seq 16)'

test_case 'an index that was lost comes back lawful' '
	cd few
	rm -f .git/dv/cache/index/*
	"$DV" fsck -q --repair
	whole .
	all_versions $(seq 16)'

test_case 'a damaged base names all that it takes down' '
	cp -R straight hurt
	cd hurt
	printf "alone\n" >alone
	mkdir other
	cp "$V/1" other/old
	seq 20000 >other/numbers
	"$DV" add -q alone other
	git add -A
	git commit -q -m others
	"$DV" push -q
	store base .git/dv/cache >down
	read -r pack at length id <down
	sed 1d down >down.ids
	[ -s down.ids ]
	chmod u+w "$pack"
	cp "$pack" "$TEST_DIR/pack"
	byte=$(od -An -tu1 -j $((at + length / 2)) -N 1 "$pack")
	printf "\\$(printf %o $((byte ^ 255)))" |
		dd of="$pack" bs=1 seek=$((at + length / 2)) conv=notrunc status=none
	"$DV" fsck -q --quick
	must_fail 12 "$DV" fsck --json >json
	python3 - <<-END
	import json
	told = {d["name"]: d for d in json.load(open("json"))["damages"] if d["kind"] == "chunk"}
	down = open("down.ids").read().split()
	assert sorted(told) == sorted(down + ["$id"]), (sorted(told), down)
	outputs = {o for d in told.values() for o in d["outputs"]}
	assert outputs == {"table", "other"}, outputs
	END
	must_fail 12 "$DV" fsck >out
	[ "$(grep -c "^chunk " out)" -eq $(($(wc -l <down.ids) + 1)) ]'

test_case 'what does not need it can be had' '
	cd hurt
	rm -rf alone table other
	"$DV" checkout -q alone
	contains alone alone
	refused "$DV" checkout -q table 2>err
	[ ! -e table ]
	contains err "dv fsck --repair"'

test_case 'and the rest comes back from the remote' '
	cd hurt
	"$DV" fsck --repair >out
	contains out repaired
	whole .
	"$DV" checkout -q -f
	same table "$V/16"
	all_versions $(seq 16)'

test_case 'a damaged base on a remote is mended from a cache' '
	cd hurt
	cp -R "$TEST_DIR/common-straight" "$TEST_DIR/saved"
	store base "$TEST_DIR/common-straight" >down
	read -r pack at length id <down
	chmod u+w "$pack"
	dd if=/dev/urandom of="$pack" bs=1 seek="$at" count=40 conv=notrunc status=none
	"$DV" fsck -q --remote
	must_fail 12 "$DV" fsck --remote --full >out
	contains out "$id"
	"$DV" fsck -q --remote --repair
	"$DV" fsck -q --remote --full
	lawful "$TEST_DIR/common-straight"
	git clone -q . ../mended
	cd ../mended
	"$DV" pull -q -A
	whole .
	all_versions $(seq 16)'

test_case 'what another store has without the lost base comes back, too' '
	new old
	for v in 1 2; do add_version "$v"; done
	"$DV" push -q -A -r private
	git clone -q . ../later
	cd ../later
	"$DV" config --local cache.delta false
	cp "$V/2" table
	"$DV" add -q table
	"$DV" push -q
	cd ../old
	store base .git/dv/cache >down
	read -r pack at length id <down
	chmod u+w "$pack"
	dd if=/dev/urandom of="$pack" bs=1 seek="$at" count=40 conv=notrunc status=none
	must_fail 12 "$DV" fsck
	must_fail 12 "$DV" fsck --repair >out
	rm table
	"$DV" checkout -q
	same table "$V/2"
	git checkout -q v1
	refused "$DV" checkout -q
	"$DV" pull -q -r private
	same table "$V/1"
	"$DV" fsck -q'

test_case 'a lost base is found by a quick look' '
	cd mended
	store base .git/dv/cache >down
	read -r pack at length id <down
	rm -f "$pack"
	must_fail 12 "$DV" fsck --quick >out
	contains out table
	"$DV" fsck -q --repair
	"$DV" fsck -q
	all_versions $(seq 16)'

done_testing
