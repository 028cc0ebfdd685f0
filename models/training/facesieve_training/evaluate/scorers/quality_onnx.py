"""Other quality networks as ONNX files: CR-FIQA, MagFace, eDifFIQA and whatever scores an aligned face."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch, file_digest, settings_digest
from facesieve_training.evaluate.network import Runner, session
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import SIZE


@dataclass(frozen=True)
class QualityNetwork:
    """Input and output of a network that scores the aligned face of SIZE x SIZE pixels."""

    size: int = SIZE
    """Side of the input, pixels; the aligned face is resized to it."""
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    color: Literal["BGR", "RGB"] = "RGB"
    mean: list[float] = field(default_factory=lambda: [127.5])
    """Input: (pixel - mean) / std, pixels 0 to 255; one value or three, in the order of `color`."""
    std: list[float] = field(default_factory=lambda: [127.5])
    output: int = 0
    """Number of the output that holds the score, from 0."""
    score: Literal["value", "norm"] = "value"
    """value: the output is the score, one number a face; norm: the score is the output's Euclidean length."""
    lower_is_better: bool = False
    """The network gives the lowest numbers to the best faces; the sign is changed."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = [
            f"{name}: must have one value or three, not {len(getattr(self, name))}"
            for name in ("mean", "std")
            if len(getattr(self, name)) not in (1, 3)
        ]
        faults += [
            f"{n}: must be {least} or more"
            for n, least in (("size", 1), ("output", 0))
            if getattr(self, n) < least
        ]
        return [*faults, "std: must not be 0"] if 0 in self.std else faults

    def prepared(self, aligned: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn aligned BGR faces, number x SIZE x SIZE x 3, into the network's input."""
        images = aligned[..., ::-1] if self.color == "RGB" else aligned
        if self.size != SIZE:
            how = cv2.INTER_AREA if self.size < SIZE else cv2.INTER_LINEAR
            side = self.size, self.size
            images = np.stack([cv2.resize(np.ascontiguousarray(i), side, interpolation=how) for i in images])
        values = (images.astype(np.float32) - np.array(self.mean, np.float32)) / np.array(
            self.std, np.float32
        )
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "NCHW" else values)

    def read(self, outputs: NDArray[np.float32]) -> Scores:
        """Turn the output, number x length, into one score a face, higher is better."""
        if self.score == "value" and outputs.shape[1] != 1:
            raise ValueError(f"output {self.output} has {outputs.shape[1]} values a face, not one")
        scores = np.linalg.norm(outputs, axis=1) if self.score == "norm" else outputs[:, 0]
        return np.asarray(-scores if self.lower_is_better else scores, np.float64)


@dataclass(frozen=True)
class QualityOnnx(Scorer):
    """A score of an ONNX network."""

    file: Path
    network: QualityNetwork

    @property
    def about(self) -> str:
        """One sentence for the report."""
        what = "length of" if self.network.score == "norm" else "value of"
        return f"{self.file.name}: {what} its output {self.network.output} on the aligned face."

    def digest(self) -> str:
        """Text that changes whenever the scores would."""
        return f"onnx {file_digest(self.file)} {settings_digest(self.network)}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        opened = session(self.file)
        outputs = opened.get_outputs()
        if self.network.output >= len(outputs):
            names = ", ".join(f"{i} {output.name}" for i, output in enumerate(outputs))
            raise DataError(f"{self.file}: has no output {self.network.output}; it has {names}")
        run = Runner(opened, self.network.output)

        def score(batch: Batch) -> Scores:
            try:
                return self.network.read(run(self.network.prepared(batch.aligned)))
            except Exception as error:  # onnxruntime's faults have no common base
                raise DataError(
                    f"{self.file}: cannot score a face: {error}; check size, layout, output and score"
                ) from error

        return score
