# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# The collection of a remote: what goes, what stays, and that a push, stopped before any of its
# calls while a collection runs, ends with everything there.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
# Records of runs are roots too; here only what is added is to be counted.
"$DV" config --global lineage.add false

# project NAME: a repository with that remote, in a folder of its own.
project() {
	git init -q "$1"
	(
		cd "$1" || exit 1
		"$DV" init -q
		"$DV" remote add -q -d store "$remote"
		git add -A
		git commit -q -m "begin $1"
	)
}

# data SEED LINES: text that compresses little and looks like no other.
data() {
	awk -v s="$1" -v n="$2" 'BEGIN { srand(s); for (i = 0; i < n; i++)
		printf "%d,%d,%d\n", rand() * 1e9, rand() * 1e9, rand() * 1e9 }'
}

# version FILE SEED: the next commit has other bytes in FILE.
version() {
	data "$2" 8000 >"$1"
	"$DV" add -q "$1"
	git add -A
	git commit -q -m "$1 $2"
}

# forget: nothing but commits names what was.
forget() { git reflog expire --expire=all --all; }

packs() { find "$remote/packs" -type f -name '[0-9a-f]*' | wc -l; }

# fetch_all DIR: everything that commits in DIR name can be brought into an empty cache.
fetch_all() {
	rm -rf fresh
	git clone -q "$1" fresh
	(cd fresh && "$DV" fetch -q -A)
	rm -rf fresh
}
export -f project data version forget packs fetch_all

project a
project b
cd a || exit 2

test_case 'what no commit of the scope names is condemned, and removed later' '
	version file 1
	"$DV" push -q
	version file 2
	"$DV" push -q
	[ "$(packs)" -eq 2 ]
	forget
	"$DV" gc --remote -w >out 2>err
	contains out "1 pack ("
	contains err "stays for readers"
	[ "$(packs)" -eq 2 ]
	"$DV" gc --remote -w --json >out
	contains out "\"files_waiting\": 1"
	"$DV" gc --remote -w --grace 0 >out
	contains out "Nothing to condemn"
	contains out "1 file ("
	[ "$(packs)" -eq 1 ]
	"$DV" fsck --remote --full
	"$DV" status --remote'

test_case 'what is gone is pushed again under another name' '
	git checkout -q HEAD~1
	"$DV" checkout -q
	"$DV" push -q
	[ "$(packs)" -eq 2 ]
	"$DV" fsck --remote --full
	git checkout -q main
	"$DV" checkout -q
	fetch_all .
	forget'

test_case 'all commits keep all of it' '
	"$DV" gc --remote -A --grace 0 >out
	contains out "Nothing to condemn"
	[ "$(packs)" -eq 2 ]'

test_case '--dry changes nothing' '
	find "$remote" .git/dv/remotes -type f -exec sha256sum {} + | sort >before
	"$DV" gc --remote -w --dry --grace 0 >out
	contains out "would be condemned"
	contains out "would be removed"
	find "$remote" .git/dv/remotes -type f -exec sha256sum {} + | sort >after
	cmp before after'

test_case 'what another project pushed stays, also where it is the same' '
	(cd ../b && version file 1 && "$DV" push -q && version other 7 && "$DV" push -q)
	"$DV" gc --remote -w --grace 0 >out
	(cd ../b && "$DV" status --remote && fetch_all .)
	"$DV" gc --remote -w --grace 0 --json >out
	contains out "\"roots_of_others\": 2"
	"$DV" fsck --remote --full'

test_case 'a clone of the same project shares its roots, a stranger does not' '
	git clone -q . ../clone
	(cd ../clone && forget && "$DV" gc --remote -w --dry --json >out &&
		contains out "\"roots_of_others\": 2")
	rm -rf ../clone'

