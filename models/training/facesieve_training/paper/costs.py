"""Table 1: parameters and multiply-adds of the three methods, counted on the networks themselves."""

from dataclasses import dataclass

import keras

from facesieve_training.config import load
from facesieve_training.evaluate.scorers.faceqnet import FaceQnet
from facesieve_training.networks.resnet import macs
from facesieve_training.paper.figure import METHODS
from facesieve_training.paper.plan import CONFIGS
from facesieve_training.student import network as student_network
from facesieve_training.student import stage as student_stage
from facesieve_training.teacher import network as teacher_network
from facesieve_training.teacher import stage as teacher_stage

PAPER = {METHODS[0]: (21.8, 0.97), METHODS[1]: (44.5, 2.02), METHODS[2]: (44.5, 2.21)}
"""Millions of parameters and GFLOPs as the paper prints them."""


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds of one face."""

    parameters: int
    macs: int


def counted(teacher: teacher_stage.Config, student: student_stage.Config, masks: int) -> dict[str, Cost]:
    """Count each method with these networks.

    FaceQnet's recipe is the teacher without its last layer, and two dense layers; SER-FIQ is the teacher, and
    its last layer once more for every mask after the first.
    """
    with (
        keras.StatelessScope()
    ):  # the weights have shapes, but no values: drawing them takes most of the time
        built = teacher_network.build(teacher.network, 1).teacher
        trained = student_network.build(student.student, teacher.network.feature)
        ours = student_network.inference(trained, student.student)
    last = built.get_layer("feature")
    width, features = last.kernel.shape
    hidden = FaceQnet.hidden
    head = Cost((width + 1) * hidden + hidden + 1, width * hidden + hidden)
    whole = _cost(built)
    return {
        METHODS[0]: _cost(ours),
        METHODS[1]: Cost(
            whole.parameters - last.count_params() + head.parameters,
            whole.macs - width * features + head.macs,
        ),
        METHODS[2]: Cost(whole.parameters, whole.macs + (masks - 1) * width * features),
    }


def of_the_paper(masks: int) -> dict[str, Cost]:
    """Count the networks of configs/paper."""
    teacher = load(CONFIGS / "teacher.yaml", teacher_stage.Config)
    return counted(teacher, load(CONFIGS / "student.yaml", student_stage.Config), masks)


def _cost(model: keras.Model) -> Cost:
    return Cost(int(model.count_params()), macs(model))
