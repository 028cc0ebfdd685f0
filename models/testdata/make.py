"""Writes the tiny networks of the Go tests, with random weights: python make.py (needs tensorflow)."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent


def picture(width: int, height: int, k: int) -> np.ndarray:
    x, y, c = np.arange(width)[None, :, None], np.arange(height)[:, None, None], np.arange(3)[None, None, :]
    return ((x * (k + 1) * 2 + y * (k + 2) + c * 31 + 97 * (((x >> 3) + (y >> 3)) & 1)) & 255).astype(np.uint8)


def convert(model: tf.keras.Model, size: int) -> bytes:
    rng = np.random.default_rng(1)

    def representative() -> Any:
        yield [np.full((1, size, size, 3), -1, np.float32)]
        yield [np.full((1, size, size, 3), 127 / 128, np.float32)]
        for _ in range(8):
            yield [((rng.integers(0, 256, (1, size, size, 3)) - 128.0) / 128).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def write(name: str, task: str, data: bytes, size: int, free: bool, extra: dict[str, Any]) -> None:
    (HERE / f"{name}.tflite").write_bytes(data)
    plain = tf.lite.experimental.OpResolverType.BUILTIN_REF
    runner = tf.lite.Interpreter(model_content=data, experimental_op_resolver_type=plain)
    entry = runner.get_input_details()[0]
    runner.resize_tensor_input(entry["index"], (1, size, size, 3))
    runner.allocate_tensors()
    details = runner.get_output_details()
    scale, zero = entry["quantization"]
    outputs = [
        {
            "name": d["name"],
            "shape": [1, -1, -1, int(d["shape"][3])] if free else [int(v) for v in d["shape"]],
            "type": "int8",
            "scale": float(d["quantization"][0]),
            "zero_point": int(d["quantization"][1]),
        }
        for d in details
    ]
    cases = []
    for k in range(2):
        runner.set_tensor(entry["index"], (picture(size, size, k)[None].astype(np.int16) - 128).astype(np.int8))
        runner.invoke()
        values = [
            (runner.get_tensor(d["index"]).astype(np.float64) - o["zero_point"]) * o["scale"]
            for d, o in zip(details, outputs, strict=True)
        ]
        cases.append({"picture": k, "outputs": [[round(float(v), 6) for v in a.ravel()] for a in values]})
    if task == "detector":
        found: dict[int, list[int]] = {1: [], 4: [], 10: []}
        for i in sorted(range(len(details)), key=lambda i: -int(details[i]["shape"][1])):
            found[outputs[i]["shape"][3]].append(i)
        extra = {"detector": {"score": 0.75, "low_score": 0.4, "strides": [8, 16, 32]}}
        extra["detector"] |= {"cls": found[1][::2], "obj": found[1][1::2]}
        extra["detector"] |= {"bbox": found[4], "kps": found[10]}
    manifest = {
        "schema": 1,
        "name": f"test-{name}",
        "version": "1",
        "task": task,
        "file": f"{name}.tflite",
        "sha256": hashlib.sha256(data).hexdigest(),
        "description": "random weights, for tests",
        "license": "Apache-2.0",
        "trained_on": "nothing",
        "training": {"run": "", "commit": "", "data_hash": "", "seed": 1, "command": "python make.py"},
        "input": {
            "width": 0 if free else size,
            "height": 0 if free else size,
            "multiple": 32 if free else 0,
            "channels": 3,
            "color": "BGR",
            "mean": 128,
            "std": 128,
            "type": "int8",
            "scale": float(scale),
            "zero_point": int(zero),
        },
        "outputs": outputs,
        **extra,
        "self_test": {
            "width": size,
            "height": size,
            "cases": cases,
            "tolerance": [3 * o["scale"] for o in outputs],
        },
        "measured": {"note": "nothing was measured"},
    }
    (HERE / f"{name}.json").write_text(json.dumps(manifest) + "\n")


def quality() -> None:
    entry = tf.keras.Input((16, 16, 3), batch_size=1)
    x = tf.keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(entry)
    x = tf.keras.layers.Flatten()(tf.keras.layers.AveragePooling2D(8)(x))
    model = tf.keras.Model(entry, [tf.keras.layers.Dense(4, name=n)(x) for n in ("visual", "total")])
    bins = [0.125, 0.375, 0.625, 0.875]
    labels = [{"name": n, "output": i, "bins": bins, "weight": 0.5} for i, n in enumerate(("visual", "total"))]
    calibration = {"raw": [0.0, 0.5, 1.0], "score": [0.0, 40.0, 100.0]}
    head = {"labels": labels, "calibration": calibration}
    write("quality", "quality", convert(model, 16), 16, False, {"quality": head})


def detector() -> None:
    entry = tf.keras.Input((None, None, 3))
    # XNNPACK 2.20 outputs zeros for int8 if a stride is larger than the kernel.
    x, maps = entry, []
    for _ in range(3):
        x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    for s in (8, 16, 32):
        heads = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
        maps += [tf.keras.layers.Conv2D(c, 1, name=f"{n}_{s}")(x) for n, c in heads.items()]
        x = tf.keras.layers.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    write("detector", "detector", convert(tf.keras.Model(entry, maps), 64), 64, True, {})


if __name__ == "__main__":
    tf.keras.utils.set_random_seed(1)
    quality()
    detector()
