# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# dv lfs-agent: git-lfs stores into a dv remote, by its protocol and with the real git-lfs.
. "$(dirname "$0")/lib.sh"

# A repository of dv's with a remote in ../store.
make_repo() {
	git init -q "$1" && cd "$1" || return
	"$DV" init -q
	"$DV" remote add -q -d store ../store
	git add -A && git commit -qm dv
}
# ask LINE...: what git-lfs would say; answers go to ../said.
ask() {
	printf '%s\n' "$@" | "$DV" lfs-agent >../said
}
export -f make_repo ask
# shellcheck disable=SC2089,SC2090 # it is a line of JSON
INIT='{"event":"init","operation":"upload","remote":"origin","concurrent":true,"concurrenttransfers":3}'
# shellcheck disable=SC2090
export INIT

test_case 'an object goes up, and is on the remote when that is said' '
	make_repo one
	seq 1 100000 >big; oid=$(sha256sum big | cut -c1-64); size=$(stat -c %s big)
	ask "$INIT" "{\"event\":\"upload\",\"oid\":\"$oid\",\"size\":$size,\"path\":\"$PWD/big\",\"action\":null}" \
		"{\"event\":\"terminate\"}"
	[ "$(head -n1 ../said)" = "{}" ]
	contains ../said "\"bytesSoFar\":$size"
	[ "$(tail -n1 ../said)" = "{\"event\":\"complete\",\"oid\":\"$oid\"}" ]
	"$DV" fsck --remote
'
test_case 'it comes down again, checked' '
	cd one; oid=$(sha256sum big | cut -c1-64); size=$(stat -c %s big)
	rm -rf .git/dv/cache
	ask "${INIT/upload/download}" "{\"event\":\"download\",\"oid\":\"$oid\",\"size\":$size,\"action\":null}" \
		"{\"event\":\"terminate\"}"
	path=$(tail -n1 ../said | sed "s/.*\"path\":\"\([^\"]*\)\".*/\1/")
	cmp "$path" big
	[ "$(dirname "$path")" = "$PWD/.git/lfs/tmp" ]
'
test_case 'what is not there, or not what it should be, is an error of that object alone' '
	cd one; oid=$(sha256sum big | cut -c1-64); size=$(stat -c %s big)
	wrong=$(echo x | sha256sum | cut -c1-64)
	ask "$INIT" "{\"event\":\"upload\",\"oid\":\"$wrong\",\"size\":$size,\"path\":\"$PWD/big\"}" \
		"{\"event\":\"upload\",\"oid\":\"$oid\",\"size\":1,\"path\":\"$PWD/none\"}" \
		"{\"event\":\"download\",\"oid\":\"$wrong\",\"size\":2}" \
		"{\"event\":\"download\",\"oid\":\"$oid\",\"size\":7}" \
		"{\"event\":\"upload\",\"oid\":\"$oid\",\"size\":$size,\"path\":\"$PWD/big\"}"
	[ "$(grep -c "\"error\"" ../said)" -ge 3 ]
	[ "$(tail -n1 ../said)" = "{\"event\":\"complete\",\"oid\":\"$oid\"}" ]
	[ -z "$(find .git/lfs/tmp -name "dv-$(echo "$wrong" | cut -c1-16)*")" ]
'
test_case 'nonsense ends it' '
	cd one
	for line in "{" "[]" "{\"event\":1}" "{\"event\":\"dance\"}" \
		"{\"event\":\"upload\",\"oid\":\"../../x\",\"size\":1,\"path\":\"/x\"}"; do
		refused ask "$line"
	done
	must_fail 0 ask
'
test_case 'no remote: told at the beginning' '
	git init -q bare && cd bare && "$DV" init -q
	ask "$INIT" "{\"event\":\"terminate\"}"
	contains ../said "\"error\""
'
if ! git lfs version >/dev/null 2>&1; then
	echo "# SKIP git-lfs is not installed"
	done_testing
fi
# use_agent: what a user says to git-lfs.
use_agent() {
	git lfs install --local >/dev/null
	git config lfs.standalonetransferagent dv
	git config lfs.customtransfer.dv.path "$DV"
	git config lfs.customtransfer.dv.args lfs-agent
}
export -f use_agent
test_case 'git lfs push, with several agents at once' '
	make_repo user && use_agent
	git lfs track "*.bin" >/dev/null
	for i in $(seq 40); do { seq 1 5000; echo "$i"; } >"f$i.bin"; done
	head -c 3000000 /dev/urandom >big.bin
	git add -A && git commit -qm data
	git init -q --bare ../origin.git; git remote add origin ../origin.git
	git push -q origin main
	"$DV" fsck --remote
	[ "$(du -s --apparent-size -B1 ../store | cut -f1)" -lt 5000000 ]
'
test_case 'a clone gets them from there' '
	GIT_LFS_SKIP_SMUDGE=1 git clone -q origin.git clone && cd clone
	use_agent
	git lfs pull
	for f in *.bin; do cmp "$f" "../user/$f"; done
	[ -z "$(git status --porcelain)" ]
'
test_case 'what is wrong with the repository or the remote is told to git-lfs' '
	cd clone
	echo x >x.bin && git add x.bin && git commit -qm x
	mv .dv ../kept
	must_fail 1 git push origin HEAD:x 2>../err
	contains ../err "not inside a dv repository"
	mv ../kept .dv
	git reset -q --hard HEAD~1
	mv ../store ../away
	rm -rf .git/lfs/objects .git/dv
	refused git lfs pull 2>../err
	contains ../err "is empty or not there"
	[ ! -e ../store ]
	mv ../away ../store
	git lfs pull
'
test_case 'a second version sends what is new' '
	cd user
	before=$(du -s --apparent-size -B1 ../store | cut -f1)
	{ cat big.bin; echo more; } >x && mv x big.bin
	git commit -qam two && git push -q origin main
	after=$(du -s --apparent-size -B1 ../store | cut -f1)
	[ $((after - before)) -lt 500000 ]
	cd ../clone && git pull -q && cmp big.bin ../user/big.bin
'
test_case 'a collection of the remote keeps what git-lfs stored' '
	cd user
	"$DV" gc --workspace --remote --grace=0
	rm -rf ../clone/.git/lfs/objects && cd ../clone && rm -rf .git/dv/cache
	git lfs fetch && git lfs fsck
'
done_testing
