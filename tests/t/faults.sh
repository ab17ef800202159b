#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Kills dv at its n-th change of the disk, or fails that change, then runs the command again.
# Nothing that was stored may be lost, no half file may appear, the second run completes.
#
# Every DV_TEST_STRIDE-th change is attacked (7); with 1 all of them, which takes minutes.

stride=${DV_TEST_STRIDE:-7}
# What is tested does not depend on the disk; memory is quicker.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "${0%/*}/lib.sh"

# rows DIGIT: a table of several chunks, one row in ten changed.
rows() {
	seq 9000 | sed "s/$1\$/$1 changed/; s/\$/,row/"
}

# A repository with one version recorded and pushed, and a second one in the workspace.
start() {
	rm -rf repo remote one two
	git init -q --template= repo
	cd repo
	dv init -q
	mkdir -p data/sub
	rows 3 >data/a.csv
	seq 20 >data/sub/b
	ln -s a.csv data/link
	dv add -q data
	git commit -qm one
	dv remote add -q -d r ../remote
	dv push -q
	cp -r data ../one
	rows 7 >data/a.csv
	echo new >data/c
	cp -r data ../two
}

# The second version recorded and committed.
second() {
	start
	dv add -q data
	git commit -qam two
	lawful .git/dv/cache
}

# attempt KIND N COMMAND…: in a copy of the folder as it was; `check` looks at what is left.
attempt() {
	local kind=$1 n=$2 rc=0
	shift 2
	rm -rf ../case
	cp -a ../base ../case
	(cd ../case/repo && DV_FAULT=$kind:$n "$@" >../out 2>../err) || rc=$?
	case $kind,$rc in
	die,137) ;;
	*,0) ;;		# what failed was not needed
	die,* | *,129 | *,13[0-9]) false ;;
	*) grep -q "^error: " ../case/err ;;
	esac && ! grep -q "Sanitizer" ../case/err &&
		(cd ../case/repo && check "$@" && nothing_left) || {
		echo "# after $kind:$n (status $rc) of: $*"
		cat ../case/out ../case/err
		return 1
	}
}

# What a killed process left under temporary names is gone after the next one that writes.
nothing_left() {
	local left
	left=$(find . -path ./.git/dv/cache -prune -o -path ./.git/dv/remotes -prune -o \
		'(' -name '.dv-tmp-*' -o -path './.git/dv/tmp/*' -o -path '*/dv/saved' ')' -print)
	[ -z "$left" ] || { echo "# left over:"; echo "$left"; return 1; }
}

# attack KINDS COMMAND…: attempts with each kind of fault. Where each begins differs, so that
# several kinds together meet most changes even with a stride.
attack() {
	local kinds=$1 first=1 total
	shift
	rm -rf ../base
	mkdir ../base
	cp -a "$PWD" ../base/repo
	[ ! -d ../remote ] || cp -a ../remote ../base/remote
	rm -rf ../case
	cp -a ../base ../case
	(cd ../case/repo && DV_FAULT=count:../count "$@" >/dev/null)
	total=$(cat ../case/count)
	[ "$total" -gt 2 ]
	for kind in $kinds; do
		for n in $(seq "$first" "$stride" $((total + 1))); do
			attempt "$kind" "$n" "$@" || return 1
		done
		first=$((first % stride + 2))
		[ "$first" -le "$stride" ] || first=1
	done
	rm -rf ../base ../case
}

test_case 'add' '
	start
	check() {
		dv add -q data && dv status -q && dv fsck -q && lawful .git/dv/cache &&
			diff -r --no-dereference data ../../two &&
			dv cat HEAD:data/a.csv | cmp - ../../one/a.csv
	}
	attack "die enospc eio short" dv add data
'

test_case 'commit' '
	start
	check() { dv commit -q
	dv status -q
	dv fsck -q; }
	attack "die enospc eio" dv commit
'

test_case 'checkout' '
	second
	rm -rf data
	mkdir data
	cp ../one/a.csv data/a.csv
	check() {
		# A name stands for the whole file or for none.
		for f in a.csv c sub/b; do
			[ ! -e data/$f ] || cmp -s data/$f ../../two/$f || cmp data/$f ../../one/$f ||
				return 1
		done
		dv checkout -q -f
		diff -r --no-dereference data ../../two
		dv status -q
	}
	attack "die enospc eio short" dv checkout -f
'

test_case 'push' '
	second
	check() { dv push -q
	dv fsck -q --remote --full
	lawful ../remote
	dv status -q --remote; }
	attack "die enospc eio short" dv push
'

test_case 'fetch' '
	second
	dv push -q
	rm -rf .git/dv data
	check() { dv pull -q
	dv fsck -q
	lawful .git/dv/cache
	diff -r --no-dereference data ../../two; }
	attack "die enospc eio short" dv fetch
'

test_case 'gc' '
	second
	dv push -q
	git reset -q --soft HEAD~1
	git commit -qm three
	git reflog expire --expire=all --all
	check() {
		dv fsck -q && dv gc -q -w --force && dv fsck -q && dv checkout -q -f &&
			dv status -q
			diff -r --no-dereference data ../../two
	}
	attack "die enospc eio short" dv gc -w --force
'

test_case 'repack' '
	start
	for i in 1 2 3 4; do
		seq 1 20000 | awk -v v="$i" "{ print \$1, \$1 * 7919 % 5 < v ? v : 0 }" >data/t
		cp data/t ../t$i
		dv add -q data
		git commit -qam t$i
	done
	rm -rf ../two && cp -r data ../two
	check() {
		dv fsck -q && dv gc -q -A --repack && dv fsck -q && dv checkout -q -f &&
			dv status -q && lawful .git/dv/cache &&
			diff -r --no-dereference data ../../two || return 1
		for i in 1 2 3; do
			git checkout -q HEAD~$((4 - i)) && dv checkout -q &&
				cmp data/t ../../t$i && git checkout -q main || return 1
		done
	}
	attack "die enospc eio short" dv gc -A --repack
'

test_case 'remove' '
	second
	check() {
		dv fsck -q || return 1
		if [ -f data.dv ]; then
			# Files that are gone are in the cache.
			dv checkout -q && diff -r --no-dereference data ../../two &&
				dv remove -q --outs data || return 1
		fi
		[ ! -e data ] && git checkout -q HEAD -- . && dv checkout -q &&
			diff -r --no-dereference data ../../two
	}
	attack "die enospc eio" dv remove --outs data
'

test_case 'move' '
	second
	check() {
		if [ -f data.dv ]; then dv move -q data moved; else dv commit -q; fi || return 1
		dv status -q && diff -r --no-dereference moved ../../two && [ ! -e data ] &&
			git check-ignore -q moved
			[ ! -e data.dv ]
	}
	attack "die enospc eio" dv move data moved
'

test_case 'init' '
	rm -rf repo remote
	git init -q --template= repo
	cd repo
	seq 9 >data
	check() {
		[ -d .dv ] && dv add -q data 2>/dev/null || dv init -q -f && dv add -q data &&
			dv status -q
			dv fsck -q
	}
	attack "die enospc eio" dv init
'

test_case 'config' '
	start
	check() {
		dv config remote.r.url >url && grep -q remote url &&
			dv config -q cache.compression 3 && dv config cache.compression | grep -qx 3 &&
			dv status -q --remote || [ $? -eq 1 ]
	}
	attack "die enospc eio short" dv config cache.compression 5
	check() {
		dv remote list | grep -q remote && dv remote add -q -f s ../s && dv status -q ||
			[ $? -eq 1 ]
	}
	attack "die enospc eio" dv remote add s ../s
'

done_testing
