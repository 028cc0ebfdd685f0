"""The training of `distillation`: views are drawn, labelled and trained on in the device."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
from jax import Array, random

from facesieve_training import camera
from facesieve_training.faces import SIZE
from facesieve_training.fit import Optimiser, Rate
from facesieve_training.networks.pixels import scaled
from facesieve_training.on_device import DeviceLoop, recorded
from facesieve_training.run import Run
from facesieve_training.student.data import Scale
from facesieve_training.student.distillation import Distillation, Material
from facesieve_training.student.network import FEATURE, BinsLoss
from facesieve_training.student.teachers import AGREEMENT, Teachers, mean_of_views, ranked
from facesieve_training.student.views import VIEW_NUMBERS, Views, draw_batch

_ENDLESS = 2**31 - 1


class _Batch(NamedTuple):
    """N views; the views of one image are adjacent."""

    views: Array
    """N x 112 x 112 x 3, BGR 0..255."""
    others: Array
    """Mean unit embedding of the person's other images, N x D; NaN for none, or for a blend of two people."""
    table: Array
    """The table's labels, 0..1, N x labels; NaN where unknown."""
    face: Array
    """Which views show a face, N."""


class _Targets(NamedTuple):
    """What the student learns of a batch."""

    embedding: Array
    """N x D."""
    labels: Array
    """0..1, N x labels; NaN where unknown."""
    face: Array
    """Which views show a face, N."""


class Distiller:
    """Makes the batches of a distillation, and their loss."""

    def __init__(
        self, names: tuple[str, ...], teachers: Teachers, scale: Scale, material: Material,
        config: Distillation, views: Views,
    ) -> None:  # fmt: skip
        self._names, self._teachers, self._scale = names, teachers, scale
        self._config, self._views, self._loss = config, views, BinsLoss(views)
        self._material = jax.tree.map(jnp.asarray, tuple(vars(material).values()))

    def data(self, _: int) -> tuple[Any, int]:
        """The material, which is the same for all steps."""
        return self._material, _ENDLESS

    def batch(self, material: tuple[Array, ...], _: Array, key: Array) -> tuple[Array, _Targets]:
        """The student's input, and its targets by the teachers."""
        drawn = self._drawn(key, *material)
        embedding, labels = self._wanted(drawn)
        return scaled(drawn.views), _Targets(embedding, labels, drawn.face)

    def loss(self, outputs: dict[str, Array], targets: _Targets) -> dict[str, Array]:
        """The parts of the loss."""
        labelled = ~jnp.isnan(targets.labels)
        parts = {
            name: jnp.mean(self._loss(jnp.nan_to_num(targets.labels[:, k]), outputs[name]) * labelled[:, k])
            for k, name in enumerate(self._names)
        }
        apart = jnp.square(outputs[FEATURE] - targets.embedding).mean(-1)
        parts[FEATURE] = self._config.feature * jnp.mean(apart * targets.face)
        return {"loss": sum(parts.values(), jnp.float32(0)), **parts}

    def _drawn(self, key: Array, faces: Array, labels: Array, others: Array, empty: Array) -> _Batch:
        """Draw a batch: images without augmentation first, images without a face last."""
        c, keys = self._config, random.split(key, 4)
        distinct = c.batch // self._views.count
        without, plain = round(c.empty * distinct), round(c.plain * distinct)
        rows, second = random.randint(keys[0], (2, distinct - without), 0, len(faces))
        is_plain = jnp.arange(distinct - without) < plain
        images, alone = _shown(faces[rows], faces[second], is_plain, keys[1], c)
        nothing = empty[random.randint(keys[2], (without,), 0, len(empty))].astype(jnp.float32)
        numbers = random.uniform(keys[3], (c.batch, VIEW_NUMBERS))
        drawn = draw_batch(jnp.concatenate([images, nothing]), numbers, self._views)

        def each(values: Array, has_label: Array) -> Array:
            """One row per view; NaN where unknown and for images without a face."""
            rows_of_faces = jnp.where(has_label[:, None], values, jnp.nan)
            unknown = jnp.full((without, values.shape[1]), jnp.nan)
            return jnp.repeat(jnp.concatenate([rows_of_faces, unknown]), self._views.count, axis=0)

        face = jnp.arange(len(drawn)) < len(images) * self._views.count
        return _Batch(drawn, each(others[rows], alone), each(labels[rows], is_plain), face)

    def _wanted(self, batch: _Batch) -> tuple[Array, Array]:
        """Target embeddings [N,D] and labels [N,labels], 0..1; NaN where unknown.

        Both are means over the views of an image, so that a student does not learn the teacher's errors under
        mirroring.
        """
        embedding, predicted = self._teachers.predict(batch.views, jnp.nan_to_num(batch.others))
        columns = []
        for k, name in enumerate(self._names):
            if name not in predicted:
                columns.append(batch.table[:, k])
                continue
            label = ranked(predicted[name], self._scale.knots[name])[:, 0]
            columns.append(
                jnp.where(jnp.isnan(batch.others[:, 0]), jnp.nan, label) if name == AGREEMENT else label
            )
        labels = jnp.where(batch.face[:, None], jnp.stack(columns, axis=1), 0.0)
        return mean_of_views(embedding, self._views.count), mean_of_views(labels, self._views.count)


def _shown(
    faces: Array, others: Array, plain: Array, key: Array, config: Distillation
) -> tuple[Array, Array]:
    """Faces [N,S,S,3], BGR 0..255, of any margin, blended with others and degraded, [N,112,112,3], and which
    of them show one face only, [N]. Faces that are `plain` [N] are only cropped.
    """
    keys = random.split(key, 3)
    count, edge = len(faces), (faces.shape[1] - SIZE) // 2
    weight = random.uniform(keys[1], (count, 1, 1, 1), minval=0.1, maxval=0.9)
    weight = jnp.where(random.uniform(keys[0], weight.shape) < config.two, weight, 1.0)
    with jax.default_matmul_precision("highest"):
        made, drawn = recorded(faces * weight + others * (1 - weight), config.degradation, keys[2])
        views = camera.align(made, drawn, float(faces.shape[1]))
    whole = faces[:, edge : edge + SIZE, edge : edge + SIZE].astype(jnp.float32)
    return jnp.where(plain[:, None, None, None], whole, views), plain | (weight[:, 0, 0, 0] == 1)


def train(distiller: Distiller, student: keras.Model, config: Distillation, run: Run, seed: int) -> None:
    """Train a student."""
    schedule = Rate(Optimiser(config.rate, "cosine", warmup=config.warm_up), config.steps, config.steps)
    optimizer = keras.optimizers.Adam(schedule, clipnorm=5.0)
    loop = DeviceLoop(
        student, optimizer, distiller.data, distiller.batch, distiller.loss, run, config.save_every, seed,
        name="distillation",
    )  # fmt: skip
    loop.train(1, config.steps)
