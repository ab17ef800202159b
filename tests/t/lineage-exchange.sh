#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenLineage events and PROV-JSON: out, in, and what others make of them.
. "$(dirname "$0")/lib.sh"

json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

git init -q repo
cd repo || exit 2
dv init -q
git commit -qm start
echo one >data.csv
dv add -q data.csv
dv config --local lineage.namespace dv://test

test_case "events of others become runs; twice is once" '
	cat >../events.jsonl <<"END"
{"eventType":"START","eventTime":"2024-05-01T12:00:00.5+02:00","run":{"runId":"018f3400-0000-7000-8000-000000000001"},"job":{"namespace":"air","name":"dag.load"},"inputs":[{"namespace":"s3://bucket","name":"a/raw.csv"}],"outputs":[],"producer":"https://example.org/x","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
{"eventType":"COMPLETE","eventTime":"2024-05-01T10:00:09Z","run":{"runId":"018f3400-0000-7000-8000-000000000001"},"job":{"namespace":"air","name":"dag.load"},"outputs":[{"namespace":"dv://test","name":"data.csv","facets":{"version":{"_producer":"https://example.org/x","_schemaURL":"https://example.org/x","datasetVersion":"sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"}}}],"producer":"https://example.org/x","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
{"eventType":"FAIL","eventTime":"2024-05-01T10:00:10Z","run":{"runId":"018f3400-0000-7000-8000-000000000002"},"job":{"namespace":"air","name":"dag.fail"},"inputs":[{"namespace":"dv://test","name":"data.csv"}],"producer":"https://example.org/x","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
{"eventType":"START","eventTime":"2024-05-01T10:00:10Z","run":{"runId":"018f3400-0000-7000-8000-000000000003"},"job":{"namespace":"air","name":"dag.open"},"producer":"https://example.org/x","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"}
{"eventTime":"2024-05-01T10:00:10Z","dataset":{"namespace":"a","name":"b"},"producer":"https://example.org/x","schemaURL":"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent"}
END
	test "$(dv lineage import ../events.jsonl --json 2>../err | json "d[\"runs\"]")" = 2
	contains ../err "1 runs were left out"
	test "$(dv lineage import - --json <../events.jsonl 2>/dev/null | json "d[\"runs\"]")" = 0
	dv runs ls -f type=external --json >../out
	test "$(json "sorted(r[\"state\"] for r in d[\"runs\"])" <../out)" = "['"'COMPLETE', 'FAILED'"']"
	dv runs ls -f state=COMPLETE -f type=external --json >../out
	test "$(json "d[\"runs\"][0][\"end\"] - d[\"runs\"][0][\"start\"]" <../out)" = 8500000
	dv lineage --up data.csv >../tree
	contains ../tree "s3://bucket/a/raw.csv"
'

test_case "what is no event is refused with its line" '
	for bad in "nonsense" "[]" "{}" "{\"run\":{\"runId\":\"x\"}}" \
		"{\"run\":{\"runId\":\"x\"},\"job\":{\"namespace\":\"a\",\"name\":\"b\"},\"eventTime\":\"soon\"}"; do
		printf "\n%s\n" "$bad" >../bad
		refused dv lineage import ../bad 2>../err
		contains ../err "line 2"
	done
'

test_case "export and import again makes nothing new, and export says the same" '
	dv lineage export >../a
	test "$(wc -l <../a)" -ge 6
	test "$(dv lineage import ../a --json | json "d[\"runs\"]")" = 0
	dv lineage export >../b
	same ../a ../b
	git init -q ../other
	cd ../other
	dv init -q
	dv config --local lineage.namespace dv://test
	git commit -qm start
	dv lineage import ../a -q
	dv lineage export --format openlineage >../c
	test "$(wc -l <../c)" = "$(wc -l <../a)"
'

test_case "the events hold what the specification asks for" '
	dv lineage export >../a
	python3 - ../a <<"END"
import json, re, sys
n = 0
for line in open(sys.argv[1]):
    e = json.loads(line)
    n += 1
    assert e["eventType"] in ("START", "COMPLETE", "FAIL", "ABORT")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", e["eventTime"])
    assert e["producer"].startswith("urn:") and e["schemaURL"].startswith("https://openlineage.io/")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", e["run"]["runId"])
    assert e["job"]["namespace"] and e["job"]["name"]
    facets = [e["run"].get("facets", {}), e["job"].get("facets", {})]
    for d in e["inputs"] + e["outputs"]:
        assert d["namespace"] and d["name"]
        facets += [d.get("facets", {}), d.get("inputFacets", {}), d.get("outputFacets", {})]
    for f in facets:
        for v in f.values():
            assert v["_producer"] and v["_schemaURL"].startswith("https://openlineage.io/")
assert n and n % 2 == 0
END
'

if python3 -c 'import openlineage.client' 2>/dev/null; then
	test_case "the client of OpenLineage takes the events" '
		python3 - ../a <<"END"
import json, sys
from openlineage.client import event_v2 as e
for line in open(sys.argv[1]):
    d = json.loads(line)
    e.RunEvent(eventType=e.RunState(d["eventType"]), eventTime=d["eventTime"],
               run=e.Run(runId=d["run"]["runId"]), producer=d["producer"],
               job=e.Job(namespace=d["job"]["namespace"], name=d["job"]["name"]),
               inputs=[e.InputDataset(x["namespace"], x["name"]) for x in d["inputs"]],
               outputs=[e.OutputDataset(x["namespace"], x["name"]) for x in d["outputs"]])
END
	'
else
	echo "# SKIPPED: the Python package openlineage-python is not there to check the events"
fi

test_case "PROV-JSON has every run and its ends" '
	dv lineage export --format prov >../prov.json
	python3 - <<"END"
import json
d = json.load(open("../prov.json"))
assert d["prefix"]["dv"]
for kind, ends in (("used", ("prov:activity", "prov:entity")),
                   ("wasGeneratedBy", ("prov:entity", "prov:activity")),
                   ("wasAssociatedWith", ("prov:activity", "prov:agent"))):
    for r in d[kind].values():
        for end in ends:
            assert r[end] in d[end[5:]], (kind, r)
assert len(d["activity"]) == 3, d["activity"]
END
'

if python3 -c 'import prov.model' 2>/dev/null; then
	test_case "the Python package prov reads it" '
		python3 -c "import prov.model as m; d = m.ProvDocument.deserialize(\"../prov.json\"); assert len(list(d.get_records())) > 5"
	'
else
	echo "# SKIPPED: the Python package prov is not there to read the document"
fi

done_testing
