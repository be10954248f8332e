# SPDX-License-Identifier: Apache-2.0
"""The rules that .github and its neighbours must keep, as functions from a folder to what is wrong in it.

Here is what actionlint, zizmor and the schemas do not say: which job may hold which right, that what signs compiles nothing, and
that settings, README and file names name one identity.
"""

import fnmatch
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import fastjsonschema
from ruamel.yaml import YAML

SCHEMA = fastjsonschema.compile(json.loads((Path(os.environ["WORKFLOW_SCHEMAS"]) / "github-workflows.json").read_text()))

# Every job, and its rights. A new job, or one more right, is a line here, for a reviewer to see.
READ = {"contents": "read"}
SIGN = {"contents": "read", "packages": "write", "id-token": "write"}
RIGHTS = {
    "drift.yaml": {"build": READ, "audit": READ, "issue": {"issues": "write"}},
    "lint.yaml": {"rust": READ, "charts": READ, "workflows": READ, "advisories": READ, "gate": {}},
    "lock.yaml": {"build": READ, "lock": READ, "commit": READ},
    "mirror.yaml": {"build": READ, "plan": READ, "comment": {"pull-requests": "write"}, "apply": SIGN, "canary": READ},
    "publish.yaml": {"build": READ, "apply": SIGN, "canary": READ},
    "test.yaml": {"tests": READ, "install": READ, "rook": READ, "flake": READ, "gate": {}},
}
# What the settings call the identity of each kind of chart.
SIGNS = {"mirrors": "mirror.yaml", "charts": "publish.yaml"}
EVENTS = {"pull_request", "merge_group", "push", "schedule", "workflow_dispatch"}
CHECKOUT = "actions/checkout"
# What a job that holds a right or a secret may use; the last one is what the secret is for.
QUIET_ACTIONS = {CHECKOUT, "actions/download-artifact", "actions/create-github-app-token"}
# Where several jobs share the work, each hands on what it did.
HAND_ON = "actions/upload-artifact"
# Compilers, package managers and what fetches programs.
LOUD = r"\b(cargo|rustup|rustc|nix|go (build|install|run)|npm|npx|pip3?|pipx|apt|apt-get|snap|brew|curl|wget|make|helm|cosign)\b|\.github/build"
SECRETS = {"lock.yaml": {"LOCK_APP_PRIVATE_KEY"}}
# Documented, and not one of ours: it is for those who share the work.
EXAMPLE = "examples/sharding/mirror.yaml"
USES = re.compile(r"^\s*(?:- )?uses:\s*(?P<what>\S+)(?P<comment>.*)$")
PIN = re.compile(r"^[\w.-]+/[\w.-]+(?:/[\w./-]+)?@[0-9a-f]{40}$")
IDENTITY = re.compile(r"^https://github\.com/(?P<repository>[\w.-]+/[\w.-]+)/\.github/workflows/(?P<file>[\w.-]+\.yaml)@refs/heads/main$")
GUARD = "github.ref == 'refs/heads/main'"
OWNED = ["chartsync.toml", "mirrors.lock", "keyrings/a.gpg", "schemas/plan.schema.json", "mirrors/a.yaml", ".github/workflows/mirror.yaml",
         ".github/build", ".github/CODEOWNERS", "src/main.rs", "Cargo.lock", "flake.lock", "charts/loopback-block/Chart.yaml"]


def problems(root):
    """Everything that is wrong below `root`, one line each."""
    found = []
    workflows = {}
    for path in sorted((root / ".github/workflows").iterdir()):
        try:
            workflows[path.name] = YAML(typ="safe", pure=True).load(path.read_text())
        except Exception as error:  # any parser error is the finding
            found.append(f"{path.name}: {error}")
    example = {EXAMPLE: YAML(typ="safe", pure=True).load((root / EXAMPLE).read_text())}
    found += schemas(workflows | example)
    found += [f"{EXAMPLE}: {text}" for text in [*steps(example[EXAMPLE]), *quiet(example[EXAMPLE], QUIET_ACTIONS | {HAND_ON})]]
    found += rights(workflows)
    for name, workflow in workflows.items():
        found += [f"{name}: {text}" for text in [*shape(name, workflow), *steps(workflow), *quiet(workflow), *gate(workflow)]]
    found += pins(root)
    found += identity(root, workflows)
    found += hosts(root)
    found += links(root)
    found += versions(root)
    found += owners(root)
    found += attributes(root)
    found += renovate(root)
    found += sources(root)
    return found


def schemas(workflows):
    """The published JSON Schema of workflows."""
    for name, workflow in workflows.items():
        try:
            SCHEMA(workflow)
        except fastjsonschema.JsonSchemaValueException as error:
            yield f"{name}: schema: {error.message[:200]}"


