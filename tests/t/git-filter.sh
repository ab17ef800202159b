# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# git with the filter: adding, checking out, and git's own commands over such files.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# content FILE SIZE SEED: bytes that look random and are the same every time.
content() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$3")" -iv 0 </dev/zero 2>/dev/null |
		head -c "$2" >"$1"
}

setup() {
	git init -q
	dv init -q
	git config filter.dv.process 'dv filter-process'
	git config filter.dv.required true
	printf '*.bin filter=dv diff=dv merge=dv -text\n' >.gitattributes
	git add .gitattributes
	git commit -qm start
}

# clean_tree: git sees nothing changed, and every file is what sums says.
clean_tree() {
	git status --porcelain >"$TEST_DIR/status"
	[ ! -s "$TEST_DIR/status" ] || { cat "$TEST_DIR/status" >&2; return 1; }
}

# is_pointer FILE: it holds a pointer and nothing else.
is_pointer() {
	[ "$(head -n 1 "$1")" = 'version https://git-lfs.github.com/spec/v1' ] &&
		[ "$(wc -c <"$1")" -lt 200 ]
}

setup >/dev/null

test_case 'git add gives git a pointer as Git LFS has it, and keeps the content' '
	content small.bin 10000 1
	content large.bin 9000000 2
	: >empty.bin
	printf "#!/bin/sh\n" >run.bin
	chmod +x run.bin
	sha256sum *.bin >"$TEST_DIR/sums"
	git add .
	git cat-file blob :small.bin >"$TEST_DIR/got"
	{
		echo "version https://git-lfs.github.com/spec/v1"
		echo "oid sha256:$(sha256sum <small.bin | cut -d" " -f1)"
		echo "size 10000"
	} >"$TEST_DIR/want"
	same "$TEST_DIR/want" "$TEST_DIR/got"
	[ "$(git cat-file -s :empty.bin)" = 0 ]
	git commit -qm one
	clean_tree
	dv fsck
'

test_case 'git checkout brings the content back, and nothing counts as changed' '
	rm *.bin
	git checkout -q -- .
	sha256sum -c "$TEST_DIR/sums"
	[ -x run.bin ] && [ ! -x small.bin ]
	clean_tree
	sleep 1.1
	git status
	GIT_TRACE=1 git status --porcelain >"$TEST_DIR/trace" 2>&1
	lacks "$TEST_DIR/trace" filter-process
'

test_case 'a pointer as content passes through both ways' '
	git cat-file blob :small.bin >copy.bin
	git add copy.bin
	[ "$(git rev-parse :copy.bin)" = "$(git rev-parse :small.bin)" ]
	git rm -qf --cached copy.bin
	rm copy.bin
'

test_case 'what is no pointer passes through on the way out, also when it is long' '
	content raw 6000000 3
	git update-index --add --cacheinfo "100644,$(git hash-object -w raw),raw.bin"
	git checkout -q -- raw.bin
	same raw raw.bin
	git rm -qf --cached raw.bin
	rm raw raw.bin
'

test_case 'files of dv and git stay what they are under a pattern that takes all' '
	mkdir all
	printf "* filter=dv -text\n" >all/.gitattributes
	echo one >all/file
	content all/data 1000 4
	dv add -q all/data
	git add all
	contains all/.gitattributes filter=dv
	git cat-file blob :all/data.dv | cmp - all/data.dv
	git cat-file blob :all/.gitattributes | cmp - all/.gitattributes
	git cat-file blob :all/file >"$TEST_DIR/blob"
	is_pointer "$TEST_DIR/blob"
	git commit -qm all
'

test_case 'branches, merges, cherry-picks and rebases' '
	git switch -qc side
	content side.bin 5000 5
	content large.bin 8000000 6
	git add . && git commit -qm side
	sha256sum *.bin >"$TEST_DIR/side"
	git switch -q main
	sha256sum -c "$TEST_DIR/sums"
	clean_tree
	content main.bin 6000 7
	git add . && git commit -qm main
	git switch -q side
	sha256sum -c "$TEST_DIR/side"
	git rebase -q main
	sha256sum -c "$TEST_DIR/side"
	clean_tree
	git switch -qc pick main
	git cherry-pick side >/dev/null
	sha256sum -c "$TEST_DIR/side"
	clean_tree
	git switch -q main
	git merge -q --no-edit side
	sha256sum -c "$TEST_DIR/side"
	clean_tree
'

test_case 'stash takes changes away and brings them back' '
	content small.bin 12000 8
	content large.bin 7000000 9
	sha256sum small.bin large.bin >"$TEST_DIR/changed"
	git stash -q
	sha256sum -c "$TEST_DIR/side"
	clean_tree
	git stash pop -q
	sha256sum -c "$TEST_DIR/changed"
	git checkout -q -- .
	sha256sum -c "$TEST_DIR/side"
	clean_tree
'

