"""The training of `distillation`: views are drawn, labelled and trained on in the device."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array, random
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.fit import State
from facesieve_training.networks.pixels import scaled
from facesieve_training.on_device import OnDevice, Values
from facesieve_training.run import Run
from facesieve_training.student.data import Scale
from facesieve_training.student.distillation import Distillation, Material
from facesieve_training.student.network import FEATURE, BinsLoss
from facesieve_training.student.teachers import AGREEMENT, Teachers, mean_of_views, ranked
from facesieve_training.student.views import Views
from facesieve_training.student.views_jax import blends, draw

_SEGMENT = 100
"""Steps of one call of the device."""


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


class Distiller:
    """Trains a student, some hundred steps at a time."""

    def __init__(
        self, student: keras.Model, names: tuple[str, ...], teachers: Teachers, scale: Scale,
        material: Material, config: Distillation, views: Views, seed: int,
    ) -> None:  # fmt: skip
        self._student, self._names, self._teachers, self._scale = student, names, teachers, scale
        self._config, self._views = config, views
        self._loss = BinsLoss(views)
        schedule = keras.optimizers.schedules.CosineDecay(
            config.rate / 100, config.steps - config.warm_up, 0.005, warmup_target=config.rate,
            warmup_steps=config.warm_up,
        )  # fmt: skip
        self._optimizer = keras.optimizers.Adam(schedule, clipnorm=5.0)
        self._optimizer.build(student.trainable_variables)
        self._material = jax.tree.map(jnp.asarray, tuple(vars(material).values()))
        self._key = random.key(seed, impl="rbg")
        self._scanned = jax.jit(self._scan, donate_argnums=0, static_argnums=3)
        self.on_device = OnDevice(
            student.trainable_variables, student.non_trainable_variables, self._optimizer.variables
        )

    def train(self, first: int, count: int) -> dict[str, float]:
        """Train `count` steps, beginning with step `first`; returns the mean parts of the loss."""
        self.on_device.values, parts = self._scanned(
            self.on_device.values, self._material, jnp.int32(first), count
        )
        return {name: float(value) for name, value in parts.items()}

    def _scan(
        self, values: Values, material: tuple[Array, ...], first: Array, count: int
    ) -> tuple[Values, dict[str, Array]]:
        def step(values: Values, number: Array) -> tuple[Values, dict[str, Array]]:
            return self._step(values, self._batch(random.fold_in(self._key, number), *material))

        values, parts = jax.lax.scan(step, values, first + jnp.arange(count))
        return values, {name: losses.mean() for name, losses in parts.items()}

    def _batch(self, key: Array, faces: Array, labels: Array, others: Array, empty: Array) -> _Batch:
        """Draw a batch: images without augmentation first, images without a face last."""
        c, keys = self._config, random.split(key, 4)
        distinct = c.batch // self._views.count
        without, plain = round(c.empty * distinct), round(c.plain * distinct)
        rows, second = random.randint(keys[0], (2, distinct - without), 0, len(faces))
        is_plain = jnp.arange(distinct - without) < plain
        images, alone = blends(faces[rows], faces[second], is_plain, keys[1], c.change, c.clean)
        nothing = empty[random.randint(keys[2], (without,), 0, len(empty))].astype(jnp.float32)
        drawn = draw(jnp.concatenate([images, nothing]), keys[3], self._views)

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

    def _step(self, values: Values, batch: _Batch) -> tuple[Values, dict[str, Array]]:
        """Train one step."""
        trainable, fixed, optimizer = values
        embedding, labels = self._wanted(batch)
        labelled = ~jnp.isnan(labels)

        def loss(trainable: list[Array]) -> tuple[Array, tuple[dict[str, Array], list[Array]]]:
            outputs, moved = self._student.stateless_call(
                trainable, fixed, scaled(batch.views), training=True
            )
            parts = {
                name: jnp.mean(self._loss(jnp.nan_to_num(labels[:, k]), outputs[name]) * labelled[:, k])
                for k, name in enumerate(self._names)
            }
            parts[FEATURE] = jnp.mean(jnp.square(outputs[FEATURE] - embedding).mean(-1) * batch.face)
            whole = sum(parts[name] for name in self._names) + self._config.feature * parts[FEATURE]
            return whole, (parts, moved)

        gradients, (parts, fixed) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = self._optimizer.stateless_apply(optimizer, gradients, trainable)
        return (trainable, fixed, optimizer), parts


def train(distiller: Distiller, config: Distillation, run: Run) -> None:
    """Train to the end, resuming from the run's checkpoint; the student then has the trained weights."""
    directory = run.dir / "distilled"
    directory.mkdir(exist_ok=True)
    on_device = distiller.on_device
    state = State(on_device.variables(), directory)
    step = max(state.kept(), default=0) if run.resumed else 0
    if step:
        state.load(step)
        on_device.restore()
    with tqdm(total=config.steps, initial=step, desc="distil", unit="step", disable=None) as bar:
        while step < config.steps:
            count = min(_SEGMENT, config.save_every - step % config.save_every, config.steps - step)
            losses = distiller.train(step, count)
            if not np.isfinite(list(losses.values())).all():
                raise DataError(
                    f"distillation.rate: the loss is not finite after step {step}; lower the rate"
                )
            step += count
            bar.update(count)
            bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()})
            if step % config.save_every == 0 or step == config.steps:
                on_device.store()
                state.save(step)
