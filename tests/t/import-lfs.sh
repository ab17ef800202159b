# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# dv import-lfs: repositories of Git LFS's, made by the real git-lfs, and a server for what is not
# in their own folder.
. "$(dirname "$0")/lib.sh"

if ! git lfs version >/dev/null 2>&1; then
	echo "1..0 # SKIP git-lfs is not installed"
	exit 0
fi

SERVERS=()
stop_servers() {
	[ ${#SERVERS[@]} -eq 0 ] || kill "${SERVERS[@]}" 2>/dev/null || true
}
# start_server NAME FOLDER [LOGIN]: its port is in $TEST_DIR/NAME.
start_server() {
	python3 "$TEST_SOURCE/servers/lfs.py" "$2" "$TEST_DIR/$1" ${3:+"$3"} &
	SERVERS+=($!)
	for _ in $(seq 100); do
		[ ! -s "$TEST_DIR/$1" ] || return 0
		sleep 0.05
	done
	return 1
}
# make_repo DIR: a repository with Git LFS and some files.
make_repo() {
	git init -q "$1" && cd "$1" || return
	git lfs install --local >/dev/null
	git lfs track "*.bin" >/dev/null
	mkdir sub
	printf "# a comment filter=lfs\n*.raw filter=lfs diff=lfs merge=lfs -text\n*.txt text\n" >sub/.gitattributes
	for i in 1 2 3; do { seq 1 3000; echo "$i"; } >"f$i.bin"; done
	head -c 5000000 /dev/urandom >big.bin
	seq 9 >sub/x.raw
	echo plain >plain.md
	git add -A && git commit -qm lfs
	"$DV" init -q && git add -A && git commit -qm dv
	git tag before
}
# a_clone FROM TO URL: a clone without its objects, whose LFS server is at URL.
a_clone() {
	GIT_LFS_SKIP_SMUDGE=1 git clone -q "$1" "$2" && cd "$2" || return
	git config lfs.url "$3"
}
export -f make_repo a_clone

test_case 'objects and patterns come over; what git has stays as it is' '
	make_repo one
	head=$(git rev-parse HEAD); git ls-files -s | grep -v gitattributes >../before
	"$DV" import-lfs >../out
	contains ../out "5 outputs (5 files"
	[ "$(git rev-parse HEAD)" = "$head" ]
	git ls-files -s | grep -v gitattributes >../after; cmp ../before ../after
	contains .gitattributes "*.bin filter=dv diff=dv merge=dv -text"
	contains sub/.gitattributes "# a comment filter=lfs"
	contains sub/.gitattributes "*.raw filter=dv diff=dv merge=dv -text"
	contains sub/.gitattributes "*.txt text"
	[ "$(git config filter.dv.required)" = true ]
	for f in *.bin sub/x.raw; do
		"$DV" show "$(sha256sum "$f" | cut -c1-64)" >../shown
	done
	"$DV" fsck
	git diff --cached --stat >../out && contains ../out .gitattributes
	"$DV" runs ls --json >../runs && contains ../runs import
'
test_case 'the hook of git-lfs is named' '
	make_repo hooked; "$DV" import-lfs >../out
	contains ../out "git lfs uninstall"
'
test_case 'again: nothing changes' '
	cd one && git commit -qm patterns
	"$DV" import-lfs >../out
	[ -z "$(git status --porcelain)" ]
	lacks ../out "taken over:"
'
test_case 'only told, with --dry' '
	make_repo dry
	"$DV" import-lfs --dry >../out
	contains ../out "to take over: big.bin"
	contains ../out "to take over: .gitattributes"
	[ -z "$(git status --porcelain)" ]
	lacks .gitattributes filter=dv
'
test_case 'a damaged object is not taken, and the patterns stay' '
	make_repo bad
	f=$(find .git/lfs/objects -type f -size +1000k)
	chmod u+w "$f"; printf damaged | dd of="$f" conv=notrunc bs=1 seek=99 2>/dev/null
	must_fail 3 "$DV" import-lfs --no-fetch >../out 2>../err
	contains ../err damaged
	contains ../out "missing: big.bin"
	contains .gitattributes filter=lfs
	lacks .gitattributes filter=dv
'
test_case 'hard links: the file of Git LFS is the one in the cache' '
	make_repo hard; "$DV" config --local cache.type hardlink
	inode=$(stat -c %i "$(find .git/lfs/objects -type f -size +1000k)")
	"$DV" import-lfs
	[ -n "$(find .git/dv/cache/files -inum "$inode")" ]
	"$DV" fsck
'
start_server open "$PWD/one/.git/lfs/objects"
start_server shut "$PWD/one/.git/lfs/objects" "me:secret"
test_case 'what is missing comes from the server' '
	a_clone one from "http://127.0.0.1:$(cat "$TEST_DIR/open")/x/info/lfs"
	git checkout -q before
	"$DV" import-lfs
	"$DV" show "$(sha256sum ../one/big.bin | cut -c1-64)"
	contains .gitattributes filter=dv
'
test_case 'a login comes from git, and goes to the server' '
	a_clone one login "http://127.0.0.1:$(cat "$TEST_DIR/shut")/x/info/lfs"
	git checkout -q before
	git config credential.helper "!f() { echo username=me; echo password=secret; }; f"
	"$DV" import-lfs
	"$DV" show "$(sha256sum ../one/big.bin | cut -c1-64)"
	grep -q "POST .*login" "$TEST_DIR/shut.log"
'
test_case 'no login goes to a server that .lfsconfig alone names' '
	a_clone one hostile x && git config --unset lfs.url
	git checkout -q before
	git config remote.origin.url https://elsewhere.example/x.git
	git config credential.helper "!f() { touch ../asked; echo username=me; echo password=secret; }; f"
	git config -f .lfsconfig lfs.url "http://127.0.0.1:$(cat "$TEST_DIR/shut")/x/info/lfs"
	rm -f "$TEST_DIR/shut.log"
	must_fail 3 "$DV" import-lfs 2>../err
	contains ../err "lfsconfig"
	lacks "$TEST_DIR/shut.log" login
	[ ! -e ../asked ]
	contains .gitattributes filter=lfs
'
test_case 'a remote that is a folder has them in its own folder' '
	GIT_LFS_SKIP_SMUDGE=1 git clone -q one folder && cd folder
	git checkout -q before
	"$DV" import-lfs
	"$DV" show "$(sha256sum ../one/big.bin | cut -c1-64)"
'
test_case 'a server that is gone: told, and nothing changes' '
	a_clone one gone "http://127.0.0.1:1/x/info/lfs"
	git checkout -q before
	must_fail 3 "$DV" import-lfs >../out 2>../err
	contains ../err "nothing more can be fetched"
	contains .gitattributes filter=lfs
'
test_case 'nothing of Git LFS is an error' '
	git init -q none && cd none && "$DV" init -q
	must_fail 2 "$DV" import-lfs
'
done_testing
