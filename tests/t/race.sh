# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# A file that somebody changes while dv replaces or removes it: DV_FAULT=stop:N halts dv before its
# N-th change of the disk, and there the change is made.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q && git commit -qm start
printf '%s\n' /out /err >>.git/info/exclude

# stopped PID: waits until the process has stopped (0) or ended (1).
stopped() {
	local state
	while :; do
		state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 1
		case $state in
		T) return 0 ;;
		Z | '') return 1 ;;
		esac
		sleep 0.01
	done
}

# halted N CHANGE COMMAND…: runs the command, halted at the Nth change of the disk it makes while
# CHANGE runs; 'code' is its exit status. Fails when it makes fewer changes.
halted() {
	local n=$1 change=$2 pid
	shift 2
	DV_FAULT=stop:$n "$@" >out 2>err &
	pid=$!
	code=0
	stopped "$pid" || { wait "$pid" || code=$?; return 1; }
	eval "$change"
	kill -CONT "$pid"
	wait "$pid" || code=$?
}

# meanwhile CHANGE CHECK COMMAND…: runs the command once for each change of the disk it makes,
# halted there while CHANGE runs; CHECK must hold afterwards. The folder is made anew each time by
# 'prepare'.
meanwhile() {
	local change=$1 check=$2 n=0 refused=0 code
	shift 2
	while :; do
		n=$((n + 1))
		prepare || return 1
		halted "$n" "$change" "$@" || break
		case $code in
		0) ;;
		2)
			contains err 'hint: ' || return 1
			# Changes before the scan are found by it.
			grep -qE 'not in the store|never recorded' err ||
				contains err 'changed by ' || return 1
			! grep -q 'changed by ' err || refused=$((refused + 1))
			;;
		*) echo "exit status $code" && cat err && return 1 ;;
		esac
		[ -z "$(find . -path ./.git/dv/cache -prune -o \
			'(' -name '.dv-tmp-*' -o -path './.git/dv/tmp/*' ')' -print)" ] ||
			{ echo "after $n: a temporary file is left"; return 1; }
		eval "$check" || { echo "after $n: '$check' does not hold"; cat err; return 1; }
		[ "$n" -lt 200 ] || return 1
	done
	# Early changes are found, late ones come after the fact.
	echo "$n changes, $refused times refused"
	[ "$code" -eq 0 ] && [ "$n" -gt 2 ] && [ "$refused" -gt 0 ]
}

mkdir d
printf 'old a' >d/a
printf 'old b' >d/b
"$DV" add -q d && git commit -qm old
printf 'new a' >d/a
rm d/b
printf 'new c' >d/c
"$DV" add -q d && git commit -qm new

prepare() {
	rm -rf d && "$DV" checkout -q --rev HEAD d
}

test_case 'a file that is edited in place meanwhile is not lost' '
	meanwhile "printf \"mine, and longer\" >d/a" "[ \"\$(cat d/a)\" = \"mine, and longer\" ]" \
		$DV checkout --rev HEAD~1 d'

test_case 'a file that is replaced meanwhile is not lost' '
	meanwhile "printf mine0 >d.tmp && mv d.tmp d/a" "[ \"\$(cat d/a)\" = mine0 ]" \
		$DV checkout --rev HEAD~1 d'

test_case 'a file that appears meanwhile is not lost' '
	meanwhile "printf mine >d/b" "[ \"\$(cat d/b)\" = mine ]" $DV checkout --rev HEAD~1 d'

test_case 'a file that is to be deleted and is edited meanwhile is not lost' '
	meanwhile "[ ! -e d/c ] || printf mine >d/c" \
		"[ ! -e d/c ] || [ \"\$(cat d/c)\" = mine ]" $DV checkout --rev HEAD~1 d'

test_case 'remove --outs does not delete what is written meanwhile' '
	prepare() { git checkout -q HEAD -- . && rm -rf d && $DV checkout -q d; }
	meanwhile "[ ! -e d/c ] || printf mine >d/c" \
		"[ ! -e d/c ] || [ \"\$(cat d/c)\" = mine ] || [ \"\$(cat d/c)\" = \"new c\" ]" \
		$DV remove --outs d
	prepare'

test_case 'an output that is one file is not lost either' '
	printf one >f
	$DV add -q f
	git commit -qm one
	printf two >f
	$DV add -q f
	git commit -qm two
	prepare() { rm -f f && $DV checkout -q f; }
	meanwhile "printf mine0 >f" "[ \"\$(cat f)\" = mine0 ]" $DV checkout --rev HEAD~1 f'

# overtaken CHANGE CHECK COMMAND…: as meanwhile, for commands that download first; what stands there
# before may be left over from the command itself.
overtaken() {
	local change=$1 check=$2 n=0 refused=0 code
	shift 2
	while :; do
		n=$((n + 1))
		prepare || return 1
		halted "$n" "$change" "$@" || break
		[ "$code" = 0 ] || [ "$code" = 2 ] || { cat err; return 1; }
		refused=$((refused + (code == 2)))
		eval "$check" || { echo "after $n: '$check' does not hold"; cat err; return 1; }
		[ "$n" -lt 300 ] || return 1
	done
	echo "$n changes, $refused times refused"
	[ "$code" -eq 0 ] && [ "$n" -gt 2 ] && [ "$refused" -gt 0 ]
}

