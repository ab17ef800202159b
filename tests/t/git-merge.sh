#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Merging pointers, lock files and ignore files with the real git; settling what is in conflict.
. "$(dirname "$0")/lib.sh"

command -v python3 >/dev/null || { echo "1..0 # SKIP no python3"; exit 0; }

# repository: a new one in the folder, with the drivers and a dataset of some files in data/.
repository() {
	git init -q "$TEST_DIR/$1"
	cd "$TEST_DIR/$1"
	"$DV" init -q
	git commit -qm init
	git config merge.dv.name dv
	git config merge.dv.driver "dv merge-driver %O %A %B %L %P"
	git config diff.dv.textconv "dv textconv"
	mkdir -p .git/info
	printf '*.dv diff=dv merge=dv\ndv.lock merge=dv\n.gitignore merge=dv\n' >.git/info/attributes
	mkdir -p data/sub/deep
	for i in 1 2 3 4 5; do echo "file $i" >data/$i; done
	echo one >data/sub/one
	echo two >data/sub/two
	echo deep >data/sub/deep/x
	"$DV" add -q data -m base
}
# branch NAME COMMANDS: a branch from main where COMMANDS were done to the data.
branch() {
	git switch -q "${3:-main}"
	"$DV" checkout -q
	git switch -qc "$1"
	eval "$2"
	"$DV" add -q data -m "$1"
}
# on NAME
on() {
	git switch -q "$1"
	"$DV" checkout -q -f
}
# names: the files of the dataset as the pointer has them, with their content.
names() {
	"$DV" checkout -q -f
	(cd data && find . -mindepth 1 \( -type f -printf "%P %m " -exec head -c 40 {} \; \) -o \
		-type l -printf "%P -> %l\n" -o -type d -empty -printf "%P/\n" | sort)
}

test_case 'what each side changed is merged, and git commits it' '
	repository clean
	branch ours "echo ours >data/1; rm data/2; echo new >data/sub/o; chmod +x data/sub/one"
	branch theirs "echo theirs >data/3; rm data/sub/deep/x; echo new >data/t; ln -s 1 data/link
		echo changed >data/sub/one; echo same >data/5"
	on ours
	echo same >data/5
	"$DV" add -q data -m more
	git merge -q -m merged theirs
	names >is
	cat >want <<-EOF
	1 644 ours
	3 644 theirs
	4 644 file 4
	5 644 same
	link -> 1
	sub/deep/
	sub/o 644 new
	sub/one 755 changed
	sub/two 644 two
	t 644 new
	EOF
	same is want
	"$DV" status -q
	"$DV" fsck
	git diff --exit-code HEAD'

test_case 'conflicts are named, stay in the pointer, and are settled one by one' '
	repository clash
	branch ours "echo ours >data/1; rm data/2; echo a >data/new; rm -r data/sub/deep; echo o >data/4"
	branch theirs "echo theirs >data/1; echo changed >data/2; echo b >data/new
		echo changed >data/sub/deep/x; echo clean >data/3; rm data/4; mkdir data/4; echo d >data/4/d"
	on ours
	git tag begin
	must_fail 1 git merge -q theirs 2>err
	for line in "data/1: changed on both sides" "data/2: deleted by us, changed by them" \
		"data/new: added on both sides" "data/sub/deep/x: deleted by us" \
		"data/4: of another kind on each side"; do
		contains err "conflict in $line"
	done
	lacks err "data/3"
	contains err "dv resolve"
	# It is told again in the same words.
	sed -n "s/^warning: conflict in //p" err | sort >told
	"$DV" resolve 2>/dev/null | sort >again
	same told again
	contains data.dv "<<<<<<< ours"
	contains data.dv ">>>>>>> theirs"
	git status --porcelain | grep "^UU data.dv"
	# No command takes it for a pointer.
	for command in "status" "checkout" "push" "commit" "gc -w" "diff" "ls" "add data" "repro"; do
		refused "$DV" $command 2>err
		contains err "has conflict markers"
		contains err "dv resolve --ours data.dv"
	done
	"$DV" resolve >out
	[ "$(grep -c "^data" out)" = 5 ]
	for line in "data/1: changed on both sides" "data/2: deleted by us, changed by them" \
		"data/new: added on both sides" "data/sub/deep/x: deleted by us" \
		"data/4: of another kind on each side"; do
		contains out "$line"
	done
	"$DV" resolve --theirs data/1 data/sub >out
	contains out "3 conflicts are left"
	contains data.dv "<<<<<<< ours"
	"$DV" resolve --json >out
	python3 -c "import json; assert sorted(c[\"path\"] for c in json.load(open(\"out\"))) == [
		\"data/2\", \"data/4\", \"data/new\"]"
	must_fail 2 "$DV" resolve --theirs data/1 2>err
	contains err "not in conflict"
	"$DV" resolve --ours data/2 data/new
	"$DV" resolve --theirs data/4
	lacks data.dv "<<<<"
	git diff --cached --name-only --diff-filter=U | grep . && exit 1
	git commit -qm merged
	names >is
	cat >want <<-EOF
	1 644 theirs
	3 644 clean
	4/d 644 d
	5 644 file 5
	new 644 a
	sub/deep/x 644 changed
	sub/one 644 one
	sub/two 644 two
	EOF
	same is want
	"$DV" fsck'

