# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# dv import-dvc: repositories of DVC's, made by hand after its formats, and by the real dvc where it
# is installed.
. "$(dirname "$0")/lib.sh"

. "$TEST_SOURCE/t/dvclib.sh"

test_case 'pointers, content and settings come over, history stays' '
	make_repo one && cd one
	before=$(git rev-parse HEAD)
	"$DV" import-dvc >../out
	contains ../out "data -> data.dv"
	contains ../out "2 outputs (3 files"
	"$DV" status | grep "up to date"
	contains data.dv "two: files"
	contains data.dv "who"
	[ "$(git rev-parse HEAD)" = "$before" ]
	git status --porcelain >../st
	contains ../st "A  data.dv"
	contains ../st "A  big.bin.dv"
	lacks ../st ".dvc"
	[ "$("$DV" config remote.st.url)" = ../store/dv ]
	"$DV" fsck
'
test_case 'again: nothing to do, nothing written' '
	cd one
	git add -A && git commit -qm dv
	"$DV" import-dvc >../out
	contains ../out "2 outputs"
	lacks ../out "taken over:"
	[ -z "$(git status --porcelain)" ]
'
test_case 'it leaves a record of the run' '
	cd one
	"$DV" runs ls --json >../runs
	contains ../runs "import"
'
test_case 'from the cache alone, and checked out' '
	make_repo two && cd two && cp -r data big.bin ..
	rm -rf data big.bin
	"$DV" import-dvc
	"$DV" checkout
	same data ../data && same big.bin ../big.bin
	rm -rf ../data ../big.bin
'
test_case 'the older layout, with text hashed without its CRs' '
	export OLDER=1; make_repo old && cd old && cp -r data big.bin ..
	[ ! -d .dvc/cache/files ]
	rm -rf data big.bin
	"$DV" import-dvc
	"$DV" checkout
	same data ../data && same big.bin ../big.bin
'
test_case 'the same where the workspace has it and the cache is gone' '
	export OLDER=1; make_repo old2 && cd old2
	rm -rf .dvc/cache
	"$DV" import-dvc --no-fetch
	"$DV" status | grep "up to date"
'
test_case 'fetched from the remote, of both layouts' '
	for OLDER in "" 1; do
		export OLDER
		rm -rf far store; make_repo far && to_store far store && cd far
		rm -rf .dvc/cache data big.bin
		must_fail 3 "$DV" import-dvc --no-fetch >../out
		contains ../out "missing: big.bin"
		[ ! -e big.bin.dv ] && [ ! -e data.dv ]
		"$DV" import-dvc
		"$DV" checkout
		[ "$(head -n1 data/a.txt)" = 1 ] && [ "$(stat -c %s big.bin)" = 5000000 ]
		"$DV" push
		cd ..
	done
'
test_case 'damage is never taken for content' '
	make_repo bad && cd bad
	rm -rf data big.bin
	f=$(find .dvc/cache/files/md5 -type f -size +1000k)
	chmod u+w "$f"; printf damaged | dd of="$f" conv=notrunc bs=1 seek=1000 2>/dev/null; chmod 444 "$f"
	must_fail 3 "$DV" import-dvc --no-fetch >../out 2>../err
	contains ../err "damaged"
	contains ../out "missing: big.bin"
	[ ! -e big.bin.dv ] && [ -e data.dv ]
'
test_case 'a file that was changed keeps the content that DVC recorded' '
	make_repo edited && cd edited
	echo more >>data/a.txt
	"$DV" import-dvc --no-fetch
	"$DV" diff --json >../out || true
	"$DV" status >../out
	contains ../out "data/a.txt"
	[ "$("$DV" cat data/a.txt | tail -n1)" = 5000 ]
	[ "$(tail -n1 data/a.txt)" = more ]
'
test_case 'one missing file is named, and only its output waits' '
	make_repo part && cd part
	sum=$(md5 data/a.txt); rm -rf data
	chmod -R u+w .dvc/cache; rm ".dvc/cache/files/md5/${sum:0:2}/${sum:2}"
	must_fail 3 "$DV" import-dvc --no-fetch >../out
	contains ../out "missing: data/a.txt ($sum), named by data.dvc"
	[ -e big.bin.dv ] && [ ! -e data.dv ]
	seq 1 5000 >../again; mkdir -p ".dvc/cache/files/md5/${sum:0:2}"
	cp ../again ".dvc/cache/files/md5/${sum:0:2}/${sum:2}"
	"$DV" import-dvc --no-fetch
	[ -e data.dv ]
'
test_case 'executable files and empty folders of the workspace stay what they are' '
	make_repo exec && cd exec
	chmod +x data/a.txt; mkdir data/empty
	"$DV" import-dvc --no-fetch
	"$DV" status | grep "up to date"
	rm -rf data && "$DV" checkout
	[ -x data/a.txt ] && [ -d data/empty ]
