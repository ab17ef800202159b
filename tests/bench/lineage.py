#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the lineage of many runs, through the real path: events are imported, which makes a record
of each run, and everything is asked of the program.

usage: lineage.py DV [RUNS]

Goals, for 100,000 runs and 400,000 events: an index of at most 100 MB, and what something was made
from, all of it, in half a second of processor time before it is printed.
"""
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
        run("three steps up from the newest file", "lineage", "--up", "--depth", "3", last)
        nodes = run("all steps up, printed", "lineage", "--up", last).count(b"\n")
        print(f"{nodes} lines")
        run("all that was made from the first file", "lineage", "impact", "data/part0/set0.csv")


main()
