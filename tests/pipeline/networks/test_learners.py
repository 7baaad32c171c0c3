import random

import matplotlib.image
import numpy as np
import pytest
import torch

from phosphene.converters import ParameterError, make
from phosphene.datasets.manifest import Item
from phosphene.pipeline.backbones.backbone import Backbone, input_tensor, load_backbone
from phosphene.pipeline.networks.callbacks import search_rate, seeded
from phosphene.pipeline.networks.learners import (
    build_model,
    finetune,
    learner,
    loss_of,
    predict_logits,
    scratch,
    splitter,
    train_head,
)
from phosphene.pipeline.networks.schedule import Schedule
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

N_CLASSES = 3


class Pictures(torch.utils.data.Dataset):
    """Stripes of three directions with noise: grey tiles in memory."""

    def __init__(self, backbone: Backbone, n: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = np.arange(n) % N_CLASSES
        rows, columns = np.mgrid[:32, :32]
        waves = [rows, columns, rows + columns]
        clean = np.stack([128 + 80 * np.sin(waves[label] * 0.8 + rng.uniform(0, 6)) for label in self.labels])
        self.pixels = (clean + rng.normal(0, 20, clean.shape)).clip(0, 255).astype(np.uint8)[..., None]
        self.images = input_tensor(self.pixels, backbone)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images[place], torch.tensor(self.labels[place])


def _loaders(backbone: Backbone, n: int = 48):
    from fastai.data.core import DataLoaders

    sets = Pictures(backbone, n, 0), Pictures(backbone, 24, 1)
    dls = DataLoaders.from_dsets(*sets, bs=16, num_workers=0, device=torch.device("cpu"))
    dls.c = N_CLASSES
    return dls


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small are faster without a team of threads, above all beside other work."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def lenet() -> Backbone:
    return load_backbone("lenet", pretrained=False)


@pytest.fixture(scope="module")
def small() -> Backbone:
    """A network with normalisations, on tiles of 64 pixels to be quick."""
    whole = load_backbone("timm/mobilenetv3_small_050", pretrained=False)
    return Backbone(
        whole.name, whole.body, 64, whole.mean, whole.std, whole.n_features, whole.layers, "random"
    )


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _changed(before: dict[str, torch.Tensor], module: torch.nn.Module) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in module.state_dict().items())


@pytest.mark.slow
def test_scratch_learns_stripes(lenet, capsys):
    learn = learner(_loaders(lenet, 96), lenet)
    scratch(learn, epochs=8)
    fresh = Pictures(lenet, 30, 2)
    logits = predict_logits(learn.model, fresh.pixels, lenet, batch_size=7)
    assert logits.shape == (30, N_CLASSES)
    assert logits.dtype == np.float32
    assert np.mean(logits.argmax(1) == fresh.labels) > 0.7
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_on_standard_error_when_asked(lenet, capsys):
    train_head(learner(_loaders(lenet), lenet), epochs=1, progress="shown")
    shown = capsys.readouterr()
    assert "train_loss" in shown.err
    assert shown.out == ""


def test_head_leaves_the_body_as_it_is(small):
    learn = learner(_loaders(small), small)
    head = _state(learn.model[1])
    train_head(learn, epochs=1)
    assert not _changed(_state(small.body), learn.model[0][0])
    assert _changed(head, learn.model[1])
    assert not any(p.requires_grad for p in learn.model[0].parameters())


def test_finetune_changes_all_layers_and_never_the_backbone(small):
    before = _state(small.body)
    learn = learner(_loaders(small), small)
    finetune(learn, epochs=1)
    assert not _changed(before, small.body)
    first = next(iter(learn.model[0].parameters()))
    assert not torch.equal(first, next(iter(small.body.parameters())))
    assert not learn.model.training


@pytest.mark.slow
def test_earlier_layers_learn_at_lower_rates(small):
    learn = learner(_loaders(small), small)
    finetune(learn, epochs=1, schedule=Schedule(lr=1e-2))
    rates = [group["lr"] for group in learn.opt.hypers]
    assert len(rates) == 3
    assert rates[0] < rates[1] < rates[2]


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "alexnet"])
def test_three_groups_hold_every_parameter_once(name):
    backbone = load_backbone(name, pretrained=False)
    model = build_model(backbone, n_classes=N_CLASSES)
    groups = splitter(backbone)(model)
    assert all(groups)
    assert [id(p) for group in groups for p in group] == [id(p) for p in model.parameters()]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [train_head, finetune, scratch])
def test_a_seed_decides_everything_and_changes_nothing_outside(strategy, lenet):
    drawn = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    answers = []
    for seed in (1, 1, 2):
        random.seed(len(answers))  # what was drawn outside must not matter
        torch.manual_seed(len(answers))
        learn = learner(_loaders(lenet), lenet, seed=seed)
        before = torch.random.get_rng_state()
        strategy(learn, epochs=1, seed=seed)
        assert torch.equal(before, torch.random.get_rng_state())
        answers.append(predict_logits(learn.model, learn.dls.valid, lenet))
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])
    assert np.random.get_state()[1].tolist() == drawn[1]


