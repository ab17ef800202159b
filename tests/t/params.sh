#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Parameters: what differs between two revisions, in YAML, JSON and TOML.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

test_case 'files that pipelines name, in three languages' '
	git init -q . && $DV init -q
	mkdir sub
	cat >params.yaml <<EOF
lr: 0.1
train: {epochs: 3, layers: [1, 2]}
gone: yes it is
EOF
	printf "seed = 42\n[opt]\nname = \"adam\"\nbetas = [0.9, 0.99]\n" >opt.toml
	echo "{\"a\": {\"b\": 1}, \"c\": null}" >more.json
	echo "x: 1" >sub/params.yaml
	cat >dv.yaml <<EOF
params: [more.json]
stages:
  train:
    cmd: x
    params: [lr, opt.toml: [opt.name, seed]]
EOF
	echo "stages: {s: {cmd: x, params: [x]}}" >sub/dv.yaml
	git add -A && git commit -qm one
	$DV params diff >out
	[ ! -s out ]
	cat >params.yaml <<EOF
lr: 0.2
train: {epochs: 3, layers: [1, 2, 3]}
new: true
EOF
	printf "seed = 43\n[opt]\nname = \"sgd\"\nbetas = [0.5]\n" >opt.toml
	echo "{\"a\": {\"b\": 1.0}, \"c\": 5}" >more.json
	echo "x: 2" >sub/params.yaml
	$DV params diff >out
	cat >expected <<EOF
Path             Param         HEAD       workspace
more.json        c             None       5
opt.toml         opt.name      adam       sgd
opt.toml         seed          42         43
params.yaml      gone          yes it is  -
params.yaml      lr            0.1        0.2
params.yaml      new           -          true
params.yaml      train.layers  [1, 2]     [1, 2, 3]
sub/params.yaml  x             1          2
EOF
	same expected out
'

test_case 'only what stages take, all, other forms' '
	$DV params diff --deps --no-path --md >out
	cat >expected <<EOF
| Param    | HEAD | workspace |
|----------|------|-----------|
| opt.name | adam | sgd       |
| seed     | 42   | 43        |
| lr       | 0.1  | 0.2       |
| x        | 1    | 2         |
EOF
	same expected out
	$DV params diff --all >out
	contains out "train.epochs"
	contains out "more.json        a.b"
	$DV params diff --json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["params.yaml"]["lr"] == {"old": 0.1, "new": 0.2}, d
assert d["params.yaml"]["gone"] == {"old": "yes it is"}, d
assert d["params.yaml"]["new"] == {"new": True}, d
assert d["params.yaml"]["train.layers"] == {"old": [1, 2], "new": [1, 2, 3]}, d
assert d["more.json"] == {"c": {"old": None, "new": 5}}, d
EOF
	$DV params diff --targets opt.toml >out
	contains out "opt.betas"
	lacks out "params.yaml"
	$DV params diff -- opt.toml >out2
	same out out2
	must_fail 2 $DV params diff -- nothing.yaml 2>err
	contains err "nothing to compare in '"'nothing.yaml'"'"
'

test_case 'two revisions, and a file that was no YAML' '
	git add -A && git commit -qm two
	$DV params diff HEAD~1 HEAD >out
	contains out "HEAD~1"
	contains out "lr"
	$DV params diff HEAD~1 HEAD --json >a
	$DV params diff HEAD HEAD~1 --json >b
	python3 - <<EOF
import json
a, b = json.load(open("a")), json.load(open("b"))
assert a["params.yaml"]["lr"] == {"old": 0.1, "new": 0.2} and b["params.yaml"]["lr"] == {"old": 0.2, "new": 0.1}
EOF
	printf "lr: [1\n" >opt.toml
	must_fail 3 $DV params diff 2>err >out
	contains err "opt.toml:1:"
	contains err "this is no TOML"
	git checkout -q opt.toml
	must_fail 2 $DV params diff nosuch -- 2>err
	contains err "unknown revision '"'nosuch'"'"
	must_fail 129 $DV params diff a b c -- 2>err
'

test_case 'an older shape of the pipeline counts in its revision' '
	cat >dv.yaml <<EOF
stages:
  train: {cmd: x, params: [other.yaml: [k]]}
EOF
	echo "k: 1" >other.yaml
	$DV params diff --deps >out
	grep -qE "^other.yaml +k +- +1$" out
	contains out "opt.toml"
	contains out "-"
'

test_case 'what templates are filled with counts' '
	cat >dv.yaml <<EOF
vars: [more.json, "opt.toml:seed,opt", {own: 1}]
EOF
	git add -A && git commit -qm vars
	echo "{\"a\": 2}" >more.json
	sed -i "s/^seed.*/seed = 7/; s/sgd/rms/" opt.toml
	$DV params diff >out
	grep -qE "^more.json +a.b +1.0 +-$" out
	grep -qE "^more.json +a +- +2$" out
	grep -qE "^opt.toml +seed +43 +7$" out
	grep -qE "^opt.toml +opt.name +sgd +rms$" out
	$DV params diff --deps >out
	lacks out "seed"
'

test_case 'before the first commit, without git, from a folder below' '
	mkdir "$TEST_DIR/new" && cd "$TEST_DIR/new"
	git init -q . && $DV init -q
	echo "lr: 1" >params.yaml
	echo "stages: {s: {cmd: x, params: [lr]}}" >dv.yaml
	$DV params diff >out
	contains out "params.yaml  lr     -     1"
	mkdir deep && cd deep
	$DV params diff --targets ../params.yaml >out
	contains out "params.yaml  lr"
	mkdir "$TEST_DIR/nogit" && cd "$TEST_DIR/nogit"
	$DV init -q --no-scm
	must_fail 2 $DV params diff 2>err
	contains err "git"
'

test_case 'a python file of parameters is refused with a hint' '
	cd "$TEST_DIR/new"
	echo "lr = 1" >p.py
	must_fail 3 $DV params diff --targets p.py 2>err
	contains err "runs none"
'

done_testing
