# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv install, dv uninstall, and what each hook does when git calls it.

. "$(dirname "$0")/lib.sh"

# shellcheck disable=SC2034 # used in the cases
hooks="post-checkout post-commit post-merge post-rewrite pre-commit pre-push"

# start NAME: a repository with one output on main, another version of it on 'two'.
start() {
	git init -q "$1"
	cd "$1"
	"$DV" init -q
	"$DV" install -q
	seq 1000 >a.bin
	mkdir d
	echo 1 >d/x
	"$DV" add -q a.bin d
	git commit -qm one
	git checkout -qb two
	seq 2000 >a.bin
	"$DV" add -q a.bin
	git commit -qm two
	git checkout -q main
}
# lines FILE N: so many lines are in it.
lines() {
	[ "$(wc -l <"$1")" -eq "$2" ] || { echo "$1: $(wc -l <"$1") lines, not $2" >&2; return 1; }
}

# -- installing -------------------------------------------------------------------------------

test_case 'install writes hooks and drivers, and nothing twice' '
	git init -q i
	cd i
	"$DV" init -q
	"$DV" install >out
	contains out "6 hooks installed"
	for h in $hooks; do
		[ -x .git/hooks/$h ]
		sh -n .git/hooks/$h
	done
	[ "$(git config merge.dv.driver)" = "dv merge-driver %O %A %B %L %P" ]
	git check-attr merge a.dv sub/dv.lock >out
	contains out "a.dv: merge: dv"
	contains out "sub/dv.lock: merge: dv"
	cp -r .git/hooks "$TEST_DIR/hooks.1"
	cp .git/config "$TEST_DIR/config.1"
	"$DV" install >out
	contains out "Everything is installed"
	diff -r .git/hooks "$TEST_DIR/hooks.1"
	same .git/config "$TEST_DIR/config.1"
	"$DV" install --json | grep -q "\"there\""
	"$DV" doctor >out
	contains out "$PWD/.git/hooks"'

test_case 'uninstall leaves nothing behind' '
	git init -q u
	cd u
	"$DV" init -q
	cp -r .git/hooks "$TEST_DIR/hooks.0"
	cp .git/config "$TEST_DIR/config.0"
	"$DV" install -q
	"$DV" uninstall >out
	contains out "6 hooks uninstalled"
	diff -r .git/hooks "$TEST_DIR/hooks.0"
	same .git/config "$TEST_DIR/config.0"
	[ ! -e .git/info/attributes ] || ! grep dv .git/info/attributes
	"$DV" uninstall >out
	contains out "Nothing was installed"'

test_case 'a hook that was there runs first, with its input, and comes back to the byte' '
	git init -q c
	cd c
	"$DV" init -q
	git commit -qm start
	printf "#!/bin/sh\ncat >%s/in; echo \"\$@\" >%s/args; exit \${NO:-0}" "$PWD" "$PWD" \
		>.git/hooks/pre-push
	printf "#!/bin/sh\nexit 1\n" >.git/hooks/pre-commit
	chmod 755 .git/hooks/pre-push
	chmod 750 .git/hooks/pre-commit
	cp -p .git/hooks/pre-push .git/hooks/pre-commit "$TEST_DIR"
	"$DV" install >out
	contains out "pre-push: the hook that was there is kept"
	"$DV" install -q
	git init -q --bare "$TEST_DIR/c.git"
	git push -q "$TEST_DIR/c.git" main
	contains in "refs/heads/main $(git rev-parse HEAD) refs/heads/main 000"
	lines in 1
	contains args "$TEST_DIR/c.git"
	git checkout -qb other
	must_fail 1 env NO=1 git push -q "$TEST_DIR/c.git" other
	must_fail 1 git commit -q --allow-empty -m no
	"$DV" uninstall -q
	for h in pre-push pre-commit; do
		same .git/hooks/$h "$TEST_DIR/$h"
		[ "$(stat -c %a .git/hooks/$h)" = "$(stat -c %a "$TEST_DIR/$h")" ]
		[ ! -e .git/hooks/$h.before-dv ]
	done'

