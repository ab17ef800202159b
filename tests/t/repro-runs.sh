#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stages that run at the same time, that are interrupted, killed, and run by two at once.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Used in the test cases.
# shellcheck disable=SC2034
q="'"
fresh() { rm -rf "$1" && mkdir "$1" && cd "$1" && git init -q . && $DV init -q; }

# gone PID: it is no more, or nobody has waited for it.
gone() { ! grep -q "^State:[[:space:]]*[^Z]" "/proc/$1/status" 2>/dev/null; }

# true_lock: every output that dv.lock names is in the cache, and a run from here ends well.
true_lock() {
	[ ! -e dv.lock ] || sed -n "/^    outs:/,/^  [^ ]/s/.*oid: sha256://p" dv.lock |
		while read -r oid; do
			$DV show "$oid" >/dev/null 2>&1 || [ "$oid" = "$(sha256sum </dev/null | cut -d" " -f1)" ] || {
				echo "dv.lock names $oid, and the cache has no such object"
				exit 1
			}
		done
}

test_case 'independent stages run at the same time' '
	fresh a
	cat >dv.yaml <<EOF
stages:
  one: {cmd: "touch 1; for i in \$(seq 400); do [ -e 2 ] && exit 0; sleep 0.05; done; exit 1"}
  two: {cmd: "touch 2; for i in \$(seq 400); do [ -e 1 ] && exit 0; sleep 0.05; done; exit 1"}
EOF
	$DV repro -j 2
	rm 1 2
	cat >dv.yaml <<EOF
stages:
  one: {cmd: "[ ! -e busy ] && touch busy && sleep 0.2 && rm busy"}
  two: {cmd: "[ ! -e busy ] && touch busy && sleep 0.2 && rm busy"}
EOF
	$DV repro -j 1
'

test_case 'what a command leaves behind does not hold it up' '
	fresh b
	echo "stages: {a: {cmd: \"sleep 30 & echo done >out\", outs: [out]}}" >dv.yaml
	timeout 25 $DV repro -j 1 >log 2>&1
	[ "$(cat out)" = done ]
'

test_case 'Ctrl-C ends commands and all that they started' '
	fresh c
	cat >dv.yaml <<EOF
stages:
  quick: {cmd: echo q >q, outs: [q]}
  slow: {cmd: "echo \$\$ >pid; sh -c \"echo \\\\\$\\\\\$ >pid2; sleep 60\"; echo late >late", outs: [late]}
EOF
	$DV repro -j 2 >log 2>&1 & dv=$!
	for i in $(seq 200); do [ -s pid2 ] && grep -q quick dv.lock 2>/dev/null && break; sleep 0.05; done
	kill -INT $dv
	code=0; wait $dv || code=$?
	[ $code = 130 ]
	contains log "${q}slow${q} was interrupted"
	lacks dv.lock slow; contains dv.lock quick
	must_fail 1 kill -0 "$(cat pid2)" 2>/dev/null
	[ ! -e late ]
'

test_case 'a command that does not listen is killed' '
	fresh d
	echo "stages: {deaf: {cmd: \"trap \\\"\\\" INT TERM; echo \$\$ >pid; while :; do sleep 0.1; done\"}}" >dv.yaml
	$DV repro >log 2>&1 & dv=$!
	for i in $(seq 200); do [ -s pid ] && break; sleep 0.05; done
	kill -TERM $dv; sleep 0.2; kill -TERM $dv
	code=0; wait $dv || code=$?
	[ $code = 130 ]
	for i in $(seq 100); do gone "$(cat pid)" && break; sleep 0.05; done
	gone "$(cat pid)"
'

test_case 'two at once do not clash' '
	fresh e
	cat >dv.yaml <<EOF
stages:
  one: {foreach: [a, b, c, d], do: {cmd: "echo \${item} >>runs; sleep 0.2; echo \${item} >\${item}", deps: [in], outs: ["\${item}"]}}
  sum: {cmd: "cat a b c d >sum", deps: [a, b, c, d], outs: [sum]}
