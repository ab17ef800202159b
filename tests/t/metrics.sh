#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Metrics: shown and compared, of the workspace and of revisions, from git and from the store.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

test_case 'of stages and of the top, in every language' '
	git init -q . && $DV init -q
	mkdir -p eval sub
	cat >dv.yaml <<EOF
vars: [{dir: eval}]
metrics: ["\${dir}/top.yaml"]
stages:
  train:
    cmd: x
    metrics:
    - metrics.json: {cache: false}
EOF
	echo "{\"auc\": 0.91234567, \"n\": 1000, \"deep\": {\"loss\": 0.000123456}, \"list\": [1], \"none\": null}" >metrics.json
	printf "acc: 12.3456789\nname: big\n" >eval/top.yaml
	echo "metrics: [m.toml]" >sub/dv.yaml
	echo "f1 = 0.5" >sub/m.toml
	git add -A && git commit -qm one
	$DV metrics show >out
	cat >expected <<EOF
Path           acc       auc      deep.loss   f1   n     name
eval/top.yaml  12.34568  -        -           -    -     big
metrics.json   -         0.91235  0.00012346  -    1000  -
sub/m.toml     -         -        -           0.5  -     -
EOF
	same expected out
	$DV metrics show --precision 2 metrics.json >out
	contains out "metrics.json  0.91  0.00012    1000"
	$DV metrics show --md sub/m.toml >out
	contains out "| sub/m.toml | 0.5 |"
	$DV metrics show --json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d == {"workspace": {"eval/top.yaml": {"acc": 12.3456789, "name": "big"},
    "metrics.json": {"auc": 0.91234567, "deep.loss": 0.000123456, "n": 1000},
    "sub/m.toml": {"f1": 0.5}}}, d
EOF
'

test_case 'what differs' '
	$DV metrics diff >out
	[ ! -s out ]
	echo "{\"auc\": 0.95, \"n\": 1001, \"deep\": {\"loss\": 0.0001}}" >metrics.json
	echo "acc: 12.3456789" >eval/top.yaml
	$DV metrics diff >out
	cat >expected <<EOF
Path           Metric     HEAD        workspace  Change
eval/top.yaml  name       big         -          -
metrics.json   auc        0.91235     0.95       0.037654
metrics.json   deep.loss  0.00012346  0.0001     -2.3456e-05
metrics.json   n          1000        1001       1
EOF
	same expected out
	$DV metrics diff --all --no-path >out
	contains out "f1         0.5         0.5        0"
	$DV metrics diff --json -- metrics.json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))["metrics.json"]
assert d["n"] == {"old": 1000, "new": 1001, "diff": 1}, d
assert abs(d["auc"]["diff"] - 0.03765433) < 1e-9, d
EOF
'

test_case 'of branches, tags, commits and chosen revisions' '
	git tag v1
	git checkout -qb better
	git add -A && git commit -qm two
	$DV metrics show -a metrics.json >out
	[ "$(wc -l <out)" = 4 ]
	contains out "workspace"
	contains out "main"
	contains out "better"
	$DV metrics show -T metrics.json >out
	contains out "v1"
	$DV metrics show -A metrics.json >out
	contains out "$(git rev-parse HEAD~1 | cut -c1-10)"
	$DV metrics show --rev v1 --json metrics.json >out.json
	python3 -c "
