# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
# The filter is killed while it works, also after git closed its pipe, when it writes large files of
# the work tree: each is old, new or the pointer, git or dv tells, and 'dv checkout' goes on.
[ -n "${TMPDIR:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export stride=${DV_TEST_STRIDE:-5}
content() {
	openssl enc -aes-128-ctr -nosalt -K "$(printf '%032d' "$2")" -iv 0 </dev/zero 2>/dev/null |
		head -c "$1"
}
export top=$PWD
git init -q --template= base && cd base && dv init -q
git config filter.dv.process 'dv filter-process' && git config filter.dv.required true
printf '*.bin filter=dv diff=dv merge=dv -text\n' >.gitattributes
for v in 1 2; do
	content 5000000 $v >a.bin && content 4500000 3$v >b.bin && content 4400000 4$v >c.bin
	echo "$v" >s.bin && echo "$v" >plain
	git add . && git commit -qm "v$v" && git tag "v$v"
	sha256sum ./*.bin plain >"$top/v$v"
	for f in *.bin; do git cat-file blob "v$v:$f" | sha256sum | sed "s|-|./$f|" >>"$top/v$v"; done
done
git checkout -q v1
sed 's|\./||' "$top/v1" "$top/v2" | sort >"$top/known"

# whole: nothing half, and nothing that does not belong there.
whole() {
	for f in *.bin; do
		[ -e "$f" ] || continue
		grep -qx "$(sha256sum <"$f" | cut -d' ' -f1)  $f" "$top/known" ||
			{ echo "half a file: $f" >&2; return 1; }
	done
	! git ls-files --others | grep . >&2 || return 1
}

# mended: the user goes on as git and dv tell.
mended() {
	rm -f .git/index.lock
	git checkout -qf v2 2>../err2 && dv checkout >/dev/null && whole &&
		head -n 5 "$top/v2" | sha256sum --quiet -c && git status --porcelain >../status &&
		[ ! -s ../status ] && dv fsck -q && dv status -q
}

# what_tells: where a pointer is left, dv status does; it is what git has, which sees no change.
what_tells() {
	for f in *.bin; do
		if [ -e "$f" ] && [ "$(wc -c <"$f")" -lt 200 ] && grep -q ^oid "$f"; then
			[ -e .git/index.lock ] || { dv status >../told; contains ../told "$f"; } || return 1
		fi
	done
}
attempt() {
	rm -rf ../case && cp -a ../base ../case && cd ../case
}
export -f whole mended what_tells contains attempt

test_case 'killed at any change of the disk' '
	DV_FAULT=count:$top/count git checkout -q v2
	git checkout -q v1
	n=$(cat "$top/count") && [ "$n" -ge 10 ]
	for i in $(seq 1 "$stride" "$n"); do
		attempt
		DV_FAULT=die:$i git checkout -q v2 2>../err || [ $? -le 128 ]
		whole && what_tells && mended || { echo "at change $i of $n"; cat ../err; false; }
	done'

test_case 'a disk that is full' '
	for i in $(seq 2 "$((2 * stride))" "$(cat "$top/count")"); do
		attempt
		DV_FAULT=enospc:$i git checkout -q v2 2>../err || [ $? -le 128 ]
		whole && what_tells && mended || { echo "at change $i"; cat ../err; false; }
	done'

# stopped SIGNAL: dv is halted before a change, git and it get the signal, as from the keyboard.
test_case 'Ctrl-C in the middle' '
	n=$(cat "$top/count")
	for i in 2 $((n / 2)) $((n - 3)); do
		attempt
		DV_FAULT=stop:$i setsid git checkout -q v2 2>../err &
		git=$!
		for t in $(seq 100); do
			pid=$(ps -o pid= --ppid $git 2>/dev/null | head -n 1)
			[ -z "$pid" ] || ! grep -q "^State:.T" "/proc/${pid// /}/status" 2>/dev/null || break
			sleep 0.05
		done
		kill -INT -$git; kill -CONT -$git 2>/dev/null || true
		wait $git || true
		for t in $(seq 100); do pgrep -g $git >/dev/null || break; sleep 0.05; done
		whole && what_tells && mended || { echo "at change $i"; cat ../err; false; }
	done'

done_testing
