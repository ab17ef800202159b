#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The services that hand out S3 keys, and an S3 server that says which key it was shown.

usage: metadata.py PORT LOG

  /latest/…      instance metadata, version 2: role 'machine' has the key IMDS<n>
  /container     credentials of a container, for 'Authorization: sesame' only: the key ECS<n>
  /silent/…      takes the question and never answers
  /control?K=V   'life' is how many seconds keys last, 'refuse' a key that S3 calls expired,
                 'fail' a status that every service answers with
  POST /         the token service (STS): AssumeRole, signed with a key made of a name X and the
                 secret 'secret-X', gives STS<n>; AssumeRoleWithWebIdentity, for the token 'jwt',
                 gives WEB<n>
  else           S3, where nothing is there, for keys X with the secret 'secret-X'

Secrets are 'secret-' and the key, tokens 'token-' and the key. LOG gets a line for every request:
"METHOD path key", with what was asked of the token service.
"""
import datetime
import hashlib
import hmac
import http.server
import json
import re
import sys
import threading
import time
import urllib.parse

LOG = open(sys.argv[2], "a", buffering=1)
STATE = {"life": "3600", "refuse": "", "fail": ""}
COUNT = {}
LOCK = threading.Lock()


def new_key(kind):
    with LOCK:
        COUNT[kind] = COUNT.get(kind, 0) + 1
        key = f"{kind}{COUNT[kind]}"
    ends = datetime.datetime.now(datetime.timezone.utc)
    ends += datetime.timedelta(seconds=float(STATE["life"]))
    return key, ends.strftime("%Y-%m-%dT%H:%M:%SZ")


def as_json(kind):
    key, ends = new_key(kind)
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": key,
                       "SecretAccessKey": "secret-" + key, "Token": "token-" + key,
                       "Expiration": ends}).encode()


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self, key=""):
        LOG.write(f"{self.command} {self.path} {key}\n")

    def answer(self, status, body=b"", kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def xml(self, status, code, message="no"):
        text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        if self.path == "/":
            text = f"<ErrorResponse>{text}<RequestId>1</RequestId></ErrorResponse>"
        self.answer(status, b"<?xml version='1.0'?>" + text.encode(), "application/xml")

    def verify(self, body, service):
        """The key that the request is signed with; None when the signature is wrong."""
        m = re.match(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, ?"
                     r"SignedHeaders=([^,]+), ?Signature=(\w+)",
                     self.headers.get("Authorization", ""))
        if not m or m[4] != service:
            return None
        key, day, region, _, names, signature = m.groups()
        url = urllib.parse.urlsplit(self.path)
        payload = self.headers.get("x-amz-content-sha256") or hashlib.sha256(body).hexdigest()
        text = "\n".join([self.command, url.path, url.query] +
                         [f"{n}:{' '.join(self.headers[n].split())}" for n in names.split(";")] +
                         ["", names, payload])
        k = ("AWS4secret-" + key).encode()
        for part in (day, region, service, "aws4_request"):
            k = sign(k, part)
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", self.headers["x-amz-date"], scope,
                          hashlib.sha256(text.encode()).hexdigest()])
        token = self.headers.get("x-amz-security-token")
        if sign(k, text).hex() != signature or token not in (None, "token-" + key):
            return None
        return key

    def instance(self):
        path = self.path.removeprefix("/latest/")
        if self.command == "PUT" and path == "api/token":
            if not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                return self.answer(400)
            return self.answer(200, b"imds-session")
        if self.headers.get("X-aws-ec2-metadata-token") != "imds-session":
            return self.answer(401)
        if path == "meta-data/iam/security-credentials/":
            return self.answer(200, b"machine")
        if path == "meta-data/iam/security-credentials/machine":
            return self.answer(200, as_json("IMDS"), "application/json")
        return self.answer(404)

    def token_service(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        by, kind = "", "WEB"
        if form.get("Action") == "AssumeRole":
            by, kind = self.verify(body, "sts"), "STS"
        self.note(" ".join(f"{k}={form[k]}" for k in sorted(form) if k not in
                           ("Version", "RoleSessionName")) + f" by={by}")
        if STATE["fail"]:
            return self.xml(int(STATE["fail"]), "Broken")
        if by is None:
            return self.xml(403, "SignatureDoesNotMatch")
        if kind == "WEB" and form.get("WebIdentityToken") != "jwt":
            return self.xml(400, "InvalidIdentityToken", "the token is not valid")
        if form.get("RoleArn", "").endswith("/forbidden"):
            return self.xml(403, "AccessDenied", "not for you")
        key, ends = new_key(kind)
        return self.answer(200, f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><Arn>{form.get("RoleArn")}</Arn></AssumedRoleUser><Credentials>
<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-{key}</SecretAccessKey>
<SessionToken>token-{key}</SessionToken><Expiration>{ends}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>""".encode(), "text/xml")

    def s3(self, body):
        if "Authorization" not in self.headers:
            self.note("nobody")
            return self.xml(404, "NoSuchKey")
        key = self.verify(body, "s3")
        self.note(key)
        if key is None:
            return self.xml(403, "SignatureDoesNotMatch")
        if key == STATE["refuse"]:
            return self.xml(400, "ExpiredToken")
        return self.xml(404, "NoSuchKey")

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/control":
            STATE.update(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
            return self.answer(200)
        if self.command == "POST" and url.path == "/":
            return self.token_service(body)
        if not url.path.startswith(("/latest/", "/container", "/silent/")):
            return self.s3(body)
        self.note()
        if url.path.startswith("/silent/"):
            time.sleep(60)
            return self.answer(500)
        if STATE["fail"]:
            return self.answer(int(STATE["fail"]))
        if url.path.startswith("/latest/"):
            return self.instance()
        if self.headers.get("Authorization") != "sesame":
            return self.answer(403)
        return self.answer(200, as_json("ECS"), "application/json")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any


if __name__ == "__main__":
    http.server.ThreadingHTTPServer.daemon_threads = True
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
