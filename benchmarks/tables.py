"""Writes the tables of README.md and docs/ from benchmarks/results and the registry; `--check` tells if they are stale.

python benchmarks/tables.py
"""

import csv
import inspect
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

from phosphene.converters import converters
from phosphene.pipeline.backbones.catalog import NETWORKS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RESULTS = ROOT / "benchmarks" / "results"
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def accuracy_table() -> str:
    """Return the table of accuracies: one row a data set, the UCR sets as their mean, and what else was tried."""
    rows = _rows("accuracy")
    lines = ["| data | views | metric | pretrained | random weights | seconds |", "|---|---|---|---|---|---|"]
    probes = [row for row in rows if row["run"] == "probe"]
    lines += [
        _accuracy_line(row["set"], [row], _controls([row], rows))
        for row in probes
        if not row["set"].startswith("ucr/")
    ]
    series = [row for row in probes if row["set"].startswith("ucr/")]
    if series:
        lines.append(_accuracy_line(f"{len(series)} UCR sets, mean", series, _controls(series, rows)))
    runs = [(row["run"], row["set"].split("/")[0]) for row in rows]
    for run, kind in dict.fromkeys(one for one in runs if one[0] != "probe" and "random" not in one[0]):
        found = [row for row in rows if (row["run"], row["set"].split("/")[0]) == (run, kind)]
        sets = sorted({row["set"] for row in found})
        if len(sets) > 1:
            usual = [row for row in probes if row["set"] in sets]
            lines.append(_accuracy_line(f"{len(sets)} of the UCR sets, mean", usual, _controls(usual, rows)))
        views = {row["views"] for row in found}
        random = [row for row in rows if row["run"] == f"random {run}" and row["views"] in views]
        control = [float(row["score"]) for row in random]
        name = sets[0] if len(sets) == 1 else f"the same {len(sets)} UCR sets"
        lines.append(_accuracy_line(f"{name}, {run}", found, control))
    return "\n".join(lines) + "\n"


def _accuracy_line(name: str, found: list[dict[str, str]], control: list[float]) -> str:
    """Return the line of one or more sets: the means of their scores, and of those with random weights."""
    sets = {row["set"] for row in found}
    seconds = statistics.median(float(row["seconds"]) for row in found)
    words = f"{seconds:.1f}" if len(found) == 1 else f"{seconds:.1f} median"
    views = found[0]["views"].replace("size=112,", "").replace("(size=112)", "")
    score = _with_interval([float(row["score"]) for row in found] if len(sets) == 1 else [_mean(found)])
    return f"| {name} | `{views}` | {found[0]['metric']} | {score} | {_with_interval(control)} | {words} |"


def _controls(found: list[dict[str, str]], rows: list[dict[str, str]]) -> list[float]:
    """Return the mean score of the same sets and views with random weights, one a seed that they all have."""
    sets, views = {row["set"] for row in found}, {row["views"] for row in found}
    by_seed: dict[str, list[float]] = {}
    for row in rows:
        if row["run"] == "random" and row["set"] in sets and row["views"] in views:
            by_seed.setdefault(row["seed"], []).append(float(row["score"]))
    return [statistics.mean(scores) for scores in by_seed.values() if len(scores) == len(sets)]


def _mean(rows: list[dict[str, str]]) -> float:
    return statistics.mean(float(row["score"]) for row in rows)


def _with_interval(scores: list[float]) -> str:
    """Return a mean, with half of its 95 % interval by Student's distribution where there are three or more."""
    if not scores:
        return "not measured"
    words = f"{statistics.mean(scores):.3f}"
    if len(scores) < 3:
        return words
    from scipy.stats import t

    reach = float(t.ppf(0.975, len(scores) - 1)) * statistics.stdev(scores) / len(scores) ** 0.5
    return f"{words} ± {reach:.3f}"


