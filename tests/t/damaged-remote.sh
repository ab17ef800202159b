# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# A remote of which a part is damaged: everything else arrives, and what does not is named.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
git init -q && "$DV" init -q
"$DV" remote add -q -d store "$remote"

# One pack each, with a known order of size.
for o in one two three; do
	mkdir -p "$o/sub"
	head -c 300000 /dev/urandom >"$o/big.bin"
	for i in 1 2 3 4 5; do head -c 20000 /dev/urandom >"$o/sub/$i.bin"; done
	"$DV" add -q "$o"
	"$DV" push -q
	find "$remote/packs" -type f | sort >"$TEST_DIR/packs.$o"
done
cat "$TEST_DIR/packs.one" >"$TEST_DIR/seen"
for o in two three; do
	comm -13 "$TEST_DIR/seen" "$TEST_DIR/packs.$o" >"$TEST_DIR/own.$o"
	sort "$TEST_DIR/packs.$o" >"$TEST_DIR/seen"
done
cp "$TEST_DIR/packs.one" "$TEST_DIR/own.one"
git add -A && git commit -qm all
cp -a "$remote" "$TEST_DIR/whole"

# hurt FILE OFFSET: 8 bytes there become zero.
hurt() {
	chmod u+w "$1"
	dd if=/dev/zero of="$1" bs=1 seek="$2" count=8 conv=notrunc status=none
}
# hurt_big OUTPUT: in the pack of that output, a chunk of its large file, which lies there as it is.
hurt_big() {
	local pack
	pack=$(cat "$TEST_DIR/own.$1")
	hurt "$pack" "$(python3 - "$pack" "$TEST_DIR/ws/$1/big.bin" <<-'END'
		import sys
		pack, data = (open(name, "rb").read() for name in sys.argv[1:])
		print(pack.index(data[150000:150008]))
		END
	)"
}
mend() {
	chmod -R u+w "$remote"
	rm -rf "$remote"
	cp -a "$TEST_DIR/whole" "$remote"
}
clone() {
	rm -rf "${TEST_DIR:?}/$1"
	git clone -q "$TEST_DIR/ws" "$TEST_DIR/$1"
	cd "$TEST_DIR/$1"
}

test_case 'every output has a pack of its own' '
	for o in one two three; do
		[ "$(wc -l <"$TEST_DIR/own.$o")" = 1 ]
	done'

test_case 'a damaged pack: the other outputs are checked out, the damaged one is named' '
	hurt_big two
	clone a
	must_fail 3 "$DV" pull 2>err
	contains err "is damaged"
	contains err "incomplete is '"'two'"'"
	contains err "fsck --remote"
	lacks err "'"'one'"'"
	same "$TEST_DIR/ws/one" one
	same "$TEST_DIR/ws/three" three
	[ ! -e two/big.bin ]'

test_case 'what of the damaged output is whole is in the cache' '
	cd "$TEST_DIR/a"
	ok=0
	for f in big.bin sub/1.bin sub/2.bin sub/3.bin sub/4.bin sub/5.bin; do
		"$DV" checkout "two/$f" || continue
		same "$TEST_DIR/ws/two/$f" "two/$f"
		ok=$((ok + 1))
	done
	[ "$ok" = 5 ]
	must_fail 2 "$DV" checkout two 2>err
	contains err "two/"
	must_fail 12 "$DV" pull two 2>err
	contains err "incomplete is '"'two'"'"'

test_case 'once the remote is mended, the rest comes' '
	mend
	cd "$TEST_DIR/a"
	"$DV" pull
	same "$TEST_DIR/ws/two" two
	"$DV" fsck'

test_case 'a pack that is gone, a truncated one, and a damaged listing' '
	rm "$(cat "$TEST_DIR/own.two")"
	clone b
	must_fail 3 "$DV" pull 2>err
	contains err "incomplete is '"'two'"'"
	same "$TEST_DIR/ws/one" one
	same "$TEST_DIR/ws/three" three
	mend
	f=$(cat "$TEST_DIR/own.one")
	chmod u+w "$f"
	truncate -s 200000 "$f"
	clone c
	must_fail 3 "$DV" pull 2>err
	contains err "incomplete is '"'one'"'"
	same "$TEST_DIR/ws/two" two
	same "$TEST_DIR/ws/three" three
	mend
	f=$(cat "$TEST_DIR/own.three")
	size=$(stat -c %s "$f")
	for at in $(seq 0 1000 "$size"); do hurt "$f" "$at"; done
	clone d
	must_fail 3 "$DV" fetch 2>err
	contains err "incomplete is '"'three'"'"
	"$DV" checkout one two
	same "$TEST_DIR/ws/one" one
	same "$TEST_DIR/ws/two" two
	must_fail 12 "$DV" fetch three 2>err
	mend
	"$DV" pull
	same "$TEST_DIR/ws/three" three'

test_case 'two damaged outputs are both named' '
	hurt_big one
	hurt_big two
	clone e
	must_fail 3 "$DV" fetch 2>err
	contains err "incomplete are '"'one', 'two'"'"
	mend'

test_case 'a pull stores every listing once' '
	clone f
	"$DV" pull
	cache=$("$DV" cache dir)
	whole=$(find "$remote/packs" -type f -printf "%s\n" | awk "{s += \$1} END {print s}")
	here=$(find "$cache/packs" -type f -printf "%s\n" | awk "{s += \$1} END {print s}")
	[ "$here" -le "$whole" ]
	"$DV" fsck'

test_case 'a dry fetch of a path inside an output stores nothing' '
	clone g
	"$DV" fetch --dry one/sub/1.bin >out
	contains out "would be fetched"
	cache=$("$DV" cache dir)
	[ -z "$(find "$cache/packs" "$cache/log" -type f 2>/dev/null)" ]
	must_fail 2 "$DV" fetch --dry one/sub/none
	"$DV" fetch --dry --glob "one/**/1.*" >out
	contains out "would be fetched"
	[ -z "$(find "$cache/packs" "$cache/log" -type f 2>/dev/null)" ]
	"$DV" fetch one/sub/1.bin
	"$DV" checkout one/sub/1.bin
	same "$TEST_DIR/ws/one/sub/1.bin" one/sub/1.bin'

test_case 'gc removes temporary files wherever they are' '
	cd "$TEST_DIR/ws"
	cache=$("$DV" cache dir)
	sub=$(find "$cache/packs" -mindepth 1 -maxdepth 1 -type d | head -n 1)
	for d in "$cache" "$cache/packs" "$sub" "$cache/index" "$cache/log"; do
		: >"$d/.dv-tmp-0123456789abcdef"
	done
	"$DV" gc -w
	[ -z "$(find "$cache" -name ".dv-tmp-*")" ]
	"$DV" fsck'

done_testing
