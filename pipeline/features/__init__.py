"""Tabular features of every kind of signal, for baselines."""

from .feature_set import FeatureSet, Table, feature_sets, register_features

__all__ = ["FeatureSet", "Table", "feature_sets", "register_features"]
