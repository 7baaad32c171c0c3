from .converters import Audio as Audio
from .converters import Binary as Binary
from .converters import Image as Image
from .converters import MouseTrace as MouseTrace
from .converters import PhospheneError as PhospheneError
from .converters import Series as Series
from .converters import make as make
from .converters import read as read
from .datasets.sources import open_manifest as open_manifest
from .pipeline.classifier.classifier import Classifier as Classifier
from .pipeline.classifier.sklearn import PhospheneClassifier as PhospheneClassifier
from .pipeline.classifier.training import cross_validate as cross_validate
from .pipeline.classifier.training import train as train
from .pipeline.explain.explanation import explain as explain
from .pipeline.report.benchmark import benchmark as benchmark
from .pipeline.strategies.recipe import Recipe as Recipe
from .pipeline.tiles.convert import convert as convert

__version__: str
