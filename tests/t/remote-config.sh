# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv remote, config and check-ignore.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q

test_case 'no remote yet' '
	printf f >f
	$DV add -q f
	[ -z "$($DV remote)" ]
	must_fail 1 $DV remote default
	refused $DV push 2>err
	contains err "hint: "'

test_case 'add, list, default' '
	$DV remote add -d origin ../store
	$DV remote add other "/tmp/with space"
	$DV remote >out
	contains out "origin	../store	(default)"
	contains out "other	/tmp/with space"
	[ "$($DV remote default)" = origin ]
	$DV remote default other
	[ "$($DV remote default)" = other ]
	$DV remote default --unset
	must_fail 1 $DV remote default'

test_case 'a name is not taken twice, and must be a name' '
	refused $DV remote add origin /x 2>err
	contains err "origin"
	$DV remote add -f origin ../store2
	[ "$($DV config remote.origin.url)" = ../store2 ]
	refused $DV remote add "a b/../c" /x 2>err
	must_fail 129 $DV remote add origin
	must_fail 129 $DV remote ad x 2>err
	contains err "did you mean '"'add'"'"'

test_case 'modify, rename and remove' '
	$DV remote modify origin url ../third
	[ "$($DV config remote.origin.url)" = ../third ]
	$DV remote default origin
	$DV remote rename origin up
	[ "$($DV remote default)" = up ]
	[ "$($DV config remote.up.url)" = ../third ]
	$DV remote remove up
	must_fail 1 $DV remote default
	refused $DV remote remove up'

