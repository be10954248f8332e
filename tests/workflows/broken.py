#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges a copy of the repository as it is, and then with each of the mistakes below, every one of which must be named."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import rules

ROOT = Path(__file__).resolve().parents[2]
W = ".github/workflows/"
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"

# Who must name it; the file; what stands there; what is put there instead; what must be said.
BROKEN = [
    # An expression in a script, and data of strangers in it.
    ("rules", W + "mirror.yaml", '"$DIGEST  tool', '"${{ needs.build.outputs.digest }}  tool', "an expression stands inside run"),
    ("zizmor", W + "lint.yaml", "cargo \"+$rust\" fmt --check", "echo ${{ github.head_ref }}", "template-injection"),
    ("actionlint", W + "lint.yaml", "cargo \"+$rust\" fmt --check", "echo ${{ github.head_ref }}", "potentially untrusted"),
    # Pins.
    ("rules", W + "mirror.yaml", CHECKOUT, "actions/checkout@v7", "not a full commit"),
    ("zizmor", W + "mirror.yaml", CHECKOUT, "actions/checkout@v7", "unpinned-uses"),
    ("rules", W + "mirror.yaml", CHECKOUT, CHECKOUT[:-9], "not a full commit"),
    ("rules", W + "mirror.yaml", CHECKOUT, CHECKOUT.replace("3d3c42e5", "3d3c42e6"), "has two pins"),
    ("rules", W + "mirror.yaml", "cosign-release: v3.1.2", "cosign-release: v3.0.6", "cosign is v3.0.6"),
    # Rights.
    ("rules", W + "mirror.yaml", "permissions: {}", "permissions: read-all", "permissions on top"),
    ("zizmor", W + "mirror.yaml", "permissions: {}", "permissions: write-all", "excessive-permissions"),
    ("rules", W + "mirror.yaml", "pull-requests: write", "contents: write", "rights are"),
    ("rules", W + "test.yaml", "contents: read # checkout", "contents: write # checkout", "rights are"),
    ("rules", W + "drift.yaml", "issues: write", "id-token: write", "can sign"),
    ("zizmor", W + "test.yaml", "contents: read # checkout", "contents: write", "undocumented-permissions"),
    ("rules", W + "mirror.yaml", "persist-credentials: false", "persist-credentials: true", "keeps credentials"),
    ("zizmor", W + "mirror.yaml", "persist-credentials: false", "persist-credentials: true", "artipacked"),
    ("rules", W + "drift.yaml", "DIGEST: ${{ needs.build.outputs.digest }}", "DIGEST: ${{ secrets.ANY }}", "uses the secrets"),
    # Events, and who runs what.
    ("rules", W + "mirror.yaml", "  pull_request:\n", "  pull_request_target:\n", "runs on pull_request_target"),
    ("zizmor", W + "mirror.yaml", "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
    ("rules", W + "mirror.yaml", "  workflow_dispatch:\n", "  workflow_call:\n", "runs on workflow_call"),
    ("rules", W + "mirror.yaml", "cancel-in-progress: false", "cancel-in-progress: true", "without cancelling"),
    ("rules", W + "mirror.yaml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "without a version"),
    ("rules", W + "test.yaml", "needs: [tests, install, rook, flake]", "needs: [tests, install, rook]", "does not wait for all others"),
    ("rules", W + "test.yaml", "if: always()", "if: success()", "does not always run"),
    ("rules", W + "mirror.yaml", "${{ always() && (", "${{ !cancelled() && (", "plan: may be skipped"),
    ("rules", W + "test.yaml", "  merge_group:\n", "", "merge group"),
    ("schema", W + "lint.yaml", "timeout-minutes: 5", "timeout-minute: 5", "schema:"),
    ("actionlint", W + "lint.yaml", "timeout-minutes: 5", "timeout-minute: 5", "timeout-minute"),
    ("actionlint", W + "mirror.yaml", "needs: build\n", "needs: biuld\n", "biuld"),
    ("actionlint", W + "mirror.yaml", 'cat plan.md >>"$GITHUB_STEP_SUMMARY"', "cat plan.md >>$GITHUB_STEP_SUMMARY", "SC2086"),
    ("shellcheck", ".github/build", '"+$rust"', "+$rust", "SC2086"),
    # What signs.
    ("rules", W + "mirror.yaml", 'chartsync=$RUNNER_TEMP/tool/chartsync\n', "cargo build\n          chartsync=target/debug/chartsync\n", "'cargo' in a job that holds a right"),
    ("rules", W + "publish.yaml", "sha256sum --check --strict", "true", "compare the binary's digest"),
    ("rules", W + "publish.yaml", "            exit 1\n", "", "when main has moved on"),
    ("rules", W + "publish.yaml", "    environment: ghcr\n", "", "an environment"),
    ("rules", W + "publish.yaml", " && github.ref == 'refs/heads/main'", "", "signs outside main"),
    ("rules", W + "publish.yaml", "apply --only charts ", "apply ", "does not apply --only charts"),
    # One identity.
    ("rules", "chartsync.toml", "workflows/mirror.yaml@", "workflows/mirrors.yaml@", "is not mirror.yaml"),
    ("rules", "chartsync.toml", "publish.yaml@refs/heads/main", "publish.yaml@refs/heads/release", "is not publish.yaml"),
    ("rules", "chartsync.toml", "com/vexxhost/charts/.github/workflows/publish", "com/vexxhost/chart/.github/workflows/publish", "two repositories"),
    ("rules", "chartsync.toml", 'repository = "ghcr.io/vexxhost/charts"', 'repository = "ghcr.io/vexxhost/helm"', "are not the settings'"),
    ("rules", "README.md", "  --certificate-identity https://github.com/vexxhost/charts", "  --certificate-identity https://github.com/vexxhots/charts", "not the settings'"),
    ("rules", "README.md", "  --certificate-oidc-issuer https://token", "  --certificate-oidc-issuer https://tokens", "not the settings'"),
    ("rules", "README.md", "  ghcr.io/vexxhost/charts/cert-manager:v1.15.5", "  ghcr.io/vexxhost/charts/cert-manager:v1.15.6", "its cosign command speaks of"),
    ("rules", "README.md", 'mirrors = "https://github.com/', 'mirrors = "https://github.example/', "its example of settings"),
    ("rules", W + "publish.yaml", "IDENTITY: https://github.com/vexxhost/charts/.github/workflows/publish", "IDENTITY: https://github.com/vexxhost/charts/.github/workflows/mirror", "the canary's"),
    ("rules", W + "publish.yaml", "IDENTITY: https://github.com/", "IDENTITY: https://github." + "qkg1.top/", "is not GitHub"),
    ("rules", W + "mirror.yaml", "github.repository == 'vexxhost/charts'", "github.repository == 'vexxhost/chart'", "a guard asks for"),
    # The neighbours.
    ("rules", ".github/CODEOWNERS", "/mirrors.lock @vexxhost/charts\n", "", "mirrors.lock has no owner"),
    ("rules", ".github/CODEOWNERS", "/mirrors.lock @vexxhost/charts", "/mirrors.lck @vexxhost/charts", "matches no file"),
    ("rules", ".github/CODEOWNERS", "/mirrors.lock @vexxhost/charts", "/mirrors.lock", "has no owner"),
    ("rules", ".gitattributes", "mirrors.lock linguist-generated=false\n", "", "linguist-generated"),
    ("rules", ".gitattributes", "* -text\n", "", "text"),
    ("rules", "README.md", "](docs/your-own-repository.md)", "](docs/your-repository.md)", "is not there"),
    ("rules", "renovate.json", '{{{newValue}}}\\n{{{indentation}}}- {{{currentValue}}}', '{{{currentValue}}}\\n{{{indentation}}}- {{{newValue}}}', "first item"),
    ("rules", "flake.nix", "                ./renovate.json\n", "", "tests/it/renovate.rs reads renovate.json"),
]


def actionlint(root):
    return said(os.environ["ACTIONLINT"], "-no-color", "-oneline", *sorted((root / W).iterdir()), root / rules.EXAMPLE, cwd=root)


def shellcheck(root):
    return said("shellcheck", root / ".github/build", root / "tests/workflows/run", cwd=root)


def zizmor(root):
    return said(os.environ["ZIZMOR"], "--offline", "--persona", "auditor", "--strict-collection", "--no-progress", "--quiet", "--color", "never", root / ".github", root / rules.EXAMPLE, cwd=root)


def own(root):
    return "".join(f"{problem}\n" for problem in rules.problems(root))


JUDGES = {"actionlint": actionlint, "shellcheck": shellcheck, "zizmor": zizmor, "rules": own, "schema": own}


def said(*command, cwd):
    """What a judge says; nothing if it has nothing to say."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}exit status {done.returncode}\n"


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "clean"
        shutil.copytree(ROOT, clean, symlinks=True, ignore=shutil.ignore_patterns(".git", "target"))
        # Git is asked for attributes.
        subprocess.run(["git", "init", "-q", clean], check=True)
        for name in ("actionlint", "shellcheck", "zizmor", "rules"):
            text = JUDGES[name](clean)
            bad += bool(text)
            print(f"{name}: {text or 'nothing to say'}".rstrip())
        if bad:
            sys.exit(1)
        for judge, file, before, after, expect in BROKEN:
            text = (clean / file).read_text()
            if before not in text:
                bad += 1
                print(f"{file}: {before!r} does not stand there any more")
                continue
            (clean / file).write_text(text.replace(before, after))
            told = JUDGES[judge](clean)
            (clean / file).write_text(text)
            if expect not in told:
                bad += 1
                print(f"{judge} does not say {expect!r} of {file} with {after!r}, but:\n{told}", end="")
    print(f"{len(BROKEN)} mistakes made, {len(BROKEN) - bad} named")
    sys.exit(bad > 0)


main()
