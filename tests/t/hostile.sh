#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Damaged and malicious input, and a world that does not help: every answer is an error with a hint,
# nothing crashes, nothing is written where it must not be, and what was whole stays whole.
. "${0%/*}/lib.sh"

git init -q --template= origin
cd origin || exit 2
dv init -q
dv remote add -q -d r ../remote
mkdir -p data/sub
seq 60000 >data/a
echo b >data/sub/b
head -c 100000 /dev/urandom >data/c
dv add -q data
git add -A
git commit -qm one
dv push -q
cp -r data ../truth
cd ..
export top=$PWD

# fresh: a copy of the repository and of its remote to spoil.
fresh() {
	cd "$top"
	rm -rf case
	mkdir case
	cp -a origin case/repo
	cp -a remote case/remote
	cd case/repo
}

# graceful COMMAND…: ends in time, not by a signal; a failure (but for 'no' and what fsck tells) says
# 'error:'.
graceful() {
	local rc=0
	timeout -s ABRT 30 "$@" >../out 2>../err </dev/null || rc=$?
	case $rc in
	0 | 1 | 12) ;;
	2 | 3 | 4 | 10 | 11 | 129) grep -q "^error: " ../err ;;
	*) false ;;
	esac && ! grep -q "Sanitizer" ../err || {
		echo "status $rc of: $*"
		cat ../out ../err
		return 1
	}
}

everything() {
	local c
	for c in "status" "status --remote" "ls -R" "cat data/a" "diff HEAD" "push" "fetch" "fsck" \
		"fsck --quick" "fsck --remote" "fsck --remote --full" "gc -w --dry" "checkout -f" \
		"pull -f" "add data" "gc -w"; do
		# shellcheck disable=SC2086
		graceful dv $c || return 1
	done
}

# spoil FILE SEED: flips a bit, cuts the file off or overwrites eight bytes.
spoil() {
	local size at
	size=$(stat -c %s "$1")
	at=$(($2 * 7919 % size))
	chmod u+w "$1"
	case $(($2 % 3)) in
	0) truncate -s "$at" "$1" ;;
	1) printf "\\$(printf %o $(($2 % 256)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none ;;
	2) head -c 8 /dev/urandom | dd of="$1" bs=1 seek="$at" conv=notrunc status=none ;;
	esac
}

test_case 'each file of the cache and of the remote is spoiled' '
	seed=${DV_TEST_SEED:-1}
	fresh
	find .git/dv/cache ../remote -type f ! -name lock ! -path "*/repos/*" | sort >"$top/files"
	[ "$(wc -l <"$top/files")" -ge 8 ]
	while read -r file; do
		fresh
		spoil "$file" "$seed"
		everything || { echo "# spoiled: $file, seed $seed"; exit 1; }
		# What came to the workspace is right or did not come.
		for f in a c sub/b; do
			[ ! -f data/$f ] || cmp data/$f ../../truth/$f
		done
		seed=$((seed + 1))
	done <"$top/files"'

test_case 'what the cache lost comes back from the remote, if that is whole' '
	fresh
	for file in $(find .git/dv/cache/packs -type f); do
		chmod u+w "$file"
		printf xxxxxxxx | dd of="$file" bs=1 seek=5000 conv=notrunc status=none
	done
	must_fail 12 dv fsck
	dv fsck --repair
	dv fsck
	rm -rf data
	dv checkout -q
	same data ../../truth'

test_case 'future formats are refused by name' '
	fresh
	sed "s/\"format\":1/\"format\":2/" .git/dv/cache/dv-store.json >../new
	cp -f ../new .git/dv/cache/dv-store.json
	refused dv status 2>err
	contains err "format 2"
	contains err "hint: install a newer version"
	fresh
	sed "s/\"format\":1/\"format\":9/" ../remote/log/000000000001 >../new
	cp -f ../new ../remote/log/000000000001
	refused dv fetch -A 2>err || refused dv status --remote 2>err
	contains err "newer version"
	fresh
	{ echo "version: 2"; cat data.dv; } >../new
	cp ../new data.dv
	refused dv status 2>err
	contains err "error:"
	contains err "hint:"'

test_case 'pointers do not lead out of the workspace' '
	mkdir -p "$top/outside"
	echo mine >"$top/outside/file"
	for path in ../outside /etc/passwd a/b .. . "" .git .dv; do
		fresh
		sed "s#^- path: .*#- path: \"$path\"#" data.dv >../new
		cp ../new data.dv
		refused dv checkout -f 2>err
		contains err "error:"
	done
	fresh
	rm -rf data
	ln -s ../../outside data
	refused dv checkout 2>err
	contains err "error:"
	dv checkout -q -f
	[ ! -L data ]
	fresh
	rm -rf data/sub
	ln -s ../../../outside data/sub
	dv checkout -q -f
	same data ../../truth
	fresh
	mkdir inner
	mv data.dv inner/
	rm -rf data
	dv checkout -q
	same inner/data ../../truth
	rm -rf inner/data
	mv inner ../moved
	ln -s ../moved inner
	dv checkout -q 2>err || :
	[ ! -e ../moved/data ]
	[ "$(ls ../../outside)" = file ]
	[ "$(cat ../../outside/file)" = mine ]'

