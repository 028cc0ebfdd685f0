"""A teacher that the stage `teacher` trained, run by Keras, on a GPU if there is one."""

from pathlib import Path

import keras
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image
from facesieve_training.teacher.features import Features, Floats
from facesieve_training.teacher.network import CUT, EMBEDDING, LOW

FILE = "teacher.keras"


class Teacher:
    """The trained network, ready to run."""

    def __init__(self, directory: Path) -> None:
        """Load it from the directory of its finished run."""
        file = directory / FILE
        if not file.is_file():
            raise DataError(f"{file}: is missing; give the directory of a finished run of the stage teacher")
        try:
            self._model = keras.saving.load_model(file, compile=False)
        except Exception as error:  # Keras raises arbitrary exceptions
            raise DataError(f"{file}: cannot be loaded: {error}; train the teacher again") from error
        last = self._model.get_layer("feature")
        self._kernel, self._bias = [keras.ops.convert_to_numpy(w) for w in last.weights]
        self.cut_width = int(self._kernel.shape[0])
        """Number of values at the cut: the width of a dropout mask."""
        self._batch = 1

    def __call__(self, images: Image) -> Features:
        """Embed N x 112 x 112 x 3 aligned faces, BGR uint8."""
        # Smaller batches are padded to the largest one so far: each size needs a compilation.
        self._batch = max(self._batch, len(images))
        batch = np.zeros((self._batch, *images.shape[1:]), np.uint8)
        batch[: len(images)] = images
        outputs = self._model.predict_on_batch(batch)
        embedding, cut, low = [
            np.asarray(outputs[name], np.float32)[: len(images)].reshape(len(images), -1)
            for name in (EMBEDDING, CUT, LOW)
        ]
        return Features(embedding, cut, low)

    def embed_cut(self, cut: Floats) -> Floats:
        """Run the last layer alone on N x K values of the cut."""
        return np.asarray(cut @ self._kernel + self._bias, np.float32)
