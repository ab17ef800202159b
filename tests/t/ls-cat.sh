# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv ls and dv cat: looking into tracked data without having it in the workspace.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir -p d/sub d/empty && printf one >d/a && printf two >d/sub/b && ln -s a d/link
printf "#!/bin/sh\n" >d/run && chmod +x d/run && printf x >"d/$(printf 'n\nl\377')"
head -c 3000000 /dev/urandom >big
"$DV" add -q d big && git commit -qm one
printf ONE >d/a && "$DV" commit -q && git commit -qam two

test_case 'outputs, a directory, everything' '
	[ "$($DV ls)" = "big
d/" ]
	$DV ls d >out
	contains out "d/a"
	contains out "d/sub/"
	contains out "\"d/n\\nl\\377\""
	lacks out "d/sub/b"
	$DV ls -R >out
	contains out "d/sub/b"
	contains out "d/empty/"
	$DV ls d/sub >out
	contains out "d/sub/b"'

test_case 'sizes, kinds and identities' '
	$DV ls -l >out
	contains out " 3000000 big"
	$DV ls -R -l d >out
	contains out "x "
	contains out "l "
	$DV ls --oid >out
	contains out "sha256:$(sha256sum big | cut -d" " -f1) big"'

test_case 'in a revision, and without the data' '
	rm -rf d big
	$DV ls --oid HEAD~1 d >out
	contains out "$(printf one | sha256sum | cut -d" " -f1) d/a"
	$DV ls HEAD~1 >out
	contains out "big"
	must_fail 2 $DV ls nonsense 2>err
	contains err "hint: "
	must_fail 2 $DV ls HEAD nothing
	$DV checkout -q'

test_case 'ls --json' '
	$DV ls -R --json >out
	python3 - <<-"END"
	import json
	k = {e["path"]: e for e in json.load(open("out"))}
	assert k["d"]["is_output"] and k["d/run"]["kind"] == "executable"
	assert k["d/link"]["kind"] == "symlink" and k["d/empty"]["kind"] == "directory"
	assert any(bytes.fromhex(e.get("path_hex", "")) == b"d/n\nl\xff" for e in k.values())
	END'

test_case 'cat gives the bytes, of any revision' '
	$DV cat big | cmp - big
	[ "$($DV cat d/sub/b)" = two ]
	[ "$($DV cat d/a)" = ONE ]
	[ "$($DV cat HEAD~1:d/a)" = one ]'

test_case 'cat of a part' '
	$DV cat --offset 1234567 --length 100001 big | cmp - <(tail -c +1234568 big | head -c 100001)
	$DV cat --offset 2999999 --length 50 big | cmp - <(tail -c 1 big)
	[ -z "$($DV cat --length 0 big)" ]
	must_fail 129 $DV cat --offset -1 big'

test_case 'a reader that goes away is no error' '
	$DV cat big | head -c 1 >/dev/null
	[ "${PIPESTATUS[0]}" -eq 0 ]
	if [ -w /dev/full ]; then must_fail 2 sh -c "$DV cat big >/dev/full"; fi'

test_case 'a name with a colon is tried first' '
	printf colon >HEAD:x
	$DV add -q HEAD:x
	[ "$($DV cat HEAD:x)" = colon ]'

test_case 'cat of what is no file' '
	must_fail 2 $DV cat nothing 2>err
	contains err "nothing"
	refused $DV cat d 2>err
	contains err "error: "
	must_fail 2 $DV cat nonsense:d/a
	must_fail 129 $DV cat --json big'

test_case 'a fresh clone asks the remote for what the cache has no listing of' '
	cd "$TEST_DIR"
	rm -rf lsrc lsclone lsremote lsother
	git init -q lsrc
	cd lsrc
	"$DV" init -q
	"$DV" remote add -q -d --no-probe r ../lsremote
	"$DV" remote add -q --no-probe other ../lsother
	mkdir -p deep/one/two near
	echo 1 >deep/one/two/x
	echo 2 >deep/one/y
	echo 3 >near/z
	"$DV" add -q deep near
	sed -i "s/^  size:/  remote: other\n  size:/" near.dv
	contains near.dv "remote: other"
	git add -A
	git commit -qm all
	git clone -q . ../lsclone
	cd ../lsclone
	must_fail 2 "$DV" ls deep 2>err
	contains err "hint: "
	cd ../lsrc
	"$DV" push -q
	for args in "" "-R" deep deep/one deep/one/two/x "-R deep/one" "-R near" near/z; do
		"$DV" ls $args >"$TEST_DIR/want"
		(cd ../lsclone && "$DV" ls $args) >"$TEST_DIR/got"
		same "$TEST_DIR/want" "$TEST_DIR/got"
	done
	cd ../lsclone
	must_fail 2 "$DV" ls deep/none 2>err
	contains err "neither tracked nor a revision"
	# Nothing of it is kept.
	[ -z "$(find .git/dv/cache/packs -type f 2>/dev/null)" ]
	mv ../lsremote ../lsgone
	must_fail 2 "$DV" ls deep 2>err
	contains err "the listing of"
	mv ../lsgone ../lsremote'

done_testing
