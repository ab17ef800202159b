# SPDX-License-Identifier: Apache-2.0
"""One session of measuring: where it happens, how a command is timed, and the rows it gives.

Every step is timed as a whole process. A session writes what it has after each step, so that a run
which is cut short keeps its rows.
"""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path


def first(cmd, env):
    """The first line that a command prints, or nothing where it is not installed."""
    if not shutil.which(cmd.split()[0], path=env["PATH"]):
        return None
    r = subprocess.run(cmd, shell=True, env=env, text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    return r.stdout.splitlines()[0] if r.returncode == 0 and r.stdout else None


def value(path, key):
    for line in Path(path).read_text().splitlines():
        name, _, rest = line.partition("=" if "=" in line else ":")
        if name.strip() == key:
            return rest.strip().strip('"')
    return "unknown"


class Lab:
    """A working folder, an environment that no setting of the user reaches, and the rows."""

    def __init__(self, root, dv, runs, out):
        self.root, self.dv, self.runs, self.out = root.resolve(), dv, runs, out
        self.data, self.rows = self.root / "data", []
        self.env = dict(os.environ, HOME=str(self.root / "home"), GIT_CONFIG_NOSYSTEM="1",
                        LC_ALL="C.UTF-8", RESTIC_PASSWORD="x", DVC_NO_ANALYTICS="1",
                        RESTIC_CACHE_DIR=str(self.root / "rcache"),
                        BORG_BASE_DIR=str(self.root / "borg"),
                        BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes")
        (self.root / "home").mkdir(parents=True, exist_ok=True)
        for key, text in (("user.email", "bench@example.org"), ("user.name", "bench"),
                          ("init.defaultBranch", "main"), ("gc.auto", "0")):
            self.sh(f"git config --global {key} {text}")
        self.about = self.describe()

    def describe(self):
        memory = int(value("/proc/meminfo", "MemTotal").split()[0]) / 2**20
        tools = dict(dv=f"{self.dv} version", dvc="dvc --version", restic="restic version",
                     borg="borg --version", git="git --version", **{"git-lfs": "git lfs version"})
        return dict(
            machine=dict(cpu=value("/proc/cpuinfo", "model name"), cpus=os.cpu_count(),
                         memory_gib=round(memory, 1),
                         system=value("/etc/os-release", "PRETTY_NAME"),
                         kernel=os.uname().release,
                         filesystem=self.sh(f"stat -f -c %T {self.root}").strip()),
            date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            versions={k: v for k, v in ((k, first(c, self.env)) for k, c in tools.items()) if v},
            command=shlex.join(sys.argv), runs=self.runs, data={})

    def sh(self, cmd, cwd=None):
        r = subprocess.run(cmd, shell=True, cwd=cwd, env=self.env, text=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
        if r.returncode:
            sys.exit(f"failed ({r.returncode}): {cmd}\n{r.stdout[-2000:]}")
        return r.stdout

    def timed(self, cmd, cwd, sync=True):
        """Wall seconds, seconds until sync returns, processor seconds, peak memory in bytes.
        A command is a line for the shell, or a list that needs none."""
        if sync:
            os.sync()
        with tempfile.TemporaryFile() as err:
            start = time.monotonic()
            p = subprocess.Popen(cmd, shell=isinstance(cmd, str), cwd=cwd, env=self.env,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
            _, status, used = os.wait4(p.pid, 0)
            wall = time.monotonic() - start
            p.returncode = os.waitstatus_to_exitcode(status)
            if sync:
                os.sync()
            durable = time.monotonic() - start
            if p.returncode:
                err.seek(0)
                sys.exit(f"failed ({p.returncode}): {cmd}\n"
                         f"{err.read().decode(errors='replace')[-2000:]}")
        # The peak is that of the largest process among the shell and those it waited for.
        return dict(wall=wall, durable=durable, cpu=used.ru_utime + used.ru_stime,
                    peak=used.ru_maxrss * 1024)

    def record(self, work, tool, op, m, **more):
        self.rows.append(dict(work=work, tool=tool, op=op, **m, **more))
        print(f"{work} {tool} {op}: {m['wall']:.3f} s", file=sys.stderr)
        if self.out:
            new = self.out.with_name(self.out.name + ".new")
            new.write_text(json.dumps(dict(self.about, rows=self.rows), indent=1))
            new.replace(self.out)

    def fresh(self):
        """An empty folder for one tool's work."""
        base = self.root / "t"
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir()
        return base


def size(*paths):
    """What is kept below the paths: stored is space on disk, bytes the lengths of the files.
    A file of several names counts once."""
    seen, disk, length = set(), 0, 0
    for path in paths:
        for folder, _, files in os.walk(path):
            disk += os.lstat(folder).st_blocks * 512
            for f in files:
                st = os.lstat(os.path.join(folder, f))
                if st.st_nlink > 1:
                    if (st.st_dev, st.st_ino) in seen:
                        continue
                    seen.add((st.st_dev, st.st_ino))
                disk += st.st_blocks * 512
                length += st.st_size
    return dict(stored=disk, bytes=length)