import json
d = json.load(open(\"out.json\"))
assert list(d) == [\"v1\"] and d[\"v1\"][\"metrics.json\"][\"auc\"] == 0.91234567, d"
	$DV metrics diff v1 better >out
	contains out "metrics.json   auc        0.91235"
	must_fail 2 $DV metrics show --rev nosuch 2>err
'

test_case 'what is tracked by dv comes out of the store' '
	mkdir scores && echo "{\"p\": 1}" >scores/a.json && echo "{\"p\": 2}" >scores/b.json
	$DV add -q scores
	printf "metrics: [../scores]\n" >sub/dv.yaml
	git add -A && git commit -qm scores
	echo "{\"p\": 5}" >scores/b.json
	$DV metrics diff >out
	contains out "scores/b.json  p       2     5          3"
	$DV add -q scores && git add -A && git commit -qm more
	$DV metrics diff HEAD~1 HEAD >out
	contains out "scores/b.json  p       2"
	rm -r scores
	$DV metrics show scores/b.json >out
	contains out "scores/b.json  5"
'

test_case 'what a stage made comes out of the store by its lock file' '
	mkdir "$TEST_DIR/locked" && cd "$TEST_DIR/locked"
	git init -q . && $DV init -q
	echo "{\"s\": 1}" >m.json
	oid=$(sha256sum m.json | cut -d" " -f1)
	$DV add -q m.json && git rm -q --cached m.json.dv && rm m.json.dv
	echo "stages: {one: {cmd: x, metrics: [m.json]}}" >dv.yaml
	cat >dv.lock <<EOF
schema: dv 1
stages:
  one:
    cmd: x
    outs:
    - path: m.json
      oid: sha256:$oid
      size: 9
EOF
	git add -A && git commit -qm one
	[ -z "$(git ls-files m.json)" ]
	echo "{\"s\": 3}" >m.json
	$DV metrics diff >out
	contains out "m.json  s       1     3          2"
	rm m.json
	$DV metrics show >out
	contains out "m.json  1"
'

test_case 'what stages made, from run to run' '
	mkdir "$TEST_DIR/ran" && cd "$TEST_DIR/ran"
	git init -q . && $DV init -q
	echo "lr: 0.1" >params.yaml
	cat >dv.yaml <<EOF
stages:
  train:
    cmd: sed "s/lr/loss/" params.yaml >m.yaml && printf "x,y\\n1,2\\n" >curve.csv
    params: [lr]
    metrics: [m.yaml]
    plots: [curve.csv: {x: x, y: y}]
EOF
	$DV repro >log 2>&1
	git add -A && git commit -qm one
	[ -z "$(git ls-files m.yaml curve.csv)" ]
	echo "lr: 0.3" >params.yaml
	$DV repro >log 2>&1
	$DV params diff >out
	contains out "params.yaml  lr     0.1   0.3"
	$DV metrics diff >out
	contains out "m.yaml  loss    0.1   0.3        0.2"
	git add -A && git commit -qm two
	rm m.yaml curve.csv
	$DV metrics show --rev HEAD~1 --rev HEAD >out
	grep -qE "^HEAD~1 +m.yaml +0.1$" out
	grep -qE "^HEAD +m.yaml +0.3$" out
	$DV plots diff HEAD~1 HEAD --json >out.json
	python3 -c "
import json
p, = json.load(open(\"out.json\"))[\"plots\"]
assert p[\"revisions\"] == [\"HEAD~1\", \"HEAD\"], p"
'

test_case 'what is wrong is told and the rest is shown' '
	echo "{\"auc\": " >metrics.json
	must_fail 3 $DV metrics show >out 2>err
	contains err "metrics.json"
	contains out "eval/top.yaml"
	echo "{\"auc\": NaN, \"big\": Infinity, \"t\": \"NaN\"}" >metrics.json
	$DV metrics show metrics.json >out
	contains out "metrics.json  nan  inf  NaN"
	rm metrics.json
	$DV metrics show >out 2>err
	contains err "there is no file '"'metrics.json'"'"
	must_fail 2 $DV metrics show nothing.json 2>err
	printf "metrics: [../../etc/x.json]\n" >sub/dv.yaml
	must_fail 2 $DV metrics show 2>err
	contains err "sub/dv.yaml:1:"
	contains err "is outside the workspace"
	printf "metrics: {a: b}\n" >sub/dv.yaml
	must_fail 2 $DV metrics show 2>err
	contains err "a list is expected"
	rm sub/dv.yaml dv.yaml
	$DV metrics show >out 2>err
	contains err "there are no metrics"
'

done_testing
