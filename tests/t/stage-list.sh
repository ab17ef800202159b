#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stages: what pipeline files mean after templating, and what dv says when they mean nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# cmds: name and command of every stage, one a line.
cmds() {
	$DV stage list --all --json | python3 -c '
import json, sys
for s in json.load(sys.stdin):
    print(s["name"], "|", s["cmd"], "|", " ".join(s["deps"]), "|", " ".join(s["outs"]))'
}

test_case 'a plain stage, with all that it may have' '
	git init -q . && $DV init -q
	cat >dv.yaml <<EOF
stages:
  train:
    desc: fits the model
    cmd: python train.py
    wdir: src
    deps: [train.py, ../data/x.csv]
    params: [lr, other.yaml: [a.b], whole.json: ]
    outs:
    - model.pkl: {cache: false, persist: true}
    metrics: [metrics.json]
    plots: [roc.csv: {x: fpr, y: tpr}]
EOF
	$DV stage list --json >out.json
	python3 - <<EOF
import json
s, = json.load(open("out.json"))
assert s["file"] == "dv.yaml" and s["name"] == "train" and s["cmd"] == "python train.py", s
assert s["wdir"] == "src" and s["deps"] == ["train.py", "../data/x.csv"], s
assert s["outs"] == ["model.pkl", "metrics.json", "roc.csv"], s
assert s["params"] == {"params.yaml": ["lr"], "other.yaml": ["a.b"], "whole.json": None}, s
EOF
	$DV stage list >out
	contains out "train	fits the model"
'

test_case 'variables, types, flags' '
	cat >params.yaml <<EOF
lr: 0.001
model: {name: big, layers: [1, 2], bias: true, drop: false}
EOF
	cat >dv.yaml <<EOF
vars:
- opts: {deep: 3}
- more.yaml:size
stages:
  one:
    cmd: run \${lr} \${opts.deep} \${size} \${model}
    outs:
    - out-\${model.name}
  own:
    vars: [{extra: 9}]
    cmd: run \${extra} \\\${HOME}
EOF
	echo "size: 7" >more.yaml
	cmds >out
	contains out "one | run 0.001 3 7 --name big --layers 1 2 --bias |  | out-big"
	contains out "own | run 9 \${HOME} |"
	$DV config parsing.bool boolean_optional
	$DV config parsing.list append
	cmds >out
	contains out "--layers 1 --layers 2 --bias --no-drop"
'

test_case 'foreach and matrix' '
	cat >dv.yaml <<EOF
vars:
- sets: {us: {n: 1}, de: {n: 2}}
stages:
  each:
    foreach: [a, b, 1.5]
    do:
      cmd: echo \${item}
      outs:
      - \${item}.txt
  dict:
    foreach: \${sets}
    do: {cmd: "echo \${key} \${item.n}"}
  mixed:
    foreach: [{n: x}, y]
    do: {cmd: echo hi}
  grid:
    matrix:
      m: [cnn, {name: big}]
      d: [1, 2]
    cmd: echo \${item.d} \${key}
EOF
	cmds >out
	cut -d"|" -f1,2 out >got
	cat >expected <<EOF
each@a | echo a 
each@b | echo b 
each@1.5 | echo 1.5 
dict@us | echo us 1 
dict@de | echo de 2 
mixed@0 | echo hi 
mixed@1 | echo hi 
grid@cnn-1 | echo 1 cnn-1 
grid@cnn-2 | echo 2 cnn-2 
grid@m1-1 | echo 1 m1-1 
grid@m1-2 | echo 2 m1-2 
EOF
	same expected got
	$DV stage list --name-only each >out
	[ "$(wc -l <out)" = 3 ]
	$DV stage list --name-only grid@m1-2 dv.yaml:dict@us >out
	[ "$(wc -l <out)" = 2 ]
	must_fail 2 $DV stage list nobody 2>err
	contains err "has no stage '"'nobody'"'"
'

# says LINE TEXT: the file in dv.yaml is refused at that line, with these words.
says() {
	must_fail 2 "$DV" stage list 2>err || return 1
	contains err "dv.yaml:$1:" && contains err "$2"
}