test_case 'what a colleague pushed for a commit that is not known here stays' '
	git clone -q . ../colleague
	(cd ../colleague && version news 20 && "$DV" push -q)
	"$DV" gc --remote -A --grace 0 >out 2>err
	contains err "no commit here names it"
	(cd ../colleague && fetch_all .)
	"$DV" gc --remote -A --grace 0 --force >out
	(cd ../colleague && must_fail 3 "$DV" status -q --remote || true; "$DV" push -q; fetch_all .)
	rm -rf ../colleague
	"$DV" gc --remote -A --grace 0 --force >out'

test_case 'a pack that a cut push left is condemned when it is old' '
	version late 30
	n=1
	while :; do
		code=0
		DV_REMOTE_FAULT=$n:die "$DV" push -q -j 1 2>err || code=$?
		before=$(packs)
		[ "$code" -ne 0 ] || break
		[ "$before" -eq 4 ] && break
		n=$((n + 1))
	done
	[ "$code" -ne 0 ]
	"$DV" gc --remote -A >out 2>err
	contains err "stays for readers"
	[ "$(packs)" -eq 4 ]
	hex=$(awk "{print \$1}" .git/dv/remotes/*/orphans)
	echo "$hex 1000000000" >"$(echo .git/dv/remotes/*/orphans)"
	"$DV" gc --remote -A >out
	contains out "1 pack ("
	[ "$(packs)" -eq 4 ]
	"$DV" gc --remote -A --grace 0 >out
	[ "$(packs)" -eq 3 ]
	"$DV" push -q
	"$DV" fsck --remote --full
	fetch_all .'

test_case 'a push that is stopped before any call goes on after a collection' '
	git clone -q . ../writer
	cd ../writer
	"$DV" fetch -q
	seed=100 n=1
	while :; do
		seed=$((seed + 1))
		# It leans on a version that the collection drops, and brings new chunks.
		git checkout -q --detach origin/main
		{ data 2 8000; data $seed 3000; } >file
		"$DV" add -q file
		data $seed 20 >"small$seed"
		"$DV" add -q "small$seed"
		git add -A
		git commit -q -m "writer $seed"
		git branch -f "w$seed"
		DV_REMOTE_FAULT=$n:stop "$DV" push -q -j 1 &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
			[ "$state" != T ] && [ "$state" != Z ]; do
			sleep 0.01
		done
		stopped=$state
		# A push that is over was before the collection, which may drop it.
		[ "$stopped" = T ] || { wait "$pid"; break; }
		(cd ../a && "$DV" gc --remote --rev HEAD~2 --force --grace 0 -q)
		kill -CONT "$pid"
		wait "$pid"
		"$DV" fsck -q --remote --full
		rm -rf ../reader
		git clone -q -b "w$seed" . ../reader
		(cd ../reader && "$DV" pull -q && cmp file ../writer/file)
		rm -rf ../reader
		n=$((n + 1))
	done
	echo "stopped at $n calls"
	[ "$n" -gt 4 ]'

test_case 'a collection that is stopped before any call goes on after a push' '
	cd ../a
	version file 500
	"$DV" push -q
	n=1 seed=500
	while :; do
		cd ../a
		# The version before is what goes, and what the push leans on.
		version file $((seed + 1))
		"$DV" push -q
		forget
		cd ../writer
		{ data $seed 8000; data $((seed + 1000)) 3000; } >file
		"$DV" add -q file
		git add -A
		git commit -q -m "leaning on $seed"
		(cd ../a && DV_REMOTE_FAULT=$n:stop exec "$DV" gc --remote --rev HEAD --grace 0 -q) &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
			[ "$state" != T ] && [ "$state" != Z ]; do
			sleep 0.01
		done
		"$DV" push -q
		[ "$state" != T ] || kill -CONT "$pid"
		wait "$pid"
		# No commit that the collection knows names it: so it is there, whenever it came.
		"$DV" fsck -q --remote --full
		rm -rf .git/dv/remotes ../reader
		"$DV" status --remote
		git clone -q . ../reader
		(cd ../reader && "$DV" pull -q && cmp file ../writer/file)
		[ "$state" = T ] || break
		seed=$((seed + 1))
		# The listing of 256 folders has the same state before each of its calls.
		case $n in [1-9] | 2[5-9]?) n=$((n + 1)) ;; *) n=$((n + 80)) ;; esac
	done
	echo "stopped at $n calls"
	rm -rf ../reader
	[ "$n" -gt 255 ]'

