"""Sound files: what is read, what is refused, and what the message says."""

import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from phosphene.converters import Audio, Fragment, MissingExtra, ParameterError, ReadError, read
from phosphene.converters.audio.files import mpeg_frame_bytes, sounds_like
from phosphene.converters.audio.kind import AudioReader
from phosphene.converters.core.files import ReadOptions
from phosphene.converters.registry import recognise

READER = AudioReader()
STRICT = ReadOptions(strict=True)
NOISE = np.random.default_rng(0).standard_normal(44100).astype(np.float32) * 0.1


def wav(data=b"\1\2" * 100, *, rate_hz=44100, channels=1, code=1, bits=16, promised=None):
    """Build a WAV file by hand, with a header that need not be true."""
    promised = len(data) if promised is None else promised
    step = channels * bits // 8
    form = struct.pack("<HHIIHH", code, channels, rate_hz, rate_hz * step % 2**32, step, bits)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", promised)
    return b"RIFF" + struct.pack("<I", (promised + 36) % 2**32) + head + data


def floats(*values):
    return wav(np.array(values, "<f4").tobytes(), code=3, bits=32)


def flac(path: Path, *, kept: float) -> bytes:
    soundfile.write(path, NOISE, 44100, format="FLAC")
    data = path.read_bytes()
    return data[: int(len(data) * kept)]


BAD = {
    "empty": (b"", "empty; there is nothing to read"),
    "truncated header": (wav()[:30], "no sound that can be decoded .*; convert it to WAV"),
    "header and no data chunk": (wav()[:40], "No 'data' chunk"),
    "text": (b"these are words, not waves\n" * 9, "Format not recognised"),
    "not a number": (floats(0, np.nan, 0), "must be finite, got 1 NaN; repair it"),
    "infinity": (floats(0, np.inf, 0), "must be finite, got infinity; repair it"),
    "zero samples": (wav(b""), "sound without samples"),
    "no channels": (wav(channels=0), "Channel count is zero"),
    "rate 0": (wav(rate_hz=0), "the header states no sample rate"),
    "rate 2^31": (wav(rate_hz=2**31), "the header states no sample rate"),
    "rate 2^31 - 1": (wav(rate_hz=2**31 - 1), "must be from 1 to 10000000, got 2147483647"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_named_with_its_fault(tmp_path, name):
    data, message = BAD[name]
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    with pytest.raises(ReadError, match=message) as caught:
        READER.read(path, None)
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(ReadError, match=message):
        read(path)


def cut_in_half(folder, format_):
    path = folder / "half"
    soundfile.write(path, NOISE, 44100, format=format_)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "MP3", "AIFF", "CAF", "AU", "W64", "RF64"])
def test_a_file_cut_in_half_is_refused_where_reading_is_strict(tmp_path, format_):
    path = cut_in_half(tmp_path, format_)
    with pytest.raises(ReadError, match=r"half: (cut short|damaged|no sound that can be decoded)"):
        READER.read(path, None, STRICT)


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "MP3", "AIFF", "AU", "W64", "RF64"])
def test_of_a_file_cut_in_half_what_is_there_is_read_and_noted(tmp_path, format_):
    sound = READER.read(path := cut_in_half(tmp_path, format_), None)
    assert 0.4 < sound.duration_s < 0.55
    assert READER.extent(path) == pytest.approx(sound.duration_s, abs=0.03)
    assert "cut short" in sound.notes[0]
    if format_ not in ("MP3",):
        assert np.abs(sound.samples[0] - NOISE[: sound.samples.shape[1]]).max() < 1e-4


def test_a_recording_that_says_it_is_longer_gives_what_is_there(tmp_path):
    path = tmp_path / "card_full.wav"
    path.write_bytes(wav(promised=9000))
    sound = READER.read(path, None)
    assert sound.samples.shape == (1, 100)
    assert "9000" in sound.notes[0]
    assert "200" in sound.notes[0]
    with pytest.raises(ReadError, match="9000 bytes and the file holds 200"):
        READER.read(path, None, STRICT)


@pytest.mark.parametrize("riff", [0, 36])
def test_a_header_whose_sizes_were_never_written_is_mended(tmp_path, riff):
    path = tmp_path / "power_lost.wav"
    data = bytearray(wav(b"\1\2" * 16_000))
    data[4:8], data[40:44] = riff.to_bytes(4, "little"), bytes(4)
    path.write_bytes(data)
    sound = read(path)
    assert sound.samples.shape == (1, 16_000)
    assert len(set(sound.samples[0].tolist())) == 1
    assert "16000 samples" in sound.notes[0]
    assert READER.read(path, Fragment("t", 0.1, 0.2)).samples.shape == (1, 4410)
    with pytest.raises(ReadError, match="empty"):
        READER.read(path, None, STRICT)


def test_flac_that_was_streamed_states_no_length_and_is_read(tmp_path):
    path = tmp_path / "streamed.flac"
    data = bytearray(flac(path, kept=1))
    packed = int.from_bytes(data[18:26], "big")
    data[18:26] = (packed >> 36 << 36).to_bytes(8, "big")
    path.write_bytes(data)
    assert READER.extent(path) == 1.0
    np.testing.assert_allclose(READER.read(path, None).samples[0], NOISE, atol=1e-4)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [44100, 22050])
