"""Subsets of training items: nested, stratified, seeded, groups whole."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Fragment, ParameterError
from phosphene.datasets import open_protocol
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.splits import Split, shares_worth, subset_of

SHARES = (0.05, 0.1, 0.2, 0.5, 0.8)


def manifest_of(labels, groups=None):
    groups = groups or [None] * len(labels)
    return Manifest(
        tuple(
            Item(Path(f"{k}.wav"), a, group=g) for k, (a, g) in enumerate(zip(labels, groups, strict=True))
        ),
        "audio",
    )


def all_of(manifest, n_test=0):
    places = np.arange(len(manifest))
    return Split("3", places[: len(places) - n_test], places[len(places) - n_test :])


def counts(manifest, subset):
    return Counter(manifest.labels[subset.train].tolist())


def test_a_part_has_its_share_of_every_class_and_says_so():
    manifest = manifest_of("aaabbbbbbc" * 40)
    split = all_of(manifest, n_test=100)
    subset = subset_of(split, manifest.items, 0.2, seed=0)
    assert subset.name == "3, 60 of 300 items"
    assert counts(manifest, subset) == {"a": 18, "b": 36, "c": 6}
    assert subset.test.tolist() == list(range(300, 400))
    assert subset.train.tolist() == sorted(subset.train.tolist())


labels = st.lists(st.sampled_from("abcd"), min_size=1, max_size=120)
seeds = st.integers(0, 99)


@given(labels, seeds)
def test_parts_are_nested_and_keep_two_of_each_class(letters, seed):
    manifest = manifest_of(letters)
    split = all_of(manifest)
    parts = [subset_of(split, manifest.items, share, seed=seed) for share in (*SHARES, 1.0)]
    for smaller, larger in pairwise(parts):
        assert set(smaller.train) <= set(larger.train)
    for share, subset in zip(SHARES, parts, strict=False):
        kept, whole = counts(manifest, subset), Counter(letters)
        assert all(kept[letter] >= min(2, n) for letter, n in whole.items())
        assert len(subset.train) <= max(share * len(letters) + 0.5, 2 * len(whole))
        if min(whole.values()) * share >= 2:
            assert all(abs(kept[letter] - share * n) <= 1 for letter, n in whole.items())
    assert parts[-1] is split


@given(labels, seeds, st.data())
def test_groups_stay_whole_and_two_of_each_class_are_kept(letters, seed, data):
    names = st.sampled_from(["g1", "g2", "g3", "g4", "g5", "g6", None])
    groups = data.draw(st.lists(names, min_size=len(letters), max_size=len(letters)))
    manifest = manifest_of(letters, groups)
    split = all_of(manifest)
    before = set()
    for share in SHARES:
        taken = set(subset_of(split, manifest.items, share, seed=seed).train.tolist())
        for group in set(groups) - {None}:
            members = {k for k, name in enumerate(groups) if name == group}
            assert members <= taken or not members & taken
        for letter in set(letters):
            units = {groups[k] or k for k, name in enumerate(letters) if name == letter}
            assert len({groups[k] or k for k in taken if letters[k] == letter}) >= min(2, len(units))
        assert before <= taken
        before = taken


def test_groups_of_several_classes_are_taken_near_their_share():
    """Twenty speakers who all say the same ten words: a fifth are four speakers."""
    manifest = manifest_of(list("abcdefghij") * 20, [f"speaker{k // 10}" for k in range(200)])
    subset = subset_of(all_of(manifest), manifest.items, 0.2, seed=1)
    assert counts(manifest, subset) == dict.fromkeys("abcdefghij", 4)


def test_a_part_comes_as_near_to_its_share_as_groups_allow():
    """Ten groups of seven items a class: of 140 items 30 % are 42, which are six groups."""
    manifest = manifest_of("ab" * 70, [f"{k % 2}{k // 14}" for k in range(140)])
    for share, n_groups in ((0.3, 6), (0.32, 6), (0.33, 7), (0.01, 4)):
        assert len(subset_of(all_of(manifest), manifest.items, share, seed=0).train) == 7 * n_groups


def test_parts_of_one_recording_are_a_group_and_rows_are_not():
    unit = {"t": 1.0, "row": 1}
    for name, n_items in (("t", 20), ("row", 4)):
        items = tuple(
            Item(Path(f"{k // 5}.wav"), "ab"[k // 25], Fragment(name, k % 5, k % 5 + unit[name]))
            for k in range(50)
        )
        manifest = Manifest(items, "audio")
        assert len(subset_of(all_of(manifest), manifest.items, 0.05, seed=0).train) == n_items


def test_the_seed_decides():
    manifest = manifest_of("ab" * 100)
    taken = [subset_of(all_of(manifest), manifest.items, 0.1, seed=seed).train.tolist() for seed in (4, 4, 5)]
    assert taken[0] == taken[1] != taken[2]


def test_every_item_is_as_likely_as_any_other():
    """Over 400 seeds each of 20 items is taken 160 times, give or take four standard deviations."""
    manifest = manifest_of("ab" * 10)
    taken = Counter(
        place
        for seed in range(400)
        for place in subset_of(all_of(manifest), manifest.items, 0.4, seed=seed).train.tolist()
    )
    assert all(abs(taken[place] - 160) < 4 * np.sqrt(400 * 0.4 * 0.6) for place in range(20))


def test_items_without_a_label_are_in_no_part_and_the_test_side_stays():
    items = tuple(Item(Path(f"{k}"), None if k % 3 == 0 else "ab"[k % 2], claim="a") for k in range(60))
    manifest = Manifest(items, "mouse", metric="auc")
    split = Split("test", np.arange(40), np.arange(40, 60))
    subset = subset_of(split, manifest.items, 0.5, seed=0)
    assert subset.name == "test, 13 of 26 items"
    assert None not in manifest.labels[subset.train]
    assert subset.test is split.test
    only = Split("test", np.arange(0, 40, 3), np.arange(40, 60))
    assert subset_of(only, manifest.items, 0.5, seed=0) is only


def test_a_part_that_takes_all_is_the_split_itself():
    manifest = manifest_of("aabb")
    split = all_of(manifest)
    assert subset_of(split, manifest.items, 0.05, seed=0) is split


@pytest.mark.parametrize("share", [0, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    manifest = manifest_of("aabb")
    with pytest.raises(ParameterError, match=r"^share must be above 0 and at most 1, got"):
        subset_of(all_of(manifest), manifest.items, share, seed=0)


@pytest.mark.parametrize(
    ("n", "shares"),
    [
        (400, (0.05, 0.1, 0.2, 0.5, 1.0)),
        (40, (0.1, 0.2, 0.5, 1.0)),  # 4, 4, 8, 20 and 40 items
        (20, (0.2, 0.5, 1.0)),
        (8, (0.5, 1.0)),
        (4, (1.0,)),
    ],
)
def test_shares_that_repeat_the_items_of_another_are_left_out(n, shares):
    manifest = manifest_of("ab" * (n // 2))
    assert shares_worth(all_of(manifest), manifest.items, seed=0) == shares
    assert shares_worth(all_of(manifest), manifest.items, (1.0, 0.5, 0.1, 0.2, 0.05), seed=0) == shares


def test_shares_that_add_next_to_nothing_are_left_out():
    """Of 200 items 40, 48 and 50: from 40 to 48 is no quarter more."""
    manifest = manifest_of("ab" * 100)
    assert shares_worth(all_of(manifest), manifest.items, (0.2, 0.24), seed=0) == (0.24,)
    assert shares_worth(all_of(manifest), manifest.items, (0.2, 0.25), seed=0) == (0.2, 0.25)
    assert shares_worth(all_of(manifest), manifest.items, (0.2, 0.24, 0.25), seed=0) == (0.2, 0.25)


@pytest.mark.data
def test_real_sets_keep_their_groups_and_classes(data):
    for name, smallest in (("esc10", 16), ("binaries", 12), ("balabit", 20), ("ucr/BeetleFly", 4)):
        manifest = open_protocol(name, data)
        split = manifest.splits()[0]
        subset = subset_of(split, manifest.items, 0.05, seed=0)
        bonds = {manifest.items[k].group_key for k in subset.train} - {None}
        rest = {manifest.items[k].group_key for k in set(split.train) - set(subset.train)}
        assert not bonds & rest
        assert set(counts(manifest, subset)) == set(manifest.labels[split.train])
        assert len(subset.train) >= smallest
