"""Draws the figures of README and docs with the library itself, from synthetic files.

`python docs/draw_pictures.py` writes pictures/idea.png (raw signal -> image -> CNN -> label), for docs/converters.md
pictures/raw/KIND.png and pictures/converters/KIND-NAME.png, and for docs/explain.md pictures/explain/KIND.png.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, Rectangle
from PIL import Image

import phosphene as ph
from phosphene.converters import converters
from phosphene.datasets import make_synthetic
from phosphene.datasets.synthetic import PLANTED, plant
from phosphene.pipeline.explain.explanation import Explanation, save_explanation

OUT = Path(__file__).parent / "pictures"


def draw_idea() -> None:
    """Draw the idea in one row: a sound, its mel image, a network, the probabilities."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_synthetic("audio", folder / "sounds", items_per_class=12)
        model = ph.train(folder / "sounds", ph.Recipe(strategy="probe"), progress=False).classifier
        file = folder / "sounds" / "bird" / "000.wav"
        signal, (prediction,) = ph.read(file), model.predict(file)
    figure = plt.figure(figsize=(11, 2.6), dpi=130, facecolor="white")
    wave, image, network, label = (
        figure.add_axes(box)
        for box in (
            (0.01, 0.2, 0.23, 0.6),
            (0.31, 0.1, 0.17, 0.8),
            (0.55, 0.1, 0.2, 0.8),
            (0.86, 0.2, 0.13, 0.6),
        )
    )
    wave.plot(signal.samples[0], color="#345", linewidth=0.4)
    wave.set_title("raw file", fontsize=11)
    image.imshow(ph.make("mel")(signal).pixels[..., 0], cmap="gray", aspect="auto")
    image.set_title("image", fontsize=11)
    for step, (size, color) in enumerate(
        ((0.9, "#cde"), (0.7, "#abd"), (0.5, "#89c"), (0.32, "#67b"), (0.2, "#45a"))
    ):
        network.add_patch(
            Rectangle((step * 0.2, 0.5 - size / 2), 0.13, size, facecolor=color, edgecolor="white")
        )
    network.set(xlim=(-0.02, 1), ylim=(0, 1))
    network.set_title("pretrained CNN, frozen or fine-tuned", fontsize=11)
    names = list(prediction.probabilities)
    label.barh(
        names,
        [prediction.probabilities[name] for name in names],
        color=["#45a" if n == prediction.label else "#cde" for n in names],
    )
    label.set(xlim=(0, 1), xticks=[])
    label.tick_params(left=False, labelsize=11)
    label.set_title("label", fontsize=11)
    for axes in (wave, image, network):
        axes.set(xticks=[], yticks=[])
    for axes in (wave, network, label):
        axes.spines[:].set_visible(False)
    for start, stop in ((0.25, 0.3), (0.49, 0.54), (0.75, 0.79)):
        figure.add_artist(
            FancyArrowPatch((start, 0.5), (stop, 0.5), arrowstyle="-|>", mutation_scale=16, color="#345")
        )
    figure.savefig(OUT / "idea.png")


def draw_converters() -> None:
    """Draw what every converter makes of the first synthetic file of its kind."""
    for kind in ("audio", "series", "mouse", "binary"):
        with tempfile.TemporaryDirectory() as scratch:
            signal = ph.read(make_synthetic(kind, scratch, items_per_class=1).items[0].path, kind)
            for owner in converters(kind):
                pixels = owner(size=112)(signal).pixels
                image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
                image.quantize(64).save(OUT / "converters" / f"{kind}-{owner.name}.png", optimize=True)


def draw_raw() -> None:
    """Draw the first synthetic file of each kind as it is: a wave, a curve, a way, bytes."""
    for kind in ("audio", "series", "mouse", "binary"):
        with tempfile.TemporaryDirectory() as scratch:
            signal = ph.read(make_synthetic(kind, scratch, items_per_class=1).items[0].path, kind)
        figure = plt.figure(figsize=(1.6, 1.6), dpi=100)
        axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
        if isinstance(signal, ph.Audio):
            axes.plot(signal.samples[0], color="#345", linewidth=0.3)
        elif isinstance(signal, ph.Series):
            axes.plot(signal.values[0], color="#345", linewidth=0.8)
        elif isinstance(signal, ph.MouseTrace):
            axes.plot(signal.x, signal.y, color="#345", linewidth=0.6)
            axes.invert_yaxis()
        else:
            data = bytes(signal.data[:96])
            lines = [data[row : row + 8].hex(" ") for row in range(0, len(data), 8)]
            axes.text(0.03, 0.97, "\n".join(lines), family="monospace", fontsize=5.2, va="top")
        axes.set(xticks=[], yticks=[])
        figure.savefig(OUT / "raw" / f"{kind}.png")
        plt.close(figure)


def draw_explanations() -> None:
    """Draw an explanation a kind: of what was planted, and of a program among documents."""
    views = {"audio": "mel(size=160)", "series": None, "mouse": "clicks(size=112),trace(size=112)"}
    for kind, some in views.items():
        planted = plant(kind, 40, seed=1)
        recipe = ph.Recipe(views=some, windows="none", strategy="probe")
        signals, labels = [one.signal for one in planted], [one.label for one in planted]
        model = ph.train(signals, labels, recipe, valid="none", progress=False).classifier
        signal = plant(kind, 4, seed=9)[3].signal
        _save(ph.explain(model, signal, label=PLANTED), kind)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        items = make_synthetic("binary", folder, items_per_class=20).items
        recipe = ph.Recipe(views="grid(size=160),bigram(size=112)", strategy="probe")
        model = ph.train(folder, recipe, valid="none", progress=False).classifier
        _save(ph.explain(model, next(item.path for item in items if item.label == "program")), "binary")


def _save(explanation: Explanation, kind: str) -> None:
    path = save_explanation(explanation, OUT / "explain" / f"{kind}.png")
    Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)


if __name__ == "__main__":
    draw_idea()
    (OUT / "converters").mkdir(exist_ok=True)
    (OUT / "explain").mkdir(exist_ok=True)
    draw_explanations()
    (OUT / "raw").mkdir(exist_ok=True)
    draw_raw()
    draw_converters()