def rockets_table() -> str:
    """Return the means of strong methods without images over the same UCR sets and splits."""
    lines = ["| method | UCR sets | accuracy, mean |", "|---|---|---|"]
    rows = _rows("rockets")
    for method in dict.fromkeys(row["method"] for row in rows):
        best: dict[str, list[float]] = {}
        for row in rows:
            if (
                row["method"] == method and row["fill"] != "padded"
            ):  # of two ways to fill, the better for them
                best.setdefault(row["set"], []).append(float(row["accuracy"]))
        lines.append(
            f"| {method} | {len(best)} | {statistics.mean(map(statistics.mean, best.values())):.3f} |"
        )
    return "\n".join(lines) + "\n"


def multivariate_table() -> str:
    """Return the accuracies on series of several channels: one row a set, one column a method."""
    rows = _rows("multivariate")
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [_cells(["set", "channels", "items", *methods]), "|---" * (3 + len(methods)) + "|"]
    for name in dict.fromkeys(row["set"] for row in rows):
        found = {row["method"]: row for row in rows if row["set"] == name}
        first = next(iter(found.values()))
        scores = [f"{float(found[method]['accuracy']):.3f}" for method in methods]
        lines.append(_cells([name, first["channels"], f"{first['n_train']} + {first['n_test']}", *scores]))
    return "\n".join(lines) + "\n"


def digits_table() -> str:
    """Return the accuracies on spoken digits by voices that were never heard: one row a method."""
    rows = _rows("digits")
    lines = ["| method | items | accuracy |", "|---|---|---|"]
    for row in rows:
        items = f"{row['n_train']} + {row['n_test']}"
        lines.append(_cells([row["method"], items, f"{float(row['accuracy']):.3f}"]))
    return "\n".join(lines) + "\n"


_HEADLINE = ("images", "images, random weights", "best baseline", "stacked", "majority")


def benchmark_table() -> str:
    """Return what `phosphene benchmark` found: one row a protocol, the UCR sets as their mean, the best score bold."""
    lines = [_cells(["data", "metric", *_HEADLINE]), "|---" * (2 + len(_HEADLINE)) + "|"]
    rows = _rows("benchmark")
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        some = [row for row in rows if row["protocol"] == protocol]
        means = {name: _mean_score(some, name) for name in _HEADLINE}
        best = max(f"{mean:.3f}" for mean in means.values())
        scores = [f"**{mean:.3f}**" if f"{mean:.3f}" == best else f"{mean:.3f}" for mean in means.values()]
        lines.append(_cells([_protocol_name(protocol, some), some[0]["metric"], *scores]))
    return "\n".join(lines) + "\n"


def methods_table() -> str:
    """Return all methods of each protocol with their costs, for the page of the benchmark."""
    rows, parts = _rows("benchmark"), []
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        some = [row for row in rows if row["protocol"] == protocol]
        titles = [
            "method",
            some[0]["metric"],
            "to prepare, s",
            "to train, s",
            "an item, ms",
            "memory, MiB",
            "model, kB",
        ]
        parts += [f"### {_protocol_name(protocol, some)}", "", _cells(titles), "|---" * len(titles) + "|"]
        parts += [_method_line(name, some) for name in dict.fromkeys(row["method"] for row in some)]
        words = [row["words"] for row in _rows("verdicts") if row["protocol"] == protocol]
        parts += ["", *words, ""]
    return "\n".join(parts) + "\n"


def _method_line(name: str, rows: list[dict[str, str]]) -> str:
    """Return a method with its mean score, the interval where there is one set, and sums of its costs."""
    some = [row for row in rows if row["method"] == name]
    errors = [row["error"] for row in some if row["error"]]
    if errors:
        return _cells([name, f"failed: {errors[0]}", *[""] * 5])
    score = f"{_mean_score(rows, name):.3f}"
    if len(some) == 1:
        score += f" ({float(some[0]['low']):.3f} to {float(some[0]['high']):.3f})"
    return _cells([name, score, *(_cost(some, *asked) for asked in _COSTS)])