EOF
	echo 1 >in
	$DV repro -j 2 >log1 2>&1 & p=$!
	$DV repro -j 2 >log2 2>&1
	wait $p
	[ "$(wc -l <runs)" = 4 ] || { cat log1 log2 runs; exit 1; }
	[ "$(grep -c "^  one@" dv.lock)" = 4 ]
	$DV repro >out && contains out "Everything is up to date."
	true_lock
	# Different stages do not wait for each other.
	echo "stages: {left: {cmd: touch started && sleep 5 && touch x, outs: [x]}, right: {cmd: touch y, outs: [y]}}" >dv.yaml
	$DV repro left >log1 2>&1 & p=$!
	for i in $(seq 200); do [ -e started ] && break; sleep 0.05; done
	$DV repro right >log2 2>&1
	kill -0 $p
	wait $p
	contains dv.lock "  left:"; contains dv.lock "  right:"
'

test_case 'paths of a command that outlives its dv stay taken' '
	fresh f
	echo "stages: {a: {cmd: \"echo \$\$ >pid; sleep 2; echo a >a\", outs: [a]}}" >dv.yaml
	$DV repro >log 2>&1 & dv=$!
	for i in $(seq 200); do [ -s pid ] && break; sleep 0.05; done
	kill -KILL $dv; wait $dv || true
	rm pid
	$DV repro >log 2>&1
	contains log "waiting for another process"
	[ "$(cat a)" = a ]
'

test_case 'killed at any moment, the lock is true and what finished stays' '
	fresh g
	cat >dv.yaml <<EOF
stages:
  one: {foreach: [a, b, c], do: {cmd: "echo \${item}\$(cat in) >\${item}", deps: [in], outs: ["\${item}"]}}
  sum: {cmd: "cat a b c >sum", deps: [a, b, c], outs: [sum]}
