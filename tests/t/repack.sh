# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Deltas turned round: less space, nothing lost, and done once.

. "$(dirname "$0")/lib.sh"

export remote=$TEST_DIR/remote versions=$TEST_DIR/versions
packs() { find .git/dv/cache/packs -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'; }
# The deepest chunk among the files of a revision's data.
deepest() {
	"$DV" ls -R --oid "$1" data | grep -o "[0-9a-f]\{64\}" | while read -r oid; do
		"$DV" show --json "$oid"
	done | sed -n "s/.*\"depth\": \([0-9]*\).*/\1/p" | sort -n | tail -n 1
}
# Whether all versions come back, the oldest last.
all_versions() {
	for i in $(seq 24 -1 1); do
		git checkout -q "v$i"
		"$DV" checkout -q
		same data "$versions/$i"
	done
	git checkout -q main
	"$DV" checkout -q
}

git init -q
"$DV" init -q
"$DV" remote add -q -d store "$remote"
mkdir -p data "$versions"
seq 200 | sha256sum >data/once
for i in $(seq 24); do
	# Rows that change here and there, and a table that grows.
	seq 1 12000 | awk -v v="$i" '{ x = ($1 * 7919) % 24 < v ? v : 0
		if (($1 * 31) % 97 != v) print $1 ",name" ($1 * 104729) % 99991 "," x }' >data/table
	seq $((9000 + i * 50)) | awk '{ print ($1 * 48271) % 2147483647 }' >data/grows
	echo "$i" >data/small
	[ "$i" != 12 ] || mv data/grows data/more
	[ "$i" -lt 12 ] || { rm -f data/more; seq $((9000 + i * 50)) |
		awk '{ print ($1 * 48271) % 2147483647 }' >data/more; rm -f data/grows; }
	cp -R data "$versions/$i"
	"$DV" add -q data
	git add -A
	git commit -q -m "$i"
	git tag "v$i"
done

test_case 'a dry run says what would be gained and changes nothing' '
	before=$(packs)
	"$DV" gc -A --repack --dry >out
	contains out "would be stored anew"
	[ "$(packs)" = "$before" ]'

test_case 'what is stored becomes less, and all versions come back' '
	before=$(packs)
	"$DV" gc -A --repack >out
	contains out "stored anew"
	[ "$(packs)" -lt $((before * 3 / 4)) ]
	"$DV" fsck
	all_versions
	"$DV" status'

test_case 'no chunk is deeper than what is read, and some are deep' '
	most=0
	for i in $(seq 24); do
		depth=$(deepest "v$i")
		[ "$depth" -le 16 ]
		[ "$depth" -le "$most" ] || most=$depth
	done
	[ "$most" -gt 4 ]
	[ "$(deepest HEAD)" -le 1 ]'

test_case 'a second time there is nothing to do' '
	find .git/dv/cache -type f | sort >before
	"$DV" gc -A --repack >out
	lacks out "anew"
	find .git/dv/cache -type f | sort >after
	same before after
	rm before after out'

test_case 'the newest version is stored in full' '
	rm -rf "$TEST_DIR/copy" && cp -R . "$TEST_DIR/copy"
	cd "$TEST_DIR/copy"
	"$DV" config --local cache.dir .git/dv/cache
	git checkout -q --orphan fresh
	git commit -q -m fresh
	git branch -q -D main
	git tag -l | xargs git tag -d >/dev/null
	git reflog expire --expire=all --expire-unreachable=now --all
	"$DV" gc -w --force
	"$DV" fsck
	rm -rf data
	"$DV" checkout -q
	same data "$versions/24"'

test_case 'versions added later are turned too' '
	seq 9000 | awk "{ print (\$1 * 48271) % 2147483647 }" >data/more
	echo new >>data/table
	"$DV" add -q data
	git commit -q -a -m later
	cp -R data "$TEST_DIR/later"
	"$DV" gc -A --repack >out
	contains out "stored anew"
	rm out
	"$DV" fsck
	rm -rf data
	"$DV" checkout -q
	same data "$TEST_DIR/later"
	all_versions'

test_case 'a repacked store is pushed, and fetched by another' '
	"$DV" push -q -A
	"$DV" fsck -q --remote --full
	git clone -q . "$TEST_DIR/clone"
	cd "$TEST_DIR/clone"
	"$DV" pull -q -A
	"$DV" fsck
	all_versions
	"$DV" gc -A --repack
	"$DV" fsck
	all_versions'

test_case 'repacking without deltas before makes them' '
	git clone -q . "$TEST_DIR/plain"
	cd "$TEST_DIR/plain"
	"$DV" config --local cache.delta false
	for i in $(seq 24); do
		git checkout -q "v$i"
		rm -rf data
		cp -R "$versions/$i" data
		"$DV" add -q data
	done
	git checkout -q main
	"$DV" pull -q
	before=$(packs)
	"$DV" gc -A --repack
	[ "$(packs)" -lt $((before / 2)) ]
	"$DV" fsck
	all_versions'

test_case 'a damaged store is left as it is' '
	cp -R .git/dv/cache "$TEST_DIR/cache"
	pack=$(find .git/dv/cache/packs -type f | head -n 1)
	chmod u+w "$pack"
	printf "%64s" "" | dd of="$pack" bs=1 seek=$(($(stat -c %s "$pack") - 200)) conv=notrunc status=none
	find .git/dv/cache -type f | sort >before
	must_fail 12 "$DV" gc -A --repack 2>err
	contains err "fsck --repair"
	find .git/dv/cache -type f | sort >after
	same before after'

done_testing
