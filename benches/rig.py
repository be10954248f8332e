"""What a run is measured on: two registries, the network between, and the bookkeeping of one command.

Both registries are stock distribution on loopback, reached through `wire bed`, which makes every byte late. The source keeps its
charts on disk, where they are made once; the destination keeps everything in memory and begins anew for every run that writes.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
AUTHORIZATION = "Basic cHVibGlzaGVyOnRocm93LWF3YXk="  # publisher:throw-away
SERVICE = "throw-away registry"
# Where an access log says what was asked; what this rig asks itself is not counted.
REQUEST = re.compile(r'"([A-Z]+) (\S+) HTTP/[\d.]+" \d+')


def scratch():
    """A folder for what is written while something is measured: in memory where that can be, so that no disk is measured."""
    return tempfile.mkdtemp(prefix="chartsync-bench-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


class Registry:
    """distribution, with an access log and no other."""

    def __init__(self, program, folder, data=None, auth=None):
        self.program, self.folder, self.data, self.auth = program, Path(folder), data, auth
        self.process = None

    def start(self):
        self.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        storage = {"filesystem": {"rootdirectory": str(self.data)}} if self.data else {"inmemory": {}}
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": False}},
            "storage": storage,
            "http": {"addr": self.address},
        }
        if self.auth:
            config["auth"] = {"token": self.auth}
        (self.folder / "config.yml").write_text(json.dumps(config))
        self.log = self.folder / "access.log"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "OTEL_TRACES_EXPORTER": "none"}
        with open(self.log, "w") as out, open(self.folder / "errors.log", "w") as err:
            arguments = [self.program, "serve", self.folder / "config.yml"]
            self.process = subprocess.Popen(arguments, stdout=out, stderr=err, env=environment)
        self.wait()
        self.read = 0

    def wait(self):
        """Until it answers, whatever it answers."""
        end = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < end:
            try:
                return socket.create_connection(self.address.split(":")).close()
            except ConnectionRefusedError:
                time.sleep(0.01)
        raise SystemExit(f"{self.program} did not start: see {self.folder}/errors.log")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def mark(self):
        """From now on requests, time and the peak of memory count."""
        self.take()
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        self.cpu = self.seconds()

    def seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def used(self):
        """CPU seconds since the mark, and the peak of memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return self.seconds() - self.cpu, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def take(self):
        """The requests since the last time, each as (method, path)."""
        with open(self.log) as log:
            log.seek(self.read)
            text = log.read()
            self.read = log.tell()
        lines = (line for line in text.splitlines() if "Python-urllib" not in line)
        return [found.groups() for found in map(REQUEST.search, lines) if found]

    def holds(self, repository, tag, token):
        """The digest behind a name, asked for without any delay."""
        request = urllib.request.Request(f"http://{self.address}/v2/{repository}/manifests/{tag}", method="HEAD")
        request.add_header("Accept", "application/vnd.oci.image.manifest.v1+json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request) as answer:
            return answer.headers["Docker-Content-Digest"]


class Bed:
    """The network: `wire bed`, told what to do line by line."""

    def __init__(self, wire):
        # Nobody listens there yet.
        arguments = [wire, "bed", "127.0.0.1:9", "127.0.0.1:9"]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.source, self.destination, self.tokens = self.process.stdout.readline().split()
        self.keys = self.process.stdout.readline()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def take(self):
        """Connections, bytes sent, bytes received, tokens given, since the last time."""
        return [int(word) for word in self.tell("take").split()]

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


@dataclass
class Rig:
    """Everything that stands while measurements are made."""

    tools: dict
    data: Path
    auth: str
    bed: Bed = field(init=False)

    def __post_init__(self):
        self.folder = Path(scratch())
        self.bed = Bed(self.tools["wire"])
        # By name: go-containerregistry refuses realms at the addresses of loopback.
        self.realm = f"http://localhost:{self.bed.tokens.split(':')[1]}" if self.auth == "token" else None
        auth = None
        if self.realm:
            keys = self.folder / "keys.json"
            keys.write_text(self.bed.keys)
            auth = {"realm": self.realm, "service": SERVICE, "issuer": "throw-away issuer", "jwks": str(keys)}
        self.source = Registry(self.tools["registry"], self.folder / "source", self.data / "source", auth)
        self.destination = Registry(self.tools["registry"], self.folder / "destination", auth=auth)
        self.state = None
        self.source.start()
        self.bed.tell("upstream", 0, self.source.address)

    def close(self):
        self.source.stop()
        self.destination.stop()
        self.bed.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def held(self, side, charts):
        """The digests behind the names of charts: at the `source` or at the `destination`."""
        token = None
        if self.realm:
            scopes = [f"repository:{repository}:pull" for repository in sorted({chart[side] for chart in charts})]
            query = urllib.parse.urlencode({"service": SERVICE, "scope": " ".join(scopes)})
            with urllib.request.urlopen(f"{self.realm}/?{query}") as answer:
                token = json.load(answer)["token"]
        registry = self.source if side == "source" else self.destination
        return [registry.holds(chart[side], chart["tag"], token) for chart in charts]

    def job(self, charts, direct=False):
        """A file that says what is to be copied, for `wire client`."""
        file = self.folder / "job.json"
        hosts = (self.source.address, self.destination.address) if direct else (self.bed.source, self.bed.destination)
        job = {"source": hosts[0], "destination": hosts[1], "authorization": AUTHORIZATION if self.realm else None}
        file.write_text(json.dumps(job | {"charts": charts}))
        return file

    def put(self, charts, state):
        """A destination that holds these charts and nothing else; true if it had to be made. `state` is what that is called."""
        if state and state == self.state:
            return False
        self.state = None
        self.bed.tell("rtt", 0)
        self.destination.start()
        self.bed.tell("upstream", 1, self.destination.address)
        if charts:
            subprocess.run([self.tools["wire"], "client", "floor", self.job(charts, direct=True)], check=True)
        self.state = state
        return True

    def measure(self, command, rtt):
        """Runs a command; says what it took."""
        self.bed.tell("rtt", rtt)
        registries = [self.source, self.destination]
        for registry in registries:
            registry.mark()
        self.bed.take()
        said, result = self.folder / "said.txt", self.folder / "result.txt"
        launch = [sys.executable, "-I", "-S", Path(__file__).parent / "launch.py", result, *command.arguments]
        with open(said, "wb") as out, command.stdin() as lines:
            process = subprocess.Popen(
                launch, cwd=command.folder, env=command.environment, stdin=lines, stdout=out, stderr=out, start_new_session=True
            )
            try:
                process.wait()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        seconds, cpu, memory, status = map(float, result.read_text().split())
        if status:
            raise SystemExit(f"{command.arguments}: exit status {status:.0f}\n{said.read_text()[-3000:]}")
        time.sleep(0.05)  # The access log is written after the answer.
        connections, sent, received, tokens = self.bed.take()
        requests = [registry.take() for registry in registries]
        used = [registry.used() for registry in registries]
        return {
            "seconds": round(seconds, 4),
            "requests": sum(map(len, requests)) + tokens,
            "kinds": kinds(requests, tokens),
            "connections": connections,
            "bytes": sent + received,
            "cpu": round(cpu, 3),
            "memory": round(memory, 1),
            "registry cpu": round(sum(seconds for seconds, _ in used), 3),
            "registry memory": round(max(peak for _, peak in used), 1),
        }


def kinds(requests, tokens):
    """How many requests of each kind: `HEAD tag`, `POST upload`…"""
    counts = {"GET token": tokens} if tokens else {}
    for side, asked in zip(("source", "destination"), requests):
        for method, path in asked:
            label = f"{side} {method} {kind(path)}"
            counts[label] = counts.get(label, 0) + 1
    return dict(sorted(counts.items()))


def kind(path):
    for part, name in (("/blobs/uploads/", "upload"), ("/blobs/", "blob"), ("/manifests/sha256:", "manifest"),
                       ("/manifests/sha256-", "fallback"), ("/manifests/", "tag"), ("/tags/list", "tags"), ("/referrers/", "referrers")):  # fmt: skip
        if part in path:
            return name
    return "base" if path.rstrip("/") == "/v2" else path
