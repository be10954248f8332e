#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What can be said of charts/loopback-block without a node: lints, renderings, refusals, Kubernetes' schemas.

Python, because a rendering is data to be compared, not text to be grepped.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHART = Path(os.environ.get("LOOPBACK_CHART", ROOT / "charts/loopback-block")).resolve()
TOOLS = Path(os.environ["CHARTSYNC_TOOLS"])
SCHEMAS = Path(os.environ["LOOPBACK_SCHEMAS"])
HELMS = {name: TOOLS / name / "helm" for name in ("helm-4.2.4", "helm-3.21.4")}
VALUES = [*sorted(CHART.glob("ci/*-values.yaml")), *sorted(HERE.glob("values/*.yaml"))]

DEVICE = "devices: [{path: /dev/loop100, file: /var/lib/loopback-block/a.img, sizeMB: 1}]"


def device(path="/dev/loop100", file="/var/lib/loopback-block/a.img", size="1", more=""):
    return f"devices: [{{path: {path}, file: '{file}', sizeMB: {size}{more}}}]"


# Values that must be refused, and what the refusal must name.
REFUSED = [
    ("sizeGB: 1", "sizeGB"),
    ("image: {repo: debian}", "repo"),
    ("image: {tag: 13}", "/image/tag"),
    ("image: {tag: ''}", "/image/tag"),
    ("image: {pullPolicy: Sometimes}", "/image/pullPolicy"),
    ("image: {digest: 'sha256:12'}", "/image/digest"),
    ("image: {repository: 'debian; reboot'}", "/image/repository"),
    ("image: null", "image"),
    ("devices: []", "/devices"),
    ("devices: null", "devices"),
    ("devices: [/dev/loop100]", "/devices/0"),
    (device(path="/dev/sda"), "/devices/0/path"),
    (device(path="/dev/loop"), "/devices/0/path"),
    (device(path="/dev/loop007"), "/devices/0/path"),
    (device(path="/dev/loop100p1"), "/devices/0/path"),
    (device(path="/dev/loop1048576"), "last loop device is /dev/loop1048575"),
    (device(path="/dev/../dev/loop1"), "/devices/0/path"),
    (device(file="/var/lib/other/a.img"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block/../a.img"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block/a/./b.img"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block//a.img"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block/a/"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block/a b"), "/devices/0/file"),
    (device(file="/var/lib/loopback-block/$(reboot)"), "/devices/0/file"),
    (device(size="0"), "/devices/0/sizeMB"),
    (device(size="-5"), "/devices/0/sizeMB"),
    (device(size="1.5"), "/devices/0/sizeMB"),
    (device(size="'100'"), "/devices/0/sizeMB"),
    (device(size="100Gi"), "/devices/0/sizeMB"),
    (device(more=", size: 3"), "size"),
    ("devices: [{path: /dev/loop100, sizeMB: 1}]", "file"),
    (
        "devices: [{path: /dev/loop1, file: /var/lib/loopback-block/a, sizeMB: 1}, {path: /dev/loop1, file: /var/lib/loopback-block/b, sizeMB: 1}]",
        "/dev/loop1 is there twice",
    ),
    (
        "devices: [{path: /dev/loop1, file: /var/lib/loopback-block/a, sizeMB: 1}, {path: /dev/loop2, file: /var/lib/loopback-block/a, sizeMB: 1}]",
        "a file is never attached twice",
    ),
    ("reconcileSeconds: 0", "/reconcileSeconds"),
    ("reconcileSeconds: 30s", "/reconcileSeconds"),
    ("detachOnStop: 'no'", "/detachOnStop"),
    ("detachOnStop: null", "detachOnStop"),
    ("overcommit: 1", "/overcommit"),
    ("nodeSelector: {storage: true}", "/nodeSelector/storage"),
    ("affinity: {nodeAffinities: {}}", "nodeAffinities"),
    ("affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}}}", "nodeSelectorTerms"),
    ("tolerations: [{operator: Exist}]", "/tolerations/0/operator"),
    ("tolerations: [{effects: NoSchedule}]", "effects"),
    ("resources: {limits: {memory: 32 MB}}", "/resources/limits/memory"),
    ("resources: {limit: {memory: 32Mi}}", "limit"),
    ("updateStrategy: {type: Recreate}", "/updateStrategy/type"),
    ("updateStrategy: {maxUnavailable: 0}", "/updateStrategy/maxUnavailable"),
    ("podLabels: {app.kubernetes.io/name: other}", "app.kubernetes.io/name"),
    ("podAnnotations: {checksum/config: x}", "checksum/config"),
    ("imagePullSecrets: [secret]", "/imagePullSecrets/0"),
]

failures = 0
count = 0


def check(name, problem=None):
    global failures, count
    count += 1
    if problem:
        failures += 1
        print(f"FAILED {name}\n{problem}".rstrip())


def run(*command, **more):
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)


def succeeds(name, *command, **more):
    done = run(*command, **more)
    check(name, done.returncode and f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def template(helm, *arguments, chart=CHART):
    # Helm 3 as Go builds it believes in Kubernetes 1.20.
    return run(HELMS[helm], "template", "disks", chart, "--namespace", "storage", "--kube-version", "1.36.0", *arguments)


def documents(text):
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(text) if one}


def pretty(path):
    return path.name if path else "defaults"


def lints():
    succeeds("shellcheck", "shellcheck", *CHART.glob("files/*.sh"), HERE / "run")
    for name, helm in HELMS.items():
        for values in [None, *VALUES]:
            more = ["--values", values] if values else []
            succeeds(f"{name} lint, {pretty(values)}", helm, "lint", "--strict", "--kube-version", "1.36.0", CHART, *more)
    path = f"{HELMS['helm-4.2.4'].parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    ct = [TOOLS / "ct-3.14.0/ct", "lint", "--config", "ct.yaml", "--charts", CHART, "--check-version-increment=false"]
    print(succeeds("ct lint", *ct, cwd=ROOT, env={**os.environ, "PATH": path}))
    if CHART.is_relative_to(ROOT):
        succeeds("README's table", sys.executable, HERE / "values_table.py", "--check")


def renderings(folder):
    """Both helms render every values file to the same data, which Kubernetes' schemas of every version take."""
    for values in [None, *VALUES]:
        more = ["--values", values] if values else []
        rendered = {helm: template(helm, *more) for helm in HELMS}
        for helm, done in rendered.items():
            check(f"{helm} template, {pretty(values)}", done.returncode and done.stdout)
        four, three = [documents(done.stdout) for done in rendered.values()]
        check(f"both helms render the same, {pretty(values)}", four != three and "they differ")
        (folder / f"{pretty(values)}.yaml").write_text(rendered["helm-4.2.4"].stdout)


def kubernetes(folder, renderings):
    """kubeconform, against each Kubernetes that the chart claims and there are schemas of."""
    claimed = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    floor = tuple(map(int, re.fullmatch(r">=(\d+)\.(\d+)\.0-0", claimed).groups()))
    found = [re.fullmatch(r"v(\d+)\.(\d+)\.0-local-strict", one.name) for one in SCHEMAS.iterdir()]
    versions = sorted(tuple(map(int, one.groups())) for one in found if one)
    check("the lowest Kubernetes that the chart claims has a schema", floor not in versions and f"{claimed} is claimed, there are {versions}")
    for major, minor in (one for one in versions if one >= floor):
        name = f"v{major}.{minor}.0-local-strict"
        (folder / name).mkdir()
        # The schemas refer to each other on kubernetes.io, where they are not.
        for schema in ("_definitions", "configmap-v1", "daemonset-apps-v1", "job-batch-v1", "pod-v1"):
            text = re.sub(r'"\$id": "https://kubernetes\.io/[^"]*"', '"$comment": ""', (SCHEMAS / name / f"{schema}.json").read_text())
            (folder / name / f"{schema}.json").write_text(text.replace('"/api/_definitions.json', '"_definitions.json'))
        # The example of docs/sharding.md has no judge of its own; Kubernetes 1.27 runs no failed index again.
        example = [ROOT / "examples/sharding/job.yaml"] if (major, minor) >= (1, 28) else []
        done = kubeconform(folder, f"{major}.{minor}.0", renderings, *example)
        check(f"kubeconform {major}.{minor}", done.returncode and done.stdout)
        print(f"kubeconform {major}.{minor}: {done.stdout.splitlines()[-1]}")
    # The judge must be one.
    misspelt = folder / "misspelt.yaml"
    misspelt.write_text((renderings / "defaults.yaml").read_text().replace("privileged:", "priviledged:"))
    told = kubeconform(folder, f"{major}.{minor}.0", misspelt).stdout
    check("kubeconform sees a misspelt field", "additional properties 'priviledged' not allowed" not in told and told)


def kubeconform(folder, version, *what):
    location = f"{folder}/{{{{.NormalizedKubernetesVersion}}}}-local{{{{.StrictSuffix}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    return run(TOOLS / "kubeconform-0.7.0/kubeconform", "-strict", "-summary", "-kubernetes-version", version, "-schema-location", location, *what)


def existing_users():
    """Each value of version 0.1 reaches its place, and the DaemonSet is the one that they have."""
    values = yaml.safe_load((HERE / "values/existing.yaml").read_text())
    for helm in HELMS:
        found = documents(template(helm, "--values", HERE / "values/existing.yaml").stdout)
        daemonset = found["DaemonSet/disks"]
        pod = daemonset["spec"]["template"]["spec"]
        container = pod["containers"][0]
        labels = {"app.kubernetes.io/name": "loopback-block", "app.kubernetes.io/instance": "disks"}
        for name, is_now, wanted in [
            ("selector", daemonset["spec"]["selector"], {"matchLabels": labels}),
            ("image", container["image"], "docker.io/library/debian:trixie-slim"),
            ("imagePullPolicy", container["imagePullPolicy"], values["image"]["pullPolicy"]),
            ("resources", container["resources"], values["resources"]),
            ("nodeSelector", pod["nodeSelector"], values["nodeSelector"]),
            ("affinity", pod["affinity"], values["affinity"]),
            ("tolerations", pod["tolerations"], values["tolerations"]),
            (
                "devices",
                found["ConfigMap/disks"]["data"]["devices"].splitlines(),
                [f"{one['path']} {one['file']} {one['sizeMB']}" for one in values["devices"]],
            ),
            ("script", found["ConfigMap/disks"]["data"]["loopback-block.sh"].strip(), (CHART / "files/loopback-block.sh").read_text().strip()),
        ]:
            check(f"{helm}, a user of 0.1: {name}", is_now != wanted and f"is {is_now}\nwanted {wanted}")
        defaults = documents(template(helm).stdout)
        pod = defaults["DaemonSet/disks"]["spec"]["template"]["spec"]
        for name, is_now, wanted in [
            ("image", pod["containers"][0]["image"], "docker.io/library/debian:trixie-slim"),
            ("devices", defaults["ConfigMap/disks"]["data"]["devices"], "/dev/loop0 /var/lib/loopback-block/loop0.img 10240\n"),
            ("affinity", pod["affinity"], values["affinity"]),
            ("tolerations", pod["tolerations"], [{"operator": "Exists"}]),
        ]:
            check(f"{helm}, defaults: {name}", is_now != wanted and f"is {is_now}\nwanted {wanted}")
        single = documents(template(helm, "--values", CHART / "ci/single-values.yaml").stdout)
        check(f"{helm}, affinity: null", "affinity" in single["DaemonSet/disks"]["spec"]["template"]["spec"] and "it is still there")
        test = found["Pod/disks-test"]["metadata"]["labels"]
        check(f"{helm}, the test's pod is none of the DaemonSet's", labels.items() <= test.items() and f"{test}")


def subchart(folder):
    """Strict values stand a parent chart, which hands down `global`."""
    parent = folder / "parent"
    shutil.copytree(CHART, parent / "charts/loopback-block")
    (parent / "Chart.yaml").write_text("apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies: [{name: loopback-block, version: '>=0'}]\n")
    (parent / "values.yaml").write_text("global: {region: a}\nloopback-block: {" + DEVICE + "}\n")
    for helm in HELMS:
        done = template(helm, chart=parent)
        check(f"{helm}, as a subchart", done.returncode and done.stdout)


def refusals(folder):
    values = folder / "values.yaml"
    for text, told in REFUSED:
        values.write_text(text)
        for helm in HELMS:
            done = template(helm, "--values", values)
            if done.returncode == 0:
                check(f"{helm}, refuses {text}", "it was taken")
            else:
                # Helm 3 writes paths with dots.
                plain = told in done.stdout or told.strip("/").replace("/", ".") in done.stdout
                check(f"{helm}, refuses {text}", not plain and f"for another reason than {told}:\n{done.stdout}")


def main():
    lints()
    existing_users()
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder) / name for name in ("renderings", "kubernetes", "refusals", "subchart")]
        for one in folders:
            one.mkdir()
        renderings(folders[0])
        kubernetes(folders[1], folders[0])
        refusals(folders[2])
        subchart(folders[3])
    print(f"loopback-block, chart: {count - failures} of {count} checks passed; each helm refused {len(REFUSED)} kinds of bad values")
    return failures > 0


sys.exit(main())
