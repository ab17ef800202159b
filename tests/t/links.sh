# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Link modes: files of the workspace that share their bytes with the cache, and what happens to the
# cache when somebody writes through a link.

. "$(dirname "$0")/lib.sh"

cache=.git/dv/cache

# start MODE: a repository that uses the mode, with data not yet added.
start() {
	cd "$TEST_DIR/ws"
	rm -rf repo remote one two
	git init -q repo
	cd repo
	dv init -q
	[ "$1" = none ] || dv config --local cache.type "$1"
	mkdir -p data/sub
	seq 60000 >data/big
	seq 2 2 40000 >data/sub/mid
	seq 3 3 90000 >data/run
	chmod 755 data/run
	echo tiny >data/tiny
	ln -s big data/link
	seq 4 4 99999 >file
	cp -a data ../one
	cp file ../one-file
}

wholes() { find "$cache/files" -type f ! -name '.dv-tmp-*' | wc -l; }
whole_of() { set -- "$(sha256sum "$1")"; echo "$cache/files/${1:0:2}/${1:0:64}"; }
inode() { stat -c %d:%i "$1"; }
links() { stat -c %h "$1"; }

# The content and the executable bits are right, whatever the files are made of.
right() {
	diff -r data ../one >&2
	[ "$(readlink data/link)" = big ]
	[ -x data/run ] && [ ! -x data/big ]
}

test_case 'hardlink: add makes the file itself the container of its chunks' '
	start hardlink
	dv add -q data file
	[ "$(wholes)" = 4 ]
	[ "$(inode data/big)" = "$(inode "$(whole_of data/big)")" ]
	[ "$(inode file)" = "$(inode "$(whole_of file)")" ]
	[ "$(stat -c %a data/big)" = 444 ] && [ "$(stat -c %a data/run)" = 555 ]
	[ "$(links data/tiny)" = 1 ] && [ "$(stat -c %a data/tiny)" = 644 ]
	right
	dv status -q && dv fsck -q
	dv cat HEAD:data/big 2>/dev/null || true
	# Packs hold the recipes, the trees and what is tiny; nothing is there twice.
	[ "$(cat "$cache"/packs/*/* | wc -c)" -lt 40000 ]'

test_case 'hardlink: checkout links, and what is linked is not copied' '
	start hardlink
	dv add -q data file && git commit -qm one
	rm -rf data file
	dv checkout >out
	contains out "6 files added"
	right && cmp file ../one-file
	[ "$(inode data/sub/mid)" = "$(inode "$(whole_of data/sub/mid)")" ]
	dv status -q && dv checkout >out && contains out "Nothing changed."'

test_case 'symlink: add, status, checkout, add again' '
	start symlink
	dv add -q data file && git commit -qm one
	[ "$(readlink data/big)" = "$PWD/$(whole_of data/big)" ]
	[ -L file ] && [ ! -L data/tiny ] && [ "$(readlink data/link)" = big ]
	right
	dv status -q && dv fsck -q
	dv add -q data file && git diff --quiet HEAD
	rm -rf data file && dv checkout -q && [ -L data/sub/mid ] && [ -L file ] && right
	dv status -q
	rm data/big && seq 70000 >data/big
	must_fail 1 dv status -q
	dv add -q data && [ -L data/big ] && [ "$(tail -n 1 data/big)" = 70000 ]
	dv status -q && dv fsck -q'

test_case 'symlink: the output is one file, and parts of a directory' '
	start symlink
	dv add -q data file && git commit -qm one
	dv ls -R data >out && contains out big
	seq 5 50000 >../new && rm data/sub/mid && cp ../new data/sub/mid
	dv add -q data/sub/mid && [ -L data/sub/mid ] && cmp ../new data/sub/mid
	dv diff HEAD >out && contains out mid
	dv checkout -q --rev HEAD data/sub/mid && cmp ../one/sub/mid data/sub/mid'

test_case 'equal files share one whole file; exec bits are kept apart' '
	start hardlink
	cp data/big data/same && cp data/big data/same-x && chmod 755 data/same-x
	dv add -q data
	[ "$(inode data/same)" = "$(inode data/big)" ] || [ "$(inode data/same)" = "$(inode data/same-x)" ] ||
		[ "$(inode data/big)" = "$(inode data/same-x)" ]
	[ -x data/same-x ] && [ ! -x data/same ] && [ ! -x data/big ]
	rm -r data && dv checkout -q
	[ -x data/same-x ] && [ ! -x data/same ] && [ ! -x data/big ]
	dv status -q && dv fsck -q'

