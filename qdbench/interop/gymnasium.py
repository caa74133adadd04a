"""Tasks as Gymnasium environments, for learned optimizers: an episode is a trial, an action a batch of solutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from qdbench.api import make
from qdbench.arguments import check_integer
from qdbench.harness import host, scoring, trace
from qdbench.harness.compiled import Keys
from qdbench.harness.errors import BudgetError
from qdbench.harness.evaluator import evaluator
from qdbench.harness.trial import keys_of
from qdbench.protocols import check_solutions, precision_of

_SIDE = 200
_measure = jax.jit(scoring.measure)


class TaskEnv(gymnasium.Env[dict[str, np.ndarray], np.ndarray]):
    r"""A task as an environment: ``gymnasium.make("qdbench/LP-Sphere-v0", dim=20)``.

    - Action: a batch of solutions, ``Box`` of shape ``(batch_size, dim)`` in the task's precision. Its bounds are
      ``spec.search_box``: the task's, or where it has none, ten scales of the start distribution around its mean; there
      solutions beyond them are evaluated as well.
    - Observation: a ``Dict`` of ``used``, ``(1,)``, the share of the budget that is used, and of the scoring archive:
      ``objective`` of each cell, of shape ``spec.archive_shape`` and 0 where it is empty, and ``occupied``, of the same
      shape. For a task without measures ``best_objective``, ``(1,)``, 0 before the first step, in their place.
    - Reward: what the step adds to the QD-score, or to the best objective for a task without measures. It starts from
      0, so the undiscounted return is the final score of the trial.
    - Truncation: when no further batch fits the budget, as a trial ends. An episode never terminates.
    - Info: ``evaluations``, ``qd_score``, ``coverage`` and ``best_objective``.
    - Rendering: ``rgb_array``, the archive's heatmap over the first two measures (the best of the others), first
      measure to the right, second upwards, colours from ``spec.objective_range``, empty cells white.

    ``reset(seed=...)`` decides the noise of a stochastic task. With ``options={"repetition": r}`` it is the noise
    that optimizers meet in repetition r of a trial.

    Args:
        task: The id of a task.
        batch_size: Solutions of an action.
        budget: Evaluations of an episode; the task's standard budget if None.
        render_mode: ``"rgb_array"`` or None.
        task_arguments: The task's own whose names this takes itself, such as ``budget="smoke"`` of a policy.
        arguments: The task's other ones, such as ``dim``.

    Raises:
        ValueError: If the batch size or the budget is not possible.
        BudgetError: If not one batch fits the budget.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  (Gymnasium's way)

    def __init__(
        self,
        task: str,
        batch_size: int = 36,
        budget: int | None = None,
        render_mode: str | None = None,
        task_arguments: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> None:
        self.task = make(task, **{**arguments, **(task_arguments or {})})
        spec = self.task.spec
        self.render_mode = render_mode
        self._batch_size = check_integer(task, "batch_size", batch_size, 1)
        self._budget = check_integer(task, "budget", spec.budget if budget is None else budget, 1)
        if self._batch_size > self._budget:
            raise BudgetError(f"{task}: a batch of {batch_size} solutions is larger than the budget of {self._budget}")
        self.action_space = _box((self._batch_size, spec.dim), *spec.search_box, spec.precision)
        least, most = float(np.finfo(spec.precision).min), float(np.finfo(spec.precision).max)
        objective: dict[str, spaces.Space[Any]] = {"best_objective": _box((1,), least, most, spec.precision)}
        if spec.measures:
            objective = {
                "objective": _box(spec.archive_shape, least, most, spec.precision),
                "occupied": spaces.MultiBinary(spec.archive_shape),
            }
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {**objective, "used": _box((1,), 0.0, 1.0, spec.precision)}
        )
        self._evaluate = evaluator(self.task)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode with an empty archive; see the class for ``options``."""
        super().reset(seed=seed)
        repetition = (options or {}).get("repetition")
        with precision_of(self.task.spec):
            if repetition is None:
                words = self.np_random.integers(2**32, size=2, dtype=np.uint32)
                key = jax.random.wrap_key_data(jnp.asarray(words), impl="threefry2x32")
            else:
                key = keys_of(self.task.spec, "", repetition).evaluation
            self._key = jax.jit(Keys(key, key).of_evaluation)
            self._score = scoring.start(self.task.spec, keep_solutions=False)
        self._steps = 0
        self._read()
        return self._observation(), self._info()

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Evaluates a batch of solutions.

        Raises:
            ValueError: If the solutions do not have the action's shape, or one is not finite.
            RuntimeError: If the budget is used up.
        """
        spec = self.task.spec
        solutions = check_solutions(spec, action)
        if len(solutions) != self._batch_size:
            raise ValueError(f"{spec.id}: an action is {self._batch_size} solutions, but these are {len(solutions)}")
        if self._evaluations + self._batch_size > self._budget:
            raise RuntimeError(f"{spec.id}: the budget of {self._budget} evaluations is used up; call reset()")
        with precision_of(spec):
            key = self._key(np.uint32(self._steps), np.uint32(0))
            evaluation = host.checked(spec, self._evaluate(key, solutions.copy(), False), solutions)
            self._score = host.record(
                self._score, jnp.asarray(solutions), evaluation.objective.copy(), evaluation.measures.copy()
            )
        self._steps += 1
        before = self._value
        self._read()
        truncated = self._evaluations + self._batch_size > self._budget
        return self._observation(), self._value - before, False, truncated, self._info()

    def render(self) -> np.ndarray | None:
        """The archive's heatmap, ``(height, width, 3)`` of uint8 with sides of about 200 at least, or None."""
        if self.render_mode != "rgb_array":
            return None
        from matplotlib import colormaps

        shape = self.task.spec.archive_shape
        grid = np.asarray(self._score.archive.objective).reshape(shape + (1,) * (2 - len(shape)))
        plane = grid.max(axis=tuple(range(2, grid.ndim)))
        low, high = self.task.spec.objective_range
        colors = colormaps["viridis"]((plane - low) / (high - low), bytes=True)[..., :3]
        colors = np.where(np.isfinite(plane)[..., None], colors, np.uint8(255))
        image = colors.transpose(1, 0, 2)[::-1]
        return image.repeat(-(-_SIDE // image.shape[0]), axis=0).repeat(-(-_SIDE // image.shape[1]), axis=1)

    @property
    def _evaluations(self) -> int:
        return self._steps * self._batch_size

    def _read(self) -> None:
        """Takes the numbers from the score."""
        spec = self.task.spec
        with precision_of(spec):
            self._numbers = trace.numbers(_measure(self._score), spec.cells)
        self._value = self._numbers[0 if spec.measures else 2] if self._steps else 0.0

    def _observation(self) -> dict[str, np.ndarray]:
        spec = self.task.spec
        used = np.array([self._evaluations / self._budget], spec.precision)
        if not spec.measures:
            return {"best_objective": np.array([self._value], spec.precision), "used": used}
        objective = np.asarray(self._score.archive.objective).reshape(spec.archive_shape)
        occupied = np.isfinite(objective)
        return {"objective": np.where(occupied, objective, 0), "occupied": occupied.astype(np.int8), "used": used}

    def _info(self) -> dict[str, Any]:
        names = "qd_score", "coverage", "best_objective"
        return {"evaluations": self._evaluations, **dict(zip(names, self._numbers, strict=True))}


def _box(shape: tuple[int, ...], low: float, high: float, precision: str) -> spaces.Box:
    dtype = np.dtype(precision).type
    return spaces.Box(dtype(low), dtype(high), shape, dtype)
