#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# However many connections there are, memory stays bounded, and those who compute are few. In a full
# run with 2 GiB.
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
command -v python3 >/dev/null || { echo "1..0 # SKIP python3 is not installed"; exit 77; }

export megabytes=300
[ -z "$TEST_FULL" ] || megabytes=2048

# measured COMMAND…: runs it, and tells the most memory that it used at once, in KiB.
cat >"$TEST_DIR/measured" <<'END'
#!/usr/bin/env python3
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("%s: %d KiB" % (" ".join(sys.argv[2:5]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
END
chmod +x "$TEST_DIR/measured"

# within COMMAND…: in 256 MiB. Sanitizers take far more.
within() {
	local kib
	"$TEST_DIR/measured" "$@" >"$TEST_DIR/used"
	cat "$TEST_DIR/used" | tee -a "$TEST_DIR/all"
	kib=$(sed -n "s/.*: \([0-9]*\) KiB/\1/p" "$TEST_DIR/used")
	if grep -q __asan_init "$DV"; then
		return 0
	fi
	[ "$kib" -le 262144 ]
}
export -f within

git init -q
"$DV" init -q
"$DV" remote add -q -d store "$TEST_DIR/store"
head -c ${megabytes}M /dev/urandom >large
mkdir small
python3 - <<'END'
import random
random.seed(1)
for i in range(4000):
    with open("small/%d" % i, "w") as f:
        f.write("".join("%d\n" % random.randrange(1 << 40) for _ in range(400)))
END
"$DV" add -q large small
git add -A
git commit -q -m data

test_case 'a push over 64 connections' 'within "$DV" push -q -j 64'

test_case 'a push of what has to be collected into packs' '
	for i in $(seq 0 3 3999); do echo changed >>small/$i; done
	head -c 1000000 /dev/urandom >>large
	"$DV" add -q large small
	git commit -qam changed
	rm -rf "$TEST_DIR/store"
	within "$DV" push -q -j 64 --force'

test_case 'a pull over 64 connections' '
	git clone -q . ../clone
	cd ../clone
	within "$DV" pull -q -j 64
	cmp large ../ws/large
	same small ../ws/small'

test_case 'a pull of a part of each pack' '
	rm -rf ../clone
	git clone -q . ../clone
	cd ../clone
	within "$DV" fetch -q -j 64 small
	"$DV" checkout -q small
	same small ../ws/small'

# there_and_back URL SETTING VALUE…: with 64 connections and in bounded memory.
there_and_back() {
	cd ../ws
	"$DV" remote add -q -f -d --no-probe --local far "$1"
	shift
	while [ $# -gt 0 ]; do
		"$DV" config --global "remote.far.$1" "$2"
		shift 2
	done
	within "$DV" push -q -j 64 -r far
	rm -rf large small .git/dv/cache
	within "$DV" pull -q -j 64 -r far
	cmp large ../large
	same small ../small
}
export -f there_and_back

mkdir "$TEST_DIR/far"
ln -s "$DV" "$TEST_DIR/far/dv"
export SSHD_PATH=$TEST_DIR/far:/usr/bin:/bin
ln large ../large
cp -r small ../small
if start_server sshd; then
	test_case 'over SSH' '
		there_and_back "ssh://full$SSH_HOME/store" sshcommand "ssh -F $SSH_CONFIG" serve always'
	test_case 'over SFTP' '
		there_and_back "ssh://full$SSH_HOME/sftp" sshcommand "ssh -F $SSH_CONFIG" serve never'
fi
# In memory it has room for two GiB.
[ -z "$TEST_FULL" ] || export RGW_STORE=bluestore
if start_server radosgw; then
	export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
	test_case 'over S3' '
		s3 make bucket
		there_and_back s3://bucket/store endpointurl "$S3_ENDPOINT" region "$S3_REGION"'
fi

sed "s,$DV,dv,; s/^/# /" "$TEST_DIR/all"
done_testing