test_case 'add -f takes the place of all old settings, also of this clone' '
	$DV remote add -d --no-probe old ssh://host/x
	$DV remote modify old jobs 3
	$DV remote modify --local old sshcommand "ssh -4"
	$DV remote modify --local old keyfile /key
	$DV remote modify --local old url ssh://other/x
	$DV remote add -f --no-probe old S3://Bucket/Prefix
	$DV config --list >out
	[ "$(grep -c "^remote.old" out)" = 1 ]
	contains out "remote.old.url=s3://Bucket/Prefix"
	[ "$($DV remote default)" = old ]
	$DV remote modify --local old profile mine
	$DV remote add -f --local --no-probe old ../x
	[ "$($DV config remote.old.url)" = ../x ]
	[ "$($DV config --repo remote.old.url)" = s3://Bucket/Prefix ]
	must_fail 1 $DV config remote.old.profile
	$DV remote remove old'

test_case 'schemes are the same in capitals' '
	$DV remote add --no-probe caps SSH://Host/Path 2>err
	lacks err warning
	[ "$($DV config remote.caps.url)" = ssh://Host/Path ]
	printf "[remote \"caps\"]\n\turl = FILE://$TEST_DIR/Caps\n" >>.git/dv/config
	$DV push -q -r caps
	[ -e "$TEST_DIR/Caps/dv-store.json" ]
	rm .git/dv/config
	$DV remote remove caps'

test_case 'a folder in the data is refused by modify too' '
	mkdir -p data
	echo 1 >data/1
	$DV add -q data
	for place in data/store "$PWD/data" "file://$PWD/data/x" "FILE://$PWD/data/x"; do
		must_fail 129 $DV remote modify other url "$place" 2>err
		contains err "in the output"
		must_fail 129 $DV remote add inside "$place" 2>err
		contains err "in the output"
	done
	$DV remote modify other url ../elsewhere
	$DV remove -q --outs --force data.dv'

test_case 'a rate or a number of connections of 0 is a usage error' '
	for option in "-j 0" -j0 --jobs=0 --limit-rate=0 "--limit-rate 0k"; do
		for command in push fetch pull; do
			must_fail 129 $DV $command $option 2>err
			contains err "for option"
			contains err "hint: give a"
		done
	done
	must_fail 129 $DV add -j 0 f
	must_fail 129 $DV status -j 0'

test_case '--json' '
	$DV remote list --json | python3 -c "import json, sys; d = json.load(sys.stdin); assert d[0][\"name\"] == \"other\""'

test_case 'levels: the nearer one counts, and is shown' '
	$DV config core.jobs 1
	$DV config --global core.jobs 2
	[ "$($DV config core.jobs)" = 1 ]
	[ "$($DV config --global core.jobs)" = 2 ]
	$DV config --local core.jobs 3
	[ "$($DV config core.jobs)" = 3 ]
	$DV config --show-origin core.jobs >out
	contains out "local"
	contains out ".git/dv/config"
	contains .dv/config "jobs = 1"
	$DV config --local --unset core.jobs
	[ "$($DV config core.jobs)" = 1 ]'

test_case 'an absent key is exit status 1, two levels are a usage error' '
	must_fail 1 $DV config cache.dir
	must_fail 1 $DV config --unset cache.dir
	must_fail 129 $DV config --global --local core.jobs
	must_fail 129 $DV config --list core.jobs'

test_case 'the list, and settings of the user outside of a repository' '
	$DV config --list >out
	contains out "core.jobs=1"
	mkdir -p "$TEST_DIR/none"
	cd "$TEST_DIR/none"
	[ "$($DV config core.jobs)" = 2 ]
	must_fail 10 $DV config core.jobs 5'

test_case 'the committed file may not move the cache' '
	printf "[cache]\n\tdir = /tmp/elsewhere\n" >>.dv/config
	$DV cache dir >out 2>err
	contains err "warning: "
	[ "$(cat out)" = "$PWD/.git/dv/cache" ]'

test_case 'check-ignore tells what and why' '
	printf "*.tmp\n!keep.tmp\n" >.dvignore
	$DV check-ignore a.tmp b.txt keep.tmp >out
	[ "$(cat out)" = a.tmp ]
	$DV check-ignore -v a.tmp >out
	contains out ".dvignore:1:*.tmp	a.tmp"
	must_fail 1 $DV check-ignore b.txt
	must_fail 129 $DV check-ignore'

test_case 'ignored files are not recorded' '
	mkdir d
	printf 1 >d/x.tmp
	printf 2 >d/y
	$DV add -q d
	$DV ls d >out
	contains out d/y
	lacks out x.tmp'

test_case 'edits at the same time lose nothing' '
	mkdir "$TEST_DIR/par"
	cd "$TEST_DIR/par"
	git init -q .
	$DV init -q
	pids=
	for i in $(seq 24); do
		case $((i % 3)) in
		0) $DV remote add "r$i" "/r/$i" ;;
		1) $DV remote add --local "l$i" "/l/$i" ;;
		2) $DV config --global "remote.g$i.url" "/g/$i" ;;
		esac &
		pids="$pids $!"
	done
	for p in $pids; do wait "$p"; done
	for i in $(seq 24); do
		case $((i % 3)) in
		0) [ "$($DV config --repo "remote.r$i.url")" = "/r/$i" ] ;;
		1) [ "$($DV config --local "remote.l$i.url")" = "/l/$i" ] ;;
		2) [ "$($DV config --global "remote.g$i.url")" = "/g/$i" ] ;;
		esac
	done
	[ "$(git status --porcelain -uall)" = "AM .dv/config
A  .dvignore" ]
	pids=
	for i in 3 6 9 12 15 18 21 24; do
		$DV remote rename "r$i" "s$i" &
		pids="$pids $!"
		$DV remote modify "r$i" jobs 2 2>/dev/null || true &
	done
	for p in $pids; do wait "$p"; done
	wait
	for i in 3 6 9 12 15 18 21 24; do
		[ "$($DV config "remote.s$i.url")" = "/r/$i" ]
	done'

test_case 'of many that add one remote at the same time, one wins' '
	cd "$TEST_DIR/par"
	for i in $(seq 8); do
		{ $DV remote add one "/one/$i" 2>/dev/null && echo "/one/$i" >>won; } || true &
	done
	wait
	[ "$(wc -l <won)" = 1 ]
	[ "$($DV config remote.one.url)" = "$(cat won)" ]
	rm won'

test_case 'an edit keeps the mode of the file, and a link of the user' '
	cd "$TEST_DIR/par"
	chmod 600 .git/dv/config
	$DV config --local core.jobs 7
	[ "$(stat -c %a .git/dv/config)" = 600 ]
	mv "$XDG_CONFIG_HOME/dv/config" "$HOME/dotfile"
	ln -s "$HOME/dotfile" "$XDG_CONFIG_HOME/dv/config"
	$DV config --global core.jobs 6
	[ -L "$XDG_CONFIG_HOME/dv/config" ]
	contains "$HOME/dotfile" "jobs = 6"
	[ "$($DV config --global core.jobs)" = 6 ]
	printf "[core]\n\tjobs = 1\n" >"$TEST_DIR/victim"
	rm .dv/config
	ln -s "$TEST_DIR/victim" .dv/config
	$DV config core.jobs 9 || true
	lacks "$TEST_DIR/victim" "jobs = 9"'

test_case 'without git, the lock is no file for a later git to see' '
	mkdir "$TEST_DIR/plain"
	cd "$TEST_DIR/plain"
	$DV init -q --no-scm
	$DV config --local core.jobs 2
	$DV config core.jobs 3
	git init -q .
	[ "$(git status --porcelain -uall | grep -c lock)" = 0 ]'

test_case 'what a clone has set for a remote is renamed and removed with it' '
	mkdir "$TEST_DIR/both"
	cd "$TEST_DIR/both"
	git init -q --template= .
	$DV init -q
	$DV remote add -q --no-probe one ssh://host/x
	$DV remote modify --local one sshcommand "ssh -4"
	$DV remote rename one two
	contains .git/dv/config "[remote \"two\"]"
	$DV remote remove two
	lacks .git/dv/config sshcommand'

done_testing
