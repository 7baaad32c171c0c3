"""The gallery: a picture of what every converter draws."""

import json
import re

import numpy as np
import PIL.Image
import pytest

from phosphene.converters import converters
from phosphene.converters.core.parameters import rules
from phosphene.pipeline.app.cli import main
from phosphene.pipeline.app.gallery import choices, write_gallery


def test_choices_differ_in_one_parameter():
    for owner in converters():
        base, *others = choices(owner)
        assert base == owner()
        for view in others:
            differing = [name for name in rules(owner) if getattr(view, name) != getattr(base, name)]
            assert len(differing) == 1, view.spec
        assert len({view.spec for view in others}) == len(others)


@pytest.mark.parametrize("kind", ["binary", "mouse"])
def test_every_converter_of_a_kind_is_shown(kind, tmp_path):
    pictures = write_gallery(tmp_path, kind=kind)
    page = (tmp_path / "README.md").read_text()
    for owner in converters(kind):
        assert f"### {owner.name}" in page
    shown = re.findall(r"\]\(([^)]+)\)", page)
    assert [tmp_path / name for name in shown] == list(pictures)
    for picture in pictures:
        assert np.asarray(PIL.Image.open(picture).convert("L")).std() > 10


def test_the_command_names_the_pictures(tmp_path, capsys):
    assert main(["list", "--kind", "binary", "--gallery", str(tmp_path / "out"), "--json"]) == 0
    named = json.loads(capsys.readouterr().out)["gallery"]
    assert str(tmp_path / "out" / "binary.png") in named
    assert main(["list", "--data", str(tmp_path)]) == 2
    assert "add --gallery OUT" in capsys.readouterr().err


@pytest.mark.slow
def test_real_files_are_shown_where_there_are_some(data, tmp_path):
    write_gallery(tmp_path, data=data)
    assert (tmp_path / "audio.png").exists()
