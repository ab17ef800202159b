#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the lineage of many runs, through the real path: events are imported, which makes a record
of each run, and everything is asked of the program.

usage: lineage.py DV [RUNS]

Goals, for 100,000 runs and 400,000 events: an index of at most 100 MB, and what something was made
from, all of it, in half a second. That is asked of the library, libdv.so beside DV, for some of the
files: opening the index and walking it, without looking up and printing what was found.
"""
import ctypes
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time


def dataset(number):
    oid = "sha256:" + hashlib.sha256(b"%d" % number).hexdigest()
    facet = {"_producer": "urn:x", "_schemaURL": "https://openlineage.io/x", "datasetVersion": oid}
    return {"namespace": "dv://bench", "name": f"data/part{number % 5000}/set{number}.csv",
            "facets": {"version": facet}}


def events(count):
    """Every run makes one file of up to three of the two thousand files before it."""
    random.seed(1)
    for i in range(count):
        inputs = {random.randrange(max(0, i - 2000), i) for _ in range(3)} if i else ()
        yield {"eventType": "COMPLETE",
               "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1700000000 + i)),
               "run": {"runId": "018f3400-0000-7000-8000-%012x" % i},
               "job": {"namespace": "bench", "name": f"stage{i % 500}", "facets": {}},
               "inputs": [dataset(k) for k in sorted(inputs)], "outputs": [dataset(i)],
               "producer": "urn:x", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json"}


NODE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class Options(ctypes.Structure):
    """dv_lineage_options of <dv.h>."""
    _fields_ = [("up", ctypes.c_bool), ("down", ctypes.c_bool), ("depth", ctypes.c_uint)]


def walks(library, targets):
    """Seconds and processor seconds of each walk: it is over when the first node is told of."""
    lib = ctypes.CDLL(library)
    repo = ctypes.c_void_p()
    lib.dv_repo_free.argtypes = [ctypes.c_void_p]
    lib.dv_lineage.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(Options), NODE,
                               ctypes.c_void_p, ctypes.c_void_p]
    if lib.dv_repo_open(ctypes.byref(repo), b"."):
        sys.exit("lineage.py: libdv cannot open the repository")
    told = []

    def node(_info, _payload):
        told.append((time.perf_counter(), time.process_time()))
        return 1

    out = []
    for target in targets:
        start = time.perf_counter(), time.process_time()
        lib.dv_lineage(repo, target.encode(), Options(up=True), NODE(node), None, None)
        out.append([b - a for a, b in zip(start, told.pop())])
    lib.dv_repo_free(repo)
    return out


def measure_walks(library, count):
    if not os.path.exists(library):
        print(f"the walk alone: not measured, since there is no {library}")
        return
    some = [count - 1 - i * (count // 20) for i in range(20)]
    times = walks(library, [f"data/part{i % 5000}/set{i}.csv" for i in some])
    wall, cpu = (max(t[i] for t in times) for i in range(2))
    print(f"{'the walk alone, the longest of 20 files':42} {wall:8.2f} s  "
          f"{cpu:8.2f} s of processor time")


def main():
    dv = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
    last = f"data/part{(count - 1) % 5000}/set{count - 1}.csv"

    def run(title, *args):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        out = subprocess.run([dv, *args], check=True, stdout=subprocess.PIPE).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{title:42} {time.perf_counter() - start:8.2f} s  {cpu:8.2f} s of processor time")
        return out

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run(["git", "init", "-q"], check=True)
        subprocess.run([dv, "init", "-q"], check=True)
        subprocess.run([dv, "config", "--local", "lineage.namespace", "dv://bench"], check=True)
        with open("events.jsonl", "w", encoding="utf-8") as f:
            for event in events(count):
                f.write(json.dumps(event) + "\n")
        run("records of all runs", "lineage", "import", "-q", "events.jsonl")
        run("index of them", "db", "rebuild")
        facts = json.loads(run("what the index holds", "db", "status", "--json"))
        print(f"{facts['runs']} runs, {facts['events']} events, {facts['bytes'] / 1e6:.1f} MB")
        run("the newest runs", "runs", "ls", "-n", "20")
        measure_walks(os.path.join(os.path.dirname(dv), "libdv.so"), count)
        run("three steps up from the newest file", "lineage", "--up", "--depth", "3", last)
        nodes = run("all steps up, printed", "lineage", "--up", last).count(b"\n")
        print(f"{nodes} lines")
        run("all that was made from the first file", "lineage", "impact", "data/part0/set0.csv")


main()
