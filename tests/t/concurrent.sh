#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Several processes in one cache: they add, push, fetch, check out and collect at once, and some are
# killed on the way. What was committed must be there byte for byte at the end, nothing may hang,
# and whoever has to wait is told so.
#
# DV_TEST_SECONDS says how long the storm lasts (5), DV_TEST_SEED how it is mixed.

seconds=${DV_TEST_SECONDS:-5}
seed=${DV_TEST_SEED:-1}
. "${0%/*}/lib.sh"

echo "# seed $seed, $seconds seconds"
top=$TEST_DIR/ws
shared=$top/cache
remote=$top/remote
export top shared remote seconds seed

# new_repo NAME: a repository whose data is in the shared cache and on the shared remote.
new_repo() {
	git init -q "$1"
	cd "$1"
	dv init -q
	dv config -q --local cache.dir "$shared"
	dv remote add -q -d r "$remote"
	git add -A
	git commit -qm begin
	mkdir -p data/sub
}

# change N: data of every kind, of which a part is common to all repositories.
change() {
	seq "$1" $((RANDOM % 3 + 1)) $((3000 + $1 + RANDOM % 3000)) >data/table
	# Deltas are made of this: a table of several chunks, one row in ten changed.
	seq 9000 | sed "s/$((RANDOM % 10))\$/& $1/; s/\$/,row/" >data/rows
	seq $((RANDOM % 40)) 9000 >data/sub/common
	head -c $((RANDOM * 3)) /dev/urandom >"data/sub/r$((RANDOM % 4))"
	seq 1 $((RANDOM % 5)) >"data/small$((RANDOM % 6))"
}

# go STATUSES COMMAND…: the command must end in time with one of these statuses, else this shell
# ends; every failure is explained. Fails when the command was killed (status 137) or refused.
go() {
	local allowed=" $1 " rc=0
	shift
	{ timeout -s ABRT 60 "$@" >../out."${PWD##*/}" 2>../err."${PWD##*/}"; } 2>/dev/null || rc=$?
	case $allowed in
	*" $rc "*) ;;
	*)
		echo "status $rc of: DV_FAULT=${DV_FAULT:-} $*"
		cat ../{out,err}."${PWD##*/}"
		exit 1
		;;
	esac
	if [ "$rc" -ne 0 ] && [ "$rc" -ne 137 ] && [ "$rc" -ne 1 ]; then
		grep -q '^error: ' ../err."${PWD##*/}" ||
			{ echo "no message of: $*"; cat ../err."${PWD##*/}"; exit 1; }
	fi
	return "$((rc != 0))"
}

# lethal: sets DV_FAULT so that about every other command dies on the way.
lethal() {
	unset DV_FAULT
	[ $((RANDOM % 2)) -eq 0 ] || export DV_FAULT=die:$((RANDOM % 60 + 1))
}

# record N: adds and commits; what was committed is noted with its checksums.
record() {
	change "$1"
	lethal
	go '0 137' dv add data || { unset DV_FAULT; go 0 dv add data; }
	unset DV_FAULT
	rm -f .git/index.lock
	git add -A .
	git commit -qm "$1" || return 0
	(cd data && find . -type f -print0 | sort -z | xargs -0 sha256sum) \
		>"../sums/$(git rev-parse HEAD)"
}

# one REPOSITORY NUMBER: what one user does until the time is over.
one() {
	local end=$((SECONDS + seconds)) n=0
	cd "$top/$1"
	RANDOM=$((seed * 31 + $2))
	while [ "$SECONDS" -lt "$end" ]; do
		n=$((n + 1))
		case $((RANDOM % 10)) in
		0 | 1 | 2) record "$2$n" ;;
		3 | 4)
			lethal
			go '0 137' dv push || { unset DV_FAULT; go 0 dv push; }
			;;
		5)
			# A collection may find the cache in use for too long.
			lethal
			go '0 137 11' dv gc -A --repack || :
			;;
		6)
			lethal
			go '0 137 11' dv gc -w --force || :
			;;
		7)
			rm -rf data
			lethal
			go '0 137 2 3' dv checkout -f || :
			unset DV_FAULT
			go 0 dv pull -f
			;;
		8)
			lethal
			go '0 137 2 3' dv fetch -A || :
			;;
		9) go '0 1' dv status || : ;;
		esac
		unset DV_FAULT
	done
	[ "$n" -gt 0 ]
}

# storm REPOSITORY…: all at once, two users in the first repository's cache have clones of it.
storm() {
	local number=0 pids="" failed=0 pid
	for repo in "$@"; do
		number=$((number + 1))
		(set -e; one "$repo" "$number") >"$repo.log" 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || failed=1
	done
	[ "$failed" -eq 0 ] || { tail -n 20 -- *.log; return 1; }
}

