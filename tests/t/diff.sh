# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv diff: tracked data of two revisions or of one and the workspace.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir d && printf one >d/a && printf two >d/b && printf three >"d/c c" && printf x >file
"$DV" add -q d file && git commit -qm one

test_case 'no difference' '
	$DV diff >out
	contains out "Nothing changed."
	$DV diff --exit-code'

test_case 'the workspace against HEAD' '
	printf longer >d/a
	rm d/b
	mv "d/c c" d/moved
	printf n >d/new
	$DV diff >out
	contains out "M d/a  (3 B -> 6 B)"
	contains out "D d/b  (3 B)"
	contains out "R d/c c -> d/moved"
	contains out "A d/new  (1 B)"
	contains out "1 added, 1 modified, 1 deleted, 1 renamed"
	must_fail 1 $DV diff --exit-code'

test_case 'two revisions, and one against the other way round' '
	$DV commit -q
	git commit -qam two
	$DV diff HEAD~1 HEAD >out
	contains out "M d/a  (3 B -> 6 B)"
	$DV diff HEAD HEAD~1 >out
	contains out "M d/a  (6 B -> 3 B)"
	contains out "R d/moved -> d/c c"
	$DV diff HEAD~1 >out
	contains out "A d/new"
	$DV diff >out
	contains out "Nothing changed."'

test_case 'targets stand behind --' '
	$DV diff HEAD~1 HEAD -- file >out
	contains out "Nothing changed."
	$DV diff HEAD~1 HEAD -- d >out
	contains out "A d/new"
	must_fail 129 $DV diff a b c --
	must_fail 2 $DV diff nowhere'

test_case 'an unknown revision is an error with a hint' '
	must_fail 2 $DV diff nonsense 2>err
	contains err "nonsense"'

test_case 'it needs no data, only what the cache knows' '
	rm -rf d
	$DV diff HEAD~1 HEAD >out
	contains out "A d/new"
	$DV checkout -q'

test_case '--json has counts and changes' '
	$DV diff --json HEAD~1 HEAD >out
	python3 - <<-"END"
	import json
	d = json.load(open("out"))
	assert (d["added"], d["modified"], d["deleted"], d["renamed"]) == (1, 1, 1, 1)
	assert {c["kind"] for c in d["changes"]} == {"added", "modified", "deleted", "renamed"}
	END'

test_case 'outputs that come and go' '
	printf y >second
	$DV add -q second
	$DV remove -q file
	git commit -qam three
	$DV diff HEAD~1 HEAD >out
	contains out "A second"
	contains out "D file"'

test_case 'a revision is read by its own .dvignore, as the workspace is' '
	mkdir -p skip/deep nested/.dv
	printf 1 >skip/deep/a
	printf 2 >kept
	$DV add -q skip/deep/a kept
	cp kept.dv nested/kept.dv
	git add -f nested/kept.dv
	git commit -qm "before the rule"
	printf "/skip/\n" >.dvignore
	: >nested/.dv/config
	git add -f .dvignore nested
	git commit -qm "rule"
	$DV ls -R >workspace
	lacks workspace "skip/deep/a"
	lacks workspace "nested"
	$DV ls -R HEAD >out
	same workspace out
	$DV ls -R HEAD~1 >out
	contains out "skip/deep/a"
	contains out "nested/kept"
	$DV diff HEAD >out
	contains out "Nothing changed."
	$DV diff HEAD~1 HEAD >out
	contains out "D skip/deep/a"
	must_fail 2 $DV cat HEAD:skip/deep/a
	[ "$($DV cat HEAD~1:skip/deep/a)" = 1 ]
	printf "/deep\n" >skip/.dvignore
	git rm -q --cached .dvignore
	git add skip/.dvignore
	git commit -qm "a rule further down"
	$DV ls -R HEAD >out
	lacks out "skip/deep/a"'

test_case 'empty directories that appear or go are told' '
	mkdir -p "$TEST_DIR/hollow"
	cd "$TEST_DIR/hollow"
	git init -q
	$DV init -q
	mkdir d d/gone
	printf x >d/f
	$DV add -q d -m one
	rmdir d/gone
	mkdir -p d/new/deep
	$DV status >out
	contains out "added: d/new/deep/"
	contains out "deleted: d/gone/"
	must_fail 1 $DV diff --exit-code >out
	contains out "A d/new/"
	contains out "D d/gone/"
	$DV checkout >out
	contains out "Only empty directories changed"
	[ -d d/gone ]
	[ ! -e d/new ]
	$DV checkout >out
	contains out "Nothing changed"'

done_testing
