#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A git server over HTTP on this machine: the program git-http-backend behind Python's server.

usage: githttp.py ROOT [USER:PASSWORD]

Prints its port on a line of its own. Repositories are below ROOT; with USER:PASSWORD every request
must bring that login.
"""
import base64
import http.server
import os
import subprocess
import sys

root = os.path.abspath(sys.argv[1])
login = sys.argv[2] if len(sys.argv) > 2 else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        out = b""
        while True:
            n = int(self.rfile.readline().split(b";")[0], 16)
            out += self.rfile.read(n)
            self.rfile.readline()
            if n == 0:
                return out

    def answer(self):
        wanted = "Basic " + base64.b64encode(login.encode()).decode() if login else None
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path,
                   QUERY_STRING=query, REQUEST_METHOD=self.command,
                   CONTENT_TYPE=self.headers.get("Content-Type", ""),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
                   GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory",
                   GIT_CONFIG_VALUE_0="*", REMOTE_ADDR="127.0.0.1")
        out = subprocess.run(["git", "http-backend"], input=self.body(), env=env,
                             stdout=subprocess.PIPE).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        lines = [l.split(": ", 1) for l in head.decode().split("\r\n") if ": " in l]
        status = next((v for k, v in lines if k.lower() == "status"), "200")
        self.send_response(int(status.split()[0]))
        for k, v in lines:
            if k.lower() != "status":
                self.send_header(k, v)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
