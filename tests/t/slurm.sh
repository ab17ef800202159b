#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Stages as jobs of Slurm: on two nodes, lost, canceled, killed and found again.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=../servers/use.sh
. "$TEST_SOURCE/servers/use.sh"

# Used in the test cases.
# shellcheck disable=SC2034
q="'"

# fresh NAME: a new repository to work in.
fresh() { rm -rf "$1" && mkdir "$1" && cd "$1" && git init -q . && $DV init -q; }

# save: everything is committed.
save() { git add -A && git commit -q -m save; }

# repro ARGUMENT...: runs it, its talk goes to talk and err.
repro() { $DV repro "$@" >"talk" 2>err || { cat "talk" err; return 1; }; }

# states STAGE: how its runs ended, the newest first.
states() { $DV runs ls | awk -v s="$1" '$NF == s { print $4 }' | paste -sd' '; }

# until_true COMMAND...: waits for it, for 30 s.
until_true() {
	local i
	for ((i = 0; i < 300; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "never true: $*" >&2
	return 1
}

# nothing_left: no job has a folder or a result.
nothing_left() {
	[ -z "$(find .git/dv/jobs-* -mindepth 1 ! -name "done" -print -quit)" ] || {
		find .git/dv/jobs-*
		return 1
	}
}

test_case 'what resources must be, with the place' '
	fresh a
	say() { printf "stages:\n  s:\n    cmd: echo\n    always_changed: true\n    %s\n" "$1" >dv.yaml; }
	wrong() { say "$1"; must_fail 2 $DV repro 2>err; contains err "$2"; contains err "dv.yaml:5:"; }
	wrong "executor: cloud" "there is no executor ${q}cloud${q}"
	wrong "executor: 3" "${q}executor${q} is a number"
	wrong "resources: 3" "a dict is expected"
	wrong "resources: {cpu: 3}" "${q}cpu${q}"
	for bad in 0 -1 1.5 many true; do wrong "resources: {cpus: $bad}" "a number from 1"; done
	for bad in 4 4GB G "\"4 G\"" "\"4G;ls\""; do wrong "resources: {mem: $bad}" "a size such as"; done
	for bad in -1 x "\"a:b\"" "\":1\""; do wrong "resources: {gpus: $bad}" "${q}gpus${q}"; done
	for bad in 0 soon "\"1:2:3:4\"" "\"1-\"" "\"1 \""; do wrong "resources: {time: $bad}" "minutes,"; done
	for bad in 3 "\"\"" "\"a b\"" "\"-x\"" "\"a;b\""; do wrong "resources: {partition: $bad}" "the name of a partition"; done
	wrong "resources: {sbatch: --exclusive}" "a list of options"
	wrong "resources: {sbatch: [3]}" "a list of options"
	for bad in -x evil.sh -- "\"--\"" "\"--Wrap=ls\""; do wrong "resources: {sbatch: [$bad]}" "is no option of sbatch"; done
	for bad in --wrap=ls --wra=ls --array=1-3 --output=x --chdir=/ --wait -- ; do
		[ $bad = -- ] || wrong "resources: {sbatch: [$bad]}" "is for dv to say"
	done
	wrong "retry: -1" "${q}retry${q}"
	say "resources: {cpus: 2, mem: 1G, gpus: \"a100:1\", time: \"1-12:30\", partition: \"a,b\", sbatch: [--exclusive, --constraint=x]}"
	repro
	must_fail 129 $DV repro --executor cloud 2>err
	contains err "there is no executor"
'

# Programs that stand for Slurm's: the job runs at once, and what it says can be forged.
mkdir "$TEST_DIR/fake"
cat >"$TEST_DIR/fake/sbatch" <<'EOT'
#!/bin/bash
printf '%s\n' "$@" >"$FAKE/argv"
for dir; do :; done
n=$(($(cat "$FAKE/n" 2>/dev/null || echo 0) + 1)); echo $n >"$FAKE/n"
if [ -s "$FAKE/silent" ]; then
	sed -i 1d "$FAKE/silent"
	echo "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)" >&2
	exit 1
fi
[ ! -e "$FAKE/kill" ] || { rm "$FAKE/kill"; kill -9 $PPID; exit 1; }
[ -z "${FAKE_DIE:-}" ] || { echo "sbatch: error: invalid partition specified" >&2; exit 1; }
( SLURM_JOB_ID=$n SLURMD_NODENAME=fake sh "${@: -3}" >"$dir/slurm.out" 2>&1
[ -z "${FAKE_EDIT:-}" ] || sed -i "$FAKE_EDIT" "$dir/../done/$(basename "$dir")" ) </dev/null >/dev/null 2>&1
echo $n
EOT
cat >"$TEST_DIR/fake/squeue" <<'EOT'
#!/bin/bash
[ -s "$FAKE/silent" ] || exit 0
sed -i 1d "$FAKE/silent"
echo "slurm_load_jobs error: Unable to contact slurm controller (connect failure)" >&2
exit 1
EOT
printf '#!/bin/sh\nexit 0\n' >"$TEST_DIR/fake/scancel"
chmod +x "$TEST_DIR"/fake/*
export FAKE=$TEST_DIR/fake

test_case 'a job gets its options as they are, and nothing of the workspace is touched before it ends' '
	PATH=$FAKE:$PATH
	fresh f
	cat >dv.yaml <<EOT
executor: slurm
resources: {cpus: 1, partition: main}
stages:
  s:
    cmd: "cat in >out; echo said; pwd >where; echo \$DV_STAGE \$DV_ROOT >>where; git rev-parse HEAD >>where"
    deps: [in]
    outs: [out]
    metrics: [{where: {cache: false}}]
    resources: {cpus: 3, mem: 1G, sbatch: ["--comment=a b;\$(ls)", --exclusive]}
EOT
	echo in >in; echo mine >out
	save
	git rm -q --cached out; git commit -q -m less
	repro
	contains "$FAKE/argv" "--cpus-per-task=3"
	contains "$FAKE/argv" "--mem=1G"
	contains "$FAKE/argv" "--partition=main"
	grep -qx -e "--comment=a b;\$(ls)" "$FAKE/argv"
	grep -qx -e "--exclusive" "$FAKE/argv"
	grep -qx -e "--no-requeue" "$FAKE/argv"
	same in out
	contains where "dv-job-"; contains where "$(git rev-parse HEAD)"
	lacks where "$PWD"
	contains talk said
	[ "$(cat .git/dv/saved/*)" = mine ]
	[ "$(states s)" = COMPLETE ]
	nothing_left
	repro; contains talk "Everything is up to date."
	[ "$(cat "$FAKE/n")" = 1 ]
	[ -z "$(ls -d "$TMPDIR"/dv-job-* 2>/dev/null)" ]
'

test_case 'uncommitted files that a stage names, in a repository in a folder of another' '
	PATH=$FAKE:$PATH
	mkdir g && git -C g init -q . && echo top >g/top && git -C g add top && git -C g commit -q -m top
	mkdir g/sub && cd g/sub && $DV init -q --subdir
	mkdir deep && echo 1 >deep/x && ln -s x deep/link && echo tracked >code
	$DV add -q deep; save
	echo changed >code; echo 2 >deep/y; $DV add -q deep
	printf "p: {q: 7}\n" >params.yaml
	cat >dv.yaml <<EOT
stages:
  s:
    cmd: mkdir -p o/e && cat code params.yaml ../../top deep/y >o/all && cp -P deep/link o/ && echo "#!" >o/run && chmod +x o/run
    wdir: .
    deps: [code, deep]
    params: [p.q]
    outs: [o, keep: {persist: true}]
EOT
	sed -i "s,../../top,../top,; s,&& chmod,\&\& cat old >>keep \&\& chmod," dv.yaml
	sed -i "s,deps: .*,deps: [code\, deep\, old]," dv.yaml
	echo one >old; echo zero >keep
	repro --executor slurm
	printf "changed\np: {q: 7}\ntop\n2\n" | cmp - o/all
	[ -x o/run ] && [ -d o/e ] && [ "$(readlink o/link)" = x ]
	printf "zero\none\n" | cmp - keep
	repro --executor slurm; contains talk "Everything is up to date."
	echo "*.tmp" >.dvignore; echo mine >o/x.tmp
	echo two >old; repro --executor slurm
	[ "$(cat o/x.tmp)" = mine ]; rm o/x.tmp
	printf "zero\none\ntwo\n" | cmp - keep
	cp -a o ../o1; cp keep ../keep1
	rm -rf o; printf "zero\none\n" >keep; repro -f --executor local --no-run-cache
	same o ../o1; same keep ../keep1
'

test_case 'without git' '
	PATH=$FAKE:$PATH
	mkdir h && cd h && $DV init -q --no-scm
	echo x >in; echo "stages: {s: {cmd: cp in out, deps: [in], outs: [out], executor: slurm}}" >dv.yaml
	repro; same in out
	[ -z "$(ls .dv/jobs-*/* | grep -v done)" ]
'

test_case 'what a job says is not believed' '
	PATH=$FAKE:$PATH
	fresh k
	echo "stages: {s: {cmd: date +%N >out, outs: [out], executor: slurm}}" >dv.yaml; save
	oid=$(printf "%064d" 0)
	export FAKE_EDIT="s/\"oid\":\"[0-9a-f]*\"/\"oid\":\"$oid\"/"
	must_fail 2 $DV repro 2>err; contains err "not in the cache"; [ ! -e out ] && [ ! -e dv.lock ]
	empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
	FAKE_EDIT="s/\"oid\":\"[0-9a-f]*\"/\"oid\":\"$empty\"/"
	must_fail 2 $DV repro 2>err; contains err "is of another run"; [ ! -e out ]
	FAKE_EDIT="s,\"path\":\"out\",\"path\":\"../out\","; must_fail 2 $DV repro 2>err; contains err "is not inside the workspace"
	FAKE_EDIT="s,\"path\":\"out\",\"path\":\"dv.yaml\","; must_fail 2 $DV repro 2>err; contains err "says nothing of ${q}out${q}"
	FAKE_EDIT="s,\"path\":\"out\",\"path\":\".git/x\","; must_fail 2 $DV repro 2>err; contains err "folder of git"
	FAKE_EDIT="s,\"run\":\"[0-9a-f]*\",\"run\":\"$empty\","; must_fail 2 $DV repro 2>err
	FAKE_EDIT="s/.*/[/"; must_fail 2 $DV repro 2>err
	FAKE_EDIT="s/COMPLETE/DONE/"; must_fail 2 $DV repro 2>err; contains err "is no state"
	[ "$(states s)" = "FAILED FAILED FAILED FAILED FAILED FAILED FAILED FAILED" ]
	unset FAKE_EDIT; repro; [ -s out ]; nothing_left
	$DV fsck >/dev/null
'

test_case 'what cannot be submitted, and what jobs cannot do' '
	PATH=$FAKE:$PATH
	fresh l
	echo "stages: {s: {cmd: echo x >out, outs: [out], executor: slurm}}" >dv.yaml; save
	export FAKE_DIE=1
	must_fail 2 $DV repro 2>err
	contains err "cannot submit the stage ${q}s${q}: sbatch: error: invalid partition specified"
	nothing_left
	unset FAKE_DIE
	must_fail 2 $DV repro --no-commit 2>err; contains err "leave ${q}--no-commit${q} out"
	must_fail 2 $DV repro --trace 2>err; contains err "cannot be traced"
	mkdir bin; for p in git sh; do ln -s "$(command -v $p)" bin/; done
	( PATH=$PWD/bin; must_fail 2 $DV repro 2>err )
	contains err "there is no ${q}sbatch${q}"
	repro --executor local; [ -e out ]
	must_fail 129 $DV exec 2>err
	must_fail 2 $DV exec no 2>err
	mkdir job; echo "{\"schema\":1}" >job/job.json; must_fail 12 $DV exec job 2>err
'

test_case 'jobs wait while nobody takes them, also those that a killed run was about to submit' '
	PATH=$FAKE:$PATH
	fresh m
	cat >dv.yaml <<EOT
stages:
  s:
    foreach: [a, b]
    do: {cmd: "echo \${item} >\${item}", outs: ["\${item}"], executor: slurm}
EOT
	save
	n=$(cat "$FAKE/n")
	seq 2 >"$FAKE/silent"
	repro
	[ "$(cat a b)" = "a
b" ]
	[ "$(grep -c "takes no jobs" err)" = 1 ]; contains err "${q}s@b${q} is to be a job"
	[ "$(states s@a) $(states s@b)" = "COMPLETE COMPLETE" ]
	[ "$(cat "$FAKE/n")" = $((n + 3)) ]
	nothing_left
	sed -i "s/echo/echo x/" dv.yaml
	touch "$FAKE/kill"; code=0; $DV repro s@a >/dev/null 2>&1 || code=$?; [ $code = 137 ]
	seq 2 >"$FAKE/silent"
	repro s@a
	[ "$(cat a)" = "x a" ]; contains err "takes no jobs"
	nothing_left
	sed -i "s/echo x/echo y/" dv.yaml
	seq 99 >"$FAKE/silent"; rm err
	$DV repro s@a >/dev/null 2>err & pid=$!
	until_true grep -q "takes no jobs" err
	kill -INT $pid; code=0; wait $pid || code=$?; [ $code = 130 ]
	rm "$FAKE/silent"
	[ "$(states s@a)" = "CANCELED COMPLETE COMPLETE" ]
	nothing_left
'

test_case 'doctor looks at what stages run with' '
	PATH=$FAKE:$PATH
	cd m
	$DV doctor >out; contains out "2 stages in 1 file"; contains out "its controller answers"; contains out "slurm jobs: "
	echo >"$FAKE/silent"
	must_fail 1 $DV doctor >out; contains out "Unable to contact slurm controller"; contains out "scontrol ping"
	rm "$FAKE/silent"
	mkdir bin; for p in git sh; do ln -s "$(command -v $p)" bin/; done
	( PATH=$PWD/bin; must_fail 1 $DV doctor >out )
	contains out "there is no ${q}sbatch${q}"
	sed -i "s/executor: slurm/executor: local/" dv.yaml
	$DV doctor >out; lacks out "slurm"
	sed -i "s/outs/out/" dv.yaml
	must_fail 1 $DV doctor >out; contains out "dv.yaml:4:"
'

need_server slurm
export SLURM_CONF

test_case 'what somebody writes to outputs while a job runs is kept' '
	fresh mean
	printf "stages:\n  s:\n    cmd: until [ -e %s/go ]; do sleep 0.1; done; echo x >>keep/log; echo y >o\n    outs: [o, keep: {persist: true}]\n" "$PWD" >dv.yaml
	mkdir keep && echo start >keep/log
	$DV repro --executor slurm >talk 2>&1 & pid=$!
	until_true grep -q "is job" talk
	echo mine >keep/mine && echo mine >o
	touch go && wait "$pid"
	[ "$(cat o)" = y ] && [ "$(paste -sd, keep/log)" = start,x ]
	[ "$(grep -rlx mine .git/dv/saved | wc -l)" = 2 ]
	[ "$(grep -c "is saved as" talk)" = 2 ]
'

test_case 'a wide group runs on both nodes at once, byte for byte as here' '
	fresh w
	mkdir in "$TEST_DIR/meet"; for i in 1 2 3 4; do seq $i 1000 >in/$i; done
	cat >work.sh <<EOT
sort -r in/\$1 >out/\$1
mkdir dir/\$1 && cp in/\$1 dir/\$1/ && ln -s \$1 dir/\$1/link && mkdir dir/\$1/empty
echo "\$1 on \$SLURMD_NODENAME"
# Each waits until there is one on either node.
touch $TEST_DIR/meet/\$SLURMD_NODENAME
for i in \$(seq 200); do
	[ -e $TEST_DIR/meet/n1 ] && [ -e $TEST_DIR/meet/n2 ] && exit 0
	sleep 0.1
done
exit 1
EOT
	cat >dv.yaml <<EOT
stages:
  up:
    foreach: [1, 2, 3, 4]
    do:
      cmd: sh work.sh \${item}
      deps: ["in/\${item}", work.sh]
      outs: ["out/\${item}", "dir/\${item}"]
      executor: slurm
      resources: {cpus: 1, mem: 50M, time: 5}
  all:
    cmd: cat out/1 out/2 out/3 out/4 >all
    deps: [out/1, out/2, out/3, out/4]
    outs: [all]
EOT
	sed -i "s,^sort,mkdir -p out dir; sort," work.sh
	save
	repro
	contains talk "on n1"; contains talk "on n2"
	[ "$(states up@1)" = COMPLETE ]
	nothing_left
	$DV lineage all >tree
	for i in 1 2 3 4; do contains tree "up@$i"; done
	run=$($DV runs ls | awk "/up@1\$/ { print \$1 }")
	$DV runs log $run | grep -q "1 on n[12]"
	$DV lineage verify all
	git clone -q . ../w2; cd ../w2
	touch "$TEST_DIR/meet/n1" "$TEST_DIR/meet/n2"
	$DV repro -q --executor local
	for i in 1 2 3 4; do same out/$i ../w/out/$i; same dir/$i ../w/dir/$i; done
	same all ../w/all
	cd ../w; repro; contains talk "Everything is up to date."
'

test_case 'a stage that fails is run again where it says so, and its runs are told' '
	fresh r
	mkdir -p "$TEST_DIR/shared"
	cat >dv.yaml <<EOT
executor: slurm
stages:
  s:
    cmd: "echo try >>$TEST_DIR/shared/tries; test \$(wc -l <$TEST_DIR/shared/tries) -ge 3 && echo x >out"
    outs: [out]
    retry: 2
  bad: {cmd: exit 7, outs: [no]}
EOT
	save
	repro s
	[ "$(states s)" = "COMPLETE FAILED FAILED" ]
	[ "$(grep -c "is run again" err)" = 2 ]
	must_fail 2 $DV repro bad 2>err
	contains err "the stage ${q}bad${q} failed with exit status 7"
	[ "$(states bad)" = FAILED ]
	echo "stages: {s: {cmd: ls, outs: [no], executor: slurm}}" >dv.yaml
	must_fail 2 $DV repro 2>err
	contains err "did not make ${q}no${q}"
	nothing_left
'

# jobs: the numbers of all jobs of Slurm that are not over.
jobs() { squeue -h -o %i; }
no_jobs() { [ -z "$(jobs)" ]; }
begun() { grep -q begun .git/dv/jobs-*/*/log 2>/dev/null; }
running() { [ -n "$(squeue -h -t R -o %i)" ] && ls .git/dv/jobs-*/*/started >/dev/null 2>&1; }

test_case 'a job that somebody cancels' '
	fresh c
	echo "stages: {s: {cmd: \"echo begun; sleep 60\", outs: [out], executor: slurm, retry: 3}}" >dv.yaml; save
	$DV repro >out.txt 2>err & pid=$!
	until_true begun
	scancel $(jobs)
	code=0; wait $pid || code=$?
	[ $code = 2 ]
	contains err "the job of the stage ${q}s${q} was canceled"
	[ "$(states s)" = CANCELED ]
	contains out.txt begun
	nothing_left; until_true no_jobs
	[ ! -e dv.lock ] && [ -z "$(ls -d "$TMPDIR"/dv-job-* 2>/dev/null)" ]
'

test_case 'Ctrl-C ends the jobs and says so' '
	cd c
	$DV repro >out.txt 2>err & pid=$!
	until_true begun
	kill -INT $pid
	code=0; wait $pid || code=$?
	[ $code = 130 ]
	contains err "interrupted"
	[ "$(states s)" = "CANCELED CANCELED" ]
	nothing_left; until_true no_jobs
'

test_case 'a job waits for its turn, and is canceled before it began' '
	cd c
	sed -i "s/executor: slurm/executor: slurm, resources: {sbatch: [--begin=now+1hour]}/" dv.yaml
	$DV repro >out.txt 2>err & pid=$!
	until_true eval "[ -n \"\$(jobs)\" ]"
	scancel $(jobs)
	code=0; wait $pid || code=$?
	[ $code = 2 ]
	[ "$(states s)" = "CANCELED CANCELED CANCELED" ]
	nothing_left
'

test_case 'a job at its time limit' '
	fresh t
	echo "stages: {s: {cmd: \"echo begun; sleep 300\", outs: [out], executor: slurm, resources: {time: 10}}}" >dv.yaml; save
	$DV repro >out.txt 2>err & pid=$!
	until_true begun
	scontrol update JobId=$(jobs) EndTime=now+1
	code=0; wait $pid || code=$?
	[ $code = 2 ]
	contains err "reached its time limit"
	[ "$(states s)" = FAILED ]
	nothing_left
'

test_case 'killed and started again, repro finds its jobs and goes on' '
	fresh x
	mkdir "$TEST_DIR/shared2"
	cat >dv.yaml <<EOT
executor: slurm
stages:
  s:
    foreach: [a, b, c]
    do:
      cmd: "echo \${item} >>$TEST_DIR/shared2/runs; sleep 2; echo \${item} >\${item}"
      outs: ["\${item}"]
  all: {cmd: cat a b c >all, deps: [a, b, c], outs: [all]}
EOT
	save
	$DV repro >out.txt 2>err & pid=$!
	until_true running
	until_true eval "[ \$(ls .git/dv/jobs-*/*/submitted | wc -l) = 3 ]"
	kill -9 $pid; wait $pid || true
	repro
	[ "$(grep -c "which was submitted before" err)" = 3 ]
	[ "$(sort "$TEST_DIR/shared2/runs" | paste -sd" ")" = "a b c" ]
	[ "$(cat all)" = "a
b
c" ]
	for i in a b c; do [ "$(states s@$i)" = COMPLETE ]; done
	nothing_left
	# And when they ended in the meantime.
	rm -f "$TEST_DIR/shared2/runs"
	$DV repro -f >out.txt 2>err & pid=$!
	until_true eval "[ \$(ls .git/dv/jobs-*/*/submitted | wc -l) = 3 ]"
	kill -9 $pid; wait $pid || true
	until_true no_jobs
	repro -f
	[ "$(grep -c "which was submitted before" err)" = 3 ]
	[ "$(sort "$TEST_DIR/shared2/runs" | paste -sd" ")" = "a b c" ]
	nothing_left
'

test_case 'a job that was left and whose stage changed is ended and told of' '
	fresh y
	echo "stages: {s: {cmd: \"sleep 60; echo 1 >out\", outs: [out], executor: slurm}}" >dv.yaml; save
	$DV repro >out.txt 2>err & pid=$!
	until_true running
	kill -9 $pid; wait $pid || true
	old=$(jobs)
	sed -i "s/sleep 60/true/" dv.yaml
	repro
	[ "$(cat out)" != "" ]; lacks err "submitted before"
	[ "$(states s)" = "COMPLETE CANCELED" ]
	until_true no_jobs
	nothing_left
'

# left: 'dv repro' was killed while the job of the one stage ran.
left() {
	$DV repro >out.txt 2>err & pid=$!
	until_true running
	kill -9 $pid; wait $pid || true
}

test_case 'a job that was left and whose stage is gone, or was run elsewhere' '
	fresh v
	printf "stages:\n  s: {cmd: \"sleep 60; echo 1 >out\", outs: [out], executor: slurm}\n" >dv.yaml; save
	left
	echo "stages: {t: {cmd: echo 1 >other, outs: [other]}}" >dv.yaml
	repro --dry; [ -n "$(jobs)" ]
	repro
	contains err "which nothing here needs any more, was canceled"
	[ "$(states s)" = CANCELED ]
	nothing_left; until_true no_jobs
	repro; lacks err "job"
	git checkout -q dv.yaml; sed -i "s/sleep 60/sleep 1/" dv.yaml
	left
	until_true no_jobs
	$DV repro -q --executor local -s s 2>err; contains err "submitted before" || contains err "had ended"
	[ "$(cat out)" = 1 ]
	nothing_left
	sed -i "s/sleep 1/sleep 2/" dv.yaml
	left
	until_true no_jobs
	echo "stages: {t: {cmd: echo 1 >other, outs: [other]}}" >dv.yaml
	repro
	contains err "had ended"
	[ "$(states s | cut -d" " -f1)" = COMPLETE ]
	nothing_left
'

test_case 'the controller is started again while repro runs' '
	fresh u
	echo "stages: {s: {cmd: echo 1 >out, outs: [out], executor: slurm}}" >dv.yaml; save
	rm -f err; kill "$(cat "$SLURM_NODES/ctld.pid")"
	$DV repro >out.txt 2>err & pid=$!
	until_true grep -q "takes no jobs" err
	"$TEST_SOURCE/servers/slurm.sh" node "$SLURM_DIR" ctld
	wait $pid
	[ "$(cat out)" = 1 ] && [ "$(states s)" = COMPLETE ]
	nothing_left
'

test_case 'a job that was left and canceled meanwhile is told of and run again' '
	fresh z
	mkdir "$TEST_DIR/shared3"
	cat >dv.yaml <<EOT
stages: {s: {cmd: "test -e $TEST_DIR/shared3/x || sleep 60; echo 1 >out", outs: [out], executor: slurm}}
EOT
	save
	$DV repro >out.txt 2>err & pid=$!
	until_true running
	kill -9 $pid; wait $pid || true
	scancel $(jobs); touch "$TEST_DIR/shared3/x"
	until_true no_jobs
	repro
	[ "$(states s)" = "COMPLETE CANCELED" ]
	nothing_left
'

test_case 'killed at changes of the disk, the end is the same' '
	fresh d
	echo "stages: {s: {cmd: \"cat in >out\", deps: [in], outs: [out], executor: slurm}}" >dv.yaml; echo in >in; save
	cd ..
	for n in 3 7 11 14 17 20 23 27 32 38 45; do
		rm -rf d1; cp -a d d1; cd d1
		DV_FAULT=die:$n $DV repro >/dev/null 2>&1 || true
		repro
		same in out
		[ "$(states s | tr " " "\n" | sort -u)" = COMPLETE ]
		nothing_left
		$DV repro >out.txt 2>err; contains out.txt "Everything is up to date."
		cd ..
	done
'

test_case 'a node that is lost: its job is run again on the other one' '
	fresh n
	mkdir "$TEST_DIR/shared4"
	cat >dv.yaml <<EOT
stages:
  s:
    cmd: "echo \$SLURMD_NODENAME >>$TEST_DIR/shared4/nodes; test -e $TEST_DIR/shared4/again || sleep 100; echo x >out"
    outs: [out]
    executor: slurm
    retry: 1
EOT
	save
	$DV repro >out.txt 2>err & pid=$!
	until_true test -s "$TEST_DIR/shared4/nodes"
	node=$(cat "$TEST_DIR/shared4/nodes"); touch "$TEST_DIR/shared4/again"
	# As when the power goes: nothing of it says a word.
	id=$(basename "$(ls -d .git/dv/jobs-*/*/ | grep -v done)")
	daemon=$(cat "$SLURM_NODES/$node.pid")
	steps=$(pgrep -f "slurmstepd: \[$(jobs)") || true
	exec=$(pgrep -f "exec .*/$id\$")
	kill -9 $daemon $steps $exec
	code=0; wait $pid || code=$?
	[ $code = 0 ] || { cat err; scontrol show job; sinfo; exit 1; }
	[ "$(states s)" = "COMPLETE FAILED" ]
	contains err "was lost with its node ($node)"
	[ "$(sort -u "$TEST_DIR/shared4/nodes" | wc -l)" = 2 ]
	nothing_left
'

done_testing