test_case 'what appears while data of another repository is on its way is not lost' '
	here=$PWD
	git init -q "$TEST_DIR/src" && cd "$TEST_DIR/src" && $DV init -q
	mkdir data && echo a >data/a && echo b >data/b && $DV add -q data && git add -A
	git commit -qm src
	cd "$here"
	prepare() { rm -rf got .dv-tmp-*; }
	made=0
	overtaken "if mkdir got 2>/dev/null; then echo mine >got/mine; made=\$n; fi" \
		"[ \$made != \$n ] || [ -e got/mine ]" $DV get "$TEST_DIR/src" data -o got
	rm -rf got
	[ -z "$(find . -maxdepth 1 -name ".dv-tmp-*")" ]
	prepare() { rm -rf got got.dv .dv-tmp-* && git checkout -q -f HEAD && git reset -q; }
	made=0
	overtaken "if mkdir got 2>/dev/null; then echo mine >got/mine; made=\$n; fi" \
		"[ \$made != \$n ] || [ -e got/mine ]" $DV import "$TEST_DIR/src" data -o got
	prepare'

test_case 'a replacement that fails or is killed leaves what was there' '
	n=0
	code=1
	while [ "$code" != 0 ]; do
		n=$((n + 1))
		[ "$n" -lt 200 ]
		for fault in eio die; do
			rm -rf got .dv-tmp-*
			mkdir got && echo old >got/old
			code=0
			DV_FAULT=$fault:$n $DV get -f "$TEST_DIR/src" data -o got 2>err || code=$?
			[ -e got/old ] || [ -e got/a ]
		done
	done
	rm -rf got .dv-tmp-*'

test_case 'the next run completes' '
	$DV checkout -qf d f
	$DV checkout --rev HEAD~2 d
	[ "$(cat d/a)" = "new a" ]'

test_case 'what .dvignore hides stands in the way only of its own name' '
	printf "/d/b\n" >.dvignore
	$DV checkout -qf d
	printf hidden >d/b
	must_fail 2 $DV checkout --rev HEAD~3 d 2>err
	contains err "d/b"
	[ "$(cat d/b)" = hidden ]
	$DV checkout -f --rev HEAD~3 d
	[ "$(cat d/b)" = "old b" ]'

test_case 'with --force the last change is dropped, as it says' '
	rm .dvignore
	rm -rf d
	$DV checkout d
	DV_FAULT=stop:2 $DV checkout -f --rev HEAD~3 d &
	pid=$!
	stopped "$pid"
	printf mine >d/a
	kill -CONT "$pid"
	wait "$pid"
	[ "$(cat d/a)" = "old a" ]'

test_case 'killed before it can look at what it took away, dv keeps that for the user' '
	rm -rf d
	$DV checkout d
	n=0
	saved=
	while [ -z "$saved" ]; do
		n=$((n + 1))
		[ "$n" -lt 100 ]
		prepare
		DV_FAULT=stop:$n $DV checkout -q --rev HEAD~3 d 2>/dev/null &
		pid=$!
		stopped "$pid" || break
		# Changed while it has its temporary name.
		took=$(find .git/dv/tmp -name "old-*")
		for f in $took; do printf "third version" >"$f"; done
		kill -KILL "$pid"
		wait "$pid" || :
		$DV checkout -qf d 2>err
		[ -z "$(find .git/dv/tmp -mindepth 1)" ]
		saved=$(find .git/dv/saved -type f 2>/dev/null) || :
		[ -z "$saved" ] || contains err "is saved as"
	done
	[ "$(cat $saved)" = "third version" ]'

test_case 'what was killed on another file system is found there, too' '
	unshare -m true 2>/dev/null || exit 0
	rm -rf far && mkdir far
	cat >far.sh <<END
set -e
mount -t tmpfs none far
printf "old" >far/f
$DV add -q far
printf "new" >far/f
$DV commit -q far
n=0
met=0
while :; do
	n=\$((n + 1))
	printf "older" >far/f
	printf "old" >far/g
	code=0
	DV_FAULT=die:\$n $DV checkout -qf far 2>/dev/null || code=\$?
	[ -z "\$(find far -name ".dv-tmp-*")" ] || met=\$((met + 1))
	rm -f far/f
	$DV checkout -qf far
	[ -z "\$(find far -name ".dv-tmp-*")" ]
	[ -z "\$(find .git/dv/tmp -mindepth 1)" ]
	[ "\$(cat far/f)" = new ]
	[ "\$code" -ne 0 ] || break
done
[ "\$n" -gt 3 ] && [ "\$met" -gt 0 ]
END
	unshare -m sh far.sh'

done_testing
