#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""charts/loopback-block on nodes: the rendered pod in a privileged container, with real loop devices.

Each scenario is a promise of the chart's README. What is true is asked of the kernel (pod.Kernel), not of losetup and not of
the script. Times are shown and never judged; that a pod stops by itself, without SIGKILL, is.

Python, because the pod that Kubernetes would run is data: arguments, mounts and probes are derived from it. The mounts of a run
live in a mount namespace of its own, and everything that it makes goes again, also when it fails or is interrupted.
"""

import fcntl
import os
import signal
import stat
import sys
import threading
import time
import traceback
from pathlib import Path

import rootfs
from disk import MIB, PATTERN, Disk, alive, expect, refuses, show, started, stopped, told, until_ready, values
from pod import Cluster, Failed, until

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def first_start_and_restart(cluster, dev):
    node = cluster.node(dev)
    disk = Disk(node, "deep/osd", 64)
    pod = started(node, values(disk))
    disk.attached()
    expect("direct I/O", node.kernel.direct(disk.minor), True)
    expect("who may read the file", oct(disk.real.stat().st_mode & 0o777), "0o600")
    if disk.real.stat().st_blocks * 512 > MIB:
        raise Failed("the file is not sparse")
    expect("the node in /dev", (node.dev / disk.path[5:]).is_block_device(), True)
    disk.write()
    status, said = node.helm_test(values(disk))
    expect(f"helm test, which said {said}", status, 0)
    told("helm test", said, f"{disk.path}: {disk.file}, 64 MiB, readable")
    stopped(pod, f"made {disk.file}", f"attached {disk.file}", "all devices stay as they are")
    disk.attached()

    pod = started(node, values(disk))
    disk.attached()
    if "attached " in (log := pod.log()) or "made " in log:
        raise Failed(f"a restart did something:\n{log}")
    pod.stop()
    pod.again()
    until_ready(pod)
    disk.attached()
    stopped(pod, "ready: ")
    disk.holds()


def reboot(cluster, dev):
    node = cluster.node(dev)
    disk = Disk(node, "osd", 64)
    pod = started(node, values(disk))
    disk.write()

    # Behind the back of a running pod.
    node.kernel.snatch(disk.minor)
    until("it is attached again", lambda: pod.log().count(f"attached {disk.file}") == 2)
    until_ready(pod)
    disk.attached()
    disk.holds()
    stopped(pod)

    # While no pod runs: what a reboot leaves is the file, and on a bare /dev not even the node.
    node.kernel.detach(disk.minor)
    if dev == "bare":
        (node.dev / disk.path[5:]).unlink()
    pod = started(node, values(disk))
    disk.attached()
    disk.holds()
    stopped(pod, f"attached {disk.file}")


def what_version_0_1_left(cluster):
    """Devices in use change hands without a moment's interruption."""
    node = cluster.node()
    disk = Disk(node, "osd", 32)
    disk.real.touch(0o644)
    os.truncate(disk.real, 32 * MIB)
    node.kernel.attach(disk.minor, disk.real)
    disk.write()
    with open(node.kernel.node(disk.minor), "rb"):
        pod = started(node, values(disk))
        disk.attached()
        if "attached " in (log := stopped(pod, "32 MiB, buffered I/O")):
            raise Failed(f"it was attached anew:\n{log}")
    disk.holds()


def what_a_crash_leaves(cluster, dev):
    node = cluster.node(dev)
    disk = Disk(node, "osd", 16)
    # Between making the file and giving it its size.
    disk.real.touch(0o600)
    pod = started(node, values(disk))
    disk.attached()
    disk.write()
    pod.kill()
    show(pod.log(), "killed")
    pod.remove()
    disk.attached()
    # A peephole into /dev that it had no time to close.
    (node.dev / ".loopback-block-1-loop1").touch()
    pod = started(node, values(disk))
    disk.attached()
    expect("leftovers in /dev", list(node.dev.glob(".loopback-block*")), [])
    stopped(pod)
    disk.holds()


def the_probe_sees_a_lost_device(cluster):
    """Readiness asks the kernel: it must not wait for the loop to notice."""
    node = cluster.node()
    disk = Disk(node, "osd", 16)
    pod = started(node, values(disk, reconcileSeconds=3600))
    node.kernel.detach(disk.minor)
    good, said = pod.probe("readiness")
    expect("ready without its device", good, False)
    told("the readiness probe", said, f"{disk.path}: not yet: attach")
    alive(pod)
    stopped(pod)