_COSTS = (("prepare_s", sum, 1), ("train_s", sum, 1), ("predict_ms_per_item", statistics.mean, 1), ("peak_mib", max, 1),
          ("size_bytes", max, 1000))  # fmt: skip


def _cost(rows: list[dict[str, str]], column: str, total: Callable[[list[float]], float], unit: int) -> str:
    values = [float(row[column]) / unit for row in rows if row[column]]
    return (
        f"{total(values):.3g}" if values and total(values) < 100 else f"{total(values):.0f}" if values else ""
    )


def _protocol_name(protocol: str, rows: list[dict[str, str]]) -> str:
    n_sets = len({row["set"] for row in rows})
    return f"{n_sets} UCR sets, mean" if n_sets > 1 else protocol


def _mean_score(rows: list[dict[str, str]], method: str) -> float:
    return statistics.mean(float(row["score"]) for row in rows if row["method"] == method)


def published_table() -> str:
    """Return how far methods that others have published reach here and there, over the same sets and splits."""
    lines = [_cells(["method", "UCR sets", "here", "published", "by"]), "|---" * 5 + "|"]
    found = {(row["method"], row["set"]): float(row["score"]) for row in _rows("benchmark") if row["score"]}
    rows = [row for row in _rows("published") if (row["method"], row["set"]) in found]
    for method in dict.fromkeys(row["method"] for row in rows):
        some = [row for row in rows if row["method"] == method]
        here = statistics.mean(found[method, row["set"]] for row in some)
        there = statistics.mean(float(row["accuracy"]) for row in some)
        lines.append(_cells([method, str(len(some)), f"{here:.3f}", f"{there:.3f}", some[0]["source"]]))
    return "\n".join(lines) + "\n"


def depth_table() -> str:
    """Return how well single stages tell left-out training items apart, the UCR sets as their mean.

    Of each kind of data the sets that all its lines have, so that their means are of the same.
    """
    rows = [row for row in _rows("depth") if row["run"] in ("probe", "random")]
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    titles = ["data", "weights", *(stage.removeprefix("network.") for stage in stages)]
    lines = [_cells(titles), "|---" * len(titles) + "|"]
    for name in dict.fromkeys(row["set"].partition("/")[0] for row in rows):
        of_name = [row for row in rows if row["set"].partition("/")[0] == name]
        lines_of = {
            weights: [row for row in of_name if row["weights"] == weights]
            for weights in dict.fromkeys(row["weights"] for row in of_name)
        }
        shared = set.intersection(*({row["set"] for row in some} for some in lines_of.values()))
        for weights in sorted(lines_of):
            some = [row for row in lines_of[weights] if row["set"] in shared]
            lines.append(_cells([name, weights, *(_depth_cell(some, stage) for stage in stages)]))
    return "\n".join(lines) + "\n"


def _depth_cell(rows: list[dict[str, str]], stage: str) -> str:
    some = [row for row in rows if row["stage"] == stage]
    accuracy, share = (
        statistics.mean(float(row[key]) for row in some) for key in ("left_out_accuracy", "share")
    )
    words = f"{accuracy:.3f}"
    return f"**{words}**" if share > 0.1 else words


def speed_table() -> str:
    """Return the table of speeds, one row a comparison."""
    lines = ["| work | against | times as fast |", "|---|---|---|"]
    for row in _rows("speed"):
        ratio, low, high = (f"{float(row[name]):.3g}" for name in ("ratio", "low", "high"))
        lines.append(f"| {row['work']} | {row['peer']} | {ratio} ({low} to {high}) |")
    return "\n".join(lines) + "\n"