test_case 'a hook that came later is left alone, and nothing is lost' '
	git init -q l
	cd l
	"$DV" init -q
	echo "# old" >.git/hooks/pre-push
	"$DV" install -q
	echo "# new" >"$TEST_DIR/new"
	mv "$TEST_DIR/new" .git/hooks/pre-push
	must_fail 2 "$DV" install 2>err
	contains err "still kept"
	must_fail 2 "$DV" uninstall
	contains .git/hooks/pre-push "# new"
	contains .git/hooks/pre-push.before-dv "# old"'

test_case 'husky: the lines are told, its files stay, and doctor sees them' '
	git init -q h
	cd h
	"$DV" init -q
	mkdir -p .husky/_
	for h in $hooks; do echo ". husky.sh" >.husky/_/$h; chmod +x .husky/_/$h; done
	git config core.hooksPath .husky/_
	must_fail 3 "$DV" install >out
	must_fail 1 "$DV" doctor >doc
	contains doc "do not call dv: post-checkout"
	contains out ".husky/pre-push:"
	contains out "dv hook pre-push"
	[ ! -e .git/hooks/pre-push ]
	contains .husky/_/pre-push husky.sh
	for h in $hooks; do
		"$DV" install --json 2>/dev/null >json || true
		echo "if command -v dv >/dev/null; then dv hook $h \"\$@\"; fi" >>.husky/$h
	done
	"$DV" install >out
	contains out "Everything is installed"
	"$DV" doctor'

test_case 'a folder of hooks outside of git is left alone, but for --force' '
	git init -q f
	cd f
	"$DV" init -q
	"$DV" install -q
	mkdir githooks
	git config core.hooksPath githooks
	must_fail 1 "$DV" doctor >out
	contains out "they do not run"
	must_fail 3 "$DV" install >out
	contains out "githooks/pre-commit:"
	[ -z "$(ls githooks)" ]
	"$DV" install --force >out
	[ -x githooks/pre-commit ]
	"$DV" doctor
	"$DV" uninstall -q
	[ -z "$(ls githooks)" ]
	[ ! -e .git/hooks/pre-push ]'

test_case 'lefthook: the lines for its settings are told' '
	git init -q lh
	cd lh
	"$DV" init -q
	echo "pre-push:" >lefthook.yml
	printf "#!/bin/sh\n# lefthook\n" >.git/hooks/pre-push
	must_fail 3 "$DV" install >out
	contains out "lefthook.yml:"
	contains out "use_stdin: true"
	contains .git/hooks/pre-push lefthook
	printf "  commands:\n    dv:\n      run: dv hook pre-push {0}\n" >>lefthook.yml
	"$DV" install -q'

test_case 'doctor tells of hooks that are old, not executable, or without dv' '
	git init -q o
	cd o
	"$DV" init -q
	"$DV" install -q
	chmod -x .git/hooks/pre-push
	must_fail 1 "$DV" doctor >out
	contains out "not executable"
	"$DV" install -q
	[ -x .git/hooks/pre-push ]
	echo "# more" >>.git/hooks/pre-push
	must_fail 1 "$DV" doctor >out
	contains out "another version"
	"$DV" install -q
	"$DV" doctor
	rm .git/hooks/pre-push
	must_fail 1 "$DV" doctor >out
	contains out "do not call dv: pre-push"
	"$DV" install -q
	ln -s "$DV" "$TEST_DIR/otherdv"
	PATH=/usr/bin:/bin must_fail 1 "$TEST_DIR/otherdv" doctor >out
	contains out "on PATH"
	"$DV" uninstall -q
	echo "*.bin filter=dv" >.gitattributes
	git add .gitattributes
	must_fail 1 "$DV" doctor >out
	contains out "does not know that filter"'

test_case 'hooks that cannot be written are an error with a reason' '
	[ "$(id -u)" -ne 0 ] || exit 0
	git init -q ro
	cd ro
	"$DV" init -q
	chmod a-w .git/hooks
	must_fail 2 "$DV" install 2>err
	contains err .git/hooks'

