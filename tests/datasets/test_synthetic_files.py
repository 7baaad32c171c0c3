"""Files made from a seed."""

import numpy as np
import pytest

from phosphene.converters import ParameterError, read
from phosphene.converters.registry import recognise
from phosphene.datasets import make_synthetic, open_protocol

KINDS = ("audio", "series", "mouse", "binary")
CLASSES = {
    "audio": ("bird", "engine", "rain"),
    "series": ("bearing", "imbalance", "normal"),
    "mouse": ("bot", "person"),
    "binary": ("document", "program"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def contents(manifest):
    return [item.path.read_bytes() for item in manifest.items]


def test_the_same_seed_gives_the_same_bytes(kind, tmp_path):
    first = contents(make_synthetic(kind, tmp_path / "a", items_per_class=3, seed=7))
    assert contents(make_synthetic(kind, tmp_path / "b", items_per_class=3, seed=7)) == first
    other = contents(make_synthetic(kind, tmp_path / "c", items_per_class=3, seed=8))
    assert all(one != two for one, two in zip(first, other, strict=True))
    assert len(set(first)) == len(first)


def test_a_file_does_not_depend_on_how_many_there_are(kind, tmp_path):
    few = make_synthetic(kind, tmp_path / "few", items_per_class=1)
    many = make_synthetic(kind, tmp_path / "many", items_per_class=2)
    assert contents(few) == contents(many)[::2]


def test_every_file_reads_as_its_kind(kind, tmp_path):
    for item in make_synthetic(kind, tmp_path, items_per_class=20).items:
        assert recognise(item.path) == kind
    assert read(item.path).kind == kind


def test_classes_are_folders_in_five_folds(kind, tmp_path):
    manifest = make_synthetic(kind, tmp_path, items_per_class=5)
    assert manifest.classes == CLASSES[kind]
    assert all(item.path.parent == tmp_path / item.label for item in manifest.items)
    assert [split.name for split in manifest.splits()] == ["1", "2", "3", "4", "5"]


def test_the_signals_are_what_they_say(tmp_path):
    audio = read(make_synthetic("audio", tmp_path / "a", items_per_class=1).items[0].path)
    assert (audio.samples.shape, audio.rate_hz) == ((1, 32_000), 16_000)
    series = read(make_synthetic("series", tmp_path / "s", items_per_class=1).items[0].path)
    assert series.values.shape == (2, 400)
    assert series.step_s == pytest.approx(1 / 800)
    mouse = read(make_synthetic("mouse", tmp_path / "m", items_per_class=1).items[0].path)
    assert np.ptp(mouse.x) > 100
    assert mouse.x.min() >= 0
    assert mouse.x.max() < 1920


def test_programs_have_sections(tmp_path):
    lief = pytest.importorskip("lief")
    programs = [
        i for i in make_synthetic("binary", tmp_path, items_per_class=3).items if i.label == "program"
    ]
    for item in programs:
        parsed = lief.parse(str(item.path))
        names = [section.name for section in parsed.sections]
        assert {".text", ".rodata", ".data", ".shstrtab"} <= set(names)


def test_open_protocol_makes_them(kind, tmp_path):
    manifest = open_protocol(f"synthetic/{kind}", tmp_path / "new")
    assert manifest.name == f"synthetic/{kind}"
    assert len(manifest.items) == 20 * len(CLASSES[kind])
    assert all(item.path.is_relative_to(tmp_path / "new" / "synthetic" / kind) for item in manifest.items)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "video"}, "make_synthetic.kind must be one of audio, series, mouse, binary, got 'video'"),
        ({"items_per_class": 0}, "make_synthetic.items_per_class must be an integer >= 1, got 0"),
        ({"items_per_class": True}, "make_synthetic.items_per_class must be an integer >= 1, got True"),
        ({"seed": -1}, "make_synthetic.seed must be an integer >= 0, got -1"),
    ],
)
def test_errors(arguments, message, tmp_path):
    with pytest.raises(ParameterError) as caught:
        make_synthetic(**{"kind": "audio", "folder": tmp_path, **arguments})
    assert str(caught.value) == message
