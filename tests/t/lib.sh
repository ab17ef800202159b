# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A small library for black box tests. A test sources it, calls test_case for each claim and
# ends with done_testing. It speaks TAP; $DV names the program under test.
#
# Everything happens in a folder of its own, with its own HOME and git configuration; the
# folder is removed at the end, unless KEEP=1 is set.

[ -n "${DV:-}" ] || { echo "1..0 # SKIP set DV to the path of the program"; exit 2; }
DV=$(cd "$(dirname "$DV")" && pwd)/$(basename "$DV")
[ -x "$DV" ] || { echo "Bail out! cannot run '$DV'"; exit 2; }
TEST_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

TEST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/dv-test.XXXXXX") || exit 2
TEST_DIR=$(cd "$TEST_DIR" && pwd -P)
TEST_OK=0
TEST_FAILED=0

test_cleanup() {
	cd /
	! declare -F stop_servers >/dev/null || stop_servers
	if [ -n "${KEEP:-}" ]; then
		echo "# kept $TEST_DIR"
	else
		chmod -R u+rwX "$TEST_DIR" 2>/dev/null || true
		rm -rf "$TEST_DIR"
	fi
}
trap test_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Where servers are needed, a test without its server fails; else it is skipped. A full run takes
# longer forms of some tests, and more servers.
TEST_NEED_SERVERS=${DV_NEED_SERVERS:-}
[ "${CI:-}" != true ] || TEST_NEED_SERVERS=1
TEST_FULL=${DV_TEST_FULL:-}

# Nothing of the user's own settings may reach a test, and nothing of a test the user.
unset "${!GIT_@}" "${!DV_@}" "${!AWS_@}" "${!SSH_@}" CDPATH http_proxy https_proxy all_proxy \
	no_proxy HTTPS_PROXY ALL_PROXY NO_PROXY
export DV TEST_DIR TEST_SOURCE TEST_NEED_SERVERS TEST_FULL LC_ALL=C TZ=UTC GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
export AWS_EC2_METADATA_DISABLED=true
export HOME=$TEST_DIR/home XDG_CONFIG_HOME=$TEST_DIR/home/.config
export XDG_CACHE_HOME=$TEST_DIR/home/.cache XDG_DATA_HOME=$TEST_DIR/home/.local/share
export XDG_STATE_HOME=$TEST_DIR/home/.local/state XDG_RUNTIME_DIR=$TEST_DIR/home/.run
export TMPDIR=$TEST_DIR/tmp
PATH=$(dirname "$DV"):$PATH
mkdir -p "$XDG_CONFIG_HOME" "$XDG_CACHE_HOME" "$XDG_DATA_HOME" "$XDG_STATE_HOME" \
	"$XDG_RUNTIME_DIR" "$TMPDIR" "$TEST_DIR/ws"
cat >"$HOME/.gitconfig" <<'EOF'
[user]
	name = Test
	email = test@example.org
[init]
	defaultBranch = main
[advice]
	detachedHead = false
[commit]
	gpgSign = false
EOF
cd "$TEST_DIR/ws" || exit 2

# test_case TITLE COMMANDS: runs COMMANDS in a subshell with set -eu, in the current folder;
# its files stay for the next case, its variables and its cd do not. The output is shown
# only when it fails.
test_case() {
	local log=$TEST_DIR/log number=$((TEST_OK + TEST_FAILED + 1)) code
	# Not in an 'if': there the shell would ignore set -e.
	( set -eu; eval "$2" ) >"$log" 2>&1 </dev/null
	code=$?
	if [ "$code" -eq 0 ]; then
		TEST_OK=$((TEST_OK + 1))
		echo "ok $number - $1"
	else
		TEST_FAILED=$((TEST_FAILED + 1))
		echo "not ok $number - $1"
		echo "# exit status $code of: $2" | sed '2,$s/^/# /'
		sed 's/^/#   /' "$log"
	fi
}

# must_fail CODE COMMAND…: the command ends with exactly this exit status, and no signal
# (129 and 130 are statuses of dv: usage, interrupted).
must_fail() {
	local expected=$1 code=0
	shift
	"$@" || code=$?
	[ "$code" -ne "$expected" ] || return 0
	if [ "$code" -ge 128 ] && { [ "$code" -gt 130 ] || [ "$code" -ne "$expected" ]; }; then
		echo "killed by signal $((code - 128)): $*" >&2
		return 1
	fi
	if [ "$code" -ne "$expected" ]; then
		echo "exit status $code, not $expected: $*" >&2
		return 1
	fi
}

# refused COMMAND…: the command ends with one of dv's own statuses of failure ('! command' would
# not stop a test: the shell excepts it from set -e).
refused() {
	local code=0
	"$@" || code=$?
	case $code in
	2 | 3 | 4 | 10 | 11 | 12 | 129) return 0 ;;
	esac
	echo "exit status $code, not a refusal: $*" >&2
	return 1
}

# contains FILE TEXT: the file has TEXT, taken literally, in some line.
contains() {
	if ! grep -qF -e "$2" -- "$1"; then
		echo "'$2' is not in $1:" >&2
		head -n 50 -- "$1" >&2
		return 1
	fi
}

# lacks FILE TEXT: the file can be read and no line has TEXT.
lacks() {
	[ -r "$1" ] || { echo "cannot read $1" >&2; return 1; }
	if grep -nF -e "$2" -- "$1" >&2; then
		echo "'$2' is in $1" >&2
		return 1
	fi
}

# same A B: two files, or two folders with all that is in them, are equal byte for byte.
same() {
	if [ -d "$1" ] && [ ! -L "$1" ]; then
		diff -r --no-dereference "$1" "$2" >&2
	else
		cmp -- "$1" "$2" >&2
	fi
}

# lawful STORE…: by the words of docs/format.md the law of deltas holds, and there are deltas.
lawful() {
	local s
	for s in "$@"; do
		python3 "$TEST_SOURCE/t/store.py" laws "$s" >"$TEST_DIR/laws" &&
			grep -q "^deltas [1-9]" "$TEST_DIR/laws" || {
			echo "the deltas of $s are not as they should be:" >&2
			cat "$TEST_DIR/laws" >&2
			return 1
		}
	done
}

# done_testing: prints the plan; the exit status says whether all went well.
done_testing() {
	echo "1..$((TEST_OK + TEST_FAILED))"
	[ "$TEST_OK" -gt 0 ] || { echo "# no test ran"; exit 1; }
	[ "$TEST_FAILED" -eq 0 ] || { echo "# $TEST_FAILED failed"; exit 1; }
	exit 0
}
