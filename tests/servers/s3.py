#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small S3 client, to look behind dv's back. Usage:

    s3.py make BUCKET            s3.py put BUCKET KEY <FILE    s3.py get BUCKET KEY
    s3.py list BUCKET [PREFIX]   s3.py size BUCKET KEY         s3.py remove BUCKET KEY
    s3.py uploads BUCKET         s3.py public BUCKET           s3.py readonly BUCKET USER

S3_ENDPOINT, S3_REGION, S3_ACCESS_KEY and S3_SECRET_KEY say where and who. `uploads` lists
multipart uploads that were not finished; `public` lets everybody read.
"""
import datetime
import hashlib
import hmac
import http.client
import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree as xml


def quote(text):
    return urllib.parse.quote(text, safe="/-_.~")


def signed(method, path, query, body, headers, now):
    region, secret = os.environ.get("S3_REGION", "us-east-1"), os.environ["S3_SECRET_KEY"]
    day = now[:8]
    names = sorted(headers)
    canonical = "\n".join([method, path, query] + ["%s:%s" % (n, headers[n]) for n in names] +
                          ["", ";".join(names), headers["x-amz-content-sha256"]])
    scope = "%s/%s/s3/aws4_request" % (day, region)
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        os.environ["S3_ACCESS_KEY"], scope, ";".join(names),
        hmac.new(key, text.encode(), hashlib.sha256).hexdigest())


def ask(method, bucket, key="", query=None, body=b"", extra=None):
    where = urllib.parse.urlsplit(os.environ["S3_ENDPOINT"])
    path = "/" + quote(bucket) + ("/" + quote(key) if key else "")
    text = "&".join("%s=%s" % (urllib.parse.quote(k, safe=""), urllib.parse.quote(v, safe=""))
                    for k, v in sorted((query or {}).items()))
    now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": where.netloc, "x-amz-date": now,
               "x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    headers.update(extra or {})
    headers["authorization"] = signed(method, path, text, body, dict(headers), now)
    c = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    c.request(method, path + ("?" + text if text else ""), body, headers)
    answer = c.getresponse()
    data = answer.read()
    if answer.status >= 300:
        sys.exit("s3.py: %s %s: %d %s" % (method, path, answer.status, data[:300].decode("latin1")))
    return answer, data


def entries(bucket, query, kind, names):
    """Of all pages of a listing."""
    while True:
        root = xml.fromstring(ask("GET", bucket, query=query)[1])
        space = root.tag[:root.tag.index("}") + 1] if root.tag.startswith("{") else ""
        for e in root.iter(space + kind):
            yield [e.findtext(space + n) for n in names]
        token = root.findtext(space + "NextContinuationToken")
        if not token:
            return
        query = dict(query, **{"continuation-token": token})


def main(verb, bucket, *rest):
    if verb == "make":
        ask("PUT", bucket)
    elif verb == "put":
        ask("PUT", bucket, rest[0], body=sys.stdin.buffer.read())
    elif verb == "get":
        sys.stdout.buffer.write(ask("GET", bucket, rest[0])[1])
    elif verb == "size":
        print(ask("HEAD", bucket, rest[0])[0].getheader("content-length"))
    elif verb == "remove":
        ask("DELETE", bucket, rest[0])
    elif verb == "list":
        query = {"list-type": "2", "prefix": rest[0] if rest else ""}
        for key, size in entries(bucket, query, "Contents", ("Key", "Size")):
            print(size, key)
    elif verb == "uploads":
        for key, upload in entries(bucket, {"uploads": ""}, "Upload", ("Key", "UploadId")):
            print(upload, key)
    elif verb in ("public", "readonly"):
        who = {"AWS": ["arn:aws:iam:::user/" + rest[0]]} if rest else "*"
        policy = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": who, "Action": ["s3:GetObject", "s3:ListBucket"],
             "Resource": ["arn:aws:s3:::" + bucket, "arn:aws:s3:::%s/*" % bucket]}]}
        ask("PUT", bucket, query={"policy": ""}, body=json.dumps(policy).encode())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
