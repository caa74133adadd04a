"""Breakout of MinAtar: bounce a ball against three rows of bricks."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from qdbench.spec import Measure
from qdbench.tasks.neuroevolution.environment import MeasureSet, Transition
from qdbench.tasks.neuroevolution.minatar.game import Game, GameState
from qdbench.tasks.neuroevolution.minatar.grid import SIZE, at, channels, moved

# Bricks are in rows 1 to 3: bit 10 (row - 1) + column of one integer.
_FIRST_ROW, _BRICK_ROWS = 1, 3
_ALL_BRICKS = (1 << SIZE * _BRICK_ROWS) - 1
_STILL, _LEFT, _RIGHT = range(3)


class BreakoutState(NamedTuple):
    """Where everything is, where the ball was and flies to, and whether it hit a brick in the last step."""

    paddle: Int[Array, ""]
    ball_x: Int[Array, ""]
    ball_y: Int[Array, ""]
    last_x: Int[Array, ""]
    last_y: Int[Array, ""]
    move_x: Int[Array, ""]
    move_y: Int[Array, ""]
    bricks: Int[Array, ""]
    strike: Bool[Array, ""]


def _column_and_rest(state: GameState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return state.game.paddle.astype(jnp.float32), (state.action == _STILL).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class Breakout(Game):
    """Actions are nothing, left and right; a brick gives a reward of 1, and a ball that is missed ends the episode.

    The ball flies along diagonals. When all bricks are gone they come back as it reaches the bottom. There is no
    chance but for the side from which the ball starts: episodes with even numbers start on the left, others on the
    right. The channels of an observation are paddle, ball, trail and bricks.
    """

    name: ClassVar[str] = "Breakout"
    observation_shape: ClassVar[tuple[int, ...]] = (SIZE, SIZE, 4)
    num_actions: ClassVar[int] = 3
    game_starts: ClassVar[int | None] = 2
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "column-rest": MeasureSet(
            measures=(
                Measure(name="mean column of the paddle", low=0, high=SIZE - 1),
                Measure(name="share of steps at rest", low=0, high=1),
            ),
            archive_shape=(32, 32),
            of_state=_column_and_rest,
        )
    }

    def begin(self, number: Int[Array, ""]) -> BreakoutState:
        """The start on the left or on the right."""
        right = number % 2 == 1
        x = jnp.where(right, SIZE - 1, 0).astype(jnp.int32)
        one, three = jnp.int32(1), jnp.int32(3)
        return BreakoutState(
            paddle=jnp.int32(4),
            ball_x=x,
            ball_y=three,
            last_x=x,
            last_y=three,
            move_x=jnp.where(right, -one, one),
            move_y=one,
            bricks=jnp.int32(_ALL_BRICKS),
            strike=jnp.zeros((), bool),
        )

    def view(self, state: BreakoutState) -> Float[Array, "10 10 4"]:
        """Paddle, ball, trail, bricks."""
        row, column = jnp.arange(SIZE, dtype=jnp.int32)[:, None], jnp.arange(SIZE, dtype=jnp.int32)
        inside = (row >= _FIRST_ROW) & (row < _FIRST_ROW + _BRICK_ROWS)
        index = jnp.clip(SIZE * (row - _FIRST_ROW), 0, SIZE * (_BRICK_ROWS - 1)) + column
        return channels(
            at(SIZE - 1, state.paddle),
            at(state.ball_y, state.ball_x),
            at(state.last_y, state.last_x),
            inside & ((state.bricks >> index) & 1 == 1),
        )

    def play(self, state: BreakoutState, action: Int[Array, ""], draws: Float[Array, " draws"]) -> Transition:
        """Moves the paddle, then the ball."""
        right, left = (action == _RIGHT).astype(jnp.int32), (action == _LEFT).astype(jnp.int32)
        paddle = moved(state.paddle, right - left)
        x, y = state.ball_x + state.move_x, state.ball_y + state.move_y
        wall = (x < 0) | (x >= SIZE)
        x = jnp.clip(x, 0, SIZE - 1)
        move_x = jnp.where(wall, -state.move_x, state.move_x)

        ceiling = y < 0
        y = jnp.maximum(y, 0)
        on_bricks = (y >= _FIRST_ROW) & (y < _FIRST_ROW + _BRICK_ROWS)
        brick = jnp.int32(1) << (jnp.clip(SIZE * (y - _FIRST_ROW), 0, SIZE * (_BRICK_ROWS - 1)) + x)
        touches = on_bricks & (state.bricks & brick != 0)
        breaks = touches & ~state.strike
        bricks = jnp.where(breaks, state.bricks & ~brick, state.bricks)

        at_bottom = y == SIZE - 1
        bricks = jnp.where(at_bottom & (bricks == 0), _ALL_BRICKS, bricks)
        below = at_bottom & (state.ball_x == paddle)
        beside = at_bottom & ~below & (x == paddle)
        return Transition(
            BreakoutState(
                paddle=paddle,
                ball_x=x,
                ball_y=jnp.where(breaks | below | beside, state.ball_y, y),
                last_x=state.ball_x,
                last_y=state.ball_y,
                move_x=jnp.where(beside, -move_x, move_x),
                move_y=jnp.where(ceiling | breaks | below | beside, -state.move_y, state.move_y),
                bricks=bricks,
                strike=touches,
            ),
            breaks.astype(jnp.float32),
            at_bottom & ~below & ~beside,
        )
