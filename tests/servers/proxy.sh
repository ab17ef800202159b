#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# faultproxy.py before another server. PROXY_TARGET is that server's port, PROXY_MODE is http or
# tcp. What goes wrong stands in PROXY_RULES; what passed by, in PROXY_LOG.
. "$(dirname "$0")/common.sh"

start_server() {
	need python3
	pick_ports 1
	rm -f "$DIR/rules.json" "$DIR/requests.log"
	spawn proxy python3 "$HERE/faultproxy.py" "$PORT" "${PROXY_TARGET:?}" "$DIR" \
		"${PROXY_MODE:-http}"
	await proxy listening "$PORT"
	say "PROXY_PORT=$PORT" "PROXY_RULES=$DIR/rules.json" "PROXY_LOG=$DIR/requests.log"
}

export STOP_SECONDS=0
main "$@"
