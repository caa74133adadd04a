"""Asterix of MinAtar: collect gold and avoid enemies."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from qdbench.spec import Measure
from qdbench.tasks.neuroevolution.environment import MeasureSet, Transition
from qdbench.tasks.neuroevolution.minatar.game import Game, GameState
from qdbench.tasks.neuroevolution.minatar.grid import SIZE, at, channels, moved

_SLOTS = SIZE - 2
_RAMP_INTERVAL, _SPAWN_SPEED, _MOVE_INTERVAL = 100, 10, 5
_STILL, _LEFT, _UP, _RIGHT, _DOWN = range(5)


class Entities(NamedTuple):
    """Enemies and gold, at most one in each of rows 1 to 8."""

    x: Int[Array, 8]
    goes_right: Bool[Array, 8]
    is_gold: Bool[Array, 8]
    there: Bool[Array, 8]


class AsterixState(NamedTuple):
    """The player, what comes towards it, and timers."""

    x: Int[Array, ""]
    y: Int[Array, ""]
    entities: Entities
    spawn_speed: Int[Array, ""]
    spawn_timer: Int[Array, ""]
    move_speed: Int[Array, ""]
    move_timer: Int[Array, ""]
    ramp_timer: Int[Array, ""]
    ramp_index: Int[Array, ""]


def _position(state: GameState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return state.game.x.astype(jnp.float32), state.game.y.astype(jnp.float32)


@dataclasses.dataclass(frozen=True)
class Asterix(Game):
    """Actions are nothing, left, up, right and down; gold gives a reward of 1, an enemy ends the episode.

    Enemies and gold (one in three) come from either side, in a random free row. Every 102 steps they come more often,
    and every other time they are faster as well. A step needs three draws: the side (left below 1/2), gold (below 1/3)
    and the row. The channels of an observation are player, enemies, trails and gold.
    """

    name: ClassVar[str] = "Asterix"
    observation_shape: ClassVar[tuple[int, ...]] = (SIZE, SIZE, 4)
    num_actions: ClassVar[int] = 5
    game_draws: ClassVar[int] = 3
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "position": MeasureSet(
            measures=(
                Measure(name="mean column of the player", low=0, high=SIZE - 1),
                Measure(name="mean row of the player", low=1, high=_SLOTS),
            ),
            archive_shape=(32, 32),
            of_state=_position,
        )
    }

    def begin(self, number: Int[Array, ""]) -> AsterixState:
        """The player in the middle of an empty grid."""
        none = jnp.zeros(_SLOTS, bool)
        return AsterixState(
            x=jnp.int32(5),
            y=jnp.int32(5),
            entities=Entities(jnp.zeros(_SLOTS, jnp.int32), none, none, none),
            spawn_speed=jnp.int32(_SPAWN_SPEED),
            spawn_timer=jnp.int32(_SPAWN_SPEED),
            move_speed=jnp.int32(_MOVE_INTERVAL),
            move_timer=jnp.int32(_MOVE_INTERVAL),
            ramp_timer=jnp.int32(_RAMP_INTERVAL),
            ramp_index=jnp.int32(0),
        )

    def view(self, state: AsterixState) -> Float[Array, "10 10 4"]:
        """Player, enemies, trails, gold."""
        entities = state.entities
        behind = jnp.where(entities.goes_right, entities.x - 1, entities.x + 1)
        return channels(
            at(state.y, state.x),
            _in_rows(entities.x, entities.there & ~entities.is_gold),
            _in_rows(behind, entities.there),
            _in_rows(entities.x, entities.there & entities.is_gold),
        )

    def play(self, state: AsterixState, action: Int[Array, ""], draws: Float[Array, " 3"]) -> Transition:
        """Lets something in, moves the player, then everything else."""
        spawns = state.spawn_timer == 0
        entities = _spawned(state.entities, spawns, draws)
        spawn_timer = jnp.where(spawns, state.spawn_speed, state.spawn_timer)
        x = moved(state.x, (action == _RIGHT).astype(jnp.int32) - (action == _LEFT).astype(jnp.int32))
        y = moved(state.y, (action == _DOWN).astype(jnp.int32) - (action == _UP).astype(jnp.int32), 1, _SLOTS)

        entities, first_gold, first_end = _met(entities, x, y)
        moves = state.move_timer == 0
        further, second_gold, second_end = _met(_advanced(entities), x, y)
        entities = Entities(*(jnp.where(moves, new, old) for new, old in zip(further, entities, strict=True)))
        move_timer = jnp.where(moves, state.move_speed, state.move_timer)

        ramps = (state.spawn_speed > 1) | (state.move_speed > 1)
        harder = ramps & (state.ramp_timer < 0)
        faster = harder & (state.move_speed > 1) & (state.ramp_index % 2 == 1)
        return Transition(
            AsterixState(
                x=x,
                y=y,
                entities=entities,
                spawn_speed=state.spawn_speed - (harder & (state.spawn_speed > 1)),
                spawn_timer=spawn_timer - 1,
                move_speed=state.move_speed - faster,
                move_timer=move_timer - 1,
                ramp_timer=jnp.where(harder, _RAMP_INTERVAL, state.ramp_timer - ramps),
                ramp_index=state.ramp_index + harder,
            ),
            (first_gold + jnp.where(moves, second_gold, 0)).astype(jnp.float32),
            first_end | (moves & second_end),
        )


def _in_rows(x: Int[Array, 8], there: Bool[Array, 8]) -> Bool[Array, "10 10"]:
    """The grid with these cells in rows 1 to 8."""
    grid = (x[:, None] == jnp.arange(SIZE, dtype=jnp.int32)) & there[:, None]
    return jnp.pad(grid, ((1, 1), (0, 0)))


def _spawned(entities: Entities, wanted: Bool[Array, ""], draws: Float[Array, " 3"]) -> Entities:
    """With one more in a random free row, if that is wanted and there is one."""
    free = ~entities.there
    number = jnp.floor(draws[2] * free.sum()).astype(jnp.int32)
    slot = free & (jnp.cumsum(free) - 1 == number) & wanted
    from_left = draws[0] < 1 / 2
    return Entities(
        jnp.where(slot, jnp.where(from_left, 0, SIZE - 1), entities.x),
        jnp.where(slot, from_left, entities.goes_right),
        jnp.where(slot, draws[1] < 1 / 3, entities.is_gold),
        entities.there | slot,
    )


def _advanced(entities: Entities) -> Entities:
    """Everything one column further; what leaves the grid is gone."""
    x = jnp.where(entities.goes_right, entities.x + 1, entities.x - 1)
    return entities._replace(x=x, there=entities.there & (x >= 0) & (x < SIZE))


def _met(entities: Entities, x: Int[Array, ""], y: Int[Array, ""]) -> tuple[Entities, Int[Array, ""], Bool[Array, ""]]:
    """The entities without the gold where the player is, whether there was some, and whether there is an enemy."""
    row = jnp.arange(1, _SLOTS + 1, dtype=jnp.int32)
    here = entities.there & (entities.x == x) & (row == y)
    gold = here & entities.is_gold
    return entities._replace(there=entities.there & ~gold), gold.any().astype(jnp.int32), (here & ~gold).any()
