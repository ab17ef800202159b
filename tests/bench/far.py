# SPDX-License-Identifier: Apache-2.0
"""Push and pull over S3 or ssh, with servers of tests/servers on loopback.

Every tool pushes the data, pushes again with nothing to do, pulls into an emptied workspace, and
sends an edited version; its `bytes` are what the remote of a tool that knows versions grew by. dv
also pulls through a proxy that adds 50 ms to every round trip ("pull, 50 ms").
"""
import atexit
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import size
from workloads import EDITED

SERVERS = Path(__file__).resolve().parents[1] / "servers"
BUCKET = "bench"


def start(script, folder, **more):
    """Starts a server, until this program ends; its variables."""
    env = dict(os.environ, DV_SERVER_OWNER=str(os.getpid()), **more)
    script = str(SERVERS / f"{script}.sh")
    r = subprocess.run([script, "start", str(folder)], env=env, text=True, stdout=subprocess.PIPE)
    if r.returncode:
        sys.exit(f"{script} cannot be started")
    atexit.register(subprocess.run, [script, "stop", str(folder)])
    return dict(word.partition("=")[::2] for word in shlex.split(r.stdout))


class S3:
    kind, mode = "s3", "http"

    def __init__(self, lab):
        self.lab = lab
        self.env = start("radosgw", lab.root / "radosgw")
        self.port, self.endpoint = self.env["S3_PORT"], self.env["S3_ENDPOINT"]
        lab.env.update(AWS_ACCESS_KEY_ID=self.env["S3_ACCESS_KEY"], AWS_EC2_METADATA_DISABLED="true",
                       AWS_SECRET_ACCESS_KEY=self.env["S3_SECRET_KEY"],
                       AWS_DEFAULT_REGION=self.env["S3_REGION"])
        lab.env.pop("AWS_CA_BUNDLE", None)  # rclone refuses it
        self.s3("make", BUCKET)

    def s3(self, *args):
        return subprocess.run([sys.executable, str(SERVERS / "s3.py"), *args], check=True, text=True,
                              env=dict(os.environ, **self.env), stdout=subprocess.PIPE).stdout

    def bytes(self, place):
        return sum(int(line.split()[0]) for line in self.s3("list", BUCKET, place).splitlines())

    def forget(self, place):
        self.lab.sh(f"aws --endpoint-url {self.endpoint} s3 rm --quiet --recursive "
                    f"s3://{BUCKET}/{place}" if shutil.which("aws") else "true")

    def dv(self, place, port):
        return (f"{self.lab.dv} remote add -q -d -f --no-probe --global r s3://{BUCKET}/{place} && "
                f"{self.lab.dv} config --global remote.r.endpointurl http://127.0.0.1:{port}")

    def dvc(self, place):
        return (f"dvc remote add -q -d r s3://{BUCKET}/{place} && "
                f"dvc remote modify r endpointurl {self.endpoint}")

    def rclone(self, place):
        return (f":s3,provider=Ceph,endpoint='{self.endpoint}',env_auth=true,"
                f"region={self.env['S3_REGION']}:{BUCKET}/{place}")


class Ssh:
    kind, mode = "ssh", "tcp"

    def __init__(self, lab):
        self.lab = lab
        path = f"{lab.dv.parent}:{os.environ['PATH']}"
        self.env = start("sshd", lab.root / "sshd", SSHD_PATH=path)
        self.port, self.home = self.env["SSH_PORT"], Path(self.env["SSH_HOME"])
        self.config, self.keys = self.env["SSH_CONFIG"], self.env["SSH_KEYS"]

    def bytes(self, place):
        return size(self.home / place)["bytes"]

    def forget(self, place):
        shutil.rmtree(self.home / place, ignore_errors=True)

    def dv(self, place, port):
        ssh = f"ssh -p {port} -o HostKeyAlias=[127.0.0.1]:{self.port} -F {self.config}"
        return (f"{self.lab.dv} remote add -q -d -f --no-probe --global r "
                f"ssh://full{self.home}/{place} && "
                f"{self.lab.dv} config --global remote.r.sshcommand '{ssh}'")

    def dvc(self, place):
        return (f"dvc remote add -q -d r ssh://{self.env['SSH_USER']}@127.0.0.1:{self.port}"
                f"{self.home}/{place} && dvc remote modify r keyfile {self.keys}/full")

    def rclone(self, place):
        return (f":sftp,host=127.0.0.1,port={self.port},user={self.env['SSH_USER']},"
                f"key_file={self.keys}/full:{self.home}/{place}")


class Peer:
    """Copies a folder there and back; knows no versions."""
    program, kinds = None, ("s3", "ssh")

    def __init__(self, far, lab, base):
        self.far, self.lab, self.ws = far, lab, base / "ws"
        self.ws.mkdir(parents=True)

    @classmethod
    def missing(cls, lab, far):
        if far.kind not in cls.kinds:
            return f"does not speak {far.kind}"
        if not shutil.which(cls.program or str(lab.dv), path=lab.env["PATH"]):
            return "is not installed"
        return None

    def init(self, place):
        pass

    def add(self, n):
        return "true"

    def forget(self, n):
        self.lab.sh(f"rm -rf {n}", self.ws)


