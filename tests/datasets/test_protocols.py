"""Every protocol on a tiny folder in its published layout, and what it says when something is missing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from phosphene.converters import ParameterError, ReadError
from phosphene.datasets import UCR_SETS, find_protocol, open_protocol, protocols, unpack_malimg
from phosphene.datasets.sources import open_manifest


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make_esc50(folder: Path) -> None:
    rows = [
        ("1-100-A-0.wav", 1, 0, "dog", True, 100, "A"),
        ("1-100-B-0.wav", 1, 0, "dog", True, 100, "B"),
        ("2-200-A-10.wav", 2, 10, "rain", True, 200, "A"),
        ("3-300-A-14.wav", 3, 14, "chirping_birds", False, 300, "A"),
    ]
    lines = ["filename,fold,target,category,esc10,src_file,take", *(",".join(map(str, row)) for row in rows)]
    write(folder / "meta/esc50.csv", "\n".join(lines) + "\n")
    for row in rows:
        write(folder / "audio" / row[0])


def make_esc10(folder: Path) -> None:
    write(
        folder / "meta.csv",
        "path,label,fold,clip\naudio/1-100-A.ogg,dog_bark,1,100\naudio/2-200-A.ogg,rain,2,200\n",
    )
    write(folder / "audio/1-100-A.ogg")
    write(folder / "audio/2-200-A.ogg")


def make_urbansound8k(folder: Path) -> None:
    write(
        folder / "metadata/UrbanSound8K.csv",
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
        "100263-2-0-117.wav,100263,58.5,62.5,1,10,2,children_playing\n",
    )
    write(folder / "audio/fold5/100032-3-0-0.wav")
    write(folder / "audio/fold10/100263-2-0-117.wav")


def make_ucr(folder: Path) -> None:
    write(folder / "Tiny_TRAIN.tsv", "1\t0.1\t0.2\t0.3\n2\t0.3\t0.2\t0.1\n1\t0.0\t0.2\t0.4\n")
    write(folder / "Tiny_TEST.tsv", "2\t0.5\t0.2\t0.0\n1\t0.0\t0.1\t0.3\n")


SESSION = "record timestamp,client timestamp,button,state,x,y\n0.0,0.0,NoButton,Move,10,20\n"


def make_balabit(folder: Path) -> None:
    for user, number in (("user7", "0000000001"), ("user12", "0000000002")):
        write(folder / "training_files" / user / f"session_{number}", SESSION)
    for user, number in (("user7", "0000000003"), ("user7", "0000000004"), ("user12", "0000000005")):
        write(folder / "test_files" / user / f"session_{number}", SESSION)
    write(folder / "public_labels.csv", "filename,is_illegal\nsession_0000000003,0\nsession_0000000005,1\n")


def make_malimg(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for family in ("Adialer.C", "Yuner.A"):
        for number in range(10):
            path = folder / "malimg_paper_dataset_imgs" / family / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (3 + number, 4), dtype=np.uint8)).save(path)


def make_binaries(folder: Path) -> None:
    write(
        folder / "meta.csv",
        "path,label,format,group,fold\n"
        "files/elf/scipy/a.so,scipy,elf,scipy/a,1\n"
        "files/pe/scipy/a.pyd,scipy,pe,scipy/a,1\n"
        "files/elf/h5py/b.so,h5py,elf,h5py/b,2\n",
    )
    for path in ("files/elf/scipy/a.so", "files/pe/scipy/a.pyd", "files/elf/h5py/b.so"):
        write(folder / path)


MAKERS = {
    "esc50": (make_esc50, "ESC-50"),
    "esc10": (make_esc10, "esc10"),
    "urbansound8k": (make_urbansound8k, "UrbanSound8K"),
    "ucr/Tiny": (make_ucr, "ucr/Tiny"),
    "balabit": (make_balabit, "Mouse-Dynamics-Challenge-master"),
    "malimg": (make_malimg, "malimg"),
    "binaries": (make_binaries, "binaries"),
}


@pytest.fixture(params=sorted(MAKERS))
def name(request):
    return request.param


def made(name: str, parent: Path) -> Path:
    make, below = MAKERS[name]
    make(parent / below)
    return parent / below


def test_opens_from_its_own_folder_and_from_the_one_above(name, tmp_path):
    folder = made(name, tmp_path)
    own, above = open_protocol(name, folder), open_protocol(name, str(tmp_path))
    assert own == above
    assert own.name == name
    assert own.kind == find_protocol(name).kind
    assert all(item.path.is_file() for item in own.items)
    assert own.splits()


def test_all_stand_side_by_side(tmp_path):
    for name in MAKERS:
        made(name, tmp_path)
    for name in MAKERS:
        assert open_protocol(name, tmp_path).name == name


def rows(name: str, folder: Path) -> list[tuple]:
    return [(item.path.name, item.label, item.fold, item.group) for item in open_protocol(name, folder).items]


def test_esc50_has_the_official_folds(tmp_path):
    make_esc50(tmp_path)
    assert rows("esc50", tmp_path) == [
        ("1-100-A-0.wav", "dog", "1", "100"),
        ("1-100-B-0.wav", "dog", "1", "100"),
        ("2-200-A-10.wav", "rain", "2", "200"),
        ("3-300-A-14.wav", "chirping_birds", "3", "300"),
    ]


def test_esc10_is_part_of_esc50(tmp_path):
    make_esc50(tmp_path)
    assert {label for _, label, _, _ in rows("esc10", tmp_path)} == {"dog", "rain"}


def test_esc10_alone(tmp_path):
    make_esc10(tmp_path)
    assert rows("esc10", tmp_path) == [
        ("1-100-A.ogg", "dog_bark", "1", "100"),
        ("2-200-A.ogg", "rain", "2", "200"),
    ]


def test_urbansound8k_keeps_a_recording_together(tmp_path):
    make_urbansound8k(tmp_path)
    assert rows("urbansound8k", tmp_path) == [
        ("100032-3-0-0.wav", "dog_bark", "5", "100032"),
        ("100263-2-0-117.wav", "children_playing", "10", "100263"),
    ]


def test_urbansound8k_without_its_table_is_not_split_at_random(tmp_path):
    for recording in range(4):
        for part in range(5):
            write(tmp_path / ("siren", "bark")[recording % 2] / f"{recording}-8-0-{part}.wav", "RIFF")
    found = open_manifest(tmp_path, kind="audio")
    for split in (lambda: found.with_folds(2, seed=0), lambda: found.valid_split("0.2", seed=0)):
        with pytest.raises(ParameterError, match="named as those of UrbanSound8K"):
            split()


def test_binaries_keep_the_builds_of_a_module_together(tmp_path):
    make_binaries(tmp_path)
    assert [row[1:] for row in rows("binaries", tmp_path)] == [
        ("scipy", "1", "scipy/a"),
        ("scipy", "1", "scipy/a"),
        ("h5py", "2", "h5py/b"),
    ]


TS = "@problemName Tiny\n@timeStamps false\n@univariate true\n@classLabel true 1 2\n@data\n"
ARFF = "@relation Tiny\n@attribute a numeric\n@attribute b numeric\n@attribute target {1,2}\n@data\n"


@pytest.mark.parametrize(
    ("suffix", "train", "test"),
    [
        (".tsv", "1\t0.1\t0.2\n2\t0.3\t0.2\n", "2\t0.5\t0.2\n"),
        (".txt", "  1.0  0.1  0.2\n  2.0  0.3  0.2\n", "  2.0  0.5  0.2\n"),
        (".ts", TS + "0.1,0.2:1\n0.3,0.2:2\n", TS + "0.5,0.2:2\n"),
        (".arff", ARFF + "0.1,0.2,1\n0.3,0.2,2\n", ARFF + "0.5,0.2,2\n"),
    ],
)
def test_ucr_rows_carry_the_default_split(suffix, train, test, tmp_path):
    write(tmp_path / f"Tiny_TRAIN{suffix}", train)
    write(tmp_path / f"Tiny_TEST{suffix}", test)
    manifest = open_protocol("ucr/Tiny", tmp_path)
    assert [(str(item.fragment), item.split) for item in manifest.items] == [
        ("row=0", "train"),
        ("row=1", "train"),
        ("row=0", "test"),
    ]
    assert [float(item.label) for item in manifest.items] == [1, 2, 2]


def test_balabit_asks_whether_the_claim_is_true(tmp_path):
    make_balabit(tmp_path)
    manifest = open_protocol("balabit", tmp_path)
    assert manifest.metric == "auc"
    assert [(item.path.name[-1], item.split, item.label, item.claim) for item in manifest.items] == [
        ("2", "train", "user12", None),
        ("1", "train", "user7", None),
        ("5", "test", None, "user12"),
        ("3", "test", "user7", "user7"),
    ]


def test_malimg_pictures_become_their_bytes_once(tmp_path):
    make_malimg(tmp_path)
    picture = tmp_path / "malimg_paper_dataset_imgs/Yuner.A/03.png"
    manifest = open_protocol("malimg", tmp_path)
    path = tmp_path / "malimg-bytes/Yuner.A/03.bin"
    assert path.read_bytes() == np.asarray(Image.open(picture)).tobytes()
    assert path in [item.path for item in manifest.items]
    before = path.stat().st_mtime_ns
    assert open_protocol("malimg", tmp_path) == manifest
    assert path.stat().st_mtime_ns == before


def test_malimg_folds_are_stratified(tmp_path):
    make_malimg(tmp_path)
    items = open_protocol("malimg", tmp_path).items
    assert sorted((item.fold, item.label) for item in items) == sorted(
        (str(fold), family) for fold in range(1, 11) for family in ("Adialer.C", "Yuner.A")
    )


def test_malimg_bytes_open_without_the_pictures(tmp_path):
    make_malimg(tmp_path)
    unpack_malimg(tmp_path / "malimg_paper_dataset_imgs", tmp_path / "elsewhere")
    assert len(open_protocol("malimg", tmp_path / "elsewhere").items) == 20


def remove(path: str):
    def damage(folder: Path) -> None:
        target = folder / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    return damage


def put(path: str, text: str):
    return lambda folder: write(folder / path, text)


def colour(folder: Path) -> None:
    Image.new("RGB", (4, 4)).save(folder / "malimg_paper_dataset_imgs/Yuner.A/03.png")


ESC_TABLE = "filename,fold,target,category,esc10,src_file,take\n"
DAMAGES = [
    ("esc50", remove("meta"), ": no esc50 here; it should hold meta/esc50.csv"),
    ("esc50", remove("audio"), ": 4 of 4 files are missing: audio/1-100-A-0.wav, audio/1-100-B-0.wav, "),
    ("esc50", remove("audio"), " and 1 more; get them from https://github.com/karolpiczak/ESC-50"),
    ("esc50", put("meta/esc50.csv", ""), "meta/esc50.csv: has no column filename, "),
    ("esc50", put("meta/esc50.csv", ESC_TABLE), "meta/esc50.csv: has a header and no rows"),
    ("esc50", put("meta/esc50.csv", ESC_TABLE + "a.wav,1\n"), "line 2 has no category, esc10, src_file"),
    ("esc50", lambda folder: (folder / "meta/esc50.csv").write_bytes(b"\xff\xfe"), "is no table of text"),
    ("esc10", remove("meta.csv"), ": no esc10 here; it should hold meta/esc50.csv or meta.csv"),
    ("esc10", remove("audio/2-200-A.ogg"), ": 1 of 2 files are missing: audio/2-200-A.ogg; get them"),
    ("esc10", put("meta.csv", "path,label\na,b\n"), "meta.csv: has no column fold, clip, only path, label"),
    ("urbansound8k", remove("metadata"), "it should hold metadata/UrbanSound8K.csv"),
    (
        "urbansound8k",
        remove("audio/fold5"),
        "missing: audio/fold5/100032-3-0-0.wav; get them from https://zenodo",
    ),
    ("ucr/Tiny", remove("Tiny_TEST.tsv"), "Tiny_TEST.tsv: no such file, nor with .ts, .txt, .arff"),
    ("ucr/Tiny", shutil.rmtree, ": no such folder; it should hold Tiny_TRAIN.* or"),
    ("balabit", remove("public_labels.csv"), ": no balabit here; it should hold public_labels.csv"),
    ("balabit", remove("training_files"), "training_files: should hold userN/session_N files and has none"),
    ("balabit", remove("test_files"), "test_files: should hold userN/session_N files and has none"),
    (
        "balabit",
        remove("test_files/user12"),
        ": 1 of 2 labelled sessions are missing: session_0000000005; get",
    ),
    (
        "balabit",
        put("public_labels.csv", "filename,is_illegal\nsession_0000000003,maybe\n"),
        "is_illegal of session_0000000003 must be 0 or 1, got 'maybe'",
    ),
    ("malimg", remove("malimg_paper_dataset_imgs"), ": no malimg here; it should hold malimg_paper_dataset"),
    ("malimg", put("malimg_paper_dataset_imgs/Yuner.A/03.png", "?"), "Yuner.A/03.png: is no PNG image"),
    ("malimg", colour, "Yuner.A/03.png: must be grey with 8 bits, as published, is of mode RGB"),
    (
        "binaries",
        remove("files/elf"),
        ": 2 of 3 files are missing: files/elf/scipy/a.so, files/elf/h5py/b.so;",
    ),
]


@pytest.mark.parametrize(("name", "damage", "message"), DAMAGES)
def test_says_what_is_missing(name, damage, message, tmp_path):
    folder = made(name, tmp_path)
    damage(folder)
    with pytest.raises(ReadError) as caught:
        open_protocol(name, folder)
    assert str(caught.value).startswith(str(folder))
    assert message in str(caught.value)


def test_a_folder_that_is_not_there(name, tmp_path):
    with pytest.raises(ReadError) as caught:
        open_protocol(name, tmp_path / "nowhere")
    assert str(caught.value).startswith(f"{tmp_path / 'nowhere'}: no such folder; it should hold ")
    assert find_protocol(name).home in str(caught.value)


def test_the_message_about_a_name_lists_the_names(tmp_path):
    with pytest.raises(ParameterError, match=r"^protocol must be one of .*esc10, .*ucr/NAME, got 'esc11'$"):
        open_protocol("esc11", tmp_path)


def test_a_ucr_name_is_no_path(tmp_path):
    with pytest.raises(ParameterError, match=r"got 'ucr/\.\./secret'$"):
        open_protocol("ucr/../secret", tmp_path)


def test_the_registry_is_complete():
    known = protocols()
    assert {"esc10", "esc50", "urbansound8k", "balabit", "malimg", "binaries"} <= set(known)
    assert {f"ucr/{name}" for name in UCR_SETS} <= set(known)
    assert {f"synthetic/{kind}" for kind in ("audio", "series", "mouse", "binary")} <= set(known)
    assert len(UCR_SETS) == len(set(UCR_SETS)) == 16


@pytest.mark.parametrize("protocol", protocols().values(), ids=lambda protocol: protocol.name)
def test_every_protocol_says_what_it_is(protocol):
    for text in (protocol.summary, protocol.source, protocol.licence, protocol.home):
        assert text
        assert "\n" not in text
