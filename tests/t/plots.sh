#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plots: specifications, the page, images; what the data holds stays data. Where Chromium is
# installed the page is opened in it.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

chromium=$(command -v chromium chromium-browser google-chrome 2>/dev/null | head -n 1)
export chromium

# in_browser FILE: what the page looks like to a program after it was drawn.
in_browser() {
	timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$TEST_DIR/chromium" --virtual-time-budget=4000 \
		--dump-dom "file://$PWD/$1" 2>"$TEST_DIR/chromium.log"
}
# picture FILE PNG: how it looks to a person.
picture() {
	timeout 60 "$chromium" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
		--user-data-dir="$TEST_DIR/chromium" --virtual-time-budget=4000 --hide-scrollbars \
		--window-size="${3:-1500,1400}" --screenshot="$2" "file://$PWD/$1" \
		>/dev/null 2>"$TEST_DIR/chromium.log"
	[ -s "$2" ]
}
export -f in_browser picture

test_case 'a workspace with plots of every kind' '
	git init -q . && $DV init -q
	mkdir -p logs eval images
	cat >dv.yaml <<EOF
vars: [{dir: eval}]
plots:
- ROC:
    template: simple
    x: fpr
    y: {"\${dir}/train.json": tpr, eval/test.json: tpr}
    title: Receiver operating characteristic
- matrix: {template: confusion, x: actual, y: {eval/classes.csv: predicted}}
- shares: {template: confusion_normalized, x: actual, y: {eval/classes.csv: predicted}}
- logs: {x: step, y_scale: log}
- eval/importance.csv: {template: bar_horizontal_sorted, x: weight, y: name}
- images
stages:
  train:
    cmd: x
    plots:
    - curve.tsv: {x: epoch, y: loss, template: smooth, y_label: the loss, cache: false}
    - cloud.yaml: {x: u, y: v, template: scatter}
EOF
	python3 - 1 <<EOF
import json, math, random, struct, sys, zlib
random.seed(1)
for name, k in (("train", 3), ("test", 2)):
    json.dump({"roc": [{"fpr": i / 20, "tpr": 1 - (1 - i / 20) ** k, "threshold": float("inf") if i == 0 else 1 - i / 20}
                       for i in range(21)]}, open(f"eval/{name}.json", "w"))
with open("eval/classes.csv", "w") as f:
    f.write("actual,predicted\n")
    for i in range(300):
        a = random.choice(["cat", "dog", "bird"])
        f.write("%s,%s\n" % (a, a if random.random() < .8 else random.choice(["cat", "dog", "bird"])))
for name in ("loss", "acc"):
    with open(f"logs/{name}.tsv", "w") as f:
        f.write(f"step\t{name}\n")
        for i in range(50):
            f.write("%d\t%.5g\n" % (i, math.exp(-i / 10) + .001 if name == "loss" else 1 - math.exp(-i / 10) + .01))
with open("curve.tsv", "w") as f:
    f.write("epoch\tloss\tother\n")
    for i in range(200):
        f.write("%d\t%.4f\tx\n" % (i, 1 / (1 + i / 20) + random.gauss(0, .05)))
with open("cloud.yaml", "w") as f:
    f.write("points:\n")
    for i in range(80):
        f.write("- {u: %.3f, v: %.3f}\n" % (random.gauss(0, 1), random.gauss(0, 2)))
with open("eval/importance.csv", "w") as f:
    f.write("name,weight\n" + "".join("feature %d,%.3f\n" % (i, random.random()) for i in range(8)))
def png(path, r, g, b):
    raw = b"".join(b"\0" + bytes((r, g, b)) * 60 for _ in range(40))
    def chunk(t, d):
        return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 40, 8, 2, 0, 0, 0)) +
                           chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
png("images/a.png", 200, 60, 60)
EOF
	$DV add -q images
	git add -A && git commit -qm one
	$DV plots show --json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["revisions"] == ["workspace"] and d["errors"] == [], d["errors"]
p = {x["id"]: x for x in d["plots"]}
assert sorted(p) == ["ROC", "cloud.yaml", "curve.tsv", "eval/importance.csv", "images/a.png",
                     "logs/acc.tsv", "logs/loss.tsv", "matrix", "shares"], sorted(p)
roc = p["ROC"]["content"]
assert roc["\$schema"].endswith("/v5.json") and roc["title"].startswith("Receiver")
assert roc["mark"]["type"] == "line" and len(roc["data"]["values"]) == 42
assert roc["encoding"]["x"]["title"] == "fpr" and roc["encoding"]["y"]["title"] == "tpr"
assert roc["encoding"]["color"]["sort"] == ["eval/train.json", "eval/test.json"], roc["encoding"]
assert roc["data"]["values"][1] == {"x": 0.05, "y": 1 - .95 ** 3, "rev": "workspace", "line": "eval/train.json"}
m = p["matrix"]["content"]
assert m["spec"]["encoding"]["x"]["sort"] == ["bird", "cat", "dog"]
assert sum(v["count"] for v in m["data"]["values"]) == 300 and len(m["data"]["values"]) == 9
s = p["shares"]["content"]["data"]["values"]
assert abs(sum(v["share"] for v in s) - 3) < 1e-4
log = p["logs/loss.tsv"]["content"]["encoding"]
assert log["y"]["scale"] == {"type": "log"} and log["y"]["title"] == "loss" and log["x"]["title"] == "step"
c = p["curve.tsv"]["content"]
assert c["transform"][0]["loess"] == "y" and c["encoding"]["y"]["title"] == "the loss"
assert p["cloud.yaml"]["content"]["mark"]["type"] == "point"
bar = p["eval/importance.csv"]["content"]
assert bar["mark"]["type"] == "bar" and bar["encoding"]["y"]["sort"] == "-x"
assert p["images/a.png"]["url"].startswith("data:image/png;base64,iVBOR")
EOF
'

