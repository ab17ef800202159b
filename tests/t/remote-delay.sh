#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Far away, round trips cost more than bytes: how many requests it takes is bounded here, whatever
# the number of files, since times fail no test.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"

need_server radosgw
start_proxy s3proxy "$S3_PORT"
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
s3 make bucket
"$DV" config --global remote.store.endpointurl "http://127.0.0.1:$PROXY_PORT"
"$DV" config --global remote.store.region "$S3_REGION"
weather '{"delay_ms": 50}'

# Many small files, as of a theme of icons.
git init -q
"$DV" init -q
python3 - <<'EOF'
import os
for d in range(30):
    os.makedirs("icons/size%d/apps" % d)
    for i in range(100):
        with open("icons/size%d/apps/icon%d.svg" % (d, i), "w") as f:
            f.write('<svg width="%d"><path d="M%d %d"/></svg>\n' % (d, i * 7919 % 1000, d) * (1 + i % 9))
EOF
"$DV" add -q icons
"$DV" remote add -q -d --no-probe store s3://bucket/icons
git add -A
git commit -q -m icons

# at_most N COMMAND…: sends no more requests than that through the proxy.
at_most() {
	local n=$1 before after began
	shift
	before=$(wc -l <"$PROXY_LOG")
	began=$(date +%s%N)
	"$@"
	after=$(wc -l <"$PROXY_LOG")
	echo "$*: $((after - before)) requests, $((($(date +%s%N) - began) / 1000000)) ms" |
		tee -a "$TEST_DIR/counts"
	[ $((after - before)) -le "$n" ] || { tail -n +$((before + 1)) "$PROXY_LOG"; return 1; }
}

test_case 'a push of 3000 files' 'at_most 12 "$DV" push -q'

test_case 'a push of nothing' 'at_most 3 "$DV" push -q'

test_case 'a pull of 3000 files' '
	git clone -q . ../clone
	cd ../clone
	at_most 16 "$DV" pull -q
	same icons ../ws/icons'

test_case 'a pull of nothing' 'cd ../clone && at_most 3 "$DV" pull -q'

test_case 'a push and a pull of one change' '
	echo changed >icons/size3/apps/icon7.svg
	"$DV" add -q icons
	git commit -q -a -m change
	at_most 10 "$DV" push -q
	cd ../clone
	git pull -q
	at_most 14 "$DV" pull -q
	same icons ../ws/icons'

test_case 'a pull of one file' '
	git clone -q . ../part
	cd ../part
	at_most 16 "$DV" pull -q icons/size3/apps/icon7.svg
	[ "$(cat icons/size3/apps/icon7.svg)" = changed ]'

sed "s,$DV,dv,; s/^/# /" "$TEST_DIR/counts"
done_testing
