#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The conformance suite of the drivers (unit/test_drivers.c) on a folder, behind a program, on S3
# servers and on a web server, and through the fault proxy.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

# In parts; in a full run more than one request, and 32 bits, can say.
export LARGE=100000001
[ -z "$TEST_FULL" ] || LARGE=5368709121

test_case 'a folder' 'suite DV_TEST_LARGE=$LARGE'

if command -v python3 >/dev/null; then
	test_case 'a program on PATH' '
		PATH=$TEST_SOURCE/servers:$PATH
		suite DV_TEST_URL="demo://$TEST_DIR/demo" DV_TEST_LARGE=$((LARGE < 1 << 28 ? LARGE : 0))'
fi

# In memory there is no room for 5 GiB.
[ -z "$TEST_FULL" ] || export RGW_STORE=bluestore RGW_TLS=1
if start_server radosgw; then
	test_case 'S3: radosgw' '
		s3 make bucket
		s3 make theirs
		suite DV_TEST_URL=s3://bucket/a/prefix DV_TEST_SETTINGS="$(s3_settings)" \
			DV_TEST_LARGE=$LARGE DV_TEST_DENIED_URL=s3://theirs/x \
			DV_TEST_DENIED_SETTINGS="$(s3_settings "" "$S3_OTHER_KEY" "$S3_OTHER_SECRET")"
		suite DV_TEST_URL=s3://bucket DV_TEST_SETTINGS="$(s3_settings)"
		[ -z "$(s3 uploads bucket)" ]'
	test_case 'S3: a wrong secret is refused' '
		suite DV_TEST_DENIED_URL=s3://bucket/x \
			DV_TEST_DENIED_SETTINGS="$(s3_settings "" "$S3_ACCESS_KEY" wrong)"'
	test_case 'S3: names of buckets in the host' '
		suite DV_TEST_URL=s3://bucket/hosts DV_TEST_SETTINGS="addressing=virtual;$(
			s3_settings "http://localhost:$S3_PORT")"'
	start_proxy s3proxy "$S3_PORT"
	test_case 'S3: a bad road' '
		suite DV_TEST_URL=s3://bucket/faults DV_TEST_WEATHER=$PROXY_RULES \
			DV_TEST_PROXY=http DV_TEST_SETTINGS="$(
			s3_settings "http://127.0.0.1:$PROXY_PORT")"'
	test_case 'S3: a server that refuses conditions' '
		weather "{\"faults\": [{\"fault\": \"501\", \"header\": \"if-none-match\"}]}"
		suite DV_TEST_URL=s3://bucket/weak DV_TEST_WEAK=1 DV_TEST_SETTINGS="$(
			s3_settings "http://127.0.0.1:$PROXY_PORT")"
		contains "$PROXY_LOG" " 501"'
	if [ -n "$TEST_FULL" ]; then
		test_case 'S3: over TLS' '
			suite DV_TEST_URL=s3://bucket/tls DV_TEST_SETTINGS="cafile=$S3_CA;$(
				s3_settings "$S3_TLS_ENDPOINT")"'
	fi
fi

if start_server nginx; then
	test_case 'http and https: what is there can be read' '
		suite DV_TEST_MAKE="$HTTP_WWW/store"
		suite DV_TEST_READ_URL="$HTTP_URL/store"
		suite DV_TEST_READ_URL="$HTTP_URL/norange/store"
		suite DV_TEST_READ_URL="$HTTPS_URL/store" DV_TEST_SETTINGS="cafile=$HTTPS_CA"'
fi

if [ -n "$TEST_FULL" ] && start_server swift; then
	test_case 'S3: Swift' '
		s3 make bucket
		suite DV_TEST_URL=s3://bucket/x DV_TEST_WEAK=1 DV_TEST_SETTINGS="$(s3_settings)" \
			DV_TEST_DENIED_URL=s3://bucket/x DV_TEST_DENIED_SETTINGS="$(
			s3_settings "" "$S3_OTHER_KEY" "$S3_OTHER_SECRET")"'
fi
if [ -n "$TEST_FULL" ] && start_server s3rver; then
	test_case 'S3: s3rver, which ignores conditions' '
		s3 make bucket
		suite DV_TEST_URL=s3://bucket/x DV_TEST_WEAK=1 DV_TEST_SETTINGS="$(s3_settings)"'
fi

done_testing
