# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv add and commit: what is recorded, what is said, what git sees.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q && git commit -qm start
# What the cases themselves write.
printf '%s\n' /out /err /want >>.git/info/exclude

test_case 'a file becomes a pointer, an ignore line and staged changes' '
	printf hello >f.txt
	$DV add f.txt >out 2>err
	contains out "f.txt: 5 B recorded ("
	contains err "hint: commit '"'f.txt.dv'"' with git"
	contains .gitignore "/f.txt"
	contains f.txt.dv "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	[ "$(git status --porcelain)" = "A  .gitignore
A  f.txt.dv" ]
	git commit -qm f'

test_case 'adding again without a change says unchanged' '
	$DV add f.txt >out 2>err
	contains out "f.txt: unchanged"
	[ ! -s err ]
	[ -z "$(git status --porcelain)" ]'

test_case 'a directory of strange names, links, modes and empty folders' '
	mkdir -p "d/a b" d/empty d/sub
	printf 1 >"d/a b/x"
	printf 2 >"d/$(printf "new\nline")"
	printf 3 >"d/$(printf "bad\377")"
	printf 4 >d/-dash
	printf "#!/bin/sh\n" >d/run
	chmod +x d/run
	ln -s sub/nothing d/dangling
	printf 5 >"d/sub/q\"\\"
	$DV add d >out
	contains out "d: 7 files, "
	cp -a d want
	rm -rf d
	$DV checkout d
	same want d
	[ -x d/run ]
	[ ! -x d/-dash ]
	[ -d d/empty ]
	[ "$(readlink d/dangling)" = sub/nothing ]'

test_case 'a target that begins with a dash stands behind --' '
	printf x >-file
	must_fail 129 $DV add -file
	$DV add -- -file
	[ -f ./-file.dv ]'

test_case 'names of targets may hold any bytes' '
	n=$(printf "two\nlines \351"); printf y >"$n"
	$DV add "$n" >out
	contains out "\"two\\nlines \\351\": 1 B recorded"
	[ -f "$n.dv" ]
	rm -- "$n"
	$DV checkout "$n"
	[ "$(cat -- "$n")" = y ]'

test_case 'a file inside a tracked directory updates the directory' '
	printf changed >d/-dash
	$DV add d/-dash >out
	[ ! -e d/-dash.dv ]
	$DV status >out
	contains out "up to date"'

