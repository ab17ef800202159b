# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Damage of every kind is found, named and mended.

. "$(dirname "$0")/lib.sh"

export remote=$TEST_DIR/remote cache=$TEST_DIR/ws/.git/dv/cache
git init -q
"$DV" init -q
"$DV" remote add -q -d store "$remote"
mkdir data
seq 1 300000 >data/a.csv
head -c 1500000 /dev/urandom >data/b.bin
cp -R data "$TEST_DIR/copy"
"$DV" add -q data
git add -A
git commit -q -m one
"$DV" push -q

# The largest pack of a store, and a byte turned in its middle.
largest() { find "$1/packs" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-; }
damage() {
	chmod u+w "$1"
	printf '\377\000\377\000' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

test_case 'a whole store is whole' '
	"$DV" fsck >out
	contains out "no damage"
	"$DV" fsck --full >again
	same out again
	"$DV" fsck --quick >out
	contains out "looked through: no damage"
	"$DV" fsck --remote >out
	contains out "looked through: no damage"
	"$DV" fsck --remote --full >out
	contains out "verified: no damage"
	"$DV" fsck --json >json
	contains json "\"quick\": false"
	"$DV" fsck --remote --json >json
	contains json "\"quick\": true"
	must_fail 129 "$DV" fsck --quick --full
	must_fail 129 "$DV" fsck --quick --repair'

test_case 'a turned byte is found, with the output that it touches' '
	damage "$(largest "$cache")" 1200000
	must_fail 12 "$DV" fsck >out
	contains out data
	contains out chunk'

test_case 'and mended from the remote' '
	"$DV" fsck --repair >out
	contains out repaired
	"$DV" fsck >out
	contains out "no damage"
	rm -rf data
	"$DV" checkout -q
	same data "$TEST_DIR/copy"'

test_case 'a lost pack is mended' '
	rm -f "$(largest "$cache")"
	must_fail 12 "$DV" fsck >out
	"$DV" fsck --repair
	"$DV" fsck
	rm -rf data
	"$DV" checkout -q
	same data "$TEST_DIR/copy"'

test_case 'a damaged index segment is mended without a remote' '
	mv "$remote" "$remote.away"
	for f in "$cache"/index/*; do damage "$f" 100; done
	must_fail 12 "$DV" fsck >out
	contains out segment
	"$DV" fsck --repair
	"$DV" fsck
	mv "$remote.away" "$remote"
	rm -rf data
	"$DV" checkout -q
	same data "$TEST_DIR/copy"'

test_case 'damage on the remote is mended from the cache' '
	damage "$(largest "$remote")" 900000
	"$DV" fsck --remote
	must_fail 12 "$DV" fsck --remote --full >out
	contains out data
	"$DV" fsck --remote --repair
	"$DV" fsck --remote --full
	git clone -q . "$TEST_DIR/other"
	cd "$TEST_DIR/other"
	"$DV" pull -q
	same data "$TEST_DIR/copy"'

test_case 'a quick look finds what is not a chunk' '
	pack=$(largest "$cache")
	cp "$pack" "$TEST_DIR/pack"
	size=$(stat -c %s "$pack")
	for at in 3 20 $((size - 200)) $((size - 20)); do
		damage "$pack" "$at"
		must_fail 12 "$DV" fsck --quick >out
		contains out "pack $(basename "$pack")"
		cp -f "$TEST_DIR/pack" "$pack"
	done
	truncate -s $((size - 1)) "$pack"
	must_fail 12 "$DV" fsck --quick
	rm "$pack"
	must_fail 12 "$DV" fsck --quick >out
	contains out data
	cp "$TEST_DIR/pack" "$pack"
	damage "$pack" 900000
	"$DV" fsck --quick
	cp -f "$TEST_DIR/pack" "$pack"
	"$DV" fsck'

test_case 'the remote may be told by a URL' '
	git config -f .dv/config --replace-all remote.store.url \
		"file://localhost$(printf %s "$remote" | sed "s/remote/%72emote/")"
	"$DV" push
	"$DV" fsck --remote
	git config -f .dv/config --replace-all remote.store.url "$remote"'

test_case 'what no store has any more is said' '
	damage "$(largest "$cache")" 1000000
	rm -rf "$remote"
	must_fail 12 "$DV" fsck --repair >out 2>err
	must_fail 12 "$DV" fsck >out
	contains out data
	[ -n "$(find "$cache/damaged" -type f)" ]'

test_case 'what is not there is named once' '
	mkdir "$TEST_DIR/lone" && cd "$TEST_DIR/lone" && git init -q && "$DV" init -q
	oid=$(printf nowhere | sha256sum | cut -d" " -f1)
	printf "outs:\n- path: x\n  oid: sha256:%s\n  size: 7\n" "$oid" >x.dv
	"$DV" fsck >out 2>&1 || true
	contains out "object $oid: it is not in the store"'

test_case 'a log entry that nobody can read is reported, and the rest looked at' '
	rm -rf ../torn && mkdir ../torn && cd ../torn && git init -q . && "$DV" init -q
	echo 1 >a && "$DV" add -q a && echo 2 >b && "$DV" add -q b
	newest=$(ls .git/dv/cache/log/* | tail -n 1)
	chmod u+w "$newest"; cp "$newest" kept; printf "{" >"$newest"
	must_fail 12 "$DV" fsck >out
	contains out "$(basename "$newest")"; contains out "b"; lacks out " a "
	must_fail 12 "$DV" fsck --repair >out 2>err
	contains err "nothing was repaired"
	cp kept "$newest"; "$DV" fsck >out; contains out "no damage"'

test_case 'looking for damage makes no cache' '
	rm -rf ../none && mkdir ../none && cd ../none && git init -q . && "$DV" init -q
	"$DV" fsck >out; [ ! -e .git/dv/cache ]'

done_testing
