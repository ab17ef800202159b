#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the tables of one or more sessions of bench.py.

usage: report.py FILE.json...

Ratios are taken within a session only. Where a row was measured in several, the last file counts.
"""
import json
import statistics
import sys
from pathlib import Path

import goals


def grid(head, rows):
    """A Markdown table whose columns also line up in a terminal; numbers to the right."""
    rows = [[str(c) for c in r] for r in rows]
    wide = [max(len(r[i]) for r in [list(head)] + rows) for i in range(len(head))]
    right = [all(not r[i] or r[i][0].isdigit() for r in rows) and i > 0 for i in range(len(head))]
    def line(r):
        cells = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(r, wide, right))
        print(f"| {' | '.join(cells)} |")

    line(head)
    print("|" + "|".join("-" * (w + 1) + (":" if n else "-") for w, n in zip(wide, right)) + "|")
    for r in rows:
        line(r)
    print()


def medians(sessions):
    """{(work, tool, op): the medians of its fields}, each key from one session."""
    out = {}
    for s in sessions:
        here = {}
        for r in s["rows"]:
            here.setdefault((r["work"], r["tool"], r["op"]), []).append(r)
        for key, rows in here.items():
            fields = [f for f in rows[0] if f not in ("work", "tool", "op")]
            out[key] = {f: statistics.median(r[f] for r in rows) for f in fields}
    return out


def head(session):
    m = session["machine"]
    print(f"{session['date']}: {m['cpu']}, {m['cpus']} CPUs, {m['memory_gib']} GiB, {m['system']}, "
          f"{m['filesystem']}; medians of {session['runs']}")
    print("; ".join(v if k in v else f"{k} {v}" for k, v in session["versions"].items()))
    print(f"    {session['command']}\n")


def steps(rows):
    """All workloads but the series: one line for each tool and operation."""
    keys = [k for k in rows if not k[0].startswith("series ")]
    if not keys:
        return

    def line(k):
        r = rows[k]
        return (k[0], k[2], k[1], f"{r['wall']:.3f}", f"{r['durable']:.2f}", f"{r['cpu']:.3f}",
                f"{r['peak'] / 2**20:.0f}", f"{r.get('stored', r.get('bytes')) / 1e6:.1f}" if "stored" in r or "bytes" in r
                else "")
    grid(("work", "operation", "tool", "wall s", "durable", "cpu s", "peak MiB", "stored MB"),
         [line(k) for k in sorted(keys, key=lambda k: (k[0], k[2], k[1]))])


def series(rows):
    works = list(dict.fromkeys(k[0] for k in rows if k[0].startswith("series ")))
    for work in works:
        adds = [r for k, r in rows.items() if k[0] == work and k[2] == "add"]
        print(f"{work}: {adds[0]['versions']:.0f} versions, {adds[0]['logical'] / 1e6:.1f} MB\n")
        lines = []
        for tool in dict.fromkeys(k[1] for k in rows if k[0] == work):
            r = rows.get((work, tool, "add")) or rows[work, tool, "repack"]
            out = [rows.get((work, tool, f"checkout {op}")) for op in ("first", "middle", "last")]
            if not all(out):  # the run was cut short
                continue
            add = "total" in r
            lines.append((tool, f"{r['bytes'] / 1e6:.2f}", f"{r['stored'] / 1e6:.2f}",
                          f"{r['wall'] * 1000:.0f}" if add else "",
                          f"{r['total'] if add else r['wall']:.1f}", f"{r['cpu']:.1f}",
                          *(f"{o['wall'] * 1000:.0f}" for o in out),
                          f"{max(x['peak'] for x in [r] + out) / 2**20:.0f}"))
        grid(("tool", "MB", "on disk", "add ms", "all s", "cpu s", "first ms", "middle ms",
              "last ms", "peak MiB"), lines)


def against(sessions, every):
    print("## Against what was asked\n")
    word = {True: "met", False: "missed", None: ""}
    counts = {True: 0, False: 0, None: 0}
    for title, group in goals.GROUPS:
        lines = []
        for g in group:
            measured, met = goals.judge(g, sessions)
            counts[met] += 1
            if every or met is not None:
                lines.append((g.work, g.text(), measured, word[met]))
        if lines:
            print(f"{title}:\n")
            grid(("workload", "goal", "measured", ""), lines)
    print("Memory:\n")
    peaks = goals.peaks(sessions)
    for _, _, met in peaks:
        counts[met] += 1
    grid(("workload", "goal", "measured", ""),
         [(w, "largest process: at most 256 MiB", m, word[met]) for w, m, met in peaks])
    print(f"{counts[True]} met, {counts[False]} missed, {counts[None]} not measured")


def show(sessions, every):
    """The tables; of the goals those that were measured, or every one."""
    for s in sessions:
        head(s)
    rows = medians(sessions)
    steps(rows)
    series(rows)
    against(sessions, every)


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    show([json.loads(Path(f).read_text()) for f in sys.argv[1:]], every=True)


if __name__ == "__main__":
    main()
