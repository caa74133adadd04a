"""What is common to MinAtar's games: sticky actions, and the last action in the state."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from qdbench.tasks.neuroevolution.environment import Action, Environment, Transition


class GameState(NamedTuple):
    """The game's own state and the last action that was carried out."""

    game: Any
    action: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Game(Environment):
    """A game with sticky actions: with a probability, the last action is carried out in place of the one chosen.

    The first "last action" of an episode is 0, nothing. MinAtar's own default is 0.1.

    Attributes:
        sticky: The probability.
        game_starts: The number of different episodes of a policy without sticky actions, or None.
        game_draws: Uniform numbers that a step of the game needs.
    """

    is_discrete: ClassVar[bool] = True
    episodes_on_cpu: ClassVar[int] = 8
    game_starts: ClassVar[int | None] = None
    game_draws: ClassVar[int] = 0

    sticky: float = 0.0

    @property
    def starts(self) -> int | None:
        """With sticky actions there are more episodes than can be counted."""
        return None if self.sticky else self.game_starts

    @property
    def num_draws(self) -> int:
        """Sticky actions need one more."""
        return self.game_draws + (self.sticky > 0)

    def reset(self, key: Key[Array, ""], number: Int[Array, ""]) -> GameState:
        """The game's start; the key is not needed."""
        return GameState(self.begin(number), jnp.int32(0))

    def observe(self, state: GameState) -> Float[Array, ...]:
        """The game's channels."""
        return self.view(state.game)

    def step(self, state: GameState, action: Action, draws: Float[Array, " draws"]) -> Transition:
        """One step of the game, with the action or the last one."""
        carried_out = jnp.asarray(action, jnp.int32)
        if self.sticky:
            carried_out = jnp.where(draws[self.game_draws] < self.sticky, state.action, carried_out)
        game, reward, terminated = self.play(state.game, carried_out, draws)
        return Transition(GameState(game, carried_out), reward, terminated)

    @abc.abstractmethod
    def begin(self, number: Int[Array, ""]) -> Any:
        """The game's first state in an episode of this number."""

    @abc.abstractmethod
    def view(self, state: Any) -> Float[Array, "10 10 channels"]:
        """The channels of an observation."""

    @abc.abstractmethod
    def play(self, state: Any, action: Int[Array, ""], draws: Float[Array, " draws"]) -> Transition:
        """One step of the game; the transition's state is the game's."""
