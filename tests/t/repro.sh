#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Running pipelines: what runs, what does not, and what is written down.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# Used in the test cases.
# shellcheck disable=SC2034
q="'"

# ran STAGE...: exactly these stages ran in the last 'dv repro', whose talk is in err.
ran() {
	local want
	want=$(printf '%s\n' "$@" | sort | sed '/^$/d')
	[ "$(sed -n "s/^running '\(.*\)'\$/\1/p" err | sort)" = "$want" ] || { cat err; return 1; }
}

# repro ARGUMENT...: runs it, its talk goes to err.
repro() { $DV repro "$@" >out 2>err || { cat out err; return 1; }; }

# fresh NAME: a new repository to work in.
fresh() { rm -rf "$1" && mkdir "$1" && cd "$1" && git init -q . && $DV init -q; }

test_case 'a pipeline runs once, in order, and is recorded' '
	fresh a
	echo raw >raw.txt
	cat >params.yaml <<EOF
train: {lr: 0.1, steps: 3}
EOF
	cat >dv.yaml <<EOF
stages:
  train:
    cmd: "cat clean.txt >model && echo \${train.lr} >>model"
    deps: [clean.txt]
    params: [train.lr]
    outs: [model]
  prepare:
    cmd: tr a-z A-Z <raw.txt >clean.txt
    deps: [raw.txt]
    outs: [clean.txt]
