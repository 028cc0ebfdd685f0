"""Runs an exported network with the int8 interpreter; outputs are in real units."""

from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from facesieve_training.quiet import without_notes

FloatArray = npt.NDArray[np.float32]


class Int8Network:
    """An interpreter of an int8 network on one thread."""

    def __init__(self, data: bytes, reference: bool = False) -> None:
        """Open a network's bytes; with `reference`, TFLite's reference kernels run instead of XNNPACK."""
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if reference else OpResolverType.AUTO
        with without_notes():
            self._interpreter = Interpreter(
                model_content=data, num_threads=1, experimental_op_resolver_type=resolver
            )
            self._interpreter.allocate_tensors()

    @property
    def input_quantization(self) -> tuple[float, int]:
        """Scale and zero point of the input."""
        scale, zero_point = self._interpreter.get_input_details()[0]["quantization"]
        return float(scale), int(zero_point)

    def outputs(self) -> list[dict[str, Any]]:
        """The interpreter's details of its outputs, in its order."""
        return list(self._interpreter.get_output_details())

    def set_image(self, image: npt.NDArray[np.uint8]) -> None:
        """Resize the input to an 8-bit image [H,W,3] and fill it."""
        details = self._interpreter.get_input_details()[0]
        if tuple(details["shape"][1:3]) != image.shape[:2]:
            self._interpreter.resize_tensor_input(details["index"], (1, *image.shape))
            self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(details["index"], (image ^ 0x80).view(np.int8)[None])

    def invoke(self) -> None:
        """Run the network on the image that was set."""
        self._interpreter.invoke()

    def quantised(self) -> list[npt.NDArray[np.int8]]:
        """All outputs of the last image, flat and as they are stored."""
        details = self._interpreter.get_output_details()
        return [np.asarray(self._interpreter.get_tensor(some["index"]), np.int8).ravel() for some in details]

    def run(self, image: npt.NDArray[np.uint8]) -> list[FloatArray]:
        """All outputs of an 8-bit image [H,W,3], dequantised."""
        self.set_image(image)
        self.invoke()
        results = []
        for details in self._interpreter.get_output_details():
            scale, zero_point = details["quantization"]
            quantised = self._interpreter.get_tensor(details["index"]).astype(np.float32)
            results.append(np.asarray((quantised - zero_point) * scale, np.float32))
        return results
