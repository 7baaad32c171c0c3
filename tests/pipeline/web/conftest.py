"""A small classifier of sounds, in which a tone burst tells two classes apart."""

import pytest
import soundfile

from phosphene.datasets.synthetic import plant
from phosphene.pipeline.classifier.training import train
from phosphene.pipeline.strategies.recipe import Recipe


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """A folder with `sounds/CLASS/N.wav` and the classifier `model`."""
    folder = tmp_path_factory.mktemp("planted")
    for number, one in enumerate(plant("audio", 24, seed=1)):
        path = folder / "sounds" / one.label / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, one.signal.samples[0], 8000)
    recipe = Recipe(views="mel(size=96)", windows="none", strategy="probe", workers=1)
    train(folder / "sounds", recipe, valid="none", out=folder / "model")
    return folder
