# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# A day of ordinary git use by two people, with git's commands alone where git has them: clone,
# branch, switch, merge with a conflict, rebase, stash, work tree, push, second clone. Once with
# pointers that hooks follow, once with files that pass through the filter.

. "$(dirname "$0")/lib.sh"

day=$TEST_DIR/day
mkdir "$day" "$day/store"
cd "$day" || exit 2

# says FILE TEXT: the file holds exactly this line.
says() {
	[ "$(cat "$1")" = "$2" ] || { echo "$1: '$(head -n 1 "$1")', not '$2'" >&2; return 1; }
}
# calm: nothing is left to be done.
calm() {
	[ -z "$(git status --short)" ] || { git status --short >&2; return 1; }
	"$DV" status -q || { "$DV" status >&2; return 1; }
}
# as NAME: works as that person from now on.
as() {
	export GIT_AUTHOR_NAME=$1 GIT_COMMITTER_NAME=$1
	cd "$day/$1"
}

# begin N: ann has a new project, with a model and N parts of data that nobody tracks yet.
begin() {
	git init -q --bare origin.git
	git init -q ann
	as ann
	git remote add origin ../origin.git
	"$DV" init -q
	"$DV" install -q
	"$DV" remote add -q -d store ../store
	mkdir -p data/raw
	for i in $(seq "$1"); do seq $((i * 500)) >"data/raw/part $i"; done
	echo "model 0" >model.bin
	echo "print(0)" >train.py
}
# join NAME: that person clones the project, and has its data.
join() {
	git clone -q origin.git "$1"
	as "$1"
	"$DV" install -q
	"$DV" pull -q
}
# visit: a look at the branch "better", and back.
visit() {
	git fetch -q
	git switch -q better
	says model.bin "model 1"
	git switch -q main
	says model.bin "model 0"
}

# -- with hooks -------------------------------------------------------------------------------

test_case 'hooks: ann begins a project and pushes it' '
	begin 8
	"$DV" add -q data model.bin
	git add -A
	git commit -qm "begin"
	git push -q -u origin main
	calm'

test_case 'hooks: ben clones it, and has the data' '
	join ben
	says model.bin "model 0"
	[ "$(wc -l <"data/raw/part 8")" -eq 4000 ]
	calm'

test_case 'hooks: a branch, a switch there and back' '
	as ann
	git switch -qc better
	echo "model 1" >model.bin
	"$DV" add -q model.bin
	echo "print(1)" >train.py
	git commit -qam "better model"
	git switch -q main
	says model.bin "model 0"
	says train.py "print(0)"
	git switch -q better
	says model.bin "model 1"
	calm
	git push -q -u origin better'

test_case 'hooks: ben looks at the branch, and commits to main' '
	as ben
	visit
	seq 7 >"data/raw/part 9"
	rm "data/raw/part 1"
	"$DV" add -q data
	git commit -qam "more data"
	git push -q
	calm'

test_case 'hooks: ann pulls, and merges the branch' '
	as ann
	git switch -q main
	git pull -q
	[ -e "data/raw/part 9" ]
	[ ! -e "data/raw/part 1" ]
	git merge -q -m "take better" better
	says model.bin "model 1"
	[ -e "data/raw/part 9" ]
	git push -q
	calm'

test_case 'hooks: both change the same data, in different files; git merges' '
	as ben
	git pull -q
	says model.bin "model 1"
	echo ben >data/ben
	"$DV" add -q data
	git commit -qam "ben"
	git push -q
	as ann
	echo ann >data/ann
	"$DV" add -q data
	git commit -qam "ann"
	must_fail 1 git push -q
	git pull -q --no-rebase --no-edit
	says data/ann ann
	says data/ben ben
	calm
	git push -q'

test_case 'hooks: a merge with a conflict, settled' '
	as ben
	git pull -q
	says data/ann ann
	echo "model of ben" >model.bin
	"$DV" add -q model.bin
	git commit -qam "model of ben"
	git push -q
	as ann
	echo "model of ann" >model.bin
	"$DV" add -q model.bin
	git commit -qam "model of ann"
	must_fail 1 git pull -q --no-rebase --no-edit
	"$DV" resolve >"$TEST_DIR/out"
	contains "$TEST_DIR/out" model.bin
	"$DV" resolve -q --theirs model.bin
	git commit -qm "take the model of ben"
	says model.bin "model of ben"
	calm
	git push -q'

test_case 'hooks: a rebase over changes of the other' '
	as ben
	git pull -q
	git switch -qc fix
	echo "fix" >data/fix
	"$DV" add -q data
	git commit -qam "fix"
	as ann
	echo "late" >late.bin
	"$DV" add -q late.bin
	git add -A
	git commit -qm "late"
	git push -q
	as ben
	git fetch -q
	git rebase -q origin/main
	says late.bin late
	says data/fix fix
	calm
	git push -q -u origin fix'

