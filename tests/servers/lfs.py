#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Git LFS server for tests: the batch API and downloads from a folder of objects.

usage: lfs.py FOLDER PORTFILE [USER:PASSWORD]

What was asked is noted in PORTFILE.log, a line each: method, path, and "login" when there was one.
"""
import base64
import http.server
import json
import os
import sys

folder, portfile = sys.argv[1:3]
login = sys.argv[3] if len(sys.argv) > 3 else None


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def note(self):
        with open(portfile + ".log", "a") as f:
            said = "login" if self.headers.get("Authorization") else "-"
            f.write(f"{self.command} {self.path} {said}\n")

    def reply(self, status, body, kind="application/vnd.git-lfs+json", extra=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for key, value in extra:
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if not login:
            return True
        want = "Basic " + base64.b64encode(login.encode()).decode()
        if self.headers.get("Authorization") == want:
            return True
        self.reply(401, b"{}", extra=[("WWW-Authenticate", 'Basic realm="lfs"')])
        return False

    def path_of(self, oid):
        path = os.path.join(folder, oid[:2], oid[2:4], oid)
        return path if os.path.exists(path) else None

    def do_POST(self):
        self.note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/info/lfs/objects/batch"):
            return self.reply(404, b"{}")
        if not self.allowed():
            return None
        objects = []
        for o in json.loads(body)["objects"]:
            item = {"oid": o["oid"], "size": o["size"]}
            if self.path_of(o["oid"]):
                href = f"http://127.0.0.1:{self.server.server_port}/obj/{o['oid']}"
                item["actions"] = {"download": {"href": href, "header": {"X-Test": "1"}}}
            else:
                item["error"] = {"code": 404, "message": "not there"}
            objects.append(item)
        return self.reply(200, json.dumps({"transfer": "basic", "objects": objects}).encode())

    def do_GET(self):
        self.note()
        path = self.path_of(self.path.rsplit("/", 1)[1])
        if not path or self.headers.get("X-Test") != "1":
            return self.reply(404, b"")
        with open(path, "rb") as f:
            return self.reply(200, f.read(), "application/octet-stream")


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(portfile + ".tmp", "w") as out:
    out.write(str(server.server_port))
os.rename(portfile + ".tmp", portfile)
server.serve_forever()