test_case 'for the user: drivers everywhere, hooks nowhere' '
	git init -q g
	cd g
	"$DV" init -q
	"$DV" install --global >out
	contains out "for all repositories of yours"
	[ -n "$(git config --global filter.dv.process)" ]
	[ ! -e .git/hooks/pre-push ]
	[ "$(git check-attr merge a.dv)" = "a.dv: merge: dv" ]
	cd "$TEST_DIR"
	"$DV" uninstall --global -q
	[ -z "$(git config --global filter.dv.process)" ]
	must_fail 10 "$DV" install'

test_case 'without dv on PATH the hooks say so and let git go on' '
	mkdir p; cd p
	start w
	git init -q --bare "$TEST_DIR/w.git"
	git remote add origin "$TEST_DIR/w.git"
	export PATH=/usr/bin:/bin
	[ -z "$(command -v dv)" ] || exit 0
	git checkout -q two 2>err
	contains err "dv is not on PATH"
	git commit -q --allow-empty -m x 2>err
	contains err "dv is not on PATH"
	git push -q origin two 2>err
	contains err "no data was pushed"'

# -- bringing data ----------------------------------------------------------------------------

test_case 'a switch of branches brings what differs, and nothing else' '
	start s
	lines a.bin 1000
	touch -d "2001-02-03" d/x
	before=$(stat -c "%i %Y" d/x)
	git checkout -q two 2>err
	lines a.bin 2000
	contains err "1 output brought to its pointer"
	[ "$before" = "$(stat -c "%i %Y" d/x)" ]
	"$DV" status -q
	git checkout -q -
	lines a.bin 1000
	rm err
	[ -z "$(git status --short)" ]'

test_case 'an output that the other commit does not have goes, and comes back' '
	cd s
	git checkout -qb three
	"$DV" remove -q d
	echo n >n.bin
	"$DV" add -q n.bin
	git commit -qam three
	rm -r d
	git checkout -q main 2>err
	[ -e d/x ]
	[ ! -e n.bin ]
	contains err "1 output removed"
	git checkout -q three 2>err
	[ ! -e d ]
	[ -e n.bin ]
	git checkout -q main'

test_case 'work that is not in the store is named and stays' '
	cd s
	echo mine >>a.bin
	echo more >d/y
	git checkout -q two 2>err
	contains err "not in the store"
	contains err a.bin
	contains err "dv checkout --force"
	grep -q mine a.bin
	git checkout -q three 2>err
	contains err "is no output any more, and stays"
	[ -e d/y ]
	git checkout -q main
	"$DV" checkout -qf
	[ ! -e d/y ]'

test_case 'a file that is checked out alone moves no data' '
	cd s
	git checkout two -- a.bin.dv 2>err
	lines a.bin 1000
	git reset -q --hard'

test_case 'merge, fast-forward and with a commit; squash' '
	cd s
	git checkout -qb m1
	git merge -q two
	lines a.bin 2000
	git checkout -qb m2 main
	echo f >file
	git add file
	git commit -qm file
	git merge -q -m merge two
	lines a.bin 2000
	git checkout -qb m3 main
	git merge -q --squash two >/dev/null
	lines a.bin 2000
	git commit -qm squash
	"$DV" status -q'

test_case 'a merge that a commit ends, a cherry-pick and a revert' '
	cd s
	git checkout -qb x1 main
	echo one >file; git add file; git commit -qm f1
	git checkout -qb x2 two
	echo two >file; git add file; git commit -qm f2
	git checkout -q x1
	must_fail 1 git merge -q x2
	lines a.bin 1000
	echo both >file; git add file; git commit -qm merged
	lines a.bin 2000
	git checkout -q main
	git checkout -qb x3
	git cherry-pick two >/dev/null
	lines a.bin 2000
	git revert --no-edit HEAD >/dev/null
	lines a.bin 1000
	"$DV" status -q'

