"""Features of time series: what catch22 and plain statistics say of them, and their values as they are."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import numpy as np

from phosphene.converters import MissingExtra, Series, SignalError
from phosphene.converters.core.signal import Signal
from phosphene.converters.series.base import reduced

from .feature_set import FeatureSet, Record, Table, finite32

MOST_STEPS = 32_768
"""Longer series are averaged to that many steps, each in less than a second where all would take minutes."""

# fmt: off
CATCH22_NAMES = (
    "DN_HistogramMode_5", "DN_HistogramMode_10", "DN_OutlierInclude_p_001_mdrmd", "DN_OutlierInclude_n_001_mdrmd",
    "CO_FirstCrossing_acf_1e_pointOfCrossing", "CO_FirstMin_ac", "SP_Summaries_fft_area_5_1",
    "SP_Summaries_fft_wq_50", "FC_LocalSimple_mean3_stde", "FC_LocalSimple_mean1_taurat", "MD_pNN_pnn40",
    "SB_BinaryStats_mean_longstretch1", "SB_BinaryStats_diff_longstretch0", "SB_MotifThree_quantile_hh",
    "CO_HistogramAMI_even_5bin_ami2", "CO_trev_1_num", "IN_AutoMutualInfoStats_40_gaussian_fmmi",
    "SB_TransitionMatrix_quantile_3_ac_sumdiagcov", "PD_PeriodicityWang_th0_01",
    "CO_Embed2_Dist_tau_d_expfit_meandiff", "SC_FluctAnal_2_rsrangefit_50_1_logi_prop_r1",
    "SC_FluctAnal_2_dfa_50_1_2_logi_prop_r1", "DN_mean", "DN_Spread_std",
)
# fmt: on
_LAGS = (1, 2, 4, 8, 16, 32)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def filled(series: Series, length: int | None = None) -> np.ndarray:
    """Return the values of a series without gaps, and as many as asked for: float64 (channels, length), finite.

    Missing values lie on the straight line between their neighbours, level beyond the first and the last.
    Other lengths are read off the same lines, so that both ends stay where they are.

    Examples
    --------
    >>> filled(Series([1.0, float("nan"), 3.0]), 5).tolist()
    [[1.0, 1.5, 2.0, 2.5, 3.0]]
    """
    return _filled(series.values, length)


def filled_to(records: Sequence[Record], length: int | None = None) -> np.ndarray:
    """Return values of records of `raw`, without gaps and of one length: float32 (n, channels, length).

    Raises
    ------
    SignalError
        Some have more channels than others.

    Examples
    --------
    >>> filled_to([{"values": np.array([[1.0, 3.0]])}, {"values": np.array([[0.0, 1.0, 2.0]])}]).tolist()
    [[[1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0]]]
    """
    channels = _one_number_of_channels(records, "values")
    steps = length or max((record["values"].shape[1] for record in records), default=0)
    whole = np.empty((len(records), channels, steps), np.float32)
    for index, record in enumerate(records):
        whole[index] = _filled(record["values"], steps)
    return whole


def catch22(values: np.ndarray) -> dict[str, float]:
    """Return the 22 canonical characteristics of a gapless series, its mean and its deviation, by name.

    Raises
    ------
    MissingExtra
        pycatch22 is not installed.

    Examples
    --------
    >>> catch22(np.array([1.0, 2.0, 3.0]))["DN_mean"]
    2.0
    """
    try:
        import pycatch22
    except ImportError as error:
        raise MissingExtra("catch22 needs pycatch22: pip install 'phosphene[baselines]'") from error
    return dict(
        zip(CATCH22_NAMES, pycatch22.catch22_all(values.tolist(), catch24=True)["values"], strict=True)
    )


def summary(values: np.ndarray) -> dict[str, float]:
    """Return statistics of a series by name: of its values, of its course and of its spectrum.

    `slope` is the rise over the whole length; `autocorrelation_08` is at 8 steps, 0 where the series is no longer;
    `difference_rms` is the root mean square of the differences of neighbours, `von_neumann_ratio` their mean square
    over the variance; crossings and positions are shares of the length; frequencies are in cycles a step, the entropy
    of the spectrum is a share of the most that it can be. All but `missing` is of the bridged series where order
    counts, and of the values that are there where it does not.

    Parameters
    ----------
    values
        float (n,), NaN means missing.

    Examples
    --------
    >>> found = summary(np.array([0.0, 1.0, 0.0, -1.0] * 4))
    >>> found["mean"], found["mean_crossings"], found["dominant_frequency"]
    (0.0, 0.5, 0.25)
    """
    missing = np.isnan(values)
    whole = _bridged(values.astype(np.float64))
    return _levels(whole[~missing]) | _course(whole) | _spectrum(whole) | {"missing": float(missing.mean())}


def _levels(present: np.ndarray) -> dict[str, float]:
    """Return what does not depend on the order."""
    mean, deviation = float(present.mean()), float(present.std())
    scores = _scores(present)
    quantiles = np.quantile(present, _QUANTILES)
    return {
        "mean": mean,
        "deviation": deviation,
        "minimum": float(present.min()),
        "maximum": float(present.max()),
        **{f"quantile_{100 * q:02.0f}": float(value) for q, value in zip(_QUANTILES, quantiles, strict=True)},
        "skewness": float((scores**3).mean()),
        "kurtosis": float((scores**4).mean() - 3 * bool(scores.any())),
    }


def _course(whole: np.ndarray) -> dict[str, float]:
    """Return what depends on the order."""
    scores, last = _scores(whole), max(len(whole) - 1, 1)
    above = scores > 0
    time = np.linspace(-0.5, 0.5, len(whole)) if len(whole) > 1 else np.zeros(1)
    return {
        "first": float(whole[0]),
        "last": float(whole[-1]),
        "slope": float(time @ whole / max(time @ time, 1e-300)),
        **{f"autocorrelation_{lag:02d}": float(scores[lag:] @ scores[:-lag]) / len(whole) for lag in _LAGS},
        "mean_crossings": float((above[1:] != above[:-1]).sum() / len(whole)),
        "difference_rms": float(np.sqrt((np.diff(whole) ** 2).sum() / last)),
        "von_neumann_ratio": float((np.diff(scores) ** 2).sum() / last),
        "place_of_minimum": float(whole.argmin() / last),
        "place_of_maximum": float(whole.argmax() / last),
    }


def _spectrum(whole: np.ndarray) -> dict[str, float]:
    """Return where the power lies: the strongest frequency, the mean one, and the entropy as a share of the most."""
    power = np.abs(np.fft.rfft(_scores(whole)))[1:] ** 2
    if not power.sum() > 0:
        return {"dominant_frequency": 0.0, "mean_frequency": 0.0, "spectral_entropy": 0.0}
    frequencies, shares = np.fft.rfftfreq(len(whole))[1:], power / power.sum()
    entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum() / max(np.log(len(shares)), 1e-300)
    return {
        "dominant_frequency": float(frequencies[power.argmax()]),
        "mean_frequency": float(frequencies @ shares),
        "spectral_entropy": float(entropy) if len(shares) > 1 else 0.0,
    }


def _scores(values: np.ndarray) -> np.ndarray:
    """Return values less their mean, by their deviation; 0 where they differ by rounding alone."""
    centred = values - values.mean()
    deviation = centred.std()
    level = deviation > 1e-9 * np.abs(values).max()
    return centred / deviation if level else np.zeros_like(values)


def _filled(values: np.ndarray, length: int | None) -> np.ndarray:
    steps = length or values.shape[1]
    whole = np.array([_bridged(channel) for channel in values.astype(np.float64)])
    if steps == whole.shape[1]:
        return whole
    positions = np.linspace(0, whole.shape[1] - 1, steps)
    return np.array([np.interp(positions, np.arange(whole.shape[1]), channel) for channel in whole])


def _bridged(values: np.ndarray) -> np.ndarray:
    present = np.flatnonzero(~np.isnan(values))
    if len(present) == len(values):
        return values
    return np.asarray(np.interp(np.arange(len(values)), present, values[present]))


def _one_number_of_channels(records: Sequence[Record], name: str) -> int:
    counts = sorted({len(record[name]) for record in records}) or [0]
    if len(counts) > 1:
        raise SignalError(
            f"series of one table must have equal numbers of channels, got from {counts[0]} to {counts[-1]}; "
            "leave out those that differ"
        )
    return counts[0]


def _channels(signal: Signal) -> Iterator[np.ndarray]:
    yield from reduced(cast(Series, signal).values, MOST_STEPS)


def _measure_catch22(signal: Signal) -> Record:
    return {"values": np.array([list(catch22(_bridged(channel)).values()) for channel in _channels(signal)])}


def _measure_summary(signal: Signal) -> Record:
    length = float(cast(Series, signal).values.shape[1])
    return {"values": np.array([[*summary(channel).values(), length] for channel in _channels(signal)])}


def _measure_raw(signal: Signal) -> Record:
    return {"values": reduced(cast(Series, signal).values, MOST_STEPS).astype(np.float32)}


def _tabulate(records: Sequence[Record], *, names: tuple[str, ...]) -> Table:
    """Return the statistics of each channel side by side."""
    channels = _one_number_of_channels(records, "values")
    values = np.array([record["values"].ravel() for record in records])
    return Table(
        finite32(values.reshape(len(records), channels * len(names))), _column_names(names, channels)
    )


def _tabulate_raw(records: Sequence[Record]) -> Table:
    values = filled_to(records)
    columns = [f"step_{step}" for step in range(values.shape[2])]
    flat = values.reshape(len(records), values.shape[1] * values.shape[2])
    return Table(finite32(flat), _column_names(columns, values.shape[1]))


def _measure_joint(signal: Signal) -> Record:
    return {part.name: part.measure(signal)["values"] for part in _PARTS}


def _tabulate_joint(records: Sequence[Record]) -> Table:
    """Return the rows of all other sets side by side."""
    tables = [part.tabulate([{"values": record[part.name]} for record in records]) for part in _PARTS]
    names = tuple(name for table in tables for name in table.names)
    return Table(np.concatenate([table.values for table in tables], axis=1), names)


def _column_names(columns: Sequence[str], channels: int) -> tuple[str, ...]:
    if channels == 1:
        return tuple(columns)
    return tuple(f"channel_{channel}_{column}" for channel in range(1, channels + 1) for column in columns)


SUMMARY_NAMES = (*summary(np.zeros(1)), "length")

_set: Callable[..., FeatureSet] = partial(FeatureSet, kind="series", version=1)

_PARTS: tuple[FeatureSet, ...] = (
    _set(
        name="catch22",
        summary="22 canonical characteristics of each channel, its mean and its deviation",
        source="Lubba et al. 2019, https://doi.org/10.1007/s10618-019-00647-x, as pycatch22 computes them",
        measure=_measure_catch22,
        tabulate=partial(_tabulate, names=CATCH22_NAMES),
    ),
    _set(
        name="summary",
        summary="moments, quantiles, trend, autocorrelation, crossings and spectrum of each channel",
        source="plain statistics, such as tsfresh collects (Christ et al. 2018, "
        "https://doi.org/10.1016/j.neucom.2018.03.067)",
        measure=_measure_summary,
        tabulate=partial(_tabulate, names=SUMMARY_NAMES),
    ),
    _set(
        name="raw",
        summary="the values of each channel, missing ones bridged, all series stretched to the longest",
        source="the usual floor of the UCR archive, Dau et al. 2019, https://doi.org/10.1109/JAS.2019.1911747",
        measure=_measure_raw,
        tabulate=_tabulate_raw,
    ),
)

FEATURE_SETS: tuple[FeatureSet, ...] = (
    *_PARTS,
    _set(
        name="joint",
        summary="catch22, summary and raw side by side: what a series is like, and where",
        source="the sets that it is made of",
        measure=_measure_joint,
        tabulate=_tabulate_joint,
    ),
)
