"""The student: a backbone with a feature head for distillation and an output of bins for each label."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from facesieve_training.label.table import COMPONENTS
from facesieve_training.networks import mirror
from facesieve_training.networks.mobileface import MobileFaceConfig, mobileface
from facesieve_training.networks.resnet import NetworkConfig, resnet
from facesieve_training.networks.square import Square
from facesieve_training.student.views import Views

FEATURE, CLASSES = "feature", "classes"
_HIDDEN, _LENGTH = "hidden", "length"


@dataclass(frozen=True)
class StudentConfig:
    """The student's architecture."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    labels: tuple[str, ...] = COMPONENTS
    """Columns of the label table, one output each."""
    bins: int = 16
    """Bins of each label's output; the label is their centres' expectation."""
    hidden: int = 64
    """Width of the layer between backbone and the labels' outputs."""
    length: int = 0
    """Units that pass the feature's length, a quality measure, to the labels' outputs; 0 for none."""
    mobileface: MobileFaceConfig | None = None
    """A MobileFaceNet instead of the residual network."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.labels else ["labels: must name at least one"]
        found += [f"length: {self.length} is below 0"] if self.length < 0 else []
        if self.mobileface and self.network.mirror:
            found.append("network.mirror: a MobileFaceNet cannot be mirrored; leave network out")
        if self.length and self.network.mirror:
            found.append("length: a mirrored network cannot read it; leave one of the two out")
        found += [] if len(set(self.labels)) == len(self.labels) else ["labels: one is named twice"]
        return found if self.bins >= 2 else [*found, f"bins: {self.bins} is below 2"]


def centres(bins: int) -> NDArray[np.float32]:
    """Values of the bins, 0..1 inclusive, so that the extremes can be expressed."""
    return np.linspace(0, 1, bins, dtype=np.float32)


def build(config: StudentConfig, features: int, classes: int = 0, dtype: str = "float32") -> keras.Model:
    """Build the student: outputs FEATURE (N x features), each label (N x bins logits), CLASSES if any."""
    backbone = mobileface(config.mobileface, dtype) if config.mobileface else resnet(config.network, dtype)
    pooled = backbone.output
    read, trunk = layers.Dense, pooled
    if config.network.mirror:
        read = mirror.MirrorReadout
        trunk = mirror.MirrorDense(2 * features, name="recognised", dtype=dtype)(pooled)
        hidden = mirror.MirrorDense(config.hidden, name=_HIDDEN, dtype=dtype)(pooled)
    else:
        hidden = layers.Dense(config.hidden, activation="relu", name=_HIDDEN, dtype=dtype)(pooled)
    feature = read(features, name=FEATURE, dtype="float32")(trunk)
    if config.length:
        # No gradient from the labels to the feature: it generalises better than they do.
        squares = Square(dtype=dtype)(feature)
        length = layers.Dense(config.length, activation="relu", name=_LENGTH, dtype=dtype)(squares)
        hidden = layers.Concatenate(dtype=dtype)([hidden, length])
    outputs = {name: read(config.bins, name=name, dtype="float32")(hidden) for name in config.labels}
    outputs[FEATURE] = feature
    if classes:
        outputs[CLASSES] = read(classes, name=CLASSES, dtype="float32")(trunk)
    return keras.Model(backbone.input, outputs, name=f"student_{backbone.name}")


def spread_length(student: keras.Model, embeddings: NDArray[np.float32]) -> None:
    """Initialise the length's units, if any, evenly over the lengths of N x features embeddings.

    Each unit is 0 up to its own mean square and rises with it above.
    """
    layer = next((layer for layer in student.layers if layer.name == _LENGTH), None)
    if layer is None:
        return
    features, units = layer.kernel.shape
    top = np.quantile(np.mean(np.square(embeddings), axis=1), 0.95)
    kernel = np.full((features, units), 2 / (features * top), np.float32)
    layer.set_weights([kernel, np.linspace(0, -2, units, endpoint=False, dtype=np.float32)])


def head_inputs(student: keras.Model) -> list[Any]:
    """Inputs of the labels' layers: the backbone's values and, with `length`, the feature."""
    names = [layer.name for layer in student.layers]
    read = [student.get_layer(_HIDDEN).input]
    return [*read, student.get_layer(FEATURE).output] if _LENGTH in names else read


def heads(student: keras.Model, config: StudentConfig) -> keras.Model:
    """Return the labels' layers only: from their inputs to each label's logits, by name."""
    return keras.Model(head_inputs(student), {name: student.output[name] for name in config.labels})


def inference(student: keras.Model, config: StudentConfig) -> keras.Model:
    """Return the shipped part: image to the labels' logits, in the order of the configuration."""
    return keras.Model(student.input, [student.output[name] for name in config.labels], name=student.name)


def expectation(logits: Any) -> Any:
    """Expected bin value of N x bins logits under their softmax."""
    return ops.sum(ops.softmax(logits) * centres(logits.shape[-1]), axis=-1)


class BinsLoss:
    """Cross entropy to the two bins beside the truth (N x 1, 0..1) and squared error of the expectation.

    A consistency term draws the prediction for one view towards the mean over all views of the image.
    """

    def __init__(self, views: Views) -> None:
        """Take the views' settings; the views of an image are adjacent in a batch."""
        self._views = views

    def __call__(self, truth: Any, logits: Any) -> Any:
        """Return the loss of each row."""
        count = logits.shape[-1]
        position = ops.reshape(truth, (-1, 1)) * (count - 1)
        soft = ops.maximum(1 - ops.abs(position - ops.arange(count, dtype="float32")), 0)
        entropy = ops.categorical_crossentropy(soft, logits, from_logits=True)
        predicted = expectation(logits)
        loss = entropy + 10 * ops.square(predicted - ops.reshape(truth, (-1,)))
        views = ops.reshape(predicted, (-1, self._views.count))
        apart = views - ops.mean(views, axis=1, keepdims=True)
        return loss + self._views.consistency * ops.square(ops.reshape(apart, (-1,)))


class ClassLoss:
    """The two cross entropies of eq. 6: to the teacher's classes and to the true one.

    A row of the truth is: the teacher's embedding, number of the person, weight of the teacher's term, weight
    of the true one's.
    """

    def __init__(self, kernel: NDArray[np.float32], bias: NDArray[np.float32], unit: bool) -> None:
        """Take the teacher's classifier: kernel D x classes, bias, and whether embeddings get length 1."""
        self._kernel, self._bias, self._unit = kernel, bias, unit

    def __call__(self, truth: Any, logits: Any) -> Any:
        """Return the weighted sum for each row."""
        embedding = truth[:, :-3]
        embedding = ops.normalize(embedding, axis=-1) if self._unit else embedding
        teacher = ops.softmax(ops.matmul(embedding, self._kernel) + self._bias)
        of_teacher = ops.categorical_crossentropy(teacher, logits, from_logits=True)
        person = ops.cast(truth[:, -3], "int32")
        of_truth = ops.sparse_categorical_crossentropy(person, logits, from_logits=True)
        return truth[:, -2] * of_teacher + truth[:, -1] * of_truth
