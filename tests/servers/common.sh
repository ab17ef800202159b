# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the servers of the tests share. A script NAME.sh sources it, defines start_server, which
# ends with 'say NAME=value…', may define stop_server, and calls 'main "$@"' at its end:
#
#   NAME.sh start DIR [PORT]   starts it and returns when it answers; prints its variables
#   NAME.sh env DIR            prints them again
#   NAME.sh stop DIR           stops all of it
#
# Everything lies below DIR and listens on loopback only. PORT 0, the default, finds free ports,
# so that many can run at once. With DV_SERVER_OWNER=PID the server stops when that process ends,
# however it ends.
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVER=$(basename "$0")
DIR=
PORT=0

say() {
	printf '%s\n' "$@" >"$DIR/env"
	cat "$DIR/env"
}

# complain TEXT…: why there is no server, with the ends of its logs.
complain() {
	echo "$SERVER: $*" >&2
	tail -n 8 "$DIR"/log/* >&2 2>/dev/null
	stop
	exit 1
}

# need PROGRAM…: all of them can be run; else status 77, which means skipped.
need() {
	local program
	for program in "$@"; do
		if ! command -v "$program" >/dev/null 2>&1; then
			echo "$SERVER: '$program' is not installed" >&2
			exit 77
		fi
	done
}

# alive NAME: the process started by 'spawn NAME' runs.
alive() {
	local pid
	pid=$(cat "$DIR/run/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
	kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null
}

listening() {
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# pick_ports COUNT: PORT becomes the first of COUNT ports in a row that nobody listens on. They
# lie below those that the kernel gives to clients.
pick_ports() {
	local count=$1 try i base
	for try in {0..99}; do
		base=$PORT
		[ "$PORT" != 0 ] || base=$((20000 + ($$ + try * 7) % 300 * 40))
		for ((i = 0; i < count; i++)); do
			! listening $((base + i)) || break
		done
		if [ "$i" = "$count" ]; then
			PORT=$base
			return 0
		fi
		[ "$PORT" = 0 ] || complain "port $((base + i)) is taken"
	done
	complain "no free ports"
}

# spawn NAME COMMAND…: runs it in a session of its own, so that its children go with it.
spawn() {
	local name=$1
	shift
	setsid "$@" </dev/null >>"$DIR/log/$name.out" 2>&1 9>&- &
	echo $! >"$DIR/run/$name.pid"
}

# await NAME COMMAND…: until the command succeeds; not longer than 30 s, nor than NAME lives.
await() {
	local name=$1 i
	shift
	for ((i = 0; i < 600; i++)); do
		! "$@" || return 0
		alive "$name" || complain "$name has ended"
		sleep 0.05
	done
	complain "$name does not answer"
}

# halt SECONDS NAME…: asks them to end, and after so long makes them.
halt() {
	local wait=$1 name i pid
	shift
	for name in "$@"; do
		! alive "$name" || kill -TERM -- "-$(cat "$DIR/run/$name.pid")" 2>/dev/null
	done
	for name in "$@"; do
		for ((i = 0; i < wait * 20; i++)); do
			alive "$name" || break
			sleep 0.05
		done
		pid=$(cat "$DIR/run/$name.pid" 2>/dev/null)
		[ -z "$pid" ] || kill -KILL -- "-$pid" 2>/dev/null
		rm -f "$DIR/run/$name.pid"
	done
}

# Ends everything in DIR/run. Not itself, when the watch calls it.
stop() {
	local file name names=()
	[ "$(cat "$DIR/run/watch.pid" 2>/dev/null)" != $$ ] || rm -f "$DIR/run/watch.pid"
	for file in "$DIR"/run/*.pid; do
		name=$(basename "$file" .pid)
		[ ! -e "$file" ] || names+=("$name")
	done
	halt "${STOP_SECONDS:-3}" "${names[@]}"
	! declare -F stop_server >/dev/null || stop_server
}

# The 22nd field of a process's stat is when it started: its number may be used again.
watch_owner() {
	local began
	[ -n "${DV_SERVER_OWNER:-}" ] || return 0
	began=$(cut -d' ' -f22 "/proc/$DV_SERVER_OWNER/stat" 2>/dev/null) || return 0
	# shellcheck disable=SC2016
	spawn watch bash -c 'while [ "$(cut -d" " -f22 "/proc/$1/stat" 2>/dev/null)" = "$2" ]; do
			sleep 1
		done
		exec "$3" stop "$4"' watch "$DV_SERVER_OWNER" "$began" "$HERE/$SERVER" "$DIR"
}

main() {
	if [ $# -lt 2 ]; then
		echo "usage: $SERVER start|stop|env DIR [PORT]" >&2
		exit 2
	fi
	DIR=$2
	PORT=${3:-0}
	case $1 in
	start)
		mkdir -p "$DIR/run" "$DIR/log" || exit 1
		DIR=$(cd "$DIR" && pwd)
		stop 2>/dev/null
		start_server
		watch_owner
		;;
	stop)
		[ -d "$DIR" ] || exit 0
		DIR=$(cd "$DIR" && pwd)
		stop
		;;
	env) cat "$DIR/env" ;;
	*)
		echo "usage: $SERVER start|stop|env DIR [PORT]" >&2
		exit 2
		;;
	esac
}