test_case 'a store that fails while git stashes loses nothing' '
	step=${DV_TEST_STRIDE:-3}
	: >none
	for size in 12000 7000000; do
		for ((n = 1; n < 22; n += step)); do
			content small.bin "$size" "7$n"
			sum=$(sha256sum <small.bin) && oid=${sum%% *}
			DV_FAULT=enospc:$n git stash >"$TEST_DIR/out" 2>&1 || true
			for kept in small.bin .git/dv/saved/*/"$oid" none; do
				[ "$(sha256sum <"$kept")" != "$sum" ] || break
				# What was stashed comes back with its pointer.
				[ "$kept" != small.bin ] || git stash pop -q || true
				[ "$(sha256sum <"$kept")" != "$sum" ] || break
			done
			[ "$kept" != none ] || { cat "$TEST_DIR/out"; exit 1; }
			git checkout -q -- small.bin && git stash clear
			rm -rf .git/dv/saved
		done
	done
	rm none
	dv checkout -q && sha256sum -c "$TEST_DIR/side"
	clean_tree
	content small.bin 12000 8 && git stash -q
	[ -z "$(ls .git/dv/saved)" ] && git stash drop -q
'

test_case 'stash -u keeps files that git did not know, also from gc' '
	content new.bin 7000000 11
	content large.bin 7000000 12
	echo other >untracked.bin
	sha256sum *.bin >"$TEST_DIR/changed"
	git stash -q -u
	[ ! -e new.bin ] && clean_tree
	dv gc -A --force
	git stash pop -q
	sha256sum -c "$TEST_DIR/changed"
	git add . && git stash -q && dv gc -w --force && git stash pop -q --index
	sha256sum -c "$TEST_DIR/changed"
	git diff --quiet
	git reset -q --hard
	sha256sum -c "$TEST_DIR/side"
	clean_tree
'

test_case 'what only another work tree has staged stays, and a merge brings it' '
	git worktree add -q -b wt ../wt
	( cd ../wt && content only.bin 6000000 13 && content side.bin 10 14 && git add . )
	dv gc -A --force
	( cd ../wt && rm *.bin && git checkout -q -- . && content ../only 6000000 13 && cmp ../only only.bin
	  git commit -qm wt && clean_tree )
	git merge -q --no-edit wt
	same only.bin ../wt/only.bin && same side.bin ../wt/side.bin
	clean_tree
	git reset -q --hard HEAD~1
	git worktree remove ../wt
	sha256sum -c "$TEST_DIR/side"
'

test_case 'git diff and git log do not unpack large files' '
	git config diff.dv.textconv "dv textconv"
	GIT_TRACE_PACKET=1 git log -p --diff-filter=M -1 -- large.bin >"$TEST_DIR/out" 2>"$TEST_DIR/trace"
	contains "$TEST_DIR/out" "a/large.bin"
	[ "$(wc -c <"$TEST_DIR/trace")" -lt 1000000 ]
	clean_tree
'

test_case 'linked work trees, sparse checkouts and archives' '
	git worktree add -q ../linked
	( cd ../linked && sha256sum -c "$TEST_DIR/side" && clean_tree )
	git worktree remove ../linked
	mkdir sub && cp large.bin sub/in.bin && git add sub && git commit -qm sub
	git sparse-checkout set --cone all
	[ ! -e sub ] && clean_tree
	git sparse-checkout disable
	same large.bin sub/in.bin
	clean_tree
	git archive HEAD | tar -xf - -C "$TEST_DIR/tmp"
	same large.bin "$TEST_DIR/tmp/large.bin"
	same small.bin "$TEST_DIR/tmp/small.bin"
	git cat-file --filters HEAD:large.bin | cmp - large.bin
'

test_case 'a clone takes the content from the remote; without one it has pointers' '
	dv remote add -d far "$TEST_DIR/far"
	git add .dv && git commit -qm remote
	git clone -q --filter=blob:none "file://$PWD" ../clone 2>&1
	cd ../clone
	git config filter.dv.process "dv filter-process"
	git config filter.dv.required true
	rm -- *.bin
	git checkout -q -- . 2>"$TEST_DIR/err"
	contains "$TEST_DIR/err" "dv pull"
	is_pointer large.bin && is_pointer small.bin
	clean_tree
	[ "$(grep -c warning "$TEST_DIR/err")" = 1 ]
'

test_case 'one git checks out several commits whose content comes from the remote' '
	git switch -q -c picks
	for n in 1 2 3; do
		content "pick$n.bin" 30000 "3$n"
		git add -A && git commit -qm "pick $n"
	done
	sha256sum pick?.bin >"$TEST_DIR/picks"
	dv push -q -A && git switch -q main
	git clone -q "file://$PWD" ../several 2>&1
	cd ../several
	git config filter.dv.process "dv filter-process"
	git config filter.dv.required true
	git cherry-pick main..origin/picks
	sha256sum -c "$TEST_DIR/picks"
	clean_tree
'

test_case 'DV_SKIP_SMUDGE leaves pointers' '
	rm small.bin large.bin
	DV_SKIP_SMUDGE=1 git checkout -q -- .
	is_pointer small.bin && is_pointer large.bin
	clean_tree
	rm small.bin large.bin
	git checkout -q -- .
	sha256sum -c "$TEST_DIR/side"
'

test_case 'outside of a dv repository git add fails and says why' '
	mkdir ../plain && cd ../plain
	git init -q
	git config filter.dv.process "dv filter-process"
	git config filter.dv.required true
	printf "*.bin filter=dv\n" >.gitattributes
	echo x >x.bin
	! git add x.bin 2>"$TEST_DIR/err" || false
	contains "$TEST_DIR/err" "dv init"
'

done_testing