def test_seeded_restores_also_after_an_error():
    state = torch.random.get_rng_state(), random.getstate()
    with pytest.raises(KeyError), seeded(3):
        torch.rand(1), random.random()
        raise KeyError
    assert torch.equal(state[0], torch.random.get_rng_state())
    assert state[1] == random.getstate()


def test_a_saved_state_fits_a_model_built_again(lenet):
    learn = learner(_loaders(lenet), lenet)
    train_head(learn, epochs=1)
    again = build_model(lenet, n_classes=N_CLASSES, seed=9)
    again.load_state_dict(learn.model.state_dict())
    pixels = Pictures(lenet, 5, 3).pixels
    assert np.array_equal(predict_logits(again, pixels, lenet), predict_logits(learn.model, pixels, lenet))


def test_answers_are_the_same_from_a_loader_and_from_pixels(lenet):
    dls = _loaders(lenet)
    model = build_model(lenet, n_classes=N_CLASSES)
    from_loader = predict_logits(model, dls.valid, lenet)
    from_pixels = predict_logits(model, Pictures(lenet, 24, 1).pixels, lenet, batch_size=5)
    assert np.allclose(from_loader, from_pixels, atol=1e-5)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    """Byte grids of 64 pixels: of three classes, each with its own range of bytes, and noise."""
    folder = tmp_path_factory.mktemp("tiles")
    generator = np.random.default_rng(0)
    items = []
    for k in range(46):
        path = folder / f"{k}.bin"
        path.write_bytes((generator.integers(0, 60, 3000) + 60 * (k % 3)).astype(np.uint8).tobytes())
        items.append(Item(path))
    return render(
        items, [make("grid", size=64)], store=TileStore(folder / "store"), workers=1, progress=False
    )


def _tile_loaders(tiles, backbone: Backbone, **options):
    from phosphene.pipeline.tiles.loaders import tile_loaders

    labels = ["abc"[k % 3] for k in range(46)]
    scales = {"size": 64, "mean": backbone.mean, "std": backbone.std}
    return tile_loaders(tiles, labels, range(36), range(36, 46), **{"batch_size": 8} | scales | options)


class Watcher:
    """Makes a callback that counts epochs."""

    def __new__(cls):
        from fastai.callback.core import Callback

        class _Watcher(Callback):
            seen = 0

            def after_train(self) -> None:
                self.seen += 1

        return _Watcher()


@pytest.mark.slow
@pytest.mark.parametrize("n_copies", [0, 2])
def test_a_head_on_kept_features_is_the_head_that_the_whole_network_would_have_learned(
    tiles, small, n_copies
):
    copies = [
        render(tiles.items, [make("entropy", size=64)], store=tiles.store, workers=1, progress=False)
    ] * n_copies
    quick = learner(_tile_loaders(tiles, small, copies=copies), small)
    seen = []
    quick.model[0].register_forward_pre_hook(lambda module, arguments: seen.append(len(arguments[0])))
    train_head(quick, epochs=3)
    assert sum(seen) == 36 * (1 + n_copies) + 10
    watcher = Watcher()  # whoever watches sees the whole network at work, in every epoch
    whole = learner(_tile_loaders(tiles, small, copies=copies), small, cbs=[watcher])
    train_head(whole, epochs=3)
    assert watcher.seen == 3
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(quick.model.state_dict()[name], value, atol=2e-4, rtol=1e-3)
    assert not _changed(_state(small.body), quick.model[0][0])


def test_mixed_pictures_are_seen_by_the_body_in_every_epoch(tiles, small):
    calls = []
    learn = learner(_tile_loaders(tiles, small), small)
    learn.model[0].register_forward_pre_hook(lambda module, arguments: calls.append(len(arguments[0])))
    train_head(learn, epochs=2, schedule=Schedule(mixup=0.4))
    assert sum(calls) == 2 * (36 + 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(unfreeze="gradual"),
        Schedule(mixup=0.3, label_smoothing=0.1),
        Schedule(lr="find", patience=1),
    ],
    ids=["gradual", "mixed and smoothed", "found and stopped"],
)
def test_a_schedule_gives_equal_networks_for_equal_seeds(tiles, lenet, schedule):
    answers = []
    for k, seed in enumerate((1, 1, 2)):
        random.seed(k), np.random.seed(k), torch.manual_seed(k)  # what was drawn outside must not matter
        learn = learner(_tile_loaders(tiles, lenet), lenet, seed=seed)
        finetune(learn, epochs=3, schedule=schedule, seed=seed)
        answers.append(predict_logits(learn.model, learn.dls.valid, lenet))
    assert np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@pytest.mark.slow