def grow(cluster, dev):
    node = cluster.node(dev)
    disk = Disk(node, "osd", 64)
    pod = started(node, values(disk))
    disk.write()
    before = disk.real.stat()
    # An OSD keeps its device open all the time.
    with open(node.kernel.node(disk.minor), "rb"):
        stopped(pod)
        disk.size = 96
        pod = started(node, values(disk))
        disk.attached()
        # Once more without any news.
        stopped(pod, "grew from 64 to 96 MiB", "took over the size")
    expect("the file's inode", disk.real.stat().st_ino, before.st_ino)
    disk.holds()
    disk.write(at=95 * MIB)

    # A pod that died between growing the file and telling the kernel.
    os.truncate(disk.real, 128 * MIB)
    disk.size = 128
    pod = started(node, values(disk))
    disk.attached()
    stopped(pod, "took over the size")
    disk.holds(at=95 * MIB)


def shrinking_is_refused(cluster):
    node = cluster.node()
    disk = Disk(node, "osd", 64)
    pod = started(node, values(disk))
    disk.write(at=63 * MIB)
    stopped(pod)
    small = values(disk)
    small["devices"][0]["sizeMB"] = 32
    for detached in (False, True):
        if detached:
            node.kernel.detach(disk.minor)
        pod = node.start(small)
        refuses(pod, "never shrunk", "64 MiB, sizeMB asks for 32", "set sizeMB to 64 or more")
        # The data is more important than the mistake: it is served at its size.
        disk.attached()
        stopped(pod)
        disk.holds(at=63 * MIB)


def a_file_cut_from_outside(cluster):
    node = cluster.node()
    disk = Disk(node, "osd", 64)
    stopped(started(node, values(disk)))
    os.truncate(disk.real, 32 * MIB)
    pod = node.start(values(disk))
    refuses(pod, "was cut while attached")
    expect("size of the file", disk.real.stat().st_size, 32 * MIB)
    stopped(pod)


def two_devices_and_one_is_taken(cluster, dev):
    node = cluster.node(dev)
    one, two = Disk(node, "one", 16), Disk(node, "two", 24)
    stranger = node.folder / "stranger.img"
    stranger.write_bytes(PATTERN * 64)
    node.kernel.attach(one.minor, stranger)
    pod = node.start(values(one, two))
    refuses(pod, f"{one.path}: is attached to another file", "stranger.img")
    # The other device has nothing to do with it.
    until("the other device is attached", lambda: node.kernel.holders(two.real) == [two.minor])
    two.attached()
    expect("loop devices of the stranger's file", node.kernel.holders(stranger), [one.minor])
    expect("a file for a device that is somebody else's", one.real.exists(), False)
    node.kernel.snatch(one.minor)
    until_ready(pod)
    one.attached()
    two.attached()
    stopped(pod, f"made {one.file}")
    expect("the stranger's data", stranger.read_bytes(), PATTERN * 64)


def same_file_name_elsewhere(cluster):
    """A path says nothing: a stranger's file may have the very name that the chart's file has in the container."""
    node, other = cluster.node(), cluster.node()
    disk = Disk(node, "osd", 16)
    twin = Disk(other, "osd", 16, minor=disk.minor)
    stopped(started(other, values(twin)))
    pod = node.start(values(disk))
    refuses(pod, "is attached to another file")
    expect("loop devices of the other file", node.kernel.holders(twin.real), [disk.minor])
    stopped(pod)


def never_attached_twice(cluster, dev):
    node = cluster.node(dev)
    disk = Disk(node, "osd", 16)
    stopped(started(node, values(disk)))
    moved = Disk(node, "osd", 16)
    if dev == "bare":
        # kind's node was restarted: the kernel has the attachment, /dev has lost the node, and losetup finds nothing.
        (node.dev / disk.path[5:]).unlink()
    pod = node.start(values(moved))
    refuses(pod, f"{disk.file} is attached to {disk.path} already")
    expect("loop devices of the file", node.kernel.holders(disk.real), [disk.minor])
    expect("leftovers in /dev", list(node.dev.glob(".loopback-block*")), [])
    stopped(pod)
    pod = started(node, values(disk))
    disk.attached()
    stopped(pod)

    # Somebody else did it.
    second = node.kernel.free_minor()
    node.kernel.attach(second, disk.real)
    pod = node.start(values(disk))
    refuses(pod, "is attached more than once", f"{min(second, disk.minor)} {max(second, disk.minor)}")
    stopped(pod)


