#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The graph of stages, drawn in every form.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

test_case 'a tree, with what is tracked below' '
	git init -q . && $DV init -q
	echo a >raw.csv && $DV add -q raw.csv
	mkdir sub
	cat >dv.yaml <<EOF
stages:
  prepare: {cmd: x, deps: [raw.csv], outs: [clean.csv]}
  train: {cmd: x, deps: [clean.csv, params.py], outs: [model]}
  report: {cmd: x, deps: [model, clean.csv], outs: [report.html]}
EOF
	echo "stages: {late: {cmd: x, deps: [../model], outs: [late.txt]}}" >sub/dv.yaml
	$DV dag >out
	cat >expected <<EOF
report
|-- train
|   \`-- prepare
|       \`-- raw.csv.dv
\`-- prepare (see above)
sub/dv.yaml:late
\`-- train (see above)
EOF
	same expected out
	$DV dag train >out
	[ "$(head -n 1 out)" = train ] && [ "$(wc -l <out)" = 3 ]
	$DV dag -o prepare >out
	contains out "prepare  -> clean.csv"
'

test_case 'for other programs' '
	$DV dag --json >out.json
	python3 - <<EOF
import json
nodes = json.load(open("out.json"))
seen = set()
for n in nodes:
    assert set(n["needs"]) <= seen, n
    seen.add(n["name"])
assert {n["name"]: n["kind"] for n in nodes}["raw.csv.dv"] == "output"
assert len(nodes) == 5, nodes
EOF
	$DV dag --dot >out && contains out "digraph {" && contains out " -> "
	if command -v dot >/dev/null; then dot -Tsvg out >/dev/null; fi
	$DV dag --mermaid -o >out && contains out "flowchart TD" && contains out "<br>model"
	must_fail 129 $DV dag --dot --mermaid 2>err
'

test_case 'what cannot be drawn' '
	echo "stages: {a: {cmd: x, deps: [y], outs: [x]}, b: {cmd: x, deps: [x], outs: [y]}}" >dv.yaml
	must_fail 2 $DV dag 2>err
	contains err "stages form a circle"
	echo "stages: {a: {cmd: x, outs: [raw.csv]}}" >dv.yaml
	must_fail 2 $DV dag 2>err
	contains err "is tracked by"
	must_fail 2 $DV dag nobody 2>err
'

done_testing