def novelty_table() -> str:
    """Return the table of how novel classes are told, one row a set, and their mean."""
    lines = [
        "| data | novelty | label's probability | known flagged | new flagged |",
        "|---|---|---|---|---|",
    ]
    rows = _rows("novelty")
    names = ("auroc_novelty", "auroc_max_probability", "known_flagged", "new_flagged")
    means = {name: str(statistics.mean(float(row[name]) for row in rows)) for name in names}
    for row in [*rows, means | {"set": f"mean of {len(rows)}"}]:
        first, second, *flagged = (float(row[name]) for name in names)
        shares = " | ".join(f"{100 * share:.1f} %" for share in flagged)
        lines.append(f"| {row['set']} | {first:.3f} | {second:.3f} | {shares} |")
    return "\n".join(lines) + "\n"


def converters_table() -> str:
    """Return the table of converters, one row each."""
    lines = ["| kind | name | raw file | image | what it shows |", "|---|---|---|---|---|"]
    for owner in converters():
        kind, name = owner.accepts.kind, owner.name
        summary = inspect.cleandoc(owner.__doc__ or "").partition("\n")[0]
        picture = f"![{name} of a synthetic file](pictures/converters/{kind}-{name}.png)"
        raw = f"![the {kind} file as it is](pictures/raw/{kind}.png)"
        lines.append(f"| {kind} | `{name}` | {raw} | {picture} | {summary} |")
    return "\n".join(lines) + "\n"


def backbones_table() -> str:
    """Return the table of backbones, one row each; columns of a GPU stand there once one was measured."""
    found = {(row["name"], row["device"]): row for row in _rows("backbones")}
    devices = [device for device in ("cpu", "cuda") if any(where == device for _, where in found)]
    names = {"cpu": "CPU", "cuda": "GPU"}
    rates = [f"{names[device]}, {work}" for device in devices for work in ("features/s", "training/s")]
    titles = [
        "name",
        "parameters, M",
        "body alone, M",
        "multiply-adds, G",
        "input, px",
        "weights",
        "licence",
        *rates,
    ]
    lines = [_cells(titles), "|---" * len(titles) + "|"]
    for network in NETWORKS:
        rows = [found.get((network.name, device), {}) for device in devices]
        counts = [f"{int(rows[0][key]) / unit:.{digits}f}" for key, unit, digits in _COUNTS]
        speeds = [_rate(row.get(key, "")) for row in rows for key in ("features_per_s", "train_per_s")]
        about = [str(network.size), network.source or "none", network.licence or "none"]
        lines.append(_cells([f"`{network.name}`", *counts, *about, *speeds]))
    return "\n".join(lines) + "\n"


_COUNTS = (("parameters", 1e6, 2), ("body_parameters", 1e6, 2), ("multiply_adds", 1e9, 2))


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(text: str) -> str:
    if not text:
        return "not measured"
    return f"{float(text):.0f}" if float(text) >= 10 else text


def backbones_origin_table() -> str:
    """Return where and with what the table of backbones was measured, one row a run."""
    lines = ["| device | threads | commit | date | versions | networks |", "|---|---|---|---|---|---|"]
    runs: dict[tuple[str, ...], list[str]] = {}
    for row in (row for row in _rows("backbones") if row["features_per_s"]):
        run = tuple(row[key] for key in ("machine", "threads", "commit", "date", "versions"))
        runs.setdefault(run, []).append(row["name"])
    lines += [_cells([*run[:4], run[4].replace(";", ", "), str(len(names))]) for run, names in runs.items()]
    return "\n".join(lines) + "\n"


def scale_table() -> str:
    """Return the table of steps over folders of several sizes: one row a step and size."""
    lines = ["| step | files | seconds | CPU seconds | peak MiB | commit |", "|---|---|---|---|---|---|"]
    names = ("step", "n_files", "seconds", "cpu_s", "peak_mib", "commit")
    lines += [_cells([row[name] for name in names]) for row in _rows("scale")]
    return "\n".join(lines) + "\n"


