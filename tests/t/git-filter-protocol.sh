# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What dv filter-process says to a git that a script plays, also to one that is broken.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# line TEXT: a packet of one line; flush ends a list.
line() { printf '%04x%s\n' $((${#1} + 5)) "$1"; }
flush() { printf 0000; }
hello() {
	line git-filter-client; line version=2; flush
	line capability=clean; line capability=smudge; line capability=delay
	line capability=of-the-future; flush
}
# clean PATH TEXT [KEY=VALUE…]
clean() {
	local path=$1 text=$2
	shift 2
	line command=clean; line "pathname=$path"
	for key; do line "$key"; done
	flush; line "$text"; flush
}
smudge() {
	line command=smudge; line "pathname=$1"; line "$3"; flush
	[ -z "$2" ] || printf '%04x%s' $((${#2} + 4)) "$2"
	flush
}
talk() { dv filter-process >"$TEST_DIR/got" 2>"$TEST_DIR/err"; }

git init -q
dv init -q

test_case 'the greeting answers what is known of what git offers' '
	hello | talk
	contains "$TEST_DIR/got" git-filter-server
	contains "$TEST_DIR/got" version=2
	contains "$TEST_DIR/got" capability=delay
	lacks "$TEST_DIR/got" future
	{ line git-filter-client; line version=2; flush; line capability=clean; flush; } | talk
	lacks "$TEST_DIR/got" smudge
	: | talk
	[ ! -s "$TEST_DIR/got" ]
'

test_case 'unknown keys and paths with = are fine, and an empty file is the empty pointer' '
	{ hello; clean "a=b=c" text "future=x=y" "ref=refs/heads/x"; } | talk
	grep -aq "oid sha256:$(echo text | sha256sum | cut -d" " -f1)" "$TEST_DIR/got"
	{ hello; line command=clean; line pathname=empty; flush; flush; } | talk
	[ "$(tail -c 28 "$TEST_DIR/got")" = "0013status=success000000000000" ] ||
		tail -c 12 "$TEST_DIR/got" | grep -q "^000000000000$"
	dv fsck
'

test_case 'what is broken ends the conversation and loses nothing before it' '
	for tail in zzzz 0001 0003 fff1 ffff 00 "$(line command=clean)" \
		"$(line command=clean)$(line pathname=x)0000000ahal" \
		"$(line command=of-the-future)$(line pathname=x)0000" \
		"$(line command=clean)0000" "$(line pathname=x)0000"; do
		{ hello; clean kept "kept before $tail"; printf %s "$tail"; } >"$TEST_DIR/talk"
		refused talk <"$TEST_DIR/talk"
		contains "$TEST_DIR/err" error:
		dv show "$(echo "kept before $tail" | sha256sum | cut -d" " -f1)" >/dev/null
	done
	printf "GET / HTTP/1.0" >"$TEST_DIR/talk"
	refused talk <"$TEST_DIR/talk"
	{ line git-filter-client; line version=3; flush; } >"$TEST_DIR/talk"
	refused talk <"$TEST_DIR/talk"
'

test_case 'the pipe may end anywhere, also within a long file' '
	head -c 9000000 /dev/zero | tr "\0" x >big
	{ hello; clean one 1; line command=clean; line pathname=big; flush
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		for j in 1 2 3 4; do printf "fff0"; head -c 65516 big; done; done; flush; } >whole
	size=$(wc -c <whole)
	talk <whole
	for cut in 0 1 3 5 40 100 150 190 210 260 300 70000 4300000 "$((size - 5))" "$((size - 2))"; do
		head -c "$cut" whole >part
		code=0; talk <part || code=$?
		[ "$code" -lt 100 ] || { echo "cut at $cut: $code"; false; }
	done
	dv fsck
	rm whole part big
'

test_case 'delayed files are listed once and asked for again without content' '
	dv remote add -d far "$TEST_DIR/far"
	{ hello; clean d.bin delayed; } | talk
	oid=$(echo delayed | sha256sum | cut -d" " -f1)
	pointer="version https://git-lfs.github.com/spec/v1
oid sha256:$oid
size 8
"
	echo "*.bin filter=dv" >.gitattributes
	printf %s "$pointer" >d.bin
	git add .gitattributes && git -c filter.dv.clean=cat -c filter.dv.process= add d.bin
	git commit -qm d
	dv push -q --rev HEAD
	rm -rf .git/dv/cache
	{ hello; smudge d.bin "$pointer" can-delay=1; line command=list_available_blobs; flush
	  line command=smudge; line pathname=d.bin; flush; flush
	  line command=list_available_blobs; flush; } | talk
	contains "$TEST_DIR/got" status=delayed
	[ "$(grep -ac pathname=d.bin "$TEST_DIR/got")" = 1 ]
	grep -aq delayed$ "$TEST_DIR/got"
	[ ! -s "$TEST_DIR/err" ]
'

test_case 'a remote that is gone leaves pointers, tells once, and asks once' '
	rm -rf .git/dv/cache "$TEST_DIR/far"
	pointer="$(git cat-file blob HEAD:d.bin)
"
	{ hello; smudge d.bin "$pointer" can-delay=1; smudge e.bin "$pointer" can-delay=1
	  smudge f.bin "$pointer" x=y
	  line command=list_available_blobs; flush
	  line command=smudge; line pathname=d.bin; flush; flush
	  line command=smudge; line pathname=e.bin; flush; flush
	  line command=list_available_blobs; flush; } | talk
	[ "$(grep -ac "^size 8" "$TEST_DIR/got")" = 3 ]
	[ "$(grep -c "dv pull" "$TEST_DIR/err")" = 1 ]
'

done_testing
