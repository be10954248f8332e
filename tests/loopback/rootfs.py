# SPDX-License-Identifier: Apache-2.0
"""The chart's default image as Debian's mirror has it: debootstrap's smallest trixie, kept among the tools."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SUITE = "trixie"
# What the image leaves out, too.
SLIM = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")
TARBALL = Path(os.environ["CHARTSYNC_TOOLS"]) / f"debian-{SUITE}" / "rootfs.tar"


def tarball():
    """A file that is whole when it is there."""
    if not TARBALL.exists():
        TARBALL.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=TARBALL.parent))
        try:
            run("debootstrap", "--variant=minbase", SUITE, work / "root", *mirror())
            leave = [f"--exclude=./{folder}/*" for folder in SLIM]
            run("tar", "--one-file-system", *leave, "-C", work / "root", "-cf", work / "rootfs.tar", ".")
            (work / "rootfs.tar").rename(TARBALL)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return TARBALL


def mirror():
    """The mirror that this machine itself uses; debootstrap has one of its own where none is known."""
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], stdout=subprocess.PIPE, text=True, check=False)
    own = [one for one in asked.stdout.split() if one.rstrip("/").endswith("/debian")]
    return own[:1]


def run(*command):
    done = subprocess.run([str(one) for one in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
