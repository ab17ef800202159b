#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Revisions, ranges and paths, by the same rules in every command.
. "$(dirname "$0")/lib.sh"

git init -q
"$DV" init -q
git commit -qm init
mkdir "$TEST_DIR/copies"
# version N: one more commit on this branch, with content of its own.
version() {
	head -c 200000 /dev/urandom | base64 >"data-$1"
	cp "data-$1" "$TEST_DIR/copies/"
	mv "data-$1" data
	"$DV" add -q data -m "$1"
	git tag "v$1"
}
for i in 1 2 3 4; do version $i; done
git switch -qc side v2
"$DV" checkout -q
version side1
version side2
git switch -q main
"$DV" checkout -q

# remote_has N…: of all versions exactly these are on the remote "r".
remote_has() {
	local want=$* has="" n
	rm -rf "$TEST_DIR/probe"
	git clone -q . "$TEST_DIR/probe"
	cp "$(git rev-parse --git-dir)/dv/config" "$TEST_DIR/probe/.git/dv-config"
	(
		cd "$TEST_DIR/probe"
		mkdir -p .git/dv
		mv .git/dv-config .git/dv/config
		"$DV" status >/dev/null 2>&1 || true
		for n in 1 2 3 4 side1 side2; do
			"$DV" cat "v$n:data" >out 2>/dev/null || continue
			cmp -s out "$TEST_DIR/copies/data-$n" || exit 1
			printf "%s " "$n"
		done
	) >"$TEST_DIR/has"
	has=$(cat "$TEST_DIR/has")
	[ "${has% }" = "$want" ] || { echo "the remote has '$has', not '$want'" >&2; return 1; }
}
# anew: an empty remote.
anew() {
	rm -rf "$TEST_DIR/r" "$TEST_DIR/r.away"
	mkdir "$TEST_DIR/r"
	"$DV" remote add -q --local -f -d r "$TEST_DIR/r" 2>/dev/null ||
		"$DV" remote add --local -f -d r "$TEST_DIR/r" >/dev/null
	rm -rf .git/dv/remotes
}

test_case 'push of a range sends the versions of all its commits' '
	anew
	"$DV" push --rev v1..v3
	remote_has 2 3
	"$DV" push --rev v3..
	remote_has 2 3 4
	"$DV" push --rev side..v1
	remote_has 2 3 4'

test_case 'a symmetric range has both sides and not what they share' '
	anew
	"$DV" push --rev main...side
	remote_has 3 4 side1 side2'

test_case 'what is left out counts for all that is named' '
	anew
	"$DV" push --rev main --rev ^v2
	remote_has 3 4
	anew
	"$DV" push -a --rev ^v3
	remote_has 4 side1 side2
	anew
	"$DV" push --rev "v?" --rev "^side"
	remote_has 3 4
	anew
	"$DV" push --rev main --rev "^refs/remotes/origin/*" --rev "^none/*"
	remote_has 1 2 3 4'

test_case 'several ranges add up' '
	anew
	"$DV" push --rev v1..v2 --rev v3..v4 --rev vside1
	remote_has 2 4 side1'

test_case 'patterns stand for branches and tags' '
	anew
	"$DV" push --rev "vside*"
	remote_has side1 side2
	must_fail 2 "$DV" push --rev "none*" 2>err
	contains err "no branch or tag matches"'

test_case 'what makes no sense is refused with a hint' '
	must_fail 129 "$DV" push --rev ^v1 2>err
	contains err "nothing tells what to take"
	contains err "hint:"
	must_fail 129 "$DV" push --rev ..
	must_fail 2 "$DV" push --rev v1..nowhere 2>err
	contains err "unknown revision"
	must_fail 129 "$DV" gc -n 2 --rev HEAD --rev ^v1'

test_case 'fetch and gc take ranges, too' '
	anew
	"$DV" push -q -A
	git reflog expire --expire=now --all
	git switch -q side
	"$DV" gc -q --rev v3..v4 --rev v2..
	git switch -q main
	for v in v4 vside1 vside2; do "$DV" cat $v:data >/dev/null; done
	mv "$TEST_DIR/r" "$TEST_DIR/r.away"
	for v in v1 v2 v3; do must_fail 2 "$DV" cat $v:data >/dev/null; done
	mv "$TEST_DIR/r.away" "$TEST_DIR/r"
	"$DV" fetch --rev v1..v3
	mv "$TEST_DIR/r" "$TEST_DIR/r.away"
	must_fail 2 "$DV" cat v1:data >/dev/null
	"$DV" cat v2:data | cmp - "$TEST_DIR/copies/data-2"
	"$DV" cat v3:data | cmp - "$TEST_DIR/copies/data-3"
	mv "$TEST_DIR/r.away" "$TEST_DIR/r"'

test_case 'a range ends where a shallow clone does' '
	git clone -q --depth 2 "file://$PWD" "$TEST_DIR/shallow"
	cd "$TEST_DIR/shallow"
	anew
	(cd "$TEST_DIR/ws" && "$DV" push -q -f --rev v3 --rev v4)
	"$DV" fetch --rev main --rev "^none/*"
	mv "$TEST_DIR/r" "$TEST_DIR/r.away"
	"$DV" cat main~1:data | cmp - "$TEST_DIR/copies/data-3"'

test_case 'paths and revisions are told apart as git does it' '
	mkdir sub
	echo x >sub/v4; echo y >other
	"$DV" add -q sub/v4 other -m paths
	"$DV" diff v1 v2 | grep data
	"$DV" diff v1..v2 | grep data
	"$DV" diff v1 v2 data | grep data
	"$DV" diff v1 v2 -- data | grep data
	"$DV" diff v1 v2 -- data | grep data
	must_fail 2 "$DV" diff v1 v2 -- other
	"$DV" diff v4 >out
	contains out "A other"
	echo z >v4
	"$DV" add -q v4
	for command in "diff v4" "ls v4" "du v4" "params diff v4" "metrics diff v4"; do
		must_fail 129 "$DV" $command 2>err
		contains err "is both a revision and a path"
		contains err "--"
	done
	"$DV" ls -- v4 >out
	contains out v4
	"$DV" ls v4 -- >out
	lacks out v4
	contains out data
	"$DV" diff v4 -- | grep other
	"$DV" du v4 -- data >out
	contains out data
	"$DV" ls v3 data >out
	must_fail 2 "$DV" diff nowhere 2>err
	contains err "neither tracked nor a revision"
	must_fail 129 "$DV" diff v1 v2 v3 --
	git rm -qf --cached v4.dv
	rm v4 v4.dv'

test_case 'checkout of a revision keeps unsaved work and says what it leaves' '
	"$DV" checkout -q
	"$DV" fetch -q --rev v3
	cp data.dv "$TEST_DIR/pointer"
	"$DV" checkout --rev v3 data >out 2>&1
	contains out "pointers stay as they are"
	same data "$TEST_DIR/copies/data-3"
	same data.dv "$TEST_DIR/pointer"
	"$DV" status | grep modified
	"$DV" checkout -q
	same data "$TEST_DIR/copies/data-4"
	echo unsaved >data
	must_fail 2 "$DV" checkout --rev v3 data 2>err
	[ "$(cat data)" = unsaved ]
	must_fail 2 "$DV" checkout --rev v1..v2 data 2>err
	contains err "unknown revision"
	"$DV" checkout -q -f
	git clone -q . "$TEST_DIR/bare-cache"
	cd "$TEST_DIR/bare-cache"
	must_fail 2 "$DV" checkout --rev v2 data 2>err
	contains err "dv fetch --rev v2"'

done_testing
