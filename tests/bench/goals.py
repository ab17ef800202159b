# SPDX-License-Identifier: Apache-2.0
"""Every goal that dv was given, as data, and how a session's figures are held against it.

A goal compares within one session: where dv and its peer were not measured in the same session,
it is not measured. `ours` and `theirs` are (tool, operation, field).
"""
import statistics
from dataclasses import dataclass

import pipelines

MB, MIB = 1e6, 2**20
DATA = dict(random=2**31, icons=110 * MB, table=750 * MB)  # bytes that the goals are about
SERIES = ("countries", "runways", "legislators", "regioni", "states_sqlite")

WORDS = dict(own="{} without git's part", total="{} of all versions", bytes="{}, bytes kept",
             stored="{}, space on disk", cpu="{}, processor time")


@dataclass
class Goal:
    work: str
    ours: tuple
    theirs: tuple = None    # absent: an absolute limit
    faster: float = None    # theirs / ours at least
    most: float = None      # ours / theirs at most; without theirs: ours at most, in unit
    unit: tuple = ("s", 1)

    def text(self):
        tool, op, field = self.ours
        what = WORDS.get(field, "{}").format(op if op != "repack" else "all versions")
        if tool != "dv":
            what = f"{tool}: {what}"
        if not self.theirs:
            return f"{what}: at most {self.most:g} {self.unit[0]}"
        peer = self.theirs[1] if self.theirs[0] in ("limit", tool) else self.theirs[0]
        if self.faster:
            n = f"{self.faster:g} times " if self.faster != 1 else ""
            return f"{what}: at least {n}as fast as {peer}"
        n = f"{self.most:g} times " if self.most != 1 else ""
        return f"{what}: at most {n}{peer}"


def first_goals():
    def times(work, op, peer, n, field="wall"):
        return Goal(work, ("dv", op, field), (peer, op, field), faster=n)

    def within(work, op, limit, n=1):
        return Goal(work, ("dv", op, "wall"), ("limit", limit, "wall"), most=n)

    def stored(work, op, mb, field="stored"):
        return Goal(work, ("dv", op, field), most=mb, unit=("MB", MB))

    yield times("icons", "add", "dvc", 20)
    yield times("icons", "add", "restic", 4)
    yield within("icons", "status", "find -ls")
    yield within("icons", "status", "git status")
    yield times("icons", "status", "dvc", 20)
    yield within("icons", "checkout", "cp")
    yield times("icons", "checkout", "dvc", 7)
    yield times("icons", "push", "dvc", 20)
    yield times("icons", "pull", "dvc", 15)
    yield Goal("icons", ("dv", "push again", "wall"), most=0.1)
    yield times("random", "add", "dvc", 4)
    yield within("random", "add", "sha256", 2)
    yield stored("random", "add edited", 40)
    yield times("random", "add edited", "borg", 3)
    yield times("random", "checkout", "dvc", 1.5)
    yield times("random", "push", "dvc", 2)
    yield times("random", "pull", "dvc", 2)
    yield times("table", "add", "dvc", 2)
    yield times("table", "add", "borg", 2)
    yield stored("table", "add", 260)
    yield times("table", "checkout", "dvc", 1)
    for s in SERIES:
        for peer in ("restic", "borg", "git-lfs"):
            yield Goal(f"series {s}", ("dv", "add", "bytes"), (peer, "add", "bytes"), most=1)
    yield Goal("million", ("dv", "status", "wall"), most=2)
    yield Goal("startup", ("dv", "version", "wall"), most=5, unit=("ms", 1e-3))
    yield Goal("startup", ("dv", "status", "wall"), most=15, unit=("ms", 1e-3))


