from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.degrade import Jitter
from facesieve_training.devices import Hosts
from facesieve_training.evaluate.gallery import open_gallery
from facesieve_training.teacher.batches import Augment, Batches


def made(
    directory: Path, batch: int, hosts: Hosts | None = None, seed: int = 1, moved: float = 1.0
) -> Batches:
    augment = Augment(jitter=Jitter(moved, moved, moved / 100))
    return Batches(open_gallery(directory), batch, seed, augment, hosts or Hosts(), readers=2)


def test_a_step_gives_the_same_batch_every_time_and_an_epoch_each_face_once(face_directory: Path) -> None:
    gallery = open_gallery(face_directory)
    batches = made(face_directory, 9)
    assert batches.epoch == len(gallery) // 9
    again = made(face_directory, 9)
    for step in (7, 0, 3):
        np.testing.assert_array_equal(batches(step)[0], again(step)[0])
        np.testing.assert_array_equal(batches(step)[1], again(step)[1])
    people = np.concatenate([batches(step)[1] for step in range(batches.epoch)])
    np.testing.assert_array_equal(np.bincount(people), np.bincount(gallery.identity))
    assert not np.array_equal(batches(0)[0], batches(batches.epoch)[0])
    assert not np.array_equal(batches(0)[0], made(face_directory, 9, seed=2)(0)[0])


def test_hosts_share_the_batch_of_one(face_directory: Path) -> None:
    whole, labels = made(face_directory, 8)(4)
    parts = [made(face_directory, 8, Hosts(2, index))(4) for index in range(2)]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in parts]), whole)
    np.testing.assert_array_equal(np.concatenate([people for _, people in parts]), labels)


def test_unmoved_faces_are_the_middle_of_the_file_or_its_mirror_image(face_directory: Path) -> None:
    gallery = open_gallery(face_directory)
    images, people = made(face_directory, 9, moved=0.0)(0)
    read_back = gallery.read(np.arange(len(gallery))).aligned
    kinds = set()
    for image, person in zip(images, people, strict=True):
        own = read_back[gallery.identity == person]
        plain = any(np.array_equal(image, face) for face in own)
        assert plain or any(np.array_equal(image, face[:, ::-1]) for face in own)
        kinds.add(plain)
    assert kinds == {True, False}


def test_too_little_data_is_an_error_with_advice(face_directory: Path) -> None:
    with pytest.raises(DataError, match="batch: 64 is more than the 45 faces there are; take a smaller one"):
        made(face_directory, 64)
    with pytest.raises(DataError, match="batch: 9 cannot be shared equally among 2 hosts"):
        made(face_directory, 9, Hosts(2, 0))
    gallery = open_gallery(face_directory, limit=1)
    with pytest.raises(DataError, match="faces: all 4 are of p00; give at least two identities"):
        Batches(gallery, 2, 1, Augment(), Hosts())


def test_every_bad_file_is_named_before_training(face_directory: Path) -> None:
    (face_directory / "p03" / "1.png").write_bytes(b"no image")
    cv2.imwrite(str(face_directory / "p05" / "2.png"), np.zeros((100, 128, 3), np.uint8))
    with pytest.raises(DataError) as result:
        made(face_directory, 9).check()
    first, second = str(result.value).splitlines()
    assert first.endswith("p03/1.png: is not a readable image; remove or replace it")
    assert "p05/2.png: is 128x100; aligned faces are square" in second
