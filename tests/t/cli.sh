# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# The command line itself: help, usage errors, completion, exit codes.

. "$(dirname "$0")/lib.sh"

# Every command, one a line; then every command of two words.
commands() {
	"$DV" help | sed -n 's/^  \([a-z][a-z-]*\)  *[a-z].*/\1/p'
}
subcommands() {
	"$DV" "$1" -h | sed -n "/^commands\$/,/^\$/s/^  \([a-z][a-z-]*\)  *[a-z].*/$1 \1/p"
}
all_commands() {
	commands
	commands | while read -r name; do subcommands "$name"; done
}
all_commands >all

test_case 'dv alone tells what to type next' '
	$DV >out 2>err
	contains out "dv init"
	contains out "version"
	[ ! -s err ]'

test_case '-h of every command goes to stdout in 80 columns' '
	[ "$(wc -l <all)" -ge 3 ]
	while read -r words; do
		$DV $words -h >out 2>err
		contains out "usage: dv $words"
		[ ! -s err ]
		$DV $words --help >full 2>err
		[ -s full ]
		[ ! -s err ]
		$DV help $words >full 2>err
		[ -s full ]
		[ ! -s err ]
		must_fail 1 grep -nE "^.{80,}" out
	done <all
	$DV help >out
	must_fail 1 grep -nE "^.{80,}" out'

test_case 'an unknown option of every command is a usage error' '
	while read -r words; do
		must_fail 129 $DV $words --no-such-option >out 2>err
		[ ! -s out ]
		contains err "error: unknown option"
		contains err "hint: "
	done <all'

test_case 'a mistyped command is not run but named' '
	must_fail 129 $DV versoin >out 2>err
	contains err "error: '"'versoin'"' is not a dv command"
	contains err "hint: did you mean '"'version'"'"
	[ ! -s out ]
	must_fail 129 $DV help hlep 2>err
	contains err "did you mean '"'help'"'"'

test_case 'a mistyped option is named' '
	must_fail 129 $DV version --jsn 2>err
	contains err "did you mean '"'--json'"'"
	must_fail 129 $DV --verison 2>err
	contains err "did you mean '"'--version'"'"'

test_case 'what a terminal would act on is escaped in errors' '
	must_fail 129 $DV "$(printf "a\033[31m\nerror: b")" 2>err
	[ "$(wc -l <err)" -eq 2 ]
	contains err "a\\033[31m\\nerror: b"'

test_case 'global options stand before and after the command' '
	$DV --json version >one
	$DV version --json >two
	same one two
	contains one "\"version\": "
	$DV --version >one
	$DV version >two
	same one two
	must_fail 129 $DV --color=blue version 2>err
	contains err "--color"'

test_case '-C changes the folder, one after the other' '
	mkdir -p a/b
	$DV -C a -C b version
	must_fail 2 $DV -C a -C nowhere version 2>err
	contains err "cannot change to"
	contains err "hint: "'

test_case '--json is refused where there is no answer to show' '
	must_fail 129 $DV completion bash --json >out 2>err
	contains err "json"'

test_case 'exit codes are listed' '
	$DV help exit-codes >out
	for code in 0 1 2 3 4 10 11 12 129 130; do
		grep -qE "^ +$code  [a-z]" out
	done'

test_case 'the completion for bash completes' '
	$DV completion bash >dv.bash
	bash -n dv.bash
	bash -c '"'"'
		. ./dv.bash
		complete_line() {
			COMP_WORDS=("$@")
			COMP_CWORD=$(($# - 1))
			_dv
			echo "${COMPREPLY[*]-}"
		}
		[ "$(complete_line dv vers)" = version ] || exit 1
		[ "$(complete_line dv completion fi)" = fish ] || exit 2
		[ "$(complete_line dv version --js)" = --json ] || exit 3
		[ "$(complete_line dv -C x help exit)" = exit-codes ] || exit 4
		[ -z "$(complete_line dv version xyz)" ] || exit 5
	'"'"' 2>err || { code=$?; cat err; exit $code; }
	while read -r name; do contains dv.bash "'"'"'$name'"'"'"; done <all'

test_case 'the completions for zsh and fish parse' '
	$DV completion zsh >dv.zsh
	$DV completion fish >dv.fish
	contains dv.zsh "#compdef dv"
	contains dv.fish "complete -c dv"
	! command -v zsh || zsh -n dv.zsh
	! command -v fish || fish --no-execute dv.fish
	contains dv.zsh "1:remote:_dv_remotes"
	contains dv.fish "dv remote list"
	mkdir named
	(cd named && $DV init -q --no-scm && $DV remote add -q near /near)
	! command -v fish || [ "$(cd named && PATH=${DV%/*}:$PATH fish -c \
		"source ../dv.fish; complete -C \"dv push -r \"; complete -C \"dv remote remove \"" |
		grep -c "^near")" = 2 ]
	must_fail 129 $DV completion tcsh
	must_fail 129 $DV completion'

test_case 'a reader that leaves is no failure' '
	code=$( { $DV help; echo $? >code; } | true; cat code)
	[ "$code" -eq 0 ]
	( trap "" PIPE; $DV help; echo $? >code ) | true
	[ "$(cat code)" -eq 0 ]'

test_case 'a full disk is one' '
	[ ! -w /dev/full ] || must_fail 2 $DV help >/dev/full 2>err
	[ ! -w /dev/full ] || contains err "cannot write to standard output"'

test_case 'colour only where it is wanted' '
	must_fail 129 $DV --color=always nonsense 2>err
	contains err "$(printf "\033[31m")"
	must_fail 129 $DV nonsense 2>err
	lacks err "$(printf "\033")"
	TERM=xterm CLICOLOR_FORCE=1 NO_COLOR=1 must_fail 129 $DV nonsense 2>err
	lacks err "$(printf "\033")"'

done_testing
