#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures dv beside its peers on the same data, in one run.

usage: bench.py WORKDIR [--dv build/dv] [--tools LIST] [--work LIST] [--runs N] [--json FILE]
                [--size MiB] [--icons DIR] [--table FILE] [--remote s3|ssh [--push-only LIST]]
                [--series DIR] [--first N] [--names LIST] [--versions N] [--aggressive]

random   one file of --size MiB, and the same with 300 small inserts
icons    a folder of many small files (--icons; default: made, 20,000 files of 100 B to 8 KB)
table    one large CSV file (--table; default: made, 200 MB), and the same with 300 small inserts
series   all versions of a file, one add each, for every series in the folder --series: a
         subfolder with entries 0001, 0002, ..., or NAME.tar.zst with such a one. --names takes
         some of them, --versions the first N of each, --aggressive adds `git gc --aggressive`
million  a million files of 1 KiB in 1,000 folders; dv only, and only when named
sparse   one file of 100 GiB, a hole but for 320 MiB; dv only, and only when named
startup  dv version, and dv status of a small repository: medians of 50; only when named
stages   a pipeline of 1,000 small stages, with dv and dvc; the first run also of --first N
         (default: 200), as dvc takes half an hour for all; only when named
unlike   a file replaced by another of random bytes, with deltas and without; only when named

With --remote, random, icons and table are pushed and pulled over S3 (radosgw) or ssh on loopback
instead; the tools are dv, dvc with its plug-in, 'aws s3 cp', sftp and rclone. Those in --push-only
push once and no more: some take minutes for many files.

Tools: limit (cp, openssl dgst, find -ls, git status), dv, 'dv plain' (cache.delta=false), dvc,
git-lfs, restic, borg, and git (in series only). Those that are not installed are named and
skipped. Every step is timed as a whole process. report.py prints the tables of several such runs.
"""
import argparse
import sys
from pathlib import Path

import far
import pipelines
import report
import series
import workloads
from measure import Lab, size
from tools import TOOLS


def arguments():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("workdir", type=Path)
    p.add_argument("--dv", type=Path,
                   default=Path(__file__).resolve().parents[2] / "build" / "dv")
    p.add_argument("--tools", default="")
    p.add_argument("--remote", choices=far.PLACES)
    p.add_argument("--push-only", default="")
    p.add_argument("--work", default="random,icons,table")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--json", type=Path)
    p.add_argument("--size", type=int, default=2048)
    p.add_argument("--icons", type=Path)
    p.add_argument("--table", type=Path)
    p.add_argument("--series", type=Path)
    p.add_argument("--first", type=int, default=200)
    p.add_argument("--names", default="")
    p.add_argument("--versions", type=int)
    p.add_argument("--aggressive", action="store_true")
    a = p.parse_args()
    tools = far.PEERS if a.remote else {"limit": None, **TOOLS}
    a.tools = a.tools or ",".join(tools)
    known = {"random", "icons", "table"}
    if not a.remote:
        known |= {"series", "stages", *workloads.OWN}
    for given, names, what in ((a.work, known, "workload"), (a.tools, tools, "tool")):
        for word in given.split(","):
            if word not in names:
                p.error(f"no {what} '{word}'")
    if "series" in a.work.split(",") and not a.series:
        p.error("the workload 'series' needs --series DIR")
    return a


def remote(a, lab):
    place = far.PLACES[a.remote](lab)
    proxy = far.distant(lab, place)
    tools = []
    for cls in (far.PEERS[name] for name in a.tools.split(",")):
        why = cls.missing(lab, place)
        if why:
            print(f"skipped: {cls.name} {why}", file=sys.stderr)
        else:
            tools.append(cls)
    for work in a.work.split(","):
        src = workloads.prepare(lab, work, a.size, a.icons, a.table)
        lab.about["data"][f"{work} {a.remote}"] = size(src.parent)["bytes"]
        lab.sh(f"find {src} -type f -print0 | xargs -0 cat > /dev/null")
        for _ in range(a.runs):
            for cls in tools:
                far.run(lab, place, work, cls, src, proxy, cls.name in a.push_only.split(","))


def main():
    a = arguments()
    lab = Lab(a.workdir, a.dv.resolve(), a.runs, a.json)
    if a.remote:
        remote(a, lab)
        report.show([dict(lab.about, rows=lab.rows)], every=False)
        return
    named = a.tools.split(",")
    tools = []
    for cls in (TOOLS[name] for name in named if name != "limit"):
        why = cls.missing(lab)
        if why:
            print(f"skipped: {cls.name} {why}", file=sys.stderr)
        else:
            tools.append(cls)
    for work in a.work.split(","):
        if work in workloads.OWN:
            workloads.OWN[work](lab, a.size)
        elif work == "stages":
            pipelines.run(lab, [cls.name for cls in tools], a.first)
        elif work == "series":
            series.run(lab, a.series, [n for n in a.names.split(",") if n], a.versions, tools,
                       a.aggressive)
        else:
            src = workloads.prepare(lab, work, a.size, a.icons, a.table)
            lab.about["data"][work] = size(src.parent)["bytes"]
            lab.sh(f"find {src} -type f -print0 | xargs -0 cat > /dev/null")
            for _ in range(a.runs):  # in turn, so that all meet the same noise
                if "limit" in named:
                    workloads.limits(lab, work, src)
                for cls in tools:
                    if cls.name != "git":
                        workloads.run(lab, work, cls, src)
    report.show([dict(lab.about, rows=lab.rows)], every=False)


main()
