# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# What gc drops, and above all what it keeps.

. "$(dirname "$0")/lib.sh"

export remote=$TEST_DIR/remote
size() { du -sb .git/dv/cache/packs | cut -f1; }
forget() { git reflog expire --expire=all --expire-unreachable=now --all; }
git init -q
"$DV" init -q
"$DV" remote add -q -d store "$remote"
mkdir data
head -c 2000000 /dev/urandom >data/keep
head -c 3000000 /dev/urandom >data/old
cp -R data "$TEST_DIR/v1"
"$DV" add -q data
git add -A
git commit -q -m one
head -c 3000000 /dev/urandom >data/old
"$DV" add -q data
git commit -q -a -m two

test_case 'gc wants to know what to keep' '
	must_fail 129 "$DV" gc 2>err
	contains err "-w"'

test_case 'what history and the reflog name stays' '
	before=$(size)
	"$DV" gc -w
	[ "$(size)" -ge $((before - 100000)) ]
	"$DV" fsck'

git commit -q --amend -m 'squashed'
git checkout -q --orphan fresh
git commit -q -m 'fresh start'
git branch -q -D main
forget

test_case 'what is on no remote stays' '
	before=$(size)
	"$DV" gc -w >out
	[ "$(size)" -ge $((before - 100000)) ]
	"$DV" gc -w
	[ "$(size)" -ge $((before - 100000)) ]'

test_case 'a stash keeps its data' '
	head -c 1000000 /dev/urandom >data/stashed
	cp data/stashed "$TEST_DIR/stashed"
	"$DV" add -q data
	git stash -q
	"$DV" checkout -q --force
	"$DV" gc -w --force
	git stash pop -q
	"$DV" checkout -q
	same data/stashed "$TEST_DIR/stashed"
	rm data/stashed
	"$DV" add -q data
	git stash clear
	forget'

test_case 'force drops what no pointer names, and nothing else' '
	"$DV" gc -w --force --dry
	"$DV" gc -w --force
	[ "$(size)" -lt 6500000 ]
	cp -R data "$TEST_DIR/now"
	rm -rf data
	"$DV" checkout -q
	same data "$TEST_DIR/now"
	"$DV" fsck
	"$DV" status'

test_case 'what a remote has may go' '
	head -c 2500000 /dev/urandom >data/third
	"$DV" add -q data
	git commit -q -a -m third
	"$DV" push -q
	rm data/third
	"$DV" add -q data
	git commit -q -a --amend --allow-empty -m "without third"
	forget
	before=$(size)
	"$DV" gc -w
	[ "$(size)" -lt $((before - 2000000)) ]
	"$DV" fsck
	"$DV" status'

test_case 'another repository that uses the same cache keeps its data' '
	mkdir "$TEST_DIR/second"
	cd "$TEST_DIR/second"
	git init -q
	"$DV" init -q
	"$DV" config --local cache.dir "$TEST_DIR/ws/.git/dv/cache"
	head -c 500000 /dev/urandom >file
	cp file "$TEST_DIR/file"
	"$DV" add -q file
	git add -A
	git commit -q -m one
	cd "$TEST_DIR/ws"
	"$DV" gc -w --force
	cd "$TEST_DIR/second"
	rm file
	"$DV" checkout -q
	same file "$TEST_DIR/file"
	cd "$TEST_DIR/ws"
	printf "outs: [" >"$TEST_DIR/second/broken.dv"
	must_fail 12 "$DV" gc -w 2>err
	contains err "$TEST_DIR/second"
	rm -rf "$TEST_DIR/second"
	"$DV" gc -w --force
	"$DV" fsck
	"$DV" status'

test_case 'another work tree keeps its data' '
	git worktree add -q -b side "$TEST_DIR/side"
	cd "$TEST_DIR/side"
	head -c 700000 /dev/urandom >side.bin
	cp side.bin "$TEST_DIR/side.copy"
	"$DV" add -q side.bin
	cd "$TEST_DIR/ws"
	"$DV" gc -w --force
	cd "$TEST_DIR/side"
	rm side.bin
	"$DV" checkout -q
	same side.bin "$TEST_DIR/side.copy"'

test_case 'what nothing needs but stays in a pack is told' '
	git init -q "$TEST_DIR/small"
	cd "$TEST_DIR/small"
	"$DV" init -q
	mkdir d
	head -c 3000000 /dev/urandom >d/kept
	head -c 100000 /dev/urandom >d/gone
	"$DV" add -q d -m one
	rm d/gone
	"$DV" add -q d
	"$DV" gc -w --force >out
	lacks out "unused"
	git commit -q --amend -m two
	forget
	"$DV" gc -w --force >out
	contains out "of it unused"
	"$DV" gc -w --force --json >out
	lacks out "\"bytes_unused\": 0,"
	"$DV" fsck'

test_case 'what is kept is what the next one finds' '
	rm -rf ../kept && mkdir ../kept && cd ../kept && git init -q && "$DV" init -q
	for i in 1 2 3 4; do seq $i 20000 >f$i; "$DV" add -q f$i; done
	"$DV" gc -w >out; kept=$(sed "s/.*, //" out)
	[ "$("$DV" gc -w)" = "Nothing to drop, $kept" ]'

done_testing