def test_an_mp3_without_a_xing_header_has_its_real_length(tmp_path, mode, channels, rate_hz):
    path = tmp_path / "a.mp3"
    loud_late = (
        np.tile(NOISE, 4) * np.linspace(0, 1, 4 * len(NOISE)) ** 6
    )  # the bit rate of its start says little
    soundfile.write(path, np.stack([loud_late] * channels, 1), rate_hz, format="MP3", bitrate_mode=mode)
    whole = READER.read(path, None).duration_s
    data = path.read_bytes()
    path.write_bytes(data[mpeg_frame_bytes(data[:4]) :])  # without the first frame, which holds the length
    sound = READER.read(path, None)
    assert whole <= sound.duration_s < whole + 0.15  # and the silence that an encoder puts around
    assert READER.extent(path) == sound.duration_s
    path.write_bytes(
        b"ID3\4\0\0\0\0\1\0" + bytes(128) + data[mpeg_frame_bytes(data[:4]) :] + b"TAG" + bytes(125)
    )
    assert READER.read(path, None).duration_s == sound.duration_s


def test_sound_that_only_ffmpeg_decodes(tmp_path):
    av = pytest.importorskip("av")
    for name, codec, rate_hz in (
        ("a.m4a", "aac", 44100),
        ("a.webm", "libopus", 48000),
        ("a.mp4", "aac", 44100),
    ):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate_hz, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.tile(NOISE, 2)[None, : 2 * rate_hz].copy(), format="fltp", layout="mono"
            )
            frame.sample_rate = rate_hz
            for packet in [*stream.encode(frame), *stream.encode(None)]:
                container.mux(packet)
        sound = read(path)
        assert sound.kind == "audio"
        assert sound.rate_hz == rate_hz
        assert sound.duration_s == pytest.approx(len(np.tile(NOISE, 2)[: 2 * rate_hz]) / rate_hz, abs=0.1)
        assert read(f"{path}#t=0.5,1").samples.shape == (1, rate_hz // 2)
        assert READER.extent(path) == sound.duration_s


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"#!AMR\n", "AMR sound"),
        (b"\0\0\0\x20ftyp3gp5", "3GP"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm", "WebM"),
    ],
)
@pytest.mark.parametrize("installed", [True, False])
def test_sound_that_cannot_be_decoded_is_named_with_what_to_do(tmp_path, monkeypatch, head, name, installed):
    path = tmp_path / "call"
    path.write_bytes(head + np.random.default_rng(3).bytes(4000))
    assert recognise(path) == "audio"
    if installed:
        pytest.importorskip("av")
    else:
        monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ReadError if installed else MissingExtra) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert name in str(caught.value)
    assert "convert it to WAV" in str(caught.value)
    assert installed or "pip install 'phosphene[files]'" in str(caught.value)


def test_flac_that_lies_about_its_length_takes_no_memory(tmp_path):
    path = tmp_path / "long.flac"
    data = bytearray(flac(path, kept=1))
    data[21] |= 0x0F  # 36 bits of the length begin in the low half of this byte
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"damaged|cut short|fit in memory"):
        READER.read(path, None)