test_case 'a rebase brings the data once, at its end; one given up changes nothing' '
	cd s
	git checkout -qb y1 main
	echo z >z.bin; "$DV" add -q z.bin; git commit -qm z
	echo zz >zz.bin; "$DV" add -q zz.bin; git commit -qm zz
	git rebase -q two 2>err
	[ "$(grep -c brought err)" -eq 1 ]
	lines a.bin 2000
	[ -e zz.bin ]
	"$DV" status -q
	git checkout -qb y2 main
	git rebase -q y1
	[ -e zz.bin ]
	git checkout -qb y3 main
	echo 1 >file; git add file; git commit -qm 1
	git checkout -qb y4 two
	echo 2 >file; git add file; git commit -qm 2
	must_fail 1 git rebase -q y3 2>err
	lines a.bin 2000
	git rebase --abort
	lines a.bin 2000
	"$DV" status -q'

test_case 'a rebase of which nothing is left, by each of its ways' '
	start empty
	echo same >d/x && "$DV" add -q d && git branch -q theirs && git commit -qam theirs
	git checkout -q -b up main~1 && echo same >d/x && "$DV" add -q d && echo new >n && "$DV" add -q n
	git commit -qam "with more"
	for way in --merge --apply --empty=drop --rebase-merges; do
		git checkout -q -B rebased main && [ ! -e n ]
		git rebase $way up
		[ "$(git rev-parse HEAD)" = "$(git rev-parse up)" ]
		[ "$(cat n)" = new ] && "$DV" status -q
	done
	# With changes put aside meanwhile.
	git checkout -q -B rebased main && seq 3 >a.bin && "$DV" add -q a.bin
	git rebase --autostash up
	[ "$(cat n)" = new ] && seq 3 | cmp - a.bin && "$DV" status -q'

test_case 'linked work trees have their data at once' '
	cd s
	git worktree add -q "$TEST_DIR/tree of s" two
	cd "$TEST_DIR/tree of s"
	lines a.bin 2000
	git checkout -q --detach main
	lines a.bin 1000
	echo mine >>a.bin
	git commit -q --allow-empty -m x 2>err
	contains err "not recorded: changes of"'

test_case 'in a submodule, and with a root below that of git' '
	git init -q super
	cd super
	git -c protocol.file.allow=always submodule add -q -b x1 ../s "sub module"
	cd "sub module"
	"$DV" install -q
	git checkout -q main 2>err
	contains err "content is not in the cache"
	cd "$TEST_DIR/ws"
	git init -q below
	cd below
	mkdir "the data"
	cd "the data"
	"$DV" init -q --subdir
	"$DV" install -q
	echo 1 >f; "$DV" add -q f; git commit -qm 1
	git checkout -qb two
	echo 2 >f; "$DV" add -q f; git commit -qm 2
	cd ..
	git checkout -q main
	[ "$(cat "the data/f")" = 1 ]
	echo 3 >"the data/f"
	git commit -q --allow-empty -m 3 2>err
	contains err "not recorded"'

test_case 'what is not in the cache is fetched, or named where there is no remote' '
	cd s
	mkdir "$TEST_DIR/store"
	"$DV" remote add -q --local -d store "$TEST_DIR/store"
	"$DV" push -qA
	git checkout -q main
	git clone -q . "$TEST_DIR/ws/clone"
	cd ../clone
	"$DV" install -q
	git checkout -q two 2>err
	contains err "dv remote add"
	contains err a.bin
	[ ! -e a.bin ]
	"$DV" remote add -q --local -d store "$TEST_DIR/store"
	mv "$TEST_DIR/store" "$TEST_DIR/away"
	git checkout -q main 2>err
	contains err "in reach"
	mv "$TEST_DIR/away" "$TEST_DIR/store"
	git checkout -q two
	lines a.bin 2000
	[ ! -e d/x ]
	git checkout -q main
	lines a.bin 1000'

# -- before a commit and before a push --------------------------------------------------------

test_case 'pre-commit warns of what was not recorded, and of nothing else' '
	start pc
	git commit -q --allow-empty -m x 2>err
	[ ! -s err ]
	rm -r d
	git commit -q --allow-empty -m x 2>err
	[ ! -s err ]
	echo 1 >>a.bin
	git commit -q --allow-empty -m x 2>err
	contains err "not recorded: changes of:"
	contains err "dv commit"
	echo t >t; git add t
	git commit -q -m part t 2>err
	contains err a.bin
	"$DV" commit -q
	git commit -qam y 2>err
	[ ! -s err ]'

