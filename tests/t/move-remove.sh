# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv move and dv remove: pointer, ignore line and data go together.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir d && printf one >d/a && printf x >file
"$DV" add -q d file && git commit -qm one

test_case 'move takes everything along' '
	$DV move file "new name" >out
	contains out "file -> new name"
	[ "$(cat "new name")" = x ]
	[ ! -e file ]
	[ ! -e file.dv ]
	[ -f "new name.dv" ]
	lacks .gitignore "/file"
	git status --porcelain >out
	contains out "R  file.dv -> \"new name.dv\""
	$DV status -q
	git check-ignore -q "new name"'

test_case 'the index that GIT_INDEX_FILE names is the one that is staged in' '
	printf other >other
	git status --porcelain >before
	cp .git/index other.index
	GIT_INDEX_FILE=other.index $DV add -q other
	git ls-files >out
	lacks out "other.dv"
	GIT_INDEX_FILE=other.index git ls-files >out
	contains out "other.dv"
	rm other.index
	$DV add -q other
	git ls-files >out
	contains out "other.dv"'

test_case 'remove --outs takes folders, and leaves what .dvignore hides' '
	mkdir -p deep/a/b deep/c/empty
	printf x >deep/a/b/f
	$DV add -q deep
	$DV remove -q --outs deep
	[ ! -e deep ]
	mkdir -p deep/a
	printf x >deep/a/f
	printf y >deep/a/f.log
	printf "*.log\n" >.dvignore
	$DV add -q deep
	$DV remove -q --outs deep
	[ "$(find deep -type f)" = deep/a/f.log ]
	rm -r deep
	git checkout -q HEAD .dvignore'

test_case 'move into another folder' '
	mkdir sub
	$DV move "new name" sub/file
	[ "$(cat sub/file)" = x ]
	[ -f sub/file.dv ]
	contains sub/.gitignore "/file"
	$DV status -q
	$DV move d sub/d
	[ "$(cat sub/d/a)" = one ]
	$DV status -q
	$DV move sub/d d'

test_case 'move refuses what it would lose' '
	printf keep >there
	refused $DV move sub/file there 2>err
	[ "$(cat there)" = keep ]
	[ "$(cat sub/file)" = x ]
	must_fail 2 $DV move nothing else
	must_fail 129 $DV move one
	refused $DV move sub/file ../out
	[ ! -e ../out ]'

test_case 'remove without anything to remove says so' '
	git init -q ../none && cd ../none && "$DV" init -q
	"$DV" remove . >out 2>err
	contains out "Nothing changed."
	[ ! -s err ]'

test_case 'remove keeps the data' '
	$DV remove sub/file >out
	contains out "sub/file: no longer tracked"
	[ "$(cat sub/file)" = x ]
	[ ! -e sub/file.dv ]
	must_fail 1 git check-ignore -q sub/file
	must_fail 2 $DV remove sub/file'

test_case 'remove --outs takes the data too, but never the only copy' '
	printf changed >d/a
	refused $DV remove --outs d 2>err
	contains err "hint: "
	[ "$(cat d/a)" = changed ]
	[ -f d.dv ]
	$DV remove --outs -f d
	[ ! -e d ]
	[ ! -e d.dv ]'

test_case 'what was removed comes back from history' '
	git commit -qam removed
	git checkout -q HEAD~1
	$DV checkout -q
	[ "$(cat d/a)" = one ]'

test_case 'remove --outs keeps the last copy of what the cache lost' '
	cd "$TEST_DIR"
	rm -rf lost
	git init -q lost
	cd lost
	$DV init -q
	mkdir d
	seq 9000 >d/a
	echo b >d/b
	$DV add -q d
	git commit -qm one
	cp -r d ../kept-copy
	rm -rf .git/dv
	$DV remove -q --outs d
	[ ! -e d ]
	git checkout -q HEAD -- d.dv
	$DV checkout -q
	same d ../kept-copy
'

done_testing
