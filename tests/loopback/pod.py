# SPDX-License-Identifier: Apache-2.0
"""Runs pods as `helm template` renders them, in podman, on nodes that are folders.

It owns: the way from a pod's spec to podman's arguments, the folders and /dev of a node, the kernel's view of loop devices, and
putting all of it back. It does not know what the chart promises: that is node.py.

A field of a spec that it does not know is an error: what is tested is what Kubernetes would run, or nothing.
"""

import fcntl
import json
import os
import random
import re
import resource
import shutil
import stat
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
CHART = Path(os.environ.get("LOOPBACK_CHART", HERE.parents[1] / "charts/loopback-block")).resolve()
TOOLS = Path(os.environ["CHARTSYNC_TOOLS"])
HELM = TOOLS / "helm-4.2.4/helm"
IMAGE = "docker.io/library/debian:trixie-slim"
# linux/loop.h
LOOP_GET_STATUS64, LOOP_CTL_REMOVE = 0x4C05, 0x4C81
# Patience with a busy machine; nothing is judged by it.
DEADLINE = 60
# Only a scheduler or a network reads these.
ELSEWHERE = {"affinity", "tolerations", "nodeSelector", "priorityClassName", "automountServiceAccountToken", "enableServiceLinks", "restartPolicy"}


class Failed(Exception):
    """A promise that was not kept, or a part that does not work."""


def run(*command, good=(0,), **more):
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    if good and done.returncode not in good:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done


def until(what, condition):
    """Waits for a condition; returns what it answers."""
    end = time.monotonic() + DEADLINE
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > end:
            raise Failed(f"waited {DEADLINE} s in vain for: {what}")
        time.sleep(0.05)


class Kernel:
    """Loop devices as the kernel has them: neither losetup nor /dev is asked, for they are what is tested."""

    def __init__(self, folder):
        self.peepholes = folder
        self.minors = []

    def free_minor(self):
        """A loop device that nobody has. It is this run's from now on, and given back at the end."""
        while True:
            minor = random.randrange(10_000, 1_000_000)
            if minor not in self.minors and not Path(f"/sys/block/loop{minor}").exists() and not os.path.lexists(f"/dev/loop{minor}"):
                self.minors.append(minor)
                return minor

    def attachments(self):
        """`{minor: (device, inode, flags)}` of everything attached."""
        found = {}
        for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
            minor = int(backing.parents[1].name[4:])
            status = self.status(minor)
            if status:
                found[minor] = status
        return found

    def status(self, minor):
        peephole = self.peepholes / f"loop{minor}"
        if not peephole.exists():
            os.mknod(peephole, 0o600 | stat.S_IFBLK, os.makedev(7, minor))
        try:
            device = os.open(peephole, os.O_RDONLY)
        except OSError:
            return None
        try:
            answer = fcntl.ioctl(device, LOOP_GET_STATUS64, bytes(232))
        except OSError:
            return None
        finally:
            os.close(device)
        device, inode = struct.unpack_from("=QQ", answer)
        (flags,) = struct.unpack_from("=I", answer, 52)
        return device, inode, flags

    def holders(self, file):
        """The minors of the loop devices that a file is attached to."""
        if not Path(file).exists():
            return []
        wanted = os.stat(file)
        return sorted(minor for minor, (device, inode, _) in self.attachments().items() if (device, inode) == (wanted.st_dev, wanted.st_ino))

    def size(self, minor):
        return int(Path(f"/sys/block/loop{minor}/size").read_text()) * 512

    def direct(self, minor):
        return Path(f"/sys/block/loop{minor}/loop/dio").read_text().strip() == "1"

    def node(self, minor):
        """A device node of ours, to use a device as an OSD would."""
        self.status(minor)
        return self.peepholes / f"loop{minor}"

    def attach(self, minor, file, *options):
        """What a stranger does."""
        # The first attempt may fail for want of a node; it registers the minor.
        run("losetup", *options, f"/dev/loop{minor}", file, good=None)
        if minor not in self.holders(file):
            run("losetup", *options, self.node(minor), file)

    def detach(self, minor):
        """Detaches while nobody looks after the device."""
        self.snatch(minor)
        until(f"loop{minor} is detached", lambda: minor not in self.attachments())

    def snatch(self, minor):
        """Detaches behind the back of a pod, which may attach again before anybody sees it."""
        run("losetup", "-d", self.node(minor))

    def give_back(self):
        for minor in self.minors:
            if Path(f"/sys/block/loop{minor}/loop").exists():
                run("losetup", "-d", self.node(minor), good=None)
            if Path(f"/sys/block/loop{minor}").exists():
                with open("/dev/loop-control", "rb") as control:
                    until(f"loop{minor} can be removed", lambda minor=minor: removed(control, minor))
        return [minor for minor in self.minors if Path(f"/sys/block/loop{minor}").exists()]


