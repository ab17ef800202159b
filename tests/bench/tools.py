# SPDX-License-Identifier: Apache-2.0
"""What each tool is told, so that all are asked for the same.

add, status, checkout, push and pull return a command that is timed; n is the name of the data in
the workspace. For a series: version() adds version k, reach() is what git does before a version can
be checked out (nothing where the tool has its own history) and back() brings the version.
"""
import json
import shutil


class Tool:
    remote = False  # is there a push and a pull?
    program = None
    after = ()      # what may be done when all versions are in: (label, name of the method)

    def __init__(self, lab, base):
        self.lab, self.base, self.ws, self.revs = lab, base, base / "ws", []
        self.ws.mkdir(parents=True)

    @classmethod
    def missing(cls, lab):
        """Why the tool cannot be measured, or nothing."""
        if not shutil.which(cls.program or lab.dv, path=lab.env["PATH"]):
            return "is not installed"
        return None

    def sh(self, cmd):
        return self.lab.sh(cmd, self.ws)

    def ready_to_push(self):
        """What has to be done before a push and is not counted."""

    def reach(self, k):
        return None


class InGit(Tool):
    """A tool whose history is git's."""

    def version(self, k, n):
        return f"{self.add(n)} && git commit -q --allow-empty -m {k}"

    def versions(self):
        self.revs = self.sh("git rev-list --reverse HEAD").split()

    def at(self, k, count):
        return self.revs[len(self.revs) - count + k]

    def history(self):
        return self.ws / ".git/objects"


class Dv(InGit):
    name, remote = "dv", True
    after = (("dv repacked", "repack"),)

    def init(self):
        self.sh(f"git init -q && {self.lab.dv} init -q && "
                f"{self.lab.dv} remote add -q -d r ../remote")

    def add(self, n):
        return f"{self.lab.dv} add -q {n}"

    def status(self, n):
        return f"{self.lab.dv} status"

    def checkout(self, n):
        return f"{self.lab.dv} checkout -q"

    def push(self, n):
        return f"{self.lab.dv} push -q"

    def pull(self, n):
        return f"{self.lab.dv} pull -q"

    def store(self):
        return [self.ws / ".git/dv/cache"]

    def forget(self, n):
        self.sh(f"rm -rf {n} .git/dv")

    def reach(self, rev):
        return f"git checkout -q -f {rev}"

    def back(self, rev, n):
        return f"{self.lab.dv} checkout -q"

    def repack(self):
        if "--repack" in self.sh(f"{self.lab.dv} gc -h"):
            return f"{self.lab.dv} gc -q -A --repack"
        return None


class DvPlain(Dv):
    name = "dv plain"
    after = ()

    @classmethod
    def missing(cls, lab):
        t = cls(lab, lab.fresh())
        try:
            t.init()
        except SystemExit:
            return "cannot: this dv has no setting cache.delta"
        return None

    def init(self):
        super().init()
        self.sh(f"{self.lab.dv} config cache.delta false")


class Dvc(InGit):
    name, program, remote = "dvc", "dvc", True

    def init(self):
        self.sh("git init -q && dvc init -q && dvc config core.analytics false && "
                "dvc config core.check_update false && dvc remote add -q -d r ../remote")

    def add(self, n):
        return f"dvc add -q {n}"

    def version(self, k, n):
        return (f"dvc add -q {n} && git add {n}.dvc .gitignore && "
                f"git commit -q --allow-empty -m {k}")

    def status(self, n):
        return "dvc status -q"

    def checkout(self, n):
        return "dvc checkout -q"

    def push(self, n):
        return "dvc push -q"

    def pull(self, n):
        return "dvc pull -q"

    def store(self):
        return [self.ws / ".dvc/cache"]

    def forget(self, n):
        self.sh(f"rm -rf {n} .dvc/cache .dvc/tmp")

    def reach(self, rev):
        return f"git checkout -q -f {rev}"

    def back(self, rev, n):
        return "dvc checkout -q"


class Lfs(InGit):
    name, program, remote = "git-lfs", "git-lfs", True

    def init(self):
        self.sh("git init -q && git lfs install --local && git lfs track '*' && "
                "printf '.gitattributes -filter -diff -merge\\n' >> .gitattributes && "
                "git add .gitattributes && git commit -qm i && "
                "git init -q --bare ../remote && git remote add origin ../remote")

    def add(self, n):
        return f"git add {n}"

    def status(self, n):
        return "git status --porcelain"

    def checkout(self, n):
        return "git checkout -q ."

    def ready_to_push(self):
        self.sh("git commit -q -m data")

    def push(self, n):
        return "git push -q origin HEAD"

    def pull(self, n):
        return "git lfs pull"

    def store(self):
        return [self.ws / ".git/lfs"]

    def forget(self, n):
        # Pointers in the workspace and no object behind them: what a clone without smudging has.
        self.sh(f"rm -rf {n} .git/lfs/objects && GIT_LFS_SKIP_SMUDGE=1 git checkout -q .")

    def back(self, rev, n):
        return f"git checkout -q -f {rev}"


class Git(InGit):
    """git alone: not made for large data, and the measure of how small a history can be."""
    name, program = "git", "git"
    after = (("git gc", "gc"), ("git gc --aggressive", "aggressive"))

    def init(self):
        self.sh("git init -q")

    def add(self, n):
        return f"git add {n}"

    def store(self):
        return []

    def back(self, rev, n):
        return f"git checkout -q -f {rev}"

    def gc(self):
        return "git gc -q --prune=now"

    def aggressive(self):
        return "git gc -q --aggressive --prune=now"


class Restic(Tool):
    name, program = "restic", "restic"

    def init(self):
        self.sh("restic -q init -r ../repo")

    def add(self, n):
        return f"restic -q -r ../repo backup {n}"

    def version(self, k, n):
        return self.add(n)

    def versions(self):
        shots = json.loads(self.sh("restic -q -r ../repo snapshots --json"))
        self.revs = [s["id"] for s in sorted(shots, key=lambda s: s["time"])]

    def at(self, k, count):
        return self.revs[k]

    def status(self, n):
        return self.add(n)

    def checkout(self, n):
        return "restic -q -r ../repo restore latest --target ."

    def back(self, rev, n):
        return f"restic -q -r ../repo restore {rev} --target ."

    def store(self):
        return [self.base / "repo"]


class Borg(Tool):
    name, program = "borg", "borg"

    def init(self):
        self.sh("borg init -e none ../repo")

    def add(self, n):
        return f"borg create -C lz4 ../repo::$(date +%s%N) {n}"

    def version(self, k, n):
        return f"borg create -C lz4 ../repo::v{k} {n}"

    def versions(self):
        self.revs = None

    def at(self, k, count):
        return f"v{k + 1}"

    def status(self, n):
        return self.add(n)

    def checkout(self, n):
        return "borg extract ../repo::$(borg list --short --last 1 ../repo)"

    def back(self, rev, n):
        return f"borg extract ../repo::{rev}"

    def store(self):
        return [self.base / "repo"]


TOOLS = {t.name: t for t in (Dv, DvPlain, Dvc, Lfs, Git, Restic, Borg)}
