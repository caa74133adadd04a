"""The tasks of control: the weights of a policy for Pendulum, robots of Brax and games of MinAtar."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key

from qdbench.arguments import check_integer
from qdbench.protocols import Evaluation, Task, check_solutions, precision_of
from qdbench.random import derive, key_from_names
from qdbench.spec import JsonScalar, Start, TaskSpec
from qdbench.tasks.neuroevolution.budgets import BUDGETS, budget_of
from qdbench.tasks.neuroevolution.catalogue import FACTS
from qdbench.tasks.neuroevolution.environment import NO_MEASURES, Environment, MeasureSet
from qdbench.tasks.neuroevolution.lanes import run_in_lanes
from qdbench.tasks.neuroevolution.policies import HIDDEN, Architecture, MinAtarArchitecture, MlpArchitecture, Network
from qdbench.tasks.neuroevolution.rollout import Episodes, run_episodes
from qdbench.tasks.neuroevolution.trajectory import Trajectory, trace_episode

_TRAINING, _TEST = 0, 1
# Networks that an accelerator evaluates side by side, and the fewest that a CPU does.
_CHUNK, _LEAST_CHUNK = 256, 2
# Episodes of a chunk for each of its lanes: the more, the less the last ones count.
_EPISODES_OF_A_LANE = 4


class _Rows(NamedTuple):
    """What is run side by side: a solution, and which part of its episodes, of as many as an evaluation has."""

    solutions: Any
    parts: Any


class Control(Task):
    r"""The return of a policy: the mean over episodes of the sum of rewards.

    A solution :math:`\theta` is the weights of a network :math:`\pi_\theta`, in the order of
    :mod:`qdbench.tasks.neuroevolution.policies`. With the rewards :math:`r_{it}` of episode i of at most T steps,

    .. math:: f(\theta) = \frac{1}{R} \sum_{i=1}^R \sum_{t=1}^{T_i} r_{it}, \qquad T_i \le T.

    A measure is the mean over an episode's steps, or the value of its last one, and then the mean over episodes.

    *Noise.* With ``noise="resampled"`` the key of an evaluation decides how its R episodes start and what happens in
    them: the same for all solutions of a batch, and other episodes for another key. With ``"fixed"`` they are always
    the same, and the task is deterministic. The test episodes are neither.

    *Observations* are scaled by constants (:mod:`qdbench.tasks.neuroevolution.observations`). Actions are the outputs
    of the network, in [-1, 1], or the number of the largest. An episode in which the physics explodes ends before
    that step.

    *Chunks.* Solutions are evaluated in chunks of a fixed size, the last one filled up, so that rounding does not
    depend on how many there are. Results of different devices agree in distribution, not digit by digit: physics is
    chaotic.

    Shapes: solutions ``(batch, dim)``, objective ``(batch,)``, measures ``(batch, k)``. Everything is float32.

    Source: lange2023lga; the environments' own are in the spec.

    Version history: v0.

    Attributes:
        environment: Where the policy acts.
        architecture: What makes a network from a solution.
        measure_set: What is measured.
        rollouts: R.
        steps: T.
        noise: See above.
    """

    spec: TaskSpec = eqx.field(static=True)
    environment: Environment = eqx.field(static=True)
    architecture: Architecture = eqx.field(static=True)
    measure_set: MeasureSet = eqx.field(static=True)
    rollouts: int = eqx.field(static=True)
    steps: int = eqx.field(static=True)
    noise: Literal["resampled", "fixed"] = eqx.field(static=True)
    is_compiled: ClassVar[bool] = True

    def unflatten(self, solution: Any) -> Network:
        """The network of a ``(dim,)`` solution: a function of one observation (as the network sees it).

        Raises:
            ValueError: If it has another shape, or is not finite.
            TypeError: If it is not made of real numbers.
        """
        return self.architecture.unflatten(self._row(solution))

    def rollout(self, key: Key[Array, ""], solution: Any) -> Trajectory:
        """One episode of a solution, to look at.

        Args:
            key: The episode's source of randomness.
            solution: ``(dim,)``.

        Raises:
            ValueError: As for :meth:`unflatten`.
            TypeError: As for :meth:`unflatten`.
        """
        with precision_of(self.spec):
            network = self.unflatten(solution)
            return trace_episode(self.environment, self.measure_set, network, key, self.steps)

    def for_fingerprint(self) -> Control:
        """The task with the first steps only, before chaos makes processors differ."""
        return dataclasses.replace(self, steps=min(self.steps, self.environment.fingerprint_steps))

    def _evaluate(
        self, key: Key[Array, ""] | None, solutions: Float[Array, "batch dim"], gradients: bool
    ) -> Evaluation:
        del gradients
        if self.noise == "fixed" or key is None:
            if not self.spec.deterministic:
                raise ValueError(f"{self._name} is noisy: evaluate needs a key, such as jax.random.key(0)")
            key = key_from_names("episodes", self.environment.name)
        rows = _Rows(np.arange(len(solutions)), np.zeros(len(solutions), int))
        found = self._episodes(key, _TRAINING, solutions, rows)
        return Evaluation(found.total.mean(axis=1), found.measures.mean(axis=1))

    def _test(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch dim"]) -> Float[Array, " batch"]:
        wanted = self.spec.test_episodes
        assert wanted is not None
        if key is None:
            raise ValueError(f"{self._name} is tested on random episodes: test needs a key, such as jax.random.key(0)")
        # In parts of as many episodes as an evaluation has, so that both are one program.
        parts = -(-wanted // self.rollouts)
        rows = _Rows(np.repeat(np.arange(len(solutions)), parts), np.tile(np.arange(parts), len(solutions)))
        found = self._episodes(key, _TEST, solutions, rows)
        return found.total.reshape(len(solutions), -1)[:, :wanted].mean(axis=1)

    def _episodes(
        self, key: Key[Array, ""], stream: int, solutions: Float[Array, "batch dim"], rows: _Rows
    ) -> Episodes:
        """The episodes of rows, in chunks."""

        def run(chunk: _Rows, valid: Int[Array, ""]) -> Episodes:
            keys, numbers = _keys(key, jnp.int32(stream), chunk.parts, self.rollouts)
            what = (self.environment, self.architecture, self.measure_set, solutions[chunk.solutions])
            how = {"keys": keys, "numbers": numbers, "steps": jnp.int32(self.steps)}
            if not self.environment.is_in_lanes:
                return run_episodes(*what, **how)
            lanes = self.environment.episodes_on_cpu if _is_on_cpu() else keys.size
            return run_in_lanes(*what, **how, valid=valid, count=lanes)

        return _in_chunks(run, rows, self._chunk, in_one_program=_is_traced(solutions))

    @property
    def _chunk(self) -> int:
        if not _is_on_cpu():
            return _CHUNK
        episodes = self.environment.episodes_on_cpu * (_EPISODES_OF_A_LANE if self.environment.is_in_lanes else 1)
        return max(_LEAST_CHUNK, episodes // self.rollouts)

    @property
    def _name(self) -> str:
        return self.spec.id or "the task"

    def _row(self, solution: Any) -> Float[Array, " dim"]:
        row = solution if _is_traced(solution) else np.asarray(solution)
        if row.ndim != 1:
            raise ValueError(
                f"{self._name}: a solution must have shape ({self.spec.dim},), but its shape is {row.shape}"
            )
        return jnp.asarray(check_solutions(self.spec, row[None])[0], self.spec.precision)


@functools.partial(jax.jit, static_argnames="count")
def _keys(
    key: Key[Array, ""], stream: Int[Array, ""], parts: Int[Array, " rows"], count: int
) -> tuple[Key[Array, "rows count"], Int[Array, "rows count"]]:
    """The keys and numbers of each row's episodes: part p has those of the numbers from p * count on."""
    numbers = parts[:, None] * count + jnp.arange(count, dtype=jnp.int32)
    return jax.vmap(jax.vmap(functools.partial(derive, derive(key, stream))))(numbers), numbers