def precision_table() -> str:
    """Return the accuracies of probes on features of float32 and of int8: one row a set."""
    rows = _rows("precision")
    lines = ["| data | float32, as it runs | int8 by OpenVINO |", "|---|---|---|"]
    for name in dict.fromkeys(row["set"] for row in rows):
        of = {row["engine"]: row["accuracy"] for row in rows if row["set"] == name}
        lines.append(_cells([name, *(f"{float(of[engine]):.3f}" for engine in ("fused", "openvino"))]))
    return "\n".join(lines) + "\n"


PLANTED = {"audio": "tone burst in noise", "series": "step", "mouse": "clicks", "binary": "pattern of bytes"}


def planted_table() -> str:
    """Return how often explanations found what had been planted: one row a kind."""
    figures = (
        "overlap >= 0.5",
        "intersection over union >= 0.5",
        "mean intersection over union",
        "planted stretch covered",
    )
    lines = [f"| {' | '.join(['planted', 'cases', *figures])} |", "|" + "---|" * 6]
    rows = _rows("explain")
    for kind, planted in PLANTED.items():
        of = {row["figure"]: row for row in rows if row["set"] == f"planted {kind}"}
        lines.append(_cells([planted, of[figures[0]]["n"], *(of[figure]["value"] for figure in figures)]))
    return "\n".join(lines) + "\n"


def faithfulness_table() -> str:
    """Return what becomes of the probability without a fifth of the cells, and with a fifth: one row a set."""
    names = ("deletion", "random_deletion", "insertion", "random_insertion")
    lines = [
        "| data | items | whole | removed | elsewhere | alone | elsewhere | shuffled |",
        "|" + "---|" * 8,
    ]
    for name, of in _explained().items():
        found = [of["probability", "1"], *(of[figure, "0.2"] for figure in names)]
        found.append(of["rank correlation, shuffled weights", ""])
        lines.append(_cells([name, found[0]["n"], *(row["value"] for row in found)]))
    return "\n".join(lines) + "\n"


def kept_table() -> str:
    """Return increase, drop and gain where parts of signals are kept alone: one row a set and part."""
    lines = ["| data | kept | share of the cells | increase | drop | gain |", "|" + "---|" * 6]
    parts = {
        "sufficient": "what suffices",
        "sufficient elsewhere": "as much elsewhere",
        "regions": "the regions",
    }
    for name, of in _explained().items():
        for part, words in parts.items():
            found = {figure: row for (figure, _), row in of.items() if figure.startswith(f"{part} average")}
            values = [found[f"{part} average {change}"] for change in ("increase", "drop", "gain")]
            lines.append(_cells([name, words, values[0]["share"], *(row["value"] for row in values)]))
    return "\n".join(lines) + "\n"


def _explained() -> dict[str, dict[tuple[str, str], dict[str, str]]]:
    """Return the rows of each real set by figure and share."""
    found: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    for row in _rows("explain"):
        if not row["set"].startswith("planted"):
            found.setdefault(row["set"], {})[row["figure"], row["share"]] = row
    kinds = ("esc10", "ucr", "balabit", "binaries")
    return dict(sorted(found.items(), key=lambda one: (kinds.index(one[0].split("/")[0]), one[0])))


TABLES = {
    "accuracy": accuracy_table,
    "planted": planted_table,
    "faithfulness": faithfulness_table,
    "kept": kept_table,
    "precision": precision_table,
    "rockets": rockets_table,
    "multivariate": multivariate_table,
    "digits": digits_table,
    "benchmark": benchmark_table,
    "methods": methods_table,
    "published": published_table,
    "depth": depth_table,
    "novelty": novelty_table,
    "speed": speed_table,
    "converters": converters_table,
    "backbones": backbones_table,
    "backbones_origin": backbones_origin_table,
    "scale": scale_table,
}


def _rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refreshed(text: str) -> str:
    """Return the text of a page with its tables made anew."""
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> int:
    stale = [page for page in PAGES if page.read_text() != refreshed(page.read_text())]
    if "--check" in sys.argv:
        return int(bool(stale))
    for page in stale:
        page.write_text(refreshed(page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
