"""The base of every converter and the registry."""

import dataclasses
import os
import subprocess
import sys
from typing import ClassVar

import numpy as np
import pytest

from phosphene.converters import (
    Axes,
    Axis,
    Converter,
    Image,
    ParameterError,
    Series,
    Signal,
    converters,
    make,
    register,
)
from phosphene.converters.core.converter import registered
from phosphene.converters.registry import converter_class


class Flat(Converter):
    """A grey square."""

    name: ClassVar[str] = "flat"
    accepts: ClassVar[type[Signal]] = Series

    level: int = 7
    weight: float = 1.0

    def _convert(self, signal):
        axis = Axis("time", "s", np.arange(9.0))
        return Image(np.full((8, 8, 1), self.level, np.uint8), Axes(axis, axis))


class Broken(Flat):
    """Returns no image."""

    def _convert(self, signal):
        return np.zeros((8, 8, 1), np.uint8)


def test_a_subclass_is_a_frozen_dataclass_of_keywords():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Flat().level = 3
    with pytest.raises(TypeError, match="positional"):
        Flat(3)
    assert Flat(level=3) == Flat(level=3) != Flat()


def test_replace_and_spec():
    assert Flat().spec == "flat"
    assert Flat().replace(level=3).spec == "flat(level=3)"
    with pytest.raises(ParameterError, match="^Flat has no parameter 'levle'; it has level, weight$"):
        Flat().replace(levle=3)


def test_equal_converters_have_one_fingerprint():
    assert Flat(weight=2) == Flat(weight=2.0)
    assert Flat(weight=2).fingerprint == Flat(weight=2.0).fingerprint
    assert Flat(weight=2).spec == Flat(weight=2.0).spec


def test_what_is_no_image_is_the_fault_of_the_converter():
    with pytest.raises(TypeError, match="^Broken._convert must return an Image, got ndarray$"):
        Broken()(Series([1.0]))


def test_a_name_is_given_once_a_kind():
    owner = converter_class("gasf")
    assert register(owner) is owner

    class Thief(Flat):
        """Takes a name that is taken."""

        name: ClassVar[str] = "gasf"

    with pytest.raises(ParameterError, match="^series converter 'gasf' is registered already, by "):
        register(Thief)
    assert converter_class("gasf") is owner


def test_a_name_of_two_kinds_needs_the_kind(monkeypatch):
    monkeypatch.setitem(registered, "twice", {"audio": converter_class("mel"), "series": Flat})
    assert make("twice", kind="series") == Flat()
    with pytest.raises(
        ParameterError, match="^'twice' is a converter of several kinds .audio, series.; name the kind$"
    ):
        make("twice")


def test_make_names_what_it_knows():
    with pytest.raises(ParameterError, match="^no converter is called 'nonsense'; there are .*gasf.*mel"):
        make("nonsense")
    with pytest.raises(ParameterError, match="^GramianSummationField has no parameter 'n_mels'"):
        make("gasf", n_mels=3)


def test_converters_of_one_kind():
    assert {owner.accepts.kind for owner in converters("audio")} == {"audio"}
    assert set(converters("audio")) < set(converters())


PLUGIN = '''
from typing import ClassVar
import numpy as np
from phosphene.converters import Axes, Axis, Converter, Image, Series, Signal, register

@register
class Plain(Converter):
    """A black square."""
    name: ClassVar[str] = "plain"
    accepts: ClassVar[type[Signal]] = Series
    def _convert(self, signal):
        axis = Axis("time", "s", np.arange(9.0))
        return Image(np.zeros((8, 8, 1), np.uint8), Axes(axis, axis))
'''


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (PLUGIN, "plain"),
        ("import nowhere_to_be_found", "the package plainpack brings converters that cannot be imported"),
    ],
)
def test_other_packages_bring_converters(tmp_path, code, says):
    (tmp_path / "plainpack.py").write_text(code)
    info = tmp_path / "plainpack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plainpack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[phosphene.converters]\nplain = plainpack\n")
    done = subprocess.run(
        [sys.executable, "-c", "from phosphene.converters import make; print(make('plain').spec)"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in (done.stdout or done.stderr)


def test_a_name_of_ours_is_refused_before_ours_are_loaded():
    code = (
        "from phosphene.converters import Converter, Series, register\n"
        "class Mine(Converter):\n"
        "    name, accepts = 'gasf', Series\n"
        "    def _convert(self, signal): ...\n"
        "register(Mine)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "series converter 'gasf' is registered already, by <class" in done.stderr
    assert "GramianSummationField" in done.stderr
