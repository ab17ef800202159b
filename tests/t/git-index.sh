# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Git's index beside dv: in all of its forms, locked by others, and never such that git misses what
# changed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

content() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$2")" -iv 0 </dev/zero 2>/dev/null |
		head -c "$1"
}
is_pointer() { [ "$(wc -c <"$1")" -lt 200 ] && grep -q ^oid "$1"; }
clean() {
	git status --porcelain >"$TEST_DIR/status"
	[ ! -s "$TEST_DIR/status" ] || { cat "$TEST_DIR/status" >&2; return 1; }
}

export top=$PWD
git init -q main && cd main && dv init -q && dv install >/dev/null
printf '*.bin filter=dv diff=dv merge=dv -text\n' >.gitattributes
echo one >small.bin && content 6000000 1 >large.bin && echo text >plain
git add . && git commit -qm one
sha256sum ./*.bin >"$top/sums"

# same_second FILE WORD: writes WORD into FILE at a time at which git has to look into the file to
# see that it changed, since its index is as young.
same_second() {
	git config core.trustctime false
	echo "${2//?/x}" >"$1" && touch -d @1700000000.2 "$1"
	git add "$1" && touch -d @1700000000.5 .git/index
	echo "$2" >"$1" && touch -d @1700000000.3 "$1"
}

test_case 'a change within the second of the index is seen after dv staged something' '
	for f in small.bin plain; do
		same_second $f word
		echo "$f" >output && dv add -q output
		git diff --name-only | grep -qx $f
		git add $f && git diff --quiet
	done
	git commit -qm two'

test_case 'and after dv wrote large files of the work tree' '
	sha256sum large.bin >"$top/large"
	rm large.bin && DV_SKIP_SMUDGE=1 git checkout -q large.bin && is_pointer large.bin
	ln -s aaaa link && git add link && git commit -qm link
	same_second small.bin other
	dv checkout && sha256sum -c "$top/large"
	git diff --name-only >"$top/names" && grep -qx small.bin "$top/names" && lacks "$top/names" large
	# What did not change is not looked into once more for all that.
	git reset -q small.bin && git checkout -q small.bin && sleep 1.1 && git status && clean'

test_case 'an index that others hold: the content comes all the same' '
	rm large.bin && DV_SKIP_SMUDGE=1 git checkout -q large.bin && is_pointer large.bin
	touch .git/index.lock
	dv checkout 2>"$top/err" && sha256sum -c "$top/large"
	contains "$top/err" "large.bin" && contains "$top/err" "dv checkout"
	rm .git/index.lock && dv checkout && clean
	# In the middle of a checkout, too.
	printf "#!/bin/sh\n: >.git/index.lock\n" >.git/hooks/post-checkout.test
	mv .git/hooks/post-checkout "$top/kept" && mv .git/hooks/post-checkout.test .git/hooks/post-checkout
	chmod +x .git/hooks/post-checkout
	git rm -qf --cached large.bin && rm large.bin && git commit -qm without
	git checkout -q HEAD~1
	[ -e .git/index.lock ] && sha256sum -c "$top/large"
	rm .git/index.lock && mv "$top/kept" .git/hooks/post-checkout && sleep 0.1
	dv checkout && clean
	git checkout -q main && git revert --no-edit HEAD && sha256sum -c "$top/large"'

# Each form of the index, over the same day.
cat >"$top/day" <<'EOS'
	set -eu
	form=$1
	git switch -qc "$form" main
	echo "$form" >small.bin && content 5000000 7 >large.bin && echo "$form" >output && dv add -q output
	git add . && git diff --cached --name-only >"$top/names"
	contains "$top/names" output.dv && contains "$top/names" large.bin
	# Only staged: kept by gc, listed, and known as it stands.
	git reset -q --soft HEAD && content 5100000 8 >staged.bin && git add staged.bin
	dv gc -A >/dev/null
	rm staged.bin && git checkout -q -- staged.bin && content 5100000 8 | cmp - staged.bin
	dv ls-files >"$top/files" && contains "$top/files" staged.bin
	git commit -qm "$form" && clean
	[ "$(dv status)" = "$(cd "$top/main" && dv status)" ]
	sha256sum ./*.bin output >"$top/now"
	git checkout -q main && sha256sum -c "$top/was" && clean && dv status -q
	git checkout -q "$form" && sha256sum -c "$top/now" && clean && dv status -q
	echo more >small.bin && git stash -q && sha256sum -c "$top/now" && clean
	git stash pop -q && [ "$(cat small.bin)" = more ] && git checkout -q small.bin && clean
	rm large.bin && DV_SKIP_SMUDGE=1 git checkout -q large.bin && is_pointer large.bin
	dv status >"$top/status" || [ $? -eq 1 ]
	contains "$top/status" large.bin
	dv checkout && sha256sum -c "$top/now" && clean
	# What git has to look at again is little: the filter is not asked once all is old enough.
	sleep 1.1 && git status >/dev/null
	GIT_TRACE=1 git status --porcelain 2>"$top/trace" && lacks "$top/trace" filter-process
	git rm -q --cached small.bin && dv move output moved >/dev/null && dv remove moved >/dev/null
	git reset -q --hard && clean && dv checkout && sha256sum -c "$top/now"
	git checkout -q main
EOS
export -f content is_pointer clean contains lacks same_second
sha256sum ./*.bin output >"$top/was"

day() {
	git clone -q "$top/main" "$top/$1" && cd "$top/$1" && dv install >/dev/null
	dv config --local cache.dir "$top/main/.git/dv/cache" >/dev/null 2>&1 || true
	rm -rf .git/dv/cache && cp -r "$top/main/.git/dv/cache" .git/dv/cache
}
export -f day

test_case 'version 4' 'day v4; git config index.version 4; git update-index --index-version 4
	dv checkout; bash "$top/day" v4; head -c 8 .git/index | od -An -tx1 | grep -q "00 00 00 04"'
test_case 'an untracked cache' 'day untracked; git config core.untrackedCache true
	git update-index --untracked-cache; dv checkout; bash "$top/day" untracked; grep -aq UNTR .git/index'
test_case 'no digest' 'day skiphash; git config index.skipHash true; dv checkout; bash "$top/day" skiphash'
test_case 'a split index' 'day split; git config core.splitIndex true; git update-index --split-index
	dv checkout; bash "$top/day" split; ls .git/sharedindex.* >/dev/null'
cat >"$top/monitor.sh" <<'EOS'
#!/bin/sh
# Everything may have changed.
printf 'token\0/\0'
EOS
chmod +x "$top/monitor.sh"
test_case 'a file system monitor' 'day monitor; git config core.fsmonitor "$top/monitor.sh"
	git config core.fsmonitorHookVersion 2; git update-index --fsmonitor
	dv checkout; bash "$top/day" monitor; grep -aq FSMN .git/index'

done_testing
