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
	printf "#!/bin/sh\n" >d/run && chmod +x d/run
	ln -s sub/nothing d/dangling
	printf 5 >"d/sub/q\"\\"
	$DV add d >out
	contains out "d: 7 files, "
	cp -a d want && rm -rf d && $DV checkout d
	same want d
	[ -x d/run ] && [ ! -x d/-dash ] && [ -d d/empty ]
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
	rm -- "$n" && $DV checkout "$n" && [ "$(cat -- "$n")" = y ]'

test_case 'a file inside a tracked directory updates the directory' '
	printf changed >d/-dash
	$DV add d/-dash >out
	[ ! -e d/-dash.dv ]
	$DV status >out && contains out "up to date"'

test_case '-m commits with git' '
	printf v1 >m && $DV add -m "add m" m
	[ "$(git log -1 --format=%s)" = "add m" ]
	[ -n "$(git ls-tree HEAD m.dv)" ]
	[ -z "$(git status --porcelain -uno)" ]'

test_case '--no-stage leaves the index alone' '
	printf v1 >n && $DV add --no-stage n
	git status --porcelain >out
	contains out "?? n.dv"'

test_case '--glob takes patterns, and without it they are names' '
	printf 1 >p1.csv && printf 2 >p2.csv && printf 3 >p3.txt
	must_fail 2 $DV add "p*.csv"
	$DV add --glob "p*.csv"
	[ -f p1.csv.dv ] && [ -f p2.csv.dv ] && [ ! -e p3.txt.dv ]'

test_case 'what cannot be added is refused by name' '
	must_fail 2 $DV add nothing 2>err && contains err "nothing"
	refused $DV add /etc/hostname 2>err && contains err "/etc/hostname"
	mkdir s && mkfifo s/pipe
	refused $DV add s 2>err && contains err "s/pipe" && [ ! -e s.dv ]
	must_fail 129 $DV add
	refused $DV add .git 2>err
	$DV add f.txt.dv >out && contains out "f.txt: unchanged" && [ ! -e f.txt.dv.dv ]'

test_case 'commit records every changed output' '
	printf new >f.txt && printf more >d/more
	$DV commit >out
	contains out "f.txt: 3 B recorded"
	contains out "d: 8 files"
	$DV status >out && contains out "up to date"
	$DV commit f.txt >out && contains out "f.txt: unchanged"'

test_case '--json holds one document with the outputs' '
	printf json >"$(printf "j\377")"
	$DV add --json "$(printf "j\377")" >out 2>err
	[ ! -s err ]
	python3 - <<-"END"
	import json
	o = json.load(open("out"))["outputs"]
	assert len(o) == 1 and o[0]["size"] == 4 and o[0]["changed"] is True
	assert bytes.fromhex(o[0]["path_hex"]) == b"j\xff"
	assert len(o[0]["oid"]) == 64
	END'

test_case '-q says nothing' '
	printf q >q && $DV add -q q >out 2>err
	[ ! -s out ] && [ ! -s err ]'

done_testing