test_case 'a side is taken of all, or the pointer of git as it was' '
	cd "$TEST_DIR/clash"
	git reset -q --hard begin
	"$DV" checkout -q -f
	must_fail 1 git merge -q theirs
	"$DV" resolve --theirs data
	git commit -qm merged
	names | grep "^3 644 clean"
	names | grep "^new 644 b"
	git reset -q --hard begin
	"$DV" checkout -q -f
	must_fail 1 git merge -q theirs
	git checkout -q --theirs data.dv
	git add data.dv
	git commit -qm merged
	git diff --exit-code theirs -- data.dv'

test_case 'without the driver git leaves a conflict, and resolve merges first' '
	cd "$TEST_DIR/clash"
	git reset -q --hard begin
	"$DV" checkout -q -f
	mv .git/info/attributes attributes
	must_fail 1 git merge -q theirs
	lacks data.dv "by dv"
	"$DV" resolve --ours data/1 data/2 data/4 data/new data/sub
	git commit -qm merged
	names | grep "^3 644 clean"
	mv attributes .git/info/'

test_case 'rebase, cherry-pick, revert and stash go through the driver' '
	repository ops
	branch one "echo one >data/1"
	branch two "echo two >data/2" 
	branch three "echo three >data/3; rm data/sub/two" two
	git rebase -q one
	names | tr "\n" " " >is
	contains is "1 644 one 2 644 two 3 644 three"
	on main
	git cherry-pick three >/dev/null
	names | tr "\n" " " >is
	contains is "1 644 file 1 2 644 file 2 3 644 three"
	echo four >data/4
	"$DV" add -q data -m four
	git revert --no-edit HEAD~1 >/dev/null
	names | tr "\n" " " >is
	contains is "3 644 file 3 4 644 four"
	lacks is "three"
	contains is "sub/two"
	echo stashed >data/5
	"$DV" add -q data
	git stash -q
	"$DV" checkout -q -f
	git merge -q -m m one
	git stash pop -q
	names | tr "\n" " " >is
	contains is "1 644 one"
	contains is "5 644 stashed"'

test_case 'criss-cross merges' '
	repository criss
	branch a "echo a >data/1"
	branch b "echo b >data/1"
	on a
	git merge -q b || { "$DV" resolve --ours data && git commit -qm ab; }
	git branch ab
	on b
	git merge -q a~1 2>/dev/null || git merge -q a^1 || { "$DV" resolve --theirs data; git commit -qm ba; }
	"$DV" checkout -q
	echo t >data/2
	"$DV" add -q data -m t
	on ab
	echo o >data/3
	"$DV" add -q data -m o
	# Both sides settled it alike: what the ancestors disagreed about is no conflict.
	git merge -q -m done b
	names | tr "\n" " " >is
	contains is "1 644 a 2 644 t 3 644 o"'

test_case 'both sides add a dataset' '
	repository added
	git switch -qc x
	mkdir more
	echo 1 >more/a; echo s >more/same
	echo x >only-x
	"$DV" add -q more only-x -m x
	git switch -q main
	"$DV" checkout -q
	rm -rf more
	git switch -qc y
	mkdir more
	echo 2 >more/b; echo s >more/same
	echo y >only-y
	"$DV" add -q more only-y -m y
	git merge -q -m merged x
	"$DV" checkout -q
	[ "$(cat more/a more/b more/same | tr "\n" " ")" = "1 2 s " ]
	[ "$(cat only-x only-y | tr "\n" " ")" = "x y " ]
	grep -x /only-x .gitignore
	grep -x /only-y .gitignore'

