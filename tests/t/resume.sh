# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Transfers that are cut go on from what has arrived; what fails and passes is tried again; nothing
# is called pushed that is not there.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
git init -q
"$DV" init -q
"$DV" remote add -q -d store "$remote"
mkdir data
for i in 1 2 3 4; do
	head -c 20000000 /dev/urandom >data/r$i
	"$DV" add -q data
done
for i in $(seq 300); do echo "$i" >data/small$i; done
"$DV" add -q data
git add -A
git commit -q -m one

# number NAME: the number of that name in the JSON document in `out`.
number() {
	sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" out | head -n 1
}
clone() {
	cd "$TEST_DIR"
	rm -rf "${TEST_DIR:?}/$1"
	git clone -q "$TEST_DIR/ws" "$TEST_DIR/$1"
	cd "$TEST_DIR/$1"
}

test_case 'a push that was killed at any call goes on, and sends nothing twice' '
	"$DV" push --json >out
	all=$(number sent)
	n=1
	while :; do
		rm -rf "$remote" .git/dv/remotes
		code=0
		DV_REMOTE_FAULT=$n:half "$DV" push -j 1 || code=$?
		[ "$code" -ne 0 ] || break
		there=$(find "$remote/packs" -type f ! -name ".*" -printf "%s\n" 2>/dev/null |
			awk "{ s += \$1 } END { print s + 0 }")
		"$DV" push --json >out
		"$DV" status --remote
		sent=$(number sent)
		echo "killed at $n: $there there, $sent sent of $all"
		[ $((sent + there)) -lt $((all + 100000)) ]
		n=$((n + 1))
	done
	[ "$n" -gt 5 ]
	"$DV" push -q
	"$DV" fsck -r store'

test_case 'a pull that was killed at any call goes on' '
	n=1
	clone whole
	"$DV" fetch --json >out
	all=$(number received)
	while :; do
		clone other
		code=0
		DV_REMOTE_FAULT=$n:half "$DV" fetch -j 1 || code=$?
		[ "$code" -ne 0 ] || break
		here=$(find .git/dv/cache/packs -type f -printf "%s\n" 2>/dev/null |
			awk "{ s += \$1 } END { print s + 0 }")
		"$DV" fetch --json >out
		got=$(number received)
		echo "killed at $n: $here here, $got received of $all"
		[ $((got + here)) -lt $((all + 9000000)) ]
		"$DV" checkout -q
		same "$TEST_DIR/ws/data" data
		n=$((n + 1))
	done
	[ "$n" -gt 5 ]'

test_case 'with one call in five failing all arrives, and both sides agree' '
	rm -rf "$remote" .git/dv/remotes
	for seed in 1 2 3; do
		DV_REMOTE_FAULT=20%:any,quick,seed:$seed "$DV" push
		clone other
		DV_REMOTE_FAULT=20%:any,quick,seed:$seed "$DV" pull -q
		same "$TEST_DIR/ws/data" data
		cd "$TEST_DIR/ws"
		"$DV" status --remote
		echo "new $seed" >data/small$seed
		"$DV" add -q data
		git commit -q -a -m "$seed"
	done'

test_case 'what is not to be tried again is not' '
	echo denied >data/small5
	"$DV" add -q data
	begin=$SECONDS
	must_fail 4 env DV_REMOTE_FAULT=100%:denied "$DV" push 2>err
	[ $((SECONDS - begin)) -lt 2 ]
	contains err "refused on purpose"'

test_case 'a remote that stays away is given up, with the number of tries' '
	must_fail 2 env DV_REMOTE_FAULT=100%:transient,quick "$DV" push 2>err
	contains err "trying again in"
	contains err "after 8 tries"'

test_case 'an interrupted pull stops at once and leaves what came' '
	"$DV" push -q
	git commit -q -a -m last
	clone other
	"$DV" fetch --limit-rate 20M -j 2 &
	sleep 3
	begin=$(date +%s%N)
	kill -INT $!
	code=0
	wait $! || code=$?
	[ "$code" -eq 130 ]
	[ $((($(date +%s%N) - begin) / 1000000)) -lt 1500 ]
	"$DV" fetch --json >out
	echo "$(number received) after the interruption"
	[ "$(number received)" -lt 75000000 ]
	"$DV" fsck
	"$DV" pull -q
	same "$TEST_DIR/ws/data" data'

test_case 'cat of what only the remote has fetches the chunks that it needs, and keeps none' '
	clone other
	"$DV" cat data/r2 | cmp - "$TEST_DIR/ws/data/r2"
	"$DV" cat --offset 5000000 --length 100000 data/r3 >part
	tail -c +5000001 "$TEST_DIR/ws/data/r3" | head -c 100000 | cmp - part
	"$DV" cat --offset 19999990 data/r3 >part
	tail -c 10 "$TEST_DIR/ws/data/r3" | cmp - part
	"$DV" cat data/small7 | cmp - "$TEST_DIR/ws/data/small7"
	"$DV" cat HEAD~2:data/small1 >part
	must_fail 2 "$DV" cat data/none 2>err
	contains err "is not in the output"
	must_fail 129 "$DV" cat data 2>err || must_fail 2 "$DV" cat data
	[ -z "$(find .git/dv/cache/packs -type f 2>/dev/null)" ]
	rm part'

test_case 'a dry run tells files, bytes and requests' '
	cd "$TEST_DIR/ws"
	echo dry >data/small9
	"$DV" add -q data
	"$DV" push --dry >out
	contains out "would be pushed to"
	contains out "(1 file, "
	"$DV" push -q
	git commit -q -a -m dry
	clone other
	"$DV" fetch --dry >out
	contains out "would be fetched from"
	contains out " requests)"
	[ -z "$(find .git/dv/cache/packs -type f 2>/dev/null)" ]'

test_case 'a push of nothing takes two requests, and says so' '
	cd "$TEST_DIR/ws"
	"$DV" push >out
	contains out "(3 requests)"
	"$DV" push --json >out
	[ "$(number requests)" -le 3 ]'

done_testing
