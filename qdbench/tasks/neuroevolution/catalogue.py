"""What is fixed for each environment of the tasks of control."""

from __future__ import annotations

import dataclasses
from types import MappingProxyType

_PACKAGE = "qdbench.tasks.neuroevolution"


@dataclasses.dataclass(frozen=True)
class Facts:
    """Where an environment is, and numbers of its tasks' specs.

    Attributes:
        entry_point: ``"module:class"``.
        family: Of the spec.
        summary: What its agent does.
        reward_range: Round numbers for the scale of colours, for one step.
        reward_offset: The offset of the QD-score for one step: the least reward that is possible (Pendulum, Reacher,
            MinAtar), or QDax's for this robot (chalumeau2024qdax).
        start_scale: Standard deviation of the weights with which optimizers start.
        test_episodes: Of the spec, unless there are fewer different ones.
        citations: Of the spec.
    """

    entry_point: str
    family: str
    summary: str
    reward_range: tuple[float, float]
    reward_offset: float
    start_scale: float
    test_episodes: int
    citations: tuple[str, ...]


def _robot(name: str, does: str, low: float, high: float, offset: float) -> Facts:
    return Facts(
        entry_point=f"{_PACKAGE}.brax:{name}",
        family="neuro-brax",
        summary=does,
        reward_range=(low, high),
        reward_offset=offset,
        start_scale=0.25,
        test_episodes=128,
        citations=("freeman2021brax", "lange2023lga", "chalumeau2024qdax"),
    )


def _game(module: str, name: str, does: str, most: float) -> Facts:
    return Facts(
        entry_point=f"{_PACKAGE}.minatar.{module}:{name}",
        family="neuro-minatar",
        summary=does,
        reward_range=(0.0, most),
        reward_offset=0.0,
        start_scale=0.05,
        test_episodes=64,
        citations=("young2019minatar", "lange2023lga"),
    )


FACTS = MappingProxyType(
    {
        "Pendulum": Facts(
            entry_point=f"{_PACKAGE}.pendulum:Pendulum",
            family="neuro-pendulum",
            summary="a pendulum swings up",
            reward_range=(-8.0, 0.0),
            reward_offset=-16.2737,
            start_scale=1.0,
            test_episodes=128,
            citations=("brockman2016gym", "lange2023lga"),
        ),
        "Ant": _robot("Ant", "an ant runs", 0.0, 8.0, -3.24),
        "HalfCheetah": _robot("HalfCheetah", "a half-cheetah runs", 0.0, 8.0, -9.231),
        "Hopper": _robot("Hopper", "a leg hops", 0.0, 3.0, -0.9),
        "Reacher": _robot("Reacher", "an arm reaches for a target", -1.0, 0.0, -2.41),
        "Walker2d": _robot("Walker2d", "two legs walk", 0.0, 4.0, -1.413),
        "SpaceInvaders": _game("space_invaders", "SpaceInvaders", "a cannon shoots aliens", 0.3),
        "Breakout": _game("breakout", "Breakout", "a paddle plays against bricks", 0.1),
        "Asterix": _game("asterix", "Asterix", "a player collects gold", 0.1),
    }
)