def delta_goals():
    for s in SERIES:
        work = f"series {s}"
        gc = ("git gc", "repack", "bytes")
        yield Goal(work, ("dv", "add", "bytes"), gc, most=2.5)
        yield Goal(work, ("dv repacked", "repack", "bytes"), gc, most=1.2)
        yield Goal(work, ("dv", "add", "total"), ("restic", "add", "total"), faster=1)
        last = ("dv plain", "checkout last", "own")
        yield Goal(work, ("dv", *last[1:]), last, faster=0.25)
        yield Goal(work, ("dv repacked", *last[1:]), last, faster=0.8)
    for work in ("random", "table"):
        for op in ("add", "add edited"):
            yield Goal(work, ("dv", op, "wall"), ("dv plain", op, "wall"), most=1.3)
    yield Goal("unlike", ("dv", "add other", "cpu"), ("dv plain", "add other", "cpu"), most=1.03)
    yield Goal("table", ("dv", "add", "stored"), most=237, unit=("MB", MB))
    yield Goal("icons", ("dv", "add", "stored"), most=57, unit=("MB", MB))


def remote_goals():
    def times(work, op, peer, n):
        return Goal(work, ("dv", op, "wall"), (peer, op, "wall"), faster=n)

    for peer in ("dvc", "aws s3 cp"):
        yield times("icons s3", "push", peer, 50)
    yield times("icons ssh", "push", "dvc", 50)
    yield times("icons s3", "pull", "dvc", 20)
    yield times("icons ssh", "pull", "dvc", 20)
    for work in ("icons", "table", "random"):
        # ssh alone takes longer to log in.
        yield Goal(f"{work} s3", ("dv", "push again", "wall"), most=0.1)
    for far, peer in (("s3", "aws s3 cp"), ("ssh", "sftp")):
        for op in ("push", "pull"):
            yield times(f"table {far}", op, peer, 1)
            yield Goal(f"random {far}", ("dv", op, "wall"), (peer, op, "wall"), most=1.2)
        yield Goal(f"random {far}", ("dv", "push edited", "bytes"), most=0.02 * 2**31 / MB,
                   unit=("MB", MB))
        yield Goal(f"icons {far}", ("dv", "pull, 50 ms", "wall"), ("dv", "pull", "wall"), most=2)


def pipeline_goals():
    many = f"{pipelines.STAGES} stages"
    yield Goal(many, ("dv", "repro", "wall"), most=10)
    for op, n in (("repro", 100), ("repro again", 50), ("stage status", 50), ("dag", 50)):
        yield Goal(many, ("dv", op, "wall"), ("dvc", op, "wall"), faster=n)


GROUPS = (("The store and its speed", tuple(first_goals())), ("Deltas", tuple(delta_goals())),
          ("Remotes", tuple(remote_goals())), ("Pipelines", tuple(pipeline_goals())))
PEAK = 256 * MIB


def median(session, work, ref):
    tool, op, field = ref
    found = [r[field] for r in session["rows"]
             if (r["work"], r["tool"], r["op"]) == (work, tool, op) and field in r]
    return statistics.median(found) if found else None


def judge(goal, sessions):
    """(measured, met) from the last session that has both sides; met is None without one."""
    answer = "not measured", None
    for session in reversed(sessions):
        ours = median(session, goal.work, goal.ours)
        theirs = median(session, goal.work, goal.theirs) if goal.theirs else None
        if ours is None or (goal.theirs and theirs is None):
            continue
        if session["data"].get(goal.work, 0) < DATA.get(goal.work.split()[0], 0):
            answer = "only on less data", None
            continue
        if not goal.theirs:
            return f"{ours / goal.unit[1]:.3g} {goal.unit[0]}", ours <= goal.most * goal.unit[1]
        scale, unit = (MB, "MB") if goal.ours[2] in ("bytes", "stored") else (1, "s")
        ratio = theirs / ours if goal.faster else ours / theirs
        return (f"{ratio:.2f} times ({ours / scale:.3g} against {theirs / scale:.3g} {unit})",
                ratio >= goal.faster if goal.faster else ratio <= goal.most)
    return answer


def peaks(sessions):
    """The largest memory of dv in each workload, over all sessions."""
    most = {}
    for r in (r for s in sessions for r in s["rows"]):
        if r["tool"] in ("dv", "dv plain", "dv repacked") and r["peak"]:
            most[r["work"]] = max(most.get(r["work"], 0), r["peak"])
    return [(work, f"{peak / MIB:.0f} MiB", peak <= PEAK) for work, peak in most.items()]
