# SPDX-License-Identifier: Apache-2.0
"""The workloads that every tool gets (random, icons, table) and those of dv alone."""
import random
import shutil
import time

from measure import size
from tools import DvPlain

EDITED = ("random", "table")  # large files: also added again with 300 small inserts


def blob(lab, path, mib, key):
    """Bytes that do not compress and are the same in every run."""
    lab.sh(f"head -c {mib}M /dev/zero | openssl enc -aes-128-ctr -pass pass:{key} -nosalt -pbkdf2 "
           f"-out {path}")


def insert(src, dst, rnd):
    length = src.stat().st_size
    cuts = sorted(rnd.randrange(length) for _ in range(300))
    dst.parent.mkdir(exist_ok=True)
    with open(src, "rb") as i, open(dst, "wb") as o:
        pos = 0
        for cut in cuts + [length]:
            while pos < cut:
                block = i.read(min(1 << 20, cut - pos))
                o.write(block)
                pos += len(block)
            o.write(rnd.randbytes(rnd.randrange(1, 200)))


def make_icons(folder):
    rnd = random.Random(7)
    for i in range(20000):
        f = folder / f"{i % 100:02d}" / f"{i:05d}.svg"
        f.parent.mkdir(parents=True, exist_ok=True)
        f.write_bytes(b"<svg>" + rnd.randbytes(rnd.randrange(50, 4000)).hex().encode())


def prepare(lab, work, mib, icons, table):
    """Lay out the data of one workload, once."""
    path = lab.data / work / dict(random="big.bin", icons="icons", table="table.csv")[work]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if work == "random":
            blob(lab, path, mib, "x")
        elif work == "icons" and icons:
            shutil.copytree(icons, path, symlinks=True)
        elif work == "icons":
            make_icons(path)
        elif table:
            shutil.copy(table, path)
        else:
            lab.sh("awk 'BEGIN{srand(1);for(i=0;i<4000000;i++)printf "
                   "\"%d,%d,%.2f,2025-%02d-%02d,%s\\n\",i,rand()*1e6,rand()*1e4,1+rand()*12,"
                   f"1+rand()*28,rand()<.5?\"AIR\":\"SHIP\"}}' > {path}")
    edited = lab.data / f"{work}2" / path.name
    if work in EDITED and not edited.exists():
        insert(path, edited, random.Random(7))
    return path


def limits(lab, work, src):
    base = lab.fresh()
    out = base / "copy"
    lab.record(work, "limit", "cp", lab.timed(f"cp -r {src} {out}", base))
    lab.record(work, "limit", "sha256", lab.timed(
        f"find {src} -type f -print0 | xargs -0 openssl dgst -sha256", base))
    if src.is_dir():
        lab.record(work, "limit", "find -ls", lab.timed(f"find {src} -ls", base))
        lab.sh("git init -q && git add .", out)
        time.sleep(0.1)
        lab.record(work, "limit", "git status", lab.timed("git status --porcelain", out))
    shutil.rmtree(base, ignore_errors=True)


def run(lab, work, cls, src):
    n = src.name
    t = cls(lab, lab.fresh())
    t.init()
    lab.sh(f"cp -r {src} {t.ws}/")
    time.sleep(0.1)
    m = lab.timed(t.add(n), t.ws)
    before = size(*t.store())
    lab.record(work, t.name, "add", m, **before)
    lab.record(work, t.name, "status", lab.timed(t.status(n), t.ws))
    lab.sh(f"rm -rf {n}", t.ws)
    lab.record(work, t.name, "checkout", lab.timed(t.checkout(n), t.ws))
    if t.remote:
        t.ready_to_push()
        lab.record(work, t.name, "push", lab.timed(t.push(n), t.ws))
        lab.record(work, t.name, "push again", lab.timed(t.push(n), t.ws))
        t.forget(n)
        lab.record(work, t.name, "pull", lab.timed(t.pull(n), t.ws))
        lab.sh(f"diff -r {src} {n}", t.ws)
        before = size(*t.store())
    if work in EDITED:
        lab.sh(f"cp {lab.data}/{work}2/{n} {t.ws}/{n}")
        m = lab.timed(t.add(n), t.ws)
        after = size(*t.store())
        lab.record(work, t.name, "add edited", m, **{k: after[k] - before[k] for k in after})
    shutil.rmtree(t.base, ignore_errors=True)


