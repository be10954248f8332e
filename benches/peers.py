"""The commands that are compared: what each is given, at its defaults and at its best, and what it promises."""

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rig import AUTHORIZATION

PASSWORD = "throw-away"


@dataclass
class Command:
    """What is run."""

    arguments: list
    folder: Path
    environment: dict
    lines: Path | None = None

    def stdin(self):
        return open(self.lines) if self.lines else open(os.devnull)


@dataclass
class Peer:
    """A tool in one tuning."""

    name: str
    guarantee: str
    # How many charts a run gets by job and RTT in ms: runs of tools that take minutes are done with fewer, in whole repositories,
    # and scaled.
    charts: dict
    # Of which jobs: "mirror", "full".
    job: str = "mirror"


ALL = {0: 200, 20: 200, 80: 200}
FEW = {0: 20, 20: 20, 80: 10}

PEERS = [
    Peer("chartsync", "every byte, its signer and its pin, read back; of what is there, the digest that the registry tells", ALL),
    Peer("chartsync, tuned", "the same", ALL),
    Peer("ideal client", "nothing: the same requests", ALL),
    Peer("3B + 2", "nothing: the fewest requests", ALL),
    Peer("regsync", "digests", {0: 50, 20: 20, 80: 10}),
    Peer("regsync, tuned", "digests", ALL),
    Peer("crane", "digests", FEW),
    Peer("crane, tuned", "digests; of what is there, only that its tag is", ALL),
    Peer("oras cp, loop", "digests", FEW),
    Peer("oras cp, xargs -P8", "digests", {0: 200, 20: 200, 80: 100}),
    Peer("chartsync, signing", "the same, and a signature of its place, looked at as a consumer does", ALL, "full"),
    Peer("today's pipeline", "digests, provenance and signature, each of a tag that may move in between", {0: 5, 20: 5, 80: 5}, "full"),
]

PIPELINE = """set -eu
while read -r source destination tag; do
    digest=$($oras resolve --plain-http "$source:$tag")
    there=$($oras resolve --plain-http "$destination:$tag" 2>/dev/null || true)
    if [ "$there" != "$digest" ]; then
        $helm pull "oci://$source" --version "$tag" --plain-http --prov --verify --keyring "$keyring" --destination pulled
        $oras cp --from-plain-http --to-plain-http "$source@$digest" "$destination:$tag"
    fi
    place="-a repository=$destination -a tag=$tag"
    if ! $cosign verify --key cosign.pub --insecure-ignore-tlog --allow-http-registry $place "$destination@$digest"; then
        $cosign sign --yes --key cosign.key --signing-config none.json --allow-http-registry $place "$destination@$digest"
    fi
done
"""


