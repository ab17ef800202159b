#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The services that hand out S3 keys, and an S3 server to show them to; see metadata.py.
. "$(dirname "$0")/common.sh"

start_server() {
	need python3
	pick_ports 1
	: >"$DIR/log/metadata.log"
	spawn metadata python3 "$HERE/metadata.py" "$PORT" "$DIR/log/metadata.log"
	await metadata listening "$PORT"
	say "METADATA_URL=http://127.0.0.1:$PORT" "METADATA_LOG=$DIR/log/metadata.log"
}

main "$@"