EOF
	repro
	ran prepare train
	[ "$(cat model)" = "RAW
0.1" ]
	contains dv.lock "schema: dv 1"
	contains dv.lock "oid: sha256:$(sha256sum <model | cut -d" " -f1)"
	contains dv.lock "train.lr: 0.1"
	contains .gitignore "/model" && contains .gitignore "/clean.txt"
	git diff --cached --name-only >staged
	contains staged dv.lock && contains staged .gitignore
	cp dv.lock lock
	repro
	ran
	contains out "Everything is up to date."
	same lock dv.lock
	$DV repro --json 2>err >out.json
	python3 -c "import json; d = json.load(open(\"out.json\")); assert d[\"unchanged\"] == 2, d"
'

test_case 'what makes a stage run, and what does not' '
	cd a
	echo other >raw.txt; repro; ran prepare train
	sed -i "s/lr: 0.1/lr: 0.2/" params.yaml; repro; ran train
	# The parameter is in the command as well; another one is not ours.
	sed -i "s/steps: 3/steps: 4/" params.yaml; repro; ran
	sed -i "s/cat clean.txt/cat  clean.txt/" dv.yaml; repro; ran train
	# A dependency that is new makes it run; one that was taken out does not.
	sed -i "s/deps: \[raw.txt\]/deps: [raw.txt, params.yaml]/" dv.yaml; repro; ran prepare
	sed -i "s/deps: \[raw.txt, params.yaml\]/deps: [raw.txt]/" dv.yaml; repro; ran
	# Descriptions are not what is run.
	sed -i "s/    outs: \[model\]/    outs: [model]\n    desc: text/" dv.yaml; repro; ran
	# An output that came out as it was leaves the next one alone.
	sed -i "s/tr a-z A-Z <raw.txt/tr a-z A-Z < raw.txt/" dv.yaml; repro; ran prepare
	# Touched is not changed.
	touch raw.txt; repro; ran
	$DV repro --dry >out 2>err
	contains out "Everything is up to date."
'

test_case 'outputs come back from the cache without a run' '
	cd a
	cp model keep; rm model; repro; ran; same keep model
	contains err "are checked out as they were recorded"
	echo changed >model; repro; ran; same keep model
	rm model clean.txt; repro; ran; same keep model
	# A missing output that the cache lacks is made again.
	chmod -R u+w .git/dv/cache/packs && rm -rf .git/dv/cache .git/dv/runs
	rm model; repro; ran train; same keep model
	# And what is in the workspace alone is stored again.
	$DV fsck >/dev/null
	rm clean.txt; repro; ran
'

test_case 'the run cache' '
	cd a
	repro -f
	cp raw.txt one; echo two >two; cp model model1
	cp two raw.txt; repro; ran prepare train
	cp one raw.txt; repro; ran; same model1 model
	cp two raw.txt; repro --no-run-cache; ran prepare train
	cp one raw.txt; repro -f; ran prepare train
	# A damaged entry is a miss.
	find .git/dv/cache/runs -type f | while read -r f; do
		sed -i "s/ size: / isze: /" "$f"
	done
	cp two raw.txt; repro; ran prepare train
	find .git/dv/cache/runs -type f | while read -r f; do : >"$f"; done
	cp one raw.txt; repro; ran prepare train
'

test_case 'a failure stops, and leaves the lock true' '
	fresh b
	cat >dv.yaml <<EOF
stages:
  bad: {cmd: ["echo x >bad.txt", "exit 3"], outs: [bad.txt]}
  late: {cmd: cp bad.txt late.txt, deps: [bad.txt], outs: [late.txt]}
  other: {cmd: echo o >other.txt, outs: [other.txt]}
EOF
	must_fail 2 $DV repro -j 1 >out 2>err
	contains err "the stage ${q}bad${q} failed with exit status 3"
	[ -e bad.txt ] && [ ! -e late.txt ] && [ ! -e other.txt ] && [ ! -e dv.lock ]
	must_fail 3 $DV repro -k >out 2>err
	[ -e other.txt ] && [ ! -e late.txt ]
	contains dv.lock other && lacks dv.lock bad
	contains out "1 ran, 1 failed, 1 skipped"
	repro --ignore-errors
	[ -e late.txt ] && lacks dv.lock "  bad:"
	must_fail 3 $DV repro -k --json >out.json 2>err
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["failed"] == 1, d
assert {r["name"]: r["state"] for r in d["results"]}["bad"] == "failed", d
EOF
'

test_case 'what a stage must make, and what it needs' '
	fresh c
	echo "stages: {a: {cmd: pwd, outs: [x]}}" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "did not make ${q}x${q}"
	echo "stages: {a: {cmd: touch x, deps: [no], outs: [x]}}" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "the stage ${q}a${q} needs ${q}no${q}, which is not there"
	contains err "dv.yaml:1:"
	echo "stages: {a: {cmd: touch x, params: [no], outs: [x]}}" >dv.yaml; echo "a: 1" >params.yaml
	must_fail 2 $DV repro 2>err; contains err "parameter ${q}no${q}, which is not in ${q}params.yaml${q}"
	echo "stages: {a: {cmd: ln -s y x, outs: [x]}}" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "is a symbolic link"
	echo "stages: {a: {cmd: touch x, wdir: no, outs: [x]}}" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "runs in the folder ${q}no${q}"
	mkdir -p d; echo "stages: {a: {cmd: touch o/p/x, wdir: d, outs: [o/p/x, e], deps: []}}" >dv.yaml
	sed -i "s/touch o.p.x/touch o\/p\/x \&\& mkdir e/" dv.yaml
	repro; ran a; [ -e d/o/p/x ] && [ -d d/e ]; contains d/o/p/.gitignore /x
	repro; ran
'

test_case 'what git tracks is not kept twice' '
	fresh c2
	echo 1 >made; git add made; git commit -qm one
	echo "stages: {a: {cmd: echo 2 >made, outs: [made]}}" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "git tracks ${q}made${q}"; [ "$(cat made)" = 1 ]
	echo "stages: {a: {cmd: echo 2 >made, outs: [{made: {cache: false}}]}}" >dv.yaml
	repro; ran a; repro; ran
'

test_case 'data that is tracked is brought when it is missing' '
	fresh d
	mkdir data; echo 1 >data/1; echo 2 >data/2
	$DV add -q data
	echo "stages: {sum: {cmd: cat data/* >sum, deps: [data], outs: [sum]}, one: {cmd: cat data/1 >one, deps: [data/1], outs: [one]}}" >dv.yaml
	repro; ran one sum
	rm -rf data sum
	repro; ran; [ "$(cat data/2)" = 2 ] && [ -e sum ]
	echo 3 >data/3; repro; ran sum
'

test_case 'stages that always run, and frozen ones' '
	fresh e
	echo a >in
	cat >dv.yaml <<EOF
stages:
  nothing: {cmd: "echo n >>log"}
  always: {cmd: "echo a >>log", deps: [in], always_changed: true}
  frozen: {cmd: "cp in made; echo f >>log", deps: [in], outs: [made]}
  last: {cmd: "cp made end; echo l >>log", deps: [made], outs: [end]}
EOF
	repro -j 1; ran nothing always frozen last
	repro -j 1; ran nothing always
	sed -i "s/deps: \[in\], outs/frozen: true, deps: [in], outs/" dv.yaml
	echo b >in; repro; ran nothing always
	rm made; repro --no-run-cache; [ "$(cat made)" = a ]
	sed -i "s/frozen: true, //" dv.yaml; repro; ran nothing always frozen last
'

test_case 'targets' '
	fresh f
	mkdir sub
	cat >dv.yaml <<EOF
stages:
  a: {cmd: "cat in >a", deps: [in], outs: [a]}
  b: {cmd: "cat a >b", deps: [a], outs: [b]}
  c: {cmd: "cat b >c", deps: [b], outs: [c]}
  x: {cmd: "cat in >x", deps: [in], outs: [x]}
  each: {foreach: [1, 2], do: {cmd: "echo \${item} >e\${item}", outs: ["e\${item}"], deps: [in]}}
EOF
	echo "stages: {far: {cmd: cat ../c >far, deps: [../c], outs: [far]}}" >sub/dv.yaml
	new() { date +%N >in; }
	new; repro b; ran a b
	new; repro -s b; ran
	new; repro c; ran a b c
	new; repro --downstream b; ran sub/dv.yaml:far
	rm -f dv.lock; repro --downstream -f b; ran b c sub/dv.yaml:far
	new; repro sub/dv.yaml; ran a b c sub/dv.yaml:far
	new; repro -p x; ran x
	new; repro -p a; ran a b c sub/dv.yaml:far
	new; repro -P; ran a b c sub/dv.yaml:far x each@1 each@2
	new; repro -R sub; ran a b c sub/dv.yaml:far
	new; repro each; ran each@1 each@2
	new; repro each@2; ran each@2
	new; repro --glob "e*1"; ran each@1
	new; repro c; new; repro a; ran a
	( cd sub; new() { date +%N >../in; }; new; $DV repro >../out 2>../err ); ran a b c sub/dv.yaml:far
	new; repro e1; ran each@1
	must_fail 2 $DV repro nobody 2>err
	contains err "has no stage ${q}nobody${q}"
	must_fail 129 $DV repro -s 2>err
	repro -f -s b; ran b
'

test_case 'force downstream' '
	cd f
	repro -P
	sed -i "s/cat in >a/cat  in >a/" dv.yaml; repro -P; ran a
	sed -i "s/cat  in >a/cat   in >a/" dv.yaml; repro -P --force-downstream; ran a b c sub/dv.yaml:far
'

test_case 'lines carry the name of their stage, alone they do not' '
	fresh g
	cat >dv.yaml <<EOF
stages:
  one: {cmd: "echo out1; echo err1 >&2; printf half", always_changed: true}
  two: {cmd: "for i in 1 2 3; do echo line\$i; done", always_changed: true}
EOF
	$DV repro -j 2 >out 2>err
	contains out "[one] out1"; contains err "[one] err1"; contains out "[one] half"
	contains out "[two] line3"
	$DV repro -j 1 >out 2>err
	grep -qx out1 out && grep -qx err1 err
	[ "$($DV repro one -j 1 2>/dev/null | head -c 9)" = "out1
half" ]
	echo "stages: {a: {cmd: \"if read x; then echo got; else echo none; fi; echo \$DV_STAGE \$DV_ROOT\"}}" >dv.yaml
	$DV repro >out 2>err; grep -qx none out; contains out "a $PWD"
'

test_case 'commands of several lines are several commands' '
	fresh h
	cat >dv.yaml <<EOF
stages:
  a:
    cmd: |
      X=1
      echo "x is \$X." \\
        and more

      echo second
  b:
    cmd: [ "echo first", "exit 4", "echo never" ]
EOF
	repro a; contains out "x is . and more"; contains out second
	must_fail 2 $DV repro b >out 2>err; contains out first; lacks out never
	contains err "exit status 4"
'

test_case 'persist, no cache, no commit' '
	fresh i
	cat >dv.yaml <<EOF
stages:
  p: {cmd: "echo x >>log.txt", outs: [{log.txt: {persist: true}}], deps: [in]}
  m: {cmd: "echo 1 >m.json", deps: [in], metrics: [{m.json: {cache: false}}]}
EOF
	echo 1 >in; repro; echo 2 >in; repro; [ "$(wc -l <log.txt)" = 2 ]
	lacks .gitignore m.json
	contains dv.lock "cache: false"
	rm m.json; repro; ran; [ -e m.json ]
	echo 3 >in; repro --no-commit; ran p m
	oid=$(sha256sum <log.txt | cut -d" " -f1)
	contains dv.lock "$oid"
	must_fail 2 $DV show "$oid" 2>/dev/null
	repro; ran; $DV show "$oid" >/dev/null
'

test_case 'a plan tells why' '
	fresh j
	echo 1 >in; echo "lr: 1" >params.yaml
	cat >dv.yaml <<EOF
stages:
  a: {cmd: cp in a, deps: [in], params: [lr], outs: [a]}
  b: {cmd: cp a b, deps: [a], outs: [b]}
EOF
	$DV repro --dry >out; contains out "it never ran"; [ ! -e a ] && [ ! -e dv.lock ]
	repro
	echo 2 >in; echo "lr: 2" >params.yaml
	$DV repro --dry >out
	cat >expected <<EOF
a: would run
  the dependency ${q}in${q} changed
  the parameter ${q}lr${q} of ${q}params.yaml${q} changed
b: would run
  ${q}a${q} runs before
2 would run
EOF
	same expected out
	$DV repro --dry --json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["results"][0]["reasons"][1] == {"why": "param", "kind": "modified", "path": "params.yaml", "key": "lr"}, d
EOF
	grep -q "lr: 1" dv.lock
	# Missing data is no reason when it may be missing.
	repro; cp dv.lock lock; rm -rf a b .git/dv/cache
	$DV repro --dry --allow-missing >out; contains out "Everything is up to date."
	repro --allow-missing; ran; [ ! -e b ]
'

test_case 'retry' '
	fresh k
	echo "stages: {a: {cmd: \"echo x >>n; [ \$(wc -l <n) -ge 3 ]\", retry: 2}}" >dv.yaml
	repro; contains err "is run again"; [ "$(wc -l <n)" = 3 ]
	rm n; sed -i "s/retry: 2/retry: 1/" dv.yaml
	must_fail 2 $DV repro >out 2>err
'

test_case 'a dvc.yaml is run as well' '
	fresh l
	echo "stages: {a: {cmd: echo x >x, outs: [x]}}" >dvc.yaml
	repro; ran a; [ -e dv.lock ]
'

test_case 'links to the cache are made, and never written through' '
	for mode in hardlink symlink; do
		fresh p
		$DV config cache.type $mode
		cat >dv.yaml <<EOF
stages:
  a: {cmd: "seq 1 \$((50000 + \$(cat in))) >made; mkdir d; cp made d/x", deps: [in], outs: [made, d]}
  p: {cmd: "cat in >>log.txt; cat in >>dir/x", deps: [in], outs: [{log.txt: {persist: true}}, {dir: {persist: true}}]}
EOF
		seq 1 50000 >log.txt; mkdir dir; cp log.txt dir/x
		for i in 1 2 3; do
			echo $i >in; repro; ran a p
			[ "$(wc -l <made)" = $((50000 + i)) ]
			[ "$(wc -l <log.txt)" = $((50000 + i)) ] && cmp log.txt dir/x
			if [ $mode = symlink ]; then [ -L made ] && [ -L dir/x ]; else [ "$(stat -c %h made)" -gt 1 ]; fi
			$DV fsck >/dev/null
		done
		echo 1 >in; repro a; ran; [ "$(wc -l <made)" = 50001 ]
		rm made; repro a; ran; [ "$(wc -l <d/x)" = 50001 ]
		repro a; ran; $DV fsck >/dev/null
		cd ..
	done
'

test_case 'a clone takes from the remote what others made' '
	rm -rf q q2 qr; mkdir qr; fresh q
	echo 1 >in; echo raw >raw; $DV add -q raw
	cat >dv.yaml <<EOF
stages:
  a: {cmd: "cat in raw >made; echo m >m.json", deps: [in, raw], outs: [made], metrics: [{m.json: {cache: false}}]}
  b: {cmd: "cp made end", deps: [made], outs: [end]}
EOF
	repro; ran a b
	echo 2 >in; repro; ran a b; echo 1 >in; repro; ran
	$DV remote add -d r ../qr && $DV push -q
	git add -A && git commit -qm one
	cd ..; git clone -q q q2; cd q2
	$DV remote add -fd r ../qr >/dev/null 2>&1 || true
	# Without data nothing can run; with it nothing has to.
	repro --pull; ran
	[ "$(cat end)" = "1
raw" ]
	$DV status -q
'

test_case 'a clone takes what others ran, also what no lock file names' '
	( cd q; echo 3 >in; repro; $DV push -q; echo 1 >in; repro; git checkout -q dv.lock )
	cd q2
	$DV fetch -q
	# What is not kept in the store does not travel, so the first one runs.
	echo 3 >in; repro --pull; ran a
	[ "$(cat end)" = "3
raw" ]
	$DV runs ls >runs; contains runs CACHED; contains runs COMPLETE
'

test_case 'every run is recorded' '
	fresh r
	cat >dv.yaml <<EOF
stages:
  good: {cmd: "echo said; cp in good", deps: [in], outs: [good]}
  bad: {cmd: "echo why >&2; exit 7", deps: [in], outs: [bad]}
EOF
	echo 1 >in
	must_fail 3 $DV repro -k >out 2>err
	$DV runs ls --json >runs.json
	python3 - <<EOF
import json
runs = {r["name"]: r for r in json.load(open("runs.json"))["runs"]}
assert runs["good"]["state"] == "COMPLETE" and runs["bad"]["state"] == "FAILED", runs
assert runs["bad"]["exit"] == 7
open("good.oid", "w").write(runs["good"]["oid"])
open("bad.oid", "w").write(runs["bad"]["oid"][7:])
EOF
	contains dv.lock "run: $(cat good.oid)"
	[ "$($DV runs log "$(cat bad.oid)")" = why ]
	$DV fsck >/dev/null
'

if command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null; then
test_case 'what is read and not named' '
	fresh m
	echo 1 >in; echo 2 >"hidden in"; mkdir sub; echo 3 >sub/x
	echo "stages: {a: {cmd: \"cat in hid* >out; (cd sub && cat x; ls >/dev/null) >>out; cat out >/dev/null\", deps: [in], outs: [out]}}" >dv.yaml
	repro --trace; ran a
	contains err "${q}a${q} reads ${q}hidden in${q}, which it does not name"
	contains err "${q}sub/x${q}"; lacks err "reads ${q}in${q}"; lacks err "reads ${q}out${q}"
	must_fail 2 $DV repro -f --strict >out.log 2>err; contains err "reads what it does not name"
	sed -i "s/deps: .in./deps: [in, sub, hidden in]/" dv.yaml
	repro --strict; ran a; lacks err "does not name"
'
fi

test_case 'what a user made at an output is saved before it makes room' '
	cd .. && fresh saved
	cat >dv.yaml <<-END
	stages:
	  s:
	    cmd: cp in out && mkdir -p dir && cp in dir/a && cp in kept
	    deps: [in]
	    outs: [out, dir, {kept: {cache: false}}]
	END
	echo 1 >in
	mkdir dir && echo notes >dir/notes
	"$DV" repro 2>err
	contains err "is saved as"
	same() { find .git/dv/saved -type f -exec cat {} + | sort | tr "\n" " "; }
	[ "$(same)" = "notes " ]
	echo hand >>out && echo new >dir/new && echo metric >kept
	"$DV" repro 2>err
	[ "$(same)" = "1 1 hand metric new notes " ]
	[ "$(cat out kept dir/a | tr "\n" " ")" = "1 1 1 " ]
	[ ! -e dir/new ]
	rm -rf .git/dv/saved
	# What the stage made itself, or the store has, goes without a word.
	echo 2 >in && "$DV" repro 2>err
	echo 1 >in && "$DV" repro 2>err
	echo 1 >out && "$DV" repro 2>err && "$DV" repro -f 2>err
	[ ! -e .git/dv/saved ]'
test_case 'what a failed command left is not' '
	cd ../saved
	sed -i "s/cmd: .*/cmd: cp in out \&\& mkdir dir \&\& echo part >dir\/part \&\& false/" dv.yaml
	"$DV" repro && exit 1
	"$DV" repro && exit 1
	[ ! -e .git/dv/saved ]
	echo mine >>dir/part
	"$DV" repro && exit 1
	[ "$(cat .git/dv/saved/*/part | tr "\n" " ")" = "part mine " ]'

test_case 'ignored files inside an output outlive a run' '
	fresh ignored
	printf "*.tmp\n.cache/\n" >.dvignore
	echo 1 >in
	cat >dv.yaml <<EOF
stages:
  s:
    cmd:
    - mkdir out && mkdir out/d out/.cache && cp in out/d/x && echo new >out/.cache/a
    - test -e no || { mkdir out/e; echo >out/e/f; }
    deps: [in]
    outs: [out]
EOF
	$DV repro -q
	echo mine >out/my.tmp; echo deep >out/d/my.tmp; echo old >out/.cache/a; echo b >out/.cache/b
	echo m >out/e/m.tmp; touch no
	$DV repro -q -f 2>err
	[ "$(cat out/my.tmp)" = mine ]; [ "$(cat out/d/my.tmp)" = deep ]
	[ "$(cat out/.cache/a)" = new ]; [ "$(cat out/.cache/b)" = b ]
	contains err "out/e/m.tmp"
	[ "$(cat .git/dv/saved/*)" = m ]
	$DV ls -R out >listing; lacks listing tmp; lacks listing /e
	# Also when the command fails, and when dv is killed.
	echo "stages: {s: {cmd: mkdir out && false, deps: [in], outs: [out]}}" >dv.yaml
	must_fail 2 $DV repro -q 2>err
	[ "$(cat out/my.tmp)" = mine ]; [ ! -e out/d ]
	cat >dv.yaml <<EOF
stages:
  s:
    cmd: mkdir out && touch began && while [ ! -e stop ]; do sleep 0.05; done
    deps: [in]
    outs: [out]
EOF
	$DV repro -q 2>err & p=$!
	for i in $(seq 200); do [ -e began ] && break; sleep 0.05; done
	kill -KILL $p; wait $p || true
	touch stop
	rm -r .git/dv/saved
	$DV checkout 2>err || true
	contains err "dvignore excludes"
	[ "$(cat .git/dv/saved/*/b 2>/dev/null)" = b ]
	grep -qx mine .git/dv/saved/* 2>/dev/null
'

test_case 'an output that persists is there again before the run' '
	fresh persisting
	echo 1 >in
	cat >dv.yaml <<EOF
stages:
  s:
    cmd: cat in >>log.txt
    deps: [in]
    outs:
    - log.txt: {persist: true}
EOF
	$DV repro -q
	rm log.txt; echo 2 >in
	$DV repro -q
	[ "$(cat log.txt)" = "1
2" ]
	# Nothing else is to be done: it comes back without a run.
	rm log.txt
	$DV repro >out
	lacks out running
	[ "$(cat log.txt)" = "1
2" ]
	rm -rf log.txt .git/dv/cache; echo 3 >in
	$DV repro -q 2>err
	contains err "log.txt"
	[ "$(cat log.txt)" = 3 ]
'

test_case 'status of a stage tells whether it is stale' '
	fresh asked
	echo 1 >in; echo 1 >in2; echo d >data; $DV add -q data
	cat >dv.yaml <<EOF
stages:
  a: {cmd: cp in x, deps: [in], outs: [x]}
  b: {cmd: cp in2 y, deps: [in2], outs: [y]}
  never: {cmd: cp in z, deps: [in], outs: [z]}
EOF
	$DV repro -q a b
	$DV status a >out; contains out "up to date"
	echo 2 >in
	$DV status a >out; contains out "stage a: stale"; contains out "${q}in${q} changed"; lacks out "stage b"
	$DV status b >out; lacks out stale
	must_fail 1 $DV status -q a; $DV status -q b
	$DV status never >out; contains out "stage never: stale"
	$DV status data never >out; contains out "stage never: stale"; lacks out "stage a"
	$DV status dv.yaml >out; contains out "stage a: stale"; contains out "stage never: stale"
	$DV status --json a >out
	python3 -c "import json; d = json.load(open(\"out\")); assert [s[\"name\"] for s in d[\"stale\"]] == [\"a\"] and d[\"stages\"] == 1, d"
	must_fail 2 $DV status nosuch
	$DV status data >out; lacks out stale
	# A folder of the same name is data.
	mkdir a; echo 1 >a/f; $DV add -q a/f
	$DV status a >out; contains out "stage a: stale"
'

test_case 'a link to somewhere else hides the state of its own stage alone' '
	fresh linked
	echo 1 >in
	cat >dv.yaml <<EOF
stages:
  a: {cmd: mkdir x && cp in x/f, deps: [in], outs: [x]}
  b: {cmd: cp in y, deps: [in], outs: [y]}
  c: {cmd: cat x/f >z, deps: [x], outs: [z]}
EOF
	$DV repro -q
	rm -r x; mkdir ../elsewhere; ln -s "$PWD/../elsewhere" x; echo 2 >y
	must_fail 3 $DV status >out 2>err
	contains err "outside the workspace"
	contains out "stage a: stale"; contains out "stage b: stale"; contains out "y: modified"
	must_fail 3 $DV repro --dry >out 2>err
	contains out "b: would run"
	must_fail 3 $DV status a >out 2>err; $DV status b >out
	must_fail 3 $DV repro -k >out 2>err
	contains err "outside the workspace"
	[ "$(cat y)" = 1 ]
	rm x; $DV repro -q; [ "$(cat x/f)" = 1 ]
'

test_case 'what python leaves beside its sources makes no stage stale' '
	fresh cached-code
	mkdir src
	echo "stages: {s: {cmd: mkdir -p src/__pycache__ && date +%N >src/__pycache__/m.pyc && echo x >out, deps: [src], outs: [out]}}" >dv.yaml
	echo 1 >src/m.py
	$DV repro -q
	$DV repro >out2; contains out2 "up to date"
	$DV status >out2; lacks out2 stale
'

test_case '--pull brings the runs of others, too' '
	fresh first
	$DV remote add -q -d r ../runs-store
	echo 1 >in; echo "stages: {s: {cmd: cp in out && date +%N >>ran, deps: [in], outs: [out]}}" >dv.yaml
	$DV repro -q && git add -A && git commit -qm 1 && $DV push -q
	rm -rf ../second; git clone -q . ../second
	cd ../second; $DV pull -q; rm -f ran; cd ../first
	echo 2 >in; $DV repro -q; $DV push -q; cd ../second
	echo 2 >in; $DV repro --pull >out3 2>&1
	contains out3 "ran like this before"; [ ! -e ran ]
	# What is only brought back is no run.
	rm out; $DV repro >out3 2>&1; contains out3 "checked out as they were recorded"
'

done_testing
