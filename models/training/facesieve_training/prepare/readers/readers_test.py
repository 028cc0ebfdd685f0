"""The readers on small sets that the tests write in the published formats."""

import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.prepare.readers.adience import Adience
from facesieve_training.prepare.readers.cfp import Cfp
from facesieve_training.prepare.readers.directory import Directory
from facesieve_training.prepare.readers.ijbc import ijbc
from facesieve_training.prepare.readers.lfw import Lfw
from facesieve_training.prepare.readers.recordio import MAGIC, RecordIo
from facesieve_training.prepare.readers.verification import Verification
from facesieve_training.prepare.source import Pair


def write(path: Path, data: bytes | str = b"image") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_directory_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.JPG", "a/x.webp", "a/notes.txt"):
        write(tmp_path / name, name)
    source = Directory(tmp_path)
    entries = list(source.entries())
    assert [e.key for e in entries] == ["a/x.webp", "b/1.JPG", "b/2.png"]
    assert [e.identity for e in entries] == ["a", "b", "b"]
    assert source.encoded(entries[1]) == b"b/1.JPG"
    assert entries[1].size == 7


def test_directory_without_identities(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no directory"):
        list(Directory(tmp_path).entries())
    with pytest.raises(DataError, match="is not a directory"):
        Directory(tmp_path / "absent")


def test_lfw_pairs(tmp_path: Path) -> None:
    for name in ("Ann_Bee/Ann_Bee_0001.jpg", "Ann_Bee/Ann_Bee_0012.jpg", "Cy/Cy_0003.png"):
        write(tmp_path / "lfw" / name)
    pairs = write(tmp_path / "pairs.txt", "10\t300\nAnn_Bee\t1\t12\nCy\t3\tAnn_Bee\t12\n")
    assert list(Lfw(tmp_path / "lfw", pairs).pairs()) == [
        Pair("Ann_Bee/Ann_Bee_0001.jpg", "Ann_Bee/Ann_Bee_0012.jpg", True),
        Pair("Cy/Cy_0003.png", "Ann_Bee/Ann_Bee_0012.jpg", False),
    ]
    for line, message in (("Cy 3", r":1: must be NAME N M"), ("Cy 3 Ann_Bee 4", "Ann_Bee_0004 is missing")):
        write(pairs, line)
        with pytest.raises(DataError, match=message):
            list(Lfw(tmp_path / "lfw", pairs).pairs())


def record(flag: int, label: float, data: bytes, labels: tuple[float, ...] = ()) -> bytes:
    """Pack one record as MXNet does, in parts around the magic number."""
    content = struct.pack("<IfQQ", flag, label, 0, 0) + struct.pack(f"<{len(labels)}f", *labels) + data
    pieces = content.split(struct.pack("<I", MAGIC))
    packed = b""
    for i, piece in enumerate(pieces):
        kind = 0 if len(pieces) == 1 else 1 if i == 0 else 3 if i == len(pieces) - 1 else 2
        packed += struct.pack("<II", MAGIC, kind << 29 | len(piece)) + piece + b"\0" * (-len(piece) % 4)
    return packed


def write_records(directory: Path, records: list[bytes]) -> Path:
    index, at = "", 0
    for i, packed in enumerate(records):
        index += f"{i}\t{at}\n"
        at += len(packed)
    write(directory / "train.idx", index)
    return write(directory / "train.rec", b"".join(records))


def test_recordio(tmp_path: Path) -> None:
    tricky = b"ab" + struct.pack("<I", MAGIC) + b"cdefg" + struct.pack("<I", MAGIC)
    write_records(
        tmp_path,
        [
            record(2, 0, b"", (4, 6)),
            record(0, 7, b"jpeg one"),
            record(0, 7, tricky),
            record(2, 0, b"three", (9, 1)),
            record(2, 0, b"", (1, 3)),
            record(2, 0, b"", (3, 4)),
        ],
    )
    source = RecordIo(tmp_path)
    entries = list(source.entries())
    assert [(e.key, e.identity) for e in entries] == [
        ("00000007/000000001", "00000007"),
        ("00000007/000000002", "00000007"),
        ("00000009/000000003", "00000009"),
    ]
    assert [source.encoded(e) for e in entries] == [b"jpeg one", tricky, b"three"]


def test_recordio_without_record_of_ranges(tmp_path: Path) -> None:
    path = write_records(tmp_path, [record(0, 3, b"x"), record(0, 4, b"yy")])
    assert [e.identity for e in RecordIo(path).entries()] == ["00000003", "00000004"]


def test_recordio_damaged(tmp_path: Path) -> None:
    path = write_records(tmp_path, [record(0, 3, b"x"), record(0, 4, b"y" * 50)])
    whole = path.read_bytes()
    write(path, whole[:-20])
    with pytest.raises(DataError, match="ends within the record at byte 36"):
        list(RecordIo(path).entries())
    write(path, b"\0" * len(whole))
    with pytest.raises(DataError, match="holds no record at byte 0"):
        list(RecordIo(path).entries())
    write(tmp_path / "train.idx", "0 0\n")
    with pytest.raises(DataError, match=r"train.idx:1: must be NUMBER<tab>OFFSET"):
        list(RecordIo(path).entries())


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_verification(tmp_path: Path, arrays: bool, protocol: int) -> None:
    images = [b"one", b"two", b"three", b"four"]
    encoded = [np.frombuffer(p, np.uint8) for p in images] if arrays else images
    path = write(tmp_path / "lfw.bin", pickle.dumps((encoded, [True, np.bool_(False)]), protocol))
    source = Verification(path)
    entries = list(source.entries())
    assert [e.identity for e in entries] == ["pair000000", "pair000000", "pair000001a", "pair000001b"]
    assert [source.encoded(e) for e in entries] == images
    assert [p.mated for p in source.pairs()] == [True, False]
    assert {k for p in source.pairs() for k in (p.left, p.right)} == {e.key for e in entries}
    travelled = pickle.loads(pickle.dumps(source))
    assert travelled.encoded(entries[2]) == b"three"


class Evil:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (Path, ("/etc/passwd",))


def test_verification_runs_no_code(tmp_path: Path) -> None:
    path = write(tmp_path / "evil.bin", pickle.dumps(([Evil()], [True])))
    with pytest.raises(DataError, match="is not a verification set: it needs pathlib"):
        list(Verification(path).entries())


@pytest.mark.parametrize("data", [b"", b"junk", pickle.dumps(([b"a"], [True])), pickle.dumps(17)])
def test_verification_damaged(tmp_path: Path, data: bytes) -> None:
    path = write(tmp_path / "bad.bin", data)
    with pytest.raises(DataError, match=r"is not a verification set|has 1 images for 1 pairs"):
        list(Verification(path).entries())


@pytest.mark.parametrize(
    ("images", "protocol"),
    [
        ("Data/Images", "Protocol"),
        ("cfp-dataset/Data/Images", "cfp-dataset/Protocol"),
        ("Images", "Protocols"),
        (".", "Protocol"),
    ],
)
def test_cfp(tmp_path: Path, images: str, protocol: str) -> None:
    for name in ("001/frontal/01.jpg", "001/profile/01.jpg", "002/frontal/01.jpg"):
        write(tmp_path / images / name)
    rules = tmp_path / protocol
    write(
        rules / "Pair_list_F.txt",
        "1 ../Data/Images/001/frontal/01.jpg\n2 ../Data/Images/002/frontal/01.jpg\n",
    )
    write(rules / "Pair_list_P.txt", "1 ../Data/Images/001/profile/01.jpg\n")
    for split, same, diff in (("FF/01", "", "1,2\n"), ("FP/01", "1,1\n", "2,1\n")):
        write(rules / f"Split/{split}/same.txt", same)
        write(rules / f"Split/{split}/diff.txt", diff)
    source = Cfp(tmp_path)
    assert [e.key for e in source.entries()] == [
        "001/frontal-01.jpg",
        "001/profile-01.jpg",
        "002/frontal-01.jpg",
    ]
    assert list(source.pairs()) == [
        Pair("001/frontal-01.jpg", "002/frontal-01.jpg", False),
        Pair("001/frontal-01.jpg", "001/profile-01.jpg", True),
        Pair("002/frontal-01.jpg", "001/profile-01.jpg", False),
    ]
    write(rules / "Split/FP/01/same.txt", "1,9\n")
    with pytest.raises(DataError, match=r"same.txt:1: image 9 is in no list"):
        list(source.pairs())


def test_a_directory_that_is_not_cfp(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no IDENTITY/frontal, neither itself nor in Data/Images"):
        Cfp(tmp_path)


HEADING = (
    "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle"
    "\tfiducial_score"
)


def test_adience(tmp_path: Path) -> None:
    write(tmp_path / "faces/7@N0/coarse_tilt_aligned_face.12.a.jpg", b"A")
    write(
        tmp_path / "fold_0_data.txt",
        f"{HEADING}\n7@N0\ta.jpg\t12\t(25, 32)\tf\t0\t414\t1086\t1383\t-115\t30\t17\n",
    )
    write(tmp_path / "fold_1_data.txt", f"{HEADING}\n7@N0\tb.jpg\t3\t(0, 2)\tm\t0\t1\t2\t3\t0\t0\t9\n")
    source = Adience(tmp_path)
    one, lost = source.entries()
    assert (one.key, one.identity, source.encoded(one)) == ("7@N0_12/a.jpg", "7@N0_12", b"A")
    assert lost.size == 0
    with pytest.raises(FileNotFoundError):
        source.encoded(lost)
    write(tmp_path / "fold_2_data.txt", "user\timage\n")
    with pytest.raises(DataError, match="has no columns face_id, original_image, user_id"):
        list(source.entries())


def test_ijbc_of_nist(tmp_path: Path) -> None:
    heading = "TEMPLATE_ID,SUBJECT_ID,FILENAME,FACE_X,FACE_Y,FACE_WIDTH,FACE_HEIGHT,SIGHTING_ID\n"
    rows = "11,5,img/1.jpg,10,20,30,40,1\n12,5,img/1.jpg,10,20,30,40,1\n13,6,frames/2.png,1,2,3,4,2\n"
    write(tmp_path / "protocols/ijbc_1N_gallery_G1.csv", heading + rows)
    write(tmp_path / "protocols/ijbc_11_G1_G2_matches.csv", "11,12\n11,13\n")
    write(tmp_path / "images/img/1.jpg", b"one")
    source = ijbc(tmp_path)
    entries = list(source.entries())
    assert [(e.identity, e.template, e.media, e.box) for e in entries] == [
        ("5", "11", "1", (10, 20, 30, 40)),
        ("5", "12", "1", (10, 20, 30, 40)),
        ("6", "13", "2", (1, 2, 3, 4)),
    ]
    assert len({e.key for e in entries}) == 3
    assert source.encoded(entries[0]) == b"one"
    assert list(source.pairs()) == [Pair("11", "12", True), Pair("11", "13", False)]
    write(tmp_path / "protocols/ijbc_11_G1_G2_matches.csv", "11,99\n")
    with pytest.raises(DataError, match=r"matches.csv:1: must be TEMPLATE,TEMPLATE"):
        list(source.pairs())


def test_ijbc_of_insightface(tmp_path: Path) -> None:
    write(tmp_path / "meta/ijbc_face_tid_mid.txt", "1.jpg 11 1\n2.jpg 12 2\n3.jpg 13 3\n1.jpg 14 1\n")
    points = " ".join(str(i) for i in range(10))
    write(tmp_path / "meta/ijbc_name_5pts_score.txt", "".join(f"{i}.jpg {points} 0.9\n" for i in (1, 2, 3)))
    write(tmp_path / "meta/ijbc_template_pair_label.txt", "12 11 1\n14 12 1\n13 11 0\n")
    write(tmp_path / "loose_crop/2.jpg", b"two")
    source = ijbc(tmp_path)
    entries = list(source.entries())
    assert [(e.identity, e.template, e.media) for e in entries] == [
        ("t11", "11", "1"), ("t11", "12", "2"), ("t11", "14", "1"), ("t13", "13", "3")
    ]  # fmt: skip
    assert entries[1].points == tuple(range(10))
    assert source.encoded(entries[1]) == b"two"
    assert [p.mated for p in source.pairs()] == [True, True, False]
    with pytest.raises(DataError, match="holds neither protocols/"):
        ijbc(tmp_path / "meta")