def attached_in_another_way(cluster):
    node = cluster.node()
    disk = Disk(node, "osd", 16)
    disk.real.write_bytes(bytes(16 * MIB))
    node.kernel.attach(disk.minor, disk.real, "--offset", "4096")
    pod = node.start(values(disk))
    refuses(pod, "by somebody else, with offset 4096")
    expect("loop devices of the file", node.kernel.holders(disk.real), [disk.minor])
    stopped(pod)


def two_pods_at_once(cluster):
    """Two releases, or a pod that is being replaced and its successor: between look and step of one, the other must not act."""
    node = cluster.node("bare")
    one, two = Disk(node, "osd", 16), Disk(node, "osd", 16)
    # One that is at work for long.
    folder = os.open(node.files, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    pod = node.start(values(one))
    until("it waits for its turn", lambda: "another process is at work" in pod.log())
    alive(pod)
    expect("files made out of turn", one.real.exists(), False)
    os.close(folder)
    until_ready(pod)
    stopped(pod)
    node.kernel.detach(one.minor)

    # Two that begin at once.
    for _ in range(3):
        pods = []
        wanted = [values(one), values(two)]
        threads = [threading.Thread(target=lambda wanted=each: pods.append(node.start(wanted))) for each in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect("pods", len(pods), 2)
        until("one of them is ready", lambda pods=pods: any(pod.ready() for pod in pods))
        until("the other one says why not", lambda pods=pods: any("already and is not attached again" in pod.log() for pod in pods))
        (holder,) = node.kernel.holders(one.real)
        for pod in pods:
            pod.stop()
            pod.remove()
        node.kernel.detach(holder)


def strange_nodes(cluster):
    """What stands in the way is told and left alone."""
    node = cluster.node("bare")
    disk = Disk(node, "osd", 16)
    in_dev = node.dev / disk.path[5:]
    in_dev.write_text("not a device")
    pod = node.start(values(disk))
    refuses(pod, f"{disk.path}: exists and is not a block device")
    expect("the file in its way", in_dev.read_text(), "not a device")
    # From here on the pod looks at any moment: something is always in its way.
    wrong = node.dev / "wrong"
    os.mknod(wrong, 0o600 | stat.S_IFBLK, os.makedev(7, node.kernel.free_minor()))
    wrong.replace(in_dev)
    until("it sees the wrong device", lambda: f"is not loop device {disk.minor}" in pod.log())
    disk.real.mkdir()
    in_dev.unlink()
    until("it sees the folder", lambda: f"{disk.file} exists and is not a regular file" in pod.log())
    (node.dev / "loop-control").unlink()
    disk.real.rmdir()
    until("it misses the module", lambda: "load the loop module" in pod.log())
    disk.real.symlink_to("/etc/passwd")
    os.mknod(node.dev / "loop-control", 0o600 | stat.S_IFCHR, os.stat("/dev/loop-control").st_rdev)
    until("it sees the link", lambda: pod.log().count("is not a regular file") == 2)
    expect("the node, with a link for a file", in_dev.exists(), False)
    disk.real.unlink()
    # And heals when all is well.
    until_ready(pod)
    disk.attached()
    stopped(pod)


def space(cluster):
    node = cluster.node(files_mib=64)
    one, two = Disk(node, "one", 48), Disk(node, "two", 48)
    pod = node.start(values(one, two))
    refuses(pod, "may still grow by 96 MiB", "are free", "overcommit")
    expect("files that do not fit", [disk.real.exists() for disk in (one, two)], [False, False])
    stopped(pod)
    pod = started(node, values(one))
    stopped(pod)
    one.write()
    # It would fit as a sparse file, not as a full one.
    one.size = 80
    pod = node.start(values(one))
    refuses(pod, "may still grow by")
    one.size = 48
    one.attached()
    stopped(pod)
    # After a reboot the disk is there, at the size that it has.
    node.kernel.detach(one.minor)
    one.size = 80
    pod = node.start(values(one))
    refuses(pod, "may still grow by")
    one.size = 48
    one.attached()
    stopped(pod)
    one.holds()
    one.size = 80
    pod = started(node, values(one, two, overcommit=True))
    one.attached()
    two.attached()
    stopped(pod)
    one.holds()


def preallocated(cluster):
    node = cluster.node()
    disk = Disk(node, "osd", 32)
    disk.real.write_bytes(PATTERN * 64)
    pod = started(node, values(disk, preallocate=True, directIO=False))
    disk.attached()
    expect("direct I/O", node.kernel.direct(disk.minor), False)
    expect("allocated", disk.real.stat().st_blocks * 512 >= 32 * MIB, True)
    disk.holds()
    stopped(pod, "grew from 1 to 32 MiB")


def detached_on_stop(cluster):
    node = cluster.node()
    kept, gone, busy = Disk(node, "kept", 16), Disk(node, "gone", 16), Disk(node, "busy", 16)
    stopped(started(node, values(kept)))
    pod = started(node, values(gone, busy, detachOnStop=True))
    for disk in (kept, gone, busy):
        disk.write()
    with open(node.kernel.node(busy.minor), "rb") as device:
        stopped(pod, f"{gone.path}: detached; {gone.file} stays", f"{busy.path}: in use")
        expect("loop devices", [node.kernel.holders(disk.real) for disk in (kept, gone, busy)], [[kept.minor], [], [busy.minor]])
        # Whoever uses it still does.
        expect("what its user reads", device.read(len(PATTERN)), PATTERN)
    until("it goes with its last user", lambda: node.kernel.holders(busy.real) == [])
    pod = started(node, values(gone, busy))
    for disk in (kept, gone, busy):
        disk.holds()
    stopped(pod)


SCENARIOS = [
    ("first start, restart", first_start_and_restart, "host"),
    ("first start, restart; no udev", first_start_and_restart, "bare"),
    ("reboot", reboot, "host"),
    ("reboot; no udev", reboot, "bare"),
    ("taken over from version 0.1", what_version_0_1_left),
    ("a crash", what_a_crash_leaves, "bare"),
    ("a lost device is seen by the probe", the_probe_sees_a_lost_device),
    ("grow", grow, "host"),
    ("grow; no udev", grow, "bare"),
    ("shrinking is refused", shrinking_is_refused),
    ("a file that was cut", a_file_cut_from_outside),
    ("two devices, one taken by another file", two_devices_and_one_is_taken, "host"),
    ("two devices, one taken by another file; no udev", two_devices_and_one_is_taken, "bare"),
    ("another file of the same name", same_file_name_elsewhere),
    ("never attached twice", never_attached_twice, "host"),
    ("never attached twice; no udev, node lost", never_attached_twice, "bare"),
    ("attached with an offset", attached_in_another_way),
    ("two pods at once", two_pods_at_once),
    ("strange nodes and files", strange_nodes),
    ("space", space),
    ("preallocated", preallocated),
    ("detached on stop", detached_on_stop),
]


def interrupted(number, _):
    raise SystemExit(f"interrupted by {signal.Signals(number).name}")


def main():
    for number in SIGNALS:
        signal.signal(number, interrupted)
    wanted = sys.argv[1:]
    image = rootfs.tarball()
    failed, count, begin = [], 0, time.monotonic()
    cluster = Cluster()
    try:
        cluster.open(image)
        for name, scenario, *arguments in SCENARIOS:
            if wanted and not any(word in name for word in wanted):
                continue
            count += 1
            print(f"{name}", flush=True)
            start = time.monotonic()
            try:
                scenario(cluster, *arguments)
            except Failed as problem:
                failed.append(name)
                print(f"  FAILED after {time.monotonic() - start:.1f} s: {problem}", flush=True)
            except Exception:  # noqa: BLE001 the others still have something to say
                failed.append(name)
                print(f"  FAILED after {time.monotonic() - start:.1f} s: {traceback.format_exc()}", flush=True)
            else:
                print(f"  ok, {time.monotonic() - start:.1f} s", flush=True)
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        problems = cluster.close()
        print("\n".join(problems) if problems else "cleaned up: no container, loop device, mount or folder is left")
    print(f"loopback-block, node: {count - len(failed)} of {count} scenarios passed, {time.monotonic() - begin:.0f} s")
    return bool(failed or problems or not count)


if os.environ.get("LOOPBACK_NAMESPACE") != "1":
    os.environ["LOOPBACK_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, str(Path(__file__).resolve()), *sys.argv[1:]])
sys.exit(main())