class Dv(Peer):
    name = "dv"

    def init(self, place, port=None):
        if not (self.ws / ".git").exists():
            self.lab.sh(f"git init -q && {self.lab.dv} init -q", self.ws)
        self.lab.sh(self.far.dv(place, port or self.far.port), self.ws)

    def add(self, n):
        return f"{self.lab.dv} add -q {n}"

    def push(self, n):
        return f"{self.lab.dv} push -q"

    def pull(self, n):
        return f"{self.lab.dv} pull -q"

    def forget(self, n):
        self.lab.sh(f"rm -rf {n} .git/dv", self.ws)


class Dvc(Peer):
    name, program = "dvc", "dvc"

    @classmethod
    def missing(cls, lab, far):
        why = super().missing(lab, far)
        if not why and f"{far.kind} (" not in lab.sh("dvc doctor"):
            why = f"lacks its plug-in dvc-{far.kind}"
        return why

    def init(self, place):
        self.lab.sh("git init -q && dvc init -q && dvc config core.analytics false && "
                    f"dvc config core.check_update false && {self.far.dvc(place)}", self.ws)

    def add(self, n):
        return f"dvc add -q {n}"

    def push(self, n):
        return "dvc push -q"

    def pull(self, n):
        return "dvc pull -q"

    def forget(self, n):
        self.lab.sh(f"rm -rf {n} .dvc/cache .dvc/tmp", self.ws)


class Aws(Peer):
    name, program, kinds = "aws s3 cp", "aws", ("s3",)

    def init(self, place):
        self.aws = f"aws --endpoint-url {self.far.endpoint} s3 cp --quiet"
        self.place = f"s3://{BUCKET}/{place}"

    def push(self, n):
        self.how = " --recursive" if (self.ws / n).is_dir() else ""
        return f"{self.aws}{self.how} {n} {self.place}/{n}"

    def pull(self, n):
        return f"{self.aws}{self.how} {self.place}/{n} {n}"


class Sftp(Peer):
    name, program, kinds = "sftp", "sftp", ("ssh",)

    def init(self, place):
        (self.far.home / place).mkdir()
        self.place = self.far.home / place

    def batch(self, verb, a, b):
        (self.ws.parent / verb).write_text(f"{verb} {a} {b}\n")
        return f"sftp -q -F {self.far.config} -b {self.ws.parent / verb} full"

    def push(self, n):
        self.how = "-r " if (self.ws / n).is_dir() else ""
        return self.batch("put", self.how + str(self.ws / n), self.place / n)

    def pull(self, n):
        return self.batch("get", self.how + str(self.place / n), self.ws / n)


class Rclone(Peer):
    name, program = "rclone", "rclone"

    def init(self, place):
        self.place = self.far.rclone(place)

    def push(self, n):
        self.verb = "copy" if (self.ws / n).is_dir() else "copyto"
        return f"rclone {self.verb} -q {n} {shlex.quote(f'{self.place}/{n}')}"

    def pull(self, n):
        return f"rclone {self.verb} -q {shlex.quote(f'{self.place}/{n}')} {n}"


PEERS = {p.name: p for p in (Dv, Dvc, Aws, Sftp, Rclone)}
PLACES = dict(s3=S3, ssh=Ssh)


def distant(lab, far):
    """The port of a proxy that makes every round trip 50 ms longer."""
    env = start("proxy", lab.root / f"{far.kind}-proxy", PROXY_TARGET=far.port, PROXY_MODE=far.mode)
    Path(env["PROXY_RULES"]).write_text('{"delay_ms": 50}')
    return env["PROXY_PORT"]


def run(lab, far, work, cls, src, proxy, push_only):
    """One tool, once. The rows' workload is 'icons s3' and the like."""
    n, where = src.name, f"{work} {far.kind}"
    place = f"{work}-{cls.program or 'dv'}"
    t = cls(far, lab, lab.fresh())
    t.init(place)
    lab.sh(f"cp -r {src} {t.ws}/")
    lab.sh(t.add(n), t.ws)
    time.sleep(0.1)
    lab.record(where, t.name, "push", lab.timed(t.push(n), t.ws), bytes=far.bytes(place))
    if not push_only:
        run_more(lab, far, work, cls, src, proxy, t, place)
    far.forget(place)
    shutil.rmtree(t.ws.parent, ignore_errors=True)


def run_more(lab, far, work, cls, src, proxy, t, place):
    """What follows the first push."""
    n, where = src.name, f"{work} {far.kind}"
    if cls in (Dv, Dvc, Rclone):
        lab.record(where, t.name, "push again", lab.timed(t.push(n), t.ws))
    t.forget(n)
    lab.record(where, t.name, "pull", lab.timed(t.pull(n), t.ws))
    lab.sh(f"diff -r {src} {n}", t.ws)
    if cls is Dv:
        t.forget(n)
        t.init(place, proxy)
        lab.record(where, t.name, "pull, 50 ms", lab.timed(t.pull(n), t.ws))
        lab.sh(f"diff -r {src} {n}", t.ws)
        t.init(place)
    if work in EDITED:
        before = far.bytes(place)
        lab.sh(f"cp {lab.data}/{work}2/{n} {t.ws}/{n}")
        lab.sh(t.add(n), t.ws)
        m = lab.timed(t.push(n), t.ws)
        grown = dict(bytes=far.bytes(place) - before) if cls in (Dv, Dvc) else {}
        lab.record(where, t.name, "push edited", m, **grown)