test_case 'a page that needs nothing beside it' '
	$DV plots show >out 2>err
	grep -q "^file://.*/dv-plots.html$" out
	[ ! -s err ]
	python3 - <<EOF
import hashlib, base64, re
page = open("dv-plots.html", encoding="utf-8").read()
assert not re.search("(src|href)=", page.split("<script>")[0])
policy = re.search("Content-Security-Policy\" content=\"([^\"]*)", page).group(1)
js = page.split("<script>")[1].split("</script>")[0]
want = "sha256-" + base64.b64encode(hashlib.sha256(js.encode()).digest()).decode()
assert want in policy and "default-src " in policy, policy
EOF
	$DV plots show -o deep/folder/p.html ROC >out
	[ -s deep/folder/p.html ]
	$DV plots show --json -o spec.json ROC >out
	python3 -c "import json; assert len(json.load(open(\"spec.json\"))[\"plots\"]) == 1"
'

test_case 'several revisions in one' '
	git tag v1
	sed -i "s/\t0\./\t0.5/" curve.tsv
	printf "a" >>images/a.png && $DV add -q images
	$DV plots diff --json >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["revisions"] == ["HEAD", "workspace"] and not d["errors"], d["errors"]
p = [x for x in d["plots"] if x["id"] == "images/a.png"]
assert [x["revision"] for x in p] == ["HEAD", "workspace"] and p[0]["url"] != p[1]["url"]
roc = next(x for x in d["plots"] if x["id"] == "ROC")
assert roc["revisions"] == ["HEAD", "workspace"]
e = roc["content"]["encoding"]
assert e["color"]["field"] == "rev" and e["strokeDash"]["field"] == "line", e
m = next(x for x in d["plots"] if x["id"] == "matrix")["content"]
assert m["facet"]["column"]["sort"] == ["HEAD", "workspace"]
EOF
	git add -A && git commit -qm two
	$DV plots diff v1 HEAD --json -- curve.tsv >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json"))
assert d["revisions"] == ["v1", "HEAD"] and [x["id"] for x in d["plots"]] == ["curve.tsv"]
v = d["plots"][0]["content"]["data"]["values"]
assert len(v) == 400 and {r["rev"] for r in v} == {"v1", "HEAD"}
EOF
	$DV plots diff v1 >out
	must_fail 129 $DV plots diff v1 v1 2>err
	must_fail 2 $DV plots diff nosuch 2>err
'

test_case 'files that nothing describes, and options' '
	printf "t;x\n" >odd.txt
	printf "3,4\n5,6\n7,nan\n" >bare.csv
	$DV plots show --json --no-header -x 0 -y 1 --title "bare <b>" --x-label X -t scatter bare.csv >out.json
	python3 - <<EOF
import json
p, = json.load(open("out.json"))["plots"]
c = p["content"]
assert c["title"] == "bare <b>" and c["mark"]["type"] == "point" and c["encoding"]["x"]["title"] == "X"
assert [(v["x"], v["y"]) for v in c["data"]["values"]] == [(3, 4), (5, 6)], c
EOF
	printf "[1, 4, 9]" >list.json
	$DV plots show --json list.json >out.json
	python3 - <<EOF
import json
p, = json.load(open("out.json"))["plots"]
assert [(v["x"], v["y"]) for v in p["content"]["data"]["values"]] == [(0, 1), (1, 4), (2, 9)]
assert p["content"]["encoding"]["x"]["title"] == "step"
EOF
	must_fail 3 $DV plots show --json odd.txt >out.json 2>err
	contains err "does not tell what data it holds"
	must_fail 3 $DV plots show --json -x nope bare.csv >out.json 2>err
	contains err "its fields are"
	python3 -c "import json; assert json.load(open(\"out.json\"))[\"errors\"][0][\"id\"] == \"bare.csv\""
	must_fail 3 $DV plots show --json missing.csv >out.json 2>err
	mv curve.tsv away.tsv
	$DV plots show --json >out.json 2>err
	contains err "there is no file for the plot '"'curve.tsv'"'"
	python3 -c "import json; assert json.load(open(\"out.json\"))[\"errors\"][0][\"id\"] == \"curve.tsv\""
	mv away.tsv curve.tsv
	must_fail 2 $DV plots show -t liner bare.csv 2>err
	contains err "did you mean '"'linear'"'"
	sed "s/template: simple/template: nosuch/" dv.yaml >x && cp dv.yaml keep && mv x dv.yaml
	must_fail 2 $DV plots show 2>err
	contains err "dv.yaml:4:"
	contains err "no template '"'nosuch'"'"
	printf "plots:\n- p: {y: {../../x.csv: a}}\n" >dv.yaml
	must_fail 2 $DV plots show 2>err
	contains err "is outside the workspace"
	mv keep dv.yaml
