"""The teacher: an ONNX detector with YuNet's heads, run over several scales of an image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from facesieve_training.cli import DataError
from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.warp import resized


class YuNet:
    """A face detector with outputs cls, obj, bbox and kps at strides 8, 16 and 32; input BGR 0..255, NCHW."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        """Open the ONNX file; threads is the number of CPU threads of one detection."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._names = [f"{head}_{s}" for head in ("cls", "obj", "bbox", "kps") for s in codec.STRIDES]
        missing = set(self._names) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise DataError(f"{path}: no outputs {sorted(missing)}: is not a detector with YuNet's heads")

    def maps(self, image: np.ndarray) -> list[FloatArray]:
        """The maps of a BGR image by stride, [H/s,W/s,16]: cls and obj as probabilities, bbox 4, kps 10."""
        tensor = codec.padded(image).astype(np.float32).transpose(2, 0, 1)[None]
        outputs = self._session.run(self._names, {self._session.get_inputs()[0].name: tensor})
        sizes = [(tensor.shape[2] // s, tensor.shape[3] // s) for s in codec.STRIDES]
        return [
            np.concatenate([outputs[head * 3 + k].reshape(*size, -1) for head in range(4)], axis=-1)
            for k, size in enumerate(sizes)
        ]

    def candidates(self, image: np.ndarray, threshold: float) -> FloatArray:
        """Faces of a BGR image at its own size before suppression, [N,15]."""
        maps = self.maps(image)
        scores = [np.sqrt(np.clip(m[..., 0] * m[..., 1], 0, 1)) for m in maps]
        return codec.decode(scores, [m[..., 2:6] for m in maps], [m[..., 6:] for m in maps], threshold)

    def detect(
        self,
        image: np.ndarray,
        threshold: float,
        scales: Sequence[float] = (1.0,),
        mirrored: bool = False,
        overlap: float = 0.4,
    ) -> FloatArray:
        """Faces of a BGR image, best first, [N,15], merged over its scales and mirrored views."""
        found: list[FloatArray] = []
        for scale in scales:
            scaled = resized(image, scale)
            views = [self.candidates(scaled, threshold)]
            if mirrored:
                flipped = self.candidates(np.ascontiguousarray(scaled[:, ::-1]), threshold)
                views.append(codec.mirror(flipped, scaled.shape[1]))
            for faces in views:
                faces[:, :14] /= scale
            found += views
        if len(found) == 1:
            return codec.suppress(found[0], overlap)
        merged = codec.merge(found, overlap)
        return merged[merged[:, 14] >= threshold]
