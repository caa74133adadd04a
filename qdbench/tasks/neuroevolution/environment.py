"""What the tasks of control ask of an environment: the one small interface that all adapters have."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

from jaxtyping import Array, Bool, Float, Int, Key

from qdbench.spec import Measure

State = Any
"""An environment's state: any pytree whose structure, shapes and dtypes never change."""

Action = Float[Array, " outputs"] | Int[Array, ""]


class Transition(NamedTuple):
    """What a step leads to: the next state, the reward, and whether the episode is over."""

    state: State
    reward: Float[Array, ""]
    terminated: Bool[Array, ""]


def _nothing(_: State) -> tuple[Float[Array, ""], ...]:
    return ()


@dataclasses.dataclass(frozen=True)
class MeasureSet:
    """A choice of measures.

    Attributes:
        measures: Names and intervals.
        archive_shape: Cells along each.
        reduction: ``"mean"`` over the steps of an episode, or ``"final"`` for the value of its last step.
        of_state: The state after a step to one number for each measure.
    """

    measures: tuple[Measure, ...] = ()
    archive_shape: tuple[int, ...] = ()
    reduction: Literal["mean", "final"] = "mean"
    of_state: Callable[[State], tuple[Float[Array, ""], ...]] = _nothing


NO_MEASURES = MeasureSet()


@dataclasses.dataclass(frozen=True)
class Environment(abc.ABC):
    """One environment, for one episode at a time; what evaluates it maps over episodes and networks.

    All methods are pure. Chance enters through the key of :meth:`reset` and the ``draws`` of :meth:`step`: uniform
    numbers in [0, 1), as many as :attr:`num_draws` says, which the caller makes.

    Attributes:
        name: Of the environment.
        observation_shape: Of an observation.
        num_actions: Number of outputs that a network needs.
        is_discrete: Whether an action is the number of one of them; else it is all of them, each in [-1, 1].
        episodes_on_cpu: Episodes that a CPU should run side by side: enough to fill its vector instructions, few enough
            that their networks stay in its caches and that those that end early do not wait for others.
        is_in_lanes: Whether episodes run in lanes, each with a copy of its network, with steps compiled so that many
            operations on short vectors are fast; see :mod:`qdbench.tasks.neuroevolution.lanes`.
        measure_sets: The choices of measures by name; the first is the standard one.
        fingerprint_steps: Steps in which processors differ by far less than the digits of a fingerprint, at most 20.
    """

    name: ClassVar[str]
    observation_shape: ClassVar[tuple[int, ...]]
    num_actions: ClassVar[int]
    is_discrete: ClassVar[bool]
    episodes_on_cpu: ClassVar[int]
    is_in_lanes: ClassVar[bool] = False
    measure_sets: ClassVar[Mapping[str, MeasureSet]]
    fingerprint_steps: ClassVar[int] = 20

    @property
    def starts(self) -> int | None:
        """The number of different episodes of a policy if there are only so many, else None."""
        return None

    @property
    def num_draws(self) -> int:
        """Uniform numbers that a step needs."""
        return 0

    @abc.abstractmethod
    def reset(self, key: Key[Array, ""], number: Int[Array, ""]) -> State:
        """The first state of an episode.

        Args:
            key: The episode's source of randomness.
            number: The episode's number in its evaluation, by which an environment may go through its starts.
        """

    @abc.abstractmethod
    def observe(self, state: State) -> Float[Array, ...]:
        """The observation, as the environment's authors define it."""

    @abc.abstractmethod
    def step(self, state: State, action: Action, draws: Float[Array, " draws"]) -> Transition:
        """One step. What it returns after the end of an episode has no meaning, but is never an error."""

    def picture(self, state: State) -> dict[str, Array]:
        """What is needed to draw a state."""
        return {"observation": self.observe(state)}