test_case 'two collections at once end well' '
	cd ../writer
	for seed in 801 802 803; do
		version file $seed
		"$DV" push -q
	done
	forget
	for n in 4 100 262 264; do
		(cd ../a && DV_REMOTE_FAULT=$n:stop exec "$DV" gc --remote --rev HEAD~2 --force \
			--grace 0 -q) &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
			[ "$state" != T ] && [ "$state" != Z ]; do
			sleep 0.01
		done
		"$DV" gc --remote -w --grace 0 -q
		[ "$state" != T ] || kill -CONT "$pid"
		wait "$pid"
		"$DV" push -q
		"$DV" fsck -q --remote --full
	done'

test_case 'who began to read before a collection ends within the grace' '
	cd ../writer
	version file 901
	"$DV" push -q
	version file 902
	rm -rf ../reader
	git clone -q . ../reader
	(
		cd ../reader
		git checkout -q HEAD~1
		DV_REMOTE_FAULT=5:stop "$DV" pull -q -j 1 &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat") && [ "$state" != T ]; do
			sleep 0.01
		done
		(cd ../writer && forget && "$DV" gc --remote -w --force >out)
		contains ../writer/out "condemned"
		kill -CONT "$pid"
		wait "$pid"
	)
	rm -rf ../reader
	"$DV" push -q
	"$DV" gc --remote -w --grace 0 -q'

# poor SEED: two files in one pack, of which only the smaller stays needed.
poor() {
	mkdir -p d
	data "$1" 9000 >d/big
	data "$((1000 + $1))" 3000 >d/small
	"$DV" add -q d
	git add -A
	git commit -q -m "both $1"
	"$DV" push -q
	rm d/big
	"$DV" add -q d
	git commit -q -a -m "small $1"
	"$DV" push -q
	forget
}
export -f poor

test_case 'what is needed of a pack that is mostly not is put into a new one' '
	mkdir -p "$TEST_DIR/poor"
	cd "$TEST_DIR/poor"
	export remote=$TEST_DIR/poor-remote
	project p
	cd p
	poor 1
	before=$(ls "$remote"/packs/*/*)
	"$DV" gc --remote -w --grace 0 --dry >out
	contains out "1 pack would be rewritten"
	[ "$(ls "$remote"/packs/*/*)" = "$before" ]
	"$DV" gc --remote -w --grace 0 >out
	contains out "1 pack rewritten"
	contains out "1 pack ("
	[ "$(packs)" -eq 2 ]
	[ "$(ls "$remote"/packs/*/*)" != "$before" ]
	[ "$(du -bc "$remote"/packs/*/* | tail -1 | cut -f1)" -lt 60000 ]
	"$DV" fsck --remote --full
	"$DV" status -q --remote
	git clone -q . ../again
	(cd ../again && "$DV" pull -q && cmp d/small ../p/d/small)
	before=$(ls "$remote"/packs/*/*)
	"$DV" gc --remote -w --grace 0 >out
	lacks out rewritten
	[ "$(ls "$remote"/packs/*/*)" = "$before" ]'

test_case 'deltas are rewritten with what they build on' '
	cd "$TEST_DIR/poor/p"
	export remote=$TEST_DIR/poor-remote
	data 50 20000 >table
	data 60 60000 >ballast
	"$DV" add -q table ballast
	git add -A
	git commit -q -m one
	for i in 1 2 3; do
		sed -i "$((i * 1000))s/.*/changed $i/" table
		"$DV" add -q table
		git commit -q -a -m "change $i"
	done
	"$DV" push -q -A
	git rm -q --cached ballast.dv
	rm ballast ballast.dv
	git commit -q -m "no ballast"
	forget
	"$DV" gc --remote -w --grace 0 >out
	contains out "rewritten"
	"$DV" fsck --remote --full
	lawful "$remote"
	"$DV" status --remote
	rm -rf ../again
	git clone -q . ../again
	cd ../again
	"$DV" pull -q
	cmp table ../p/table'

