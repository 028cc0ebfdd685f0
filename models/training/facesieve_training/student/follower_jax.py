"""The training of `follow`: views are drawn, told by the teacher and learnt on the device."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array, random
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.faces import SIZE
from facesieve_training.fit import State
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.networks.pixels import scaled
from facesieve_training.run import Run
from facesieve_training.student.follow import Follow, Material
from facesieve_training.student.matching import NORM, TOLD, NormLoss, feature_loss, taught_outputs
from facesieve_training.student.network import FEATURE, BinsLoss
from facesieve_training.student.views import Views
from facesieve_training.student.views_jax import blends, draw

_SEGMENT = 100
"""Steps that the device takes by itself."""
Values = tuple[list[Array], list[Array], list[Array]]
"""Of the weights, of what is not trained, and of the optimiser."""


class Follower:
    """A student that learns, some hundred steps at a time."""

    def __init__(
        self, student: keras.Model, names: tuple[str, ...], teacher: list[Layer], knots: list[float],
        material: Material, config: Follow, views: Views, seed: int,
    ) -> None:  # fmt: skip
        self._config, self._views, self._names = config, views, names
        seen = keras.Input((SIZE, SIZE, 3), name="seen")
        self._model = keras.Model(seen, taught_outputs(student(seen), seen, teacher, knots, views.count))
        bins = BinsLoss(views)
        self._losses: dict[str, Any] = dict.fromkeys(names, bins) | {NORM: NormLoss(bins)}
        schedule = keras.optimizers.schedules.CosineDecay(
            config.rate / 100, config.steps - config.warm_up, 0.005, warmup_target=config.rate,
            warmup_steps=config.warm_up,
        )  # fmt: skip
        self._optimizer = keras.optimizers.Adam(schedule, clipnorm=5.0)
        self._optimizer.build(self._model.trainable_variables)
        self._held = tuple(map(jnp.asarray, (material.faces, np.nan_to_num(material.labels, nan=-1.0))))
        self._empty = jnp.asarray(material.empty)
        self._key = random.key(seed, impl="rbg")
        self._scanned = jax.jit(self._scan, donate_argnums=0, static_argnums=5)
        self.restore()

    def variables(self) -> list[Any]:
        """All that a resumed training needs."""
        m = self._model
        return [*m.trainable_variables, *m.non_trainable_variables, *self._optimizer.variables]

    def restore(self) -> None:
        """Bring the training to where the variables are."""
        m = self._model
        groups = (m.trainable_variables, m.non_trainable_variables, self._optimizer.variables)
        self._values: Values = tuple([jnp.array(v.value) for v in group] for group in groups)  # type: ignore[assignment]

    def store(self) -> None:
        """Bring the variables to where the training is."""
        values = (value for group in self._values for value in group)
        for variable, value in zip(self.variables(), values, strict=True):
            variable.assign(value)

    def learn(self, first: int, count: int) -> dict[str, float]:
        """Learn `count` steps from one on; returns the mean parts of the loss."""
        self._values, parts = self._scanned(self._values, *self._held, self._empty, jnp.int32(first), count)
        return {name: float(value) for name, value in parts.items()}

    def _scan(
        self, values: Values, faces: Array, labels: Array, empty: Array, first: Array, count: int
    ) -> tuple[Values, dict[str, Array]]:
        def step(values: Values, number: Array) -> tuple[Values, dict[str, Array]]:
            key = random.fold_in(self._key, number)
            return self._learnt(values, *self._batch(key, faces, labels, empty))

        values, parts = jax.lax.scan(step, values, first + jnp.arange(count))
        return values, {name: losses.mean() for name, losses in parts.items()}

    def _batch(
        self, key: Array, faces: Array, labels: Array, empty: Array
    ) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        """Views of pictures, the plain ones first and those without a face last; targets and weights."""
        c, keys = self._config, random.split(key, 4)
        distinct = c.batch // self._views.count
        without, plain = round(c.empty * distinct), round(c.plain * distinct)
        rows, others = random.randint(keys[0], (2, distinct - without), 0, len(faces))
        is_plain = jnp.arange(distinct - without) < plain
        pictures = blends(faces[rows], faces[others], is_plain, keys[1], c.change, c.clean)
        nothing = empty[random.randint(keys[2], (without,), 0, len(empty))].astype(jnp.float32)
        seen = draw(jnp.concatenate([pictures, nothing]), keys[3], self._views)
        truth = jnp.concatenate([labels[rows], jnp.zeros((without, labels.shape[1]))])
        of_table = jnp.concatenate([is_plain, jnp.ones(without, bool)])[:, None] & (truth >= 0)
        face = (jnp.arange(distinct) < distinct - without).astype(jnp.float32)
        truth, of_table, face = (jnp.repeat(t, self._views.count, axis=0) for t in (truth, of_table, face))
        y = {name: truth[:, k] for k, name in enumerate(self._names)}
        weights = {name: of_table[:, k].astype(jnp.float32) for k, name in enumerate(self._names)}
        y[NORM], weights[NORM] = jnp.where(face > 0, TOLD, 0.0), jnp.ones_like(face)
        return seen, y, weights | {FEATURE: face}

    def _learnt(
        self, values: Values, seen: Array, y: dict[str, Array], weights: dict[str, Array]
    ) -> tuple[Values, dict[str, Array]]:
        """One step."""
        trainable, fixed, optimizer = values

        def loss(trainable: list[Array]) -> tuple[Array, tuple[dict[str, Array], list[Array]]]:
            told, moved = self._model.stateless_call(trainable, fixed, scaled(seen), training=True)
            each = {name: self._losses[name](y[name], told[name]) for name in self._names}
            each[FEATURE] = feature_loss(None, told[FEATURE])
            parts = {name: jnp.mean(values * weights[name]) for name, values in each.items()}
            whole = sum(parts[name] for name in self._names) + self._config.feature * parts[FEATURE]
            return whole, (parts, moved)

        gradients, (parts, fixed) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = self._optimizer.stateless_apply(optimizer, gradients, trainable)
        return (trainable, fixed, optimizer), parts


def train(follower: Follower, config: Follow, run: Run) -> None:
    """Train to the end, going on from the run's checkpoint; the student then has what was learnt."""
    folder = run.dir / "followed"
    folder.mkdir(exist_ok=True)
    state = State(follower.variables(), folder)
    step = max(state.kept(), default=0) if run.resumed else 0
    if step:
        state.load(step)
        follower.restore()
    with tqdm(total=config.steps, initial=step, desc="follow", unit="step", disable=None) as bar:
        while step < config.steps:
            count = min(_SEGMENT, config.save_every - step % config.save_every, config.steps - step)
            told = follower.learn(step, count)
            if not np.isfinite(list(told.values())).all():
                raise DataError(f"follow.rate: the loss is no number after step {step}; take a lower rate")
            step += count
            bar.update(count)
            bar.set_postfix({name: f"{value:.3f}" for name, value in told.items()})
            if step % config.save_every == 0 or step == config.steps:
                follower.store()
                state.save(step)