test_case 'hooks: work put aside and taken up again' '
	as ben
	echo "model in work" >model.bin
	"$DV" add -q model.bin
	git stash -q
	"$DV" checkout -q
	says model.bin "model of ben"
	calm
	git switch -q main
	git pull -q
	git switch -q fix
	git stash pop -q
	"$DV" checkout -q
	says model.bin "model in work"
	git checkout -q HEAD -- model.bin.dv
	"$DV" checkout -q
	calm'

test_case 'hooks: a second work tree has its own data' '
	as ann
	git fetch -q
	git worktree add -q "../ann at fix" fix 2>/dev/null
	says "../ann at fix/data/fix" fix
	says "../ann at fix/late.bin" late
	[ ! -e data/fix ]
	(cd "../ann at fix" && git switch -q --detach better && says model.bin "model 1" && calm)
	says model.bin "model of ben"
	git worktree remove --force "../ann at fix"
	calm'

test_case 'hooks: cherry-pick, revert, bisect, tag, reset' '
	as ann
	git cherry-pick origin/fix >/dev/null
	says data/fix fix
	git revert --no-edit HEAD >/dev/null
	[ ! -e data/fix ]
	git tag -a -m one v1
	git push -q origin main v1
	git bisect start HEAD HEAD~4 >/dev/null
	"$DV" status -q
	git bisect reset >/dev/null 2>&1
	git reset -q --hard better
	"$DV" checkout -q
	says model.bin "model 1"
	git reset -q --hard origin/main
	"$DV" checkout -q
	calm'

test_case 'hooks: a second clone in the evening has every version' '
	join late
	calm
	says model.bin "model of ben"
	for rev in $(git rev-list --all --remotes); do
		git checkout -q --detach "$rev" 2>err
		! grep "not in the cache" err || { git log -1 "$rev"; false; }
		"$DV" status -q
	done
	rm err
	git fsck --no-dangling
	"$DV" fsck -q
	"$DV" fsck -q --remote'

# -- with the filter --------------------------------------------------------------------------

test_case 'filter: ann begins a project and pushes it' '
	rm -rf ann ben late origin.git store "ann at fix"
	mkdir store
	begin 4
	"$DV" track -q "*.bin" "data/**"
	git add -A
	git commit -qm begin
	git cat-file -p HEAD:model.bin | grep -q "^oid sha256:"
	git push -q -u origin main
	calm'

test_case 'filter: ben clones it, and has the data' '
	join ben
	says model.bin "model 0"
	[ "$(wc -l <"data/raw/part 4")" -eq 2000 ]
	calm'

test_case 'filter: a branch, a switch there and back, on both sides' '
	as ann
	git switch -qc better
	echo "model 1" >model.bin
	echo "print(1)" >train.py
	git commit -qam "better model"
	git switch -q main
	says model.bin "model 0"
	git switch -q better
	says model.bin "model 1"
	calm
	git push -q -u origin better
	as ben
	visit
	seq 7 >"data/raw/part 9"
	git rm -q "data/raw/part 1"
	git add -A
	git commit -qm "more data"
	git push -q
	calm'

test_case 'filter: pull, merge, and a merge with a conflict, settled' '
	as ann
	git switch -q main
	git pull -q
	[ -e "data/raw/part 9" ]
	git merge -q -m "take better" better
	says model.bin "model 1"
	git push -q
	calm
	as ben
	git pull -q
	echo "model of ben" >model.bin
	git commit -qam "model of ben"
	git push -q
	as ann
	echo "model of ann" >model.bin
	git commit -qam "model of ann"
	must_fail 1 git pull -q --no-rebase --no-edit
	"$DV" resolve -q --theirs model.bin
	git commit -qm "take the model of ben"
	says model.bin "model of ben"
	calm
	git push -q'

test_case 'filter: rebase, stash, work tree, cherry-pick, reset' '
	as ben
	git pull -q
	git switch -qc fix
	echo fix >data/fix
	git add -A
	git commit -qm fix
	as ann
	echo late >late.bin
	git add -A
	git commit -qm late
	git push -q
	as ben
	git fetch -q
	git rebase -q origin/main
	says late.bin late
	says data/fix fix
	echo "in work" >model.bin
	git stash -q
	says model.bin "model of ben"
	calm
	git stash pop -q
	says model.bin "in work"
	git checkout -q -- model.bin
	calm
	git push -q -u origin fix
	as ann
	git fetch -q
	git worktree add -q "../ann at fix" fix 2>/dev/null
	says "../ann at fix/data/fix" fix
	git worktree remove --force "../ann at fix"
	git cherry-pick origin/fix >/dev/null
	says data/fix fix
	git reset -q --hard better
	says model.bin "model 1"
	[ ! -e late.bin ]
	calm
	git reset -q --hard origin/main
	calm'

test_case 'filter: a second clone in the evening has every version' '
	join late
	calm
	says model.bin "model of ben"
	for rev in $(git rev-list --all --remotes); do
		git checkout -q --detach "$rev"
		calm
		! grep -l "^oid sha256" model.bin
	done
	"$DV" fsck -q
	"$DV" fsck -q --remote'

done_testing