test_case 'one side deletes a dataset that the other changes' '
	repository gone
	branch changed "echo c >data/1"
	on main
	git switch -qc deleted
	"$DV" remove -q data --outs
	git commit -qm deleted
	must_fail 1 git merge -q changed >/dev/null
	"$DV" resolve >out
	contains out "data: deleted by us, changed by them"
	"$DV" resolve --theirs data
	git commit -qm kept
	[ -f data.dv ]
	git reset -q --hard HEAD~1
	must_fail 1 git merge -q changed >/dev/null
	"$DV" resolve --ours data.dv
	git commit -qm dropped
	[ ! -e data.dv ]'

test_case 'other keys are merged, too' '
	repository keys
	git switch -qc k1
	printf "  desc: ours\n  x-one: 1\n" >>data.dv
	git commit -qam k1
	git switch -q main
	git switch -qc k2
	printf "  remote: r2\n  x-two: [1, 2]\n" >>data.dv
	echo k2 >data/2
	"$DV" add -q data 2>/dev/null
	git commit -qam k2
	git merge -q -m m k1 2>/dev/null
	for key in "desc: ours" "x-one: 1" "remote: r2" "x-two: [1, 2]"; do contains data.dv "$key"; done
	git switch -q main
	git switch -qc k3
	printf "  desc: theirs\n" >>data.dv
	git commit -qam k3
	git switch -q k2
	must_fail 1 git merge -q k3 2>err
	contains err "settings changed on both sides"
	"$DV" resolve --theirs data 2>/dev/null
	contains data.dv "desc: theirs"
	contains data.dv "remote: r2"
	git commit -qm done'

test_case 'listings that the cache lacks come from the remote' '
	repository far
	branch ours "echo ours >data/1"
	branch theirs "echo theirs >data/sub/one; echo q >data/sub/deep/q"
	on ours
	mkdir "$TEST_DIR/r"
	"$DV" remote add --local -d r "$TEST_DIR/r"
	"$DV" push -q -A
	git clone -q . "$TEST_DIR/near"
	cp .git/dv/config "$TEST_DIR/config"
	cd "$TEST_DIR/near"
	mkdir -p .git/dv .git/info
	cp "$TEST_DIR/config" .git/dv/config
	cp "$TEST_DIR/far/.git/info/attributes" .git/info/
	git config merge.dv.driver "dv merge-driver %O %A %B %L %P"
	git merge -q -m m origin/theirs
	# Only listings came.
	"$DV" status | grep -q "not in cache"
	"$DV" pull -q
	names | tr "\n" " " >is
	contains is "1 644 ours"
	contains is "sub/deep/q 644 q"
	contains is "sub/one 644 theirs"
	"$DV" push -q
	# Without the listings nothing is guessed.
	git reset -q --hard origin/ours
	rm -rf .git/dv
	"$DV" status >/dev/null || true
	must_fail 1 git merge -q origin/theirs 2>err
	contains err "cannot merge"
	contains data.dv "<<<<<<< ours"
	git merge --abort'

test_case 'gc keeps both sides while a merge goes on' '
	repository care
	branch ours "echo ours >data/1; echo ours >data/2"
	branch theirs "echo theirs >data/1; echo theirs >data/3"
	on ours
	git branch -D -q main
	must_fail 1 git merge -q theirs
	git branch -D -q theirs
	git reflog expire --expire=now --all
	cp data.dv "$TEST_DIR/conflicted"
	git worktree add -q --detach "$TEST_DIR/other"
	cd "$TEST_DIR/other"
	"$DV" checkout -q
	"$DV" gc -w --force
	cd "$TEST_DIR/care"
	same data.dv "$TEST_DIR/conflicted"
	"$DV" resolve --theirs data/1
	names | tr "\n" " " >is
	contains is "1 644 theirs 2 644 ours 3 644 theirs"
	git commit -qm merged
	"$DV" fsck'

