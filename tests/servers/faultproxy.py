#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy on loopback that breaks connections on purpose. Usage:

    faultproxy.py PORT TARGET_PORT DIR http|tcp

DIR/rules.json is read again for every request (http) or connection (tcp), so a test changes the
weather by writing another (and renaming it there). All keys may be left out:

    {"delay_ms": 50, "rate": 1000000, "seed": 7, "faults": [
        {"fault": "reset", "match": "^PUT /bucket/", "header": "if-none-match", "percent": 10,
         "skip": 2, "times": 1, "after": 4096, "retry_after": 1}]}

delay_ms: a round trip takes so much longer; rate: bytes in a second, each way. Of the faults the
first that hits counts. `match` is searched in "METHOD path" ("TCP" without http), `header` in the
head of the request, in lower case; `skip` lets as many pass first, `times` bounds how often.

    refuse    tcp: reset when it connects
    reset     reset after `after` bytes on the way to the server (http: of the body; 0: at once)
    cut       reset after `after` bytes on the way back (http: of the body)
    truncate  closed after `after` bytes on the way back (http: of the body, half by default)
    stall     nothing more after `after` bytes on the way back, and no end either
    silent    http: carried out, and never answered
    lost      http: carried out, then reset instead of the answer
    flip      one bit is turned on the way back, flip-up: on the way to the server (at `after`;
              http: in the middle of the body by default)
    503, 500, 429, 501   answered so, not carried out; with Retry-After when retry_after is given
    ignore-if            http: If-None-Match is taken out, as by a server that does not know it

DIR/requests.log gets a line for each: "METHOD path status bytes-up bytes-down fault".
"""
import asyncio
import json
import os
import random
import re
import socket
import struct
import sys

BLOCK = 65536
CODES = {"503": ("503 Slow Down", "SlowDown"), "429": ("429 Too Many Requests", "TooManyRequests"),
         "500": ("500 Internal Server Error", "InternalError"),
         "501": ("501 Not Implemented", "NotImplemented")}
ERROR = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>on purpose</Message></Error>'


class Ended(Exception):
    """This connection is over, on purpose."""


class Weather:
    """The rules, and how often each was used."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "rules.json")
        self.log = open(os.path.join(folder, "requests.log"), "a", buffering=1)
        self.stamp = None
        self.rules = {}
        self.seen = {}

    def read(self):
        try:
            st = os.stat(self.path)
        except FileNotFoundError:
            self.stamp, self.rules = None, {}
            return self.rules
        stamp = (st.st_ino, st.st_mtime_ns, st.st_size)
        if stamp != self.stamp:
            with open(self.path) as f:
                self.rules = json.load(f)
            self.stamp, self.seen = stamp, {}
            random.seed(self.rules.get("seed"))
        return self.rules

    def fault_for(self, line, head=""):
        for i, rule in enumerate(self.read().get("faults", [])):
            if not re.search(rule.get("match", ""), line):
                continue
            if "header" in rule and not re.search(rule["header"], head.lower()):
                continue
            passed, hit = self.seen.get(i, (0, 0))
            if passed < rule.get("skip", 0):
                self.seen[i] = (passed + 1, hit)
                continue
            if hit >= rule.get("times", 1 << 60) or random.random() * 100 >= rule.get("percent", 100):
                continue
            self.seen[i] = (passed, hit + 1)
            return rule
        return {}

    def note(self, line, status, up, down, fault):
        self.log.write("%s %s %d %d %s\n" % (line, status, up, down, fault.get("fault", "-")))


def reset(writer):
    sock = writer.get_extra_info("socket")
    if sock and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def flip(data, at):
    data = bytearray(data)
    data[at] ^= 1 << (at % 8)
    return bytes(data)


