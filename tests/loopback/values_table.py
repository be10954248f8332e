#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the table of values in the chart's README from values.yaml; with --check only compares.

A line `# -- text` (and plain comment lines below it) documents the key on the next line. Every value that the schema knows is
documented, and nothing else; what a value may be is the schema's to say, the default is values.yaml's.
"""

import json
import re
import sys
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parents[2] / "charts/loopback-block"
START, END = "<!-- values: written by tests/loopback/values_table.py -->", "<!-- /values -->"
# Kubernetes' own types: documented as a whole, and `global` is Helm's.
OPAQUE = {"imagePullSecrets", "nodeSelector", "affinity", "tolerations", "resources", "podAnnotations", "podLabels"}


def documented(text):
    """`{path: description}` in the order of the file."""
    found, parents, comment = {}, [], []
    for line in text.splitlines():
        if match := re.match(r"( *)((?:- )*)# -- (.*)", line):
            comment, dashes = [match[3]], len(match[2])
            if dashes:  # `- # -- text`: the keys of this list's entries are indented by the dash
                parents = [(indent, name) for indent, name in parents if indent < len(match[1])]
                parents.append((len(match[1]), "[]"))
        elif comment and (match := re.match(r" *# (.*)", line)):
            comment.append(match[1])
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            indent = len(match[1])
            parents = [(other, name) for other, name in parents if other < indent]
            path = ".".join([name for _, name in parents] + [match[2]]).replace(".[]", "[]")
            if comment:
                found[path] = " ".join(comment)
            comment = []
            parents.append((indent, match[2]))
    return found


def known(schema, prefix=""):
    """Paths of the values that the schema allows."""
    for name, value in schema["properties"].items():
        path = prefix + name
        if path == "global":
            continue
        if path in OPAQUE:
            yield path
        elif "properties" in value:
            yield from known(value, path + ".")
        elif "properties" in value.get("items", {}):
            yield path
            yield from known(value["items"], path + "[].")
        else:
            yield path


def default(values, path):
    for name in path.replace("[]", ".0").split("."):
        values = values[int(name) if name.isdigit() else name]
    if path == "devices":
        return "one, see below"
    text = json.dumps(values)
    return f"`{text}`" if len(text) < 90 else "see `values.yaml`"


def table():
    text = (CHART / "values.yaml").read_text()
    values, descriptions = yaml.safe_load(text), documented(text)
    schema = json.loads((CHART / "values.schema.json").read_text())
    if difference := set(descriptions) ^ set(known(schema)):
        sys.exit(f"values.yaml documents other values than the schema knows: {', '.join(sorted(difference))}")
    rows = [f"| `{path}` | {default(values, path)} | {what} |" for path, what in descriptions.items()]
    return "\n".join([START, "| value | default | what it is |", "|---|---|---|", *rows, END])


def main():
    readme = CHART / "README.md"
    text = readme.read_text()
    before, rest = text.split(START)
    wanted = before + table() + rest.split(END)[1]
    if "--check" not in sys.argv:
        readme.write_text(wanted)
    elif text != wanted:
        sys.exit("README.md of the chart is older than values.yaml: run tests/loopback/values_table.py")


main()
