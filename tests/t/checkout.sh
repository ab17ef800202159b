# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv checkout: data becomes what its pointers say, and no work is lost.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir -p d/sub && printf one >d/a && printf two >d/sub/b && printf x >file
"$DV" add -q d file && git commit -qm one && cp -a d d1

test_case 'nothing to do' '
	$DV checkout >out
	contains out "Nothing changed."'

test_case 'deleted data comes back' '
	rm -rf d file
	$DV checkout >out
	contains out "A d/"
	contains out "A file"
	contains out "3 files added, 0 modified, 0 deleted"
	same d d1'

test_case 'one file of a directory' '
	rm -rf d
	$DV checkout d/sub/b
	[ "$(cat d/sub/b)" = two ]
	[ ! -e d/a ]
	$DV checkout -q
	same d d1'

test_case 'work that is not recorded is kept, unless -f' '
	printf mine >d/a
	printf mine >d/extra
	refused $DV checkout 2>err
	contains err "hint: "
	[ "$(cat d/a)" = mine ]
	[ "$(cat d/extra)" = mine ]
	$DV checkout -f -q
	same d d1'

test_case 'git checkout, then dv checkout, switches versions' '
	printf ONE >d/a
	rm -r d/sub
	printf new >d/c
	$DV commit -q
	git commit -qam two
	cp -a d d2
	git checkout -q HEAD~1
	$DV checkout >out
	contains out "M d/"
	same d d1
	git checkout -q main
	$DV checkout -q
	same d d2'

test_case '--rev takes the data of another revision' '
	$DV checkout -q --rev HEAD~1
	same d d1
	$DV checkout -q
	same d d2
	must_fail 2 $DV checkout --rev nonsense'

test_case '--summary prints only the counts' '
	rm d/a
	$DV checkout --summary >out
	[ "$(cat out)" = "1 file added, 0 modified, 0 deleted" ]'

test_case '--json' '
	rm d/a
	$DV checkout --json >out
	python3 -c "import json; d = json.load(open(\"out\")); assert d[\"added\"] == 1 and d[\"changes\"]"'

test_case 'a link in the way is not followed' '
	mkdir outside
	printf safe >outside/a
	rm -rf d
	ln -s outside d
	$DV checkout -f -q || true
	[ "$(cat outside/a)" = safe ]
	[ "$(ls outside)" = a ]
	rm -rf d
	$DV checkout -q
	same d d2'

test_case 'all link modes give the same data, and --relink changes between them' '
	for mode in symlink hardlink reflink copy; do
		$DV config --local cache.type $mode
		$DV checkout --relink -q || [ $mode = reflink ]
		diff -r d d2
		$DV status -q
	done'

test_case 'what is not in the cache is named' '
	rm -rf d
	mv .git/dv/cache saved
	refused $DV checkout 2>err
	contains err "hint: "
	rm -rf .git/dv/cache
	mv saved .git/dv/cache
	$DV checkout -q
	same d d2'

done_testing
