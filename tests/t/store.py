# SPDX-License-Identifier: Apache-2.0
"""Reads a store by docs/format.md alone, without dv.

    store.py laws STORE         checks the law of deltas; prints how many there are, and how deep
    store.py base STORE         prints the file, offset, length and id of the full chunk on which
                                most others build, then the ids of all that it takes down
"""
import collections
import json
import os
import struct
import sys

Entry = collections.namedtuple("Entry", "id offset stored raw kind codec bases depth pack")


def footer(path):
    """The entries of a pack: (id, kind) -> Entry."""
    data = open(path, "rb").read()
    magic, at, n, nbases, _ = struct.unpack("<8sQII8s", data[-32:])
    assert magic == b"DVPTAIL1", path
    table = at + 56 * n
    entries = {}
    for i in range(n):
        oid, offset, stored, raw, kind, codec, count, depth, first = struct.unpack_from(
            "<32sQIIBBBBI", data, at + 56 * i)
        bases = [data[table + 32 * k:table + 32 * k + 32] for k in range(first, first + count)]
        entries[oid, kind] = Entry(oid, offset, stored, raw, kind, codec, bases, depth, path)
    assert table + 32 * nbases + 32 == len(data), path
    return entries


def segment(path):
    """The entries of an index segment: (id, kind, pack's id, offset, depth)."""
    data = open(path, "rb").read()
    magic, n, nc, bits = struct.unpack_from("<8sQIB", data)
    assert magic == b"DVSEG001", path
    packs = [(data[32 + 48 * i:64 + 48 * i].hex(), data[72 + 48 * i]) for i in range(nc)]
    at = 32 + 48 * nc + 4 * ((1 << bits) + 1)
    for i in range(n):
        oid, offset, _, _, pack, kind, _, _, depth = struct.unpack_from(
            "<32sQIIIBBBB", data, at + 56 * i)
        yield oid, kind, packs[pack], offset, depth


def live(store):
    """What the log says there is: packs and segments."""
    packs, segments = {}, []
    for name in sorted(os.listdir(os.path.join(store, "log"))):
        if not name.isdigit():
            continue
        e = json.load(open(os.path.join(store, "log", name), encoding="latin-1"))
        if e["kind"] == "checkpoint":
            continue
        for p in e["packs"]:
            if e["kind"] == "commit":
                packs[p["id"], int(p.get("file", False))] = True
            elif isinstance(p, dict):
                packs.pop((p["id"], 1), None)
            else:
                packs.pop((p, 0), None)
        # Two who push at once may both merge a segment: then it is gone already.
        drop = e["segments"].get("drop", [])
        segments = [s for s in segments if s not in drop]
        segments += e["segments"].get("add", [])
    return packs, segments


def load(store):
    """The entry that counts for each (id, kind)."""
    packs, segments = live(store)
    found, footers = {}, {}
    for name in segments:
        for oid, kind, pack, offset, depth in segment(os.path.join(store, "index", name)):
            if pack not in packs or (oid, kind) in found and found[oid, kind].depth <= depth:
                continue
            if pack[1]:
                found[oid, kind] = Entry(oid, offset, 0, 0, kind, 0, [], 0, None)
                continue
            path = os.path.join(store, "packs", pack[0][:2], pack[0])
            if path not in footers:
                footers[path] = footer(path)
            entry = footers[path][oid, kind]
            assert entry.offset == offset and entry.depth == depth, oid.hex()
            found[oid, kind] = entry
    return found


def laws(store):
    entries = load(store)
    real = {}
    for (oid, kind), e in sorted(entries.items(), key=lambda item: item[1].depth):
        assert e.depth <= 16 and (e.depth > 0) == bool(e.bases) == (e.codec == 2), oid.hex()
        depth = 0
        for b in e.bases:
            assert (b, 1) in entries, f"{oid.hex()}: base {b.hex()} is missing"
            assert entries[b, 1].depth < e.depth, f"{oid.hex()}: base {b.hex()} is too deep"
            depth = max(depth, real[b, 1] + 1)
        real[oid, kind] = depth
    deltas = [d for d in real.values() if d]
    print("deltas", len(deltas), "deepest", max(deltas, default=0))


def base(store):
    entries = load(store)
    upon = collections.defaultdict(set)
    for (oid, kind), e in entries.items():
        for b in e.bases:
            upon[b].add(oid)
    down = {}
    for (oid, kind), e in entries.items():
        if e.bases or kind != 1 or not e.pack:
            continue
        down[oid], todo = set(), [oid]
        while todo:
            for x in upon[todo.pop()] - down[oid]:
                down[oid].add(x)
                todo.append(x)
    best = max(down, key=lambda oid: len(down[oid]))
    e = entries[best, 1]
    print(e.pack, e.offset, e.stored, best.hex())
    for x in sorted(down[best]):
        print(x.hex())


def main():
    what = {"laws": laws, "base": base}
    what[sys.argv[1]](*sys.argv[2:])


main()
