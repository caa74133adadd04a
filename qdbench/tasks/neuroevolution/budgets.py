"""The named budgets of the tasks of control: how many networks, episodes and steps, and for how long.

``paper`` is that of lange2023lga's appendix. Two of its numbers mean less than they say, and are written here as what
they come to: Pendulum-v1 ends after 200 of the 500 steps, and episodes that are the same are run once (Space Invaders
has one episode for each network, Breakout two, where the appendix has 16). ``small`` takes some one to two minutes on
two cores, and ``smoke`` is for tests. Boards of different budgets are different boards.
"""

from __future__ import annotations

from typing import NamedTuple


class Budget(NamedTuple):
    """A named budget.

    Attributes:
        population: Networks of a generation.
        rollouts: Episodes of each.
        steps: The most steps of an episode.
        generations: Generations, an initial population counting as the first.
    """

    population: int
    rollouts: int
    steps: int
    generations: int

    @property
    def evaluations(self) -> int:
        """Evaluations of networks."""
        return self.population * self.generations

    @property
    def environment_steps(self) -> int:
        """The most steps of the environment."""
        return self.evaluations * self.rollouts * self.steps


_BRAX_PAPER, _SMOKE = Budget(256, 8, 500, 2000), Budget(4, 1, 10, 2)

BUDGETS: dict[str, dict[str, Budget]] = {
    "Pendulum": {
        "paper": Budget(256, 8, 200, 2000),
        "small": Budget(64, 8, 200, 100),
        "smoke": Budget(16, 1, 200, 5),
    },
    "Ant": {"paper": _BRAX_PAPER, "small": Budget(32, 1, 250, 60), "smoke": _SMOKE},
    "HalfCheetah": {"paper": _BRAX_PAPER, "small": Budget(32, 1, 250, 60), "smoke": _SMOKE},
    "Hopper": {"paper": _BRAX_PAPER, "small": Budget(64, 2, 500, 60), "smoke": _SMOKE},
    "Reacher": {"paper": _BRAX_PAPER, "small": Budget(64, 2, 100, 100), "smoke": _SMOKE},
    "Walker2d": {"paper": _BRAX_PAPER, "small": Budget(64, 1, 500, 60), "smoke": _SMOKE},
    "SpaceInvaders": {"paper": Budget(256, 1, 500, 4000), "small": Budget(64, 1, 500, 60), "smoke": _SMOKE},
    "Breakout": {
        "paper": Budget(256, 2, 500, 4000),
        "small": Budget(64, 2, 500, 60),
        "smoke": Budget(4, 2, 10, 2),
    },
    "Asterix": {"paper": Budget(256, 16, 500, 4000), "small": Budget(64, 2, 500, 60), "smoke": _SMOKE},
}


def budget_of(id: str, environment: str, name: str) -> Budget:
    """A task's budget of a name.

    Raises:
        ValueError: If there is no such name.
    """
    budgets = BUDGETS[environment]
    if name not in budgets:
        raise ValueError(f"{id}: budget must be one of {', '.join(budgets)}, but it is {name!r}")
    return budgets[name]