def test_the_first_stages_learn_last_in_a_gradual_schedule(tiles, small):
    from fastai.callback.core import Callback

    class Stages(Callback):
        def before_fit(self) -> None:
            groups = self.learn.splitter(self.learn.model)
            learning.append(["01"[group[0].requires_grad] for group in groups])

    learning: list[list[str]] = []
    before = _state(small.body)
    learn = learner(_tile_loaders(tiles, small), small, cbs=[Stages()])
    finetune(learn, epochs=3, schedule=Schedule(unfreeze="gradual"))
    assert ["".join(stages) for stages in learning] == ["001", "011", "111"]
    assert _changed(before, learn.model[0][0])


@pytest.mark.slow
def test_the_norms_of_frozen_stages_stay_as_they_are(tiles, small):
    learn = learner(_tile_loaders(tiles, small), small)
    finetune(learn, epochs=3, schedule=Schedule(unfreeze="gradual", lr=1e-12))
    plain = learner(_tile_loaders(tiles, small), small)
    finetune(plain, epochs=3, schedule=Schedule(lr=1e-12))
    counts = [
        next(v for k, v in one.model.state_dict().items() if k.endswith("num_batches_tracked"))
        for one in (learn, plain)
    ]
    assert (counts[0] - counts[1]).item() == -5  # of the first epoch, in which the first stages were frozen


def test_training_stops_when_the_loss_held_out_falls_no_more_and_the_best_epoch_is_kept(tiles, lenet):
    watcher = Watcher()
    learn = learner(_tile_loaders(tiles, lenet), lenet, cbs=[watcher])
    scratch(learn, epochs=40, schedule=Schedule(patience=1, lr=0.05))
    losses = [values[1] for values in learn.recorder.values]
    assert watcher.seen == len(losses) < 40
    assert losses[-1] >= min(losses)
    kept = float(learn.validate()[0])
    assert kept == pytest.approx(min(losses), abs=1e-5)


def test_classes_count_the_same_however_many_items_they_have():
    loss = loss_of(Schedule(class_weights="balanced"), np.array([90, 10]))
    logits = torch.zeros(100, 2)
    logits[:, 0] = 2.0
    targets = torch.tensor([0] * 90 + [1] * 10)
    by_class = [float(loss_of()(logits[:1], targets[:1])), float(loss_of()(logits[-1:], targets[-1:]))]
    assert float(loss(logits, targets)) == pytest.approx(np.mean(by_class), rel=1e-5)
    smooth = loss_of(Schedule(label_smoothing=0.2))
    assert float(smooth(logits[:1], targets[:1])) == pytest.approx(0.9 * by_class[0] + 0.1 * by_class[1])


def test_bfloat16_trains_on_a_cpu_when_it_is_demanded(tiles, lenet, monkeypatch):
    monkeypatch.setenv("PHOSPHENE_MIXED_PRECISION", "1")
    learn = learner(_tile_loaders(tiles, lenet), lenet)
    assert any(type(cb).__name__ == "BrainFloat" for cb in learn.cbs)
    before = _state(learn.model)
    scratch(learn, epochs=1)
    assert _changed(before, learn.model)
    assert all(value.dtype != torch.bfloat16 for value in learn.model.state_dict().values())
    monkeypatch.setenv("PHOSPHENE_MIXED_PRECISION", "0")
    assert not any(type(cb).__name__ == "BrainFloat" for cb in learner(learn.dls, lenet).cbs)


@pytest.mark.slow
def test_a_found_rate_leaves_the_network_as_it_was_and_is_drawn(tiles, lenet, tmp_path):
    learn = learner(_tile_loaders(tiles, lenet), lenet)
    learn.unfreeze()
    before, drawn = _state(learn.model), torch.random.get_rng_state()
    search = search_rate(learn, seed=3, n_batches=40)
    assert not _changed(before, learn.model)
    assert torch.equal(drawn, torch.random.get_rng_state())
    assert 1e-6 < search.chosen < 1
    assert len(search.rates) == len(search.losses)
    assert (np.diff(search.rates) > 0).all()
    again = search_rate(learn, seed=3, n_batches=40)
    assert np.array_equal(again.losses, search.losses)
    picture = matplotlib.image.imread(search.plot(tmp_path / "rates.png"))
    assert picture.shape[:2] == (480, 768)
    with pytest.raises(ParameterError, match="n_batches must be an integer >= 20, got 5"):
        search_rate(learn, n_batches=5)
    assert not list(tmp_path.glob("models*"))


def test_no_image_is_an_error(lenet):
    model = build_model(lenet, n_classes=N_CLASSES)
    with pytest.raises(ParameterError, match="needs at least one image"):
        predict_logits(model, np.zeros((0, 32, 32, 1), np.uint8), lenet)


def test_a_float_picture_is_an_error(lenet):
    model = build_model(lenet, n_classes=N_CLASSES)
    with pytest.raises(ParameterError, match="tiles must be uint8"):
        predict_logits(model, np.zeros((1, 32, 32, 1)), lenet)