test_case 'damaged settings and pointers are named with their place' '
	fresh
	printf "[core\n" >>.dv/config
	refused dv status 2>err
	contains err "config"
	fresh
	printf "\377\376\n" >data.dv
	refused dv status 2>err
	contains err "data.dv"
	fresh
	: >data.dv
	refused dv status 2>err
	contains err "data.dv"
	fresh
	head -c 2000000 /dev/zero >data.dv
	refused dv status 2>err
	contains err "data.dv"
	fresh
	yes "a: &a [*a, *a]" | head -n 100 >data.dv
	refused dv status 2>err
	contains err "data.dv"'

test_case 'a reader that goes away ends dv quietly' '
	fresh
	mkdir many
	for i in $(seq 300); do echo $i >many/a-rather-long-name-of-a-file-$i; done
	dv add -q many
	for i in 1 2 3; do
		{ rc=0; dv ls -R 2>err || rc=$?; echo $rc >rc; } | head -n 1 >/dev/null
		[ "$(cat rc)" = 0 ]
		[ ! -s err ]
	done
	dv cat data/a 2>err | head -c 10 >/dev/null
	[ ! -s err ]
	rc=0
	dv ls -R >/dev/full 2>err || rc=$?
	[ "$rc" -eq 2 ]
	contains err "error:"
	dv status <&- >/dev/null
	dv status >&- 2>/dev/null || [ $? -le 2 ]'

test_case 'interrupted, it ends soon with 130, and again completes' '
	fresh
	head -c 60000000 /dev/zero | tr "\0" "x" >big
	head -c 20000000 /dev/urandom >>big
	for wait in 0.01 0.02 0.05 0.1 0.2; do
		rc=0
		timeout --preserve-status -s INT -k 10 $wait dv add -q big 2>err || rc=$?
		case $rc in
		0 | 130) ;;
		*) cat err; exit 1 ;;
		esac
		[ ! -f big.dv ] || dv remove -q big
	done
	dv add -q big
	dv status -q
	dv fsck -q
	for wait in 0.01 0.02 0.05; do
		rc=0
		timeout --preserve-status -s INT -k 10 $wait dv push -q 2>err || rc=$?
		[ "$rc" -eq 0 ] || [ "$rc" -eq 130 ]
	done
	dv push -q
	dv fsck -q --remote --full
	rm -rf big .git/dv/cache
	for wait in 0.01 0.02 0.05; do
		rc=0
		timeout --preserve-status -s INT -k 10 $wait dv pull -q 2>err || rc=$?
		[ "$rc" -eq 0 ] || [ "$rc" -eq 130 ]
	done
	dv pull -q
	dv status -q'

# with_tmpfs SIZE COMMAND: in a small file system of its own; needs the right to mount.
with_tmpfs() {
	mkdir -p small
	mount -t tmpfs -o size="$1" none small 2>/dev/null || return 77
	local rc
	set +e
	( set -eu; cd small; eval "$2" )
	rc=$?
	set -e
	umount small
	return "$rc"
}

if (with_tmpfs 1m true); then
	test_case 'a disk that is full' '
		with_tmpfs 4m "
			git init -q --template= repo
			cd repo
			dv init -q
			dv remote add -q -d r \"$PWD/remote-big\"
			seq 100 >data
			dv add -q data
			git commit -qm one
			head -c 1500000 /dev/urandom >more
			dv add -q more
			head -c 300000000 /dev/zero >../fill 2>/dev/null || :
			for c in \"add data more\" checkout commit push fetch \"gc -w\" \"move data other\"; do
				echo \$RANDOM >>data 2>/dev/null || :
				rc=0
				dv \$c >out 2>\"$TEST_DIR/err\" || rc=\$?
				[ \$rc -lt 128 ]
				[ \$rc -lt 2 ] || grep -q ^error: \"$TEST_DIR/err\"
			done
			rm ../fill
			[ ! -f other.dv ] || dv move -q other data
			dv fsck -q
			dv add -q data
			dv status -q
		"'

	test_case 'a cache that can only be read' '
		fresh
		cp -a .git/dv/cache ../cache
		dv config -q --local cache.dir "$PWD/../cache"
		dv status -q
		mount --bind ../cache ../cache
		mount -o remount,ro,bind ../cache
		(
			dv status -q && dv checkout -q -f && dv cat data/sub/b | grep -qx b &&
				dv fsck -q && dv push -q && echo new >data/new &&
				must_fail 2 dv add data 2>err && contains err "error:" &&
				must_fail 2 dv gc -w 2>err && contains err "error:"
		) || rc=1
		umount ../cache
		[ -z "${rc:-}" ]
		dv add -q data'
else
	echo "# SKIP: mounting is not allowed here: no full disk, no read-only cache"
fi

done_testing
