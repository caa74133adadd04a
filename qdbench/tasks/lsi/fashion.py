"""LSI-Fashion: pictures of a wanted article of clothing, from dark to bright and from narrow to wide."""

from __future__ import annotations

from jaxtyping import Array, Float

from qdbench.spec import Measure
from qdbench.tasks.lsi.embedded import describe
from qdbench.tasks.lsi.pictures import ink, width
from qdbench.tasks.lsi.zero_shot import ZeroShotTask, assemble

NAMES = ("t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


class LsiFashion(ZeroShotTask):
    r"""Latent space illumination of a generator of articles of clothing, 28 x 28 pixels.

    A solution is a point q of the generator's whitened W+ space (:class:`~qdbench.tasks.lsi.latents.Whitened`), 8
    layers of 32 coordinates; the generator makes 32 x 32 pixels, of which the middle counts. The objective is the
    probability of the wanted article times the closeness to the prior
    (:class:`~qdbench.tasks.lsi.zero_shot.ZeroShotTask`), in [0, 100]; the texts are "a t-shirt ." and so on for the ten
    classes of xiao2017fashion, and "a scribble .". The measures are the mean ink of the picture, which says how bright
    and large the article is, in [0.05, 0.5], and its width in [1.5, 6] pixels (:mod:`qdbench.tasks.lsi.pictures`);
    100 x 100 cells. The measures clip pixels to [0, 1]. There is no noise, so the task is deterministic.

    The gradients are exact (reverse mode; clipped pixels have the derivative 0).

    Shapes: solutions ``(batch, 256)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: after the LSI of fontaine2021dqd; the architectures are those of karras2020stylegan2 and radford2021clip;
    both models were trained by ``python -m scripts.lsi fashion`` on xiao2017fashion, and the shipped files are the
    definition.

    Version history: v0.
    """

    def measured(self, images: Float[Array, "batch 28 28 1"]) -> tuple[Float[Array, " batch"], ...]:
        """Ink and width."""
        return ink(images), width(images)


def make(id: str, article: str = "dress", precision: str = "float32") -> LsiFashion:
    """Makes the task.

    Args:
        id: The registered id.
        article: The wanted class: t-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag or boot.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: If an argument has another value.
    """
    if article not in NAMES:
        raise ValueError(f"{id}: article must be one of {', '.join(NAMES)}, but it is {article!r}")
    spec = describe(
        id,
        "fashion",
        {"article": article},
        "lsi-fashion",
        f"Latent space illumination: articles of clothing that are read as {article}, by ink and width",
        (Measure(name="ink", low=0.05, high=0.5), Measure(name="width", low=1.5, high=6.0, unit="pixels")),
        precision,
    )
    return assemble(LsiFashion, spec, "fashion", NAMES, NAMES.index(article))
