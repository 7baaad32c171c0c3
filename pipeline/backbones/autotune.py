"""How a frozen network runs fastest on this machine: measured briefly, once, and remembered."""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import torch

from phosphene.converters.core.errors import ParameterError
from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.tiles.store import default_folder

Engine = Literal["fused", "folded", "plain"]
Precision = Literal["float32", "bfloat16"]
Threads = Literal["together", "apart"]
Measure = Literal["never", "auto", "always"]

# Of the way a plan is carried out: what was measured for another one is not asked for again.
_ALGORITHM = 1
FEW_TILES = 200
BUDGET_S = 2.0
# A plan must be so much faster than the one taken unmeasured: less is within what a busy machine makes of it.
_MARGIN = 1.05
_HOPELESS = 1.5

_Choice = TypeVar("_Choice")


@dataclass(frozen=True)
class Plan:
    """How tiles go through a frozen network; no plan but one of bfloat16 changes more than the last digits.

    Parameters
    ----------
    engine
        `fused`: convolutions with their activations, by oneDNN; `folded`: batch normalisations within the convolutions
        before them; `plain`: the network as it is.
    batch
        Tiles at a time; what a few tiles give a layer stays in the processor's cache.
    precision
        `float32` or `bfloat16`.
    threads
        Whether all threads work `together` on each layer of a batch, or `apart`, each on a batch of its own.
    """

    engine: Engine = "fused"
    batch: int = 4
    precision: Precision = "float32"
    threads: Threads = "apart"

    def __post_init__(self) -> None:
        for name, kind in (("engine", Engine), ("precision", Precision), ("threads", Threads)):
            if getattr(self, name) not in get_args(kind):
                allowed = ", ".join(get_args(kind))
                raise ParameterError(f"Plan.{name} must be one of {allowed}, got {getattr(self, name)!r}")
        if type(self.batch) is not int or self.batch < 1:
            raise ParameterError(f"Plan.batch must be an integer >= 1, got {self.batch!r}")


SAFE = Plan()


def measuring() -> Measure:
    """Return what `$PHOSPHENE_MEASURE` asks for: `0` never to measure, `1` always; unset, where it pays.

    Raises
    ------
    ParameterError
        It is something else.
    """
    named = os.environ.get("PHOSPHENE_MEASURE", "")
    words: dict[str, Measure] = {"": "auto", "0": "never", "1": "always"}
    if named not in words:
        raise ParameterError(
            f"PHOSPHENE_MEASURE must be 0 or 1, got {named!r}; unset it to measure where it pays"
        )
    return words[named]


def decide(
    about: Mapping[str, object],
    candidates: Callable[[], Mapping[Plan, Callable[[], object]]],
    *,
    n_tiles: int,
    safe: Plan = SAFE,
) -> Plan:
    """Return the plan by which a network runs fastest here: a remembered one, a measured one, or the safe one.

    Parameters
    ----------
    about
        The network, its layers, the size and the channels of its tiles: what the answer depends on besides the machine.
    candidates
        Makes, when it comes to a measurement, a call for each plan; each must do the same work. It may take long.
    n_tiles
        How many tiles are to come: below `FEW_TILES` a measurement does not pay.
    safe
        The plan where nothing is measured; of the measured ones it wins if no other is clearly faster.
    """
    wanted = measuring()
    if wanted == "never":
        return safe
    key = decision_key(about)
    known = _remembered(key) if wanted == "auto" else None
    if known is not None or (wanted == "auto" and n_tiles < FEW_TILES):
        return known or safe
    seconds = time_in_turns(candidates())
    plan = choose(seconds, safe)
    remember(key, plan, {text(one): round(least, 5) for one, least in seconds.items()})
    return plan


def choose(seconds: Mapping[Plan, float], safe: Plan) -> Plan:
    """Return the fastest plan, or the safe one where it is nearly as fast.

    Examples
    --------
    >>> choose({Plan(batch=4): 1.0, Plan(batch=8): 0.98}, Plan(batch=4)).batch
    4
    """
    if not seconds:
        return safe
    best = min(seconds, key=lambda plan: seconds[plan])
    return best if seconds.get(safe, float("inf")) > seconds[best] * _MARGIN else safe


def time_in_turns(
    calls: Mapping[_Choice, Callable[[], object]],
    *,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[_Choice, float]:
    """Return the least seconds of every call, of as many rounds in turns as the budget holds.

    The least of several rounds is what the machine can do when nothing else disturbs it; in turns, what disturbs falls
    on all. The first call of each is a warm-up; what twice took half as long again as the fastest is called no more.

    Parameters
    ----------
    calls
        What is timed; one that raises a RuntimeError, as the network does for what this machine lacks, is left out.
    budget_s
        Seconds; what has begun is ended, nothing more is begun.
    clock
        Returns seconds.
    """
    end, least = clock() + budget_s, dict[_Choice, float]()
    racing = dict(calls)
    for round_ in range(1_000):
        for name in list(racing):
            if clock() > end:
                return least
            taken = _seconds(racing[name], clock)
            if taken is None:
                del racing[name]
            elif round_:
                least[name] = min(taken, least.get(name, taken))
        bound = _HOPELESS * min(least.values(), default=float("inf")) if round_ > 1 else float("inf")
        racing = {name: call for name, call in racing.items() if least.get(name, 0.0) <= bound}
        if not racing:
            break
    return least


def _seconds(call: Callable[[], object], clock: Callable[[], float]) -> float | None:
    begin = clock()
    try:
        call()
    except RuntimeError:
        return None
    return clock() - begin


def memory_file() -> Path:
    """Return where decisions are kept: beside the tiles."""
    return default_folder().parent / "decisions.json"


def decision_key(about: Mapping[str, object]) -> str:
    """Return under what a decision is found again: what it is about, the machine, and torch."""
    machine = {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "algorithm": _ALGORITHM,
    }
    return json.dumps({**about, **machine}, sort_keys=True)


def remember(key: str, plan: Plan, seconds: Mapping[str, float]) -> None:
    """Keep a decision and the seconds that led to it; where nothing can be written, it is measured again next time."""
    entries = _entries() | {key: {"plan": asdict(plan), "seconds": dict(seconds)}}
    try:
        with atomic_write(memory_file()) as file:
            file.write(json.dumps(entries, indent=1).encode())
    except OSError:
        return


def text(plan: Plan) -> str:
    """Say a plan in a few words.

    Examples
    --------
    >>> text(Plan(batch=8))
    'fused float32, 8 at a time, threads apart'
    """
    return f"{plan.engine} {plan.precision}, {plan.batch} at a time, threads {plan.threads}"


def _remembered(key: str) -> Plan | None:
    entry: Any = _entries().get(key)
    try:
        return Plan(**entry["plan"])
    except (TypeError, KeyError, ParameterError):
        return None


def _entries() -> dict[str, Any]:
    """Return all decisions; none where the file is missing or broken."""
    try:
        entries = json.loads(memory_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _processor() -> str:
    """Name the processor: the model, where the system tells, and how it computes."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = ("vendor_id", "cpu family", "model", "model name", "stepping")
    model = [line.split(":", 1)[1].strip() for line in lines[:12] if line.split(":")[0].strip() in told]
    ability = torch.backends.cpu.get_cpu_capability()
    return " ".join([*model, platform.machine(), platform.processor(), ability]).strip()
