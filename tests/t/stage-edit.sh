#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Editing pipeline files: stages are added, removed and frozen, and what the user wrote stays.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# only_added OLD NEW: NEW is OLD with lines added, and no line of OLD changed.
only_added() {
	diff "$1" "$2" | grep '^<' && { echo "lines are gone" >&2; return 1; }
	return 0
}

test_case 'the first stage makes the file' '
	git init -q . && $DV init -q
	$DV stage add -n train --desc "fits it" -d train.py -d data -p lr,depth -p other.yaml:a.b \
		-p whole.json: -o model.pkl --outs-persist state -M metrics.json --plots roc.csv \
		-w . --always-changed python train.py --lr 0.1 "a b" >out 2>err
	contains out "train: added to dv.yaml"
	cat >expected <<EOF
stages:
  train:
    desc: fits it
    cmd: python train.py --lr 0.1 '"'a b'"'
    deps:
    - data
    - train.py
    params:
    - depth
    - lr
    - other.yaml:
      - a.b
    - whole.json:
    outs:
    - model.pkl
    - state:
        persist: true
    metrics:
    - metrics.json:
        cache: false
    plots:
    - roc.csv
    always_changed: true
EOF
	same expected dv.yaml
	printf "/model.pkl\n/state\n/roc.csv\n" >lines
	same lines .gitignore
	git diff --cached --name-only >staged
	contains staged dv.yaml
	contains staged .gitignore
	$DV stage list --json >list
	contains list "always_changed\": true"
	must_fail 2 $DV stage add -n train x 2>err
	contains err "the stage '"'train'"' is there already"
	same expected dv.yaml
'

test_case 'one word is the command as it is, with templates' '
	$DV stage add -q -n shell "cat in | sort >\"my out\" && echo it'"'"'s done"
	$DV stage list --json shell >list
	python3 - <<EOF
import json
s, = json.load(open("list"))
assert s["cmd"] == "cat in | sort >\"my out\" && echo it'"'"'s done", s
EOF
	$DV stage add -q -n sub -w src -d ../x -o y -- make -j 2
	contains .gitignore "/src/y"
	mkdir src && $DV stage add -f -q -n sub -w src -d ../x -o z -- make -j 2
	contains src/.gitignore "/z"
'

cat >commented <<'EOF'
# The pipeline of the paper.

vars:
- sets: [us, "de"]   # two of them

stages:
    # --- input ---
    download:    # from far away
        cmd: "curl -s 'https://example.org/x.csv' > raw.csv"
        outs: [raw.csv]      # kept

    each:
        foreach: ${sets}
        do:
            # per set
            cmd: split ${item}
            deps:
              - raw.csv
            outs:
              - ${item}.csv:
                    persist: true   # on purpose
    grid:
        matrix: {m: [a, b]}
        cmd: >-
            run
            ${item.m}
        outs: [ "${item.m}.bin" ]
    # --- end of stages

metrics:
- 'm.json'
EOF

test_case 'comments and layout stay when a stage is added' '
	rm -rf .git .dv .dvignore .gitignore dv.yaml src
	git init -q . && $DV init -q
	cp commented dv.yaml
	$DV stage add -q -n last -d us.csv -o "odd name: x.bin" -o "#c" python last.py
	only_added commented dv.yaml
	diff commented dv.yaml | sed -n "s/^> //p" >new
	cat >expected <<EOF

    last:
        cmd: python last.py
        deps:
          - us.csv
        outs:
          - '"'#c'"'
          - '"'odd name: x.bin'"'
EOF
	grep -v "^$" new >new1; grep -v "^$" expected >expected1
	same expected1 new1
	$DV stage list --name-only last >out
	contains out last
	$DV dag last >out
	contains out each@us
'

test_case 'a stage and a group are removed, with what belongs to them' '
	cp dv.yaml before
	$DV stage remove last
	lacks dv.yaml "last"
	[ ! -e .gitignore ]
	grep -v "^$" dv.yaml >x; grep -v "^$" commented >y; same y x
	must_fail 2 $DV stage remove each@us 2>err
	contains err "name the group: '"'each'"'"
	must_fail 2 $DV stage remove nobody 2>err
	contains err "has no stage '"'nobody'"'"
	cp commented dv.yaml
	$DV stage remove -q each dv.yaml:grid
	cat >expected <<EOF
# The pipeline of the paper.

vars:
- sets: [us, "de"]   # two of them

stages:
    # --- input ---
    download:    # from far away
        cmd: "curl -s '"'https://example.org/x.csv'"' > raw.csv"
        outs: [raw.csv]      # kept

    # --- end of stages

metrics:
- '"'m.json'"'
EOF
	same expected dv.yaml
	$DV stage remove -q download
	lacks dv.yaml stages:; contains dv.yaml "m.json"
	$DV stage add -q -n again true
	contains dv.yaml "  again:"
	lacks dv.yaml "{}"
'

