# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# dv status: workspace against pointers.

. "$(dirname "$0")/lib.sh"

git init -q . && "$DV" init -q
mkdir data && printf one >data/a && printf two >data/b && printf three >data/c && printf x >file

# Used in the test cases.
# shellcheck disable=SC2034
q="'"

test_case 'nothing is tracked at first' '
	$DV status >out
	contains out "Nothing is tracked"'

test_case 'after add all is up to date' '
	$DV add -q data file
	$DV status >out
	contains out "up to date"
	$DV status -q'

test_case 'changes are named below their output' '
	printf ONE! >data/a
	rm data/b
	mv data/c data/z
	printf n >"data/$(printf "new\nname")"
	$DV status >out 2>err
	contains out "data: modified"
	contains out "  modified: data/a"
	contains out "  deleted: data/b"
	contains out "  renamed: data/c -> data/z"
	contains out "  added: \"data/new\\nname\""
	lacks out "file"
	contains err "hint: "'

test_case '-q answers with the exit status alone' '
	must_fail 1 $DV status -q >out 2>&1
	[ ! -s out ]
	$DV status -q file'

test_case 'targets limit what is looked at' '
	$DV status file >out
	contains out "up to date"
	must_fail 2 $DV status nothing'

test_case '--json is one document' '
	$DV status --json >out
	python3 - <<-"END"
	import json
	d = json.load(open("out"))
	k = {c["path"]: c for c in d["changes"]}
	assert d["outputs"] == 2 and d["changed"] == 1
	assert k["data/z"]["kind"] == "renamed" and k["data/z"]["old_path"] == "data/c"
	assert k["data/b"]["kind"] == "deleted" and k["data/b"]["new_oid"] is None
	assert k["data/new\nname"]["new_size"] == 1
	END'

test_case 'an executable bit and a link are changes' '
	$DV commit -q
	chmod +x data/a
	$DV status >out
	contains out "modified: data/a"
	chmod -x data/a
	$DV status -q
	rm data/a
	ln -s z data/a
	$DV status >out
	contains out "modified: data/a"
	$DV checkout -q -f
	$DV status -q'

test_case 'a missing output is deleted' '
	mv file elsewhere
	$DV status >out
	contains out "file: deleted"
	mv elsewhere file
	$DV status -q'

test_case 'what the cache lost is told, and how to get it' '
	mv .git/dv/cache saved
	$DV status >out 2>err
	contains out "not in cache"
	contains err "dv pull"
	mv file elsewhere
	$DV status file >out
	[ "$(cat out)" = "file: not in cache" ]
	echo other >file
	$DV status file >out
	[ "$(cat out)" = "file: modified, not in cache" ]
	mv elsewhere file
	[ ! -e .git/dv/cache ]
	rm -rf .git/dv/cache
	mv saved .git/dv/cache'

test_case 'touching a file changes nothing' '
	touch data/z file
	$DV status -q
	must_fail 1 sh -c "printf y >file; $DV status -q"'

test_case '--remote tells what was not pushed' '
	$DV commit -q
	refused $DV status --remote 2>err
	contains err "hint: "
	$DV remote add -q -d up "$TEST_DIR/up"
	$DV status --remote >out 2>err
	contains out "not in remote"
	contains err "dv push"
	$DV push -q
	$DV status --remote >out
	contains out "up to date"'

test_case 'files that come and go meanwhile are no error' '
	mkdir busy
	seq 200 | sed "s|^|busy/f|" | xargs touch
	"$DV" add -q busy
	( while [ ! -e stop ]; do
		seq 300 | sed "s|^|busy/z|" | xargs touch
		mkdir -p busy/y/x
		rm -rf busy/z* busy/y
	done ) &
	failed=0
	for _ in $(seq 100); do "$DV" status -q busy || [ $? -lt 2 ] || failed=1; done
	touch stop
	wait
	[ "$failed" -eq 0 ]
	"$DV" status -q busy'

test_case 'an output that cannot be read does not stop the others' '
	$DV status -q
	mkfifo busy/pipe
	echo more >>file
	must_fail 3 $DV status >out 2>err
	contains err "busy/pipe"
	contains out "file: modified"
	must_fail 3 $DV status --json >out 2>err
	contains out "\"file\""
	must_fail 2 $DV status busy 2>err
	rm busy/pipe
	$DV commit -q file'

test_case 'what only looks creates no cache' '
	mv .git/dv/cache saved
	$DV status >out
	$DV diff >out
	$DV ls >out
	$DV doctor >out || :
	[ ! -e .git/dv/cache ]
	mv saved .git/dv/cache
	$DV status -q'

test_case 'a repository that can only be read is looked at all the same' '
	cat >look.sh <<END
set -e
touch probe 2>/dev/null && exit 0
$DV status -q
$DV diff >/dev/null
$DV ls -R >/dev/null
[ "\$($DV cat file | wc -c)" -gt 0 ]
END
	if unshare -m true 2>/dev/null; then
		unshare -m sh -c "mount --bind . . && mount -o remount,ro,bind . &&
			cd \"\$PWD\" && ! touch probe 2>/dev/null && sh look.sh"
	else
		chmod -R a-w .
		code=0
		sh look.sh || code=$?
		chmod -R u+w .
		[ "$code" -eq 0 ]
	fi'

test_case 'a file that cannot be read hides no other change' '
	rm -rf ../unread && mkdir ../unread && cd ../unread && git init -q && "$DV" init -q
	mkdir d && for i in 1 2 3; do echo $i >d/$i; done
	"$DV" add -q d
	echo new >d/1; echo x >d/4; touch d/2; chmod 0 d/2
	look="$DV status"
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid 1000 --clear-groups true 2>/dev/null || exit 0
		chmod 755 "$TEST_DIR" "$TEST_DIR"/unread; chown -R 1000 .
		look="setpriv --reuid 1000 --clear-groups env HOME=$PWD $DV status"
		setpriv --reuid 1000 --clear-groups test -x "$DV" || exit 0
	fi
	must_fail 2 $look >out 2>err
	contains err "cannot open ${q}d/2${q}"
	contains out "modified: d/1"; contains out "added: d/4"; lacks out "d/2"
	echo 1 >d/1; rm d/4
	must_fail 2 $look >out 2>err; lacks out "modified"
	chmod 644 d/2; $look >out; contains out "up to date"'

test_case 'data of another version than the pointer is no work to be recorded' '
	git init -q ../behind && cd ../behind && "$DV" init -q
	mkdir d && echo 1 >d/a && echo 1 >f && "$DV" add -q d f && git commit -qm one
	echo 2 >d/a && "$DV" commit -q && git commit -qam two
	git reset -q --hard HEAD~1
	"$DV" status >out 2>err
	contains out "modified: d/a"
	contains err "was recorded as it is"
	contains err "dv checkout"
	echo 3 >f
	"$DV" status >out 2>err
	contains err "records the changes"
	lacks err "was recorded"'

done_testing