test_case 'an unsupported mode falls to the next one, with one warning' '
	start reflink,hardlink
	if cp --reflink=always file ../clone 2>/dev/null; then exit 0; fi
	dv add data file 2>err
	[ "$(grep -c "cache.type" err)" = 1 ]
	contains err "reflink"
	[ "$(links file)" = 2 ]
	dv config --local cache.type reflink
	rm -r data && dv checkout 2>err && [ "$(grep -c "cache.type" err)" = 1 ]
	[ "$(links data/big)" = 1 ] && [ -w data/big ] && right'

test_case 'a mode of the committed settings counts' '
	start none
	dv config cache.type symlink
	dv add -q file && [ -L file ] && dv status -q
	must_fail 129 dv config cache.type hardlinks'

test_case '--relink goes from any mode to any other, and loses no work' '
	start none
	dv add -q data file && git commit -qm one
	for mode in hardlink symlink copy symlink hardlink copy; do
		dv config --local cache.type $mode
		dv checkout --relink >out && contains out "made anew"
		case $mode in
		copy) [ "$(links data/big)" = 1 ] && [ ! -L data/big ] && [ -w data/big ]
			[ "$(stat -c %a data/big)" = 644 ] && [ "$(stat -c %a data/run)" = 755 ] ;;
		hardlink) [ "$(links data/big)" -ge 2 ] && [ ! -L data/big ] ;;
		symlink) [ -L data/big ] && [ -L file ] ;;
		esac
		right && dv status -q && dv fsck -q
		dv checkout --relink >out && contains out "Nothing changed."
	done
	echo mine >data/tiny
	refused dv checkout --relink
	[ "$(cat data/tiny)" = mine ]'

test_case 'data from a remote: the whole file is made of chunks once' '
	start none
	dv add -q data file && git commit -qm one
	dv remote add -q -d r ../remote && dv push -q
	for mode in hardlink symlink; do
		rm -rf .git/dv/cache data file
		dv config --local cache.type $mode
		dv pull -q && right && [ "$(wholes)" = 4 ] && dv status -q && dv fsck -q
	done'

test_case 'push reads chunks from whole files into packs' '
	start hardlink
	dv add -q data file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	dv fsck -q --remote --full && dv status -q --remote
	[ "$(find ../remote/files -type f 2>/dev/null | wc -l)" = 0 ]
	[ "$(cat ../remote/packs/*/* | wc -c)" -lt 600000 ]
	rm -rf .git/dv/cache data file
	dv config --local cache.type copy
	dv pull -q && right && cmp file ../one-file'

# -- who writes through a link -----------------------------------------------------------------------

test_case 'writing through a hard link is noticed, and the new content is stored right' '
	start hardlink
	dv add -q data file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	chmod u+w data/big && echo more >>data/big
	must_fail 1 dv status -q 2>err
	dv status >out 2>err || true
	contains err "was changed by another program"
	refused dv checkout
	dv add -q data 2>err && git commit -qam two
	[ "$(stat -c %a data/big)" = 444 ]
	cmp data/big "$(whole_of data/big)"
	dv status -q
	# The version before is not taken for granted any more, and comes back.
	must_fail 3 dv fsck 2>/dev/null >out || must_fail 12 dv fsck >out 2>&1
	dv fsck --repair >out 2>&1
	dv fsck -q
	dv cat HEAD~1:data/big | cmp - ../one/big
	dv checkout -q --rev HEAD~1 && right
	dv checkout -q && [ "$(tail -n 1 data/big)" = more ]'

test_case 'writing through a symbolic link likewise' '
	start symlink
	dv add -q data file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	chmod u+w "$(readlink file)" && echo more >>file
	must_fail 1 dv status -q 2>/dev/null
	refused dv checkout 2>/dev/null
	dv add -q file 2>/dev/null && git commit -qam two
	[ "$(tail -n 1 file)" = more ] && [ "$(readlink file)" = "$PWD/$(whole_of file)" ]
	dv status -q
	dv fsck -q --repair 2>/dev/null
	[ "$(tail -n 1 file)" = more ]
	dv cat HEAD~1:file | cmp - ../one-file
	dv checkout -q --rev HEAD~1 && cmp file ../one-file'

