#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv add --to-remote, dv import-url --to-remote, dv update --to-remote: from a source to a remote
# without a copy here. Whenever it is cut there is no pointer, or the remote has what it names.

# What is tested does not depend on the disk; memory is quicker.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "$0")/lib.sh"
. "$TEST_SOURCE/servers/use.sh"
trap 'stop_servers; test_cleanup' EXIT

export top=$TEST_DIR there=$TEST_DIR/there
mkdir -p "$there/dir/sub/deep" "$there/dir/none"
head -c 9000000 /dev/urandom >"$there/file"
cp "$there/file" "$there/more"
head -c 2000000 /dev/urandom >>"$there/more"
for i in $(seq 40); do seq "$i" $((i + 3000)) >"$there/dir/$i.csv"; done
head -c 6000000 /dev/urandom >"$there/dir/sub/large"
echo script >"$there/dir/run" && chmod +x "$there/dir/run"
: >"$there/dir/empty"
echo deep >"$there/dir/sub/deep/a b"
ln -s 1.csv "$there/dir/link"

# project [URL [SETTING…]]: a fresh repository in $TEST_DIR/ws with remote `far`.
project() {
	local url=${1:-$TEST_DIR/far} setting
	cd "$TEST_DIR"
	rm -rf ws clone far
	git init -q ws
	cd ws
	printf "out\nerr\nlist\nruns\n" >.git/info/exclude
	dv init -q
	dv config --global remote.far.url "$url"
	dv config --global core.remote far
	for setting in "${@:2}"; do
		dv config --global "remote.far.${setting%%=*}" "${setting#*=}"
	done
	git commit -qm init
}

# clone: what is committed, in $TEST_DIR/clone, pulled.
# shellcheck disable=SC2120 # the cases below give arguments
clone() {
	git add -A
	git commit -qm "${1:-data}"
	rm -rf "$TEST_DIR/clone"
	git clone -q "$TEST_DIR/ws" "$TEST_DIR/clone"
	(cd "$TEST_DIR/clone" && dv pull -q)
}

# small: less than so many KiB lie in the folders of dv, and nothing that was on its way.
# shellcheck disable=SC2120
small() {
	local kib
	kib=$(du -sk .git/dv | cut -f1)
	[ "$kib" -le "${1:-1000}" ] || { du -a .git/dv; return 1; }
	[ -z "$(ls .git/dv/onward 2>/dev/null)" ]
}

# number NAME: the number of that name in the JSON document in `out`.
number() {
	sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" out | head -n 1
}
export -f project clone small number

project
test_case 'a file and a directory from elsewhere' '
	dv add --to-remote "$there/file" >out
	contains out "9.0 MB recorded (9.0"
	contains out "new on remote far"
	refused dv add --to-remote -q "$there/dir" -o inner/dir 2>err && contains err "no folder"
	[ ! -e inner ]
	mkdir inner
	dv add --to-remote -q -o inner "$there/dir"
	small
	[ ! -e file ] && [ ! -e inner/dir ]
	contains .gitignore /file
	contains inner/.gitignore /dir
	git diff --cached --name-only >out && contains out inner/dir.dv
	dv status >out
	contains out "file: not in cache"
	dv status --remote
	clone
	same ../clone/file "$there/file"
	same ../clone/inner/dir "$there/dir"
	[ -x ../clone/inner/dir/run ] && [ -d ../clone/inner/dir/none ]
	dv fsck --remote --full
	dv push --json >out
	dv runs ls --json >runs && contains runs "\"add\""
	dv ls inner/dir >list && contains list sub'

test_case 'what is recorded is what dv add records' '
	cp -r "$there/dir" copy
	dv add -q copy
	[ "$(grep oid copy.dv)" = "$(grep oid inner/dir.dv)" ]
	cp "$there/file" f && dv add -q f
	[ "$(grep oid f.dv)" = "$(grep oid file.dv)" ]
	dv remove -q f copy && rm -rf f copy && dv gc -wf -q'

test_case 'what the remote has is not sent again' '
	dv add --to-remote --json "$there/more" >out
	[ "$(number sent)" -lt 2400000 ] && contains out "\"remote\": \"far\""
	dv add --to-remote -f "$there/more" >out && contains out unchanged
	clone && same ../clone/more "$there/more"'