test_case 'rewriting is stopped before any call, and others push and collect meanwhile' '
	cd "$TEST_DIR/poor/p"
	export remote=$TEST_DIR/poor-remote
	rm -rf ../other
	git clone -q . ../other
	(cd ../other && "$DV" fetch -q)
	n=1
	while :; do
		poor $((n + 100))
		git push -q ../other HEAD:refs/heads/come -f
		DV_REMOTE_FAULT=$n:stop "$DV" gc --remote -w --grace 0 -q &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
			[ "$state" != T ] && [ "$state" != Z ]; do
			sleep 0.01
		done
		(
			cd ../other
			git checkout -q --detach come
			# It leans on the pack that is being rewritten, and on what is not needed of it.
			"$DV" checkout -q 2>/dev/null || "$DV" pull -q
			data $((n + 100)) 9000 >d/big
			data $((n + 5000)) 300 >own
			"$DV" add -q d own
			git add -A
			git commit -q -m "other $n"
			git branch -f mine
			"$DV" push -q
			case $((n % 3)) in
			1) "$DV" gc --remote --rev mine --rev come --grace 0 -q ;;
			2) "$DV" gc --remote --rev come --force --grace 0 -q; "$DV" push -q ;;
			esac
		)
		[ "$state" != T ] || kill -CONT "$pid"
		wait "$pid"
		"$DV" fsck -q --remote --full
		"$DV" status -q --remote
		(
			cd ../other
			"$DV" push -q
			rm -rf .git/dv/remotes
			"$DV" status -q --remote
		)
		rm -rf ../again
		git clone -q -b mine ../other ../again
		(cd ../again && "$DV" pull -q && cmp d/big ../other/d/big && cmp d/small ../p/d/small)
		[ "$state" = T ] || break
		case $n in ? | 1?) n=$((n + 1)) ;; *) n=$((n + 97)) ;; esac
	done
	echo "stopped at $n calls"
	[ "$n" -gt 60 ]'

test_case 'nothing goes when a kept object lacks something' '
	cd ../b
	version big 950
	"$DV" push -q
	rm -rf ../c
	git clone -q . ../c
	cd ../c
	# An entry that condemns the pack, and yet vouches for what is in it.
	last=$(ls "$remote/log" | tail -1)
	roots=$(grep -o "\"roots\":\[[^]]*\]" "$remote/log/$last")
	pack=$(sed "s/.*\"packs\":\[{\"id\":\"\([0-9a-f]*\).*/\1/" "$remote/log/$last")
	bad=$(printf %012d $((10#$last + 1)))
	printf "{\"base\":%d,\"format\":1,\"kind\":\"condemn\",\"nonce\":\"%032d\",\"packs\":[\"%s\"],%s,\"segments\":{\"add\":[],\"drop\":[]}}\n" \
		"$((10#$last))" 7 "$pack" "$roots" >"$remote/log/$bad"
	find "$remote" -type f | sort >before
	must_fail 12 "$DV" gc --remote -w --grace 0 2>err
	contains err "lacks something"
	find "$remote" -type f | sort >after
	cmp before after
	"$DV" gc --remote -w --force >out 2>err
	(cd ../b && "$DV" push -q && "$DV" status --remote && fetch_all .)'

test_case 'options that do not belong together are refused' '
	cd ../b
	must_fail 129 "$DV" gc --remote
	must_fail 129 "$DV" gc --remote -w --repack
	must_fail 129 "$DV" gc -w --grace 0
	must_fail 129 "$DV" gc --remote -w --grace x'

test_case 'a server that does not create only if absent is refused' '
	cd ../b
	rm -rf .git/dv/remotes
	DV_REMOTE_FAULT=refuse must_fail 2 "$DV" gc --remote -w 2>err
	contains err "only if they are absent"'

done_testing
