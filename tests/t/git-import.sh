#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv import and dv update: data of another repository as an output here.
. "$(dirname "$0")/lib.sh"

export top=$PWD
git init -q src && cd src || exit 2
"$DV" init -q
mkdir -p data/sub code
printf one >data/a && printf two >data/sub/b && ln -s a data/link
printf '#!/bin/sh\n' >code/run && chmod +x code/run
head -c 2000000 /dev/urandom >big
"$DV" remote add -q -d --no-probe store "$top/store"
"$DV" add -q data big
git add -A && git commit -qm one && git tag v1
mkdir "$top/store" && "$DV" push -q
git clone -q --bare . ../bare.git
cd ../ && git init -q ws && cd ws || exit 2
"$DV" init -q && git commit -qm init && printf 'out\nerr\ngood\nruns\n' >>.git/info/exclude
"$DV" remote add -q -d --no-probe own "$top/own" && mkdir "$top/own"

# change FILE TEXT: a new commit there, pushed.
change() {
	(cd "$top/src" && printf '%s' "$2" >"$1" && "$DV" commit -q && git commit -qam "$2" &&
		"$DV" push -q && git push -q ../bare.git main)
}
export -f change

test_case 'a directory: content, pointer, lock' '
	"$DV" import ../bare.git data >out
	contains out "data"
	same data ../src/data
	cat data.dv
	contains data.dv "url: \"../bare.git\""
	contains data.dv "rev_lock: "
	contains data.dv "$(git -C ../src rev-parse HEAD | cut -c1-40)"
	contains data.dv "push: false"
	contains data.dv "- path: data"
	contains .gitignore "/data"
	[ "$("$DV" status)" = "" ] || "$DV" status | grep -qi "up to date\|unchanged\|clean"
	git diff --cached --name-only | grep -qx data.dv
	git commit -qm import'

test_case 'files of directories, files of git, folders with both, under another name' '
	"$DV" import -q ../bare.git data/sub/b && [ "$(cat b)" = two ]
	"$DV" import -q ../bare.git code/run -o tool && [ -x tool ]
	"$DV" import -q --rev v1 "file://$top/bare.git" big -o large && same large ../src/big
	contains large.dv "rev: v1"
	mkdir -p lib && "$DV" import -q ../bare.git code -o lib && same lib/code ../src/code
	"$DV" import -q ../bare.git . -o whole && same whole/data ../src/data
	[ -x whole/code/run ]
	git commit -qam more'

test_case 'names that are taken' '
	must_fail 2 "$DV" import ../bare.git data 2>err && contains err "dv update"
	printf x >mine
	must_fail 2 "$DV" import ../bare.git data/a -o mine 2>err && contains err "already"
	[ "$(cat mine)" = x ]
	must_fail 2 "$DV" import ../bare.git nothing 2>err
	must_fail 2 "$DV" import ../bare.git data/a -o data/c 2>err && contains err "lies in"
	must_fail 2 "$DV" import ../bare.git data/a -o "$top/out" 2>err
	must_fail 2 "$DV" import ../bare.git data/a -o no/such 2>err && [ ! -e no ]
	contains err "there is no folder" && contains err "mkdir -p"
	must_fail 2 "$DV" get ../bare.git data/a -o no/ 2>err && [ ! -e no ]
	contains err "there is no folder" && contains err "mkdir -p"
	"$DV" import -q -f ../bare.git data/a -o mine && [ "$(cat mine)" = one ]
	"$DV" remove -q mine.dv && rm mine'

test_case 'imports are not pushed, and pull brings them from where they are' '
	"$DV" push -q
	git add -A
	rm -rf ../clone && git clone -q . ../clone && cd ../clone
	"$DV" pull
	same data ../src/data && same large ../src/big && [ -x tool ] && same whole ../ws/whole
	"$DV" status -q
	rm -rf .git/dv/cache data && "$DV" fetch -q data && "$DV" checkout -q data
	same data ../src/data
	[ "$(du -s "$top/own" | cut -f1)" -lt 500 ]'

test_case 'update: nothing new, something new' '
	"$DV" update >out && contains out "up to date"
	git diff --quiet
	change data/a new
	"$DV" update data >out
	same data ../src/data
	contains data.dv "$(git -C ../src rev-parse HEAD)"
	"$DV" update -q && same whole/data ../src/data
	lacks large.dv "$(git -C ../src rev-parse HEAD)"
	git commit -qam updated
	"$DV" update -q large --rev main && contains large.dv "rev: main"
	git commit -qam main'

test_case 'what was changed here is not overwritten' '
	change data/a newer
	printf mine >data/a
	must_fail 2 "$DV" update data 2>err && contains err "changed here"
	[ "$(cat data/a)" = mine ] && git diff --quiet
	"$DV" update -q -f data && same data ../src/data
	git commit -qam newer'

test_case 'without a download, and what is recorded of one' '
	change data/a newest
	"$DV" update -q --no-download data
	[ "$(cat data/a)" = newer ]
	"$DV" pull -q -f data && same data ../src/data
	"$DV" import -q --no-download ../bare.git data -o later && [ ! -e later ] && [ -e later.dv ]
	"$DV" pull -q later && same later ../src/data
	git add -A && git commit -qm later
	"$DV" runs ls --json >runs && contains runs "\"import\""'

test_case 'an import that is changed and added is data of its own' '
	printf own >data/a
	"$DV" add data 2>err && contains err "not taken for an import"
	lacks data.dv rev_lock && lacks data.dv "push: false"
	"$DV" push -q && git checkout -q HEAD -- data.dv && "$DV" checkout -q -f data'

test_case 'hostile pointers' '
	cp data.dv good
	sed "s#url: .*#url: \"ext::sh -c touch% $top/owned\"#" good >data.dv
	must_fail 2 "$DV" update data 2>err && contains err refused
	sed "s#url: .*#url: \"--upload-pack=touch $top/owned\"#" good >data.dv
	must_fail 2 "$DV" update data 2>err && contains err refused
	sed "s#- path: data\$#- path: ../../etc#;1,3s#path: ../../etc#path: data#" good >data.dv
	must_fail 2 "$DV" update data 2>err || must_fail 12 "$DV" update data 2>err
	sed "s#rev_lock: .*#rev_lock: \"--all\"#" good >data.dv
	rm -rf .git/dv/cache
	must_fail 2 "$DV" pull data 2>err
	cp good data.dv
	sed "s#oid: .*#oid: sha256:$(printf x | sha256sum | cut -d" " -f1)#" good >data.dv
	must_fail 12 "$DV" pull data 2>err && contains err "is not what"
	cp good data.dv && "$DV" pull -q data
	[ ! -e "$top/owned" ]'

done_testing