test_case 'a source in the workspace stays where it is' '
	mkdir -p here && cp -r "$there/dir" here/data
	printf "sub/deep\n" >here/data/.dvignore
	dv add --to-remote -q here/data
	[ -e here/data/1.csv ] && contains here/.gitignore /data
	dv status >out && lacks out modified
	dv add --to-remote here/data >out && contains out unchanged
	echo changed >here/data/1.csv
	dv status >out; contains out here/data
	dv add --to-remote -q -m "new data" here/data
	[ "$(git log -1 --format=%s)" = "new data" ]
	clone && rm -rf here/data/sub/deep && same ../clone/here/data here/data
	rm here/data/2.csv
	must_fail 2 dv add --to-remote here/data 2>err || :
	dv add --to-remote -q -f here/data
	clone && same ../clone/here/data here/data'

test_case 'links to the cache are files' '
	cp "$there/file" linked
	dv config -q --local cache.type symlink
	dv add -q linked && [ -L linked ]
	mkdir set && mv linked set/linked
	dv add --to-remote -q set
	dv config -q --local --unset cache.type
	dv remove -q linked.dv
	clone
	[ ! -L ../clone/set/linked ] && same ../clone/set/linked "$there/file"
	rm -rf set set.dv && git add -A && git commit -qm "no set"'

test_case 'another remote than the default one' '
	dv config --global remote.other.url "$top/other"
	dv add --to-remote -q -r other -o elsewhere "$there/file"
	contains elsewhere.dv "remote: other"
	clone && same ../clone/elsewhere "$there/file"
	dv fsck --remote -r other --full || dv fsck -r other --full
	seq 5 >"$there/five" && dv add --to-remote -q -f -o elsewhere "$there/five"
	contains elsewhere.dv "remote: other"
	clone && same ../clone/elsewhere "$there/five"'

test_case 'what it refuses' '
	must_fail 129 dv add --to-remote --glob "$there/*" 2>err && contains err "one source"
	must_fail 129 dv add --to-remote "$there/file" "$there/dir" 2>err
	must_fail 129 dv add -r far file 2>err && contains err "--to-remote"
	must_fail 129 dv add -o x file 2>err
	must_fail 129 dv import-url --to-remote --no-download "$there/file" 2>err
	must_fail 129 dv update --to-remote --no-download 2>err
	refused dv add --to-remote "$there/*" 2>err && contains err "patterns are not taken"
	refused dv add --to-remote "$there/nothing" 2>err && contains err nothing
	refused dv add --to-remote "$there/dir/link" 2>err && contains err "symbolic link"
	refused dv add --to-remote "$there/file" 2>err && contains err "tracked already"
	refused dv add --to-remote . 2>err && contains err workspace
	refused dv add --to-remote .. 2>err && contains err workspace
	refused dv add --to-remote .git/config 2>err
	refused dv add --to-remote file.dv 2>err
	refused dv add --to-remote -o .git/x "$there/five" 2>err
	refused dv add --to-remote -o ../x "$there/five" 2>err
	refused dv add --to-remote -o inner/dir/x "$there/five" 2>err && contains err "no folder"
	mkdir inner/dir
	refused dv add --to-remote -o inner/dir/x "$there/five" 2>err && contains err "lies in the output"
	rmdir inner/dir
	refused dv add --to-remote -r nowhere "$there/five" 2>err && contains err nowhere
	refused dv add --to-remote nonsense://x/y 2>err && contains err nonsense
	refused dv add --to-remote http://u:secret@127.0.0.1/x 2>err && lacks err secret
	echo ignored.bin >.dvignore
	refused dv add --to-remote -o ignored.bin "$there/five" 2>err && contains err .dvignore
	git checkout -q .dvignore
	echo x >code && git add code && git commit -qm code
	refused dv add --to-remote -f -o code "$there/five" 2>err && contains err "git tracks"
	mkdir "$there/odd" && mkfifo "$there/odd/fifo"
	refused dv add --to-remote "$there/odd" 2>err && contains err fifo
	for f in nothing five x code ignored.bin odd; do [ ! -e $f.dv ]; done
	git status --porcelain -uno >out; cat out; [ ! -s out ]
	small 100000
	dv fsck --remote'

test_case 'import-url and update' '
	dv import-url --to-remote -q "$there/dir" imported
	contains imported.dv "checksum:" && [ ! -e imported ]
	dv update imported >out && contains out "up to date"
	clone && [ -e "../clone/imported/sub/deep/a b" ] && same ../clone/imported/sub "$there/dir/sub"
	echo newer >"$there/dir/sub/deep/a b"
	dv update --to-remote imported >out && contains out "new on remote far"
	[ ! -e imported ]
	clone && [ "$(cat "../clone/imported/sub/deep/a b")" = newer ]
	seq 7 >"$there/dir/sub/seven"
	dv update -q imported && same imported/sub "$there/dir/sub"
	dv update --to-remote imported >out && contains out "up to date"
	refused dv import-url --to-remote -q "$there/file" 2>err && contains err tracked
	rm "$there/dir/sub/seven"'

