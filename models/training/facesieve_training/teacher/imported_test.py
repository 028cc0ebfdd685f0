import dataclasses
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from facesieve_training.cli import DataError
from facesieve_training.teacher.imported import OnnxTeacher, Teacher


def test_the_cut_and_rewritten_network_is_the_one_in_the_file(teacher_config: OnnxTeacher) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    teacher = Teacher(teacher_config)
    result = teacher(images)
    plain = onnxruntime.InferenceSession(str(teacher_config.onnx), providers=["CPUExecutionProvider"])
    rgb = images[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    (wanted,) = plain.run(None, {"data": (rgb - 127.5) / 128})
    np.testing.assert_allclose(result.embedding, wanted, atol=1e-4)
    np.testing.assert_allclose(teacher.embed_cut(result.cut), wanted, atol=1e-4)
    assert result.cut.shape == (3, 16)
    assert result.low.shape == (3, 6 * 28 * 28)
    assert teacher.cut_width == 16


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cut": "pool"}, "teacher.cut: has no value named pool; did you mean pooled?"),
        ({"cut": "xyz"}, "teacher.cut: has no value named xyz; its last layer takes flat"),
        ({"low": "xyz"}, "teacher.low: has no value named xyz; see its nodes' outputs"),
        (
            {"cut": "embedding"},
            "teacher.cut: no layer follows embedding; dropout must go before the last one",
        ),
    ],
)
def test_invalid_values_are_named(change: dict[str, Any], fault: str, teacher_config: OnnxTeacher) -> None:
    with pytest.raises(DataError) as result:
        Teacher(dataclasses.replace(teacher_config, **change))
    assert str(result.value) == f"{teacher_config.onnx}: {fault}"


def test_a_cut_that_part_of_the_embedding_passes_by_is_refused(teacher_config: OnnxTeacher) -> None:
    model = onnx.load(teacher_config.onnx)
    model.graph.node[-1].output[0] = "result"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMean", ["data"], ["grey"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Unsqueeze", ["grey", "one"], ["column"]),
            helper.make_node("Add", ["result", "column"], ["embedding"]),
        ]
    )
    onnx.save(model, str(teacher_config.onnx))
    with pytest.raises(DataError, match=r"embedding comes not from pooled alone, but data too; give a value"):
        Teacher(teacher_config)


@pytest.mark.parametrize(
    ("shape", "result"), [([None, 3, 96, 96], "Nx3x96x96"), ([1, 112, 112, 3], "1x112x112x3")]
)
def test_a_network_for_other_images_is_refused(
    shape: list[int | None], result: str, teacher_config: OnnxTeacher
) -> None:
    model = onnx.load(teacher_config.onnx)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, shape))
    onnx.save(model, str(teacher_config.onnx))
    with pytest.raises(DataError, match=f"its input data is {result}; a teacher takes Nx3x112x112"):
        Teacher(teacher_config)


def test_a_file_without_a_network_is_named(teacher_config: OnnxTeacher) -> None:
    teacher_config.onnx.write_bytes(b"not a network")
    with pytest.raises(DataError, match=r"teacher.onnx: is not an ONNX network"):
        Teacher(teacher_config)


def test_a_network_with_a_batch_size_of_one_takes_many_images(teacher_config: OnnxTeacher) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    wanted = Teacher(teacher_config)(images)
    model = onnx.load(teacher_config.onnx)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(teacher_config.onnx))
    teacher = Teacher(teacher_config)
    result = teacher(images)
    np.testing.assert_allclose(result.embedding, wanted.embedding, atol=1e-5)
    np.testing.assert_allclose(teacher.embed_cut(result.cut), wanted.embedding, atol=1e-4)
