"""The distilled student without its class layer, which the training on S has not."""

from pathlib import Path

import keras

FILE = "backbone.weights.h5"


def write(run: Path) -> None:
    """Write FILE beside the weights of a finished run of the stage student."""
    from facesieve_training.config import load
    from facesieve_training.evaluate.scorers.student import label_sizes
    from facesieve_training.student import network, stage

    if (run / FILE).exists():
        return
    config = load(run / "config.yaml", stage.Config)
    features, people = label_sizes(config.labels / "labels.parquet")
    distilled = network.build(config.student, features, people)
    distilled.load_weights(run / "student.weights.h5")
    plain = network.build(config.student, features)
    give(plain, distilled)
    temporary = run / f".{FILE}"
    plain.save_weights(temporary)
    temporary.replace(run / FILE)


def give(plain: keras.Model, distilled: keras.Model) -> None:
    """Set the weights of a student without classes; Keras numbers layers over the whole process."""
    from facesieve_training.student.network import CLASSES

    kept = [layer for layer in distilled.layers if layer.name != CLASSES]
    for layer, other in zip(plain.layers, kept, strict=True):
        layer.set_weights(other.get_weights())