def _in_chunks(function: Callable[[_Rows, Any], Episodes], rows: _Rows, size: int, in_one_program: bool) -> Episodes:
    """Applies a function of ``size`` rows to any number of them: in a loop of a program, or by calls that share one.

    Its second argument is how many of the rows count: the last chunk is filled up.
    """
    count = len(rows.parts)
    chunks = -(-count // size)
    # Copies of a row that is there anyway: its episodes end no later.
    filled = np.concatenate([np.arange(count), np.zeros(chunks * size - count, int)]).reshape(chunks, size)
    items = (
        _Rows(*(jnp.asarray(column[filled], jnp.int32) for column in rows)),
        jnp.minimum(size, count - size * jnp.arange(chunks, dtype=jnp.int32)),
    )
    if in_one_program and chunks > 1:
        found = lax.map(lambda item: function(*item), items)
    else:
        each = [function(_Rows(*chunk), valid) for *chunk, valid in zip(*items[0], items[1], strict=True)]
        found = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    return jax.tree.map(lambda leaf: leaf.reshape(chunks * size, *leaf.shape[2:])[:count], found)


def _is_on_cpu() -> bool:
    return jax.default_backend() == "cpu"


def _is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer)


def make(
    id: str,
    environment: str,
    policy: str = "linear",
    budget: str = "paper",
    rollouts: int | None = None,
    steps: int | None = None,
    measures: str = "standard",
    noise: str = "resampled",
) -> Control:
    """Makes a task of Pendulum or Brax.

    Args:
        id: The registered id.
        environment: The environment's name.
        policy: ``"linear"`` or ``"mlp"``; see :mod:`qdbench.tasks.neuroevolution.policies`.
        budget: ``"paper"``, ``"small"`` or ``"smoke"``: the standard budget, and defaults for the next two.
        rollouts: Episodes of an evaluation.
        steps: The most steps of an episode.
        measures: A name of the environment's measures, ``"standard"`` for the first, or ``"none"``.
        noise: ``"resampled"`` or ``"fixed"``; see :class:`Control`.

    Raises:
        ImportError: If Brax is needed and not installed.
        ValueError: If an argument has another value.
    """
    if policy not in HIDDEN:
        raise ValueError(f"{id}: policy must be one of {', '.join(HIDDEN)}, but it is {policy!r}")
    world = _environment(id, environment)
    architecture = MlpArchitecture(world.observation_shape, world.num_actions, HIDDEN[policy])
    return _assemble(id, world, architecture, {"policy": policy}, budget, rollouts, steps, measures, noise)


