"""Views written as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import ParameterError, default_views, from_config, make, parse_views
from phosphene.converters.registry import set_parameters

KINDS = ("audio", "series", "mouse", "binary")


def test_commas_part_views_and_plusses_join_channels():
    one, two = parse_views(" gasf( size = 64 ) , gasf+gadf+recurrence(size=224)")
    assert one == make("gasf", size=64)
    assert [part.name for part in two.parts] == ["gasf", "gadf", "recurrence"]
    assert two.spec == "gasf+gadf+recurrence"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_default_views(kind):
    views = default_views(kind)
    assert {view.kind for view in views} == {kind}
    assert parse_views(",".join(view.spec for view in views), kind=kind) == views


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no view; write NAME or NAME(key=value,...)"),
        ("gasf,", "'' is no view; write NAME or NAME(key=value,...)"),
        ("gasf(size=64", "'gasf(size=64' is no view; write NAME or NAME(key=value,...)"),
        ("gasf)", "'gasf)' is no view; write NAME or NAME(key=value,...)"),
        ("gasf(64)", "'64' in 'gasf(64)' must be key=value"),
        ("gasf(=64)", "'=64' in 'gasf(=64)' must be key=value"),
        ("gasf(size=64,size=32)", "'size' is set twice in 'gasf(size=64,size=32)'"),
        (
            "gasf(size=big)",
            "GramianSummationField.size must be an integer >= 8 and <= 4096, the side of a square, got 'big'",
        ),
        ("gasf,gasf(size=224)", "the view 'gasf' is named twice in 'gasf,gasf(size=224)'"),
        ("gasf+gadf", "an image has three channels, A+B+C, got 2 in 'gasf+gadf'"),
        ("gasf,mel", "views must be of one kind, got audio and series in 'gasf,mel'"),
        ("gasf+gadf+mel", "Channels must join converters of one kind, got series, series, audio"),
    ],
)
def test_messages(text, message):
    with pytest.raises(ParameterError) as caught:
        parse_views(text)
    assert str(caught.value) == message


def test_unknown_names_are_told_with_the_known_ones():
    with pytest.raises(ParameterError, match="^no converter is called 'gsf'; there are .*gasf"):
        parse_views("gsf")
    with pytest.raises(
        ParameterError, match="^no converter of audio signals is called 'gasf'; there are .*mel"
    ):
        parse_views("gasf", kind="audio")
    with pytest.raises(ParameterError, match="^GramianSummationField has no parameter 'sise'; it has size, "):
        parse_views("gasf(sise=64)")


@given(st.text(alphabet="gasfmel(),+= 0123456789", max_size=30))
def test_any_text_is_views_or_an_error_of_ours(text):
    try:
        views = parse_views(text)
    except ParameterError:
        return
    assert parse_views(",".join(view.spec for view in views)) == views


def test_settings_go_to_every_view_that_has_them():
    views = set_parameters(parse_views("gasf,recurrence,gasf+gadf+mtf"), {"size": "64", "dimension": "2"})
    assert [view.spec for view in views] == [
        "gasf(size=64)",
        "recurrence(size=64,dimension=2)",
        "gasf(size=64)+gadf(size=64)+mtf(size=64)",
    ]


def test_a_setting_that_no_view_has():
    with pytest.raises(ParameterError, match="^none of gasf, gadf has a parameter 'n_mels'$"):
        set_parameters(parse_views("gasf,gadf"), {"n_mels": "64"})


@pytest.mark.parametrize("text", ["gasf(size=64)", "gasf+gadf+recurrence(size=224)", "mel"])
def test_config_makes_the_view_again(text):
    (view,) = parse_views(text)
    assert from_config(view.config) == view


@pytest.mark.parametrize(
    "config",
    [{}, {"name": "gasf"}, {"name": "gasf", "kind": "series", "parameters": 3}, [], None,
     {"name": "channels", "kind": "series", "parameters": {"red": {}}}],
)  # fmt: skip
def test_no_config(config):
    with pytest.raises(
        ParameterError, match="^a converter's config must hold name, kind and parameters, got "
    ):
        from_config(config)