if command -v python3 >/dev/null && ! grep -q __asan_init "$DV"; then
cat >"$TEST_DIR/measured" <<'END'
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("%d KiB" % kib)
sys.exit(code or kib > int(sys.argv[1]))
END
test_case 'memory is bounded' '
	head -c 300M /dev/urandom >"$there/huge"
	python3 "$TEST_DIR/measured" 262144 dv add --to-remote -q -o huge1 "$there/huge"
	python3 "$TEST_DIR/measured" 262144 dv import-url --to-remote -q "$there/huge" huge2
	[ "$(grep oid huge1.dv)" = "$(grep oid huge2.dv)" ]
	dv cat huge1 | cmp - "$there/huge"'
fi

# with_tmpfs SIZE COMMAND: in a small file system of its own; needs the right to mount.
with_tmpfs() {
	mkdir -p "$TEST_DIR/little"
	mount -t tmpfs -o size="$1" none "$TEST_DIR/little" 2>/dev/null || return 77
	local rc
	set +e
	( set -eu; cd "$TEST_DIR/little"; eval "$2" )
	rc=$?
	set -e
	umount "$TEST_DIR/little"
	return "$rc"
}
export -f with_tmpfs

if (with_tmpfs 1m true); then
test_case 'a disk smaller than the data, and one that is too small' '
	[ -e "$there/huge" ] || head -c 300M /dev/urandom >"$there/huge"
	rm -rf "$top/far2"
	with_tmpfs 240m "
		git init -q ws && cd ws && dv init -q && git commit -qm init
		dv remote add -q --local -d away $top/far2
		dv add --to-remote -q -j 1 $there/huge
		small 3000
		dv cat huge | cmp - $there/huge
	"
	rm -rf "$top/far2"
	with_tmpfs 30m "
		git init -q ws && cd ws && dv init -q && git commit -qm init
		dv remote add -q --local -d away $top/far2
		refused dv add --to-remote -q -j 1 $there/huge 2>../err
		contains ../err \"No space left\"
		[ ! -e huge.dv ] && [ ! -e .gitignore ]
		small 3000
		dv status -q
		dv add --to-remote -q $there/five
		dv cat five | cmp - $there/five
	"'
fi

test_case 'killed at any call of the remote: it goes on, and sends nothing twice' '
	project
	head -c 90M /dev/urandom >"$there/long"
	dv add --to-remote --json "$there/long" >out
	all=$(number sent)
	n=1
	while :; do
		project
		code=0
		DV_REMOTE_FAULT=$n:half dv add --to-remote -q -j 1 "$there/long" || code=$?
		[ "$code" -ne 0 ] || break
		if [ -e long.dv ]; then
			dv cat long | cmp - "$there/long"
		fi
		had=$(find ../far/packs -type f ! -name ".*" -printf "%s\n" 2>/dev/null |
			awk "{ s += \$1 } END { print s + 0 }")
		dv add --to-remote --json -f "$there/long" >out
		sent=$(number sent)
		echo "killed at $n: $had there, $sent sent of $all"
		[ $((sent + had)) -lt $((all + 2000000)) ]
		dv cat long | cmp - "$there/long"
		dv fsck --remote --full
		small
		n=$((n + 1))
	done
	[ "$n" -gt 6 ]'

test_case 'what changed after it was cut' '
	project
	cp "$there/long" "$there/moving"
	DV_REMOTE_FAULT=7:half dv add --to-remote -q -j 1 "$there/moving" || :
	[ ! -e moving.dv ]
	[ -n "$(ls .git/dv/onward/*/sent)" ]
	head -c 80M "$there/moving" | tail -c 79M >"$there/moved" && mv "$there/moved" "$there/moving"
	dv add --to-remote -q "$there/moving"
	dv cat moving | cmp - "$there/moving"
	dv fsck --remote --full && dv gc --remote -wf -q
	dv cat moving | cmp - "$there/moving"
	clone && same ../clone/moving "$there/moving"'

# attempts KIND COUNT COMMAND…: the command with a fault at some of its COUNT changes, then without.
attempts() {
	local kind=$1 total=$2 n code
	shift 2
	for n in $(seq 1 $((total / ${TEST_STEPS:-12} + 1)) "$total"); do
		project
		code=0
		DV_FAULT=$kind:$n dv "$@" 2>err || code=$?
		echo "$kind:$n: $code"
		! grep Sanitizer err
		case $kind,$code in
		die,137) ;;
		*) [ "$code" -lt 128 ] ;;
		esac
		if [ -e dir.dv ]; then
			dv cat dir/1.csv | cmp - "$there/dir/1.csv"
			dv fsck --remote -q
		fi
		dv "$@" -f
		dv cat dir/sub/large | cmp - "$there/dir/sub/large"
		dv fsck --remote -q
		small
	done
}
export -f attempts

