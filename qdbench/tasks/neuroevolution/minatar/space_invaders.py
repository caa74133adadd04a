"""Space Invaders of MinAtar: shoot aliens before they arrive."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from qdbench.spec import Measure
from qdbench.tasks.neuroevolution.environment import MeasureSet, Transition
from qdbench.tasks.neuroevolution.minatar.game import Game, GameState
from qdbench.tasks.neuroevolution.minatar.grid import SIZE, Rows, at, bit, cells, channels, moved, only, rows_of

_COOL_DOWN, _MOVE_INTERVAL, _SHOT_INTERVAL, _SHORTEST_INTERVAL = 5, 12, 10, 6
_WAVE = (0b0011111100,) * 4
_FULL_ROW = (1 << SIZE) - 1
_STILL, _LEFT, _RIGHT, _FIRE = range(4)


class SpaceInvadersState(NamedTuple):
    """Cannon, bullets and aliens, the direction of the aliens, and timers."""

    cannon: Int[Array, ""]
    bullets: Rows
    alien_bullets: Rows
    aliens: Rows
    direction: Int[Array, ""]
    move_interval: Int[Array, ""]
    move_timer: Int[Array, ""]
    alien_shot_timer: Int[Array, ""]
    shot_timer: Int[Array, ""]


def _column_and_fire(state: GameState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return state.game.cannon.astype(jnp.float32), (state.action == _FIRE).astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class SpaceInvaders(Game):
    """Actions are nothing, left, right and fire; an alien that is hit gives a reward of 1.

    Aliens or their bullets that reach the cannon end the episode. Fewer aliens are faster, and so is every new wave.
    There is no chance at all. The channels of an observation are cannon, aliens, aliens that go left, aliens that go
    right, bullets, and bullets of the aliens.
    """

    name: ClassVar[str] = "SpaceInvaders"
    observation_shape: ClassVar[tuple[int, ...]] = (SIZE, SIZE, 6)
    num_actions: ClassVar[int] = 4
    game_starts: ClassVar[int | None] = 1
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "column-fire": MeasureSet(
            measures=(
                Measure(name="mean column of the cannon", low=0, high=SIZE - 1),
                Measure(name="share of steps with the trigger pulled", low=0, high=1),
            ),
            archive_shape=(32, 32),
            of_state=_column_and_fire,
        )
    }

    def begin(self, number: Int[Array, ""]) -> SpaceInvadersState:
        """The first wave."""
        return SpaceInvadersState(
            cannon=jnp.int32(5),
            bullets=rows_of(),
            alien_bullets=rows_of(),
            aliens=rows_of(*_WAVE),
            direction=jnp.int32(-1),
            move_interval=jnp.int32(_MOVE_INTERVAL),
            move_timer=jnp.int32(_MOVE_INTERVAL),
            alien_shot_timer=jnp.int32(_SHOT_INTERVAL),
            shot_timer=jnp.int32(0),
        )

    def view(self, state: SpaceInvadersState) -> Float[Array, "10 10 6"]:
        """Cannon, aliens, aliens going left, aliens going right, bullets, bullets of the aliens."""
        aliens = cells(state.aliens)
        left = state.direction < 0
        return channels(
            at(SIZE - 1, state.cannon),
            aliens,
            aliens & left,
            aliens & ~left,
            cells(state.bullets),
            cells(state.alien_bullets),
        )

    def play(self, state: SpaceInvadersState, action: Int[Array, ""], draws: Float[Array, " draws"]) -> Transition:
        """Moves the cannon, bullets and aliens, in this order."""
        fires = (action == _FIRE) & (state.shot_timer == 0)
        right, left = (action == _RIGHT).astype(jnp.int32), (action == _LEFT).astype(jnp.int32)
        bullets = state.bullets | only(SIZE - 1, state.cannon, fires)
        shot_timer = jnp.where(fires, _COOL_DOWN, state.shot_timer)
        cannon = moved(state.cannon, right - left)
        bullets = _shifted(bullets, up=True)
        alien_bullets = _shifted(state.alien_bullets, up=False)
        hit = bit(alien_bullets, -1, cannon) | bit(state.aliens, -1, cannon)

        moves = state.move_timer == 0
        aliens, direction, landed = _march(state.aliens, state.direction)
        aliens = jnp.where(moves, aliens, state.aliens)
        direction = jnp.where(moves, direction, state.direction)
        terminated = hit | (moves & (landed | bit(aliens, -1, cannon)))
        move_timer = jnp.where(moves, jnp.minimum(_count(aliens), state.move_interval), state.move_timer)

        shoots = state.alien_shot_timer == 0
        alien_bullets = alien_bullets | only(*_nearest(aliens, cannon), shoots)
        alien_shot_timer = jnp.where(shoots, _SHOT_INTERVAL, state.alien_shot_timer)

        kills = aliens & bullets
        aliens = aliens & ~kills
        cleared = _count(aliens) == 0
        interval = state.move_interval - (cleared & (state.move_interval > _SHORTEST_INTERVAL))
        return Transition(
            SpaceInvadersState(
                cannon=cannon,
                bullets=bullets & ~kills,
                alien_bullets=alien_bullets,
                aliens=jnp.where(cleared, rows_of(*_WAVE), aliens),
                direction=direction,
                move_interval=interval,
                move_timer=move_timer - 1,
                alien_shot_timer=alien_shot_timer - 1,
                shot_timer=jnp.maximum(shot_timer - 1, 0),
            ),
            _count(kills).astype(jnp.float32),
            terminated,
        )


def _shifted(rows: Rows, up: bool) -> Rows:
    """The rows one further up or down; what leaves the grid is gone."""
    empty = jnp.zeros(1, jnp.int32)
    return jnp.concatenate([rows[1:], empty] if up else [empty, rows[:-1]])


def _march(aliens: Rows, direction: Int[Array, ""]) -> tuple[Rows, Int[Array, ""], Bool[Array, ""]]:
    """The aliens one further, or down and turned round at a border; and whether they were at the bottom then."""
    columns = _columns(aliens)
    border = jnp.where(direction < 0, columns & 1, columns >> (SIZE - 1)) == 1
    aside = jnp.where(direction < 0, aliens >> 1, (aliens << 1) & _FULL_ROW)
    # The last row comes in again on top, but then the episode is over.
    down = jnp.concatenate([aliens[-1:], aliens[:-1]])
    turned = jnp.where(border, -direction, direction)
    return jnp.where(border, down, aside), turned, border & (aliens[-1] > 0)


def _nearest(aliens: Rows, cannon: Int[Array, ""]) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Row and column of the lowest alien in the column that is nearest to the cannon, the left one of two."""
    index = jnp.arange(SIZE, dtype=jnp.int32)
    occupied = (_columns(aliens) >> index) & 1 == 1
    column = jnp.where(occupied, SIZE * jnp.abs(index - cannon) + index, SIZE * SIZE).min() % SIZE
    row = jnp.where((aliens >> column) & 1 == 1, index, 0).max()
    return row, column


def _columns(rows: Rows) -> Int[Array, ""]:
    """The columns with anything in them, a bit each."""
    return lax.reduce(rows, jnp.int32(0), lax.bitwise_or, (0,))


def _count(rows: Rows) -> Int[Array, ""]:
    return lax.population_count(rows).sum(dtype=jnp.int32)