def rights(workflows):
    """Exactly the jobs and the rights of the table above."""
    if workflows.keys() != RIGHTS.keys():
        yield f"workflows are {sorted(workflows)}, and the table has {sorted(RIGHTS)}"
    for name, workflow in workflows.items():
        if workflow.get("permissions") != {}:
            yield f"{name}: permissions on top are not {{}}"
        jobs = {job: body.get("permissions") for job, body in workflow["jobs"].items()}
        if jobs != RIGHTS.get(name):
            yield f"{name}: rights are {jobs}, and the table has {RIGHTS.get(name)}"


def shape(name, workflow):
    """Events, concurrency, machines, secrets."""
    for event in workflow["on"]:
        if event not in EVENTS:
            yield f"runs on {event}"
    concurrency = workflow.get("concurrency")
    if not isinstance(concurrency, dict) or concurrency.get("cancel-in-progress") is not False or "github.ref" not in concurrency.get("group", ""):
        yield "concurrency on top is not one group a ref, without cancelling"
    if workflow.get("defaults") != {"run": {"shell": "bash"}}:
        yield "the default shell is not bash, which alone stops at a broken pipe"
    for job, body in workflow["jobs"].items():
        if "uses" in body or "steps" not in body:
            yield f"{job}: calls another workflow"
        if "concurrency" in body:
            yield f"{job}: has a concurrency of its own"
        if body.get("runs-on") != "ubuntu-24.04" or "timeout-minutes" not in body:
            yield f"{job}: runs on a machine without a version, or without a time limit"
    text = json.dumps(workflow)
    secrets = set(re.findall(r"secrets(?:\.|\[\W*)(\w+)", text)) | set(re.findall(r"secrets: *inherit", text))
    if secrets != SECRETS.get(name, set()):
        yield f"uses the secrets {sorted(secrets)}"


def steps(workflow):
    """No expression in a script, no credentials left behind, no cache."""
    for job, body in workflow["jobs"].items():
        for step in body.get("steps", []):
            if "${{" in step.get("run", ""):
                yield f"{job}: an expression stands inside run"
            action, given = step.get("uses", "").split("@")[0], step.get("with", {})
            if action == CHECKOUT and given.get("persist-credentials") is not False:
                yield f"{job}: a checkout keeps credentials"
            if "cache" in action or given.get("cache") not in (None, False):
                yield f"{job}: a cache"


def quiet(workflow, actions=QUIET_ACTIONS):
    """What holds a right or a secret compiles nothing and fetches no program; what signs does so only for main as it is."""
    for job, body in workflow["jobs"].items():
        granted = body.get("permissions") or {}
        text = json.dumps(body)
        if "write" not in granted.values() and "secrets." not in text:
            continue
        for step in body["steps"]:
            action = step.get("uses", "").split("@")[0]
            if action and action not in actions:
                yield f"{job}: {action} in a job that holds a right"
            if loud := re.search(LOUD, step.get("run", "")):
                yield f"{job}: {loud[0]!r} in a job that holds a right"
            if "artifact" in json.dumps(step) and "chartsync" in json.dumps(step) and "digest" not in text:
                yield f"{job}: a binary whose digest nobody compares"
        if granted.keys() & {"issues", "pull-requests"} and CHECKOUT in text:
            yield f"{job}: a checkout beside the right to comment"
        if "id-token" not in granted:
            continue
        if GUARD not in body.get("if", "") or "github.repository == " not in body["if"] or not body.get("environment"):
            yield f"{job}: signs outside main, this repository or an environment"
        scripts = [step.get("run", "") for step in body["steps"]]
        moved = [at for at, script in enumerate(scripts) if "git/ref/heads/main" in script and "exit 1" in script]
        writes = [at for at, script in enumerate(scripts) if '"$chartsync" apply' in script]
        if len(writes) != 1 or not moved or moved[0] > writes[0]:
            yield f"{job}: does not refuse before it writes when main has moved on"
        elif "sha256sum --check --strict" not in scripts[writes[0]].split("apply")[0]:
            yield f"{job}: does not compare the binary's digest before it runs it"


def gate(workflow):
    """The job to require waits for all others, always runs, and reads their results. One that is skipped counts as passed."""
    plan = workflow["jobs"].get("plan")
    if plan and not plan.get("if", "").startswith("${{ always() && ("):
        yield "plan: may be skipped"
    if (body := workflow["jobs"].get("gate")) is None:
        return
    if sorted(body["needs"]) != sorted(workflow["jobs"].keys() - {"gate"}) or body.get("if") != "always()":
        yield "gate: does not wait for all others, or does not always run"
    if body["steps"][0].get("env") != {"NEEDS": "${{ toJSON(needs) }}"}:
        yield "gate: does not read the others' results"
    if not {"pull_request", "merge_group"} <= workflow["on"].keys() or any(workflow["on"][event] for event in ("pull_request", "merge_group")):
        yield "gate: a required check must run on every pull request and merge group"