def make_minatar(
    id: str,
    environment: str,
    budget: str = "paper",
    rollouts: int | None = None,
    steps: int | None = None,
    measures: str = "standard",
    noise: str = "resampled",
    sticky: float = 0.0,
) -> Control:
    """Makes a task of MinAtar.

    Args:
        id: The registered id.
        environment: The game's name.
        budget: As for :func:`make`.
        rollouts: Episodes of an evaluation. A game without chance has as many as there are different ones.
        steps: As for :func:`make`.
        measures: As for :func:`make`.
        noise: As for :func:`make`.
        sticky: The probability that an action is the last one, in place of the one chosen, in [0, 1).

    Raises:
        ValueError: If an argument has another value.
    """
    if isinstance(sticky, bool) or not isinstance(sticky, int | float) or not 0 <= sticky < 1:
        raise ValueError(f"{id}: sticky must be a number of at least 0 and below 1, but it is {sticky!r}")
    world = _environment(id, environment, sticky=float(sticky))
    architecture = MinAtarArchitecture(world.observation_shape, world.num_actions)
    return _assemble(id, world, architecture, {"sticky": float(sticky)}, budget, rollouts, steps, measures, noise)


def _environment(id: str, name: str, **settings: Any) -> Environment:
    if FACTS[name].family == "neuro-brax" and importlib.util.find_spec("brax") is None:
        raise ImportError(f"{id} needs Brax, which is not installed: pip install 'qdbench[neuroevolution]'")
    module, _, attribute = FACTS[name].entry_point.partition(":")
    environment: Environment = getattr(importlib.import_module(module), attribute)(**settings)
    return environment


def _assemble(
    id: str,
    environment: Environment,
    architecture: Architecture,
    named: dict[str, JsonScalar],
    budget: str,
    rollouts: int | None,
    steps: int | None,
    measures: str,
    noise: str,
) -> Control:
    if noise not in ("resampled", "fixed"):
        raise ValueError(f"{id}: noise must be 'resampled' or 'fixed', but it is {noise!r}")
    facts = FACTS[environment.name]
    standard = budget_of(id, BUDGETS[environment.name], budget)
    count = _rollouts(id, environment, standard.rollouts if rollouts is None else rollouts, rollouts is None)
    steps = check_integer(id, "steps", standard.steps if steps is None else steps, 1)
    measure_name, measure_set = _measures(id, environment, measures)
    low, high = facts.reward_range
    spec = TaskSpec(
        id=id,
        arguments={
            **named,
            "budget": budget,
            "rollouts": count,
            "steps": steps,
            "measures": measure_name,
            "noise": noise,
        },
        family=facts.family,
        summary=f"{facts.summary}: {architecture.dim} weights, {count} x {steps} steps",
        dim=architecture.dim,
        measures=measure_set.measures,
        archive_shape=measure_set.archive_shape,
        objective_range=(low * steps, high * steps),
        qd_score_offset=facts.reward_offset * steps,
        budget=standard.evaluations,
        metric="qd_score" if measure_set.measures else "test_score",
        deterministic=noise == "fixed" or environment.starts is not None,
        test_episodes=environment.starts or facts.test_episodes,
        start=Start(scale=facts.start_scale),
        citations=facts.citations,
    )
    return Control(
        spec=spec,
        environment=environment,
        architecture=architecture,
        measure_set=measure_set,
        rollouts=count,
        steps=steps,
        noise="fixed" if noise == "fixed" else "resampled",
    )


def _rollouts(id: str, environment: Environment, rollouts: Any, is_default: bool) -> int:
    if environment.starts is None:
        return check_integer(id, "rollouts", rollouts, 1)
    if not is_default and rollouts != environment.starts:
        raise ValueError(
            f"{id}: rollouts must be {environment.starts}, because without sticky actions a policy has no other "
            f"episodes, but it is {rollouts!r}"
        )
    return environment.starts


def _measures(id: str, environment: Environment, name: str) -> tuple[str, MeasureSet]:
    sets = {**environment.measure_sets, "none": NO_MEASURES}
    chosen = next(iter(sets)) if name == "standard" else name
    if chosen not in sets:
        raise ValueError(f"{id}: measures must be one of standard, {', '.join(sets)}, but it is {name!r}")
    return chosen, sets[chosen]
