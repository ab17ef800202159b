# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv init, root, cache dir: where a repository begins and where its parts are.

. "$(dirname "$0")/lib.sh"

test_case 'outside of a repository every command says so' '
	for c in status root commit "add x" ls "cache dir"; do
		must_fail 10 $DV $c 2>err
		contains err "error: not inside a dv repository"
		contains err "hint: "
	done'

test_case 'init stages its two files and touches nothing else' '
	git init -q r
	cd r
	$DV init >../out
	contains ../out "Initialized a dv repository in $PWD"
	[ "$(git status --porcelain)" = "A  .dv/config
A  .dvignore" ]'

test_case 'a second init is refused, -f starts anew' '
	cd r
	must_fail 2 $DV init 2>err
	contains err "hint: "
	$DV init -f'

test_case 'root and the cache are the same from any folder' '
	cd r
	mkdir -p a/b
	[ "$($DV root)" = "$PWD" ]
	[ "$($DV -C a/b root)" = "$PWD" ]
	[ "$($DV cache dir)" = "$PWD/.git/dv/cache" ]
	$DV root --json | python3 -c "import json, sys; assert json.load(sys.stdin)[\"root\"]"'

test_case 'a folder below the root of git needs --subdir' '
	git init -q top
	mkdir top/sub
	cd top/sub
	refused $DV init 2>err
	contains err "--subdir"
	$DV init --subdir
	[ "$($DV root)" = "$PWD" ]'

test_case 'without git everything is in .dv' '
	mkdir plain
	cd plain
	$DV init --no-scm 2>err
	echo data >f
	$DV add f
	[ "$($DV cache dir)" = "$PWD/.dv/cache" ]
	rm f
	$DV checkout
	[ "$(cat f)" = data ]'

test_case 'a cache set with cache dir is used' '
	git init -q c
	cd c
	$DV init -q
	$DV cache dir ../shared-cache
	[ "$(realpath -m "$($DV cache dir)")" = "$(realpath -m ../shared-cache)" ]
	echo x >f
	$DV add f
	[ -d ../shared-cache ]'

test_case 'too many operands are a usage error' '
	must_fail 129 $DV init a b
	must_fail 129 $DV root x'

test_case 'init -f keeps data, pointers and cache, and sets settings aside' '
	git init -q again
	cd again
	$DV init -q
	printf one >f
	$DV add -q f
	git add -A
	git commit -qm one
	printf two >f
	$DV add -q f
	printf "*.tmp\n" >.dvignore
	$DV remote add -d origin ../elsewhere
	$DV config --local core.jobs 3
	must_fail 2 $DV init 2>err
	contains err "the cache stays"
	$DV init -f
	[ -z "$($DV remote)" ]
	must_fail 1 $DV config core.jobs
	contains .git/dv/config.old "elsewhere"
	contains .git/dv/config.local.old "jobs = 3"
	contains .dvignore "*.tmp"
	[ -f f.dv ]
	[ "$($DV cat f)" = two ]
	[ "$($DV cat HEAD:f)" = one ]
	$DV status -q
	$DV init -f
	[ "$($DV cat HEAD:f)" = one ]
	$DV fsck -q'

test_case 'init -f says where a cache of its own was' '
	cd c
	$DV init -f 2>err
	contains err "shared-cache"
	contains err "dv cache dir"
	[ -d ../shared-cache/packs ]'

test_case 'GIT_CEILING_DIRECTORIES ends the search as it does for git' '
	mkdir -p r/deep/er
	cd r/deep/er
	for c in "$TEST_DIR/ws/r" "/nowhere:$TEST_DIR/ws/r/" "$TEST_DIR/ws/r/deep"; do
		export GIT_CEILING_DIRECTORIES="$c"
		must_fail 128 git rev-parse
		must_fail 10 $DV root
	done
	for c in "$TEST_DIR/ws" "$TEST_DIR/ws/r/deep/er" "/nowhere" ""; do
		export GIT_CEILING_DIRECTORIES="$c"
		git rev-parse
		$DV root
	done
	cd ../../
	export GIT_CEILING_DIRECTORIES="$PWD"
	git rev-parse
	$DV root
	mkdir deep/new
	export GIT_CEILING_DIRECTORIES="$PWD/deep"
	cd deep/new
	must_fail 2 $DV init --subdir 2>err
	contains err "not in a git repository"'

test_case 'GIT_DIR and GIT_WORK_TREE name repository and work tree' '
	git init -q --bare apart.git
	mkdir tree
	cd tree
	git init -q .
	export GIT_DIR="$TEST_DIR/ws/apart.git" GIT_WORK_TREE="$PWD"
	$DV init -q
	printf 1 >f
	$DV add -q -m "in the other one" f
	[ "$(git log -1 --format=%s)" = "in the other one" ]
	[ "$($DV cache dir)" = "$GIT_DIR/dv/cache" ]
	git status --porcelain >out
	contains out "A  .dv/config"
	unset GIT_DIR GIT_WORK_TREE
	[ "$(git rev-list --all --count)" = 0 ]
	mkdir ../outer
	cd ../outer
	git init -q .
	mkdir w
	cd w
	export GIT_WORK_TREE="$PWD"
	[ "$(git rev-parse --show-toplevel)" = "$PWD" ]
	$DV init -q
	printf 2 >g
	$DV add -q -m "work tree below" g
	[ "$(git ls-tree --name-only HEAD)" = ".gitignore
g.dv" ]'

test_case 'in a bare repository, and beside a damaged .git, init is not advised' '
	git init -q --bare b.git && cd b.git
	must_fail 10 "$DV" status 2>err
	contains err "is a bare git repository"
	lacks err "dv init"
	mkdir ../damaged && cd ../damaged && echo x >.git
	must_fail 10 "$DV" status 2>err
	contains err "is damaged"
	lacks err "dv init"'

done_testing