def pins(root):
    """Actions by commit, with the version as a comment; one action has one pin."""
    seen = {}
    for path in [*sorted((root / ".github").rglob("*.yaml")), root / EXAMPLE]:
        for line in path.read_text().splitlines():
            if not (match := USES.match(line)):
                continue
            what, comment = match["what"], match["comment"]
            if not PIN.match(what) or not re.fullmatch(r" # v\d+\.\d+\.\d+", comment):
                yield f"{path.name}: {what}{comment} is not a full commit with its version"
            elif seen.setdefault(what.split("@")[0], what + comment) != what + comment:
                yield f"{path.name}: {what.split('@')[0]} has two pins"


def consumer_command(readme):
    """The command that the canary takes out of the README, as it does."""
    lines, on = [], False
    for line in readme.splitlines():
        on = on or line == "cosign verify \\"
        if on:
            lines.append(line)
            if not line.endswith("\\"):
                break
    return " ".join(line.rstrip("\\").strip() for line in lines)


def identity(root, workflows):
    """Settings, README, file names and guards name one identity, one issuer, one repository."""
    settings = tomllib.loads((root / "chartsync.toml").read_text())
    signing, destination = settings["signing"], settings["publish"]["repository"]
    readme = (root / "README.md").read_text()
    repository = None
    for kind, file in SIGNS.items():
        match = IDENTITY.match(signing[kind])
        if not match or match["file"] != file:
            yield f"chartsync.toml: [signing] {kind} is not {file} of a repository on main"
            continue
        if repository not in (None, match["repository"]):
            yield "chartsync.toml: the two identities are of two repositories"
        repository = match["repository"]
        scripts = [step.get("run", "") for job in workflows.get(file, {"jobs": {}})["jobs"].values() for step in job["steps"]]
        if not any(f'"$chartsync" apply --only {kind} ' in script for script in scripts):
            yield f"{file}: does not apply --only {kind}"
    signers = {name for name, workflow in workflows.items() for job in workflow["jobs"].values() if "id-token" in (job.get("permissions") or {})}
    if signers != set(SIGNS.values()):
        yield f"{sorted(signers)} can sign, and the settings name {sorted(SIGNS.values())}"
    for name, workflow in workflows.items():
        for guard in re.findall(r"github\.repository == '([^']*)'", json.dumps(workflow)):
            if guard != repository:
                yield f"{name}: a guard asks for {guard}, and the settings say {repository}"
    env = {}
    for step in workflows.get("publish.yaml", {"jobs": {}})["jobs"].get("canary", {"steps": []})["steps"]:
        env |= step.get("env", {})
    if env != {"REPOSITORY": destination, "ISSUER": signing["issuer"], "IDENTITY": signing["charts"]}:
        yield "publish.yaml: the canary's repository, issuer and identity are not the settings'"
    yield from documented(root, readme, signing, destination)


def documented(root, readme, signing, destination):
    """What people are told is what the settings say."""
    command = consumer_command(readme)
    words = command.split()
    options = dict(zip(words, words[1:]))
    pairs = dict(word.split("=", 1) for word in words if word.startswith(("repository=", "tag=")))
    expected = f"{pairs.get('repository')}:{pairs.get('tag')}"
    if not words or words[-1] != expected or not expected.startswith(f"{destination}/"):
        yield f"README.md: its cosign command speaks of {words[-1:]} and of {expected}"
    if options.get("--certificate-identity") != signing["mirrors"] or options.get("--certificate-oidc-issuer") != signing["issuer"]:
        yield "README.md: the identity and issuer of its cosign command are not the settings'"
    for path in [root / "README.md", *sorted((root / "charts").glob("*/README.md"))]:
        text = path.read_text()
        for found in re.findall(r"https://github\.com/\S+?@refs/[\w/.-]*", text):
            if found.rstrip('"`') not in (signing["mirrors"], signing["charts"]):
                yield f"{path.relative_to(root)}: {found} is no identity of the settings"
    example = re.search(r"```toml\n(\[publish\].*?)```", readme, re.S)
    told = tomllib.loads(example[1]) if example else {}
    if told.get("publish") != {"repository": destination} or any(told["signing"].get(key) != signing[key] for key in ("method", "issuer", *SIGNS)):
        yield "README.md: its example of settings is not ours"


