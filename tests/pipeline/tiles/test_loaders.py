"""Batches are what was rendered: nothing flipped or cropped, in the order of the seed, scaled as the network wants."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from fasttransform import Transform

from phosphene.converters import ParameterError, ReadError, make
from phosphene.datasets.manifest import Item
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.networks.learners import learner
from phosphene.pipeline.tiles.loaders import IMAGENET_MEAN, IMAGENET_STD, tile_loaders
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

LABELS = [f"c{k % 3}" for k in range(13)]
TRAIN, VALID = np.arange(9), np.arange(9, 13)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    generator = np.random.default_rng(0)
    items = []
    for k in range(14):
        path = folder / f"{k}.bin"
        path.write_bytes(generator.bytes(1500) if k < 13 else b"")
        items.append(Item(path))
    return render(items, [make("bigram", size=32), make("grid", size=40)], store=TileStore(folder / "store"))


def loaders(tiles, **options):
    return tile_loaders(tiles, [*LABELS, None], TRAIN, VALID, **{"batch_size": 4} | options)


def test_batches_are_the_tiles_in_order_and_scaled(tiles):
    images, targets = loaders(tiles).valid.one_batch()
    raw = tiles.pixels(VALID).transpose(0, 3, 1, 2) / 255
    mean, std = (np.array(values)[None, :, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    np.testing.assert_allclose(images.cpu().numpy(), (raw - mean) / std, atol=1e-5)
    assert targets.tolist() == [int(LABELS[place][1]) for place in VALID]


def test_nothing_is_changed_at_random_and_every_item_comes_once_an_epoch(tiles):
    train = loaders(tiles, batch_size=3, mean=(0, 0, 0), std=(1, 1, 1)).train
    seen = [image.cpu().numpy()[0] for images, _ in train for image in images]
    expected = tiles.pixels(TRAIN)[:, :, :, 0] / 255
    assert len(seen) == 9
    for image in expected:
        assert min(np.abs(image - other).max() for other in seen) < 1e-6


def test_the_seed_decides_the_order_and_each_epoch_has_its_own(tiles):
    orders = []
    for seed in (1, 1, 2):
        train = loaders(tiles, seed=seed).train
        orders.append([tuple(targets.tolist()) for _ in range(3) for _, targets in train])
    assert orders[0] == orders[1] != orders[2]
    assert orders[0][:2] != orders[0][2:4]


def test_a_last_batch_of_one_is_left_out_and_small_sets_are_not(tiles):
    sizes = {n: [len(y) for _, y in loaders(tiles, batch_size=n).train] for n in (2, 4, 5, 8, 32)}
    assert sizes == {2: [2, 2, 2, 2], 4: [4, 4], 5: [5, 4], 8: [8], 32: [9]}


def test_batches_taken_at_once_are_those_of_single_items(tiles):
    """A transform of single items, even one that does nothing, makes fastai put batches together item by item."""
    whole, single = loaders(tiles, seed=4), loaders(tiles, seed=4)
    single.add_tfms([Transform(lambda x: x)], "after_item", "train")
    assert whole.train.steady
    assert not single.train.steady
    for _ in range(2):
        for one, other in zip(whole.train, single.train, strict=True):
            assert np.array_equal(one[0].cpu(), other[0].cpu())
            assert one[1].tolist() == other[1].tolist()
            assert [type(part) for part in one] == [type(part) for part in other]


def test_copies_are_seen_in_training_alone_and_by_the_seed(tiles, tmp_path):
    store = TileStore(tmp_path)
    copies = [render(tiles.items, [make("entropy", size=32)] * 2, store=store, progress=False)] * 2
    plain = {"mean": (0, 0, 0), "std": (1, 1, 1)}
    original, other = (one.pixels(TRAIN)[:, :, :, 0] / 255 for one in (tiles, copies[0]))

    def seen(seed):
        train = loaders(tiles, copies=copies, seed=seed, **plain).train
        images = [image.cpu().numpy()[0] for _ in range(4) for batch, _ in train for image in batch]
        as_it_is = [bool(min(np.abs(image - one).max() for one in original) < 1e-6) for image in images]
        as_copy = [bool(min(np.abs(image - one).max() for one in other) < 1e-6) for image in images]
        assert all(a or b for a, b in zip(as_it_is, as_copy, strict=True))
        return as_it_is

    assert 0 < sum(seen(1)) < 30
    assert seen(1) == seen(1) != seen(2)
    dls = loaders(tiles, copies=copies, **plain)
    np.testing.assert_allclose(
        dls.valid.one_batch()[0].cpu()[:, 0] * 255, tiles.pixels(VALID)[:, :, :, 0], atol=1e-3
    )
    assert dls.train.n_images == 3
    assert dls.valid.n_images == 1
    with pytest.raises(ParameterError, match="copies must be of the same 14 items, got 2 others"):
        loaders(tiles, copies=[render(tiles.items[:2], tiles.views, store=tiles.store, progress=False)])


def test_more_items_are_answered_for_without_labels(tiles):
    (images,) = loaders(tiles).test_dl([3, 5], num_workers=0).one_batch()
    assert tuple(images.shape) == (2, 3, 32, 32)


def test_another_size_and_another_view(tiles):
    images, _ = loaders(tiles, size=24, view=1).one_batch()
    assert tuple(images.shape) == (4, 3, 24, 24)
    assert tuple(loaders(tiles, view=1).one_batch()[0].shape) == (4, 3, 40, 40)


def test_tiles_that_do_not_fit_in_memory_are_read_as_needed(tiles, monkeypatch):
    monkeypatch.setattr("phosphene.pipeline.tiles.loaders.MOST_IN_MEMORY_BYTES", 0)
    images, _ = loaders(tiles, mean=(0, 0, 0), std=(1, 1, 1)).valid.one_batch()
    np.testing.assert_allclose(images.cpu().numpy()[:, 0] * 255, tiles.pixels(VALID)[:, :, :, 0], atol=1e-3)


def test_show_batch_draws_axes_and_labels_and_changes_no_order(tiles):
    one, two = loaders(tiles), loaders(tiles)
    one.show_batch(max_n=5)
    plots = plt.gcf().axes
    assert [plot.get_title() for plot in plots[:5]] == ["c0", "c2", "c1", "c0", "c2"]
    assert plots[0].get_xlabel()
    assert plots[0].get_yticklabels()[0].get_text() == "0"
    plt.close("all")
    assert [y.tolist() for _, y in one.train] == [y.tolist() for _, y in two.train]


def test_show_batch_without_the_raw_files(tiles, tmp_path):
    path = tmp_path / "gone.bin"
    path.write_bytes(bytes(range(256)))
    gone = render([Item(path)] * 2, [make("bigram", size=32)], store=TileStore(tmp_path))
    path.unlink()
    tile_loaders(gone, ["a", "b"], [0], [1]).show_batch()
    plt.close("all")


@pytest.fixture(scope="module")
def learn(tiles):
    made = learner(loaders(tiles), load_backbone("lenet", pretrained=False))
    with made.no_bar(), made.no_logging():
        made.fit(1)
    return made


def test_fastai_predicts_raw_files(tiles, learn, tmp_path):
    path = tmp_path / "new.bin"
    path.write_bytes(tiles.items[11].path.read_bytes())
    with learn.no_bar():
        by_index, by_path, by_text = (learn.predict(one) for one in (11, path, str(path)))
    assert by_path[0] == by_index[0] in {"c0", "c1", "c2"}
    for other in (by_path, by_text):
        np.testing.assert_allclose(other[2], by_index[2], atol=1e-6)


def test_loaders_of_new_files_take_paths_parts_and_labelled_items(tiles, learn):
    paths = [tiles.items[index].path for index in (9, 12)]
    with learn.no_bar():
        proba, _ = learn.get_preds(dl=learn.dls.test_dl(paths))
        known, _ = learn.get_preds(dl=learn.dls.test_dl([9, 12]))
        items = [Item(paths[0], "c2"), Item(paths[1], "c0")]
        _, targets = learn.get_preds(dl=learn.dls.test_dl(items, with_labels=True, bs=1))
    np.testing.assert_allclose(proba, known, atol=1e-6)
    assert targets.tolist() == [2, 0]
    part = learn.dls.test_dl([f"{paths[0]}#bytes=0-999"]).one_batch()[0]
    assert part.shape == (1, 3, 32, 32)
    with pytest.raises(ReadError, match=r"gone.bin: no such file"):
        learn.dls.test_dl([*paths, "gone.bin"])


@pytest.mark.filterwarnings("ignore")
def test_fastai_shows_results_and_interprets_them(learn, capsys):
    from fastai.vision.all import ClassificationInterpretation

    with learn.no_bar():
        learn.show_results(max_n=2)
        assert len(plt.gcf().axes) == 2
        found = ClassificationInterpretation.from_learner(learn)
        found.plot_top_losses(2)
        found.plot_confusion_matrix()
    assert found.confusion_matrix().sum() == len(VALID)
    found.print_classification_report()
    assert "c2" in capsys.readouterr().out
    plt.close("all")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_fastai_learns_from_them_as_always(tiles):
    from fastai.vision.all import accuracy, resnet18, vision_learner

    learn = vision_learner(loaders(tiles, size=32), resnet18, metrics=accuracy, pretrained=False)
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(1)
    assert learn.get_preds()[0].shape == (4, 3)
    learn.show_results(max_n=2)
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LABELS, TRAIN, VALID), "labels must be one an item, got 13 for 14 items"),
        (([*LABELS, None], [0, 13], [1]), "has no label; leave index 13 out"),
        (([*LABELS, "x"], [0], [13]), "has no tile, since it failed; leave index 13 out"),
        (([*LABELS, None], [], [1]), "train must hold one or more indices, got none"),
        (([*LABELS, None], [1], []), "valid must hold one or more indices, got none"),
    ],
)
def test_wrong_use_of_loaders(tiles, arguments, message):
    with pytest.raises(ParameterError) as caught:
        tile_loaders(tiles, *arguments)
    assert message in str(caught.value)


def test_a_batch_must_hold_something(tiles):
    with pytest.raises(ParameterError, match="batch_size must be an integer >= 1, got 0"):
        loaders(tiles, batch_size=0)