def removed(control, minor):
    try:
        fcntl.ioctl(control, LOOP_CTL_REMOVE, minor)
    except OSError:
        return not Path(f"/sys/block/loop{minor}").exists()
    return True


class Cluster:
    """Everything that a run makes, from `open` on. `close` takes all of it away again, whatever happened."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="loopback-"))
        self.mounts, self.pods, self.nodes = [], [], 0
        self.kernel = Kernel(self.folder / "peepholes")
        self.podman = [
            "podman",
            *("--root", self.folder / "storage", "--runroot", self.folder / "run", "--tmpdir", self.folder / "tmp"),
            *("--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"),
        ]

    def open(self, image):
        self.mount(self.kernel.peepholes, "tmpfs")
        run(*self.podman, "import", image, IMAGE)

    def mount(self, folder, kind, *options):
        folder.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", kind, *options, "loopback-test", folder)
        self.mounts.append(folder)

    def node(self, dev="host", files_mib=None):
        """A node of its own: `dev` is "host" (this machine's /dev) or "bare" (a /dev without udev and devtmpfs, as kind has)."""
        self.nodes += 1
        return Node(self, self.folder / f"node-{self.nodes}", dev, files_mib)

    def close(self):
        problems = []
        for pod in list(self.pods):
            run(*self.podman, "rm", "--force", "--time", "0", pod.name, good=None)
        left = self.kernel.give_back()
        if left:
            problems.append(f"loop devices are left: {left}")
        for folder in reversed(self.mounts):
            if run("umount", folder, good=None).returncode:
                run("umount", "--lazy", folder, good=None)
                problems.append(f"{folder} was busy")
        # Storage drivers leave mounts of their own when a run was interrupted.
        for line in Path("/proc/self/mounts").read_text().splitlines():
            if (point := line.split()[1]).startswith(f"{self.folder}/"):
                run("umount", "--lazy", point, good=None)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            problems.append(f"{self.folder} cannot be removed")
        return problems


class Node:
    def __init__(self, cluster, folder, dev, files_mib):
        self.cluster, self.folder, self.kernel = cluster, folder, cluster.kernel
        self.files = folder / "var/lib/loopback-block"
        self.files.mkdir(parents=True)
        if files_mib:
            cluster.mount(self.files, "tmpfs", "-o", f"size={files_mib}m")
        self.dev = Path("/dev")
        if dev == "bare":
            self.dev = folder / "dev"
            cluster.mount(self.dev, "tmpfs", "-o", "mode=0755")
            for name in ("null", "zero", "full", "random", "urandom", "tty", "loop-control"):
                there = os.stat(f"/dev/{name}")
                os.mknod(self.dev / name, stat.S_IFCHR | 0o666, there.st_rdev)
            for name in ("pts", "shm", "mqueue"):
                (self.dev / name).mkdir()

    def host_path(self, path):
        """Where a path of the node is on this machine. The node's files are never this machine's own."""
        return self.dev if path == "/dev" else self.folder / path.lstrip("/")

    def start(self, values):
        rendered = render(values)
        return Pod(self, rendered["DaemonSet"]["spec"]["template"]["spec"], rendered["ConfigMap"])

    def helm_test(self, values):
        """Runs the pod of `helm test`; its status and what it said."""
        rendered = render(values)
        pod = Pod(self, rendered["Pod"]["spec"], rendered["ConfigMap"])
        status = run(*self.cluster.podman, "wait", pod.name).stdout.strip()
        said = pod.log()
        pod.remove()
        return int(status), said


def render(values):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        text = run(HELM, "template", "disks", CHART, "--namespace", "storage", "--kube-version", "1.36.0", "--values", file.name).stdout
    return {one["kind"]: one for one in yaml.safe_load_all(text) if one}


class Pod:
    """One container of a rendered pod, as the kubelet would start it."""

    def __init__(self, node, spec, config_map):
        self.node, self.podman = node, node.cluster.podman
        self.name = f"pod-{random.randrange(1 << 32):08x}"
        spec = dict(spec)
        (container,) = spec.pop("containers")
        container = dict(container)
        self.grace = spec.pop("terminationGracePeriodSeconds")
        self.probes = {name: container.pop(f"{name}Probe", None) for name in ("readiness", "liveness")}
        volumes = {one["name"]: one for one in spec.pop("volumes")}
        arguments = ["--name", self.name, "--pull", "never", "--network", "none", *limits()]
        for mount in container.pop("volumeMounts"):
            arguments += self.mount(dict(mount), volumes, config_map)
        arguments += security(container.pop("securityContext"))
        arguments += memory(container.pop("resources", {}))
        for one in container.pop("env", []):
            arguments += ["--env", f"{one['name']}={one['value']}"]
        command = container.pop("command")
        image = container.pop("image")
        container.pop("name"), container.pop("imagePullPolicy")
        if unknown := (set(spec) - ELSEWHERE) | set(container):
            raise Failed(f"the pod has fields that this test does not know: {sorted(unknown)}")
        node.cluster.pods.append(self)
        run(*self.podman, "run", "--detach", *arguments, "--entrypoint", json.dumps(command), image)

    def mount(self, mount, volumes, config_map):
        volume = {key: value for key, value in volumes[mount.pop("name")].items() if key != "name"}
        options = ["ro" if mount.pop("readOnly", False) else "rw"]
        propagation = mount.pop("mountPropagation", "None")
        options.append({"None": "rprivate", "HostToContainer": "rslave"}[propagation])
        target, part = mount.pop("mountPath"), mount.pop("subPath", "")
        if mount:
            raise Failed(f"a mount has fields that this test does not know: {sorted(mount)}")
        match volume:
            case {"hostPath": {"path": path, "type": "Directory" | "DirectoryOrCreate" as kind}}:
                source = self.node.host_path(path)
                if kind == "DirectoryOrCreate":
                    source.mkdir(parents=True, exist_ok=True)
            case {"configMap": {"name": name}} if name == config_map["metadata"]["name"]:
                source = self.node.folder / f"{self.name}-config"
                source.mkdir(exist_ok=True)
                for file, text in config_map["data"].items():
                    (source / file).write_text(text)
                source /= part
            case {"emptyDir": {"medium": "Memory", "sizeLimit": size}}:
                return ["--tmpfs", f"{target}:rw,size={size.removesuffix('i').lower()},mode=0777"]
            case _:
                raise Failed(f"a volume that this test does not know: {volume}")
        return ["--volume", f"{source}:{target}:{','.join(options)}"]

    def probe(self, kind):
        """One exec probe: `(good, what it said)`."""
        probe = self.probes[kind]
        done = run(*self.podman, "exec", self.name, *probe["exec"]["command"], good=None, timeout=DEADLINE)
        return done.returncode == 0, done.stdout.strip()

    def ready(self):
        return self.probe("readiness")[0]

    def log(self):
        return run(*self.podman, "logs", self.name).stdout

    def running(self):
        return run(*self.podman, "inspect", "--format", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def again(self):
        """Starts the stopped container once more, in the same pod."""
        run(*self.podman, "start", self.name)

    def stop(self):
        """Stops as the kubelet does; seconds that it took, podman's own included. Fails if it needed SIGKILL."""
        start = time.time()
        run(*self.podman, "stop", "--time", self.grace, self.name)
        ended, status = run(*self.podman, "inspect", "--format", "{{.State.FinishedAt.UnixMilli}} {{.State.ExitCode}}", self.name).stdout.split()
        took = int(ended) / 1000 - start
        if status != "0":
            raise Failed(f"the pod did not stop by itself: status {status} after {took:.2f} s\n{self.log()}")
        return took

    def kill(self):
        run(*self.podman, "kill", "--signal", "KILL", self.name)
        until("the pod is dead", lambda: not self.running())

    def remove(self):
        run(*self.podman, "rm", "--force", "--time", "0", self.name)
        self.node.cluster.pods.remove(self)


def limits():
    """podman asks for more open files and processes than root may have without CAP_SYS_RESOURCE."""
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        _, hard = resource.getrlimit(kind)
        enough = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
        yield from ("--ulimit", f"{name}={enough}:{enough}")


def security(context):
    context = dict(context)
    arguments = []
    if context.pop("privileged", False):
        arguments.append("--privileged")
    if context.pop("readOnlyRootFilesystem", False):
        arguments += ["--read-only", "--read-only-tmpfs=false"]
    arguments += ["--user", str(context.pop("runAsUser"))]
    if context:
        raise Failed(f"a security context has fields that this test does not know: {sorted(context)}")
    return arguments


def memory(resources):
    limit = resources.get("limits", {}).get("memory")
    if not limit:
        return []
    number, unit = re.fullmatch(r"(\d+)([MG])i", limit).groups()
    return ["--memory", f"{number}{unit.lower()}"]
