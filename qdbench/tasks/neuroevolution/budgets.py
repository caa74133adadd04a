"""The named budgets: how many networks, how many episodes and steps or images of each, and for how long.

``paper`` is that of lange2023lga's appendix. Two of its numbers mean less than they say, and are written here as what
they come to: Pendulum-v1 ends after 200 of the 500 steps, and episodes that are the same are run once (Space Invaders
has one episode for each network, Breakout two, where the appendix has 16). ``small`` takes some one to two minutes on
two cores, and ``smoke`` is for tests. Boards of different budgets are different boards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from qdbench.spec import TaskSpec


class Budget(NamedTuple):
    """A named budget of a task of control.

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


_Budget = TypeVar("_Budget")
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


class ImageBudget(NamedTuple):
    """A named budget of an image task.

    Attributes:
        population: Networks of a generation.
        batch_size: Images of a minibatch, which all networks of a generation see.
        generations: Generations, an initial population counting as the first.
    """

    population: int
    batch_size: int
    generations: int

    @property
    def evaluations(self) -> int:
        """Evaluations of networks."""
        return self.population * self.generations

    @property
    def images(self) -> int:
        """Classifications of images."""
        return self.evaluations * self.batch_size


IMAGE_BUDGETS = {
    "paper": ImageBudget(128, 1024, 4000),
    "small": ImageBudget(64, 256, 60),
    "smoke": ImageBudget(4, 32, 5),
}
"""Those of all image tasks; ``small`` takes less than a minute on one core."""


def population_of(spec: TaskSpec) -> int | None:
    """The population of the named budget that a task of neuroevolution has; None if the spec does not name it.

    Args:
        spec: Of a task that this package made, or the structure of one, which has no arguments.
    """
    if "budget" not in spec.arguments:
        return None
    budget = str(spec.arguments["budget"])
    if spec.family == "neuroevolution-images":
        return IMAGE_BUDGETS[budget].population
    return BUDGETS[spec.id.split("-")[1]][budget].population


def budget_of(id: str, budgets: Mapping[str, _Budget], name: str) -> _Budget:
    """A task's budget of a name.

    Args:
        id: The task's id, for the message.
        budgets: The task's, by their names.
        name: ``"paper"``, ``"small"`` or ``"smoke"``.

    Raises:
        ValueError: If there is no such name.
    """
    if name not in budgets:
        raise ValueError(f"{id}: budget must be one of {', '.join(budgets)}, but it is {name!r}")
    return budgets[name]
