"""The named budgets of the image tasks: how many networks see how many images, and for how long.

``paper`` is that of lange2023lga's appendix. ``small`` takes less than a minute on one core, and ``smoke`` is for
tests. Boards of different budgets are different boards.
"""

from __future__ import annotations

from typing import NamedTuple


class ImageBudget(NamedTuple):
    """A named budget.

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
"""The budgets by name."""


def image_budget(id: str, name: str) -> ImageBudget:
    """The budget of a name.

    Args:
        id: The task's id, for the message.
        name: ``"paper"``, ``"small"`` or ``"smoke"``.

    Raises:
        ValueError: If there is no such name.
    """
    if name not in IMAGE_BUDGETS:
        raise ValueError(f"{id}: budget must be one of {', '.join(IMAGE_BUDGETS)}, but it is {name!r}")
    return IMAGE_BUDGETS[name]
