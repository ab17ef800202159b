#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Outputs of stages, which a lock file records, are outputs everywhere: looked at, restored, moved
# between stores, kept by gc. What records outputs by hand leaves them alone.
. "${0%/*}/lib.sh"

# entry PATH [AS]: the content goes into the cache; tells the entry of a lock file for it.
entry() {
	dv add -q --no-stage "$1"
	sed -n "s|^- path: .*|    - path: ${2:-$1}|p
		s/^  \(oid\|size\|nfiles\|isexec\):/      \1:/p" "$1.dv"
	rm "$1.dv"
}

# stage NAME OUT…: appends a stage to the lock file here.
stage() {
	local out name=$1 outs=
	shift
	for out; do outs+=$(entry "$out")$'\n'; done
	[ -f dv.lock ] || printf 'schema: dv 1\nstages:\n' >dv.lock
	printf '  %s:\n    cmd: make\n    outs:\n%s' "$name" "$outs" >>dv.lock
}

# json FILE EXPRESSION: a Python expression about the document `j` is true.
json() {
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), json.dumps(j, indent=1)' "$1" "$2"
}

# Used in the test cases.
# shellcheck disable=SC2034
q="'"

test_case 'made by a stage, seen like any output' '
	git init -q --template= . && dv init -q
	dv remote add -q -d store ../store
	dv remote add -q other ../other
	echo raw >raw.csv && dv add -q raw.csv
	mkdir -p model/sub && echo w1 >model/weights && echo s1 >model/sub/state
	echo 1 >metrics.json && printf "a\nb\n" >table && chmod +x table
	stage prepare table
	stage train model
	printf "  watch:\n    cmd: make\n    outs:\n    - path: metrics.json\n      oid: sha256:%s\n" \
		"$(sha256sum metrics.json | cut -d" " -f1)" >>dv.lock
	printf "      size: 2\n      cache: false\n" >>dv.lock
	git add -A && git commit -qm one
	[ "$(git ls-files model table)" = "" ]
	dv status >out && contains out "up to date"
	[ "$(dv ls)" = "model/
raw.csv
table" ]
	dv ls --json >out.json
	json out.json "[(e[\"path\"], e[\"stage\"]) for e in j] == [(\"model\", \"train\"),
		(\"raw.csv\", None), (\"table\", \"prepare\")]"
	[ "$(dv ls -R model)" = "model/sub/
model/sub/state
model/weights" ]
	[ "$(dv cat model/sub/state)" = s1 ]
	dv du >out && contains out model && contains out table
	dv doctor >out && grep -q "^outputs *3" out || grep -q "3" out
	dv fsck -q
'

test_case 'changes are told' '
	echo w2 >model/weights && rm table
	dv status >out
	contains out "model: modified" && contains out "modified: model/weights"
	contains out "table: deleted" && lacks out "dv commit"
	must_fail 1 dv status -q
	dv status --json >out.json
	json out.json "{c[\"path\"]: c[\"stage\"] for c in j[\"changes\"]} == \
		{\"model\": \"train\", \"model/weights\": \"train\", \"table\": \"prepare\"}"
	dv diff >out && contains out "M model/weights" && contains out "D table"
	dv status model/sub >out && contains out "model: modified"
	dv status --glob "tab*" >out && contains out "table: deleted" && lacks out model
'

test_case 'checkout restores what is recorded' '
	must_fail 3 dv checkout 2>err && contains err "model/weights"
	contains err "copy it elsewhere"
	[ "$(cat model/weights)" = w2 ]
	[ "$(cat table)" = "a
b" ] && [ -x table ]
	dv checkout -f model
	[ "$(cat model/weights)" = w1 ]
	rm -r model table
	dv checkout model/sub
	[ -f model/sub/state ] && [ ! -e model/weights ]
	dv checkout dv.lock
	dv status -q
	rm -r model
	dv checkout --glob "mod*/*ts" && [ "$(ls model)" = weights ]
	dv checkout -q && dv status -q
'

test_case 'a new version, and revisions' '
	echo w2 >model/weights && echo more >model/more
	sed -i "/^  train:/,/^  watch:/{/^  watch:/!d}" dv.lock
	{ sed "/^  watch:/,\$d" dv.lock; printf "  train:\n    cmd: make\n    outs:\n"
	  entry model; sed -n "/^  watch:/,\$p" dv.lock; } >../new && mv ../new dv.lock
	dv status -q
	dv diff >out && contains out "M model/weights" && contains out "A model/more"
	git commit -qam two
	dv diff HEAD~1 HEAD >out && contains out "M model/weights" && contains out "A model/more"
	dv ls HEAD~1 model >out && lacks out more
	[ "$(dv cat HEAD~1:model/weights)" = w1 ]
	git checkout -q HEAD~1 && dv checkout -q && [ "$(cat model/weights)" = w1 ]
	git checkout -q main && dv checkout -q && [ "$(cat model/weights)" = w2 ]
	dv du -a --json >out.json && json out.json "True"
'

test_case 'pushed, and pulled in a clone' '
	dv status --remote >out && contains out "model: not in remote"
	dv push -q && dv status --remote -q
	git clone -q . ../clone
	cd ../clone
	dv remote add -q -f -d store ../store
	dv pull
	same model ../ws/model && [ -x table ] && dv status -q
	must_fail 1 test -e metrics.json.dv
	must_fail 2 dv fetch -A 2>err && contains err "output '\''model'\''"
	cd ../ws && dv push -q -A
	cd ../clone && dv fetch -A && [ "$(dv cat HEAD~1:model/weights)" = w1 ]
	dv pull model/sub && rm -r model && dv pull model/sub && [ "$(ls model)" = sub ]
'

test_case 'gc keeps what is asked for' '
	# The reflog keeps all that was here; that of the clone begins with its last commit.
	cd ../clone && rm -rf ../store-away
	dv pull -q && dv gc -A && mv ../store ../store-away
	[ "$(dv cat HEAD~1:model/weights)" = w1 ]
	mv ../store-away ../store
	dv gc -w >out && contains out "of it unused"
	dv fsck -q && [ "$(dv cat model/weights)" = w2 ] && dv status -q
	# A lock file in the midst of a merge keeps what it mentions.
	cp dv.lock ../lock
	{ echo "<<<<<<< ours"; git show HEAD~1:dv.lock; echo "======="; cat ../lock
	  echo ">>>>>>> theirs"; } >dv.lock
	dv fetch -q -A && git add dv.lock && cp ../lock dv.lock
	dv gc -w -f && mv ../store ../store-away
	[ "$(dv cat HEAD~1:model/weights)" = w1 ]
	mv ../store-away ../store && git reset -q && git checkout -q . && dv status -q
	dv gc -A --repack && dv fsck -q && [ "$(dv cat HEAD~1:model/weights)" = w1 ]
	dv gc --remote -A --json >out.json && json out.json "j[\"roots_dropped\"] == 0"
	dv status --remote -q
	dv gc --remote -w --json >out.json && json out.json "j[\"roots_dropped\"] > 0"
	dv status --remote -q && rm -rf .git/dv/cache && dv pull -q && dv status -q
	cd ../ws && dv push -q -A && dv status --remote -q
'

test_case 'what records by hand leaves them alone' '
	cp dv.lock ../lock
	must_fail 2 dv add table 2>err
	contains err "the stage '\''prepare'\'' of '\''dv.lock'\'' makes it"
	contains err "dv repro prepare"
	must_fail 2 dv add model/weights 2>err && contains err "'\''train'\''"
	must_fail 2 dv add model/new 2>err && contains err "'\''train'\''"
	must_fail 2 dv add dv.lock 2>err && contains err "belongs to dv"
	touch dv.yaml && must_fail 2 dv add dv.yaml 2>err && contains err "belongs to dv" && rm dv.yaml
	for t in table model/weights dv.lock; do
		must_fail 2 dv commit $t 2>err && contains err "dv repro"
		must_fail 2 dv remove $t 2>err || must_fail 129 dv remove $t 2>err
		contains err "dv stage remove"
	done
	must_fail 129 dv move table table2 2>err && contains err "cannot move"
	must_fail 2 dv move model/weights w 2>err && contains err "part of the output"
	must_fail 129 dv move raw.csv model/raw.csv 2>err || must_fail 2 dv move raw.csv model/weights
	mkdir d && echo x >d/x
	( cd d && stage inner x )
	must_fail 2 dv add d 2>err && contains err "makes '\''d/x'\'' in it"
	must_fail 2 dv add d/x 2>err && contains err "dv repro d/dvc.yaml:inner"
	echo "stages: {}" >d/dv.yaml
	must_fail 2 dv add d/x 2>err && contains err "dv repro d/dv.yaml:inner"
	rm -r d
	same dv.lock ../lock
	[ "$(cat model/weights)" = w2 ] && [ -x table ]
'

test_case 'commit records pointers and passes over the rest' '
	echo raw2 >raw.csv && echo w3 >model/weights
	dv commit >out 2>&1 && contains out raw.csv && lacks out model
	same dv.lock ../lock
	dv status >out && lacks out raw.csv && contains out "model: modified"
	dv commit --glob "*" && same dv.lock ../lock
	dv checkout -qf model
	git commit -qam raw2
'

test_case 'one path, one record' '
	printf "outs:\n- path: table\n  oid: sha256:%064d\n  size: 1\n" 0 >table.dv
	must_fail 2 dv status 2>err
	contains err "table.dv" && contains err "the stage '\''prepare'\'' of '\''dv.lock'\''"
	rm table.dv && mkdir d
	{ printf "schema: dv 1\nstages:\n  twin:\n    cmd: x\n    outs:\n"
	  sed -n "/path: table/,/isexec/p" dv.lock | sed "s|path: table|path: ../table|"; } >d/dv.lock
	must_fail 2 dv ls 2>err
	contains err "the stage '\''twin'\'' of '\''d/dv.lock'\''" && contains err "'\''prepare'\''"
	sed -i "s|../table|../model/in|" d/dv.lock
	must_fail 2 dv push 2>err && contains err "'\''model/in'\'', which lies in '\''model'\''"
	rm -r d && dv status -q
'

test_case 'where it goes, and whether' '
	echo far >far && echo near >near
	stage far far && echo "      remote: other" >>dv.lock
	stage near near && echo "      push: false" >>dv.lock
	rm -rf ../other && dv push -q
	[ -d ../other ]
	dv status --remote -q
	mv ../other ../other-away
	rm far && dv gc -A -f && rm -rf .git/dv/cache
	dv fetch table && must_fail 3 dv fetch 2>err || must_fail 2 dv fetch 2>err
	mv ../other-away ../other
	must_fail 3 dv pull 2>err || must_fail 2 dv pull 2>err || true
	[ "$(cat far)" = far ] && [ "$(cat table)" = "a
b" ]
	git checkout -q . && rm -f far near && dv pull -q && dv status -q
'

test_case 'a stage that is gone from the pipeline is recorded until it is forgotten' '
	echo "stages: {train: {cmd: make, outs: [model]}}" >dv.yaml
	dv ls >out && contains out table
	rm table && dv checkout -q && [ -x table ]
	dv dag >out && lacks out table
	must_fail 2 dv add table 2>err && contains err "dv stage remove prepare"
	dv stage remove prepare
	lacks .gitignore table && [ -x table ]
	dv add -q table && dv ls >out && contains out table && lacks dv.lock prepare
	must_fail 2 dv stage remove prepare 2>err && contains err "has no stage"
	dv remove -q table && rm -f dv.yaml && git reset -q --hard && dv status -q
'

test_case 'folders' '
	mkdir -p a/b a/src && echo 1 >a/src/one && echo 2 >a/two
	( cd a && stage s src/one && sed -i "s|cmd: make|&\n    wdir: src|; s|src/one|one|" dv.lock )
	( cd a && two=$(entry two ../two) &&
	  printf "schema: dv 1\nstages:\n  t:\n    cmd: x\n    outs:\n%s\n" "$two" >b/dv.lock )
	[ "$(dv ls a)" = "a/src/
a/two" ]
	rm a/src/one a/two && dv checkout -q a && [ "$(cat a/src/one a/two)" = "1
2" ]
	rm a/two && ( cd a/b && dv checkout -q ../two && [ "$(cat ../two)" = 2 ] )
	rm -r a
	mkdir -p a/dv.lock && dv status -q && rm -r a
	echo "nonsense" >dvc.lock && dv status -q && rm dvc.lock
'

test_case 'stages by their names' '
	echo 1 >m1 && echo 2 >m2
	( mkdir a && cd a && echo 3 >m3 && stage deep m3 )
	stage "each@1" m1 && stage "each@2" m2
	rm m1 m2 a/m3 table
	dv checkout each@1 && [ -f m1 ] && [ ! -e m2 ]
	dv checkout each && [ -f m2 ] && [ ! -e table ]
	( cd a && dv checkout deep && [ -f m3 ] && rm m3 )
	dv checkout a/dv.yaml:deep && [ -f a/m3 ] && rm a/m3
	dv checkout a/dv.yaml && [ -f a/m3 ] && [ ! -e table ]
	dv status prepare >out && contains out "table: deleted"
	dv push prepare each a/dv.yaml:deep
	must_fail 2 dv checkout missing 2>err && contains err "not tracked"
	must_fail 2 dv commit prepare 2>err && contains err "dv repro prepare"
	rm -r a m1 m2 && git checkout -q . && dv checkout -q
'

test_case 'what a killed run had made counts' '
	echo j >late && late=$(entry late)
	cat >../journal.py <<EOF
import hashlib, os, sys
name = hashlib.sha256(os.path.realpath(".").encode()).hexdigest()[:16]
os.makedirs(".git/dv/journal-" + name)
body = "0" * 64 + "\ndv.lock\n  late:\n    cmd: x\n    outs:\n" + sys.argv[1] + "\n"
with open(".git/dv/journal-" + name + "/1", "w") as f:
    f.write("dv-journal 1 %s %d\n%s" % (hashlib.sha256(body.encode()).hexdigest(), len(body), body))
EOF
	python3 ../journal.py "$late"
	dv ls >out && contains out late && contains out table
	mv dv.lock ../lock && dv ls >out && contains out late && lacks out table && mv ../lock dv.lock
	rm late && dv gc -A -f && dv checkout late && [ "$(cat late)" = j ]
	rm -r .git/dv/journal-* late && dv ls >out && lacks out late
'

test_case 'damage is named' '
	cp dv.lock ../lock
	printf "schema: dv 1\nstages:\n<<<<<<< HEAD\n  a: {}\n=======\n>>>>>>> x\n" >dv.lock
	for c in status ls push "checkout table" "gc -w" "add raw.csv" "diff HEAD"; do
		must_fail 12 dv $c 2>err || must_fail 2 dv $c 2>err
		contains err "'\''dv.lock'\'' has conflict markers" && contains err "hint: "
	done
	echo "a: [" >dv.lock
	must_fail 12 dv status 2>err && contains err "dv.lock:" && contains err "hint: "
	printf "schema: dv 99\n" >dv.lock
	must_fail 2 dv status 2>err && contains err "upgrade dv"
	rm dv.lock && ln -s ../lock dv.lock
	must_fail 2 dv status 2>err && contains err "symbolic link"
	rm dv.lock && cp ../lock dv.lock && dv status -q
	# A commit of the past that is damaged does not keep the rest from moving.
	echo "a: [" >dv.lock && git commit -qam bad && cp ../lock dv.lock && git commit -qam good
	dv push -A 2>err && contains err "dv.lock"
	must_fail 12 dv ls HEAD~1 2>err && contains err "in revision"
'

test_case 'nothing leaves the workspace' '
	printf x >../outside
	oid=$(sed -n "s/.*oid: //p" dv.lock | head -n 1)
	for p in ../outside /etc/passwd .git/hooks/post-checkout .dv/config a/../../outside dv.lock \
		x/dv.yaml .gitignore . "\"a\\0b\"" "\"a\\x00b\"" .. ""; do
		printf "schema: dv 1\nstages:\n  s:\n    cmd: x\n    outs:\n" >dv.lock
		printf "    - path: %s\n      oid: %s\n      size: 4\n" "$p" "$oid" >>dv.lock
		refused dv checkout -f 2>err
		refused dv status 2>err && grep -q "^error: " err
	done
	ln -s .. link
	printf "schema: dv 1\nstages:\n  s:\n    cmd: x\n    outs:\n" >dv.lock
	printf "    - path: link/outside\n      oid: %s\n      size: 4\n" "$oid" >>dv.lock
	refused dv checkout -f 2>err
	[ "$(cat ../outside)" = x ] && rm link
	# Names that are odd and allowed.
	printf "schema: dv 1\nstages:\n  s:\n    cmd: x\n    outs:\n" >dv.lock
	printf "    - path: \"a\\\\n\\\\tb '\''c'\''\"\n      oid: %s\n      size: 4\n" "$oid" >>dv.lock
	dv ls && dv checkout -q && dv status table >out 2>&1 || true
	rm -f a*b* && git checkout -q . && dv checkout -q && dv status -q
'

test_case 'many stages, long history' '
	mkdir ../many && cd ../many && git init -q --template= . && dv init -q
	echo x >x && dv add -q --no-stage x
	oid=$(sed -n "s/.*oid: //p" x.dv) && rm x.dv
	git commit -qm start
	python3 - "$oid" <<EOF
import subprocess, sys
def lock(n, turn):
    with open("dv.lock", "w") as f:
        f.write("schema: dv 1\nstages:\n")
        for i in range(n):
            f.write("  s%05d:\n    cmd: make %d\n    deps:\n    - path: in%d\n      oid: %s\n"
                    "      size: 2\n    outs:\n    - path: out/f%05d\n      oid: %s\n"
                    "      size: 2\n" % (i, turn if i == turn else 0, i, sys.argv[1], i,
                                         sys.argv[1]))
for turn in range(20):
    lock(2000, turn)
    subprocess.check_call(["git", "add", "dv.lock"])
    subprocess.check_call(["git", "commit", "-qm", str(turn)])
EOF
	dv remote add -q -d store ../many-store
	dv push -q -A
	dv checkout -q && [ "$(ls out | wc -l)" = 2000 ]
	dv status -q
	dv ls >out.txt && contains out.txt "out/"
	dv gc -A && dv status -q
'

test_case 'commit stores what a run without it left' '
	rm -rf ../late && mkdir ../late && cd ../late && git init -q . && $DV init -q
	echo 1 >in
	echo "stages: {s: {cmd: mkdir -p d && cp in d/x && echo y >y, deps: [in], outs: [d, y]}}" >dv.yaml
	$DV repro -q --no-commit
	$DV status >out; contains out "not in cache"
	cp dv.lock before
	$DV commit >out
	contains out "d: 1 file, 2 B stored"; contains out "y: 2 B stored"; lacks out pointer
	same dv.lock before
	$DV status >out; lacks out "not in cache"
	rm -r d y; $DV checkout -q; [ "$(cat d/x y)" = "1
y" ]
	# What another program wrote there is no run of the stage.
	$DV commit y
	echo 2 >y
	$DV commit >out; same dv.lock before
	must_fail 2 $DV commit y 2>err; contains err "makes it"
	echo 3 >in; $DV repro -q --no-commit; echo 4 >y; $DV commit -q
	$DV status >out; contains out "y: modified"; lacks out "not in cache"
'

test_case 'what is made no more is not ignored any more, when it is not there' '
	rm -rf ../more && mkdir ../more && cd ../more && git init -q && "$DV" init -q
	pipeline() { printf "stages:\n  s: {cmd: \"%s\", outs: [%s]}\n" "$1" "$2" >dv.yaml; }
	pipeline "echo 1 >a; echo 2 >b" "a, b"; "$DV" repro -q
	pipeline "echo 1 >a" a; "$DV" repro >out 2>err
	contains err "no stage makes ${q}b${q} any more"; grep -qx /b .gitignore
	rm b a; pipeline "echo c >c" c; "$DV" repro -q 2>err
	grep -qx /c .gitignore; ! grep -qx /a .gitignore
	[ "$(git show :.gitignore)" = "$(cat .gitignore)" ]
	pipeline "echo 3 >c" "c: {cache: false}"; "$DV" repro -q
	! grep -qx /c .gitignore'

done_testing
