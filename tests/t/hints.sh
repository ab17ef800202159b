# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# What somebody who is new meets: each mistake is named, with the command that leads on.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir d code && printf one >d/a && printf two >d/b && printf x >file && printf y >code/y
git add code && git commit -qm code
"$DV" add -q d file && git commit -qm data

test_case 'names that other programs use lead to the command' '
	for pair in list:ls rm:remove mv:move; do
		must_fail 129 $DV "${pair%:*}" 2>err
		contains err "did you mean '"'"'${pair#*:}'"'"'"
	done
	must_fail 129 $DV nope 2>err
	lacks err "did you mean"'

test_case 'add of the workspace, of a pattern, of what is gone, of what git has' '
	must_fail 129 $DV add . 2>err
	contains err "cannot track the workspace itself"
	must_fail 2 $DV add "*.csv" 2>err
	contains err "hint: with '"'--glob'"'"
	mv file kept
	must_fail 2 $DV add file 2>err
	contains err "dv checkout file"
	mv kept file
	must_fail 2 $DV add code 2>err
	contains err "git rm -r --cached code"
	ln -s d through
	for bad in nothing through/a .git .dv/config; do
		must_fail 2 $DV add "$bad" 2>err
		contains err "hint: "
	done
	rm through
	must_fail 129 $DV add .gitignore 2>err
	contains err "git add .gitignore"
	must_fail 2 $DV remote default --unset 2>err
	contains err "dv config -l --show-origin"'

test_case 'new outputs may not lie in each other' '
	mkdir -p n/m
	printf 1 >n/m/f
	for order in "n n/m/f" "n/m/f n"; do
		must_fail 2 $DV add $order 2>err
		contains err "n/m/f"
		[ ! -e n.dv ]
		[ ! -e n/m/f.dv ]
	done
	$DV add -q d d/a
	rm -r n'

test_case 'a revision where a path belongs, and the other way round' '
	must_fail 2 $DV checkout HEAD 2>err
	contains err "git checkout REV"
	refused $DV diff HEAD code 2>err
	contains err "'"'code'"' is not tracked"'

test_case 'move and remove say what to commit, and what can be moved' '
	must_fail 2 $DV move d/a d/z 2>err
	contains err "part of the output '"'d'"'"
	contains err "dv add d"
	$DV move file other 2>err
	contains err "hint: commit '"'other.dv'"' with git"
	$DV move --no-stage other file 2>err
	contains err "hint: stage and commit '"'file.dv'"' with git"
	$DV move -q file other 2>err
	[ ! -s err ]
	$DV move -q other file
	cp file kept
	$DV remove file 2>err
	contains err "hint: commit the removal with git"
	git reset -q --hard
	mv kept file
	$DV status -q'

test_case 'a remote that is not the default, or is no folder' '
	$DV remote add only "$TEST_DIR/gone" 2>err
	must_fail 2 $DV push 2>err
	contains err "dv remote default NAME"
	$DV remote default only 2>err
	contains err "hint: commit '"'.dv/config'"' with git"
	$DV remote add far gopher://host/path 2>err
	contains err "warning: this dv cannot reach '"'gopher'"' URLs"
	must_fail 2 $DV push -r far 2>err
	contains err "cannot reach '"'gopher'"' URLs"
	contains err "hint: "
	must_fail 129 $DV remote modify only nothing x 2>err
	contains err "'"'dv help remote'"'"'

test_case 'a remote whose folder is not there' '
	$DV push -q
	git commit -qam remote
	git clone -q . ../clone
	cd ../clone
	mv "$TEST_DIR/gone" "$TEST_DIR/away"
	$DV status --remote >out 2>err
	contains err "empty or not there"
	must_fail 2 $DV pull 2>err
	contains err "empty or not there"
	contains err "mounted"
	mv "$TEST_DIR/away" "$TEST_DIR/gone"'

test_case 'after a partial pull nobody is told to record what was not pulled' '
	cd ../clone
	$DV pull -q d/a
	$DV status 2>err
	contains err "dv pull"
	lacks err "dv commit"
	printf new >d/new
	$DV status 2>err
	contains err "'"'dv add FILE'"'"
	rm d/new
	$DV pull -q
	$DV status -q'

test_case 'the shell offers the names of remotes' '
	$DV completion bash >dv.bash
	bash -c '"'"'
		. ./dv.bash
		COMP_WORDS=(dv push -r o) COMP_CWORD=3
		_dv && [ "${COMPREPLY[*]-}" = only ] || exit 1
		COMP_WORDS=(dv remote remove "") COMP_CWORD=3
		_dv && [ "${COMPREPLY[*]-}" = "only far" ] || exit 2
	'"'"'
	rm dv.bash'

test_case 'a repository of another user is used when git would use it' '
	[ "$(id -u)" -eq 0 ] || exit 0
	cp -R . ../theirs
	cd ../theirs
	chown -R 65534 .
	must_fail 2 $DV diff 2>err
	contains err "belongs to another user"
	git config --global --add safe.directory "*"
	$DV diff
	git config --global --unset-all safe.directory'

test_case 'the keys of version --json have no blanks' '
	$DV version --json >out
	contains out "\"store_format\""
	[ "$($DV -v version | grep -c "^dv ")" -eq 1 ]'

test_case 'a remote that is named must be there, and so must a file' '
	for command in fetch pull "fetch --dry"; do
		must_fail 2 $DV $command -r nowhere 2>err
		contains err "dv remote list"
	done
	must_fail 2 $DV fetch d/nothing 2>err
	contains err "hint: "'

test_case 'what is spoiled says how to mend it' '
	for text in garbage "outs: [" "outs: []" "outs: [{path: a, oid: 1, size: 1}]"; do
		echo "$text" >bad.dv
		must_fail 12 $DV status 2>err
		contains err "git checkout -- bad.dv"
	done
	rm bad.dv
	printf 1 >taken
	must_fail 2 $DV move d taken 2>err
	contains err "hint: choose another name"
	$DV add -q taken
	must_fail 129 $DV move taken d/in 2>err
	contains err "hint: an output cannot"
	for file in dv-store.json log/000000000001; do
		cp .git/dv/cache/$file saved
		echo "{" >.git/dv/cache/$file
		must_fail 12 $DV status 2>err
		contains err "hint: "
		lacks err "fsck"
		cp -f saved .git/dv/cache/$file
	done
	rm saved
	$DV status'

test_case 'a repository of its own for what else a newcomer meets' '
	cd "$TEST_DIR" && git init -q other && cd other && $DV init -q && $DV track -q "*.bin"
	mkdir d && printf hello >a.bin && printf 1 >d/f && printf 1 >f && printf x >"$TEST_DIR/src"
	$DV add -q d f && git add . && git commit -qm one && git tag v1
	printf other >a.bin
	refused $DV checkout a.bin 2>err
	contains err "was changed here"
	contains err "dv checkout -f a.bin"
	$DV checkout -q -f a.bin
	[ "$(cat a.bin)" = hello ]
	printf 2 >d/f && $DV add -q d && git commit -qam two
	refused $DV diff v1:f HEAD:f 2>err
	contains err "v1 [REV] -- f"
	mv .git/dv/cache kept
	$DV status >/dev/null 2>err
	contains err "git add --renormalize PATH"
	$DV add -q d
	$DV status >out
	lacks out "d: not in cache"
	must_fail 2 $DV cat v1:f 2>err
	contains err "dv fetch --rev v1 f"
	refused $DV diff v1 HEAD 2>err
	contains err "dv fetch --rev v1 --rev HEAD d"
	rm -rf .git/dv/cache && mv kept .git/dv/cache
	mkdir -p .git/dv/saved/filter-1
	must_fail 1 $DV doctor >out 2>err
	contains out "left by commands that were cut short"
	rm -r .git/dv/saved'

test_case 'a work tree that is not checked out, ids of SHA-256' '
	cd "$TEST_DIR" && git clone -q --no-checkout other bare-tree && cd bare-tree
	refused $DV status 2>err
	contains err "git checkout"
	lacks err "dv init"
	git init -q --object-format=sha256 ../long && cp -r ../other/.dv ../long && cd ../long
	refused $DV ls HEAD 2>err
	contains err "SHA-1"'

test_case 'taking over makes a repository, and --dry says so' '
	git init -q "$TEST_DIR/lfs" && cd "$TEST_DIR/lfs"
	printf "*.x filter=lfs diff=lfs merge=lfs -text\n" >.gitattributes && git add .
	refused $DV import-lfs --dry 2>err
	contains err "without '"'--dry'"'"
	[ ! -e .dv ]
	$DV import-lfs -q
	[ -e .dv/config ]'

test_case 'a dead host is named, and asked once; ssh says why' '
	cd "$TEST_DIR/other"
	for n in x y; do
		$DV import-url -q "$TEST_DIR/src" $n
		sed -i "s,url: .*,url: \"http://127.0.0.1:9/$n\"," $n.dv
	done
	refused env DV_REMOTE_FAULT=quick $DV update 2>err
	contains err "http://127.0.0.1:9"
	contains err "did not answer before"
	lacks err "'"'source'"'"
	refused env GIT_SSH_COMMAND="echo me: Permission denied >&2; exit 255; :" \
		$DV get ssh://me@h/x y2 2>err
	contains err "me: Permission denied"'

done_testing