test_case 'dv.lock forgets a removed stage' '
	printf "stages:\n  a: {cmd: x}\n  g:\n    foreach: [1, 2]\n    do: {cmd: y}\n" >dv.yaml
	printf "schema: dv 1\nstages:\n  a:\n    cmd: x\n  g@1:\n    cmd: y\n  g@2:\n    cmd: y\n" >dv.lock
	$DV stage remove -q g
	lacks dv.lock "g@"
	contains dv.lock "a:"
	$DV stage remove -q a
	[ ! -e dv.lock ]
'

test_case 'stages and groups are frozen and thawed in place' '
	cp commented dv.yaml
	$DV freeze download each grid >out
	contains out "each: frozen in dv.yaml"
	only_added commented dv.yaml
	[ "$(diff commented dv.yaml | grep -c "^>")" = 3 ]
	$DV stage list --json >list
	[ "$(grep -c "\"frozen\": true" list)" = 5 ]
	$DV freeze each >out
	contains out "each: was frozen in dv.yaml"
	$DV unfreeze download each grid
	same commented dv.yaml
	$DV unfreeze --json each >out
	contains out "\"changed\": false"
	must_fail 2 $DV freeze each@us 2>err
'

test_case 'replaced key by key: what is the same stays as it is' '
	cat >dv.yaml <<EOF
stages:
  train: # the model
    meta: {owner: me}
    # how
    cmd: python  "train.py"
    deps:   # all that it reads
      - b.csv   # the big one
      - a.csv
      # code
      - train.py
    outs:
      - model.pkl: {cache: false}
      - log.txt # text
    frozen: true
EOF
	$DV stage add -q -f -n train -d a.csv -d train.py -d c.csv -O model.pkl -o new.bin \
		-p lr python train.py
	cat >expected <<EOF
stages:
  train: # the model
    meta: {owner: me}
    # how
    cmd: python train.py
    deps:   # all that it reads
      - a.csv
      # code
      - train.py
      - c.csv
    params:
      - lr
    outs:
      - model.pkl: {cache: false}
      - new.bin
EOF
	same expected dv.yaml
	$DV stage add -f -n train -d a.csv -d train.py -d c.csv -O model.pkl -o new.bin \
		-p lr python train.py >out
	contains out "train: is so already in dv.yaml"
	same expected dv.yaml
'

test_case 'line ends, ends of files and byte order marks' '
	printf "stages:\r\n  a:\r\n    cmd: x # c\r\nvars: []\r\n" >dv.yaml
	$DV stage add -q -n b -d i true
	printf "stages:\r\n  a:\r\n    cmd: x # c\r\n  b:\r\n    cmd: '"'true'"'\r\n    deps:\r\n    - i\r\nvars: []\r\n" >expected
	same expected dv.yaml
	printf "stages:\n  a: {cmd: x}" >dv.yaml
	$DV stage add -q -n b y
	printf "stages:\n  a: {cmd: x}\n  b:\n    cmd: '"y"'" >expected
	same expected dv.yaml
	printf "\357\273\277stages:\n  a: {cmd: x}\n" >dv.yaml
	$DV freeze -q a
	printf "\357\273\277stages:\n  a: {cmd: x, frozen: true}\n" >expected
	same expected dv.yaml
	printf "{\"stages\": {\"a\": {\"cmd\": \"x\"}}}" >dv.yaml
	$DV stage add -q -n b -o z y
	printf "{\"stages\": {\"a\": {\"cmd\": \"x\"}, b: {cmd: '"'y'"', outs: [z]}}}" >expected
	sed "s/cmd: .y./cmd: y/" expected >e2; sed "s/cmd: .y./cmd: y/" dv.yaml >d2; same e2 d2
'

# stays ARGS…: dv refuses, and dv.yaml, the ignore lines and git's index are as before.
stays() {
	cp dv.yaml kept && cp .gitignore kept.ignore && git ls-files -s >kept.index
	refused "$DV" "$@" 2>err && same kept dv.yaml && same kept.ignore .gitignore &&
		git ls-files -s >now.index && same kept.index now.index && contains err "error:"
}

test_case 'what does not fit is refused before anything is written' '
	rm -f .gitignore
	printf "stages:\n  a:\n    cmd: x\n    deps: [i]\n    outs: [o, dir]\n" >dv.yaml
	mkdir -p other tracked && echo 1 >tracked/f && echo 2 >data.bin
	printf "stages:\n  far:\n    cmd: y\n    deps: [../o]\n    outs: [../far.out]\n" >other/dv.yaml
	$DV add -q data.bin && git add tracked && git commit -q -m x
	stays stage add -n b -o o cmd
	contains err "o"
	stays stage add -n b -o dir/inner cmd
	stays stage add -n b -o data.bin cmd
	stays stage add -n b -d far.out -o i cmd
	contains err "not added"
	stays stage add -n b -o x -d x cmd
	stays stage add -n b -o x -m x cmd
	stays stage add -n b -o ../x cmd
	stays stage add -n b -o .git/x cmd
	stays stage add -n b -o tracked cmd
	contains err "git tracks"
	stays stage add -n b@c cmd
	stays stage add -n b.c cmd
	stays stage add -n b
	stays stage add cmd
	stays stage add -n b "echo \${nothing}"
	contains err "is not defined"
	stays stage add -n b -p , cmd
	stays freeze nobody
	stays freeze a nobody
	stays stage remove a nobody
	printf "stages:\n  a: &a\n    cmd: x\n  b: *a\n" >dv.yaml
	stays freeze b
	contains err "dv cannot edit"
	stays stage remove a
	ln -s dv.yaml link && mv dv.yaml real && ln -s real dv.yaml
	refused $DV freeze a 2>err
	contains err "symbolic link"
