#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the scripts of the workflows' steps, with programs beside them that stand in for GitHub's, registries' and chartsync.

A step is run as GitHub runs it: `bash -eo pipefail`, with the variables that the step gets, its expressions replaced by what each
test says. What GitHub does around them (events, tokens, artifacts, environments) only GitHub can show.

With CHARTSYNC naming a binary, everything that the steps give to chartsync must be arguments that it takes.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
STANDIN = '''#!/usr/bin/env python3
import json, os, pathlib, subprocess, sys
me, args = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
base = pathlib.Path(os.environ["STANDINS"])
call = {"program": me, "args": args, "stdin": "" if sys.stdin.isatty() else sys.stdin.read()}
call["env"] = {name: os.environ.get(name) for name in ("TOKEN", "GH_TOKEN", "DOCKER_CONFIG")}
files = [a.split("@", 1)[1] for a in args if a.startswith("body=@")] + [args[i + 1] for i, a in enumerate(args) if a == "--body-file"]
call["bodies"] = [pathlib.Path(file).read_text() for file in files]
with open(base / "calls", "a") as calls:
    calls.write(json.dumps(call) + "\\n")
for words, answer in json.loads((base / "answers").read_text()):
    if [me, *args][: len(words)] != words:
        continue
    for name, text in answer.get("writes", {}).items():
        if name == "--out":
            name = args[args.index("--out") + 1]
        pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(name).write_text(text)
    text = answer.get("says", "")
    if "--jq" in args:
        text = subprocess.run(["jq", "-r", args[args.index("--jq") + 1]], input=text, capture_output=True, text=True, check=True).stdout
    sys.stdout.write(text)
    sys.exit(answer.get("status", 0))
'''
MARKER = "<!-- chartsync plan -->"
BAD = []
COUNT = 0
ASKED = set()


