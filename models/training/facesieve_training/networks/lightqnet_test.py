"""LightQNet's layers compared with OpenCV, which runs the file itself."""

from pathlib import Path

import numpy as np
import pytest

from facesieve_training.faces import FaceSet, centre, read_face
from facesieve_training.networks import lightqnet
from facesieve_training.teacher.lightqnet import open_lightqnet


def test_scores_equal_opencvs(shared_data: Path) -> None:
    file = shared_data / "models" / "lightqnet-dm100.pb"
    face_set = FaceSet(shared_data / "faces" / "lfw", 12)
    faces = [
        centre(read_face(face.path)) for person in face_set.identities for face in face_set.faces(person)
    ]
    wanted = list(map(open_lightqnet(file), faces))
    assert np.ptp(wanted) > 0.05
    np.testing.assert_allclose(lightqnet.score(lightqnet.read(file), np.stack(faces)), wanted, atol=1e-5)


@pytest.mark.parametrize("content", [b"no graph", b""])
def test_another_file_is_an_error(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "light.pb"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"it is not a TensorFlow graph|it does not have the layers"):
        lightqnet.read(file)
