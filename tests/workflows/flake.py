#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Evaluates flake.nix without a network: the lockfile fits it, every output evaluates with stub inputs, the image is not root's.

Then a copy with each of the mistakes below, every one of which must be refused. Stubs cannot tell whether nixpkgs has what
flake.nix asks of it, and nothing is built.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SYSTEM = "x86_64-linux"
OUTPUTS = {
    "packages": {"default", "image"},
    "apps": {"default"},
    "checks": {"package", "clippy", "doc", "fmt", "test", "charts", "workflows"},
    "devShells": {"default"},
}
BROKEN = [
    ("./schemas\n", "./schema\n", "which is not there"),
    ("pkgs.zizmor", "pkgs.zizmr", "zizmr"),
    ("craneLib.cargoClippy", "craneLib.cargoClipy", "cargoClipy"),
    ('User = "65532:65532";', 'User = "root";', "root"),
    ('crane.url = "github:ipetkov/crane/v0.23.4";', 'crane.url = "github:ipetkov/crane/v0.23.4";\n    flake-utils.url = "github:numtide/flake-utils";', "flake-utils"),
    ("lib.getExe program", "lib.getExe progam", "progam"),
]


def evaluate(flake, nix):
    """What is wrong with the flake in a folder, or nothing."""
    done = nix("flake", "metadata", "--no-update-lock-file", "--json", f"path:{flake}")
    if done.returncode != 0:
        return done.stderr
    nodes = json.loads(done.stdout)["locks"]["nodes"]
    inputs = {name: node["locked"] for name, node in nodes.items() if name != "root"}
    if inputs.keys() != {"nixpkgs", "crane"} or not all(locked["type"] == "github" and locked["narHash"] for locked in inputs.values()):
        return f"inputs are {inputs}"
    stubs = [word for name in inputs for word in ("--override-input", name, f"path:{flake}/tests/workflows/flake/{name}")]
    done = nix("flake", "check", "--no-build", "--no-write-lock-file", *stubs, f"path:{flake}")
    if done.returncode != 0:
        return done.stderr
    flags = ["--json", "--no-write-lock-file", *stubs]
    for output, expected in OUTPUTS.items():
        done = nix("eval", *flags, f"path:{flake}#{output}", "--apply", "builtins.mapAttrs (_: builtins.attrNames)")
        if done.returncode != 0:
            return done.stderr
        told = {system: set(found) for system, found in json.loads(done.stdout).items()}
        if len(told) != 3 or any(found != expected for found in told.values()):
            return f"{output} are {told}"
    done = nix("eval", *flags, f"path:{flake}#packages.{SYSTEM}.image.config")
    if done.returncode != 0:
        return done.stderr
    config = json.loads(done.stdout)
    if config.get("User") != "65532:65532" or not config["Entrypoint"][0].endswith("/bin/chartsync"):
        return f"the image's settings are {config}"
    return ""


def main():
    work = Path(tempfile.mkdtemp())
    settings = "experimental-features = nix-command flakes\nsubstituters =\nbuild-users-group =\nwarn-dirty = false\nconnect-timeout = 1\ndownload-attempts = 1\n"
    # No configuration and no registry of the machine; an address that answers nobody, should anything be asked for.
    env = os.environ | {"HOME": str(work / "home"), "NIX_CONFIG": settings, "NIX_CONF_DIR": str(work), "https_proxy": "http://127.0.0.1:9"}

    def nix(*arguments):
        return subprocess.run(["nix", "--store", work / "store", *arguments], cwd=work, env=env, capture_output=True, text=True)

    try:
        (work / "home").mkdir()
        flake = work / "flake"
        shutil.copytree(ROOT, flake, symlinks=True, ignore=shutil.ignore_patterns(".git", "target"))
        if told := evaluate(flake, nix):
            print(told)
            return 1
        print("flake.nix evaluates with stub inputs, and flake.lock fits it")
        text, bad = (flake / "flake.nix").read_text(), 0
        for before, after, expect in BROKEN:
            if before not in text:
                told = f"{before!r} does not stand there any more"
            else:
                (flake / "flake.nix").write_text(text.replace(before, after))
                told = evaluate(flake, nix)
            if expect not in told:
                bad += 1
                print(f"flake.nix with {after!r}: {expect!r} is not said, but:\n{told}")
        print(f"{len(BROKEN)} mistakes made, {len(BROKEN) - bad} named")
        return int(bad > 0)
    finally:
        # Nix takes the right to write from what it stores.
        subprocess.run(["chmod", "-R", "u+w", work], check=False)
        shutil.rmtree(work)


sys.exit(main())
