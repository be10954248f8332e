"""The tables of benches/README.md, made of benches/results.json and of nothing else."""

import json
import re
from statistics import median

# Of one run: a pair has the peer's, then chartsync's next to it.
COLUMNS = ["seconds", "requests", "connections", "bytes", "cpu", "memory", "registry cpu", "registry memory"]
# What others are compared with.
BASE = {"mirror": "chartsync", "full": "chartsync, signing"}
# What is no peer.
OURS = ("ideal client", "3B + 2")
CHARTS = 200
SCENARIOS = {
    "cold": "Cold: nothing is at the destination",
    "nothing": "Nothing to do: everything is at the destination",
    "changed": "5 % changed: 10 of 200 charts are not at the destination",
}
# Requests that nobody can do without: `3B + 2` a copy, a look at each other chart.
FLOOR = {"cold": 11 * CHARTS, "nothing": CHARTS, "changed": CHARTS + 11 * CHARTS // 20}
BEGIN, END = "<!-- made by benches/run from results.json -->", "<!-- end of what benches/run made -->"


def dumps(results):
    """One run a line, so that a diff of two measurements can be read."""
    text = json.dumps(results, indent=1, ensure_ascii=False)
    return re.sub(r"\[\s+([-\d.,\s]+?)\s+\]", lambda run: f"[{' '.join(run[1].split())}]", text) + "\n"


def scale(cell):
    return CHARTS / cell["charts"]


def ratios(cell):
    """How many times chartsync's time the peer took, pair by pair."""
    return sorted(peer[0] * scale(cell) / base[0] for peer, base in cell["pairs"])


def peer(cell):
    """The medians of the peer, as if it had got all charts."""
    medians = dict(zip(COLUMNS, (median(column) for column in zip(*(pair[0] for pair in cell["pairs"])))))
    for column in ("seconds", "requests", "connections", "bytes", "cpu", "registry cpu"):
        medians[column] *= scale(cell)
    return medians


def base(cell):
    """The medians of chartsync beside it."""
    return dict(zip(COLUMNS, (median(column) for column in zip(*(pair[1] for pair in cell["pairs"])))))


def page(results, text):
    """The page with its tables made anew; what people wrote around them stays."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables(results)}\n{END}{after}"


def tables(results):
    cells = {tuple(name.split("/")): cell for name, cell in results["cells"].items()}
    machine, tools = results["machine"], results["tools"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(tools.items()))
    where = f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, with a load of {machine['load']} by others when its last stretch began"
    parts = [f"Measured on {where}; {versions}.", goals(cells)]
    for scenario, title in SCENARIOS.items():
        if rows := detail(cells, "mirror", scenario, results["guarantees"]):
            parts += [f"### {title}", "20 ms, no authentication.", rows]
    for scenario in SCENARIOS:
        if rows := detail(cells, "full", scenario, results["guarantees"]):
            parts += [f"### The full job, {SCENARIOS[scenario][0].lower()}{SCENARIOS[scenario][1:]}", "20 ms, no authentication.", rows]
    parts += ["### Everywhere", "How many times chartsync's time each takes: median of the pairs, least and most.", everywhere(cells)]
    return "\n\n".join(parts) + "\n"


def markdown(head, rows):
    line = lambda words: "| " + " | ".join(words) + " |"  # noqa: E731
    return "\n".join([line(head), line(["---"] + ["--:"] * (len(head) - 1)), *map(line, rows)])


def spread(values, unit=" ×"):
    return f"{median(values):.2f}{unit} ({min(values):.2f}–{max(values):.2f})"


def goals(cells):
    """What was to be reached at 20 ms, and what was."""
    rows = []
    for scenario, what in (("cold", "cold"), ("nothing", "nothing to do")):
        if cell := cells.get(("mirror", scenario, "20", "none", "ideal client")):
            values = [1 / value for value in ratios(cell)]
            rows.append([f"{what}: at most 1.1 × the ideal client's time", spread(values), verdict(median(values) <= 1.1)])
    for scenario, what in (("cold", "cold"), ("nothing", "nothing to do"), ("changed", "5 % changed")):
        others = {key[4]: ratios(cell) for key, cell in cells.items() if key[:4] == ("mirror", scenario, "20", "none")}
        tuned = others.pop("chartsync, tuned", None)
        others = {name: values for name, values in others.items() if name not in OURS}
        if others:
            nearest = min(others, key=lambda name: median(others[name]))
            told = f"{nearest}: {spread(others[nearest])}"
            if tuned:
                told += f"; chartsync with 64 requests a host: {spread(tuned)}"
            rows.append([f"{what}: ahead of every peer at its best tuning", told, verdict(median(others[nearest]) > 1)])
    for scenario, what in (("cold", "cold"), ("nothing", "nothing to do")):
        if cell := cells.get(("full", scenario, "20", "none", "today's pipeline")):
            rows.append([f"{what}, the full job: 20 × as fast as today's pipeline", spread(ratios(cell)), verdict(median(ratios(cell)) >= 20)])
    return "### Goals, at 20 ms\n\n" + markdown(["goal", "measured", ""], rows)


def verdict(reached):
    return "reached" if reached else "**missed**"


def detail(cells, job, scenario, guarantees):
    """Everything about one cell at 20 ms."""
    here = {key[4]: cell for key, cell in cells.items() if key[:4] == (job, scenario, "20", "none")}
    if not here:
        return ""
    floor = FLOOR[scenario] if job == "mirror" else None
    ours = [base(cell) for cell in here.values()]
    us = {column: median(one[column] for one in ours) for column in COLUMNS}
    rows = [row(f"**{BASE[job]}**", us, "1", floor, CHARTS, guarantees[BASE[job]])]
    rows += [row(name, peer(cell), spread(ratios(cell), ""), floor, cell["charts"], guarantees[name]) for name, cell in here.items()]
    head = ["", "s", "× chartsync", "requests", "× floor", "connections", "MB", "CPU s", "memory MB", "registries' CPU s", "their memory MB", "guarantees"]
    if not floor:
        head.remove("× floor")
    return markdown(head, rows)


def row(name, took, times, floor, charts, guarantee):
    least = [f"{took['requests'] / floor:.2f}"] if floor else []
    return [
        name if charts == CHARTS else f"{name} (of {charts} charts)", f"{took['seconds']:.2f}", times, f"{took['requests']:.0f}", *least,
        f"{took['connections']:.0f}", f"{took['bytes'] / 1e6:.1f}", f"{took['cpu']:.2f}", f"{took['memory']:.0f}",
        f"{took['registry cpu']:.2f}", f"{took['registry memory']:.0f}", guarantee,
    ]  # fmt: skip


def everywhere(cells):
    names = list(dict.fromkeys(key[4] for key in cells))
    columns = [(rtt, auth) for auth in ("none", "token") for rtt in ("0", "20", "80")]
    head = [""] + [f"{rtt} ms{', tokens' if auth == 'token' else ''}" for rtt, auth in columns]
    parts = []
    for scenario, title in SCENARIOS.items():
        rows = []
        for job in ("mirror", "full"):
            for name in names:
                found = [cells.get((job, scenario, rtt, auth, name)) for rtt, auth in columns]
                if any(found):
                    rows.append([name, *(spread(ratios(cell), "") if cell else "–" for cell in found)])
            if job == "mirror":
                rows.insert(0, ["*chartsync itself, s*", *(seconds(cells, job, scenario, *column) for column in columns)])
        parts.append(f"{title}\n\n{markdown(head, rows)}")
    return "\n\n".join(parts)


def seconds(cells, job, scenario, rtt, auth):
    """chartsync's own time in a cell, whatever it was beside."""
    times = [pair[1][0] for key, cell in cells.items() if key[:4] == (job, scenario, rtt, auth) for pair in cell["pairs"]]
    return f"{median(times):.2f}" if times else "–"
