#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Three clones push and pull at the same time, over S3 and a road on which one request in ten
# fails. Nothing may be lost and nothing may be wrong. A full run takes 200 pushes, else 30.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

need_server radosgw
start_proxy s3proxy "$S3_PORT"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export ROUNDS=10 SEED=${SEED:-$$}
[ -z "$TEST_FULL" ] || ROUNDS=67
RANDOM=$SEED
echo "# SEED=$SEED"

s3 make bucket
git init -q --bare "$TEST_DIR/origin.git"
git init -q
"$DV" init -q
"$DV" config --global remote.store.endpointurl "http://127.0.0.1:$PROXY_PORT"
"$DV" config --global remote.store.region "$S3_REGION"
"$DV" remote add -q --global -d store s3://bucket/soak
git add -A
git commit -q -m begin
git remote add origin "$TEST_DIR/origin.git"
git push -q -u origin main
for k in 1 2 3; do
	git clone -q "$TEST_DIR/origin.git" "$TEST_DIR/clone$k"
done

# Changes the part of the data that belongs to clone $1, in round $2.
change() {
	local i dir=set$1/data
	mkdir -p "$dir/sub"
	for i in 1 2 3; do
		head -c $((RANDOM * 4)) /dev/urandom >"$dir/new-$2-$i"
	done
	seq $((RANDOM * 3)) >"$dir/sub/table"
	echo "$2" >>"$dir/log"
	[ $((RANDOM % 3)) -ne 0 ] || rm -f "$dir"/new-$(($2 - 1))-*
	# A new file, since a change within the second keeps length and time of the old one.
	(cd "$dir" && find . -type f -exec sha256sum {} + | sort -k 2) >"$TEST_DIR/sums$1"
	mv "$TEST_DIR/sums$1" "set$1/sums"
}

# persist COMMAND…: what failed by the weather succeeds when it is run again; a crash never does.
persist() {
	local try code out=$TEST_DIR/out.$BASHPID
	: >"$out"
	for try in 1 2 3 4 5 6 7 8; do
		code=0
		"$@" >>"$out" 2>&1 || code=$?
		[ $code -ne 0 ] || return 0
		echo "try $try of '$*' ended with $code" >>"$TEST_DIR/tries"
		case $code in
		2 | 3 | 4 | 12) ;;
		*) break ;;
		esac
	done
	echo "'$*' does not succeed:"
	tail -n 40 "$out"
	return 1
}

# One clone's push; git's own push is taken in turns.
push_one() {
	cd "$TEST_DIR/clone$1"
	change "$1" "$2"
	"$DV" add -q "set$1/data"
	git add -A
	git commit -q -m "clone $1, round $2"
	persist "$DV" push
	flock "$TEST_DIR/turn" sh -ec 'git pull -q --rebase && git push -q'
}

pull_one() {
	local n
	cd "$TEST_DIR/clone$1"
	git pull -q --rebase
	persist "$DV" pull
	for n in 1 2 3; do
		(cd "set$n/data" && find . -type f -exec sha256sum {} + | sort -k 2) | cmp - "set$n/sums"
	done
	[ -z "$(git status --porcelain)" ]
}

all_clones() {
	local k pids=() failed=0
	for k in 1 2 3; do
		( set -eu; "$1" "$k" "$2" ) >"$TEST_DIR/clone$k.log" 2>&1 &
		pids+=($!)
	done
	for k in 1 2 3; do
		wait "${pids[$((k - 1))]}" || { cat "$TEST_DIR/clone$k.log"; failed=1; }
	done
	return $failed
}

test_case "$((ROUNDS * 3)) pushes and as many pulls, three at a time" '
	weather "{\"seed\": $SEED, \"faults\": [
		{\"fault\": \"503\", \"percent\": 2, \"retry_after\": 0},
		{\"fault\": \"500\", \"percent\": 1},
		{\"fault\": \"reset\", \"percent\": 2},
		{\"fault\": \"lost\", \"percent\": 2},
		{\"fault\": \"cut\", \"percent\": 1},
		{\"fault\": \"truncate\", \"percent\": 1},
		{\"fault\": \"flip\", \"match\": \"^GET\", \"percent\": 1},
		{\"fault\": \"flip-up\", \"match\": \"^PUT\", \"percent\": 1}]}"
	for round in $(seq $ROUNDS); do
		all_clones push_one $round
		all_clones pull_one $round
	done'

[ ! -e "$TEST_DIR/tries" ] || echo "# $(wc -l <"$TEST_DIR/tries") runs had to be repeated"
echo "# $(wc -l <"$PROXY_LOG") requests, $(grep -vc ' -$' "$PROXY_LOG") failed on purpose"

test_case 'the road was as bad as it should be' '
	[ $(($(grep -vc " -$" "$PROXY_LOG") * 20)) -gt "$(wc -l <"$PROXY_LOG")" ]'

test_case 'every store is sound' '
	weather "{}"
	for k in 1 2 3; do
		cd "$TEST_DIR/clone$k"
		"$DV" fsck
		"$DV" status --remote
		[ -z "$("$DV" status)" ] || "$DV" status
	done'

test_case 'a new clone has all of it, byte for byte' '
	git clone -q "$TEST_DIR/origin.git" "$TEST_DIR/fresh"
	cd "$TEST_DIR/fresh"
	"$DV" pull
	for n in 1 2 3; do
		same set$n "$TEST_DIR/clone$n/set$n"
	done
	"$DV" fsck
	"$DV" fetch -A 2>/dev/null || "$DV" fetch
	"$DV" status --remote'

done_testing
