# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Between two clones and a remote: push, fetch, pull, whole and in part.

. "$(dirname "$0")/lib.sh"

remote=$TEST_DIR/remote
export remote
git init -q
"$DV" init -q
mkdir -p data/sub data/empty
seq 1 200000 >data/a.csv
head -c 3000000 /dev/urandom >data/sub/r.bin
echo short >data/sub/s.txt
printf '#!/bin/sh\n' >data/run && chmod +x data/run
ln -s a.csv data/link
echo one >single.txt
"$DV" add -q data single.txt
git add -A
git commit -q -m one
clone() {
	rm -rf "${TEST_DIR:?}/$1"
	git clone -q "$TEST_DIR/ws" "$TEST_DIR/$1"
	cd "$TEST_DIR/$1"
}

test_case 'without a remote, push says how to add one' '
	must_fail 2 "$DV" push 2>err
	contains err "dv remote add"'

"$DV" remote add -q -d store "$remote"
git commit -q -a -m 'Name the remote'

test_case 'status --remote names what was not pushed' '
	"$DV" status --remote >out || true
	contains out data
	contains out single.txt'

test_case 'a dry push changes nothing' '
	"$DV" push --dry
	[ ! -e "$remote/packs" ] || [ -z "$(find "$remote/packs" -type f)" ]'

test_case 'push fills an empty remote, and a second push has nothing to do' '
	"$DV" push
	find "$remote" -type f | sort >before
	"$DV" push
	find "$remote" -type f | sort >after
	same before after
	"$DV" status --remote'

test_case 'pull in a clone brings every byte, link, mode and empty folder' '
	clone other
	"$DV" pull
	same "$TEST_DIR/ws/data" data
	same "$TEST_DIR/ws/single.txt" single.txt
	[ -x data/run ]
	[ -L data/link ]
	[ -d data/empty ]
	"$DV" status'

test_case 'what is in the cache needs no remote' '
	cd "$TEST_DIR/other"
	mv "$remote" "$remote.away"
	rm -rf data
	"$DV" pull
	mv "$remote.away" "$remote"
	same "$TEST_DIR/ws/data" data'

test_case 'pull of one file brings that file only' '
	clone part
	"$DV" pull data/sub/s.txt
	same "$TEST_DIR/ws/data/sub/s.txt" data/sub/s.txt
	[ ! -e data/a.csv ]
	[ ! -e data/sub/r.bin ]
	[ ! -e single.txt ]
	[ "$(du -s --apparent-size -k .git/dv/cache | cut -f1)" -lt 1000 ]
	"$DV" pull data/sub/s.txt data/run
	[ -x data/run ]
	"$DV" pull
	same "$TEST_DIR/ws/data" data'

test_case 'a change travels as a part of the data' '
	cd "$TEST_DIR/other"
	printf changed | dd of=data/sub/r.bin bs=1 seek=1500000 conv=notrunc 2>/dev/null
	"$DV" add -q data
	git commit -q -a -m two
	before=$(du -sb "$remote" | cut -f1)
	"$DV" push
	after=$(du -sb "$remote" | cut -f1)
	[ $((after - before)) -lt 700000 ]
	git push -q origin HEAD:refs/heads/two
	cd "$TEST_DIR/ws"
	git merge -q two
	"$DV" pull
	same "$TEST_DIR/other/data" data
	"$DV" status'

test_case 'fetch --rev brings a version without touching the workspace' '
	clone old
	"$DV" fetch --rev=HEAD~1
	[ ! -e data ]
	"$DV" cat HEAD~1:data/sub/s.txt >out
	same out "$TEST_DIR/ws/data/sub/s.txt"
	mv "$remote" "$remote.away"
	must_fail 2 "$DV" cat data/sub/r.bin >out 2>err
	contains err "not in the cache"
	mv "$remote.away" "$remote"
	"$DV" fetch -A
	"$DV" cat data/sub/r.bin >out
	same out "$TEST_DIR/ws/data/sub/r.bin"'

test_case 'what is nowhere is named, and the rest comes' '
	clone gone
	echo never >lost.txt
	"$DV" add -q lost.txt
	rm -rf .git/dv/cache lost.txt
	code=0
	"$DV" pull 2>err || code=$?
	[ "$code" -eq 3 ] || [ "$code" -eq 2 ]
	contains err lost.txt
	same "$TEST_DIR/ws/data" data'

test_case 'an unknown target is an error' '
	must_fail 2 "$DV" push nothing-here 2>err
	contains err nothing-here
	must_fail 2 "$DV" pull data/nothing 2>err
	contains err nothing'

test_case 'ls and cat read pointers without the workspace' '
	clone look
	"$DV" fetch -q
	"$DV" ls >out
	contains out single.txt
	"$DV" ls -R >out
	contains out data/sub/s.txt
	"$DV" ls data/sub >out
	contains out data/sub/r.bin
	lacks out a.csv
	"$DV" cat --offset=2 --length=3 data/sub/s.txt >out
	printf ort >want
	same out want
	must_fail 2 "$DV" cat data/none 2>err
	must_fail 2 "$DV" ls none 2>err'

