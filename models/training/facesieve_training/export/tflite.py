"""Conversion of Keras networks to full-integer TFLite, and the self-test for the daemon."""

import warnings
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from facesieve_training.export import manifest
from facesieve_training.networks.int8 import Int8Network

INPUT_SCALE = 1 / 128


def convert_int8(
    function: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    height: int | None,
    width: int | None,
    images: Iterable[npt.NDArray[np.uint8]],
) -> bytes:
    """Convert a function of one image [1,H,W,3] (pixels / 128 - 1) to int8, calibrated on 8-bit images
    [H,W,3].

    The images must contain 0 and 255: only then the input's scale is 1/128 and its zero point 0, as in the
    manifest. Other values are an error.
    """
    signature = tf.TensorSpec([1, height, width, 3], tf.float32, name="image")
    concrete = tf.function(function).get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([convert_variables_to_constants_v2(concrete)])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [image[None].astype(np.float32) * INPUT_SCALE - 1] for image in images
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
            "the representative images must contain both 0 and 255"
        )
    return data


def self_test(data: bytes, width: int, height: int, images: Sequence[int] = (0, 1)) -> manifest.SelfTest:
    """The self-test of an int8 network: XNNPACK's outputs, and twice their distance from the reference
    kernels'.

    The tolerance is at least MINIMUM_STEPS quantisation steps, so that other correct kernels pass.
    """
    network, reference = Int8Network(data), Int8Network(data, reference=True)
    tolerance = [manifest.MINIMUM_STEPS * float(o["quantization"][0]) for o in network.outputs()]
    cases = []
    for number in images:
        image = manifest.self_test_image(width, height, number)
        outputs, others = network.run(image), reference.run(image)
        for k, (output, other) in enumerate(zip(outputs, others, strict=True)):
            tolerance[k] = max(tolerance[k], 2 * float(np.abs(output - other).max()))
        rounded = [[float(f"{v:.6g}") for v in output.ravel()] for output in outputs]
        cases.append(manifest.SelfTestCase(number, rounded))
    return manifest.SelfTest(width, height, cases, [float(f"{t:.6g}") for t in tolerance])
