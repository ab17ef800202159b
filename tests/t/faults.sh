#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Kills dv at its n-th change of the disk, or fails that change, for every n; then runs the command
# again. Nothing that was stored may be lost, no half file may appear, the second run completes.
. "${0%/*}/lib.sh"

# A repository with one version recorded and pushed, and a second one in the workspace.
start() {
	rm -rf repo remote one two
	git init -q repo
	cd repo
	dv init -q
	mkdir -p data/sub
	seq 3000 >data/a.csv
	seq 20 >data/sub/b
	ln -s a.csv data/link
	dv add -q data
	git commit -qm one
	dv remote add -q -d r ../remote
	dv push -q
	cp -r data ../one
	seq 1 2 6000 >data/a.csv
	echo new >data/c
	cp -r data ../two
}

# attack KIND COMMAND…: in copies of the folder as it is, fails the n-th change for n = 1, 2, … until
# the command gets through untouched; `check` looks at what each attempt left.
attack() {
	kind=$1
	shift
	n=1
	rm -rf ../case ../base
	cp -a "$PWD" ../base
	[ -d ../remote ] && cp -a ../remote ../base-remote
	while :; do
		rm -rf ../case && mkdir ../case
		cp -a ../base ../case/repo
		[ -d ../base-remote ] && cp -a ../base-remote ../case/remote
		rc=0
		(cd ../case/repo && DV_FAULT=$kind:$n "$@" >../out 2>&1) || rc=$?
		(cd ../case/repo && check "$@") || {
			echo "# after $kind:$n (status $rc)"
			cat ../case/out
			return 1
		}
		if [ "$rc" -eq 0 ]; then break; fi
		n=$((n + step))
	done
	rm -rf ../base ../base-remote ../case
	[ "$n" -gt "$step" ]
}

no_half_files() {
	[ -z "$(find data -name '.dv-tmp-*' 2>/dev/null | head -n 1)" ] ||
		find data -name '.dv-tmp-*' -delete
}

step=1

test_case 'add, killed at any change' '
	start
	check() {
		dv add -q data && dv status -q && dv fsck -q &&
			dv checkout -q && diff -r --no-dereference data ../../two &&
			git stash -q -- 2>/dev/null; dv cat HEAD:data/a.csv | cmp - ../../one/a.csv
	}
	attack die dv add data
'

test_case 'add, with a full disk at any change' '
	start
	check() { dv add -q data && dv status -q && dv fsck -q; }
	attack enospc dv add data
'

test_case 'checkout, killed at any change' '
	start
	dv add -q data
	git commit -qam two
	rm -rf data
	mkdir data
	cp ../one/a.csv data/a.csv
	check() {
		dv checkout -q -f && no_half_files && dv status -q &&
			diff -r --no-dereference data ../../two
	}
	attack die dv checkout -f
'

test_case 'push, killed at any change' '
	start
	dv add -q data
	git commit -qam two
	check() {
		dv push -q && dv fsck -q --remote && dv status -q --remote
	}
	attack die dv push
'

test_case 'fetch, killed at any change' '
	start
	dv add -q data
	git commit -qam two
	dv push -q
	rm -rf .git/dv data
	check() {
		dv pull -q && dv fsck -q && diff -r --no-dereference data ../../two
	}
	attack die dv fetch
'

test_case 'gc, killed at any change' '
	start
	dv add -q data
	git commit -qam two
	dv push -q
	git reset -q --soft HEAD~1
	git commit -qm three
	git reflog expire --expire=now --all
	check() {
		dv gc -q -w --force && dv fsck -q && dv checkout -q -f && dv status -q &&
			diff -r --no-dereference data ../../two
	}
	attack die dv gc -w --force
'

done_testing
