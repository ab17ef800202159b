#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The servers that other tests need: they start, answer, listen on loopback only, and end with
# the test, even when it is killed.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

need_server radosgw
need_server sshd
need_server nginx
start_proxy proxy "$HTTP_PORT"

test_case 'S3 keeps what is put, and tells users apart' '
	s3 make bucket
	echo hello | s3 put bucket "a/b c"
	[ "$(s3 get bucket "a/b c")" = hello ]
	[ "$(s3 list bucket)" = "6 a/b c" ]
	! S3_SECRET_KEY=wrong s3 get bucket "a/b c" || false
	! S3_ACCESS_KEY=$S3_OTHER_KEY s3 get bucket "a/b c" || false'

test_case 'each account of ssh may do what it should' '
	[ "$(ssh -F "$SSH_CONFIG" full echo yes)" = yes ]
	for account in $SSH_ACCOUNTS; do
		echo pwd | sftp -q -b - -F "$SSH_CONFIG" $account
		[ $account = full ] || ! ssh -F "$SSH_CONFIG" $account echo no || false
	done'

fetch() {
	python3 - "$1" <<'EOF'
import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=5).read())
EOF
}

test_case 'the proxy passes on, and fails on demand' '
	seq 10000 >"$HTTP_WWW/file"
	url=http://127.0.0.1:$PROXY_PORT/file
	fetch $url >got && same got "$HTTP_WWW/file"
	for fault in 503 reset cut truncate lost; do
		weather "{\"faults\": [{\"fault\": \"$fault\", \"times\": 1}]}"
		! fetch $url >got || false
		fetch $url >got && same got "$HTTP_WWW/file"
		contains "$PROXY_LOG" " $fault"
	done
	weather "{\"faults\": [{\"fault\": \"flip\"}]}"
	fetch $url >got
	[ "$(cmp -l got "$HTTP_WWW/file" | wc -l)" = 1 ]'

test_case 'a server ends with the one who asked for it' '
	sleep 100 &
	owner=$!
	eval "$(DV_SERVER_OWNER=$owner "$TEST_SOURCE/servers/nginx.sh" start "$TEST_DIR/second")"
	echo yes >"$HTTP_WWW/x"
	[ "$(fetch "$HTTP_URL/x")" = yes ]
	kill -9 $owner
	for i in $(seq 100); do
		fetch "$HTTP_URL/x" >/dev/null 2>&1 || exit 0
		sleep 0.1
	done
	exit 1'

done_testing
