# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Files that pass through git's filter are outputs for every command of dv.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# content FILE SIZE SEED: bytes that look random and are the same every time.
content() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$3")" -iv 0 </dev/zero 2>/dev/null |
		head -c "$2" >"$1"
}

is_pointer() {
	[ "$(head -n 1 "$1")" = 'version https://git-lfs.github.com/spec/v1' ] &&
		[ "$(wc -c <"$1")" -lt 200 ]
}

clean_tree() {
	git status --porcelain >"$TEST_DIR/status"
	[ ! -s "$TEST_DIR/status" ] || { cat "$TEST_DIR/status" >&2; return 1; }
}

git init -q
dv init -q
git commit -qm init

test_case 'dv track writes .gitattributes, stages it, and tells git of the filter' '
	echo raw >old.bin
	git add old.bin
	dv track "*.bin" >"$TEST_DIR/out" 2>"$TEST_DIR/err"
	contains .gitattributes "*.bin filter=dv diff=dv merge=dv -text"
	[ "$(git config filter.dv.process)" = "dv filter-process" ]
	[ "$(git config filter.dv.required)" = true ]
	git diff --cached --name-only | grep -qx .gitattributes
	contains "$TEST_DIR/err" old.bin
	contains "$TEST_DIR/err" renormalize
	git add --renormalize .
	dv track "*.bin" >"$TEST_DIR/out" 2>"$TEST_DIR/err"
	[ "$(wc -l <.gitattributes)" = 1 ]
	lacks "$TEST_DIR/err" old.bin
	git commit -qm track
'

test_case 'patterns with blanks, names, folders; relative to the working folder; untracked again' '
	mkdir "a dir" && cd "a dir"
	dv track "my *.x" data/ >"$TEST_DIR/out"
	dv track --filename "[odd] *.bin" >"$TEST_DIR/out"
	echo 1 >"my 1.x"; echo 2 >"[odd] *.bin"; echo 3 >"o 1.y"
	mkdir data && echo 4 >data/four
	git check-attr filter -- "my 1.x" "[odd] *.bin" "o 1.y" data/four >"$TEST_DIR/got"
	[ "$(grep -c ": filter: dv" "$TEST_DIR/got")" = 3 ]
	[ "$(dv track | wc -l)" = 4 ]
	dv track | grep -q "^\*.bin (.gitattributes)"
	dv untrack "my *.x" data/ >"$TEST_DIR/out" 2>&1
	dv untrack --filename "[odd] *.bin" >"$TEST_DIR/out" 2>&1
	[ ! -s .gitattributes ]
	contains "$TEST_DIR/out" renormalize
	dv untrack never >"$TEST_DIR/out" 2>&1
	lacks "$TEST_DIR/out" renormalize
	: >../.git/index.lock
	refused dv track "*.late" >"$TEST_DIR/out" 2>/dev/null
	lacks "$TEST_DIR/out" "tracked in"
	rm ../.git/index.lock
	dv untrack -q "*.late"
	must_fail 129 dv track "!x"
	must_fail 129 dv track "*.dv"
	git rm -qf --cached .gitattributes
	cd .. && rm -r "a dir"
	clean_tree
'

test_case 'status, ls, ls-files, du and cat know the files' '
	content one.bin 100000 1
	content large.bin 6000000 2
	git add . && git commit -qm one
	dv status >"$TEST_DIR/out"
	lacks "$TEST_DIR/out" one.bin
	dv ls >"$TEST_DIR/out"
	contains "$TEST_DIR/out" one.bin
	dv ls HEAD >"$TEST_DIR/out"
	contains "$TEST_DIR/out" large.bin
	dv ls-files | grep -q "^$(sha256sum <one.bin | cut -c1-10) \* one.bin$"
	dv ls-files HEAD | grep -q "one.bin$"
	dv ls-files --json | grep -q "\"workspace\": \"content\""
	dv cat one.bin | cmp - one.bin
	dv cat HEAD:one.bin 2>/dev/null | cmp - one.bin || dv cat --rev HEAD one.bin | cmp - one.bin
	dv du >"$TEST_DIR/out"
	contains "$TEST_DIR/out" large.bin
	echo more >>one.bin
	dv status >"$TEST_DIR/out" || true
	contains "$TEST_DIR/out" one.bin
	lacks "$TEST_DIR/out" large.bin
	dv diff >"$TEST_DIR/out" || true
	contains "$TEST_DIR/out" one.bin
	git checkout -q one.bin
'

test_case 'dv add, remove and move leave them to git' '
	must_fail 2 dv add one.bin 2>"$TEST_DIR/err" || refused dv add one.bin 2>"$TEST_DIR/err"
	contains "$TEST_DIR/err" "git add one.bin"
	refused dv remove one.bin
	refused dv move one.bin two.bin
'

