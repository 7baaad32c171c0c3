"""Compiled loops that know no kind: FFT, filter banks, wavelets, line strokes."""
