"""Keras to full-integer TFLite, and the int8 interpreter's answers in real units."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from facesieve_training.export import manifest
from facesieve_training.networks.cells import COLOURS, PIXELS, as_cells

FloatArray = npt.NDArray[np.float32]
INPUT_SCALE = 1 / 128


def convert_int8(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    height: int | None,
    width: int | None,
    pictures: Iterable[npt.NDArray[np.uint8]],
    cell: int = PIXELS,
) -> bytes:
    """Convert a function of one picture in cells [1,H,W/cell,3 cell] (pixels / 128 - 1) to int8, calibrated
    on 8-bit pictures [H,W,3].

    The pictures must contain 0 and 255 somewhere: only then is the input's scale 1/128 and its zero point 0,
    which the manifest promises; anything else is an error.
    """
    shape = [1, height, width and width // cell, COLOURS * cell]
    signature = tf.TensorSpec(shape, tf.float32, name="cells")
    concrete = tf.function(function).get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [as_cells(picture[None], cell).astype(np.float32) * INPUT_SCALE - 1] for picture in pictures
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
        data = bytes(converter.convert())
    scale, zero_point = Int8Network(data).input_quantization
    if zero_point != 0 or scale != INPUT_SCALE:
        raise ValueError(
            f"the input has scale {scale} and zero point {zero_point} instead of 1/128 and 0: "
            "the representative pictures must contain both 0 and 255"
        )
    return data


class Int8Network:
    """An interpreter of an int8 network on one thread."""

    def __init__(self, data: bytes, reference: bool = False) -> None:
        """Open a network's bytes; with reference TFLite's own kernels run instead of XNNPACK."""
        resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if reference else OpResolverType.AUTO
        self._interpreter = Interpreter(
            model_content=data, num_threads=1, experimental_op_resolver_type=resolver
        )
        self._interpreter.allocate_tensors()

    @property
    def input_quantization(self) -> tuple[float, int]:
        """Scale and zero point of the input."""
        scale, zero_point = self._interpreter.get_input_details()[0]["quantization"]
        return float(scale), int(zero_point)

    @property
    def cell(self) -> int:
        """Neighbouring pixels in a cell of the input."""
        return int(self._interpreter.get_input_details()[0]["shape"][3]) // COLOURS

    def outputs(self) -> list[dict[str, Any]]:
        """The interpreter's details of its outputs, in its order."""
        return list(self._interpreter.get_output_details())

    def set_picture(self, picture: npt.NDArray[np.uint8]) -> None:
        """Resize the input to an 8-bit picture [H,W,3] and fill it."""
        details = self._interpreter.get_input_details()[0]
        cells = as_cells(picture[None], self.cell)
        if tuple(details["shape"]) != cells.shape:
            self._interpreter.resize_tensor_input(details["index"], cells.shape)
            self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(details["index"], (cells ^ 0x80).view(np.int8))

    def invoke(self) -> None:
        """Run the network on the picture that was set."""
        self._interpreter.invoke()

    def run(self, picture: npt.NDArray[np.uint8]) -> list[FloatArray]:
        """All outputs of an 8-bit picture [H,W,3], dequantised."""
        self.set_picture(picture)
        self.invoke()
        results = []
        for details in self._interpreter.get_output_details():
            scale, zero_point = details["quantization"]
            quantised = self._interpreter.get_tensor(details["index"]).astype(np.float32)
            results.append(np.asarray((quantised - zero_point) * scale, np.float32))
        return results


def self_test(data: bytes, width: int, height: int, pictures: Sequence[int] = (0, 1)) -> manifest.SelfTest:
    """The self-test of an int8 network: XNNPACK's answers, and twice their distance to TFLite's own kernels'.

    The tolerance is at least MINIMUM_STEPS quantisation steps, so that other correct kernels pass.
    """
    network, reference = Int8Network(data), Int8Network(data, reference=True)
    tolerance = [manifest.MINIMUM_STEPS * float(o["quantization"][0]) for o in network.outputs()]
    cases = []
    for number in pictures:
        picture = manifest.self_test_picture(width, height, number)
        answers, others = network.run(picture), reference.run(picture)
        for k, (answer, other) in enumerate(zip(answers, others, strict=True)):
            tolerance[k] = max(tolerance[k], 2 * float(np.abs(answer - other).max()))
        rounded = [[float(f"{v:.6g}") for v in answer.ravel()] for answer in answers]
        cases.append(manifest.SelfTestCase(number, rounded))
    return manifest.SelfTest(width, height, cases, [float(f"{t:.6g}") for t in tolerance])
