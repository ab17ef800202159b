# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Targets: patterns, and names that dv does not know, for every command that takes them.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q && git commit -qm start
printf '%s\n' /out /err >>.git/info/exclude

# added PATTERN…: what 'dv add --glob' takes, one name a line, sorted; nothing stays tracked.
added() {
	"$DV" add --glob -- "$@" >/dev/null || return 1
	git ls-files --cached '*.dv' | sort | sed 's/\.dv$//'
	git reset -q --hard
}

test_case 'add --glob: *, ? and [] stay within a folder' '
	mkdir -p g/a/b g/.hidden g/c
	for f in g/1.csv g/2.csv g/10.csv g/x.txt g/a/3.csv g/a/b/4.csv g/.hidden/5.csv g/.6.csv \
		g/c/7.csv; do echo "$f" >"$f"; done
	[ "$(added "g/*.csv")" = "g/1.csv
g/10.csv
g/2.csv" ]
	[ "$(added "g/?.csv")" = "g/1.csv
g/2.csv" ]
	[ "$(added "g/[1x]*")" = "g/1.csv
g/10.csv
g/x.txt" ]
	[ "$(added "g/[!1]?csv")" = "g/2.csv" ]
	[ "$(added "g/?/*.csv")" = "g/a/3.csv
g/c/7.csv" ]'

test_case 'add --glob: ** crosses folders, and what lies in a match is not named again' '
	[ "$(added "g/**/*.csv")" = "g/1.csv
g/10.csv
g/2.csv
g/a/3.csv
g/a/b/4.csv
g/c/7.csv" ]
	[ "$(added "**/4.csv")" = "g/a/b/4.csv" ]
	[ "$(added "**/[ab]")" = "g/a" ]
	[ "$(added "g/*/")" = "g/a
g/c" ]
	[ "$(added "g/**/.*.csv" "g/.hidden/*")" = "g/.6.csv
g/.hidden/5.csv" ]'

test_case 'add --glob: folders before the pattern are taken as any path' '
	cd g/c
	$DV add --glob "../a/*.csv" "$PWD/?.csv"
	[ -f ../a/3.csv.dv ]
	[ -f 7.csv.dv ]
	cd ../..
	git reset -q --hard
	ln -s a g/link
	must_fail 2 $DV add --glob "g/link/*.csv" 2>err
	contains err "nothing matches"
	must_fail 2 $DV add --glob "/etc/host*" 2>err
	contains err "outside the workspace"
	rm g/link'

test_case 'add --glob: what is ignored and pointers do not match' '
	printf "g/2.csv\n" >>.dvignore
	$DV add --glob "g/*.csv"
	[ ! -e g/2.csv.dv ]
	$DV add --glob "g/*.csv*"
	[ ! -e g/1.csv.dv.dv ]
	git reset -q --hard'

test_case 'add --glob: nothing matches, with a hint; a backslash takes a character as it is' '
	must_fail 2 $DV add --glob "g/*.nothing" 2>err
	contains err "nothing matches '"'g/*.nothing'"'"
	contains err "hint: "
	must_fail 2 $DV add --glob "g/{1,2}.*" 2>err
	contains err "braces are not expanded"
	must_fail 2 $DV add --glob "g/1.csv" "g/*.nothing"
	[ ! -e g/1.csv.dv ]
	printf star >"g/a*b"
	printf no >g/aXb
	[ "$(added "g/a\\*?")" = "g/a*b" ]
	rm "g/a*b" g/aXb'

test_case 'a tracked directory: the pattern finds files inside it' '
	rm -rf g/.hidden g/.6.csv
	$DV add g
	printf l >lone
	mkdir exp
	printf m >exp/model.bin
	printf n >exp/notes.bin
	$DV add lone exp/model.bin exp/notes.bin
	git commit -qm tracked
	rm g/1.csv g/a/3.csv lone exp/model.bin
	$DV checkout --glob "g/**/*.csv" >out
	[ -f g/1.csv ]
	[ -f g/a/3.csv ]
	[ ! -e lone ]
	$DV checkout --glob "l*" "exp/m*"
	[ -f lone ]
	[ -f exp/model.bin ]
	rm g/1.csv g/x.txt exp/model.bin
	$DV checkout --glob "g/*.txt"
	[ -f g/x.txt ]
	[ ! -e g/1.csv ]
	$DV checkout --glob "e*"
	[ -f exp/model.bin ]
	cd g
	$DV checkout --glob "?.csv"
	[ -f 1.csv ]'

test_case 'status and commit take patterns, also over what is new in a directory' '
	printf new >g/new.csv
	printf new >g/new.txt
	printf changed >lone
	$DV status --glob "g/*.csv" >out
	contains out "g/new.csv"
	lacks out "g/new.txt"
	lacks out "lone"
	$DV status --glob "exp/*" >out
	contains out "up to date"
	$DV commit --glob "g/n*.csv" >out
	$DV status >out
	lacks out "new.csv"
	contains out "new.txt"
	rm g/new.csv g/new.txt
	$DV checkout -f lone
	$DV commit'

test_case 'push, fetch and pull take patterns, also of what is not here yet' '
	mkdir ../store
	$DV remote add -d origin ../store
	git commit -qam remote
	$DV push --glob "g/a/*" "l*" >out
	must_fail 2 $DV push --glob "none*" 2>err
	contains err "nothing that is tracked matches"
	contains err "hint: "
	git clone -q . ../clone
	cd ../clone
	$DV fetch --glob "l*"
	$DV checkout lone
	[ -f lone ]
	$DV pull --glob "g/**/3.csv"
	[ "$(find g -type f)" = g/a/3.csv ]
	$DV status --glob "g/a/3*" >out
	cd ../ws
	$DV push
	cd ../clone
	$DV pull --glob "g/*.csv" "**/model*"
	[ -f g/10.csv ]
	[ ! -e g/x.txt ]
	[ -f exp/model.bin ]
	[ ! -e exp/notes.bin ]
	must_fail 2 $DV pull --glob "g/*.none" 2>err
	contains err "nothing that is tracked matches"
	$DV pull
	same g ../ws/g'

test_case 'an unknown target is an error with a hint everywhere' '
	printf here >untracked
	for c in status checkout push fetch pull commit "diff --" "ls --" cat; do
		must_fail 2 $DV $c untracked >out 2>err
		contains err "'"'untracked' is not tracked by dv"'"
		contains err "hint: "
		must_fail 2 $DV $c g/nothing >out 2>err
		contains err "nothing"
		must_fail 2 $DV $c lone/below >out 2>err
		contains err "'"'lone' is a file, so there is no"'"
	done
	for c in status checkout commit "diff --" "diff HEAD --"; do
		must_fail 2 $DV $c untracked >out 2>err
		contains err "run '"'dv add untracked'"'"
		must_fail 2 $DV $c nowhere >out 2>err
		contains err "run '"'dv ls'"'"
		must_fail 2 $DV $c g lone untracked >out 2>err
		must_fail 2 $DV $c g/nothing >out 2>err
		contains err "there is no '"'nothing' in the output 'g'"'"
	done
	must_fail 2 $DV diff HEAD HEAD -- untracked 2>err
	contains err "is not tracked by dv"
	must_fail 2 $DV diff HEAD~1 HEAD -- g/nothing 2>err
	must_fail 2 $DV ls untracked 2>err
	contains err "is not tracked by dv"
	must_fail 2 $DV ls nowhere 2>err
	contains err "neither tracked nor a revision"'

test_case 'known targets go on working: new and deleted files inside, one side of a diff' '
	printf new >g/fresh
	$DV status g/fresh >out
	contains out "g/fresh"
	$DV diff -- g/fresh >out
	contains out "A g/fresh"
	rm g/fresh g/x.txt
	$DV diff -- g/x.txt >out
	contains out "D g/x.txt"
	$DV checkout g/x.txt
	$DV remove exp/notes.bin
	git commit -qam "no notes"
	$DV diff HEAD~1 HEAD -- exp/notes.bin >out
	contains out "D exp/notes.bin"
	$DV diff HEAD~1 -- exp >out
	contains out "D exp/notes.bin"
	$DV status . exp >out
	contains out "up to date"'

test_case 'status --remote asks for its targets only' '
	$DV remote add two ../two
	printf more >lone
	$DV add lone
	$DV status --remote -r two g >out
	contains out "g: not in remote"
	lacks out "lone"'

done_testing
