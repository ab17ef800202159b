# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# What a remote can do: found out when it is added, remembered, and the weaker way where a place does
# not create files only if they are absent.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
git init -q
"$DV" init -q
seq 1 50000 >numbers
"$DV" add -q numbers
git add -A
git commit -q -m one

test_case 'a folder that is not there is added without a word, and not made' '
	"$DV" remote add -d store "$remote" >out
	[ ! -s out ]
	[ ! -e "$remote" ]'

test_case 'a folder can all of it, and nothing stays behind' '
	mkdir "$remote"
	"$DV" remote add -f store "$remote" >out
	contains out "read, write, list, create-if-absent, remove"
	[ -z "$(ls -A "$remote")" ]'

test_case 'a folder in the data is refused' '
	mkdir data
	echo 1 >data/1
	echo 2 >data/2
	"$DV" add -q data
	for place in data data/store "$PWD/data"; do
		must_fail 129 "$DV" remote add inside "$place" 2>err
		contains err "in the output"
	done
	[ "$(ls data | wc -l)" = 2 ]
	rm data/2
	"$DV" commit >out
	contains out "data: 1 file, 1 fewer than before"
	"$DV" remove -q --outs --force data.dv'

test_case 'why a remote cannot be used is told once, with what to do' '
	AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null \
		AWS_SHARED_CREDENTIALS_FILE=/dev/null HOME=/nowhere \
		"$DV" remote add --local bucket s3://bucket/x 2>err
	contains err "hint: looked at"
	lacks err "'"'bucket': remote 'bucket'"'"
	"$DV" remote remove --local bucket'

test_case 'not with --no-probe, and quietly with -q' '
	DV_REMOTE_FAULT=1:die "$DV" remote add -f --no-probe store "$remote" >out
	[ ! -s out ]
	"$DV" remote add -q -f store "$remote" >out 2>err
	[ ! -s out ]'

test_case 'servers that refuse or ignore the condition are told apart from good ones' '
	for kind in refuse overwrite; do
		DV_REMOTE_FAULT=$kind "$DV" remote add -f store "$remote" >out 2>err
		contains out "can: read, write, list, remove"
		contains err "only if they are absent"
	done'

test_case 'a remote that cannot be used is added all the same, with a warning' '
	DV_REMOTE_FAULT=100%:denied "$DV" remote add -f store "$remote" 2>err
	contains err "cannot be used now"
	"$DV" remote list >out
	contains out store'

test_case 'what was found is remembered: a push does not ask again' '
	for kind in refuse overwrite; do
		rm -rf "$remote" .git/dv/remotes
		mkdir "$remote"
		DV_REMOTE_FAULT=$kind "$DV" remote add -q -f store "$remote" 2>err
		seq 1 10 | tee "$remote/probe.txt" >/dev/null
		DV_REMOTE_FAULT=$kind "$DV" push 2>err
		contains err "two pushes in the same moment"
		rm -rf "$remote/probe"
		echo "$kind" >>numbers
		"$DV" add -q numbers
		DV_REMOTE_FAULT=$kind "$DV" push
		[ ! -e "$remote/probe" ]
		DV_REMOTE_FAULT=$kind "$DV" status --remote
		DV_REMOTE_FAULT=$kind "$DV" fsck --remote
	done'

test_case 'pushes in competition do not lose one another, even where nothing is enforced' '
	git commit -q -a -m two
	for i in 1 2 3; do
		git clone -q "$TEST_DIR/ws" "$TEST_DIR/c$i"
		(
			cd "$TEST_DIR/c$i"
			echo "mine $i" >own$i
			"$DV" add -q own$i
			DV_REMOTE_FAULT=overwrite "$DV" push own$i
		) &
	done
	wait
	for i in 1 2 3; do
		cd "$TEST_DIR/c$i"
		"$DV" status --remote own$i
	done'

done_testing