class Step:
    """A folder in which one step after the other runs, and what they did there."""

    def __init__(self, *programs):
        self.made = tempfile.TemporaryDirectory()
        self.at = Path(self.made.name)
        self.home = self.at / "work"
        for folder in (self.home, self.at / "bin", self.at / "temp"):
            folder.mkdir()
        self.answers = []
        for program in ("gh", "docker", "cosign", "rustup", "cargo", *programs):
            self.stand_in(self.at / "bin" / program)

    def stand_in(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(STANDIN)
        path.chmod(0o755)
        return hashlib.sha256(STANDIN.encode()).hexdigest()

    def chartsync(self, path="tool/chartsync"):
        """The artifact, without its mode, and its digest."""
        digest = self.stand_in(self.home / path)
        (self.home / path).chmod(0o644)
        return digest

    def answer(self, *words, **answer):
        self.answers.append((words, answer))

    def git(self, *arguments, at="."):
        command = ["git", "-C", self.home / at, "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def run(self, file, job, name, script=None, **env):
        """Its exit status; expressions among its variables must be given."""
        if script is None:
            step = next(step for step in WORKFLOWS[file]["jobs"][job]["steps"] if step.get("name") == name)
            variables = step.get("env", {})
            if lacking := {key for key, value in variables.items() if "${{" in value} - env.keys():
                raise KeyError(f"{file}: {job}: {name}: {lacking}")
            env, script = variables | env, step["run"]
        for file in ("output", "summary"):
            (self.at / file).write_text("")
        (self.at / "calls").write_text("")
        (self.at / "answers").write_text(json.dumps(self.answers))
        inherited = {key: os.environ[key] for key in ("HOME", "LANG") if key in os.environ}
        env = inherited | {
            "PATH": f"{self.at}/bin:{os.environ['PATH']}",
            "STANDINS": str(self.at),
            "RUNNER_TEMP": str(self.at / "temp"),
            "GITHUB_OUTPUT": str(self.at / "output"),
            "GITHUB_STEP_SUMMARY": str(self.at / "summary"),
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "vexxhost/charts",
            "GITHUB_RUN_ID": "7",
            "GITHUB_ACTOR": "somebody",
        } | env
        done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=self.home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.said = done.stdout + done.stderr
        self.calls = [json.loads(line) for line in (self.at / "calls").read_text().splitlines()]
        for call in self.calls:
            if call["program"] == "chartsync":
                ASKED.add(tuple(call["args"]))
        self.output = dict(line.split("=", 1) for line in (self.at / "output").read_text().splitlines())
        self.summary = (self.at / "summary").read_text()
        return done.returncode

    def asked(self, program):
        return [call for call in self.calls if call["program"] == program]


def same(what, told, expect):
    global COUNT
    COUNT += 1
    if told != expect:
        BAD.append(what)
        print(f"{what}: {told!r}, and not {expect!r}")


def base_commit():
    step = Step()
    step.git("init", "-q")
    commits = {}
    for name in ("base", "other", "head"):
        (step.home / name).write_text(name)
        if name == "head":
            step.git("checkout", "-q", commits["base"])
        step.git("add", "-A")
        step.git("commit", "-qm", name)
        commits[name] = step.git("rev-parse", "HEAD")
    step.git("checkout", "-q", commits["other"])
    step.git("merge", "-q", "--no-ff", "-m", "merge", commits["head"])
    merge = step.git("rev-parse", "HEAD")
    for event, group, expect in (("pull_request", "", "other"), ("merge_group", commits["base"], "base"), ("push", "", None), ("schedule", "", None)):
        step.git("checkout", "-q", merge)
        status = step.run("mirror.yaml", "build", "Go to the commit whose chartsync judges", GITHUB_EVENT_NAME=event, GITHUB_SHA=merge, GROUP_BASE=group)
        wanted = commits.get(expect, merge)
        same(f"base of {event}", (status, step.output, step.git("rev-parse", "HEAD")), (0, {"base": wanted}, wanted))


def build():
    step = Step()
    (step.home / ".github").mkdir()
    (step.home / ".github/build").write_text((ROOT / ".github/build").read_text())
    (step.home / "Cargo.toml").write_text((ROOT / "Cargo.toml").read_text())
    rust = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    step.answer("cargo", f"+{rust}", "build", "--locked", "--release", writes={"target/release/chartsync": "binary"})
    status = step.run(None, None, None, script="bash .github/build")
    same("build", (status, step.output), (0, {"digest": hashlib.sha256(b"binary").hexdigest()}))
    same("build installs", [call["args"][:3] for call in step.asked("rustup")], [["toolchain", "install", rust]])


def plan():
    for status in (0, 3, 4):
        step = Step()
        digest = step.chartsync()
        step.answer("chartsync", "render", says="::error file=mirrors.lock,line=3::moved\n")
        step.answer("chartsync", says=f"{MARKER}\nthe plan\n", writes={"--out": "{}"}, status=status)
        told = step.run("mirror.yaml", "plan", "Plan", DIGEST=digest, BASE="abc")
        same(f"plan that exits {status}", (told, step.summary, step.output), (status, f"{MARKER}\nthe plan\n", {"made": "true"}))
        same("plan's arguments", step.asked("chartsync")[0]["args"], ["plan", "--root", "tree", "--base", "abc", "--out", "plan.json", "--lock-patch", "lock.patch", "--format", "markdown"])
        annotated = [call["args"] for call in step.asked("chartsync")[1:]]
        same("annotations", (annotated, step.said), ([["render", "plan.json", "--format", "annotations"]], "tool/chartsync: OK\n::error file=mirrors.lock,line=3::moved\n"))
    step = Step()
    digest = step.chartsync()
    step.answer("chartsync", status=1)
    told = step.run("mirror.yaml", "plan", "Plan", DIGEST=digest, BASE="abc")
    same("no plan", (told, "No plan could be made (exit status 1)" in step.summary, step.output), (1, True, {}))
    step = Step()
    step.chartsync()
    told = step.run("mirror.yaml", "plan", "Plan", DIGEST="0" * 64, BASE="abc")
    same("plan by another binary", (told, step.calls), (1, []))


def comment():
    bot, other = {"login": "github-actions[bot]"}, {"login": "somebody"}
    earlier = [{"id": 1, "user": other, "body": MARKER}, {"id": 2, "user": bot, "body": f"see {MARKER}"}, {"id": 3, "user": bot, "body": f"{MARKER}\nold"}, {"id": 4, "user": bot, "body": MARKER}]
    for name, comments, made, render, expect in (
        ("first", [], True, 0, (0, "POST", "repos/vexxhost/charts/issues/5/comments", "the plan")),
        ("others' comments", earlier[:2], True, 0, (0, "POST", "repos/vexxhost/charts/issues/5/comments", "the plan")),
        ("edit", earlier, True, 0, (0, "PATCH", "repos/vexxhost/charts/issues/comments/3", "the plan")),
        ("no plan", earlier, False, 0, (1, "PATCH", "repos/vexxhost/charts/issues/comments/3", "No plan could be made")),
        ("no rendering", [], True, 1, (1, "POST", "repos/vexxhost/charts/issues/5/comments", "No plan could be made")),
    ):
        step = Step()
        digest = step.chartsync()
        if made:
            (step.home / "plan").mkdir()
            (step.home / "plan/plan.json").write_text("{}")
        step.answer("chartsync", says=f"{MARKER}\nthe plan\n" if render == 0 else "", status=render)
        step.answer("gh", "api", "--paginate", says=json.dumps(comments))
        status = step.run("mirror.yaml", "comment", "Write the comment, or edit it", DIGEST=digest, GH_TOKEN="t", NUMBER="5", HEAD="abc")
        write = step.asked("gh")[-1]
        body = write["bodies"][0]
        told = (status, write["args"][3], write["args"][4], expect[3] if body.startswith(f"{MARKER}\n{expect[3]}") else body)
        same(f"comment, {name}", told, expect)
        same(f"comment, {name}, of what", ("Of commit abc, in [this run](https://github.com/vexxhost/charts/actions/runs/7)." in body, len(step.asked("gh"))), (True, 2))


def publish():
    for file, kind, more in (("mirror.yaml", "mirrors", []), ("publish.yaml", "charts", ["--wait", "20m"])):
        for main, expect in (("abc", 0), ("abd", 1), ("", 1)):
            step = Step()
            step.answer("gh", "api", "repos/vexxhost/charts/git/ref/heads/main", says=json.dumps({"object": {"sha": main}}))
            status = step.run(file, "apply", "Refuse if main has moved on", GH_TOKEN="t", GITHUB_SHA="abc")
            same(f"{file}: main at {main!r}", (status, "::error::" in step.said), (expect, bool(expect)))
        for chart, allow, status in (("", "", 0), ("a@1 --root /", "", 0), ("", "9", 4), ("a", "9", 1)):
            step = Step()
            digest = step.chartsync("../temp/tool/chartsync")
            step.answer("docker", "login", writes={str(step.at / "temp/docker/config.json"): "secret"})
            step.answer("chartsync", status=status)
            name = "Publish what is missing, and sign it"
            variables = {"DIGEST": digest, "CHART": chart, "TOKEN": "secret", "DOCKER_CONFIG": str(step.at / "temp/docker")}
            if file == "mirror.yaml":
                variables["ALLOW_CHANGES"] = allow
            else:
                allow = ""
            told = step.run(file, "apply", name, **variables)
            arguments = ["apply", "--only", kind, *more, *([f"--chart={chart}"] if chart else []), *([f"--allow-changes={allow}"] if allow else [])]
            call = step.asked("chartsync")[0]
            same(f"{file}: apply", (told, call["args"], call["env"]["TOKEN"]), (status, arguments, None))
            login = step.asked("docker")[0]
            same(f"{file}: login", (login["args"][:2], login["stdin"], "secret" in login["args"]), (["login", "ghcr.io"], "secret\n", False))
            same(f"{file}: no login is left", (step.at / "temp/docker").exists(), False)
        step = Step()
        step.chartsync("../temp/tool/chartsync")
        variables["DIGEST"] = "0" * 64
        same(f"{file}: another binary", (step.run(file, "apply", name, **variables), step.calls), (1, []))


def canaries():
    step = Step()
    (step.home / "README.md").write_text((ROOT / "README.md").read_text())
    status = step.run("mirror.yaml", "canary", "The README's command")
    told = [call["args"] for call in step.asked("cosign")]
    same("README's command", (status, len(told), told[0][0], "--certificate-identity" in told[0]), (0, 1, "verify", True))
    step.answer("cosign", status=1)
    same("README's command fails", step.run("mirror.yaml", "canary", "The README's command"), 1)
    (step.home / "README.md").write_text("no command")
    same("no command in README", step.run("mirror.yaml", "canary", "The README's command"), 1)
    step = Step()
    for name, text in (("a", "name: a\nversion: 1.2.3\n"), ("b", 'version: "1.0.0+x"  # note\nname: "b"\n')):
        (step.home / "charts" / name).mkdir(parents=True)
        (step.home / "charts" / name / "Chart.yaml").write_text(f"apiVersion: v2\n{text}")
    status = step.run("publish.yaml", "canary", "Every chart in charts/")
    references = [call["args"][-1] for call in step.asked("cosign")]
    same("charts", (status, references), (0, ["ghcr.io/vexxhost/charts/a:1.2.3", "ghcr.io/vexxhost/charts/b:1.0.0_x"]))
    step.answer("cosign", status=1)
    same("a chart that does not verify", step.run("publish.yaml", "canary", "Every chart in charts/"), 1)


def lock():
    for name, writes, status, expect in (
        ("nothing", {}, 0, None),
        ("nothing but a failure", {}, 1, None),
        ("a pin", {"tree/mirrors.lock": "new"}, 0, ["mirrors.lock"]),
        ("a pin and a failure", {"tree/mirrors.lock": "new"}, 1, ["mirrors.lock"]),
        ("a keyring", {"tree/mirrors.lock": "new", "tree/keyrings/b.gpg": "b", "tree/keyrings/x.sh": "x"}, 0, ["keyrings/a.gpg", "keyrings/b.gpg", "mirrors.lock"]),
    ):
        step = Step()
        step.git("init", "-q", "tree")
        (step.home / "tree/mirrors.lock").write_text("old")
        if "keyring" in name:
            (step.home / "tree/keyrings").mkdir()
            (step.home / "tree/keyrings/a.gpg").write_text("a")
        step.git("add", "-A", at="tree")
        step.git("commit", "-qm", "a", at="tree")
        digest = step.chartsync()
        step.answer("chartsync", writes=writes, status=status)
        told = step.run("lock.yaml", "lock", "Lock", DIGEST=digest, REPIN="", REFRESH_KEYRING="")
        locked = sorted(str(path.relative_to(step.home / "locked")) for path in (step.home / "locked").rglob("*") if path.is_file())
        same(f"lock, {name}", (told, step.output.get("changed")), (status, "true" if expect else None))
        if expect:
            same(f"lock, {name}, files", locked, expect)
    step.run("lock.yaml", "lock", "Lock", DIGEST=digest, REPIN="a@1", REFRESH_KEYRING="b c")
    same("lock by hand", step.asked("chartsync")[0]["args"], ["lock", "--root", "tree", "--repin=a@1", "--refresh-keyring=b c"])


def commit():
    step = Step()
    step.git("init", "-q", "--bare", "../remote")
    step.git("init", "-q")
    (step.home / "mirrors.lock").write_text("old")
    (step.home / "keyrings").mkdir()
    (step.home / "keyrings/a.gpg").write_text("a")
    step.git("add", "-A")
    step.git("commit", "-qm", "a")
    step.git("remote", "add", "origin", str(step.at / "remote"))
    step.git("push", "-q", "origin", "HEAD:renovate/a")
    before = step.git("rev-parse", "HEAD")
    (step.at / "temp/locked/keyrings").mkdir(parents=True)
    (step.at / "temp/locked/mirrors.lock").write_text("new")
    (step.at / "temp/locked/keyrings/b.gpg").write_text("b")
    variables = {"GH_TOKEN": "t", "GITHUB_REF": "refs/heads/renovate/a"}
    status = step.run("lock.yaml", "commit", "Commit the pins", **variables)
    pushed = step.git("ls-remote", "origin", "refs/heads/renovate/a").split()[0]
    changed = step.git("show", "--format=%ae", "--name-status", "--no-renames", pushed).splitlines()
    author = json.loads((ROOT / "renovate.json").read_text())["gitIgnoredAuthors"][0]
    same("commit", (status, changed), (0, [author, "", "D\tkeyrings/a.gpg", "A\tkeyrings/b.gpg", "M\tmirrors.lock"]))
    step.git("checkout", "-q", before)
    (step.at / "temp/locked/mirrors.lock").write_text("newer")
    same("commit to a branch that moved", step.run("lock.yaml", "commit", "Commit the pins", **variables) != 0, True)
    same("nothing is forced", step.git("ls-remote", "origin", "refs/heads/renovate/a").split()[0], pushed)


def commit_without_keyrings():
    step = Step()
    step.git("init", "-q", "--bare", "../remote")
    step.git("init", "-q")
    (step.home / "mirrors.lock").write_text("old")
    step.git("add", "-A")
    step.git("commit", "-qm", "a")
    step.git("remote", "add", "origin", str(step.at / "remote"))
    (step.at / "temp/locked").mkdir()
    (step.at / "temp/locked/mirrors.lock").write_text("new")
    status = step.run("lock.yaml", "commit", "Commit the pins", GH_TOKEN="t", GITHUB_REF="refs/heads/renovate/a")
    same("commit without keyrings", (status, step.git("show", "--format=", "--name-only", "HEAD")), (0, "mirrors.lock"))


def drift():
    def document(well):
        return json.dumps({"all-is-well": well})

    for name, made, planned, verified, expect in (
        ("well", document(True), 0, 0, "true"),
        ("a warning, or something unknown", document(False), 0, 0, "false"),
        ("a plan of another kind", "{}", 0, 0, "false"),
        ("a finding of the run", document(True), 4, 0, "false"),
        ("changes", document(True), 2, 0, "false"),
        ("something missing", document(True), 0, 4, "false"),
        ("no plan", None, 1, 0, "false"),
    ):
        step = Step()
        digest = step.chartsync()
        step.answer("chartsync", "plan", says="plan", writes={"--out": made} if made else {}, status=planned)
        step.answer("chartsync", "verify", says="verify", status=verified)
        told = step.run("drift.yaml", "audit", "Plan and verify", DIGEST=digest)
        same(f"audit, {name}", (told, step.output, (step.home / "audit/verify.txt").read_text(), step.summary), (0, {"well": expect}, "verify", "plan"))
    for name, well, number, made, expect in (
        ("well", "true", None, True, []),
        ("well again", "true", 8, True, [["issue", "close", "8"]]),
        ("first", "false", None, True, [["label", "create", "drift"], ["issue", "create", "--title"]]),
        ("still", "false", 8, True, [["issue", "edit", "8"]]),
        ("no audit", "", 8, False, [["issue", "edit", "8"]]),
    ):
        step = Step()
        digest = step.chartsync() if made else "none"
        if made:
            (step.home / "audit").mkdir()
            (step.home / "audit/plan.json").write_text("{}")
            (step.home / "audit/verify.txt").write_text("```\n@everybody\n" + 900 * "\n" + "é" * 9000)
            (step.home / "audit/problems.txt").write_text("```\n@nobody\n" + "é" * 9000)
        step.answer("chartsync", "render", says="the plan\n")
        step.answer("gh", "issue", "list", says=json.dumps([{"number": number}] if number else []))
        status = step.run("drift.yaml", "issue", "Open, edit or close it", DIGEST=digest, WELL=well, GH_TOKEN="t", GH_REPO="vexxhost/charts")
        same(f"issue, {name}", (status, [call["args"][:3] for call in step.asked("gh")[1:]]), (0, expect))
        if well != "true":
            body = step.asked("gh")[-1]["bodies"][0]
            quoted = not made or ("\n    ```\n    @everybody\n" in body and "\n    ```\n    @nobody\n" in body and "\n```" not in body)
            same(f"issue, {name}, body", (quoted, len(body) < 65536 - 60000, ("the plan" if made else "could not be made") in body), (True, True, True))


def gates():
    for file in ("lint.yaml", "test.yaml"):
        for results, expect in ((["success"], True), (["success", "failure"], False), (["skipped"], False), (["cancelled", "success"], False)):
            step = Step()
            needs = json.dumps({str(at): {"result": result, "outputs": {}} for at, result in enumerate(results)})
            same(f"{file}: {results}", step.run(file, "gate", "All of them", NEEDS=needs) == 0, expect)


def approved():
    """What docs/your-own-repository.md answers the audit question with: the one merge that brought a digest."""
    page = (ROOT / "docs/your-own-repository.md").read_text()
    command = next(line for line in page.splitlines() if line.startswith("git log --first-parent -S"))
    step = Step()
    step.git("init", "-q")
    for branch, squash in (("a", False), ("b", True), ("c", False)):
        step.git("checkout", "-q", "-b", branch)
        with open(step.home / "mirrors.lock", "a") as lock:
            lock.write(f'digest = "sha256:{branch}"\n')
        step.git("add", "-A")
        step.git("commit", "-qm", f"pin {branch}")
        if branch == "a":
            step.git("branch", "-q", "-f", "main")
            continue
        step.git("checkout", "-q", "main")
        step.git("merge", "-q", *(["--squash"] if squash else ["--no-ff", "-m", f"merge {branch}"]), branch)
        if squash:
            step.git("commit", "-qm", f"merge {branch}")
    for branch in ("b", "c"):
        status = step.run(None, None, None, script=command, digest=f"sha256:{branch}")
        same(f"who approved {branch}", (status, [line.split(": ", 1)[1] for line in step.said.splitlines()]), (0, [f"merge {branch}"]))


def whole():
    """A pull request on the quickstart, with the real chartsync: from the commit that judges to the comment."""
    if not (binary := os.environ.get("CHARTSYNC")):
        return
    step = Step()
    shutil.copytree(ROOT / "examples/quickstart", step.home / "tree")
    step.git("init", "-q", at="tree")
    manifest = step.home / "tree/mirrors/edge-proxy.yaml"
    versions = manifest.read_text()
    for text in (versions.replace("  - 1.5.0\n", ""), versions):
        manifest.write_text(text)
        step.git("add", "-A", at="tree")
        step.git("commit", "-qm", "a", at="tree")
    (step.home / "tool").mkdir()
    shutil.copy(binary, step.home / "tool/chartsync")
    digest = hashlib.sha256(Path(binary).read_bytes()).hexdigest()
    base = step.git("rev-parse", "HEAD^1", at="tree")
    status = step.run("mirror.yaml", "plan", "Plan", DIGEST=digest, BASE=base, CHARTSYNC_CACHE=str(step.at / "cache"))
    same("whole: plan", (status, step.output, step.summary.startswith(f"{MARKER}\n"), "edge-proxy 1.5.0" in step.summary), (0, {"made": "true"}, True, True))
    planned = step.summary
    same("whole: nothing to annotate, nothing to lock", ("::" in step.said, (step.home / "lock.patch").exists()), (False, False))
    (step.home / "plan").mkdir()
    (step.home / "plan.json").rename(step.home / "plan/plan.json")
    # No checkout there.
    (step.home / "tree").rename(step.at / "gone")
    step.answer("gh", "api", "--paginate", says="[]")
    status = step.run("mirror.yaml", "comment", "Write the comment, or edit it", DIGEST=digest, GH_TOKEN="t", NUMBER="5", HEAD="abc")
    body = step.asked("gh")[-1]["bodies"][0]
    same("whole: comment", (status, body.startswith(planned), len(body) < 65536), (0, True, True))


def stale():
    """A pull request that adds a version without its pin: annotated at its line, with a patch that Git takes."""
    if not (binary := os.environ.get("CHARTSYNC")):
        return
    step = Step()
    shutil.copytree(ROOT / "examples/quickstart", step.home / "tree")
    lockfile = step.home / "tree/mirrors.lock"
    whole = lockfile.read_text()
    lockfile.write_text("version = 1\n" + whole[whole.index("\n[[chart]]\nname = \"mail-relay\"") :])
    step.git("init", "-q", at="tree")
    step.git("add", "-A", at="tree")
    step.git("commit", "-qm", "a", at="tree")
    (step.home / "tool").mkdir()
    shutil.copy(binary, step.home / "tool/chartsync")
    digest = hashlib.sha256(Path(binary).read_bytes()).hexdigest()
    status = step.run("mirror.yaml", "plan", "Plan", DIGEST=digest, BASE="HEAD", CHARTSYNC_CACHE=str(step.at / "cache"))
    commands = [line for line in step.said.splitlines() if line.startswith("::")]
    places = [re.match(r"::error file=mirrors/edge-proxy\.yaml,line=\d+,col=\d+,title=chartsync stale [^:]*::", line) is not None for line in commands]
    same("stale: annotations", (status, places), (3, [True, True]))
    same("stale: the workspace is left alone", step.git("status", "--porcelain", at="tree"), "")
    step.git("apply", "../lock.patch", at="tree")
    same("stale: the patch", lockfile.read_text(), whole)


def understood():
    """What the steps gave to chartsync are arguments that it takes."""
    binary = os.environ.get("CHARTSYNC")
    if not binary:
        print("whether chartsync takes these arguments was not judged: CHARTSYNC names no binary")
        return
    for arguments in sorted(ASKED):
        done = subprocess.run([binary, *arguments, "--help"], capture_output=True, text=True)
        same(f"chartsync {' '.join(arguments)}", (done.returncode, done.stderr), (0, ""))


WORKFLOWS = {path.name: YAML(typ="safe", pure=True).load(path.read_text()) for path in (ROOT / ".github/workflows").iterdir()}
for scenario in (base_commit, build, plan, comment, publish, canaries, lock, commit, commit_without_keyrings, drift, gates, approved, whole, stale, understood):
    scenario()
print(f"{COUNT} things that steps must do, {COUNT - len(BAD)} done")
sys.exit(bool(BAD))
