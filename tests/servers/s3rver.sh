#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# s3rver, a small S3 server of npm that ignores If-None-Match without a word. Needs node and, the
# first time, npm and the network; S3RVER_HOME keeps what npm installs (default: DIR/npm).
. "$(dirname "$0")/common.sh"

PACKAGE=@20minutes/s3rver
RELEASE=4.0.4

install_package() {
	[ ! -d "$1/node_modules/$PACKAGE" ] || return 0
	need npm
	mkdir -p "$1"
	[ -f "$1/package.json" ] || echo '{"private":true}' >"$1/package.json"
	(cd "$1" && npm install --no-audit --no-fund --ignore-scripts "$PACKAGE@$RELEASE") \
		>"$DIR/log/npm.out" 2>&1 && return 0
	echo "$SERVER: npm cannot install $PACKAGE" >&2
	tail -n 3 "$DIR/log/npm.out" >&2
	exit 77
}

start_server() {
	local home=${S3RVER_HOME:-$DIR/npm}
	need node
	install_package "$home"
	pick_ports 1
	mkdir -p "$DIR/data"
	cat >"$DIR/run.js" <<'EOF'
const [name, directory, port] = process.argv.slice(2);
const S3rver = require(name);
new S3rver({ address: '127.0.0.1', port: +port, directory, silent: true, vhostBuckets: false })
	.run().catch(e => { console.error(e); process.exit(1); });
EOF
	# It asks for an algorithm that OpenSSL 3 hides.
	spawn s3rver env NODE_OPTIONS=--openssl-legacy-provider node "$DIR/run.js" \
		"$home/node_modules/$PACKAGE" "$DIR/data" "$PORT"
	await s3rver listening "$PORT"
	say "S3_ENDPOINT=http://127.0.0.1:$PORT" "S3_PORT=$PORT" "S3_REGION=us-east-1" \
		"S3_ACCESS_KEY=S3RVER" "S3_SECRET_KEY=S3RVER"
}

main "$@"
