"""What there is: converters with their parameters, backbones, protocols."""

import dataclasses
import inspect
from typing import Any

from phosphene.converters import Converter, converters
from phosphene.converters.core.parameters import describe, rules
from phosphene.converters.core.signal import Kind
from phosphene.datasets import protocols
from phosphene.pipeline.backbones.catalog import NETWORKS, TABULATED, Tabulated

from .text import table, terminal_width

_SERIES = "ucr/"


def listing(kind: Kind | None) -> tuple[dict[str, Any], str, bool]:
    """Return what there is, for one kind or for all: for programs, for people, and that nothing failed."""
    found = [describe_converter(converter) for converter in converters(kind)]
    known = [
        {"name": name, "kind": p.kind, "metric": p.metric, "summary": p.summary, "home": p.home}
        for name, p in protocols().items()
        if kind in (None, p.kind)
    ]
    width = terminal_width()
    parts = [
        table(
            ["converter", "kind", "what it shows"],
            [[c["name"], c["kind"], c["summary"]] for c in found],
            width=width,
        ),
        "\n".join(line for converter in found for line in _parameter_lines(converter)),
        _backbone_table(width),
        table(["protocol", "kind", "metric", "what it is"], _protocol_rows(known), width=width),
    ]
    result = {"converters": found, "backbones": list(TABULATED), "protocols": known}
    return result, "\n\n".join(parts), False


def _backbone_table(width: int) -> str:
    rows = [[n.name, str(n.size), f"{n.millions:.2f}", _weights(n)] for n in NETWORKS]
    rows.append(["any other", "", "", "of torchvision and timm, by its name there"])
    return table(["backbone", "input, px", "parameters, M", "weights"], rows, width=width)


def _weights(network: Tabulated) -> str:
    return f"{network.source} ({network.licence})" if network.source else "none"


def describe_converter(converter: type[Converter]) -> dict[str, Any]:
    """Return name, kind, first line and parameters of a converter class."""
    defaults = {
        f.name: None if f.default is dataclasses.MISSING else f.default for f in dataclasses.fields(converter)
    }
    return {
        "name": converter.name,
        "kind": converter.accepts.kind,
        "summary": (inspect.getdoc(converter) or "").partition("\n")[0],
        "parameters": {
            name: {"default": defaults[name], "rule": describe(rule)}
            for name, rule in rules(converter).items()
        },
    }


def _parameter_lines(converter: dict[str, Any]) -> list[str]:
    lines = [f"{converter['name']} ({converter['kind']})"]
    return lines + [
        f"    {name} = {about['default']}: {about['rule']}" for name, about in converter["parameters"].items()
    ]


def _protocol_rows(known: list[dict[str, Any]]) -> list[list[str]]:
    """Return a row a protocol, and one for all sets of the UCR archive."""
    rows = [
        [p["name"], p["kind"], p["metric"], p["summary"]] for p in known if not p["name"].startswith(_SERIES)
    ]
    series = [p for p in known if p["name"].startswith(_SERIES)]
    if series:
        names = ", ".join(p["name"].removeprefix(_SERIES) for p in series)
        words = f"a set of the UCR archive of time series, the default split: {names}, or any other"
        rows += [[f"{_SERIES}NAME", series[0]["kind"], series[0]["metric"], words]]
    return rows
