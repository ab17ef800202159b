# SPDX-License-Identifier: Apache-2.0
"""The workload "series": all versions of one file, one add each, oldest first.

A series is a folder with entries 0001, 0002, …, each a version of one file; or NAME.tar.zst that
unpacks to one. What is counted as kept is the tool's store and, where git has the history, git's
objects as `git gc` leaves them.
"""
import filecmp
import shutil
import statistics
import sys

from measure import size

REPEAT = 5  # checkouts are short: the median of as many


def is_series(folder):
    entries = list(folder.iterdir()) if folder.is_dir() else []
    return len(entries) > 1 and all(e.name.isdigit() and e.is_file() for e in entries)


def find(lab, source, names):
    """The series of a folder, archives unpacked: {name: its versions, oldest first}."""
    found = {}
    unpacked = lab.data / "series"
    for entry in sorted(source.iterdir()):
        name = entry.name.removesuffix(".tar.zst")
        if names and name not in names:
            continue
        folder = entry
        if entry.name.endswith(".tar.zst"):
            folder = unpacked / name
            if not folder.exists():
                new = unpacked / ".new"
                shutil.rmtree(new, ignore_errors=True)
                new.mkdir(parents=True)
                lab.sh(f"zstd -dcq --long=31 {entry} | tar -x -C {new}")
                if not is_series(new / name):
                    continue
                (new / name).rename(folder)
        if is_series(folder):
            found[name] = sorted(folder.iterdir())
    if not found:
        sys.exit(f"no series in '{source}'")
    return found


def add_all(t, n, versions):
    """Add one version after the other; the sums and the median of their times."""
    steps = []
    for k, v in enumerate(versions, 1):
        shutil.copyfile(v, t.ws / n)
        steps.append(t.lab.timed(t.version(k, n), t.ws, sync=False))
    total = sum(s["wall"] for s in steps)
    return dict(wall=statistics.median(s["wall"] for s in steps), total=total, durable=total,
                cpu=sum(s["cpu"] for s in steps), peak=max(s["peak"] for s in steps))


def kept(t):
    if hasattr(t, "history"):
        if t.name != "git":
            t.sh("git gc -q --prune=now")
        return size(*t.store(), t.history())
    return size(*t.store())


def checkouts(lab, work, label, t, n, versions):
    """First, middle and last version; `own` is the time without git's part of it."""
    t.versions()
    count = len(versions)
    for op, k in (("first", 0), ("middle", count // 2), ("last", count - 1)):
        rev = t.at(k, count)
        steps = []
        for _ in range(REPEAT):
            (t.ws / n).unlink(missing_ok=True)
            before = t.reach(rev)
            m = lab.timed(before, t.ws, sync=False) if before else dict(wall=0, cpu=0, peak=0)
            own = lab.timed(t.back(rev, n), t.ws, sync=False)
            steps.append(dict(wall=m["wall"] + own["wall"], cpu=m["cpu"] + own["cpu"],
                              own=own["wall"], peak=max(m["peak"], own["peak"])))
            if not filecmp.cmp(versions[k], t.ws / n, shallow=False):
                sys.exit(f"{label}: version {k + 1} of {work} came back different")
        row = {f: statistics.median(s[f] for s in steps) for f in steps[0]}
        lab.record(work, label, f"checkout {op}", dict(row, durable=row["wall"]))


def measure(lab, work, n, versions, cls, aggressive):
    t = cls(lab, lab.fresh())
    t.init()
    m = add_all(t, n, versions)
    lab.record(work, t.name, "add", m, **kept(t), versions=len(versions),
               logical=sum(v.stat().st_size for v in versions))
    checkouts(lab, work, t.name, t, n, versions)
    for label, method in t.after:
        if method == "aggressive" and not aggressive:
            continue
        cmd = getattr(t, method)()
        if not cmd:
            print(f"skipped: {label}: this {t.name} has no such option", file=sys.stderr)
            continue
        m = lab.timed(cmd, t.ws, sync=False)
        lab.record(work, label, "repack", m, **kept(t))
        checkouts(lab, work, label, t, n, versions)
    shutil.rmtree(t.base, ignore_errors=True)


def run(lab, source, names, count, tools, aggressive):
    for name, versions in find(lab, source, names).items():
        work = f"series {name}"
        if count and count < len(versions):  # has a name of its own: its ratios are others
            versions, work = versions[:count], f"{work}, first {count}"
        for _ in range(lab.runs):
            for cls in tools:
                measure(lab, work, f"{name}.dat", versions, cls, aggressive)
