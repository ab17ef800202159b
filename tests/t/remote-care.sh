#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# fsck and gc of a remote that is no folder of this machine: a bucket.
. "${0%/*}/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

need_server radosgw
s3 make bucket
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
export AWS_ENDPOINT_URL_S3=$S3_ENDPOINT AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null
export AWS_SHARED_CREDENTIALS_FILE=/dev/null

git init -q --template= .
"$DV" init -q
"$DV" remote add -q -d team s3://bucket/store
git add -A
git commit -qm zero
mkdir data
seq 60000 >data/a
seq 3 >data/b

# The packs in the bucket.
listed() { s3 list bucket | grep -o 'store/packs/[0-9a-f/]*' | sort; }
export -f listed

test_case 'what is whole is found whole, quickly and in full' '
	"$DV" add -q data
	git add -A
	git commit -qm one
	"$DV" push -q
	"$DV" fsck --remote >out
	contains out "pack"
	"$DV" fsck --remote --full
	rm -rf .git/dv/cache .git/dv/remotes
	"$DV" fsck --remote --full
	[ -z "$(find .git/dv -name "new-fsck*")" ]'

test_case 'a pack that is gone is found, and a changed byte with --full' '
	name=$(listed | head -1)
	s3 get bucket "$name" >pack
	s3 remove bucket "$name"
	must_fail 12 "$DV" fsck --remote >out
	contains out "${name##*/}"
	cp pack changed
	printf damaged | dd of=changed bs=1 seek=40 conv=notrunc status=none
	s3 put bucket "$name" <changed
	must_fail 12 "$DV" fsck --remote --full >out
	head -c 100 pack >short
	s3 remove bucket "$name"
	s3 put bucket "$name" <short
	must_fail 12 "$DV" fsck --remote >out
	s3 remove bucket "$name"
	s3 put bucket "$name" <pack
	"$DV" fsck --remote
	rm -f pack changed short'

test_case 'it says that it cannot repair from here' '
	must_fail 2 "$DV" fsck --remote --repair 2>err
	contains err "not repaired"'

test_case 'a collection keeps what versions need' '
	"$DV" pull -q
	seq 70000 | tac >data/a
	"$DV" add -q data
	git commit -qam two
	"$DV" push -q
	git reflog expire --expire=all --all
	"$DV" gc --remote -A --grace 0 >out
	contains out "Nothing to condemn"
	rm data/b
	head -c 300000 /dev/urandom >data/c
	"$DV" add -q data
	git commit -qam three
	"$DV" push -q
	head -c 300000 /dev/urandom >data/c
	"$DV" add -q data
	git commit -qam four
	"$DV" push -q
	git reflog expire --expire=all --all
	"$DV" gc --remote --rev HEAD --grace 0 >out
	"$DV" fsck --remote --full
	git clone -q . ../clone
	cd ../clone
	"$DV" pull -q
	diff -r data ../ws/data'

test_case 'a bucket that was emptied is not pushed to as if nothing had happened' '
	"$DV" push -q
	s3 get bucket store/dv-store.json >kept
	s3 remove bucket store/dv-store.json
	must_fail 12 "$DV" push 2>err
	contains err "has lost its"
	contains err "hint: "
	must_fail 12 "$DV" status --remote
	s3 put bucket store/dv-store.json <kept
	"$DV" push >out
	contains out "up to date"
	for name in $(s3 list bucket | grep -o "store/[0-9a-z/.-]*"); do s3 remove bucket "$name"; done
	refused "$DV" push 2>err
	contains err "is gone"
	must_fail 1 "$DV" status -q --remote
	refused "$DV" push
	[ -z "$(listed)" ]
	"$DV" push --force
	"$DV" status --remote
	"$DV" fsck --remote --full'

done_testing
