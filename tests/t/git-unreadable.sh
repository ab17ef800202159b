#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Repositories that libgit2 cannot read by itself: served through git, or refused before anything
# is written.
. "$(dirname "$0")/lib.sh"

export top=$PWD
git init -q main && cd main && "$DV" init -q
mkdir -p code lib && echo 1 >code/a && echo 2 >lib/b && printf data >x && printf more >code/y
"$DV" add -q x code/y && git add -A && git commit -qm one
printf data2 >x && "$DV" commit -q && git commit -qam two

test_case 'a sparse index: staged and read by git' '
	git clone -q "$top/main" "$top/sparse" && cd "$top/sparse" && "$DV" remote add -q --no-probe -d --local o "$top/store"
	git sparse-checkout set --cone --sparse-index code .dv
	git ls-files --sparse | grep -qx lib/
	printf new >code/n && "$DV" add code/n
	git diff --cached --name-only >../names && contains ../names code/n.dv
	git ls-files --sparse | grep -qx lib/
	git commit -qm new
	[ -z "$(git status --porcelain -uno)" ]
	printf newer >code/n && "$DV" commit -q && git diff --cached --name-only | grep -qx code/n.dv
	echo 3 >code/a && git add code/a
	must_fail 2 "$DV" add code/a 2>../err && contains ../err "git tracks"
	printf z >z && must_fail 2 "$DV" add -m text z 2>../err && contains ../err "commit with git"
	"$DV" remove -q code/n.dv && git diff --cached --name-status | grep -q "^D.*code/n.dv"
	"$DV" status -q || [ $? -le 1 ]
	"$DV" gc -A --dry >../gc'

test_case 'settings of single work trees, and a partial clone that lacks what is needed' '
	git config uploadpack.allowFilter true && git config uploadpack.allowAnySHA1InWant true
	git clone -q --filter=blob:none "file://$top/main" "$top/partial" && cd "$top/partial"
	grep -qi partialclone .git/config
	git config extensions.worktreeConfig true && git config core.repositoryformatversion 1
	"$DV" ls --oid HEAD~1 >../out && contains ../out "$(printf data | sha256sum | cut -d" " -f1)"
	printf p >p && "$DV" add -q p && git diff --cached --name-only | grep -qx p.dv
	"$DV" gc -A --dry >../gc'

test_case 'SHA-256, reftable and what is not known: an error with the name, and nothing written' '
	git init -q --object-format=sha256 "$top/long" && cd "$top/long"
	must_fail 2 "$DV" init 2>../err && contains ../err "objectformat" && contains ../err "hint: "
	[ "$(ls -A)" = .git ] && [ ! -e .git/dv ]
	cd "$top" && for name in refstorage nonsense; do
		git clone -q "$top/main" "$top/$name" && cd "$top/$name"
		printf "[core]\n\trepositoryformatversion = 1\n[extensions]\n\t$name = reftable\n" \
			>>.git/config
		printf q >q
		must_fail 2 "$DV" add q 2>"$top/err" && contains "$top/err" "$name"
		printf changed >x
		must_fail 2 "$DV" add x 2>"$top/err"
		must_fail 2 "$DV" commit 2>"$top/err" && contains "$top/err" "$name"
		[ -z "$(find .git/dv/cache -name "*.tmp" -o -path "*/packs/*" -type f 2>/dev/null)" ]
		[ ! -e q.dv ]
	done'

test_case 'SHA-256 with what another repository committed: no command leaves anything half done' '
	git init -q --object-format=sha256 "$top/longer" && cd "$top/longer"
	cp -r "$top/main/.dv" "$top/main/x.dv" "$top/main/.gitignore" . && printf data >x && printf new >y
	printf "*.bin filter=dv -text\n" >.gitattributes && git add -A && git commit -qm one
	hash=$(find . -type f -not -path "./.git/dv/*" | sort | xargs sha256sum | sha256sum)
	for command in "add y" "add x" "commit" "install" "track *.x" "untrack *.bin" "remove x.dv" "move x z" \
		"push" "fetch" "gc -w" "import-lfs" "doctor"; do
		must_fail 2 "$DV" $command >"$top/out" 2>"$top/err" || { echo "$command"; false; }
		grep -q objectformat "$top/out" "$top/err" && grep -q object-format "$top/out" "$top/err"
		[ "$(find . -type f -not -path "./.git/dv/*" | sort | xargs sha256sum | sha256sum)" = "$hash" ] || { echo "$command wrote"; find . -newer "$top/out"; false; }
	done'

test_case 'they are named when another repository is one' '
	must_fail 2 "$DV" ls "$top/long" 2>../err && contains ../err objectformat
	must_fail 2 "$DV" get "$top/nonsense" x -o "$top/got" 2>../err && contains ../err nonsense
	[ ! -e "$top/got" ]
	"$DV" ls "$top/sparse" >../out && contains ../out code/'

test_case 'without git there is an error' '
	mkdir "$top/bin" && cd "$top/sparse" && printf m >code/m
	PATH="$top/bin" must_fail 2 "$DV" add code/m 2>../err && contains ../err "sdir"
	[ ! -e code/m.dv ]'

done_testing