def hosts(root):
    """No address of a host that only looks like GitHub's: an identity with it never matches, and nobody sees why."""
    files = [root / "README.md", root / "chartsync.toml", root / "renovate.json", *(root / "docs").rglob("*"), *(root / ".github").rglob("*"), *(root / "charts").rglob("*")]
    for path in files:
        if path.is_file():
            for host in re.findall(r"https?://((?:[\w-]+\.)*github[\w.-]*)", path.read_text(errors="replace"), re.I):
                if host not in ("github.com", "docs.github.com", "raw.githubusercontent.com", "token.actions.githubusercontent.com"):
                    yield f"{path.relative_to(root)}: {host} is not GitHub"


def links(root):
    """What documents link to is there."""
    for path in [*root.glob("*.md"), *(root / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text()):
            if not (path.parent / link).exists():
                yield f"{path.relative_to(root)}: {link} is not there"


def versions(root):
    """Workflows use the releases that the tests judge with."""
    tools = {}
    for line in (root / "tests/tools.txt").read_text().splitlines():
        if (words := line.split()) and not line.startswith("#"):
            tools.setdefault(words[0], words[1])
    workflows = {path.name: path.read_text() for path in (root / ".github/workflows").iterdir()}
    for name, text in workflows.items():
        for action, key, tool in (("azure/setup-helm", "version", "helm"), ("helm/chart-testing-action", "version", "ct"), ("sigstore/cosign-installer", "cosign-release", "cosign")):
            for found in re.findall(rf"uses: {action}@.*\n\s+with:\n\s+{key}: (\S+)", text):
                if found != f"v{tools[tool]}":
                    yield f"{name}: {tool} is {found}, and tests/tools.txt says {tools[tool]}"


def owners(root):
    """CODEOWNERS covers what decides about trust, and has no line that matches nothing."""
    lines = [line.split() for line in (root / ".github/CODEOWNERS").read_text().splitlines() if line.strip() and not line.startswith("#")]
    there = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]

    def matches(pattern, path):
        pattern = pattern.lstrip("/")
        return path.startswith(pattern) if pattern.endswith("/") else fnmatch.fnmatchcase(path, pattern)

    for pattern, *names in lines:
        if not names or not all(re.fullmatch(r"@[\w-]+(/[\w-]+)?", name) for name in names):
            yield f"CODEOWNERS: {pattern} has no owner"
        if not any(matches(pattern, path) for path in [*there, *OWNED]):
            yield f"CODEOWNERS: {pattern} matches no file"
    for path in OWNED:
        if not any(matches(pattern, path) for pattern, *_ in lines):
            yield f"CODEOWNERS: {path} has no owner"


def attributes(root):
    """The lockfile's difference stays open, and no byte is converted."""
    for name, path, expect in (("linguist-generated", "mirrors.lock", "false"), ("text", "mirrors.lock", "unset"), ("text", "charts/a/values.yaml", "unset")):
        told = subprocess.run(["git", "-C", root, "check-attr", name, path], check=True, capture_output=True, text=True).stdout.strip()
        if not told.endswith(f": {expect}"):
            yield f".gitattributes: {told}, and not {expect}"


def renovate(root):
    """Our own managers find what they are for, and write it as it must be."""
    managers = json.loads((root / "renovate.json").read_text())["customManagers"]
    for manager in managers:
        for expression in manager["matchStrings"]:
            if re.search(r"\(\?(<?[=!])", expression):
                yield "renovate.json: RE2 looks neither ahead nor back"
    mirror = managers[0]
    expression = re.compile(mirror["matchStrings"][0].replace("(?<", "(?P<"))
    before = "versions:\n  # renovate: datasource=docker depName=quay.io/jetstack/charts/cert-manager\n  - v1.15.5\n  - v1.11.5\n"
    after = before.replace("  - v1.15.5\n", "  - v1.16.0\n  - v1.15.5\n")
    if match := expression.search(before):
        values = match.groupdict() | {"newValue": "v1.16.0"}
        made = re.sub(r"\{\{\{(\w+)\}\}\}", lambda name: values[name[1]], mirror["autoReplaceStringTemplate"])
        if before[: match.start()] + made + before[match.end() :] == after:
            return
    yield "renovate.json: a new version does not become the first item below its marker"


def sources(root):
    """Nix builds and tests with the files that flake.nix names, so those must be all that sources and tests read."""
    shown = set(re.findall(r"^ +\./([\w.-]+)$", (root / "flake.nix").read_text(), re.MULTILINE))
    there = {path.name for path in root.iterdir()}
    for path in sorted(path for folder in ("src", "tests", "benches") for path in (root / folder).rglob("*.rs")):
        text = path.read_text()
        read = re.findall(r'include_(?:str|bytes)!\("(?:\.\./)+([\w.-]+)', text)
        if "CARGO_MANIFEST_DIR" in text:
            read += re.findall(r'join\("([\w.-]+)', text)
        for name in sorted(there.intersection(read) - shown):
            yield f"flake.nix: {path.relative_to(root)} reads {name}, which Nix does not show it"
