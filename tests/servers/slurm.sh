#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Slurm on loopback: munged, slurmctld and two nodes (slurmd) on this machine, without accounting
# and cgroups; jobs really run. Debian: slurmctld, slurmd, slurm-client, munge; needs root.
# SLURM_CONF is what its programs need. A node is lost when its slurmd is killed: its number is in
# SLURM_NODES/n1.pid, and 'slurm.sh node DIR n1' starts it again; so it is with the controller, ctld.
. "$(dirname "$0")/common.sh"
PATH=$PATH:/usr/sbin:/sbin

settings() {
	local host=$1
	cat <<EOT
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$DIR/run/munge.socket
CredType=cred/munge
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool-%n
SlurmctldPidFile=$DIR/run/ctld.self
SlurmdPidFile=$DIR/run/slurmd-%n.self
SlurmctldLogFile=$DIR/log/ctld.log
SlurmdLogFile=$DIR/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MinJobAge=30
InactiveLimit=0
OverTimeLimit=0
KillWait=3
SlurmdTimeout=5
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 1)) CPUs=2 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname=$host Port=$((PORT + 2)) CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
EOT
}

# A machine where it cannot run, such as a container that forbids it something, is one without it.
complain() {
	echo "$SERVER: $*" >&2
	tail -n 8 "$DIR"/log/* >&2 2>/dev/null
	stop
	exit 77
}

both_idle() {
	[ "$(sinfo -h -o %T -t idle -N 2>/dev/null | grep -c idle)" = 2 ]
}

start_node() {
	export SLURM_CONF=$DIR/slurm.conf
	[ "$1" != ctld ] || { spawn ctld slurmctld -D -f "$SLURM_CONF"; return; }
	spawn "$1" slurmd -D -N "$1" -f "$SLURM_CONF"
}

start_server() {
	need slurmctld slurmd sbatch squeue scancel munged
	[ "$(id -u)" = 0 ] || {
		echo "$SERVER: only root can run slurmd" >&2
		exit 77
	}
	pick_ports 3
	mkdir -p "$DIR/state" "$DIR/spool-n1" "$DIR/spool-n2" "$DIR/munge"
	chmod 755 "$DIR"
	chmod 711 "$DIR/munge"
	head -c 1024 /dev/urandom >"$DIR/munge/key"
	chmod 400 "$DIR/munge/key"
	settings "$(hostname -s)" >"$DIR/slurm.conf"
	printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\n' \
		>"$DIR/cgroup.conf"
	spawn munged munged -F --force --key-file="$DIR/munge/key" \
		--socket="$DIR/run/munge.socket" --pid-file="$DIR/munge/pid" \
		--log-file="$DIR/log/munged.log" --seed-file="$DIR/munge/seed"
	await munged test -S "$DIR/run/munge.socket"
	export SLURM_CONF=$DIR/slurm.conf
	spawn ctld slurmctld -D -i -f "$SLURM_CONF"
	start_node n1
	start_node n2
	await ctld both_idle
	say "SLURM_CONF=$DIR/slurm.conf" "SLURM_NODES=$DIR/run" "SLURM_DIR=$DIR"
}

if [ "${1:-}" = node ] && [ $# = 3 ]; then
	DIR=$2
	start_node "$3"
	exit 0
fi
main "$@"