test_case 'what is wrong is told with its place' '
	printf "stages:\n  a:\n    cmd: x\n    dep: [y]\n" >dv.yaml
	says 4 "'"'dep' is no key of a stage"'"
	contains err "did you mean '"'deps'"'"
	printf "stages:\n  a:\n    cmd: x\n    deps: y\n" >dv.yaml
	says 4 "'"'deps' is text, and a list is expected"'"
	printf "stages:\n  a:\n    deps: [y]\n" >dv.yaml
	says 2 "has no '"'cmd'"'"
	printf "stages:\n  a:\n    cmd: echo \${lrr}\n" >dv.yaml
	says 3 "is not defined"
	printf "stages:\n  a.b:\n    cmd: x\n" >dv.yaml
	says 2 "is no name of a stage"
	printf "stages:\n  a:\n    cmd: x\n    outs: [../../x]\n" >dv.yaml
	says 4 "is outside the workspace"
	printf "stages:\n  a:\n    cmd: x\n    outs: [.git/hooks/pre-commit]\n" >dv.yaml
	says 4 "lies in a folder of git or dv"
	printf "stages:\n  a:\n    cmd: x\n    outs: [o]\n    deps: [o]\n" >dv.yaml
	says 4 "both an output and a dependency"
	for name in dv.yaml dv.lock a.dv sub/.gitignore; do
		printf "stages:\n  a:\n    cmd: x\n    outs: [$name]\n" >dv.yaml
		says 4 "gives a meaning"
	done
	printf "stages:\n  a:\n    cmd: [x\n" >dv.yaml
	says 4 "this is no YAML"
	printf "stages:\n  a:\n    cmd: x\n    outs: [m-\${i}]\n" >dv.yaml
	says 4 "between quotes"
	printf "vars: [{lr: 1}]\nstages: {}\n" >dv.yaml
	says 1 "'"'lr' is defined already"'"
	printf "vars: [nofile.yaml]\n" >dv.yaml
	says 1 "is not there"
'

test_case 'a dvc.yaml is read where there is no dv.yaml' '
	mkdir -p sub && rm dv.yaml
	printf "stages:\n  old:\n    cmd: x\n" >sub/dvc.yaml
	$DV stage list --all >out 2>err
	contains err "reading '"'sub/dvc.yaml'"'"
	contains out "sub/dvc.yaml:old"
	printf "stages:\n  new:\n    cmd: x\n" >sub/dv.yaml
	$DV stage list --all --name-only >out 2>err
	contains out "sub/dv.yaml:new"
	lacks out "old"
	[ ! -s err ]
'

projects=$TEST_SOURCE/../../shared/data/dvc-projects.tar.zst
if [ -f "$projects" ] && command -v zstd >/dev/null; then
	test_case 'public projects expand to what their authors ran' '
		mkdir "$TEST_DIR/projects" && cd "$TEST_DIR"
		zstd -dcq "$projects" | tar -x -C projects
		python3 - <<EOF
import glob, json, os, subprocess, sys
total = good = expanded = 0
for path in sorted(glob.glob("projects/*/*/expected.json")):
    tree = os.path.join(os.path.dirname(path), "tree")
    subprocess.run(["git", "init", "-q", tree], check=True)
    subprocess.run([os.environ["DV"], "init", "-q"], cwd=tree, check=True)
    out = subprocess.run([os.environ["DV"], "stage", "list", "--all", "--json", "-q"], cwd=tree,
                         check=True, stdout=subprocess.PIPE).stdout
    got = {(s["file"], s["name"]): s for s in json.loads(out)}
    for file, stages in json.load(open(path))["stages"].items():
        for name, want in stages.items():
            expanded += 1
            if not want.get("cmd_matches_lock"):
                continue
            total += 1
            s = got.get((file, name))
            if s and s["cmd"] == want["cmd"] and sorted(s["deps"]) == sorted(want["deps"]) \
                    and sorted(s["outs"]) == sorted(want["outs"]):
                good += 1
            else:
                print("differs:", tree, file, name, s, want)
print(f"conformance: {expanded} stages expanded, {good} of {total} confirmed by their lock files")
open("conformance", "w").write(f"{expanded} stages expanded, {good} of {total} confirmed\n")
sys.exit(good != total or total < 1000)
EOF
	'
	[ ! -f "$TEST_DIR/conformance" ] || echo "# conformance: $(cat "$TEST_DIR/conformance")"
else
	echo "# SKIPPED: the public DVC projects are not here"
fi

done_testing
