#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The lineage of what stages made: every state of a run, questions over branches, and events as they
# happen.
. "$(dirname "$0")/lib.sh"

json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

git init -q repo
cd repo || exit 2
dv init -q
cat >dv.yaml <<'EOF2'
stages:
  split:
    cmd: mkdir -p parts && head -n 2 data/raw.csv >parts/a.csv && tail -n 1 data/raw.csv >parts/b.csv
    deps: [data/raw.csv]
    outs: [parts]
  train:
    cmd: echo trained with $DV_TEST_COLOUR && cat parts/a.csv params.yaml >model
    deps: [parts/a.csv]
    params: [rate]
    env: [DV_TEST_COLOUR, DV_TEST_TOKEN]
    outs: [model]
EOF2
echo "rate: 0.1" >params.yaml
mkdir data
printf '1\n2\n3\n' >data/raw.csv
dv add -q data
git add -A
git commit -qm begin
export DV_TEST_COLOUR=red DV_TEST_TOKEN=hunter2

test_case "a run is recorded, and its lock entry names the record" '
	dv repro >../out 2>&1 || { cat ../out; false; }
	git add -A && git commit -qm one
	dv runs ls -f type=stage --json >../runs
	test "$(json "sorted(r[\"name\"] for r in d[\"runs\"])" <../runs)" = "['"'split', 'train'"']"
	oid=$(dv runs ls -f name=train --json | json "d[\"runs\"][0][\"oid\"]")
	contains dv.lock "run: $oid"
	dv runs show "$oid" --json >../doc
	test "$(json "d[\"params\"][\"params.yaml\"][\"rate\"], d[\"env\"][\"DV_TEST_COLOUR\"]" <../doc)" = "(0.1, '"'red'"')"
	test "$(json "d[\"env\"][\"DV_TEST_TOKEN\"]" <../doc)" = "***"
	lacks ../doc hunter2
	dv runs log "$oid" >../log
	contains ../log "trained with red"
	test "$(dv runs ls -f "param.rate<0.2" --json | json "len(d[\"runs\"])")" = 1
	test "$(dv runs ls -f "param.rate>0.2" --json | json "len(d[\"runs\"])")" = 0
'

test_case "what a stage made of part of a directory leads to all of it" '
	dv lineage --up model --format json >../up
	json "sorted({n.get(\"name\") or n.get(\"path\") for n in d[\"nodes\"]})" <../up >../names
	for name in train split parts parts/a.csv data.dv data; do
		contains ../names "'"'"'$name'"'"'"
	done
	dv lineage --down data --format json >../down
	json "{n.get(\"path\") for n in d[\"nodes\"]}" <../down >../names
	contains ../names "model"
	dv lineage verify model
'

test_case "why tells what changed" '
	echo "rate: 0.5" >params.yaml
	dv repro -q
	git add -A && git commit -qm two
	dv lineage why model >../out
	contains ../out "param params.yaml:rate: 0.1 -> 0.5"
	contains ../out "is as it was"
	printf "9\n" >>data/raw.csv
	dv lineage why parts >../out
	contains ../out "the input data/raw.csv is not as it was"
	dv checkout -qf data
	a=$(dv artifacts ls -f path=model --json | json "d[\"artifacts\"][0][\"oid\"]")
	b=$(dv artifacts ls -f path=model --json | json "d[\"artifacts\"][1][\"oid\"]")
	dv artifacts compare "$b" "$a" >../out
	contains ../out "param params.yaml:rate"
'

test_case "why follows the stages upwards to what is stale there" '
	rm -rf ../chain && mkdir ../chain && cd ../chain && git init -q && "$DV" init -q
	mkdir sub
	cat >dv.yaml <<"END"
stages:
  first: {cmd: mkdir -p parts && cp raw parts/a, deps: [raw], params: [rate], outs: [parts]}
  third: {cmd: cat sub/b >last, deps: [sub/b], outs: [last]}
  other: {cmd: echo 1 >apart, deps: [far], outs: [apart]}
END
	cat >sub/dv.yaml <<"END"
stages:
  second: {cmd: cat ../parts/a >b, deps: [../parts/a], outs: [b]}
END
	echo 1 >raw; echo 1 >far; echo "rate: 1" >params.yaml
	"$DV" repro -q
	why() { "$DV" lineage why --json "$1" | json "[(c[\"name\"],
		[(r[\"why\"], r.get(\"path\"), r.get(\"key\")) for r in c[\"reasons\"]],
		[(h[\"stage\"], h.get(\"path\")) for h in c[\"via\"]]) for c in d[\"causes\"]]"; }
	echo 2 >far
	[ "$(why last)" = "[]" ]
	"$DV" lineage why last >out
	contains out "is as it was"

	echo 2 >raw
	"$DV" lineage why last >out
	lacks out "is as it was"
	contains out "the stage first is stale:"
	contains out "the dependency '"'raw'"' changed"
	contains out "by first -> parts -> sub/dv.yaml:second -> sub/b -> third -> last"
	[ "$(why last)" = "[('"'first', [('dep', 'raw', None)], [('first', 'parts'), ('sub/dv.yaml:second', 'sub/b'), ('third', 'last')]"')]" ]
	[ "$(why parts/a)" = "[('"'first', [('dep', 'raw', None)], [('first', 'parts/a')]"')]" ]
	run=$("$DV" lineage why --json last | json "d[\"oid\"]")
	"$DV" lineage why "$run" >out
	contains out "sub/b -> third"

	echo 1 >raw; echo "rate: 2" >params.yaml
	sed -i "s/cat sub/cat -u sub/" dv.yaml
	[ "$(why last | tr -d "\n")" = "[('"'first', [('param', 'params.yaml', 'rate')], [('first', 'parts'), ('sub/dv.yaml:second', 'sub/b'), ('third', 'last')]), ('third', [('cmd', None, None)], [('third', 'last')]"')]" ]

	: an output that is not as it was is told of once, where it is made
	"$DV" repro -q
	echo 9 >sub/b
	[ "$(why last)" = "[('"'sub/dv.yaml:second', [('out', 'b', None)], [('sub/dv.yaml:second', 'sub/b'), ('third', 'last')]"')]" ]
	"$DV" checkout -qf
	echo 2 >raw
	"$DV" freeze sub/dv.yaml:second
	[ "$(why last)" = "[]" ]
	cd ../repo || return
'

test_case "why is quick, and short, about a long chain" '
	rm -rf ../long && mkdir ../long && cd ../long && git init -q && "$DV" init -q
	{ echo "stages:"; for i in $(seq 300); do
		echo "  s$i: {cmd: cp f$((i - 1)) f$i, deps: [f$((i - 1))], outs: [f$i]}"; done; } >dv.yaml
	echo 1 >f0
	"$DV" repro -q -j2
	echo 2 >f0
	"$DV" lineage why --json f300 >out
	[ "$(json "len(d[\"causes\"]), len(d[\"causes\"][0][\"via\"]), d[\"causes\"][0][\"left_out\"]" <out)" = "(1, 64, 236)" ]
	"$DV" lineage why f300 >out
	contains out "by s1 -> f1 -> s2"
	contains out "-> ... 290 stages ... -> s296 -> f296"
	cd ../repo || return
'

test_case "runs that failed or were taken from the run cache are known" '
	echo "rate: 0.1" >params.yaml
	dv repro -q
	test "$(dv runs ls -f state=CACHED -f name=train --json | json "len(d[\"runs\"])")" = 1
	sed -i "s/^    cmd: echo trained.*/    cmd: echo oops >\&2; exit 7/" dv.yaml
	refused dv repro -q
	dv runs ls -f state=FAILED --json >../runs
	test "$(json "d[\"runs\"][0][\"exit\"]" <../runs)" = 7
	dv runs log "$(json "d[\"runs\"][0][\"oid\"]" <../runs)" >../log
	contains ../log oops
	git checkout -q .
	dv checkout -qf
'

test_case "impact looks at every branch" '
	git checkout -q -b other
	echo "rate: 0.9" >params.yaml
	dv repro -q
	git add -A && git commit -qm other
	git checkout -q main
	dv checkout -qf
	dv lineage impact data --json >../out
	json "sorted(r for a in d if a[\"path\"] == \"model\" for r in a[\"refs\"])" <../out >../refs
	contains ../refs other
	contains ../refs main
	contains ../refs workspace
'

test_case "the index made anew says the same" '
	everything() { dv runs ls --json; dv artifacts ls --json; dv lineage model --format json; }
	everything >../a
	dv db rebuild
	everything >../b
	same ../a ../b
'

test_case "runs are told to a server as they happen, as parts of a task" '
	cat >../server.py <<"END"
import http.server, json
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        open("../got", "a").write(json.dumps({"path": self.path, "key": self.headers.get("Authorization"),
                                              "event": json.loads(body)}) + "\n")
        self.send_response(201); self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
open("../port", "w").write(str(s.server_address[1]))
s.serve_forever()
END
	rm -f ../port ../got
	python3 ../server.py & server=$!
	for _ in $(seq 100); do [ -s ../port ] && break; sleep 0.1; done
	echo "rate: 0.7" >params.yaml
	OPENLINEAGE_URL=http://127.0.0.1:$(cat ../port) OPENLINEAGE_API_KEY=k \
		OPENLINEAGE_PARENT_ID=air/dag.task/018f3400-0000-7000-8000-000000000001 dv repro -q
	kill $server
	python3 - <<"END"
import json
got = [json.loads(l) for l in open("../got")]
assert [g["event"]["eventType"] for g in got] == ["START", "COMPLETE"], got
for g in got:
    assert g["path"] == "/api/v1/lineage" and g["key"] == "Bearer k"
    p = g["event"]["run"]["facets"]["parent"]
    assert p["job"] == {"namespace": "air", "name": "dag.task"}
    assert p["run"]["runId"].endswith("000000000001")
    assert g["event"]["job"]["name"] == "train"
END
'

test_case "a server that is not there fails no stage" '
	echo "rate: 0.8" >params.yaml
	OPENLINEAGE_URL=http://127.0.0.1:9 dv repro -q 2>../err
	contains ../err "OpenLineage events were not sent"
	dv status -q
'

test_case 'what a command prints of secrets in its environment is not kept' '
	rm -rf ../told && mkdir ../told && cd ../told && git init -q && "$DV" init -q
	printf "stages:\n  s: {cmd: \"echo \$MY_TOKEN,\$MY_TOKEN \$OTHER >&2; echo 1 >a\", outs: [a]}\n" >dv.yaml
	MY_TOKEN=abc.def-123 OTHER=plain-text "$DV" repro >out 2>&1
	contains out "abc.def-123"
	[ "$("$DV" runs log a)" = "***,*** plain-text" ]
	! grep -rqF abc.def-123 .git dv.lock'

done_testing