# intact REPOSITORY: every commit of it checks out as it was.
intact() {
	cd "$top/$1"
	for rev in $(git rev-list HEAD); do
		[ -f "../sums/$rev" ] || continue
		git checkout -q "$rev"
		rm -rf data
		dv checkout -q -f
		(cd data && sha256sum --quiet -c "../../sums/$rev")
		[ "$(find data -type f | wc -l)" -eq "$(wc -l <"../sums/$rev")" ]
	done
	git checkout -q main
	rm -rf data
	dv checkout -q -f
}

# busy: collects in a cache that somebody else uses all the time; that takes a while to be refused.
busy() {
	git init -q busy
	cd busy
	dv init -q
	seq 9 >file
	dv add -q file
	flock -s .git/dv/cache/lock sleep 20 &
	sleep 0.2
	rc=0
	dv gc -w >out 2>err || rc=$?
	kill $!
	echo $rc >status
}

wait_for_busy() {
	for _ in $(seq 200); do
		[ ! -s busy/status ] || return 0
		sleep 0.1
	done
	echo "the collection did not end" >&2
	return 1
}

(busy) >/dev/null 2>&1 &
mkdir sums
for name in a b c; do
	(new_repo $name)
done
for name in a b c; do
	(cd $name && RANDOM=$seed && record 0) || { echo "Bail out! cannot prepare $name"; exit 1; }
done

test_case 'three repositories in one cache, with kills' '
	storm a b c'

test_case 'nothing committed is lost' '
	for name in a b c; do
		(intact $name)
	done'

test_case 'the cache and the remote are whole' '
	cd a
	dv fsck
	dv push -q -A
	dv fsck --remote --full
	lawful "$shared" "$remote"
	dv gc -q -w --repack
	dv fsck
	lawful "$shared"'

test_case 'what is in the cache is also on the remote' '
	for name in a b c; do (cd $name && dv push -q -A); done
	rm -rf cache
	for name in a b c; do
		(cd $name && dv fetch -q -A && intact $name)
	done'

test_case 'two adds in one workspace' '
	cd a
	dv add -q data
	for i in 1 2 3 4 5; do
		rm -f other.dv .gitignore
		git rm -q --cached other.dv 2>/dev/null || :
		change "$i"
		seq "$i" 500 >other
		dv add -q data 2>../err1 & one=$!
		dv add -q other 2>../err2 & two=$!
		wait $one
		wait $two
		# On a busy machine one of them may say that it waits for the other.
		[ "$(grep -cv "waiting for another process" ../err1)" -eq 0 ]
		[ "$(grep -cv "waiting for another process" ../err2)" -eq 0 ]
		dv status -q
		git diff --quiet
	done
	dv fsck -q'

test_case 'two adds inside one output' '
	cd a
	for i in 1 2 3 4 5; do
		seq "$i" 700 >data/x
		seq "$i" 800 >data/y
		dv add -q data/x & one=$!
		dv add -q data/y & two=$!
		wait $one
		wait $two
		dv status -q
	done'

test_case 'status while something is added' '
	cd b
	change 77
	dv add -q data & adder=$!
	while kill -0 $adder 2>/dev/null; do
		rc=0
		dv status -q >/dev/null || rc=$?
		[ "$rc" -le 1 ]
	done
	wait $adder
	dv status -q'

test_case 'a collection waits for a push and a push for a collection' '
	cd c
	for i in 1 2 3 4 5; do
		change "$i"
		head -c 3000000 /dev/urandom >data/large
		dv add -q data
		dv push -q & one=$!
		dv gc -q -w & two=$!
		(cd ../b && dv gc -q -w --force) & three=$!
		wait $one
		wait $two
		wait $three
	done
	dv fsck -q
	dv fsck -q --remote --full
	dv status -q --remote'

test_case 'two pushes and a pull meet on one remote' '
	for i in 1 2 3; do
		for name in a b; do (cd $name && change "$i" && dv add -q data); done
		(cd a && dv push -q) & one=$!
		(cd b && dv push -q) & two=$!
		rm -rf clone
		git clone -q c clone
		(cd clone && dv remote add -q --local -d r "$remote" && dv pull -q) & three=$!
		wait $one
		wait $two
		wait $three
	done
	for name in a b; do (cd $name && dv status -q --remote); done
	cd a
	dv fsck -q --remote --full'

test_case 'who must wait is told for what' '
	cd a
	flock "$shared/lock" sleep 3 & holder=$!
	sleep 0.3
	change 5
	dv add -q data 2>err
	wait $holder
	contains err "waiting for another process"'

test_case 'a collection that cannot begin says so' '
	wait_for_busy
	[ "$(cat busy/status)" -eq 11 ]
	contains busy/err "error: another dv process uses the cache"
	contains busy/err "hint: "'

done_testing
