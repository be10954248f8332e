# SPDX-License-Identifier: Apache-2.0
"""The words in which node.py says what it expects of a disk and of a pod."""

import os

from pod import Failed, until

MIB = 1 << 20
FILES = "/var/lib/loopback-block"
PATTERN = bytes(range(256)) * 64


def expect(what, is_now, wanted):
    if is_now != wanted:
        raise Failed(f"{what}: is {is_now!r}, wanted {wanted!r}")


def told(what, text, *words):
    for word in words:
        if word not in text:
            raise Failed(f"{what} does not tell {word!r}:\n{text}")


class Disk:
    """One entry of `devices` on one node."""

    def __init__(self, node, name, size, minor=None):
        self.node, self.kernel, self.size = node, node.kernel, size
        self.minor = node.kernel.free_minor() if minor is None else minor
        self.path, self.file = f"/dev/loop{self.minor}", f"{FILES}/{name}.img"
        self.real = node.files / f"{name}.img"

    def value(self):
        return {"path": self.path, "file": self.file, "sizeMB": self.size}

    def attached(self):
        """The file is attached once, to this device, at full size."""
        expect(f"loop devices of {self.file}", self.kernel.holders(self.real), [self.minor])
        expect(f"size of {self.file}", self.real.stat().st_size, self.size * MIB)
        expect(f"size of {self.path}", self.kernel.size(self.minor), self.size * MIB)

    def write(self, at=0):
        with open(self.kernel.node(self.minor), "r+b", buffering=0) as device:
            device.seek(at)
            device.write(PATTERN)
            os.fsync(device)

    def holds(self, at=0):
        """The data written is there, through the device and in the file."""
        for place in (self.kernel.node(self.minor), self.real):
            with open(place, "rb") as reader:
                reader.seek(at)
                if reader.read(len(PATTERN)) != PATTERN:
                    raise Failed(f"{place} has lost its data")


def values(*disks, **more):
    return {"devices": [disk.value() for disk in disks], "reconcileSeconds": 1, "affinity": None, **more}


def started(node, wanted):
    """A pod that has become ready, and is alive."""
    pod = node.start(wanted)
    until_ready(pod)
    alive(pod)
    return pod


def until_ready(pod):
    try:
        until("the pod is ready", lambda: pod.ready() or not pod.running())
        if not pod.running():
            raise Failed("the pod has ended")
    except Failed as problem:
        raise Failed(f"{problem}; it says {pod.probe('readiness')}\n{pod.log()}") from problem


def alive(pod):
    good, said = pod.probe("liveness")
    if not good:
        raise Failed(f"the liveness probe fails: {said}\n{pod.log()}")


def stopped(pod, *words):
    took = pod.stop()
    log = pod.log()
    told("the log", log, *words)
    show(log, f"stopped by itself after {took:.2f} s")
    pod.remove()
    return log


def refuses(pod, *words):
    """The pod is alive and not ready; probe and log say why."""
    until("the pod has looked once", lambda: "error: " in pod.log())
    good, said = pod.probe("readiness")
    if good:
        raise Failed(f"the pod is ready\n{pod.log()}")
    told("the readiness probe", said, *words)
    told("the log", pod.log(), *words)
    alive(pod)


def show(log, *more):
    for line in [*log.splitlines(), *more]:
        print(f"    | {line}")