test_case 'gc keeps what a rebase has still to do' '
	repository todo
	branch one "echo one >data/1"
	branch many "echo two >data/1"
	echo 2 >data/2
	"$DV" add -q data -m more
	git switch -q --detach
	must_fail 1 git rebase -q one 2>/dev/null
	git branch -D -q many
	git reflog expire --expire=now --all
	git worktree add -q --detach "$TEST_DIR/beside" main
	cd "$TEST_DIR/beside"
	"$DV" checkout -q
	"$DV" gc -w --force
	cd "$TEST_DIR/todo"
	"$DV" resolve --theirs data
	GIT_EDITOR=true git rebase --continue
	names | tr "\n" " " >is
	contains is "1 644 two 2 644 2"'

test_case 'lock files are merged by stage' '
	repository lock
	cat >dv.yaml <<-EOF
	stages:
	  a: {cmd: "cat in-a >out-a", deps: [in-a], outs: [out-a]}
	  b: {cmd: "cat in-b >out-b", deps: [in-b], outs: [out-b]}
	  c: {cmd: "cat in-c >out-c", deps: [in-c], outs: [out-c]}
	EOF
	for s in a b c; do echo base >in-$s; done
	"$DV" repro -q
	git add -A
	git commit -qm pipeline
	git switch -qc left
	echo left >in-a; echo left >in-c
	"$DV" repro -q
	git commit -qam left
	git switch -q main
	git switch -qc right
	echo right >in-b
	"$DV" repro -q
	git commit -qam right
	git merge -q -m m left
	"$DV" checkout -q
	[ "$(cat out-a out-b out-c | tr "\n" " ")" = "left right left " ]
	"$DV" status -q
	git switch -qc again main
	echo again >in-a; echo again >in-b
	"$DV" repro -q
	git commit -qam again
	must_fail 1 git merge -q right 2>err
	contains err "stage"
	[ "$(grep -c "^<<<<<<<" dv.lock)" = 2 ]
	must_fail 12 "$DV" status 2>err
	contains err "dv resolve"
	"$DV" resolve >out
	grep -c "run on both sides" out
	"$DV" resolve --theirs out-a
	[ "$(grep -c "^<<<<<<<" dv.lock)" = 1 ]
	"$DV" resolve --ours dv.lock
	lacks dv.lock "<<<<"
	echo left >in-a
	echo again >in-b
	git add -A
	git commit -qm merged
	"$DV" checkout -q
	"$DV" repro --dry >out
	[ "$(cat out-a out-b out-c | tr "\n" " ")" = "left again left " ]'

test_case 'a file of the filter keeps ours until a side is taken' '
	repository filter
	git config filter.dv.process "dv filter-process"
	git config filter.dv.required true
	echo "*.bin filter=dv diff=dv merge=dv -text" >.gitattributes
	echo base >x.bin
	git add .
	git commit -qm bin
	git switch -qc o
	echo ours >x.bin
	git commit -qam o
	git switch -q main
	git switch -qc t
	echo theirs >x.bin
	git commit -qam t
	git switch -q o
	must_fail 1 git merge -q t 2>err
	contains err "conflict in x.bin: changed on both sides"
	[ "$(cat x.bin)" = ours ]
	git status --porcelain | grep "^UU x.bin"
	"$DV" resolve >out
	contains out "x.bin: changed on both sides"
	echo work >x.bin
	must_fail 2 "$DV" resolve --theirs x.bin 2>err
	contains err "not in the store"
	[ "$(cat x.bin)" = work ]
	"$DV" resolve --theirs -f x.bin
	[ "$(cat x.bin)" = theirs ]
	git status --porcelain | grep "^M  x.bin"
	git commit -qm merged
	git diff --exit-code
	git diff HEAD~1 -- x.bin | grep "^+size 7"'

test_case 'git diff shows what changed in a dataset' '
	cd "$TEST_DIR/ops"
	git diff one~1 one >out
	contains out "+1  4  "
	contains out "-1  7  "
	lacks out "sub/one"
	git log -p -1 three -- data.dv >out
	contains out "3  6  "
	"$DV" textconv data.dv >a
	"$DV" textconv data.dv >b
	same a b
	contains a "sub/deep/x  5  "
	rm -rf "$TEST_DIR/ops/.git/dv"
	"$DV" textconv data.dv >a
	contains a "oid: sha256:"
	contains a "not in the cache"'

done_testing