test_case 'push and pull bring them to a clone, without the filter first' '
	dv remote add -d far "$TEST_DIR/far"
	git add .dv && git commit -qm remote
	dv push
	git clone -q . ../clone
	cd ../clone
	is_pointer one.bin && is_pointer large.bin
	dv status >"$TEST_DIR/out" || true
	contains "$TEST_DIR/out" one.bin
	dv pull
	same one.bin ../ws/one.bin
	same large.bin ../ws/large.bin
	clean_tree
	dv status >"$TEST_DIR/out"
	lacks "$TEST_DIR/out" one.bin
	sleep 1.1
	GIT_TRACE=1 git status --porcelain >"$TEST_DIR/trace" 2>&1
	[ "$(dv ls-files | grep -c " \* ")" = 3 ]
'

test_case 'a clone with the filter fetches delayed files while git checks out' '
	git clone -q --no-checkout . ../clone2
	cd ../clone2
	dv --version >/dev/null
	git config filter.dv.process "dv filter-process"
	git config filter.dv.required true
	git checkout -q main 2>"$TEST_DIR/err"
	same one.bin ../ws/one.bin
	same large.bin ../ws/large.bin
	clean_tree
	[ ! -s "$TEST_DIR/err" ] || { cat "$TEST_DIR/err"; false; }
'

test_case 'dv checkout brings what smudge left, and files that are named' '
	rm one.bin large.bin
	DV_SKIP_SMUDGE=1 git checkout -q .
	is_pointer one.bin && is_pointer large.bin
	[ "$(dv ls-files | grep -c " - ")" = 2 ]
	dv status >"$TEST_DIR/out" 2>&1
	contains "$TEST_DIR/out" "one.bin: not checked out"
	contains "$TEST_DIR/out" "dv checkout"
	lacks "$TEST_DIR/out" "dv commit"
	dv status --json | grep -q "\"not_checked_out\""
	dv checkout
	same one.bin ../clone/one.bin && same large.bin ../clone/large.bin
	clean_tree
	rm one.bin
	dv status >"$TEST_DIR/out" 2>&1
	contains "$TEST_DIR/out" "one.bin: deleted"
	contains "$TEST_DIR/out" "git restore"
	lacks "$TEST_DIR/out" "dv commit"
	dv checkout
	[ ! -e one.bin ]
	dv checkout one.bin
	same one.bin ../clone/one.bin
	clean_tree
	echo mine >large.bin
	dv checkout
	[ "$(cat large.bin)" = mine ]
	git checkout -q large.bin
'

test_case 'gc keeps what the index, stashes, branches and reflogs have' '
	content staged.bin 50000 3
	git add staged.bin
	content stashed.bin 50000 4
	git add stashed.bin && git stash push -q -- stashed.bin
	content lost.bin 50000 5
	git switch -qc side && git add lost.bin && git commit -qm lost
	git switch -q main && git branch -qD side
	dv gc -w --force
	git stash pop -q
	git checkout -q HEAD@{1} -- lost.bin
	content want 50000 3; cmp want staged.bin
	content want 50000 4; cmp want stashed.bin
	content want 50000 5; cmp want lost.bin
	rm want
	rm staged.bin stashed.bin && git checkout -q staged.bin stashed.bin
	dv fsck
	git rm -qf staged.bin stashed.bin lost.bin
'

test_case 'content that the store lost comes back from the workspace with a push' '
	content again.bin 300000 6
	git add again.bin && git commit -qm again
	dv push -q
	rm -rf .git/dv/cache "$TEST_DIR/far"
	dv status >"$TEST_DIR/out" || true
	contains "$TEST_DIR/out" again.bin
	dv push -q --force
	dv status >"$TEST_DIR/out"
	lacks "$TEST_DIR/out" again.bin
'

test_case 'what was changed within the second of the index is still seen after a checkout' '
	git config core.trustctime false
	content big.bin 5000000 7 && echo aaaa >note
	git add big.bin note && git commit -qm note
	rm big.bin && DV_SKIP_SMUDGE=1 git checkout -q big.bin
	is_pointer big.bin
	touch -d @1700000000 note && git update-index --refresh
	echo bbbb >note && touch -d @1700000000 note .git/index
	dv checkout big.bin
	[ "$(wc -c <big.bin)" = 5000000 ]
	[ "$(git status --porcelain)" = " M note" ]
	git checkout -q note && git config --unset core.trustctime
	clean_tree
'

test_case 'the pointers of many files are found without their blobs, and a damaged list is none' '
	mkdir many
	for i in $(seq 100); do echo "$i" >many/$i.bin; done
	git add many && git commit -qm many
	rm -f .git/dv/blobs
	dv status && [ -s .git/dv/blobs ]
	cp .git/dv/blobs "$TEST_DIR/blobs"
	rm many/7.bin && echo other >many/8.bin
	for i in 1 2 3; do
		dv status >"$TEST_DIR/out" || true
		contains "$TEST_DIR/out" many/7.bin && contains "$TEST_DIR/out" many/8.bin
		lacks "$TEST_DIR/out" many/9.bin
		case $i in
		1) printf XXXX | dd of=.git/dv/blobs bs=1 seek=500 conv=notrunc 2>"$TEST_DIR/dd" ;;
		2) cmp .git/dv/blobs "$TEST_DIR/blobs" && truncate -s 100 .git/dv/blobs ;;
		esac
	done
	git checkout -q many && dv status | grep -q "up to date" && clean_tree
	git rm -qrf many && git commit -qm fewer
'

done_testing