'
test_case 'paths that leave a directory or the workspace are refused' '
	make_repo hostile && cd hostile
	rm -rf data
	for path in ../x /x a/../../x .git/hooks/post-checkout a//b ""; do
		printf "[{\"md5\": \"%032d\", \"relpath\": \"%s\"}]" 1 "$path" >listing
		sum=$(md5 listing); put .dvc/cache listing "$sum.dir" >/dev/null
		printf "outs:\n- md5: %s.dir\n  hash: md5\n  path: data\n" "$sum" >data.dvc
		must_fail 3 "$DV" import-dvc --no-fetch >../out 2>../err
		[ ! -e data.dv ]
		contains ../err "cannot be a path"
	done
	rm listing
	printf "outs:\n- md5: %032d\n  hash: md5\n  path: ../../x\n" 1 >x.dvc
	printf "outs:\n- md5: %032d\n  hash: md5\n  path: .git/config\n" 1 >y.dvc
	printf "outs: [\n" >z.dvc
	printf "outs:\n- md5: zz\n  path: z\n" >w.dvc
	must_fail 3 "$DV" import-dvc --no-fetch >../out 2>../err
	contains ../out "x.dvc"
	contains ../out "y.dvc"
	contains ../out "z.dvc"
	contains ../out "w.dvc"
'
test_case 'only told, with --dry' '
	make_repo dry && cd dry
	"$DV" init -q && git add -A && git commit -qm init
	"$DV" import-dvc --dry >../out
	contains ../out "to take over: data (in the workspace), named by data.dvc"
	[ -z "$(git status --porcelain)" ]
	[ ! -e .git/dv/cache/packs ]
'
test_case '--remove takes away what is not needed any more, and no data' '
	make_repo gone && cd gone
	"$DV" import-dvc --no-fetch --remove >../out
	[ ! -e data.dvc ] && [ ! -e big.bin.dvc ] && [ ! -e .dvc/config ]
	[ -d .dvc/cache ] && [ -e .dvc/.gitignore ]
	git status --porcelain >../st
	contains ../st "D  .dvc/config"
	lacks ../st "??"
	rm -rf data && "$DV" checkout && [ "$(head -n1 data/a.txt)" = 1 ]
'
test_case '--remove leaves what changed meanwhile, and settings of the user that dv has not' '
	make_repo later && cd later
	printf "[core]\n    remote = g\n[\047remote \"g\"\047]\n    url = gs://bucket/x\n" >.dvc/config
	printf "[\047remote \"g\"\047]\n    credentialpath = /home/me/key\n" >.dvc/config.local
	git add -A && git commit -qm g
	DV_FAULT=stop:30 "$DV" import-dvc --no-fetch --remove >../out & pid=$!
	until grep -q "^State:.T" "/proc/$pid/status"; do sleep 0.01; done
	echo "# a note" >>data.dvc
	kill -CONT "$pid"; wait "$pid"
	contains ../out "left: data.dvc: it was changed meanwhile"
	[ -e data.dvc ] && [ ! -e big.bin.dvc ] && [ -e data.dv ]
	git add -A && git commit -qm later
	"$DV" import-dvc --no-fetch --remove >../out
	[ ! -e data.dvc ] && [ ! -e .dvc/config ]
	contains ../out "left: .dvc/config.local"
	contains .dvc/config.local /home/me/key
'
test_case '--remove: nothing goes before all is durable and staged' '
	rm -rf stop2 base2 && make_repo base2 && cd base2 && "$DV" init -q && cd ..
	n=3 done=
	while [ -z "$done" ] && [ "$n" -lt 300 ]; do
		rm -rf stop2 && cp -a base2 stop2 && cd stop2
		n=$((n + 11)); kind=eio; [ $((n % 2)) = 0 ] || kind=die
		DV_FAULT="$kind:$n" "$DV" import-dvc --no-fetch --remove >/dev/null 2>&1 && done=1
		for o in data big.bin; do
			[ -e $o.dvc ] || { [ -e $o.dv ] && rm -rf $o && "$DV" checkout $o.dv; }
		done
		[ -e .dvc/config ] || { grep -q ../store .dv/config && [ -e data.dv ] && [ -e big.bin.dv ]; }
		cd ..
	done
	[ -n "$done" ]
	rm -rf stop2 && cp -a base2 stop2 && cd stop2 && : >.git/index.lock
	refused "$DV" import-dvc --no-fetch --remove 2>../err
	contains ../err "index"
	[ -e data.dvc ] && [ -e big.bin.dvc ] && [ -e .dvc/config ]
	rm .git/index.lock && "$DV" import-dvc --no-fetch --remove
	[ ! -e data.dvc ] && [ ! -e .dvc/config ] && git add -A && git commit -qm dv
	rm -rf data big.bin && "$DV" checkout && "$DV" status -q
