#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Remotes in buckets, with the program itself: push and clone, refusals that say what to do, a push
# that is cut inside a pack, public buckets, and nothing secret in what is printed.
. "${0%/*}/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

need_server radosgw
start_proxy s3proxy "$S3_PORT"
s3 make bucket
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export AWS_ENDPOINT_URL_S3=$S3_ENDPOINT AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null
export AWS_SHARED_CREDENTIALS_FILE=/dev/null

export top=$PWD
git init -q --template= origin
cd origin || exit 2
dv init -q
mkdir -p data/sub
seq 60000 >data/a
echo b >data/sub/b
: >data/empty
dv add -q data
dv remote add -q -d team s3://bucket/a/prefix
dv remote modify team endpointurl "$S3_ENDPOINT"
git add -A
git commit -qm one

test_case 'push, and a clone elsewhere' '
	dv push
	dv push >out
	contains out "Everything is up to date"
	git clone -q . "$top/clone"
	cd "$top/clone"
	dv pull
	diff -r data "$top/origin/data"
	s3 list bucket >out
	contains out "a/prefix/dv-store.json"
	contains out "a/prefix/log/000000000001"'

test_case 'the second version sends what is new' '
	seq 60001 >data/a
	dv add -q data
	dv push -q
	git commit -qam two
	cd "$top/clone"
	git pull -q
	dv pull -q
	diff -r data "$top/origin/data"'

test_case 'refusals say what to do, and no secret' '
	refused env AWS_SECRET_ACCESS_KEY=topsecret1 "$DV" push 2>err
	contains err "the secret does not belong to the access key"
	refused env AWS_ACCESS_KEY_ID=nobody "$DV" push 2>>err
	contains err "does not know the access key"
	refused env AWS_ACCESS_KEY_ID="$S3_OTHER_KEY" AWS_SECRET_ACCESS_KEY="$S3_OTHER_SECRET" \
		"$DV" push 2>>err
	contains err "access is denied"
	refused env -u AWS_ACCESS_KEY_ID "$DV" push 2>>err
	dv remote add -q --local none s3://nobucket/x
	dv remote modify --local none endpointurl "$S3_ENDPOINT"
	refused "$DV" push -r none 2>>err
	contains err "does not exist"
	contains err "aws s3 mb s3://nobucket"
	lacks err topsecret1
	lacks err "$S3_SECRET_KEY"
	lacks err Signature='

test_case 'URLs that cannot be' '
	for url in s3:// s3://-x/y s3://id:secret@bucket/x s3://bucket/../x; do
		dv remote add -q -f --local bad "$url" 2>/dev/null || continue
		refused "$DV" push -r bad 2>err
		lacks err "connect"
	done
	dv remote remove --local bad'

test_case 'a public bucket needs no key' '
	s3 public bucket
	rm -rf "$top/guest"
	git clone -q . "$top/guest"
	cd "$top/guest"
	dv remote modify --local team anonymous true
	env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY "$DV" pull -q
	diff -r data "$top/origin/data"'

test_case 'a push that is cut goes on inside a pack' '
	head -c 60000000 /dev/urandom >large
	dv add -q large
	dv remote modify --local team endpointurl "http://127.0.0.1:$PROXY_PORT"
	weather "{\"rate\": 20000000}"
	"$DV" push -q & pid=$!
	for i in $(seq 300); do
		[ "$(grep -c "partNumber=.* 200 " "$PROXY_LOG")" -lt 1 ] || break
		kill -0 $pid || break
		sleep 0.05
	done
	kill -9 $pid
	! wait $pid
	weather "{}"
	[ -n "$(s3 uploads bucket)" ]
	sleep 0.5
	cut=$(grep -c "partNumber=.* 200 " "$PROXY_LOG")
	dv push
	# Each of the four parts arrived once, before or after.
	[ "$cut" -ge 1 ]
	[ "$(grep "partNumber=.* 200 " "$PROXY_LOG" | sort -u -k 2,2 | wc -l)" -eq 4 ]
	[ "$(grep -c "partNumber=.* 200 " "$PROXY_LOG")" -eq 4 ]
	[ -z "$(s3 uploads bucket)" ]
	git commit -qam three
	cd "$top/clone"
	git pull -q
	dv pull -q
	cmp large "$top/origin/large"'

test_case 'the log on a server that refuses conditions' '
	weather "{\"faults\": [{\"fault\": \"501\", \"header\": \"if-none-match\"}]}"
	dv remote add -q --local weak s3://bucket/weak
	dv remote modify --local weak endpointurl "http://127.0.0.1:$PROXY_PORT"
	dv push -q -r weak
	weather "{}"
	cd "$top/clone"
	rm -rf "$top/clone/data" .git/dv/cache
	dv remote add -q --local weak s3://bucket/weak
	dv remote modify --local weak endpointurl "$S3_ENDPOINT"
	dv pull -q -r weak
	diff -r data "$top/origin/data"'

done_testing
