"""LSI-Digits: pictures of a wanted digit, from thin to bold and slanted to either side."""

from __future__ import annotations

from jaxtyping import Array, Float

from qdbench.arguments import check_integer
from qdbench.spec import Measure
from qdbench.tasks.lsi.embedded import describe
from qdbench.tasks.lsi.pictures import ink, slant
from qdbench.tasks.lsi.zero_shot import ZeroShotTask, assemble

NAMES = tuple(
    f"number {name}" for name in ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
)


class LsiDigits(ZeroShotTask):
    r"""Latent space illumination of a generator of handwritten digits, 8 x 8 pixels.

    A solution is a point q of the generator's whitened W+ space (:class:`~qdbench.tasks.lsi.latents.Whitened`), 4
    layers of 32 coordinates. The objective is the probability of the wanted digit times the closeness to the prior
    (:class:`~qdbench.tasks.lsi.zero_shot.ZeroShotTask`), in [0, 100]; the texts are "a number zero ." to
    "a number nine ." and "a scribble .". The measures are the mean ink of the picture in [0.15, 0.45] and its slant in
    [-0.5, 0.5] pixels to the right for each upwards (:mod:`qdbench.tasks.lsi.pictures`); 100 x 100 cells. The measures
    clip pixels to [0, 1]. There is no noise, so the task is deterministic.

    The gradients are exact (reverse mode; clipped pixels have the derivative 0).

    Shapes: solutions ``(batch, 128)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: after the LSI of fontaine2021dqd and the LSI MNIST of tjanaka2023pyribs; the architectures are those of
    karras2020stylegan2 and radford2021clip; both models were trained by ``python -m scripts.lsi digits`` on
    alpaydin1998digits, and the shipped files are the definition.

    Version history: v0.
    """

    def measured(self, images: Float[Array, "batch 8 8 1"]) -> tuple[Float[Array, " batch"], ...]:
        """Ink and slant."""
        return ink(images), slant(images)


def make(id: str, digit: int = 8, precision: str = "float32") -> LsiDigits:
    """Makes the task.

    Args:
        id: The registered id.
        digit: The wanted digit, 0 to 9.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: If an argument has another value.
    """
    digit = check_integer(id, "digit", digit, 0, 9)
    spec = describe(
        id,
        "digits",
        {"digit": digit},
        "lsi-digits",
        f"Latent space illumination: handwritten digits that are read as {digit}, by ink and slant",
        (Measure(name="ink", low=0.15, high=0.45), Measure(name="slant", low=-0.5, high=0.5, unit="pixels a pixel")),
        precision,
    )
    return assemble(LsiDigits, spec, "digits", NAMES, digit)
