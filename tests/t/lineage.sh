#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run records: what add leaves, the index, contexts, exchange between clones and with others.
. "$(dirname "$0")/lib.sh"

# make_repo: a repository with a remote beside it, and one commit.
make_repo() {
	git init -q repo
	cd repo || return
	dv init -q
	git commit -qm start
	dv remote add -q --default shelf "$PWD/../shelf"
}
# json EXPRESSION: of the document on stdin, as d.
json() {
	python3 -c 'import json, sys
d = json.load(sys.stdin)
print(eval(sys.argv[1]))' "$1"
}

test_case "add leaves a record of what is new, and none of what is as it was" '
	make_repo
	echo one >data.csv
	dv add -q data.csv
	test "$(dv runs ls --json | json "len(d[\"runs\"])")" = 1
	dv add -q data.csv
	test "$(dv runs ls --json | json "len(d[\"runs\"])")" = 1
	echo two >data.csv
	dv commit -q
	dv runs ls --json >../out
	test "$(json "[r[\"type\"] for r in d[\"runs\"]]" <../out)" = "['"'commit', 'add'"']"
	test "$(json "d[\"runs\"][0][\"name\"]" <../out)" = data.csv.dv
	git rev-parse HEAD >../head
	test "$(json "d[\"runs\"][0][\"commit\"]" <../out)" = "$(cat ../head)"
	dv runs show "$(json "d[\"runs\"][0][\"oid\"]" <../out)" >../text
	contains ../text "Test <test@example.org>"
	contains ../text data.csv
'

test_case "a record is what its name says, and is canonical JSON" '
	cd repo || return
	oid=$(dv runs ls -n 1 --json | json "d[\"runs\"][0][\"oid\"][7:]")
	dv runs show "$oid" --json >../doc
	python3 - ../doc "$oid" <<"END"
import hashlib, json, sys
d = json.load(open(sys.argv[1]))
text = json.dumps(d, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
assert hashlib.sha256(text.encode()).hexdigest() == sys.argv[2], text
END
	test "$(dv show "$oid" --json | json "d[\"oid\"]")" = "$oid"
'

test_case "lineage of a path, of an oid, of a run" '
	cd repo || return
	dv lineage data.csv >../out
	contains ../out data.csv
	contains ../out "[run "
	oid=$(dv artifacts ls -f path=data.csv -n 1 --json | json "d[\"artifacts\"][0][\"oid\"]")
	dv lineage "$oid" --format json >../a
	dv lineage data.csv --format json >../b
	same ../a ../b
	dv lineage --up --depth 1 data.csv --format dot >../dot
	contains ../dot "digraph {"
	dv lineage why data.csv >../why
	contains ../why "made by commit data.csv.dv"
	must_fail 2 dv lineage nothing-like-it
	must_fail 129 dv lineage data.csv --format xml
'

test_case "settings turn records off" '
	cd repo || return
	n=$(dv runs ls --json | json "len(d[\"runs\"])")
	dv config --local lineage.add false
	echo three >other.csv
	dv add -q other.csv
	test "$(dv runs ls --json | json "len(d[\"runs\"])")" = "$n"
	dv config --local --unset lineage.add
'

test_case "pages do not overlap and leave nothing out" '
	cd repo || return
	for i in $(seq 1 25); do echo "row $i" >"f$i"; done
	dv add -q f*
	dv artifacts ls --json | json "sorted(a[\"path\"] for a in d[\"artifacts\"])" >../all
	: >../paged
	after=
	while :; do
		dv artifacts ls --json -n 4 ${after:+--after "$after"} >../page
		json "\"\n\".join(a[\"path\"] for a in d[\"artifacts\"])" <../page >>../paged
		after=$(json "d[\"next\"] or \"\"" <../page)
		[ -n "$after" ] || break
	done
	python3 -c "import sys; print(sorted(open(\"../paged\").read().split()))" >../sorted
	same ../all ../sorted
	dv runs ls -n 3 --json >../page
	test "$(json "len(d[\"runs\"])" <../page)" = 3
	dv runs ls -n 100 --after "$(json "d[\"next\"]" <../page)" --json >../rest
	python3 - <<"END"
import json
a = json.load(open("../page"))["runs"]; b = json.load(open("../rest"))["runs"]
assert not {r["oid"] for r in a} & {r["oid"] for r in b} and len(a) + len(b) == 27, len(b)
END
'

test_case "filters" '
	cd repo || return
	count() { dv "$1" ls -f "$2" --json | json "len(d[\"$1\"])"; }
	test "$(count artifacts "path~f1*")" = 11
	test "$(count artifacts "path=f1")" = 1
	test "$(count artifacts "size>6")" = 16
	test "$(count artifacts "kind=directory")" = 0
	test "$(count runs "type=commit")" = 1
	test "$(count runs "type!=commit")" = 26
	test "$(count runs "output=f7")" = 1
	test "$(count runs "state=FAILED")" = 0
	test "$(count runs "start>2020-01-01")" = 27
	test "$(count runs "start<2020-01-01T00:00:00")" = 0
	must_fail 129 dv runs ls -f "colour=red"
	must_fail 129 dv runs ls -f "state=GREEN"
	must_fail 129 dv runs ls -f "name"
	must_fail 129 dv artifacts ls -f "size=big"
	test "$(count runs "name='"'"' OR 1=1 --")" = 0
'

test_case "contexts group runs and artifacts, and survive the index" '
	cd repo || return
	run=$(dv runs ls -f output=f1 --json | json "d[\"runs\"][0][\"oid\"]")
	dv ctx add project:rates -p owner=Ada
	dv ctx add experiment:first "$run" f2 -p budget=3.5 -p open=true --part-of project:rates
	dv ctx add experiment:first f3 -p budget=4
	dv ctx show experiment:first --json >../a
	test "$(json "d[\"runs\"], d[\"artifacts\"], d[\"properties\"][\"budget\"]" <../a)" = "(1, 2, 4)"
	test "$(json "d[\"part_of\"]" <../a)" = "['"'project:rates'"']"
	test "$(dv runs ls -f context=experiment:first --json | json "len(d[\"runs\"])")" = 1
	dv db rebuild
	dv ctx show experiment:first --json >../b
	same ../a ../b
	dv ctx remove experiment:first f3
	test "$(dv ctx show experiment:first --json | json "d[\"artifacts\"]")" = 1
	dv ctx ls >../out
	contains ../out "project:rates"
	must_fail 129 dv ctx add nonsense f1
	must_fail 2 dv ctx show experiment:other
'

test_case "an index made anew says the same" '
	cd repo || return
	everything() {
		dv runs ls --json; dv artifacts ls --json; dv ctx ls --json
		dv lineage data.csv --format json
	}
	everything >../a
	dv db rebuild
	everything >../b
	same ../a ../b
	rm .git/dv/lineage.db*
	everything >../b
	same ../a ../b
	echo rubbish >.git/dv/lineage.db
	rm -f .git/dv/lineage.db-*
	everything >../b
	same ../a ../b
	dv db status --json >../s
	test "$(json "d[\"missing\"]" <../s)" = 0
'

test_case "a torn line of the list is passed over" '
	cd repo || return
	dv runs ls --json >../a
	printf "record 0123" >>.git/dv/runs
	dv runs ls --json >../b
	same ../a ../b
	echo torn >torn.csv
	dv add -q torn.csv
	test "$(dv runs ls -f output=torn.csv --json | json "len(d[\"runs\"])")" = 1
	dv db rebuild
	test "$(dv runs ls -f output=torn.csv --json | json "len(d[\"runs\"])")" = 1
'

test_case "two clones push and fetch: both see the union" '
	cd repo || return
	git add -A && git commit -qm data
	dv push -q
	git clone -q . ../clone
	cd ../clone
	dv config --local remote.shelf.url "$PWD/../shelf"
	dv fetch -q
	dv runs ls --json >../a
	dv -C ../repo runs ls --json >../b
	same ../a ../b
	echo here >here.csv
	dv add -q here.csv
	dv ctx add release:one here.csv
	dv push -q
	cd ../repo
	echo there >there.csv
	dv add -q there.csv
	dv push -q
	dv fetch -q
	cd ../clone
	dv fetch -q
	dv runs ls --json >../a
	dv -C ../repo runs ls --json >../b
	same ../a ../b
	test "$(json "len(d[\"runs\"])" <../a)" -ge 29
	dv ctx ls --json >../a
	dv -C ../repo ctx ls --json >../b
	same ../a ../b
	dv lineage verify here.csv
	dv -C ../repo artifacts show here.csv >../out
	contains ../out "made by"
'

test_case "many records travel as one listing" '
	cd clone
	for i in $(seq 1 40); do echo "many $i" >"many$i"; done
	dv add -q many*
	dv push -q
	grep -h -o "\"runs\":\"[a-z]*\"" ../shelf/log/* | sort | uniq -c >../kinds
	contains ../kinds batch
	contains ../kinds record
	cd ../repo
	dv fetch -q
	dv runs ls --json >../a
	dv -C ../clone runs ls --json >../b
	same ../a ../b
	rm -r .git/dv/cache
	dv fetch -q
	dv runs ls --json >../b
	same ../a ../b
	dv fsck -q
'

test_case "a push of nothing asks little" '
	cd repo || return
	dv push -q
	dv push --json >../out
	test "$(json "d[\"requests\"] <= 3" <../out)" = True
	log=$(ls ../shelf/log | wc -l)
	dv push -q
	test "$(ls ../shelf/log | wc -l)" = "$log"
'

test_case "collections keep records, here and on the remote" '
	cd repo || return
	dv runs ls --json >../a
	dv gc -w -q --force
	dv db rebuild
	dv runs ls --json >../b
	same ../a ../b
	dv gc -w -q --remote --force --grace 0 || dv gc -w -q --remote --force
	git clone -q . ../third
	cd ../third
	dv config --local remote.shelf.url "$PWD/../shelf"
	dv fetch -q
	dv runs ls --json >../b
	same ../a ../b
	cd ../repo
	dv fsck -q
'

test_case "verify names the run whose bytes are gone or damaged" '
	cd clone
	echo precious >precious.csv
	dv add -q precious.csv
	dv lineage verify precious.csv
	dv config --local cache.dir "$PWD/../emptied"
	rm precious.csv
	cp -r .git/dv/cache ../emptied
	python3 - ../emptied/packs <<"END"
import glob, sys
for name in glob.glob(sys.argv[1] + "/*/*"):
    data = bytearray(open(name, "rb").read())
    at = data.find(b"precious\n")
    if at >= 0:
        import os
        os.chmod(name, 0o644)
        data[at] ^= 1
        open(name, "wb").write(data)
END
	must_fail 1 dv lineage verify precious.csv.dv >../out
	contains ../out "precious.csv"
	contains ../out "DAMAGED"
	dv config --local --unset cache.dir
'

test_case "no secret gets into a record" '
	cd clone
	strings -a .git/dv/lineage.db >../text || cat .git/dv/lineage.db >../text
	lacks ../text "hunter2"
'

test_case "hostile lists and records are refused and do no harm" '
	cd repo || return
	dv runs ls --json >../a
	for text in "" "{}" "[[[[" "{\"kind\":\"run\",\"schema\":1}" \
		"{\"kind\":\"run\",\"schema\":99}" "\"text\""; do
		printf %s "$text" >evil
		dv -q add evil 2>/dev/null || true
		oid=$(sha256sum <evil | cut -c1-64)
		echo "record $oid" >>.git/dv/runs
	done
	printf "record %065d\nlog zzz\n\377\376\n" 0 >>.git/dv/runs
	dv runs ls -f output!=evil --json >../b 2>../err || { cat ../err; false; }
	same ../a ../b
	dv db status >../out
	contains ../out missing
'

done_testing