'
test_case '--remove keeps the pointer of what is missing' '
	make_repo keep && cd keep
	chmod -R u+w .dvc/cache
	rm -rf big.bin; rm "$(find .dvc/cache -type f -size +1000k)"
	must_fail 3 "$DV" import-dvc --no-fetch --remove
	[ -e big.bin.dvc ] && [ ! -e data.dvc ] && [ -e .dvc/config ]
'
test_case 'hard links into the cache are taken over as they are' '
	make_repo hard && cd hard
	rm big.bin; ln "$(find .dvc/cache -type f -size +1000k)" big.bin
	"$DV" init -q; "$DV" config --local cache.type hardlink
	inode=$(stat -c %i big.bin)
	"$DV" import-dvc --no-fetch
	[ "$(stat -c %i big.bin)" = "$inode" ]
	[ "$(find .git/dv/cache/files -type f -links +2 -size +1000k | wc -l)" = 1 ]
	"$DV" status | grep "up to date"
	"$DV" fsck
'
test_case 'symbolic links into the cache become files' '
	make_repo sym && cd sym
	rm big.bin data/a.txt
	ln -s "$PWD/$(find .dvc/cache -type f -size +1000k)" big.bin
	sum=$(seq 1 5000 | md5sum | cut -c1-32)
	ln -s "$PWD/.dvc/cache/files/md5/${sum:0:2}/${sum:2}" data/a.txt
	"$DV" import-dvc --no-fetch
	[ -f big.bin ] && [ ! -L big.bin ] && [ -f data/a.txt ] && [ ! -L data/a.txt ]
	"$DV" status | grep "up to date"
'
test_case 'what takes the place of such a link meanwhile stays' '
	make_repo took && cd took && "$DV" init -q
	sum=$(seq 1 5000 | md5sum | cut -c1-32)
	n=0
	while :; do
		n=$((n + 5))
		git clean -xdfqe .dvc; rm -rf .git/dv/tmp .git/dv/cache
		git checkout -qf . && mkdir -p data
		ln -s "$PWD/.dvc/cache/files/md5/${sum:0:2}/${sum:2}" data/a.txt
		DV_FAULT=stop:$n "$DV" import-dvc --no-fetch >../out 2>&1 & pid=$!
		until grep -qE "^State:.(T|Z)" "/proc/$pid/status" 2>/dev/null ||
			[ ! -e "/proc/$pid" ]; do sleep 0.01; done
		grep -q "^State:.T" "/proc/$pid/status" 2>/dev/null || break
		link=
		[ ! -L data/a.txt ] || { link=1; rm data/a.txt; echo mine >data/a.txt; }
		kill -CONT "$pid"; wait "$pid" || true
		[ -z "$link" ] || [ "$(cat data/a.txt)" = mine ]
		[ "$n" -lt 400 ]
	done
	wait "$pid" || true
	[ "$n" -gt 60 ]
'
cat >settings <<'E'
[core]
    remote = s
    analytics = false
[cache]
    type = "copy"
    shared = group
['remote "s"']
    url = s3://bucket/dvc/
    endpointurl = http://127.0.0.1:1
    region = eu
    access_key_id = AK
    ssl_verify = false
    credentialpath = /etc/x
['remote "h"']
    url = ssh://host/srv/dvc
    user = me
    port = 2222
['remote "g"']
    url = gs://bucket/x
E
printf "['remote \"s\"']\n    secret_access_key = SK\n" >secrets
test_case 'secrets go where they cannot be committed; what weakens a check is left' '
	make_repo conf && cd conf
	cp ../settings .dvc/config
	cp ../secrets .dvc/config.local
	"$DV" import-dvc --no-fetch >../out
	contains .dv/config "url = s3://bucket/dvc/dv"
	contains .dv/config "ssh://me@host:2222/srv/dvc/dv"
	lacks .dv/config AK; lacks .dv/config SK; lacks .dv/config insecure
	contains .git/dv/config SK
	contains .git/dv/config AK
	lacks .git/dv/config insecure; lacks .git/dv/config /etc/x
	contains ../out "left: remote.s.ssl_verify"
	contains ../out "left: remote.g.url"
	contains ../out "left: cache.shared"
	lacks ../out SK
