"""Tabular features of every kind of signal, for baselines."""

from .feature_set import FeatureSet, Record, Table

__all__ = ["FeatureSet", "Record", "Table"]
