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
	git init -q r && cd r
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
	cd r && mkdir -p a/b
	[ "$($DV root)" = "$PWD" ]
	[ "$($DV -C a/b root)" = "$PWD" ]
	[ "$($DV cache dir)" = "$PWD/.git/dv/cache" ]
	$DV root --json | python3 -c "import json, sys; assert json.load(sys.stdin)[\"root\"]"'

test_case 'a folder below the root of git needs --subdir' '
	git init -q top && mkdir top/sub && cd top/sub
	refused $DV init 2>err
	contains err "--subdir"
	$DV init --subdir
	[ "$($DV root)" = "$PWD" ]'

test_case 'without git everything is in .dv' '
	mkdir plain && cd plain
	$DV init --no-scm 2>err
	echo data >f
	$DV add f
	[ "$($DV cache dir)" = "$PWD/.dv/cache" ]
	rm f && $DV checkout && [ "$(cat f)" = data ]'

test_case 'a cache set with cache dir is used' '
	git init -q c && cd c && $DV init -q
	$DV cache dir ../shared-cache
	[ "$(realpath -m "$($DV cache dir)")" = "$(realpath -m ../shared-cache)" ]
	echo x >f && $DV add f && [ -d ../shared-cache ]'

test_case 'too many operands are a usage error' '
	must_fail 129 $DV init a b
	must_fail 129 $DV root x'

done_testing
