"""Benchmarks and evaluated classifiers in words, tables, figures and pages."""