'

test_case 'data that would be a program stays data' '
	mkdir evil
	cat >evil/x.csv <<EOF
step,"</script><script>document.title=\"owned\"</script>"
"<img src=x onerror=document.title=1>",1
"</script><script>document.title=2</script>",2
"<!--<script>",3
EOF
	printf "a,b\n\"\360\237\230\200 \342\200\250 \377\",1\n\"q\"\"\\\\\",2\n" >evil/y.csv
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" height=\"20\"><script>parent.document.title=3</script><rect width=\"20\" height=\"20\"/></svg>" >evil/z.svg
	$DV plots show --title "<script>document.title=4</script>&amp;" -o evil.html evil/x.csv evil/y.csv evil/z.svg >out
	[ "$(grep -o "</script" evil.html | wc -l)" = 2 ]
	[ "$(grep -o "<script" evil.html | wc -l)" = 2 ]
	[ "$(grep -o "<!--" evil.html | wc -l)" = 0 ]
	$DV plots show --json evil/x.csv evil/y.csv >out.json
	python3 - <<EOF
import json
d = json.load(open("out.json", encoding="utf-8"))
x, y = d["plots"]
assert x["content"]["data"]["values"][0]["x"] == 0 and x["content"]["encoding"]["y"]["title"].startswith("</script>")
EOF
'

test_case 'a link does not lead out of the workspace' '
	printf "a,b\n1,secret\n" >"$TEST_DIR/secret.csv"
	ln -s "$TEST_DIR/secret.csv" leak.csv
	ln -s .git/config own.csv
	ln -s bare.csv fine.csv
	ln -s "$TEST_DIR" all
	must_fail 2 $DV plots show --json all/secret.csv 2>err
	cp dv.yaml keep && echo "plots: [all/secret.csv, leak.csv, own.csv]" >dv.yaml
	must_fail 3 $DV plots show --json >out.json 2>err
	mv keep dv.yaml
	[ "$(grep -c "leads out of the workspace" err)" = 3 ]
	lacks out.json secret\"
	lacks out.json repositoryformat
	$DV plots show --json fine.csv >out.json
	must_fail 3 $DV metrics show leak.csv 2>err
	rm leak.csv own.csv fine.csv all
'

if [ -n "$chromium" ]; then
	test_case 'the page draws itself in Chromium' '
		$DV plots diff v1 >out
		in_browser dv-plots.html >dom
		contains dom "data-drawn=\"yes\""
		python3 - <<EOF
import re
dom = open("dom", encoding="utf-8").read()
body = dom.split("<body")[1]
drawn = re.sub("<script.*?</script>", "", body, flags=re.S)
assert len(re.findall("<section", drawn)) == 9, len(re.findall("<section", drawn))
assert len(re.findall("<polyline", drawn)) >= 8
assert len(re.findall("<img", drawn)) == 2
assert "NaN" not in re.sub("<text.*?</text>", "", drawn), "a place that is no number"
assert "Receiver operating characteristic" in drawn and "eval/test.json" in drawn
EOF
		picture dv-plots.html "$TEST_DIR/plots.png"
	'
	test_case 'the mouse is answered' '
		# A copy whose policy lets this test move the mouse.
		grep -v "Content-Security-Policy" dv-plots.html >moved.html
		cat >>moved.html <<EOF
<script>
const svg = document.querySelectorAll("section")[0].querySelector("svg");
const box = svg.getBoundingClientRect();
svg.dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + 100, clientY: box.top + 100 }));
document.body.dataset.tip = document.querySelector(".tip").textContent.replace(/\\n/g, " / ");
document.querySelectorAll(".legend button")[0].click();
document.body.dataset.hidden = document.querySelectorAll("g.series")[0].style.display;
</script>
EOF
		in_browser moved.html >dom
		grep -oE "data-(tip|hidden)=\"[^\"]*\"" dom >seen
		grep -qE "data-tip=\"revision: (v1|workspace) / epoch: [0-9]+ / the loss: [-0-9.]+\"" seen
		contains seen "data-hidden=\"none\""
	'
	test_case 'nothing of the data runs in Chromium' '
		in_browser evil.html >dom
		contains dom "data-drawn=\"yes\""
		contains dom "<title>Plots</title>"
		lacks dom "<img src=\"x\""
		contains dom "&lt;script&gt;document.title=4&lt;/script&gt;&amp;amp;"
	'
else
	echo "# SKIP: there is no Chromium here: the page is not opened in one"
fi

test_case 'with nothing to draw no page is written' '
	rm -rf ../bare && mkdir ../bare && cd ../bare && git init -q . && $DV init -q
	$DV plots show >out 2>err; contains err "nothing to draw"
	[ ! -e dv-plots.html ]; [ ! -s out ]
'

done_testing