'

test_case 'a dvc.yaml is edited where there is no dv.yaml, and other folders by name' '
	rm -rf * .gitignore && mkdir sub
	printf "stages:\n  old: # c\n    cmd: x\n" >sub/dvc.yaml
	$DV -C sub stage add -q -n new -o n y 2>err
	contains sub/dvc.yaml "  new:"
	contains sub/dvc.yaml "old: # c"
	[ ! -e sub/dv.yaml ]
	$DV freeze -q sub/dvc.yaml:old
	contains sub/dvc.yaml "frozen: true"
	must_fail 2 $DV freeze old 2>err
	contains err "DIR/dv.yaml:NAME"
	printf "ignored\n" >.dvignore && mkdir ignored
	must_fail 129 $DV -C ignored stage add -n x y 2>err
	contains err "excluded by .dvignore"
	[ ! -e ignored/dv.yaml ]
'

test_case 'dv run keeps a command as a stage, and runs it' '
	rm -rf * .gitignore .dvignore
	seq 5 >in
	$DV run -n count -d in -o lines "wc -l <in >lines" >out 2>&1
	contains out "running '"'count'"'"
	[ "$(tr -d " " <lines)" = 5 ]
	contains dv.lock "count:"
	contains dv.yaml "cmd: wc -l <in >lines"
	$DV repro >out
	contains out "up to date"
	$DV stage add --run -n again -d lines -O copy cp lines copy >out 2>&1
	same lines copy
	$DV run --json -f -n again -d lines -O copy cp lines copy >out
	python3 -c "import json; assert json.load(open(\"out\"))[\"failed\"] == 0"
	refused $DV run -n bad -o nothing false >out 2>&1
	contains dv.yaml "bad:"
	lacks dv.lock "bad:"
	refused $DV run -n twice -o lines true 2>err
	contains err "not added"
	$DV stage remove -q bad again count
	[ ! -e dv.lock ] && [ -e lines ]
'

projects=$TEST_SOURCE/../../shared/data/dvc-projects.tar.zst
if [ -f "$projects" ] && command -v zstd >/dev/null; then
	test_case 'public projects: frozen and thawed they are the same to the byte' '
		mkdir "$TEST_DIR/projects" && cd "$TEST_DIR"
		zstd -dcq "$projects" | tar -x -C projects
		find projects -name dvc.yaml >files
		for tree in projects/*/*/tree; do
			git init -q "$tree" && $DV -C "$tree" init -q
		done
		n=0
		while read -r file; do
			dir=$(dirname "$file") && cp "$file" before
			sed -n "/^stages:/,/^[a-z]/s/^  \([a-zA-Z0-9_-]*\):.*/\1/p" "$file" >names
			grep -q "frozen" "$file" && continue
			while read -r name; do
				$DV -C "$dir" freeze -q --no-stage "dvc.yaml:$name"
				only_added before "$file" || echo "no line break at the end"
				contains "$file" "frozen: true"
				$DV -C "$dir" unfreeze -q --no-stage "dvc.yaml:$name"
				same before "$file"
				n=$((n + 1))
			done <names
		done <files
		[ "$n" -ge 50 ]
	'
else
	echo "# SKIPPED: the public DVC projects are not here"
fi

test_case 'the last stage takes its file with it, and nothing else is said to have changed' '
	rm -rf ../last && mkdir ../last && cd ../last && git init -q . && $DV init -q
	$DV stage add -q -n one -o x true && git add -A && git commit -qm 1
	$DV freeze one 2>err; contains err commit
	$DV freeze one 2>err; lacks err commit
	$DV stage remove one
	[ ! -e dv.yaml ]
	git status --porcelain >out; contains out "D  dv.yaml"; contains out "D  .gitignore"
	for name in " a" "a " "a	b" "a/b" "a:b" "a@b" ""; do must_fail 2 $DV stage add -q -n "$name" true 2>err; done
	[ ! -e dv.yaml ]
	printf "stages: {\"a\\tb\": {cmd: \"true\"}}\n" >dv.yaml
	must_fail 2 $DV repro 2>err; contains err "no name of a stage"
'

done_testing