EOF
	echo 0 >in
	DV_FAULT=count:$PWD/count $DV repro -j 1 >/dev/null 2>&1
	n=$(cat count)
	step=$(( ${TEST_FULL:+1}0 > 9 ? 1 : n / 25 + 1 ))
	for i in $(seq 1 $step $n); do
		echo $i >in
		code=0; DV_FAULT=die:$i $DV repro -j 1 >log 2>&1 || code=$?
		true_lock
		$DV repro -j 1 >log 2>&1 || { echo "after $i of $n"; cat log; exit 1; }
		[ "$(cat sum)" = "a$i
b$i
c$i" ] || { echo "sum after $i of $n"; exit 1; }
		$DV repro >log && contains log "Everything is up to date."
	done
	for kind in eio enospc; do
		for i in $(seq 1 $((step * 3)) $n); do
			echo $kind$i >in
			DV_FAULT=$kind:$i $DV repro -j 1 >log 2>&1 || true
			true_lock
			$DV repro -j 1 >log 2>&1 || { echo "after $kind $i of $n"; cat log; exit 1; }
		done
	done
	$DV fsck >/dev/null
'

test_case 'a killed run of many stages loses nothing that was recorded' '
	fresh h
	{
		echo "stages:"
		echo "  one:"
		echo "    foreach: [$(seq -s, 300)]"
		echo "    do: {cmd: \"echo \${item} >\${item}.txt\", outs: [\"\${item}.txt\"], deps: [in]}"
	} >dv.yaml
	echo 1 >in
	$DV repro -j 2 >log 2>&1 & dv=$!
	recorded() { cat dv.lock .git/dv/journal-*/* 2>/dev/null | grep "^  one@" | sort -u | wc -l; }
	for i in $(seq 1000); do [ "$(recorded)" -gt 50 ] && break; sleep 0.01; done
	kill -KILL $dv; wait $dv || true
	there=$(recorded)
	$DV repro -j 2 >log 2>&1
	again=$(grep -c "^running" log || true)
	[ "$again" -le $((300 - there)) ] || { echo "$there were recorded, $again ran again"; exit 1; }
	[ "$(grep -c "^  one@" dv.lock)" = 300 ]
	true_lock
	ls -A .git/dv/journal-* >left 2>/dev/null || true
	[ ! -s left ]
'

test_case 'checkout leaves alone what a running stage uses' '
	fresh i
	cat >dv.yaml <<EOF
stages:
  slow:
    cmd: "cp in made; touch began; while [ ! -e go ]; do sleep 0.05; done; cat in >>made"
    deps: [in]
    outs: [made]
EOF
	echo 1 >in; echo x >other
	$DV add -q in other
	touch go; $DV repro -q; rm go began
	cp in.dv old.txt; echo 2 >in; $DV add -q in
	$DV repro -q >log 2>&1 & p=$!
	for i in $(seq 400); do [ -e began ] && break; sleep 0.05; done
	# The dependency is another one now, as after a change of branch.
	sed "s/$(sed -n "s/.*sha256://p" in.dv)/$(sed -n "s/.*sha256://p" old.txt)/" in.dv >new.txt
	cp in.dv in2.txt; cp new.txt in.dv; rm other
	must_fail 3 $DV checkout 2>err
	contains err "the stage ${q}slow${q} uses it"
	[ "$(cat in)" = 2 ]; [ "$(cat made)" = 2 ]; [ "$(cat other)" = x ]
	must_fail 11 $DV checkout made 2>err
	must_fail 11 $DV checkout --force in 2>err
	contains err "${q}in${q} stays as it is"
	contains err "wait"
	$DV checkout other
	$DV checkout --wait in >log2 2>err2 & w=$!
	sleep 0.3
	kill -0 $w
	[ "$(cat in)" = 2 ]
	touch go
	wait $p; wait $w
	contains err2 "waiting: the stage ${q}slow${q} uses ${q}in${q}"
	[ "$(cat in)" = 1 ]
	[ "$(cat made)" = "2
2" ]
	$DV status made >out 2>&1; lacks out "modified: made"
'

test_case 'a stage waits for a checkout of what it uses' '
	fresh j
	echo 1 >in; $DV add -q in
	echo "stages: {s: {cmd: cat in >out, deps: [in], outs: [out]}}" >dv.yaml
	rm in
	DV_FAULT=count:$PWD/count $DV checkout -q; rm in
	# Stopped where it has the paths.
	n=$(($(cat count) - 3))
	DV_FAULT=stop:$n $DV checkout -q & c=$!
	for i in $(seq 400); do grep -q "^State:[[:space:]]*T" /proc/$c/status && break; sleep 0.02; done
	echo 2 >in
	$DV repro >log 2>&1 & p=$!
	for i in $(seq 100); do grep -q waiting log && break; sleep 0.05; done
	kill -CONT $c
	wait $c || true
	wait $p
	contains log "${q}dv checkout${q} uses ${q}in${q}"
'

test_case 'a command may check out what its own stage uses' '
	fresh k
	echo 1 >in; $DV add -q in
	echo "stages: {s: {cmd: rm in && \$DV checkout -q in && cat in >out, deps: [in], outs: [out]}}" >dv.yaml
	$DV repro
	[ "$(cat out)" = 1 ]
'

test_case 'a run that was killed leaves no ignore line unstaged for good' '
	fresh l
	echo 1 >in; echo "stages: {s: {cmd: cp in out, deps: [in], outs: [out]}}" >dv.yaml
	git add -A && git commit -qm 1
	DV_FAULT=count:$PWD/count $DV repro -q; n=$(cat count)
	for i in $(seq 1 $(( ${TEST_FULL:+1}0 > 9 ? 1 : 3 )) $n); do
		git rm -qf --cached .gitignore dv.lock 2>/dev/null || true
		rm -rf .gitignore dv.lock out .git/dv/cache/runs
		code=0; DV_FAULT=die:$i $DV repro -q 2>/dev/null || code=$?
		$DV repro -q -f 2>err || { cat err; exit 1; }
		git ls-files >staged
		grep -qx .gitignore staged && grep -qx dv.lock staged || { echo "after $i of $n"; cat staged; exit 1; }
	done
'

done_testing