'
test_case 'imports keep where they came from' '
	make_repo from && cd from
	printf "frozen: true\ndeps:\n- path: https://host/big.bin\n  etag: abc\n  size: 5000000\n" | cat - big.bin.dvc >x && mv x big.bin.dvc
	printf "frozen: true\ndeps:\n- path: get/data\n  repo:\n    url: git@host:x.git\n    rev_lock: f00d\n" | cat - data.dvc >x && mv x data.dvc
	"$DV" import-dvc --no-fetch
	contains big.bin.dv "url: \"https://host/big.bin\""
	contains big.bin.dv "etag: abc"
	contains data.dv "dvc_rev_lock: f00d"
	"$DV" status | grep "up to date"
'
test_case 'patterns of .dvcignore come along' '
	make_repo ign && cd ign
	printf "# c\n*.tmp\n" >.dvcignore; echo x >data/x.tmp
	"$DV" import-dvc --no-fetch
	contains .dvignore "*.tmp"
	"$DV" status | grep "up to date"
'
test_case 'a pipeline that did not change has nothing to run' '
	make_repo pipe && cd pipe
	mkdir src; echo "wc -l" >src/count.sh
	seq 1 5000 | wc -l >n.txt; echo {} >m.json
	s=$(md5 src/count.sh); m=$(md5 m.json); n=$(put .dvc/cache n.txt); a=$(md5 data/a.txt)
	printf "[{\"md5\": \"%s\", \"relpath\": \"count.sh\"}]" "$s" >../l
	printf "stages:\n  count:\n    cmd: wc -l <data/a.txt >n.txt; echo {} >m.json\n    deps: [data/a.txt, src]\n    outs: [n.txt]\n    metrics:\n    - m.json:\n        cache: false\n" >dvc.yaml
	printf "schema: \"2.0\"\nstages:\n  count:\n    cmd: wc -l <data/a.txt >n.txt; echo {} >m.json\n    deps:\n    - {path: data/a.txt, hash: md5, md5: %s, size: 1}\n    - {path: src, hash: md5, md5: %s.dir, size: 1, nfiles: 1}\n    outs:\n    - {path: m.json, hash: md5, md5: %s, size: 3}\n    - {path: n.txt, hash: md5, md5: %s, size: 5}\n" "$a" "$(md5 ../l)" "$m" "$n" >dvc.lock
	rm n.txt
	"$DV" import-dvc --no-fetch
	cmp dvc.yaml dv.yaml
	"$DV" checkout && [ "$(cat n.txt)" = 5000 ]
	"$DV" repro >../out && contains ../out "up to date"
	echo "wc -c" >src/count.sh
	"$DV" repro >../out
	lacks ../out "Everything is up to date"
'
test_case 'a dependency that changed since leaves the stage to be run' '
	cd pipe && rm dv.yaml dv.lock
	"$DV" import-dvc --no-fetch
	"$DV" repro --dry >../out
	contains ../out count
'
test_case 'nothing of DVC is an error' '
	git init -q none && cd none && "$DV" init -q
	must_fail 2 "$DV" import-dvc
'
test_case 'stopped anywhere, it goes on' '
	make_repo stop && cd stop && "$DV" init -q
	n=0 done=
	while [ -z "$done" ] && [ "$n" -lt 200 ]; do
		n=$((n + 9)); kind=eio; [ $((n % 2)) = 0 ] || kind=die
		DV_FAULT="$kind:$n" "$DV" import-dvc --no-fetch >/dev/null 2>&1 && done=1
		for p in data.dv big.bin.dv; do
			[ ! -e "$p" ] || "$DV" fsck >/dev/null
		done
	done
	"$DV" import-dvc --no-fetch
	"$DV" status | grep "up to date"
'
if command -v dvc >/dev/null && dvc --version >/dev/null 2>&1; then
	test_case 'a repository of the real dvc: pushed, wiped, imported, nothing to run' '
		export DVC_NO_ANALYTICS=1 DVC_SITE_CACHE_DIR=$TEST_DIR/site
		rm -rf real store2; git init -q real && cd real && dvc init -q
		dvc remote add -q -d st ../store2
		mkdir -p "data/sub dir"; seq 100 >"data/sub dir/ä.txt"; seq 3 >data/b
		printf "#!/bin/sh\n" >data/run; chmod +x data/run
		dvc add -q data
		printf "lr: 0.1\n" >params.yaml
		dvc stage add -q -n t -d data -p lr -o out -M m.json "cp data/b out; echo {} >m.json"
		dvc repro -q && dvc push -q
		git add -A && git commit -qm dvc
		cp -r data ../realdata; chmod -x ../realdata/run; rm -rf .dvc/cache data out
		"$DV" import-dvc >../out
		"$DV" checkout
		same data ../realdata
		"$DV" repro >../out && contains ../out "up to date"
	'
else
	echo "# SKIP the real dvc is not installed"
fi
done_testing
