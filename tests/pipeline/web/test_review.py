"""The review: most uncertain first, labels saved at once in a table that training takes."""

import pytest

from phosphene.converters import ParameterError, ReadError
from phosphene.datasets import make_synthetic
from phosphene.datasets.sources import open_manifest
from phosphene.pipeline.web import review as module
from phosphene.pipeline.web.review import Candidate, Review, check_review, label_path, read_labels


@pytest.fixture
def folder(tmp_path):
    """Four sessions without labels."""
    items = make_synthetic("mouse", tmp_path / "made", items_per_class=2).items
    folder = tmp_path / "new"
    folder.mkdir()
    for number, item in enumerate(items):
        item.path.rename(folder / f"{number}.csv")
    return folder


@pytest.fixture
def begin(folder):
    def begin():
        review = Review(
            folder / "model",
            folder,
            folder.parent / "new.labels.csv",
            also=None,
            scratch=folder.parent,
            swap=print,
        )
        order = [3, 1, 0, 2]
        found = [
            Candidate(f"{n}.csv", str(folder / f"{n}.csv"), "bot", 0.5 + k / 10) for k, n in enumerate(order)
        ]
        review._ranked({"candidates": found, "failed": 0})
        return review

    return begin


def test_each_label_is_saved_and_the_next_item_comes(begin):
    review = begin()
    assert review.current().name == "3.csv"
    review.label("3.csv", "bot")
    assert read_labels(review.file) == {"new/3.csv": "bot"}
    assert review.current().name == "1.csv"
    review.label("1.csv", "person")
    review.label("0.csv", "person")
    review.label("2.csv", "bot")
    assert review.current() is None
    manifest = open_manifest(review.file, kind="mouse")
    assert [(item.path.name, item.label) for item in manifest.items] == [
        ("3.csv", "bot"), ("1.csv", "person"), ("0.csv", "person"), ("2.csv", "bot"),
    ]  # fmt: skip
    assert all(item.path.is_file() for item in manifest.items)


def test_a_skipped_item_comes_again_when_the_files_are_ranked_again(begin):
    review = begin()
    review.skip("3.csv")
    assert review.current().name == "1.csv"
    assert review.counts["skipped"] == 1
    review._ranked({"candidates": list(review.candidates.values()), "failed": 0})
    assert review.current().name == "3.csv"


def test_back_takes_the_last_away(begin):
    review = begin()
    review.label("3.csv", "bot")
    review.skip("1.csv")
    review.back()
    assert review.current().name == "1.csv"
    review.back()
    assert review.current().name == "3.csv"
    assert read_labels(review.file) == {}
    review.back()  # nothing is left


@pytest.mark.parametrize("name", ["../made/x.csv", "/etc/passwd", "", "4.csv"])
def test_a_name_that_is_not_in_the_folder_gets_no_label(begin, name):
    review = begin()
    review.label(name, "bot")
    review.skip(name)
    assert (review.labels, review.counts["skipped"], review.file.exists()) == ({}, 0, False)


def test_a_label_is_one_line(begin):
    review = begin()
    review.label("3.csv", ' a\nb,"c"\x00 ')
    review.label("1.csv", "  \n")
    assert read_labels(review.file) == {"new/3.csv": 'ab,"c"'}


def test_a_review_goes_on_where_it_ended(begin):
    begin().label("3.csv", "bot")
    again = begin()
    assert again.current().name == "1.csv"
    assert again.counts["labelled"] == 1


def test_a_label_that_cannot_be_saved_is_not_given(begin, monkeypatch):
    review = begin()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_labels", full)
    with pytest.raises(OSError, match="space"):
        review.label("3.csv", "bot")
    assert review.current().name == "3.csv"


def test_paths_are_counted_from_the_table(tmp_path):
    assert label_path(f"{tmp_path}/new/a.wav#t=0,5", tmp_path / "l.csv") == "new/a.wav#t=0,5"
    assert label_path("/other/a.wav", tmp_path / "l.csv") == "/other/a.wav"


def test_a_table_that_is_none_of_ours_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ReadError, match=r"l\.csv.*--labels"):
        read_labels(tmp_path / "l.csv")


def test_labels_lie_outside_the_folder(tmp_path):
    with pytest.raises(ParameterError, match="--labels"):
        check_review(tmp_path, tmp_path / "sub" / "l.csv")
    with pytest.raises(ParameterError, match="no such folder"):
        check_review(tmp_path / "none", tmp_path / "l.csv")
    with pytest.raises(ParameterError, match=r"\.csv"):
        check_review(tmp_path, tmp_path.parent / "labels.txt")