test_case 'content that was lost so is stored anew, not taken for stored' '
	start hardlink
	dv add -q file
	chmod u+w file && echo more >>file
	rm file && cp ../one-file file
	for mode in copy hardlink; do
		dv config --local cache.type $mode
		touch file
		dv add -q file 2>/dev/null
		dv cat file 2>/dev/null | cmp - ../one-file
	done
	dv fsck -q'

test_case 'pull brings back what was lost so' '
	start hardlink
	dv add -q file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	chmod u+w file && echo more >file && rm file
	dv pull -q 2>/dev/null && cmp file ../one-file
	dv status -q 2>/dev/null'

test_case 'an edit that lies in the cache is not lost by repair or gc' '
	start symlink
	dv add -q file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	chmod u+w "$(readlink file)" && echo precious >>file
	dv gc -q -w 2>/dev/null && [ "$(tail -n 1 file)" = precious ]
	dv fsck -q --repair 2>/dev/null
	tail -qn 1 "$cache"/damaged/* | grep -q precious'

test_case 'touch breaks no data: the bytes decide' '
	start hardlink
	dv add -q data file
	touch -d "2020-01-01 00:00:00.5" data/big
	dv status -q 2>err && [ ! -s err ]
	rm data/big && dv checkout -q 2>err && [ ! -s err ] && right && dv fsck -q'

test_case 'a file that is open for writing gets no hard link' '
	start hardlink
	exec 7>>file
	dv add -q file
	[ "$(links file)" = 1 ] && [ -w file ]
	exec 7>&-
	dv cat file | cmp - ../one-file'

test_case 'move and remove follow' '
	start symlink
	dv add -q data file && git commit -qam one
	dv move -q file file2 && [ -L file2 ] && cmp file2 ../one-file && dv status -q
	dv move -q data sets && diff -r sets ../one && dv status -q
	dv remove -q --outs file2 && [ ! -e file2 ] && [ ! -L file2 ]
	dv fsck -q'

test_case 'gc drops whole files that nothing needs, and breaks no link in use' '
	start symlink
	dv add -q file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	old=$(readlink file)
	rm file && seq 7 7 99999 >file && dv add -q file && git commit -qam two && dv push -q
	new=$(readlink file)
	dv checkout -q --rev HEAD~1
	git reflog expire --expire=all --all
	dv gc -q -w && [ -e "$old" ] && cmp file ../one-file
	dv checkout -q
	git commit -q --amend -m three && git reset -q --soft HEAD~1 && git commit -qm x
	git reflog expire --expire=all --all
	dv gc -q -w --force && [ -e "$new" ] && dv status -q && dv fsck -q'

test_case 'gc drops the copies in packs of what is kept whole' '
	start none
	head -c 3000000 /dev/urandom >file
	dv add -q file && git commit -qam one
	dv config --local cache.type hardlink && dv checkout -q --relink
	dv remote add -q -d r ../remote && dv push -q
	dv gc -q -w
	[ "$(cat "$cache"/packs/*/* | wc -c)" -lt 100000 ]
	dv fsck -q && dv status -q
	rm file && dv checkout -q && [ "$(links file)" = 2 ]'

test_case 'versions that share chunks: the old whole file goes, the new one stays whole' '
	start hardlink
	head -c 3000000 /dev/urandom >file && cp file ../v1
	dv add -q file && git commit -qm one
	rm file && { echo start; cat ../v1; } >file && cp file ../v2
	dv add -q file && git commit -qm two
	dv fsck -q
	dv cat HEAD~1:file | cmp - ../v1
	git reset -q --soft HEAD~1 && git commit -qm x --amend
	git reflog expire --expire=all --all
	dv gc -q -w --force
	[ "$(wholes)" = 1 ] && dv fsck -q && dv status -q
	rm file && dv checkout -q && cmp file ../v2'

