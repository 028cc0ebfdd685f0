from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.detector.upright import upright
from facesieve_training.detector.warp import between_centres, transform
from facesieve_training.detector.yunet import YuNet


@pytest.mark.parametrize("tilt", [-35.0, 35.0])
def test_tilted_heads_get_the_landmarks_of_the_upright_image(tilt: float, shared_data: Path) -> None:
    teacher = YuNet(shared_data / "models/yunet_s.onnx")
    plain, corrected = list[float](), list[float]()
    for path in sorted((shared_data / "scenes").iterdir())[:12]:
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))
        faces = teacher.detect(image, 0.8, mirrored=True)
        if len(faces) != 1:
            continue
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
        turned = cv2.warpAffine(image, between_centres(matrix), (width, height))
        wanted = transform(faces, matrix)[0, 4:14]
        eyes = np.linalg.norm(wanted[2:4] - wanted[:2])
        found = teacher.detect(turned, 0.5, mirrored=True)
        if len(found) == 1:
            for row, errors in ((found, plain), (upright(teacher, turned, found), corrected)):
                apart = (row[0, 4:14] - wanted).reshape(5, 2)
                errors.append(np.linalg.norm(apart, axis=1).mean() / eyes)
    assert len(plain) >= 4
    assert np.median(corrected) < 0.1 < 0.5 * np.median(plain)


def test_without_faces_nothing_is_returned(bright_squares: Path) -> None:
    none = np.zeros((0, 15), np.float32)
    assert upright(YuNet(bright_squares), np.zeros((64, 64, 3), np.uint8), none).shape == (0, 15)