class Flow:
    """What goes one way: counts, slows down, turns a bit."""

    def __init__(self, weather, writer, flip_at=None, limit=None):
        self.weather, self.writer, self.flip_at, self.limit = weather, writer, flip_at, limit
        self.sent = 0

    async def send(self, data):
        """False when the limit is reached; the bytes before it are sent."""
        whole = True
        if self.flip_at is not None and self.sent <= self.flip_at < self.sent + len(data):
            data = flip(data, self.flip_at - self.sent)
        if self.limit is not None and self.sent + len(data) > self.limit:
            data, whole = data[:self.limit - self.sent], False
        if self.writer is not None and data:
            self.writer.write(data)
            await self.writer.drain()
        self.sent += len(data)
        rate = self.weather.rules.get("rate")
        if rate:
            await asyncio.sleep(len(data) / rate)
        return whole

    def block(self):
        rate = self.weather.rules.get("rate")
        return min(BLOCK, max(1024, rate // 20)) if rate else BLOCK


class Message:
    """The head of a request or an answer."""

    def __init__(self, raw):
        self.raw = raw
        text = raw.decode("latin1")
        self.start = text.split("\r\n", 1)[0]
        self.fields = {}
        for line in text.split("\r\n")[1:]:
            name, colon, value = line.partition(":")
            if colon:
                self.fields[name.strip().lower()] = value.strip()

    def length(self, request):
        """Of the body; -1: chunked, -2: until the connection ends."""
        if self.fields.get("transfer-encoding", "").lower() == "chunked":
            return -1
        if "content-length" in self.fields:
            return int(self.fields["content-length"])
        return 0 if request else -2

    def without(self, name):
        lines = self.raw.decode("latin1").split("\r\n")
        return "\r\n".join(l for l in lines if not l.lower().startswith(name + ":")).encode("latin1")


async def read_head(reader):
    return Message(await reader.readuntil(b"\r\n\r\n"))


async def copy_body(reader, length, flow):
    """True when all of it went through."""
    while length == -1:
        size = await reader.readuntil(b"\r\n")
        data = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        if not await flow.send(size + data):
            return False
        if len(data) == 2:
            return True
    while length:
        data = await reader.read(flow.block() if length < 0 else min(flow.block(), length))
        if not data:
            return length < 0
        length -= len(data) if length > 0 else 0
        if not await flow.send(data):
            return False
    return True


async def forever(reader):
    """Until the other side has had enough."""
    while await reader.read(BLOCK):
        pass
    raise Ended


class Http:
    """One connection of a client, and one to the server."""

    def __init__(self, weather, client, server):
        self.weather = weather
        self.cr, self.cw = client
        self.sr, self.sw = server

    async def run(self):
        while await self.request():
            pass

    async def wait(self):
        delay = self.weather.read().get("delay_ms")
        if delay:
            await asyncio.sleep(delay / 1000)

    async def refuse(self, q, fault, method):
        if "expect" in q.fields:
            self.cw.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await copy_body(self.cr, q.length(True), Flow(self.weather, None))
        status, code = CODES[fault["fault"]]
        body = ERROR % code
        wait = "Retry-After: %s\r\n" % fault["retry_after"] if "retry_after" in fault else ""
        self.cw.write(("HTTP/1.1 %s\r\nContent-Type: application/xml\r\n%sContent-Length: %d\r\n\r\n%s" %
                       (status, wait, len(body), "" if method == "HEAD" else body)).encode())
        await self.cw.drain()
        return status.split()[0]

    async def request(self):
        try:
            q = await read_head(self.cr)
        except asyncio.IncompleteReadError:
            return False
        method, path = q.start.split(" ")[:2]
        line = method + " " + path
        await self.wait()
        fault = self.weather.fault_for(line, q.raw.decode("latin1"))
        up, down, status = Flow(self.weather, self.sw), Flow(self.weather, self.cw), "-"
        try:
            if fault.get("fault") in CODES:
                status = await self.refuse(q, fault, method)
                return True
            answer = await self.forward(q, fault, up)
            status = answer.start.split(" ")[1]
            return await self.answer(answer, method, fault, down)
        finally:
            self.weather.note(line, status, up.sent, down.sent, fault)

    async def upload(self, q, fault, up):
        length = q.length(True)
        if fault.get("fault") == "flip-up" and length > 0:
            up.flip_at = min(fault.get("after", length // 2), length - 1)
        if fault.get("fault") == "reset":
            up.limit = fault.get("after", 0)
        if not await copy_body(self.cr, length, up):
            reset(self.sw)
            reset(self.cw)
            raise Ended

    async def forward(self, q, fault, up):
        """Sends the request on; the head of the answer."""
        if fault.get("fault") == "reset" and (not fault.get("after") or q.length(True) == 0):
            reset(self.cw)
            raise Ended
        self.sw.write(q.without("if-none-match") if fault.get("fault") == "ignore-if" else q.raw)
        await self.sw.drain()
        body = asyncio.ensure_future(self.upload(q, fault, up))
        try:
            head = asyncio.ensure_future(read_head(self.sr))
            while True:
                await asyncio.wait([head, body] if not body.done() else [head],
                                   return_when=asyncio.FIRST_COMPLETED)
                if body.done():
                    body.result()
                if not head.done():
                    continue
                answer = head.result()
                if answer.start.split(" ")[1] != "100":
                    break
                await self.wait()
                self.cw.write(answer.raw)
                head = asyncio.ensure_future(read_head(self.sr))
            self.unsent = not body.done()
            if self.unsent:
                await asyncio.wait([body], timeout=2)
                self.unsent = not body.done()
            return answer
        finally:
            body.cancel()
            head.cancel()

    async def answer(self, a, method, fault, down):
        kind, status = fault.get("fault"), int(a.start.split(" ")[1])
        length = 0 if method == "HEAD" or status in (204, 304) else a.length(False)
        if kind in ("lost", "silent"):
            await copy_body(self.sr, length, Flow(self.weather, None))
            if kind == "silent":
                await forever(self.cr)
            reset(self.cw)
            raise Ended
        if kind == "flip" and length > 0:
            down.flip_at = min(fault.get("after", length // 2), length - 1)
        if kind in ("cut", "truncate", "stall"):
            down.limit = fault.get("after", max(length, 0) // 2)
        self.cw.write(a.raw)
        if not await copy_body(self.sr, length, down):
            if kind == "stall":
                await forever(self.cr)
            if kind == "cut":
                reset(self.cw)
            raise Ended
        await self.cw.drain()
        return not self.unsent and length != -2 and a.fields.get("connection", "").lower() != "close"


class Tcp:
    """Two pumps with a delay line between the ends of each."""

    def __init__(self, weather, client, server):
        self.weather = weather
        self.cr, self.cw = client
        self.sr, self.sw = server
        self.fault = weather.fault_for("TCP")

    async def run(self):
        kind, after = self.fault.get("fault"), self.fault.get("after", 0)
        up, down = Flow(self.weather, self.sw), Flow(self.weather, self.cw)
        if kind == "reset":
            up.limit = after
        elif kind in ("cut", "truncate", "stall"):
            down.limit = after
        elif kind in ("flip", "flip-up"):
            (down if kind == "flip" else up).flip_at = after
        try:
            if kind == "refuse":
                reset(self.cw)
                return
            tasks = [asyncio.ensure_future(self.pump(self.cr, up)),
                     asyncio.ensure_future(self.pump(self.sr, down))]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done() and not tasks[1].exception() and tasks[1].result() == "stall":
                await tasks[0]
            for task in tasks:
                task.cancel()
        finally:
            self.weather.note("TCP -", "-", up.sent, down.sent, self.fault)

    async def pump(self, reader, flow):
        loop, queue = asyncio.get_running_loop(), asyncio.Queue(256)
        delay = self.weather.read().get("delay_ms", 0) / 2000

        async def read():
            while True:
                data = await reader.read(flow.block())
                await queue.put((loop.time() + delay, data))
                if not data:
                    return

        source = asyncio.ensure_future(read())
        try:
            while True:
                due, data = await queue.get()
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                if not data:
                    return "end"
                if not await flow.send(data):
                    break
            if self.fault["fault"] in ("reset", "cut"):
                reset(self.cw)
                reset(self.sw)
            return self.fault["fault"]
        finally:
            source.cancel()


async def serve(port, target, folder, mode):
    weather = Weather(folder)

    async def connected(cr, cw):
        sw = None
        try:
            sr, sw = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
            for w in (cw, sw):
                w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await (Http if mode == "http" else Tcp)(weather, (cr, cw), (sr, sw)).run()
        except (Ended, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            pass
        finally:
            for w in (cw, sw):
                if w is not None:
                    w.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=1 << 20, backlog=256)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 5 or sys.argv[4] not in ("http", "tcp"):
        sys.exit(__doc__)
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