test_case '-m commits with git' '
	git add -A
	git commit -qm "so far"
	printf v1 >m
	$DV add -m "add m" m
	[ "$(git log -1 --format=%s)" = "add m" ]
	[ "$(git show --name-only --format= HEAD)" = ".gitignore
m.dv" ]
	[ -z "$(git status --porcelain -uno)" ]
	git fsck --strict'

test_case '-m commits what it wrote and leaves the rest staged' '
	printf staged >code.txt
	git add code.txt
	printf v2 >m
	$DV add -m "m again" m
	[ "$(git show --name-only --format= HEAD)" = m.dv ]
	[ "$(git status --porcelain -uno)" = "A  code.txt" ]
	printf "# mine\n" >>.gitignore
	git add .gitignore
	printf "# not staged\n" >>.gitignore
	printf v3 >m
	$DV add -m "m once more" m
	[ "$(git show --name-only --format= HEAD)" = m.dv ]
	[ "$(git status --porcelain -uno)" = "MM .gitignore
A  code.txt" ]
	git reset -q --hard'

test_case '-m without a change makes no commit' '
	before=$(git rev-parse HEAD)
	$DV add -m "nothing" m
	[ "$(git rev-parse HEAD)" = "$before" ]
	printf v4 >m
	$DV add m
	$DV add -m "was staged before" m
	[ "$(git log -1 --format=%s)" = "was staged before" ]
	[ -z "$(git status --porcelain -uno)" ]'

test_case '-m after --no-stage commits pointer and ignore line' '
	printf v1 >late
	$DV add --no-stage late
	$DV add -m "late" late
	[ "$(git show --name-only --format= HEAD)" = ".gitignore
late.dv" ]'

test_case '-m makes the first commit, of nothing but its own files' '
	mkdir ../first
	cd ../first
	git init -q .
	$DV init -q
	printf 1 >data
	$DV add -m "first" data
	[ "$(git rev-list --count HEAD)" = 1 ]
	[ "$(git show --name-only --format= HEAD)" = ".gitignore
data.dv" ]
	[ "$(git status --porcelain -uno)" = "A  .dv/config
A  .dvignore" ]'

test_case '-m on a detached HEAD and in a linked work tree' '
	cd ../first
	git commit -qm settings
	git checkout -q --detach
	printf 2 >data
	$DV add -m "detached" data
	[ "$(git log -1 --format=%s)" = detached ]
	[ "$(git log -1 --format=%s main)" = settings ]
	git worktree add -q ../linked main
	cd ../linked
	printf other >other
	git add other
	printf 3 >data
	$DV add -m "linked" data
	[ "$(git log -1 --format=%s main)" = linked ]
	[ "$(git show --name-only --format= main)" = data.dv ]
	[ "$(git status --porcelain -uno)" = "A  other" ]
	[ "$(git -C ../first log -1 --format=%s)" = detached ]
	[ -z "$(git -C ../first status --porcelain -uno)" ]'

test_case '-m in a subdirectory, and in the middle of a merge' '
	cd ../first
	mkdir -p sub
	cd sub
	printf s >s
	$DV add -m "in sub" s
	[ "$(git show --name-only --format= HEAD)" = "sub/.gitignore
sub/s.dv" ]
	cd ..
	top=$(git rev-parse HEAD)
	git checkout -q -b side HEAD~1
	printf x >x
	git add x
	git commit -qm x
	git merge -q --no-commit --no-ff "$top"
	printf 9 >data
	must_fail 2 $DV add -m "no" data 2>err
	contains err "in the middle of a merge"'

test_case '--no-stage leaves the index alone' '
	printf v1 >n
	$DV add --no-stage n
	git status --porcelain >out
	contains out "?? n.dv"'

test_case '--glob takes patterns, and without it they are names' '
	printf 1 >p1.csv
	printf 2 >p2.csv
	printf 3 >p3.txt
	must_fail 2 $DV add "p*.csv"
	$DV add --glob "p*.csv"
	[ -f p1.csv.dv ]
	[ -f p2.csv.dv ]
	[ ! -e p3.txt.dv ]'

test_case 'what cannot be added is refused by name' '
	must_fail 2 $DV add nothing 2>err
	contains err "nothing"
	refused $DV add /etc/hostname 2>err
	contains err "/etc/hostname"
	mkdir s
	mkfifo s/pipe
	refused $DV add s 2>err
	contains err "s/pipe"
	[ ! -e s.dv ]
	must_fail 129 $DV add
	refused $DV add .git 2>err
	$DV add f.txt.dv >out
	contains out "f.txt: unchanged"
	[ ! -e f.txt.dv.dv ]'

test_case 'of a git repository in the data all but its .git is recorded, and that is said' '
	git init -q got/inner && echo 1 >got/inner/f
	"$DV" add got >out 2>err
	contains err "got/inner"
	contains err "is not recorded"
	contains out "1 file"
	"$DV" status >out 2>err
	[ ! -s err ]
	"$DV" remove -q --outs got.dv
	[ -d got/inner/.git ]
	rm -rf got'

test_case 'commit records every changed output' '
	printf new >f.txt
	printf more >d/more
	$DV commit >out
	contains out "f.txt: 3 B recorded"
	contains out "d: 8 files"
	$DV status >out
	contains out "up to date"
	$DV commit f.txt >out
	contains out "f.txt: unchanged"'

test_case '--json holds one document with the outputs' '
	printf json >"$(printf "j\377")"
	$DV add --json "$(printf "j\377")" >out 2>err
	[ ! -s err ]
	python3 - <<-"END"
	import json
	o = json.load(open("out"))["outputs"]
	assert len(o) == 1 and o[0]["size"] == 4 and o[0]["changed"] is True
	assert bytes.fromhex(o[0]["path_hex"]) == b"j\xff"
	assert len(o[0]["oid"]) == 71 and o[0]["oid"].startswith("sha256:")
	END'

test_case '-q says nothing' '
	printf q >q
	$DV add -q q >out 2>err
	[ ! -s out ]
	[ ! -s err ]'

test_case '.gitignore keeps its mode' '
	mkdir modes && printf "/old\n" >modes/.gitignore && chmod 600 modes/.gitignore
	echo m >modes/m && $DV add -q modes/m
	contains modes/.gitignore /m
	[ "$(stat -c %a modes/.gitignore)" = 600 ]'

done_testing
