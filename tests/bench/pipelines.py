# SPDX-License-Identifier: Apache-2.0
"""Pipelines of many small stages, with dv and dvc: the first run, one with nothing to do, status and
the graph.

What dvc takes for a first run grows with the square of the stages, since it writes the whole lock
for each; it runs `first` of them, and for the rest a lock and a cache as it writes them are laid
out.
"""
import hashlib
import shutil
import time

STAGES = 1000
GRAPH = (("repro again", "repro"), ("stage status", "status"), ("dag", "dag --dot"))


def names(count):
    return [f"{i:05d}" for i in range(count)]


def lay_out(ws, count, file):
    """Stages that each copy a file of a line."""
    (ws / "in").mkdir()
    (ws / "out").mkdir()
    for n in names(count):
        (ws / "in" / n).write_text(f"line {n}\n")
    (ws / file).write_text("stages:\n" + "".join(
        f"  s{n}:\n    cmd: cp in/{n} out/{n}\n    deps:\n    - in/{n}\n    outs:\n    - out/{n}\n"
        for n in names(count)))


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def dvc_ran(ws, count):
    """What dvc leaves after all of it ran."""
    lock = ["schema: '2.0'\nstages:\n"]
    for n in names(count):
        src, dst = ws / "in" / n, ws / "out" / n
        shutil.copy(src, dst)
        key, size = md5(src), src.stat().st_size
        kept = ws / ".dvc" / "cache" / "files" / "md5" / key[:2] / key[2:]
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(src, kept)
        entry = f"    - path: {{}}/{n}\n      hash: md5\n      md5: {key}\n      size: {size}\n"
        lock.append(f"  s{n}:\n    cmd: cp in/{n} out/{n}\n    deps:\n{entry.format('in')}"
                    f"    outs:\n{entry.format('out')}")
    (ws / "dvc.lock").write_text("".join(lock))
    (ws / "out" / ".gitignore").write_text("".join(f"/{n}\n" for n in names(count)))


def fresh(lab, tool, count, file):
    ws = lab.fresh() / "ws"
    ws.mkdir()
    lab.sh(f"git init -q && {tool} init -q", ws)
    lay_out(ws, count, file)
    return ws


def graph(lab, tool, title, ws, count):
    work = f"{count} stages"
    for op, args in GRAPH:
        for _ in range(3):
            lab.record(work, title, op, lab.timed(f"{tool} {args}", ws))


def run(lab, tools, first):
    runs = [("dv", STAGES), ("dv", first), ("dvc", first)]
    for title, count in dict.fromkeys(runs):
        if title in tools:
            tool, file = (f"{lab.dv}", "dv.yaml") if title == "dv" else ("dvc", "dvc.yaml")
            ws = fresh(lab, tool, count, file)
            jobs = " -j 2" if title == "dv" else ""
            lab.record(f"{count} stages", title, "repro",
                       lab.timed(f"{tool} repro -q{jobs}", ws))
            lab.sh(f"cmp in/{names(count)[-1]} out/{names(count)[-1]}", ws)
            if title == "dv" and count == STAGES:
                time.sleep(0.1)
                graph(lab, tool, title, ws, count)
    if "dvc" in tools:
        ws = fresh(lab, "dvc", STAGES, "dvc.yaml")
        dvc_ran(ws, STAGES)
        lab.sh("dvc status -q", ws)  # all is as it was; a stat cache is written
        graph(lab, "dvc", "dvc", ws, STAGES)
    lab.fresh()
