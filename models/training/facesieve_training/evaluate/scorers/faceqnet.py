"""FaceQnet's recipe (Hernandez-Ortega et al. 2019): regression of the similarity to the person's best image.

1. The reference of each person is the image with the best ICAO-like measures (scorers/icao.py).
2. The label of every other image is the cosine of its and the reference's embedding, scaled to 0..1.
3. Two dense layers on the frozen teacher's values before the last layer are trained on the labels; FaceQnet,
   too, trains new layers on a recognition network.

The teacher must not be the matcher, and the training faces must not be those under evaluation.
"""

import dataclasses
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.gallery import Batch, Gallery, open_gallery
from facesieve_training.evaluate.scorers import icao
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.evaluate.scorers.teacher import in_batches, teacher_digest
from facesieve_training.label.formulas import unit_rows
from facesieve_training.quiet import without_notes
from facesieve_training.run import write_atomic
from facesieve_training.teacher.source import TeacherSource, open_teacher

Floats = NDArray[np.float32]

# Least number of labels.
_LEAST = 100


@dataclass(frozen=True)
class _Features:
    """The teacher's embedding, the values before its last layer, and the ICAO-like measures, concatenated."""

    teacher: TeacherSource
    name: str = "FaceQnet, features"

    def digest(self) -> str:
        """Text that changes whenever the features would."""
        return f"faceqnet features {teacher_digest(self.teacher)} {icao.MEASURES}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the teacher."""
        teacher = open_teacher(self.teacher, threads=1)

        def some(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
            features = teacher(faces)
            measures = np.stack([icao.measure(face) for face in faces])
            return np.hstack([features.embedding, features.cut, measures]).astype(np.float32)

        return lambda batch: in_batches(some, batch)


@dataclass(frozen=True)
class FaceQnet(Scorer):
    """A score that is trained on faces with identities."""

    teacher: TeacherSource
    faces: Path
    """Training faces by identity: a directory, or shards."""
    identities: int | None = None
    """Number of identities, the first ones; None for all."""
    epochs: int = 20
    hidden: int = 32
    seed: int = 1
    head: Path | None = None
    """Trained head (.npz), made by prepared()."""

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return (
            "FaceQnet's recipe (Hernandez-Ortega et al. 2019): likeness to the person's best image by "
            f"ICAO-like measures, regressed by two layers on the frozen {self.teacher.as_onnx().onnx.name}."
        )

    def digest(self) -> str:
        """Text that changes whenever the scores would."""
        training = open_gallery(self.faces, self.identities).digest
        return f"faceqnet {teacher_digest(self.teacher)} {training} {self.epochs} {self.hidden} {self.seed}"

    def prepared(self, cache: Cache) -> "FaceQnet":
        """Train the head, unless the cache has it."""
        path = cache.directory / f"faceqnet-{hashlib.sha256(self.digest().encode()).hexdigest()[:16]}.npz"
        if not path.exists():
            gallery = open_gallery(self.faces, self.identities)
            values = cache.every(gallery, _Features(self.teacher))
            inputs, labels = self._examples(gallery, values)
            data = io.BytesIO()
            np.savez(data, allow_pickle=False, **train(inputs, labels, self.hidden, self.epochs, self.seed))
            write_atomic(path, data.getvalue())
        return dataclasses.replace(self, head=path)

    def open(self) -> Callable[[Batch], Scores]:
        """Load the teacher and the trained head."""
        if self.head is None:
            raise ValueError("open() needs what prepared() makes")
        teacher = open_teacher(self.teacher, threads=1)
        with np.load(self.head) as file:
            weights = dict(file)
        return lambda batch: in_batches(lambda faces: predict(weights, teacher(faces).cut), batch)

    def _examples(self, gallery: Gallery, values: Floats) -> tuple[Floats, Floats]:
        measures = values[:, -len(icao.MEASURES) :].astype(np.float64)
        width = open_teacher(self.teacher, threads=1).cut_width
        embedding = values[:, : -len(icao.MEASURES) - width]
        features = values[:, -len(icao.MEASURES) - width : -len(icao.MEASURES)]
        reference = references(gallery.identity, icao.compliance(measures))
        others = np.flatnonzero(reference != np.arange(len(reference)))
        if len(others) < _LEAST:
            raise DataError(
                f"{self.faces}: has {len(others)} images beside each person's best; FaceQnet's recipe "
                f"needs at least {_LEAST} to learn from"
            )
        unit = unit_rows(embedding)
        cosine = np.einsum("ij,ij->i", unit[others], unit[reference[others]])
        return features[others], ((cosine + 1) / 2).astype(np.float32)


def references(identity: NDArray[np.int64], goodness: Scores) -> NDArray[np.int64]:
    """Row of the best image of each row's person; the first of equals."""
    best: dict[int, int] = {}
    for row, person in enumerate(identity.tolist()):
        if person not in best or goodness[row] > goodness[best[person]]:
            best[person] = row
    return np.array([best[person] for person in identity.tolist()], np.int64)


def train(inputs: Floats, labels: Floats, hidden: int, epochs: int, seed: int) -> dict[str, Floats]:
    """Train two dense layers by mean squared error (Adam, dropout 0.5 on the features), return weights."""
    with without_notes():
        import keras

    keras.utils.set_random_seed(seed)
    mean, std = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
    centre, spread = float(labels.mean()), float(labels.std()) + 1e-6
    model = keras.Sequential(
        [
            keras.Input((inputs.shape[1],)),
            keras.layers.Dropout(0.5, seed=seed),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    model.fit((inputs - mean) / std, (labels - centre) / spread, batch_size=128, epochs=epochs, verbose=0)
    first, second = model.layers[-2], model.layers[-1]
    return {
        "mean": mean,
        "std": std,
        "w1": np.asarray(first.kernel),
        "b1": np.asarray(first.bias),
        "w2": np.asarray(second.kernel) * spread,
        "b2": np.asarray(second.bias) * spread + centre,
    }


def predict(weights: dict[str, Floats], inputs: Floats) -> Scores:
    """Run the trained layers."""
    middle = np.maximum((inputs - weights["mean"]) / weights["std"] @ weights["w1"] + weights["b1"], 0)
    return (middle @ weights["w2"] + weights["b2"])[:, 0].astype(np.float64)