test_case 'a link that dangles, after the cache was lost, holds nothing to lose' '
	start symlink
	dv add -q data file && git commit -qam one
	dv remote add -q -d r ../remote && dv push -q
	rm -rf .git/dv/cache
	dv pull -q && right && cmp file ../one-file && dv status -q'

test_case 'a cache on another file system' '
	other=$(mktemp -d /dev/shm/dv-links.XXXXXX 2>/dev/null) || exit 0
	trap "rm -rf $other" EXIT
	start symlink
	[ "$(stat -c %d .)" != "$(stat -c %d "$other")" ] || exit 0
	dv config --local cache.dir "$other/cache"
	dv add -q data file && git commit -qam one
	[ -L file ] && case $(readlink file) in "$other"/cache/files/*) ;; *) false ;; esac
	right && dv status -q && dv fsck -q
	rm -rf data && dv checkout -q && right && [ -L data/big ]
	dv config --local cache.type hardlink,symlink
	rm -rf data && dv checkout -q 2>err && [ -L data/big ] && contains err "hardlink"'

test_case 'reflink on a file system that has it' '
	cd "$TEST_DIR"
	if [ "$(id -u)" != 0 ]; then echo "skipped: needs root"; exit 0; fi
	if command -v mkfs.btrfs >/dev/null; then
		truncate -s 300M image && mkfs.btrfs -q image
	elif command -v mkfs.xfs >/dev/null; then
		truncate -s 400M image && mkfs.xfs -q image
	else
		echo "# skipped: neither mkfs.btrfs nor mkfs.xfs" >&3
		exit 0
	fi
	mkdir -p mnt
	mount -o loop image mnt 2>/dev/null || { echo "# skipped: cannot mount" >&3; exit 0; }
	trap "cd /; umount $TEST_DIR/mnt" EXIT
	cd mnt && git init -q repo && cd repo && dv init -q
	dv config --local cache.type reflink
	head -c 50000000 /dev/urandom >file && cp file ../copy && sync
	before=$(df --output=used -B1 . | tail -n 1)
	dv add -q file && sync
	[ $(($(df --output=used -B1 . | tail -n 1) - before)) -lt 20000000 ]
	rm file && dv checkout -q && cmp file ../copy && [ -w file ] && sync
	[ $(($(df --output=used -B1 . | tail -n 1) - before)) -lt 20000000 ]
	echo more >>file && dv add -q file && dv fsck -q
	dv status -q' 3>&1

# -- hostile repositories ----------------------------------------------------------------------------

test_case 'a link that only looks like one of the cache is a link' '
	start symlink
	dv add -q data && git commit -qam one
	echo secret >../secret
	hex=$(sha256sum ../secret); hex=${hex%% *}
	ln -s "$PWD/../secret" data/out
	ln -s "$PWD/$cache/files/${hex:0:2}/$hex" data/none
	ln -s "$PWD/$cache/files/../../../config" data/up
	dv add -q data && [ -L data/out ] && [ -L data/none ] && [ -L data/up ]
	dv ls data --json >out && python3 - <<-END
	import json
	e = {x["path"].split("/")[-1]: x["kind"] for x in json.load(open("out"))}
	assert all("link" in e[n] for n in ("out", "none", "up", "link")) and e["big"] == "file", e
	END'

test_case 'a link recorded in a dataset leads checkout nowhere' '
	start symlink
	mkdir ../outside && echo safe >../outside/f
	mkdir d2 && ln -s "$PWD/../outside" d2/x
	dv add -q d2 && git commit -qm one
	rm -rf d2 && dv checkout -q
	rm d2/x && mkdir d2/x && seq 60000 >d2/x/f
	dv add -q d2 && git commit -qm two
	dv checkout -q --rev HEAD~1 -f && dv checkout -q -f
	[ "$(cat ../outside/f)" = safe ] && [ ! -L d2/x ] && [ "$(ls ../outside)" = f ]'

test_case 'a whole file that was replaced by a link is not followed' '
	start symlink
	dv add -q file
	w=$(whole_of file)
	echo secret >../secret
	rm -f "$w" && ln -s "$PWD/../secret" "$w"
	must_fail 1 dv status -q 2>/dev/null
	refused dv cat file >out 2>/dev/null
	lacks out secret
	[ "$(cat ../secret)" = secret ] && [ "$(stat -c %a ../secret)" = 644 ]'

done_testing
