"""LSI-Digits-CLIP: pictures of digits by prompts alone, in the way of the paper's latent space illumination."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qdbench.spec import Measure, TaskSpec
from qdbench.tasks.lsi.clip import Clip, angles
from qdbench.tasks.lsi.embedded import EmbeddedTask, describe, embed, models
from qdbench.tasks.lsi.latents import Whitened
from qdbench.tasks.lsi.stylegan2 import StyleGan2

# A measure is the angle to the first text minus the angle to the second.
_MEASURES = (("thin", "bold"), ("left slanted", "right slanted"))
_BOUND = 0.8


class LsiDigitsClip(EmbeddedTask):
    r"""Latent space illumination of a generator of handwritten digits with texts for the objective and the measures.

    A solution is a point q of the generator's whitened W+ space (:class:`~qdbench.tasks.lsi.latents.Whitened`), 4
    layers of 32 coordinates. :math:`a(t) \in [0, \pi]` is the angle between CLIP's embeddings of the solution's picture
    and of a text t. The objective is

    .. math:: f = 100 \, (1 - a(\mathrm{prompt}) / \pi) \, \exp\left(-4 \max(\|q\| / \rho - 1, 0)^2\right)

    in [0, 100]; :math:`\rho` is the mean of :math:`\|q\|` under the generator's prior. The measures are
    :math:`a(\text{a thin number .}) - a(\text{a bold number .})` and
    :math:`a(\text{a left slanted number .}) - a(\text{a right slanted number .})` in [-0.8, 0.8], the first low for
    thin and the second low for left slanted ones; 100 x 100 cells. There is no noise, so the task is deterministic.

    The gradients are exact (reverse mode).

    Shapes: solutions ``(batch, 128)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: after the LSI of fontaine2021dqd, with the angles and differences of fontaine2023cmamae; the architectures
    are those of karras2020stylegan2 and radford2021clip; both models were trained by ``python -m scripts.lsi digits``
    on alpaydin1998digits, and the shipped files are the definition.

    Version history: v0.
    """

    spec: TaskSpec = eqx.field(static=True)
    generator: StyleGan2
    clip: Clip
    latents: Whitened
    texts: Float[Array, "5 embedding"]

    def values(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 3"]:
        """The objective, and the measures."""
        pictures = self.clip.embed_images(self.clip.normalize(self.images(solutions)))
        found = angles(pictures, self.texts)
        objective = 100 * (1 - found[:, 0] / np.pi) * self.latents.closeness(solutions)
        return jnp.stack([objective, found[:, 1] - found[:, 2], found[:, 3] - found[:, 4]], axis=1)


def make(id: str, prompt: str = "a number eight .", precision: str = "float32") -> LsiDigitsClip:
    """Makes the task.

    Args:
        id: The registered id.
        prompt: What the pictures should show, of the words that the model knows.
        precision: ``"float32"`` or ``"float64"``.

    Raises:
        ValueError: If an argument has another value.
    """
    low_to_high = [
        Measure(name=f"{first} to {second}", low=-_BOUND, high=_BOUND, unit="radians") for first, second in _MEASURES
    ]
    spec = describe(
        id,
        "digits",
        {"prompt": prompt},
        "lsi-digits-clip",
        f"Latent space illumination: handwritten digits for the text {prompt!r}, by differences of angles",
        (low_to_high[0], low_to_high[1]),
        precision,
    )
    found = models("digits", spec.precision)
    sides = [f"a {word} number ." for pair in _MEASURES for word in pair]
    return LsiDigitsClip(
        spec=spec,
        generator=found.generator,
        clip=found.clip,
        latents=found.latents,
        texts=embed(spec, "digits", [prompt, *sides]),
    )
