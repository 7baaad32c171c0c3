"""Scalograms of series: by hand, against direct convolution, golden, by what must not change, on real series."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Box, ParameterError, Series, make
from phosphene.converters.kernels.filterbank import Filter, mean_power, reader
from phosphene.converters.series.scalogram import scalogram

GOLDEN = Path(__file__).parents[2] / "golden" / "series_scalogram.npy"
WAVELETS = ("morlet", "morse", "ricker")
every_wavelet = pytest.mark.parametrize("wavelet", WAVELETS)


def draw(values, size=64, step_s=None, **parameters):
    return make("scalogram", kind="series", size=size, **parameters)(Series(values, step_s))


def grey_of(values, size=32, **parameters):
    return draw(values, size, **parameters).pixels[..., 0].astype(int)


def example_series():
    time = np.arange(150)
    values = np.sin(time / 9) + np.where(time > 75, np.sin(time * (1 + time / 300)), 0)
    values[100:110] = np.nan
    return np.stack([values, np.cos(time / 5)]).astype(np.float32)


def rows_hz(image):
    return image.layout.axes()[1].edges


def test_three_samples_give_the_magnitude_computed_by_hand():
    # At f = 0.1 a sample further on the wavelet is turned by 36 degrees and weighs exp(-(0.2 pi / 6)**2 / 2) = 0.99453
    # of its 2 f sqrt(2 pi) / 6 = 0.0835543 in the middle: 2 - 2 * 0.99453 cos(36 degrees) = 0.39084 of that.
    borders = np.arange(4.0)
    (power,) = mean_power(
        reader(np.array([-1.0, 2.0, -1.0])),
        3,
        centres=np.array([0.1]),
        form=Filter("morlet", 6.0),
        borders=borders,
    )
    assert np.sqrt(power[1]) == pytest.approx(0.0835543 * 0.39084, rel=1e-3)
    assert power[0] == pytest.approx(power[2], rel=1e-4)


def test_what_never_changes_has_no_rhythm():
    assert not scalogram(np.full(3, 7.0), np.arange(4), rows=2, form=Filter("morlet", 6.0)).any()


def slow_scalogram(values, size):
    """Morlet, sample by sample, by the formula of Torrence and Compo in time, with the amplitude kept."""
    n = len(values)
    waves, places = values - values.mean(), np.arange(n)
    rows = []
    for row in range(size):
        f = (1 / n) * (n / 2) ** ((row + 0.5) / size)
        phase = 2 * np.pi * f * (places[:, None] - places)
        rows.append(np.abs((f * np.exp(1j * phase - (phase / 6) ** 2 / 2)) @ waves))
    power = np.square(rows).reshape(size, size, -1).mean(-1)
    return np.sqrt(power / power.max())


@pytest.mark.parametrize("n", [32, 160, 320])
def test_it_is_what_its_definition_says(n):
    values = np.random.default_rng(0).standard_normal(n).cumsum()
    drawn = grey_of(values, 32)[::-1]
    # Above 0.26 cycles a sample the wavelet reaches up to half the rate, where the filter is faded out.
    below = (1 / n) * (n / 2) ** ((np.arange(32) + 0.5) / 32) < 0.26
    assert np.abs(drawn - 255 * slow_scalogram(values, 32))[below].max() <= 1.6


@every_wavelet
def test_it_is_the_golden_picture(wavelet):
    golden = np.load(GOLDEN)[WAVELETS.index(wavelet)]
    drawn = make("scalogram", kind="series", size=64, wavelet=wavelet)(Series(example_series())).pixels
    assert np.abs(drawn.astype(int) - golden).max() <= 1


@every_wavelet
@pytest.mark.parametrize("period", [4.0, 10.0, 25.0])
def test_a_sine_lies_in_the_row_of_its_frequency(wavelet, period):
    image = draw(np.sin(2 * np.pi * np.arange(500) / period), 64, 0.1, wavelet=wavelet)
    row = int(image.pixels[:, 32, 0].argmax())
    (frequency,) = image.locate(Box(32, max(row - 1, 0), 33, row + 2)).of("frequency")
    assert frequency.start < 10 / period < frequency.stop
    assert frequency.unit == "Hz"


@every_wavelet
def test_a_chirp_rises(wavelet):
    time = np.arange(1024)
    rows = grey_of(np.sin(2 * np.pi * (0.01 + 0.12 * time / 1024) * time), 64, wavelet=wavelet).argmax(0)
    assert (np.diff(rows[6:-6]) <= 0).all()
    assert rows[6] - rows[-7] > 15


@every_wavelet
def test_a_burst_is_found(wavelet):
    time = np.arange(800)
    image = draw(
        np.where((time >= 400) & (time < 440), np.sin(time * 2 * np.pi / 8), 0), 100, 0.5, wavelet=wavelet
    )
    rows, columns = np.nonzero(image.pixels[..., 0] > 160)
    region = image.locate(Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    (time_s,), (frequency,) = region.of("time"), region.of("frequency")
    assert 200 - 3 <= time_s.start <= 205
    assert 215 <= time_s.stop <= 220 + 3
    assert frequency.start < 0.25 < frequency.stop


def test_without_a_step_rows_are_cycles_a_sample():
    image = draw(np.arange(40.0) % 5)
    (frequency,) = image.locate(Box(0, 0, 64, 64)).of("frequency")
    assert (frequency.unit, frequency.start, frequency.stop) == ("cycles/sample", 1 / 40, 0.5)
    assert str(image.locate(Box(0, 0, 1, 1))).startswith("sample 0 to 1, frequency 0.47")


def test_each_sample_is_a_column_of_a_short_series():
    pixels = grey_of(np.random.default_rng(0).standard_normal(8), 32)
    np.testing.assert_array_equal(pixels, np.repeat(pixels[:, ::4], 4, axis=1))


numbers = st.lists(st.integers(-1000, 1000), min_size=2, max_size=60)


@given(values=numbers, shift=st.integers(-500, 500), scale=st.sampled_from([-1.0, 0.25, 8.0]))
def test_a_picture_does_not_change_with_shift_and_scale(values, shift, scale):
    moved = np.array(values) * scale + shift
    assert np.abs(grey_of(values, 16) - grey_of(moved, 16)).max() <= 1


@given(
    values=st.lists(st.integers(-1000, 1000), min_size=16, max_size=16)
    | st.lists(st.integers(-1000, 1000), min_size=48, max_size=48)
)
@every_wavelet
def test_a_series_backwards_is_the_mirror_image(wavelet, values):
    forwards, backwards = grey_of(values, 16, wavelet=wavelet), grey_of(values[::-1], 16, wavelet=wavelet)
    assert np.abs(backwards - forwards[:, ::-1]).max() <= 1


@given(place=st.integers(0, 60))
def test_a_later_event_is_further_to_the_right(place):
    def event(at):
        values = np.zeros(1024)
        values[at : at + 9] = np.hanning(9)
        return grey_of(values, 64)[: 64 // 2]

    here, there = event(200), event(200 + 16 * (place % 30))
    moved = place % 30
    assert np.abs(np.roll(here, moved, axis=1) - there).max() <= 2


@given(values=numbers, holes=st.lists(st.integers(0, 59), max_size=30))
def test_columns_are_black_where_and_only_where_nothing_is_known(values, holes):
    present = np.array(values, float)
    present[[hole for hole in holes if hole < len(values)]] = np.nan
    if np.isnan(present).all() or np.ptp(present[~np.isnan(present)]) == 0:
        return
    pixels = grey_of(present, 64)
    columns = np.linspace(0.5 / 64, 1 - 0.5 / 64, 64) * len(values)
    missing = np.isnan(present)[columns.astype(int)]
    assert not pixels[:, missing].any()
    assert pixels[:, ~missing].any()


def test_gaps_bend_the_picture_but_little():
    values = np.sin(np.arange(640) / 5)
    whole = grey_of(values, 64)
    values[np.random.default_rng(0).random(640) < 0.1] = np.nan
    bent = np.abs(grey_of(values, 64) - whole)
    assert bent.max() < 64
    assert bent.mean() < 9


@pytest.mark.parametrize("values", [[5.0], [0.1] * 30, [0.0] * 300, [3e38, 3e38], [np.nan, 2.0, 2.0]])
def test_a_series_that_never_changes_is_black(values):
    assert not grey_of(values, 16).any()


def test_huge_and_tiny_numbers_are_drawn():
    series = np.array([-3e38, 3e38, 0.0, 1e38] * 4, np.float32)
    assert np.abs(grey_of(series * np.float32(1e-38)) - grey_of(series)).max() <= 1


def test_decibels_show_what_is_faint():
    values = np.sin(np.arange(600) / 3) + 0.01 * np.sin(np.arange(600) / 40)
    plain, in_decibels = grey_of(values), grey_of(values, floor_db=-80)
    assert plain[27, 16] < 10
    assert in_decibels[27, 16] == pytest.approx(255 / 2, abs=12)
    assert plain.max() == in_decibels.max() == 255


def test_channels_lie_in_cells():
    series = np.random.default_rng(0).standard_normal((3, 100))
    image = make("scalogram", kind="series", size=64)(Series(series))
    np.testing.assert_array_equal(image.pixels[:32, 32:64, 0], grey_of(series[1], 32))
    assert not image.pixels[32:, 32:].any()


def test_a_wrong_parameter_is_named_with_its_rule():
    with pytest.raises(ParameterError, match="omega0 must be a number >= 5 and <= 100, got 2"):
        make("scalogram", kind="series", omega0=2)
    with pytest.raises(
        ParameterError, match="wavelet must be one of 'morlet', 'morse', 'ricker', got 'haar'"
    ):
        make("scalogram", kind="series", wavelet="haar")


@pytest.mark.data
@pytest.mark.parametrize("name", ["ECG200", "DodgerLoopDay", "Chinatown", "ACSF1"])
def test_real_series_fill_the_picture(data, name):
    table = np.loadtxt(data / "ucr" / name / f"{name}_TRAIN.tsv", delimiter="\t")[:5]
    for row in table:
        pixels = grey_of(row[1:], 64)
        assert pixels.max() == 255
        assert pixels.std() > 20


if __name__ == "__main__":  # writes the golden array again; do so only when pixels are meant to change
    series = Series(example_series())
    drawn = [
        make("scalogram", kind="series", size=64, wavelet=wavelet)(series).pixels for wavelet in WAVELETS
    ]
    np.save(GOLDEN, np.stack(drawn))