test_case 'killed, or without a disk, at a change here' '
	project
	DV_FAULT=count:../count dv add --to-remote -q "$there/dir"
	for kind in die enospc eio short; do
		attempts $kind $(cat ../count) add --to-remote -q "$there/dir"
	done'

test_case 'an import killed at a change here' '
	project
	DV_FAULT=count:../count dv import-url --to-remote -q "$there/dir"
	attempts die $(cat ../count) import-url --to-remote -q "$there/dir"'

test_case 'a collection of the remote in between' '
	for n in $(seq 3 14); do
		project
		dv add --to-remote -q "$there/file"
		git add -A && git commit -qm file
		rm -rf ../clone && git clone -q . ../clone
		(cd ../clone && dv remove -q file.dv && git add -A && git commit -qm none &&
			git update-ref -d refs/remotes/origin/main && git reflog expire --expire=all --all)
		DV_REMOTE_FAULT=$n:stop dv add --to-remote -q -o again "$there/more" &
		pid=$!
		while state=$(awk "{print \$3}" "/proc/$pid/stat" 2>/dev/null) &&
			[ "$state" != T ] && [ "$state" != Z ]; do
			sleep 0.01
		done
		[ "$state" = T ] || break
		(cd ../clone && dv gc --remote --rev HEAD --force --grace 0 -q) || echo "gc: $?"
		kill -CONT "$pid"
		code=0
		wait "$pid" || code=$?
		echo "$n: $state $code"
		[ $code -eq 0 ]
		dv cat again | cmp - "$there/more"
		rm -rf .git/dv/remotes
		dv fsck --remote -q --full
	done
	[ "$n" -gt 4 ]'

if start_server nginx; then
test_case 'from http' '
	project
	head -c 12000000 /dev/urandom >"$HTTP_WWW/data.bin"
	dv add --to-remote -q "$HTTP_URL/data.bin"
	small
	dv import-url --to-remote -q "$HTTP_URL/data.bin" imported && contains imported.dv etag
	clone && same ../clone/data.bin "$HTTP_WWW/data.bin" && same ../clone/imported "$HTTP_WWW/data.bin"
	dv update imported >out && contains out "up to date"
	echo new >"$HTTP_WWW/data.bin"
	dv update -q --to-remote imported && [ ! -e imported ]
	clone && [ "$(cat ../clone/imported)" = new ]
	refused dv add --to-remote "$HTTP_URL/none" 2>err && [ ! -e none.dv ]
	refused dv add --to-remote http://127.0.0.1:1/none 2>err && [ ! -e none.dv ]'
fi

# both URL SETTINGS…: to a remote there, and from there to one here.
both() {
	project "$@"
	dv add --to-remote -q "$there/file"
	dv add --to-remote -q "$there/dir"
	small
	clone
	same ../clone/file "$there/file"
	same ../clone/dir "$there/dir"
	dv fsck --remote --full
}
export -f both

if start_server sshd; then
test_case 'over ssh: to there, and from there' '
	export SERVE
	for SERVE in never auto; do
		rm -rf "$top/by-ssh"
		both "ssh://full$top/by-ssh" "sshcommand=ssh -F $SSH_CONFIG" "serve=$SERVE"
	done
	project
	dv config --global remote.source.url "ssh://full$there"
	dv config --global remote.source.sshcommand "ssh -F $SSH_CONFIG"
	dv add --to-remote -q "remote://source/file"
	dv import-url --to-remote -q "ssh://full$there/dir" dir
	small
	clone
	same ../clone/file "$there/file"
	same ../clone/dir/sub "$there/dir/sub"'
fi

if start_server radosgw; then
test_case 'to S3, and from there' '
	s3 make box
	IFS=";" read -ra settings <<<"$(s3_settings)"
	both s3://box/store "${settings[@]}"
	s3 make raw
	s3 put raw dir/a.csv <"$there/dir/1.csv"
	s3 put raw dir/sub/large <"$there/dir/sub/large"
	project s3://box/other "${settings[@]}"
	dv config --global remote.raw.url s3://raw
	for s in "${settings[@]}"; do dv config --global "remote.raw.${s%%=*}" "${s#*=}"; done
	dv add --to-remote -q remote://raw/dir
	dv import-url --to-remote -q s3://raw/dir/sub/large large && contains large.dv etag
	small
	clone
	same ../clone/dir/a.csv "$there/dir/1.csv"
	same ../clone/dir/sub/large "$there/dir/sub/large"
	same ../clone/large "$there/dir/sub/large"'
fi

done_testing
