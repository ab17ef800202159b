# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Partial clones: what git did not bring is brought when dv needs it, many objects at once, and
# nothing that a missing pointer names is passed over.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export top=$PWD
git init -q main && cd main && dv init -q && dv install >/dev/null
dv remote add -q -d far "$top/far" && git add .dv
mkdir sub && printf '*.bin filter=dv diff=dv merge=dv -text\n' >sub/.gitattributes
# Ten versions, each with another file of the filter and another pointer.
for i in 0 1 2 3 4 5 6 7 8 9; do
	seq "$((i * 1000))" "$((i * 1000 + 999))" >sub/f.bin
	echo "one $i" >one && dv add -q one
	git add sub && git commit -qm "$i"
	# Rules that differ from version to version, too.
	echo "# $i" >>sub/.gitattributes
done
dv push -qA
git config uploadpack.allowFilter true && git config uploadpack.allowAnySHA1InWant true
cd "$top" || exit

# lacking: how many blobs of its history a clone has not.
lacking() { git rev-list --objects --all --missing=print | grep -c '^?'; }
partial() {
	git clone -q --filter="$1" "file://$top/main" "$2" && cd "$2" && dv install >/dev/null
}

test_case 'fetch of all history brings the pointers by a few fetches, and their data' '
	partial blob:none one
	[ "$(lacking)" -ge 20 ]
	GIT_TRACE=$top/trace dv fetch -qA
	[ "$(grep -c "built-in: git fetch" "$top/trace")" -le 4 ]
	[ "$(lacking)" -lt 10 ]
	for i in 3 8; do
		git checkout -q "main~$i"
		seq "$(((9 - i) * 1000))" "$(((9 - i) * 1000 + 999))" | cmp - sub/f.bin
	done'

test_case 'gc knows what missing pointers name' '
	cd "$top/one" && dv fetch -qA && cd "$top"
	partial blob:none two
	# The cache of the first clone, with all of the data and none of the pointers.
	rm -rf .git/dv/cache && cp -r "$top/one/.git/dv/cache" .git/dv/cache
	rm -rf .git/dv/cache/repos
	dv gc -A --force >"$top/gc"
	mv "$top/far" "$top/away"
	for i in 3 8; do
		git checkout -q "main~$i"
		seq "$(((9 - i) * 1000))" "$(((9 - i) * 1000 + 999))" | cmp - sub/f.bin
		[ "$(cat one)" = "one $((9 - i))" ]
	done
	mv "$top/away" "$top/far"'

test_case 'gc, push and fetch refuse where the pointers cannot be had' '
	cd "$top" && partial blob:none three && dv pull -q
	mv "$top/main" "$top/gone"
	n=$(find .git/dv/cache -type f | sort | sha256sum)
	must_fail 2 dv gc -A --force 2>"$top/err"
	contains "$top/err" "partial clone" && contains "$top/err" "hint: "
	[ "$n" = "$(find .git/dv/cache -type f | sort | sha256sum)" ]
	must_fail 2 dv fetch -A 2>"$top/err" && contains "$top/err" "partial clone"
	must_fail 2 dv push -A 2>"$top/err" && contains "$top/err" "partial clone"
	dv gc -w --force >"$top/gc"
	mv "$top/gone" "$top/main"'

test_case 'a clone without trees' '
	cd "$top" && partial tree:0 four
	dv fetch -qA
	dv diff HEAD~2 HEAD >"$top/out" || [ $? -eq 1 ]
	contains "$top/out" one
	dv cat HEAD~4:one | grep -qx "one 5"
	dv gc -A >"$top/gc"
	git checkout -q main~7
	[ "$(cat one)" = "one 2" ] && seq 2000 2999 | cmp - sub/f.bin'

test_case 'the day goes on: commits and pushes from a partial clone' '
	cd "$top/two" && git checkout -q main && git switch -qc more
	echo new >one && dv add -q one && seq 5 >sub/f.bin && git add sub && git commit -qm more
	git push -q origin more 2>"$top/err" || { cat "$top/err"; false; }
	cd "$top/main" && git switch -q more
	[ "$(cat one)" = new ] && seq 5 | cmp - sub/f.bin'

done_testing
