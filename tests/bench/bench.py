#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures dv beside its peers on the same data, in one run.

usage: bench.py WORKDIR [--dv build/dv] [--tools dv,dvc,git-lfs,restic,borg,limit]
                [--work random,icons,table,million,sparse,startup] [--size MiB] [--icons DIR]
                [--table FILE] [--runs N] [--json FILE]

random   one file of --size MiB, and the same with 300 small inserts
icons    a folder of many small files (--icons; default: made, 20,000 files of 100 B to 8 KB)
table    one large CSV file (--table; default: made, 200 MB)
million  a million files of 1 KiB in 1,000 folders; dv only, and only when named
sparse   one file of 100 GiB, a hole but for 320 MiB; dv only, and only when named
startup  dv version, and dv status of a small repository: medians of 50; only when named

Every step is timed as a whole process: wall seconds, seconds until sync returns, processor
seconds, peak memory of the largest process; after add also the bytes stored. Tools that are not
installed are named and skipped.
"""
import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def arguments():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("workdir", type=Path)
    p.add_argument("--dv", default=str(Path(__file__).resolve().parents[2] / "build" / "dv"))
    p.add_argument("--tools", default="limit,dv,dvc,git-lfs,restic,borg")
    p.add_argument("--work", default="random,icons,table")
    p.add_argument("--size", type=int, default=2048)
    p.add_argument("--icons", type=Path)
    p.add_argument("--table", type=Path)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--json", type=Path)
    return p.parse_args()


A = arguments()
ROOT = A.workdir.resolve()
DATA = ROOT / "data"
ENV = dict(os.environ, HOME=str(ROOT / "home"), GIT_CONFIG_NOSYSTEM="1", LC_ALL="C.UTF-8",
           RESTIC_PASSWORD="x", RESTIC_CACHE_DIR=str(ROOT / "rcache"),
           BORG_BASE_DIR=str(ROOT / "borg"), DVC_NO_ANALYTICS="1",
           BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")


def sh(cmd, cwd=None):
    r = subprocess.run(cmd, shell=True, cwd=cwd, env=ENV, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode:
        sys.exit(f"failed ({r.returncode}): {cmd}\n{r.stdout[-2000:]}")
    return r.stdout


def timed(cmd, cwd):
    os.sync()
    with tempfile.TemporaryFile() as err:
        start = time.monotonic()
        p = subprocess.Popen(cmd, shell=True, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=err)
        _, status, used = os.wait4(p.pid, 0)
        wall = time.monotonic() - start
        p.returncode = os.waitstatus_to_exitcode(status)
        os.sync()
        durable = time.monotonic() - start
        if p.returncode:
            err.seek(0)
            sys.exit(f"failed ({p.returncode}): {cmd}\n"
                     f"{err.read().decode(errors='replace')[-2000:]}")
    # The largest process among the shell and those it waited for.
    return dict(wall=wall, durable=durable, cpu=used.ru_utime + used.ru_stime,
                peak=used.ru_maxrss * 1024)


def stored(path):
    return int(sh(f"du -sk {path}").split()[0]) * 1024 if Path(path).exists() else 0


def home():
    (ROOT / "home").mkdir(parents=True, exist_ok=True)
    sh("git config --global user.email bench@example.org; git config --global user.name bench;"
       "git config --global init.defaultBranch main; git config --global gc.auto 0")


def prepare():
    rnd = random.Random(7)
    big = DATA / "random" / "big.bin"
    if not big.exists():
        big.parent.mkdir(parents=True)
        sh(f"head -c {A.size}M /dev/zero | openssl enc -aes-128-ctr -pass pass:x -nosalt -pbkdf2 "
           f"-out {big}")
        edited = DATA / "random2" / "big.bin"
        edited.parent.mkdir()
        insert(big, edited, rnd)
    icons = DATA / "icons" / "icons"
    if not icons.exists():
        icons.parent.mkdir(parents=True)
        if A.icons:
            shutil.copytree(A.icons, icons, symlinks=True)
        else:
            for i in range(20000):
                f = icons / f"{i % 100:02d}" / f"{i:05d}.svg"
                f.parent.mkdir(parents=True, exist_ok=True)
                f.write_bytes(b"<svg>" + rnd.randbytes(rnd.randrange(50, 4000)).hex().encode())
    table = DATA / "table" / "table.csv"
    if not table.exists():
        table.parent.mkdir(parents=True)
        if A.table:
            shutil.copy(A.table, table)
        else:
            sh("awk 'BEGIN{srand(1);for(i=0;i<4000000;i++)printf \"%d,%d,%.2f,2025-%02d-%02d,%s\\n\","
               "i,rand()*1e6,rand()*1e4,1+rand()*12,1+rand()*28,rand()<.5?\"AIR\":\"SHIP\"}' "
               f"> {table}")


def insert(src, dst, rnd):
    size = src.stat().st_size
    cuts = sorted(rnd.randrange(size) for _ in range(300))
    with open(src, "rb") as i, open(dst, "wb") as o:
        pos = 0
        for cut in cuts + [size]:
            while pos < cut:
                block = i.read(min(1 << 20, cut - pos))
                o.write(block)
                pos += len(block)
            o.write(rnd.randbytes(rnd.randrange(1, 200)))


class Tool:
    """What each tool is told; W is the workspace, N the name of the data in it."""
    remote = False

    def __init__(self, base):
        self.base, self.ws = base, base / "ws"
        self.ws.mkdir(parents=True)


class Dv(Tool):
    name, program, remote = "dv", A.dv, True

    def init(self):
        sh(f"git init -q && {A.dv} init -q && {A.dv} remote add -q -d r ../remote", self.ws)
    add = staticmethod(lambda n: f"{A.dv} add -q {n}")
    status = staticmethod(lambda n: f"{A.dv} status")
    checkout = staticmethod(lambda n: f"{A.dv} checkout -q")
    push = staticmethod(lambda n: f"{A.dv} push -q")
    pull = staticmethod(lambda n: f"{A.dv} pull -q")

    def store(self):
        return self.ws / ".git/dv/cache"

    def forget(self, n):
        sh(f"rm -rf {n} .git/dv", self.ws)


class Dvc(Tool):
    name, program, remote = "dvc", "dvc", True

    def init(self):
        sh("git init -q && dvc init -q && dvc config core.analytics false && "
           "dvc config core.check_update false && dvc remote add -q -d r ../remote", self.ws)
    add = staticmethod(lambda n: f"dvc add -q {n}")
    status = staticmethod(lambda n: "dvc status -q")
    checkout = staticmethod(lambda n: "dvc checkout -q")
    push = staticmethod(lambda n: "dvc push -q")
    pull = staticmethod(lambda n: "dvc pull -q")

    def store(self):
        return self.ws / ".dvc/cache"

    def forget(self, n):
        sh(f"rm -rf {n} .dvc/cache .dvc/tmp", self.ws)


class Lfs(Tool):
    name, program = "git-lfs", "git-lfs"

    def init(self):
        sh("git init -q && git lfs install --local && git lfs track '*' && "
           "printf '.gitattributes -filter -diff -merge\\n' >> .gitattributes && "
           "git add .gitattributes && git commit -qm i", self.ws)
    add = staticmethod(lambda n: f"git add {n}")
    status = staticmethod(lambda n: "git status --porcelain")
    checkout = staticmethod(lambda n: "git checkout -q .")

    def store(self):
        return self.ws / ".git"


class Restic(Tool):
    name, program = "restic", "restic"

    def init(self):
        sh("restic -q init -r ../repo", self.ws)
    add = staticmethod(lambda n: f"restic -q -r ../repo backup {n}")
    status = staticmethod(lambda n: f"restic -q -r ../repo backup {n}")
    checkout = staticmethod(lambda n: "restic -q -r ../repo restore latest --target .")

    def store(self):
        return self.base / "repo"


class Borg(Tool):
    name, program = "borg", "borg"

    def init(self):
        sh("borg init -e none ../repo", self.ws)
    add = staticmethod(lambda n: f"borg create -C lz4 ../repo::$(date +%s%N) {n}")
    status = staticmethod(lambda n: f"borg create -C lz4 ../repo::$(date +%s%N) {n}")
    checkout = staticmethod(lambda n: "borg extract ../repo::$(borg list --short --last 1 ../repo)")

    def store(self):
        return self.base / "repo"


TOOLS = {t.name: t for t in (Dv, Dvc, Lfs, Restic, Borg)}
ROWS = []


def record(work, tool, op, m, **more):
    ROWS.append(dict(work=work, tool=tool, op=op, **m, **more))


def limits(work, src):
    out = ROOT / "limit"
    for _ in range(A.runs):
        shutil.rmtree(out, ignore_errors=True)
        record(work, "limit", "cp", timed(f"cp -r {src} {out}", ROOT))
        record(work, "limit", "sha256", timed(
            f"find {src} -type f -print0 | xargs -0 openssl dgst -sha256", ROOT))
        record(work, "limit", "find -ls", timed(f"find {src} -ls", ROOT))
    shutil.rmtree(out, ignore_errors=True)


def run(work, cls):
    src = DATA / work
    n = next(src.iterdir()).name
    base = ROOT / "t"
    for _ in range(A.runs):
        shutil.rmtree(base, ignore_errors=True)
        t = cls(base)
        t.init()
        sh(f"cp -r {src}/. {t.ws}/")
        time.sleep(0.1)
        m = timed(t.add(n), t.ws)
        record(work, t.name, "add", m, stored=stored(t.store()))
        record(work, t.name, "status", timed(t.status(n), t.ws))
        sh(f"rm -rf {n}", t.ws)
        record(work, t.name, "checkout", timed(t.checkout(n), t.ws))
        if t.remote:
            record(work, t.name, "push", timed(t.push(n), t.ws))
            record(work, t.name, "push again", timed(t.push(n), t.ws))
            t.forget(n)
            record(work, t.name, "pull", timed(t.pull(n), t.ws))
            sh(f"diff -r {src}/{n} {n}", t.ws)
        if work == "random":
            before = stored(t.store())
            sh(f"cp {DATA}/random2/{n} {t.ws}/{n}")
            m = timed(t.add(n), t.ws)
            record(work, t.name, "add edited", m, stored=stored(t.store()) - before)
    shutil.rmtree(base, ignore_errors=True)


def workspace(name):
    ws = ROOT / "t" / name
    shutil.rmtree(ROOT / "t", ignore_errors=True)
    ws.mkdir(parents=True)
    (ROOT / "t" / "remote").mkdir()
    sh(f"git init -q . && {A.dv} init && {A.dv} remote add -d r {ROOT}/t/remote", ws)
    return ws


def steps(work, ws, todo):
    for op, args in todo:
        record(work, "dv", op, timed(f"{A.dv} {args}", ws))


def clone(ws, to):
    sh("git add -A && git commit -qm data", ws)
    sh(f"git clone -q {ws} {to}")
    return to


def million():
    ws = workspace("million")
    for d in range(1000):
        folder = ws / "data" / f"{d:04d}"
        folder.mkdir(parents=True)
        block = random.Random(d).randbytes(1000 * 1024)
        for f in range(1000):
            with open(folder / f"{f:04d}.bin", "wb", buffering=0) as o:
                o.write(block[f * 1024:f * 1024 + 1024])
    steps("million", ws, [("add", "add data"), ("status", "status"), ("add again", "add data"),
                          ("push", "push"), ("push again", "push"), ("ls", "ls -R"),
                          ("fsck", "fsck"), ("gc", "gc -w --dry")])
    (ws / "data" / "0003" / "0003.bin").write_bytes(b"changed")
    steps("million", ws, [("diff", "diff"), ("add one", "add data"), ("push one", "push")])
    steps("million", clone(ws, ROOT / "t" / "clone"),
          [("fetch", "fetch"), ("checkout", "checkout"), ("checkout again", "checkout")])
    shutil.rmtree(ROOT / "t", ignore_errors=True)


def sparse():
    ws = workspace("sparse")
    with open(ws / "hole.bin", "wb") as o:
        o.truncate(100 << 30)
        for gib in (1, 17, 33, 70, 99):
            o.seek(gib << 30)
            rnd = random.Random(gib)
            for _ in range(64):
                o.write(rnd.randbytes(1 << 20))
    steps("sparse", ws, [("add", "add hole.bin"), ("status", "status"), ("push", "push"),
                         ("fsck", "fsck")])
    steps("sparse", clone(ws, ROOT / "t" / "clone"),
          [("fetch", "fetch"), ("checkout", "checkout")])
    record("sparse", "dv", "disk used", dict(wall=0, durable=0, cpu=0, peak=0),
           stored=stored(ROOT / "t" / "clone" / "hole.bin"))
    shutil.rmtree(ROOT / "t", ignore_errors=True)


def startup():
    ws = workspace("startup")
    (ws / "data").mkdir()
    for i in range(10):
        (ws / "data" / f"{i}.txt").write_text(str(i))
    sh(f"{A.dv} add data && git add -A && git commit -qm data", ws)
    time.sleep(0.1)
    for op in ("version", "status"):
        for _ in range(50):
            record("startup", "dv", op, timed(f"exec {A.dv} {op}", ws))
    shutil.rmtree(ROOT / "t", ignore_errors=True)


OWN = dict(million=million, sparse=sparse, startup=startup)


def table():
    keys = []
    for r in ROWS:
        k = (r["work"], r["op"], r["tool"])
        if k not in keys:
            keys.append(k)
    print(f"{'work':8} {'operation':14} {'tool':8} {'wall s':>8} {'durable':>8} {'cpu s':>8} "
          f"{'peak MiB':>8}  stored MB")
    for k in sorted(keys):
        rows = [r for r in ROWS if (r["work"], r["op"], r["tool"]) == k]
        med = {f: statistics.median(r[f] for r in rows) for f in ("wall", "durable", "cpu", "peak")}
        extra = f"{rows[0]['stored'] / 1e6:10.1f}" if "stored" in rows[0] else ""
        print(f"{k[0]:8} {k[1]:14} {k[2]:8} {med['wall']:8.3f} {med['durable']:8.2f} "
              f"{med['cpu']:8.3f} {med['peak'] / 2**20:8.0f} {extra}")


def main():
    works = A.work.split(",")
    home()
    if set(works) - set(OWN):
        prepare()
    for work in works:
        if work in OWN:
            OWN[work]()
            continue
        src = next((DATA / work).iterdir())
        sh(f"find {src} -type f -print0 | xargs -0 cat > /dev/null")
        for name in A.tools.split(","):
            if name == "limit":
                limits(work, src)
            elif shutil.which(TOOLS[name].program):
                run(work, TOOLS[name])
            else:
                print(f"skipped: {name} is not installed", file=sys.stderr)
    table()
    if A.json:
        A.json.write_text(json.dumps(ROWS, indent=1))


main()
