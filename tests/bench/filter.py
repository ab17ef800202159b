#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adding and checking out through git's filter: plain git, git-lfs and dv, one after the other.

usage: filter.py DATA WORK [TOOL...]

DATA holds a folder `icons` of many small files and a file `big.bin`; WORK is an empty place on the
disk to be measured. Prints a line for each tool, step and data: seconds, seconds of processor time,
and the largest resident set of any process, in MiB.
"""

import os
import resource
import shutil
import subprocess
import sys
import time

ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0")
SETUP = {
    "git": [],
    "git-lfs": [["git", "lfs", "install", "--local"], ["git", "lfs", "track", "data/**"]],
    "dv": [["dv", "init", "-q"], ["dv", "track", "-q", "data/**"]],
}


def run(command, cwd):
    subprocess.run(command, cwd=cwd, env=ENV, check=True, stdout=subprocess.DEVNULL)


def measured(command, cwd):
    """Seconds, processor seconds and MiB of a command, in a child of its own: the largest of all
    its processes counts."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        start = time.monotonic()
        run(command, cwd)
        wall = time.monotonic() - start
        use = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(write, f"{wall} {use.ru_utime + use.ru_stime} {use.ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    with os.fdopen(read) as pipe:
        return [float(x) for x in pipe.read().split()]


def tell(tool, data, step, result):
    wall, cpu, rss = result
    print(f"{tool:8} {data:8} {step:8} {wall:8.2f} s {cpu:8.2f} s cpu {rss:8.0f} MiB", flush=True)


def copy(source, target):
    if os.path.isdir(source):
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        os.makedirs(target)
        shutil.copy(source, target)


def bench(tool, source, work):
    data = os.path.basename(source)
    root = os.path.join(work, f"{tool}-{data}")
    os.makedirs(root)
    run(["git", "init", "-q"], root)
    run(["git", "config", "user.name", "bench"], root)
    run(["git", "config", "user.email", "bench@example.org"], root)
    for command in SETUP[tool]:
        run(command, root)
    copy(source, os.path.join(root, "data"))
    os.sync()
    tell(tool, data, "add", measured(["git", "add", "."], root))
    run(["git", "commit", "-qm", "data"], root)
    shutil.rmtree(os.path.join(root, "data"))
    os.sync()
    tell(tool, data, "checkout", measured(["git", "checkout", "-q", "--", "."], root))
    tell(tool, data, "status", measured(["git", "status", "-s"], root))
    shutil.rmtree(root)


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    source, work = sys.argv[1:3]
    for name in ("icons", "big.bin"):
        for tool in sys.argv[3:] or SETUP:
            bench(tool, os.path.join(source, name), work)


if __name__ == "__main__":
    main()
