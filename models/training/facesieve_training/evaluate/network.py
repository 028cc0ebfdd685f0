"""The matcher: any recognition network as an ONNX file whose first output is the embedding."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch, settings_digest

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """A recognition network's input, the aligned 112x112 face: (pixel - mean) / std, in its colour order."""

    file: Path
    name: str | None = None
    """Name in the tables of several matchers; null for the file's name."""
    color: Literal["RGB", "BGR"] = "RGB"
    mean: list[float] | None = None
    """Mean of each channel in that order, pixels 0 to 255; one value or three. None: the network
    normalises.
    """
    std: list[float] | None = None

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = []
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values is not None and len(values) not in (1, 3):
                faults.append(f"{name}: must have one value or three, not {len(values)}")
        if self.std is not None and 0 in self.std:
            faults.append("std: must not be 0")
        return faults

    @property
    def title(self) -> str:
        """Name in tables."""
        return self.name or self.file.stem

    def prepared(self, aligned: NDArray[np.uint8]) -> Embeddings:
        """Turn aligned BGR faces into the network's input, number x 3 x 112 x 112."""
        images = aligned[..., ::-1] if self.color == "RGB" else aligned
        values = images.astype(np.float32)
        if self.mean is not None:
            values -= np.array(self.mean, np.float32)
        if self.std is not None:
            values /= np.array(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def session(model: Path) -> Any:
    """Open an ONNX network on one CPU thread; workers run in parallel."""
    import onnxruntime

    if not model.is_file():
        raise DataError(f"{model}: no such file; give an ONNX network")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base for its faults
        raise DataError(f"{model}: is not an ONNX network: {error}") from error


class Runner:
    """Runs a session on any number of rows, in batches of its fixed size, if any."""

    def __init__(self, opened: Any, output: int = 0) -> None:
        """Take a session and the number of the output to return."""
        self._session = opened
        self._input = opened.get_inputs()[0]
        self._outputs = [opened.get_outputs()[output].name]
        self._fixed = isinstance(self._input.shape[0], int)
        self._step = self._input.shape[0] if self._fixed else 64

    def __call__(self, values: Embeddings) -> Embeddings:
        """Run on these rows; the result is number x length."""
        parts = []
        for i in range(0, len(values), self._step):
            some = values[i : i + self._step]
            short = self._step - len(some) if self._fixed else 0
            padded = np.concatenate([some, np.zeros((short, *some.shape[1:]), some.dtype)]) if short else some
            result = self._session.run(self._outputs, {self._input.name: padded})[0]
            parts.append(result.reshape(len(padded), -1)[: len(some)])
        return np.concatenate(parts)


@dataclass(frozen=True)
class Embedder:
    """Measures the embedding of every face: a `cached.Measure`."""

    network: Network
    name: str

    def digest(self) -> str:
        """Text that changes whenever the embeddings would."""
        return settings_digest(self.network)

    def open(self) -> Callable[[Batch], Embeddings]:
        """Load the network."""
        run = Runner(session(self.network.file))
        return lambda batch: run(self.network.prepared(batch.aligned))