class Desk:
    """Where the tools find their files: one folder for each rig."""

    def __init__(self, rig, charts, examples):
        self.rig, self.charts, self.folder = rig, charts, rig.folder / "desk"
        self.folder.mkdir()
        home = self.folder / "home"
        self.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "COSIGN_PASSWORD": "", "LC_ALL": "C.UTF-8", "TZ": "UTC", "TMPDIR": str(rig.folder),
        }  # fmt: skip
        hosts = [rig.bed.source, rig.bed.destination]
        if rig.realm:
            auths = json.dumps({"auths": {host: {"auth": AUTHORIZATION.split()[1]} for host in hosts}})
            for file in (home / ".docker/config.json", home / ".config/helm/registry/config.json"):
                file.parent.mkdir(parents=True)
                file.write_text(auths)
        by_key = 'method = "key"\nkey = "cosign.key"\npublic-key = "cosign.pub"\n'
        self.workspace("chartsync", hosts, 'method = "none"\n', "", examples)
        self.workspace("chartsync, tuned", hosts, 'method = "none"\n', "concurrency = 64\n", examples)
        self.workspace("chartsync, signing", hosts, by_key, "", examples)
        for name in ("cosign.key", "cosign.pub"):
            (self.folder / name).write_bytes((self.folder / "chartsync, signing" / name).read_bytes())
        create = [rig.tools["cosign"], "signing-config", "create", "--out", "none.json"]
        subprocess.run(create, cwd=self.folder, env=self.environment, check=True, capture_output=True)
        (self.folder / "pipeline").write_text(PIPELINE)
        (self.folder / "pulled").mkdir()

    def workspace(self, name, hosts, signing, tuning, examples):
        """A locked workspace of chartsync's that mirrors all charts."""
        root = self.folder / name
        (root / "mirrors").mkdir(parents=True)
        (root / "keyrings").mkdir()
        settings = f'[publish]\nrepository = "{hosts[1]}/charts"\n\n[signing]\n{signing}'
        for host in hosts:
            realm = f'token-realm = "{self.rig.realm}"\n' if self.rig.realm else ""
            settings += f'\n[registry."{host}"]\nplain-http = true\n{realm}{tuning}'
        (root / "chartsync.toml").write_text(settings)
        (root / "keyrings/bench.gpg").write_bytes((self.rig.data / "keyring.gpg").read_bytes())
        for part in ("key", "pub"):
            (root / f"cosign.{part}").write_bytes((examples / f"throw-away.{part}").read_bytes())
        for source in sorted({chart["source"] for chart in self.charts}):
            name = source.rsplit("/", 1)[1]
            versions = "".join(f"  - {chart['tag']}\n" for chart in self.charts if chart["source"] == source)
            (root / f"mirrors/{name}.yaml").write_text(
                f"source:\n  type: helm-oci\n  repository: {hosts[0]}/{source}\ndestination:\n  repository: {hosts[1]}/charts/{name}\n"
                f"versions:\n{versions}provenance:\n  keyring: keyrings/bench.gpg\n"
            )
        lock, made = self.chartsync("lock", root), self.folder / "chartsync/mirrors.lock"
        if made.exists():
            (root / "mirrors.lock").write_bytes(made.read_bytes())
            return
        subprocess.run(lock.arguments, cwd=lock.folder, env=lock.environment, check=True, capture_output=True)

    def chartsync(self, words, root):
        """As on a machine of a CI: nothing is cached."""
        cache = self.folder / "cache"
        subprocess.run(["rm", "-rf", cache], check=True)
        environment = self.environment | {"CHARTSYNC_CACHE": str(cache)}
        return Command([self.rig.tools["chartsync"], *words.split()], root, environment)

    def command(self, peer, charts):
        """What is run to have these charts at the destination."""
        tools, bed = self.rig.tools, self.rig.bed
        if peer.name.startswith("chartsync"):
            return self.chartsync("apply", self.folder / peer.name)
        if peer.name in ("ideal client", "3B + 2"):
            what = "ideal" if peer.name == "ideal client" else "floor"
            return self.plain([tools["wire"], "client", what, self.rig.job(charts)])
        repositories = sorted({(chart["source"], chart["destination"]) for chart in charts})
        pairs = [(f"{bed.source}/{source}", f"{bed.destination}/{destination}") for source, destination in repositories]
        names = [(f"{bed.source}/{c['source']}:{c['tag']}", f"{bed.destination}/{c['destination']}:{c['tag']}") for c in charts]
        if peer.name.startswith("regsync"):
            return self.plain([tools["regsync"], "once", "--config", self.regsync(pairs, peer.name.endswith("tuned"))])
        if peer.name == "crane":
            return self.plain(["sh", "-c", f'while read -r s d; do {tools["crane"]} copy -a "$s" "$d" || exit 1; done'], pairs)
        if peer.name == "crane, tuned":
            return self.plain(["xargs", "-P16", "-L1", tools["crane"], "copy", "-a", "-n", "-j5"], pairs)
        copy = f"{tools['oras']} cp --from-plain-http --to-plain-http"
        if peer.name == "oras cp, loop":
            return self.plain(["sh", "-c", f'while read -r s d; do {copy} "$s" "$d" || exit 1; done'], names)
        if peer.name == "oras cp, xargs -P8":
            return self.plain(["xargs", "-P8", "-L1", *shlex.split(copy)], names)
        assert peer.name == "today's pipeline", peer.name
        lines = [(f"{bed.source}/{c['source']}", f"{bed.destination}/{c['destination']}", c["tag"]) for c in charts]
        command = self.plain(["sh", "pipeline"], lines)
        programs = {name: str(tools[name]) for name in ("oras", "helm", "cosign")}
        command.environment = self.environment | programs | {"keyring": str(self.rig.data / "keyring.gpg")}
        return command

    def plain(self, arguments, lines=None):
        file = None
        if lines is not None:
            file = self.folder / "lines.txt"
            file.write_text("".join(" ".join(line) + "\n" for line in lines))
        return Command([str(word) for word in arguments], self.folder, self.environment, file)

    def regsync(self, pairs, tuned):
        creds = []
        for host in (self.rig.bed.source, self.rig.bed.destination):
            cred = {"registry": host, "tls": "disabled"}
            if self.rig.realm:
                cred |= {"user": "publisher", "pass": PASSWORD}
            if tuned:
                cred["reqConcurrent"] = 64
            creds.append(cred)
        config = {
            "version": 1,
            "creds": creds,
            "defaults": {"parallel": 40} if tuned else {},
            "sync": [{"source": source, "target": target, "type": "repository"} for source, target in pairs],
        }
        file = self.folder / "regsync.json"
        file.write_text(json.dumps(config))
        return file