def dv_repository(lab, name):
    base = lab.fresh()
    ws = base / name
    ws.mkdir()
    (base / "remote").mkdir()
    lab.sh(f"git init -q . && {lab.dv} init && {lab.dv} remote add -d r {base}/remote", ws)
    return ws


def steps(lab, work, ws, todo):
    for op, args in todo:
        lab.record(work, "dv", op, lab.timed(f"{lab.dv} {args}", ws))


def clone(lab, ws):
    to = ws.parent / "clone"
    lab.sh("git add -A && git commit -qm data", ws)
    lab.sh(f"git clone -q {ws} {to}")
    return to


def million(lab, _):
    ws = dv_repository(lab, "million")
    for d in range(1000):
        folder = ws / "data" / f"{d:04d}"
        folder.mkdir(parents=True)
        block = random.Random(d).randbytes(1000 * 1024)
        for f in range(1000):
            with open(folder / f"{f:04d}.bin", "wb", buffering=0) as o:
                o.write(block[f * 1024:f * 1024 + 1024])
    steps(lab, "million", ws, [
        ("add", "add data"), ("status", "status"), ("add again", "add data"), ("push", "push"),
        ("push again", "push"), ("ls", "ls -R"), ("fsck", "fsck"), ("gc", "gc -w --dry")])
    (ws / "data" / "0003" / "0003.bin").write_bytes(b"changed")
    steps(lab, "million", ws, [("diff", "diff"), ("add one", "add data"), ("push one", "push")])
    steps(lab, "million", clone(lab, ws),
          [("fetch", "fetch"), ("checkout", "checkout"), ("checkout again", "checkout")])
    lab.fresh()


def sparse(lab, _):
    ws = dv_repository(lab, "sparse")
    with open(ws / "hole.bin", "wb") as o:
        o.truncate(100 << 30)
        for gib in (1, 17, 33, 70, 99):
            o.seek(gib << 30)
            rnd = random.Random(gib)
            for _ in range(64):
                o.write(rnd.randbytes(1 << 20))
    steps(lab, "sparse", ws, [("add", "add hole.bin"), ("status", "status"), ("push", "push"),
                              ("fsck", "fsck")])
    to = clone(lab, ws)
    steps(lab, "sparse", to, [("fetch", "fetch"), ("checkout", "checkout")])
    lab.record("sparse", "dv", "disk used", dict(wall=0, durable=0, cpu=0, peak=0),
               stored=(to / "hole.bin").stat().st_blocks * 512)
    lab.fresh()


def startup(lab, _):
    ws = dv_repository(lab, "startup")
    (ws / "data").mkdir()
    for i in range(10):
        (ws / "data" / f"{i}.txt").write_text(str(i))
    lab.sh(f"{lab.dv} add data && git add -A && git commit -qm data", ws)
    time.sleep(0.1)
    for op in ("version", "status"):
        for _ in range(50):
            lab.record("startup", "dv", op, lab.timed([lab.dv, op], ws, sync=False))
    lab.fresh()


def unlike(lab, mib):
    """A file replaced by one that resembles it in nothing: what looking for deltas costs."""
    mib = min(mib, 512)
    for _ in range(max(3, lab.runs)):
        for label, delta in (("dv", True), (DvPlain.name, False)):
            ws = dv_repository(lab, "unlike")
            if not delta:
                lab.sh(f"{lab.dv} config cache.delta false", ws)
            blob(lab, ws / "big.bin", mib, "one")
            lab.record("unlike", label, "add", lab.timed(f"{lab.dv} add big.bin", ws))
            blob(lab, ws / "big.bin", mib, "two")
            lab.record("unlike", label, "add other", lab.timed(f"{lab.dv} add big.bin", ws))
    lab.fresh()


OWN = dict(million=million, sparse=sparse, startup=startup, unlike=unlike)
