import numpy as np
import onnxruntime

from facesieve_training.teacher.imported import OnnxTeacher, Teacher


def test_the_cut_and_rewritten_network_is_the_one_in_the_file(teacher_config: OnnxTeacher) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    teacher = Teacher(teacher_config)
    told = teacher(pictures)
    plain = onnxruntime.InferenceSession(str(teacher_config.onnx), providers=["CPUExecutionProvider"])
    rgb = pictures[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    (wanted,) = plain.run(None, {"data": (rgb - 127.5) / 128})
    np.testing.assert_allclose(told.embedding, wanted, atol=1e-4)
    np.testing.assert_allclose(teacher.embed_cut(told.cut), wanted, atol=1e-4)
    assert told.cut.shape == (3, 16)
    assert told.low.shape == (3, 6 * 28 * 28)
    assert teacher.cut_width == 16