def test_missing_folder_and_dangling_link(tmp_path):
    link = tmp_path / "link.wav"
    link.symlink_to(tmp_path / "gone.wav")
    cases = {
        tmp_path / "none.wav": "no such file",
        tmp_path: "a folder, not a file",
        link: "a link to nothing",
    }
    for path, message in cases.items():
        with pytest.raises(ReadError, match=message):
            READER.read(path, None)
        with pytest.raises(ReadError, match=message):
            READER.extent(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    with pytest.raises(ReadError, match="a pipe"):
        READER.read(pipe, None)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(wav())
    path.chmod(0)
    with pytest.raises(ReadError, match="may not be read"):
        READER.read(path, None)


def test_raw_and_undecodable_sound_say_so(tmp_path):
    raw, m4a = tmp_path / "a.raw", tmp_path / "a.m4a"
    raw.write_bytes(b"\0" * 64)
    m4a.write_bytes(b"\0\0\0\x20ftypM4A \0\0\2\0" + b"\0" * 64)
    with pytest.raises(ReadError, match=r"a \.raw file has no header"):
        READER.read(raw, None)
    with pytest.raises(ReadError, match=r"no sound that can be decoded .*; convert it to WAV"):
        read(m4a)


def test_one_sample_and_many_channels(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(b"\0\x40"))
    assert READER.read(path, None).samples.tolist() == [[0.5]]
    soundfile.write(path, np.tile(NOISE[:50, None], 64), 8000, format="WAV", subtype="FLOAT")
    assert READER.read(path, None).samples.shape == (64, 50)


def test_length_left_open_by_a_pipe_is_no_fault(tmp_path):
    path = tmp_path / "pipe.wav"
    for promised in (0xFFFFFFFF, 0x7FFFF000):
        path.write_bytes(wav(promised=promised))
        assert READER.read(path, None).samples.shape == (1, 100)


FORMATS = [
    "WAV",
    "WAVEX",
    "RF64",
    "W64",
    "AIFF",
    "AU",
    "CAF",
    "FLAC",
    "OGG",
    "MP3",
    "SVX",
    "VOC",
    "NIST",
    "XI",
    "PVF",
]


@pytest.mark.parametrize("format_", FORMATS)
def test_format_is_known_by_content_and_read(tmp_path, format_):
    path = tmp_path / "name-that-tells-nothing"
    soundfile.write(path, NOISE, 44100, format=format_)
    sound = read(path)
    assert isinstance(sound, Audio)
    assert sound.samples.shape == (1, 44100)
    assert READER.extent(path) == 1.0
    if format_ not in ("OGG", "MP3"):
        assert np.abs(sound.samples[0] - NOISE).max() < (0.01 if format_ in ("SVX", "XI") else 1e-4)


def test_opus_flac_in_ogg_and_name_that_is_no_unicode(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.opus"))
    soundfile.write(os.fsencode(path), NOISE, 48000, format="OGG", subtype="OPUS")
    assert recognise(path) == "audio"
    assert READER.read(path, None).rate_hz == 48000


@pytest.mark.parametrize("format_", ["WAV", "FLAC", "OGG", "MP3", "XI"])
def test_fragment_is_that_part(tmp_path, format_):
    path = tmp_path / "a"
    soundfile.write(path, NOISE, 44100, format=format_)
    whole = READER.read(path, None).samples
    part = READER.read(path, Fragment("t", 0.25, 0.5))
    assert part.samples.shape == (1, 11025)
    assert np.abs(part.samples - whole[:, 11025:22050]).max() < 1e-3
    assert READER.read(path, Fragment("t", 0.9, 7)).samples.shape == (1, 4410)
    assert READER.read(path, Fragment("t", 0.0, 1e-6)).samples.shape == (1, 1)
    with pytest.raises(ReadError, match="#t=1,2 starts past the end at 1 s; name an earlier part"):
        READER.read(path, Fragment("t", 1, 2))


def test_fragment_of_another_unit(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    with pytest.raises(ParameterError, match="cut by seconds, #t=5,10, got #row=3"):
        READER.read(path, Fragment("row", 3, 4))


def test_mp3_without_a_stated_length_is_counted(tmp_path):
    path = tmp_path / "a.mp3"
    swell = np.tile(NOISE, 3) * np.linspace(0, 4, 3 * 44100) ** 3
    soundfile.write(path, swell, 44100, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    data = path.read_bytes()
    path.write_bytes(data[data.index(b"\xff\xfb", 4) :])  # without the first frame, which holds the length
    sound = READER.read(path, None)
    assert READER.extent(path) == pytest.approx(sound.duration_s)
    assert 3 < sound.duration_s < 3.1


@given(
    npst.arrays(
        np.float32, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=st.floats(-4, 4, width=32)
    ),
    st.sampled_from([1, 8000, 44100, 192000, 10_000_000]),
)
def test_float_wav_comes_back_exactly(tmp_path_factory, samples, rate_hz):
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")
    sound = read(path)
    assert np.array_equal(sound.samples, samples.T)
    assert sound.rate_hz == rate_hz
    assert READER.extent(path) == len(samples) / rate_hz


@given(
    st.binary(max_size=4000),
    st.sampled_from([b"", b"\xff\xfb\x90\xc4", b"\xff\xfe", b"OggS", b".snd", b"RIFF"]),
)
def test_random_bytes_are_not_claimed(noise, start):
    assert not sounds_like(start + noise)


@pytest.mark.parametrize(
    "head", [b"RIFF\0\0\0\0AVI LIST", b"FORM\0\0\0\0ILBM", b"ID3 of a word", b"MZ", "ÿþwide".encode("utf-16")]
)
def test_other_files_are_not_claimed(head):
    assert not sounds_like(head)


def test_recordings_of_esc10(data):
    paths = sorted((data / "esc10" / "audio").glob("*.ogg"))[::40]
    for path in paths:
        sound = read(path)
        assert sound.rate_hz == 44100
        assert sound.duration_s == READER.extent(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_file_cut_in_half_is_told(tmp_path, subtype):
    path, rate_hz = tmp_path / "whole.ogg", 48000
    soundfile.write(path, np.tile(NOISE, 8), rate_hz, format="OGG", subtype=subtype)
    assert read(path).notes == ()
    data = path.read_bytes()
    cut = tmp_path / "cut.ogg"
    cut.write_bytes(data[: len(data) // 2])
    (note,) = read(cut).notes
    assert "cut short" in note
    with pytest.raises(ReadError, match="cut short"):
        read(cut, options=STRICT)


def test_floats_that_are_rather_whole_numbers_are_told(tmp_path):
    loud, whole = tmp_path / "loud.wav", tmp_path / "whole.wav"
    loud.write_bytes(floats(0, 1.5, -1.2))
    whole.write_bytes(floats(0, 15000, -12000))
    assert read(loud).notes == ()
    assert "times full scale" in read(whole).notes[0]