test_case 'pre-commit tells data that is behind its pointer from data that changed' '
	start behind
	git checkout -q main
	cp a.bin old
	echo more >>a.bin
	"$DV" add -q a.bin
	git stash -q
	"$DV" checkout -q
	git stash pop -q
	git commit -q --allow-empty -m x 2>err
	lacks err "not recorded"
	contains err "older than the pointers: the data of:"
	contains err a.bin
	contains err "dv checkout"
	"$DV" checkout -q
	git commit -q --allow-empty -m y 2>err
	[ ! -s err ]
	# What a merge left to settle follows by itself, when it is committed.
	git commit -qam more
	git checkout -q -b other HEAD~1
	echo other >>a.bin
	"$DV" commit -q
	git commit -qam other
	must_fail 1 git merge -q main 2>/dev/null
	"$DV" resolve -q --theirs a.bin
	git commit -q --no-edit 2>err
	lacks err warning
	[ "$(tail -n 1 a.bin)" = more ]'

test_case 'pre-commit warns of data that went past the filter' '
	start raw
	printf "*.raw filter=dv -text\n" >.gitattributes
	git add .gitattributes
	seq 1000 >big.raw
	git config --remove-section filter.dv
	git add big.raw
	git commit -qm raw 2>err
	contains err "past the filter"
	contains err big.raw'

test_case 'pre-push sends the data of all commits that go, and only of those' '
	start pp
	git init -q --bare "$TEST_DIR/pp.git"
	git remote add origin "$TEST_DIR/pp.git"
	git push -q origin main 2>err
	contains err "no remote to push it to"
	mkdir "$TEST_DIR/pps"
	"$DV" remote add -q -d store "$TEST_DIR/pps"
	git commit -qam remote
	"$DV" push -qA
	echo v1 >v; "$DV" add -q v; git commit -qm v1
	echo v2 >v; "$DV" add -q v; git commit -qm v2
	git push -q origin main 2>err
	contains err "data pushed"
	git clone -q "$TEST_DIR/pp.git" "$TEST_DIR/ws/ppc"
	(cd "$TEST_DIR/ws/ppc"; "$DV" fetch -qA; "$DV" cat HEAD~1:v | grep v1 || \
		"$DV" checkout -q --rev HEAD~1 v; "$DV" checkout -q)
	git push -q origin main:refs/heads/again 2>err
	[ ! -s err ]
	git push -q origin :again
	git tag -a -m t v1.0 two
	git push -q origin v1.0'

test_case 'a push of data that fails stops git, and says how to go on' '
	cd pp
	mv "$TEST_DIR/pps" "$TEST_DIR/pps.away"
	echo v3 >v; "$DV" add -q v; git commit -qm v3
	must_fail 1 git push -q origin main 2>err
	contains err "--no-verify"
	[ "$(git rev-parse origin/main)" != "$(git rev-parse main)" ]
	echo c >c; git add c; git commit -qm code
	git push -q --no-verify origin main
	mv "$TEST_DIR/pps.away" "$TEST_DIR/pps"
	echo d >c; git commit -qam more
	git push -q origin main 2>err
	[ ! -s err ]'

test_case 'a bare repository, a branch without dv, a folder without git' '
	cd pp
	cp .git/hooks/pre-push "$TEST_DIR/pp.git/hooks/"
	git init -q --bare "$TEST_DIR/b2.git"
	git -C "$TEST_DIR/pp.git" push -q "$TEST_DIR/b2.git" main 2>err
	[ ! -s err ]
	git checkout -q --orphan none
	git rm -rfq .
	git commit -q --allow-empty -m none 2>err
	[ ! -s err ]
	cd "$TEST_DIR"
	"$DV" hook post-checkout a b 1
	must_fail 129 "$DV" hook pre-receive
	must_fail 129 "$DV" hook'

done_testing
