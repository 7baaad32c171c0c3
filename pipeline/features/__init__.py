"""Tabular features of every kind of signal, for baselines."""

from .feature_set import FeatureSet, Table
from .registry import feature_sets

__all__ = ["FeatureSet", "Table", "feature_sets"]
