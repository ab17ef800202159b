# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For black box tests that need servers; sourced after lib.sh. Everything that is started lies in
# $TEST_DIR and ends with the test, even when the test is killed.

STARTED=()

# start_server NAME [AS]: starts tests/servers/NAME.sh in $TEST_DIR/AS and exports its variables.
# Status 77, said aloud, when it is not installed; but where servers are needed, as in continuous
# integration (CI=true, DV_NEED_SERVERS=1), that ends the test as a failure.
start_server() {
	local script=$TEST_SOURCE/servers/$1.sh dir=$TEST_DIR/${2:-$1} code=0
	DV_SERVER_OWNER=$$ "$script" start "$dir" >"$dir.env" 2>"$dir.err" || code=$?
	if [ $code -ne 0 ]; then
		sed 's/^/# /' "$dir.err"
		if [ $code -ne 77 ] || [ -n "$TEST_NEED_SERVERS" ]; then
			echo "Bail out! cannot start $1"
			exit 1
		fi
		echo "# SKIPPED: what needs $1"
		return 77
	fi
	STARTED+=("$script $dir")
	set -a
	# shellcheck disable=SC1090
	. "$dir.env"
	set +a
}

# need_server NAME [AS]: the same, but without it the whole test is skipped.
need_server() {
	start_server "$@" || { echo "1..0 # SKIP $1 is not installed"; exit 77; }
}

# start_proxy AS PORT [http|tcp]: the fault proxy before the server at PORT; PROXY_PORT is its own.
start_proxy() {
	export PROXY_TARGET=$2 PROXY_MODE=${3:-http}
	need_server proxy "$1"
}

# weather JSON: what the proxy started last does from now on; see faultproxy.py.
weather() {
	printf '%s\n' "$1" >"$PROXY_RULES.new"
	mv "$PROXY_RULES.new" "$PROXY_RULES"
}

# s3 VERB ARGUMENT…: looks at the server of $S3_ENDPOINT, or changes it, without dv.
s3() {
	python3 "$TEST_SOURCE/servers/s3.py" "$@"
}

# s3_settings [ENDPOINT [KEY SECRET]]: what dv must know of the S3 server, "key=value;…".
s3_settings() {
	printf 'endpointurl=%s;region=%s;accesskeyid=%s;secretaccesskey=%s' "${1:-$S3_ENDPOINT}" \
		"$S3_REGION" "${2:-$S3_ACCESS_KEY}" "${3:-$S3_SECRET_KEY}"
}

# ssh_settings [OPTION…]: the same of sshd; 'serve' says whether dv may answer on the far side.
ssh_settings() {
	printf 'sshcommand=ssh %s -F %s;serve=%s' "$*" "$SSH_CONFIG" "${SERVE:-never}"
}

# suite NAME=VALUE…: runs the conformance suite of the drivers with this environment.
suite() {
	env "$@" "$(dirname "$DV")/tests/test_drivers"
}

stop_servers() {
	local server
	for server in "${STARTED[@]}"; do
		# shellcheck disable=SC2086
		bash ${server%% *} stop ${server#* } >/dev/null 2>&1
	done
	STARTED=()
}