test_case 'a later push removes what a killed one left' '
	rm -rf "$TEST_DIR/far" "$TEST_DIR/litter" && mkdir "$TEST_DIR/litter" && cd "$TEST_DIR/litter" && git init -q && "$DV" init -q
	"$DV" remote add -q -d far "$TEST_DIR/far" && echo 1 >f && "$DV" add -q f && "$DV" push -q
	old=$TEST_DIR/far/index/.dv-tmp-0011223344556677
	new=$TEST_DIR/far/index/.dv-tmp-8899aabbccddeeff
	touch -d "2 days ago" "$old" && touch "$new"
	echo 2 >f && "$DV" commit -q && "$DV" push -q
	[ ! -e "$old" ] && [ -e "$new" ]'

test_case 'a remote that is gone or another one is not pushed to without being told' '
	mkdir "$TEST_DIR/warm" && cd "$TEST_DIR/warm" && git init -q && "$DV" init -q
	"$DV" remote add -q -d far "$TEST_DIR/disk/far"
	echo 1 >f && "$DV" add -q f && "$DV" push -q
	mv "$TEST_DIR/disk" "$TEST_DIR/unmounted"
	for name in f g; do
		echo 2 >$name && "$DV" add -q $name
		must_fail 2 "$DV" push 2>err
		contains err "is gone"
		contains err "hint: see that its disk is mounted"
		[ ! -e "$TEST_DIR/disk" ]
		must_fail 1 "$DV" status -q --remote 2>err
	done
	mv "$TEST_DIR/unmounted" "$TEST_DIR/disk"
	"$DV" push
	mv "$TEST_DIR/disk/far" "$TEST_DIR/disk/old"
	(mkdir ../warm2 && cd ../warm2 && git init -q && "$DV" init -q && echo x >x && "$DV" add -q x &&
		"$DV" remote add -q -d far "$TEST_DIR/disk/far" && "$DV" push -q)
	must_fail 2 "$DV" push 2>err
	contains err "is not the store that it was"
	contains err "dv status --remote"
	find "$TEST_DIR/disk/far" -type f | wc -l >before
	must_fail 2 "$DV" push
	find "$TEST_DIR/disk/far" -type f | wc -l | cmp - before
	must_fail 1 "$DV" status -q --remote 2>err
	contains err "is not the store that it was"
	"$DV" push
	"$DV" status --remote
	rm -rf "$TEST_DIR/disk/far" && mv "$TEST_DIR/disk/old" "$TEST_DIR/disk/far"
	"$DV" push --force 2>err
	"$DV" status --remote && "$DV" push
	rm "$TEST_DIR/disk/far/dv-store.json"
	must_fail 12 "$DV" push 2>err
	contains err "has lost its"
	must_fail 12 "$DV" status --remote 2>err
	refused "$DV" fsck --remote
	"$DV" push --force
	"$DV" fsck --remote --full'

test_case 'a remote of another kind is refused' '
	for text in "{\"chunker\":\"gear64-1\",\"format\":0}" "{\"chunker\":\"x\",\"format\":1}"; do
		rm -rf "$TEST_DIR/odd" && mkdir "$TEST_DIR/odd" "$TEST_DIR/odd/log"
		printf "%s\n" "$text" >"$TEST_DIR/odd/dv-store.json"
		"$DV" remote add -q -f odd "$TEST_DIR/odd" 2>/dev/null || true
		must_fail 2 "$DV" push -r odd 2>err
		contains err "newer version of dv"
	done'

test_case 'a directory that is here only in part is not taken for the whole' '
	rm -rf ../part ../part2 ../part-store && mkdir ../part && cd ../part && git init -q . && $DV init -q
	$DV remote add -q -d r ../part-store
	mkdir -p d/s; for i in 1 2 3; do echo "file $i" >d/$i; echo "deep $i" >d/s/$i; done; echo o >other
	$DV add -q d other && git commit -qm 1 && $DV push -q
	git clone -q . ../part2 && cd ../part2 && $DV remote add -q --local -d r ../part-store
	$DV pull -q d/1 other
	$DV status >out; contains out "not in cache: d/2"; lacks out deleted
	cp d.dv before
	echo new >other
	must_fail 3 $DV commit 2>err >out
	contains err "here only in part"; contains out "other: "
	same d.dv before
	must_fail 2 $DV add d 2>err; contains err "d/2"; same d.dv before
	# Single files are recorded, and what is asked for by name is taken out.
	echo changed >d/1; echo added >d/4
	$DV add -q d/1 d/4
	$DV ls -R d >out; for f in 1 2 3 4 s/1 s/2 s/3; do grep -q "$f" out; done
	# What is missing here is known to be missing.
	$DV status >out; contains out "not in cache: d/s/"
	git commit -qam 2; $DV push -q
	rm -rf ../part3; git clone -q . ../part3; cd ../part3; $DV remote add -q --local -d r ../part-store
	$DV pull -q; [ "$(cat d/1 d/2 d/4 d/s/3)" = "changed
file 2
added
deep 3" ]
	cd ../part2
	$DV add -q d/2
	$DV ls -R d >out; lacks out d/2
	$DV pull -q d/s/1
	must_fail 2 $DV add d/s 2>err; contains err "d/s/2"
	# Whole, it is as ever.
	$DV pull -q d
	rm d/3; $DV status >out; contains out "deleted: d/3"
	$DV commit -q d; $DV push -q
	rm -rf d .git/dv/cache; $DV pull -q d/4; echo 5 >d/5
	must_fail 2 $DV commit d 2>err
	$DV commit -q --force d
	$DV ls -R d >out; lacks out "s/"
'

done_testing
