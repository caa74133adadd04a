"""LSI-Digits: pictures of a wanted digit, from thin to bold and slanted to either side."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from qdbench.arguments import check_integer
from qdbench.numerics import exp
from qdbench.protocols import precision_of
from qdbench.spec import Measure, TaskSpec
from qdbench.tasks.lsi.clip import Clip
from qdbench.tasks.lsi.embedded import DigitsTask, describe, embed, models
from qdbench.tasks.lsi.latents import Whitened
from qdbench.tasks.lsi.layers import matmul
from qdbench.tasks.lsi.pictures import ink, slant
from qdbench.tasks.lsi.stylegan2 import StyleGan2

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEXTS = (*(f"a number {name} ." for name in NAMES), "a scribble .")


class LsiDigits(DigitsTask):
    r"""Latent space illumination of a generator of handwritten digits, 8 x 8 pixels.

    A solution is a point q of the generator's whitened W+ space (:class:`~qdbench.tasks.lsi.latents.Whitened`), 4
    layers of 32 coordinates. With its picture x, CLIP's unit embedding u of x, :math:`t_d` that of the text
    "a number d ." for each of the ten digits, and :math:`t_{10}` that of "a scribble .", the objective for the wanted
    digit is

    .. math:: f = 100 \, \frac{\exp(s \, u \cdot t_d)}{\sum_{j=0}^{10} \exp(s \, u \cdot t_j)}
              \, \exp\left(-4 \max(\|q\| / \rho - 1, 0)^2\right),

    the probability of the digit by zero-shot classification (s is the model's logit scale) times the closeness to the
    prior (:math:`\rho` is the mean of :math:`\|q\|` under it), in [0, 100]. The measures are the mean ink of the
    picture in [0.15, 0.45] and its slant in [-0.5, 0.5] pixels to the right for each upwards
    (:mod:`qdbench.tasks.lsi.pictures`); 100 x 100 cells. CLIP gets pixels as the generator gives them, the measures
    clip them to [0, 1]. There is no noise, so the task is deterministic.

    The gradients are exact (reverse mode; clipped pixels have the derivative 0).

    Shapes: solutions ``(batch, 128)``, objective ``(batch,)``, measures ``(batch, 2)``.

    Source: after the LSI of fontaine2021dqd and the LSI MNIST of tjanaka2023pyribs; the architectures are those of
    karras2020stylegan2 and radford2021clip; both models were trained by ``python -m scripts.lsi_digits`` on
    alpaydin1998digits, and the shipped files are the definition.

    Version history: v0.
    """

    spec: TaskSpec = eqx.field(static=True)
    generator: StyleGan2
    clip: Clip
    latents: Whitened
    texts: Float[Array, "11 embedding"]
    wanted: Float[Array, " 11"]

    def values(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 3"]:
        """The objective, and the measures."""
        images = self.images(solutions)
        pictures = self.clip.embed_images(self.clip.normalize(images))
        logits = self.clip.logit_scale * matmul(pictures, self.texts.T)
        shares = exp(logits - lax.stop_gradient(logits.max(axis=1, keepdims=True)))
        probability = matmul(shares, self.wanted) / shares.sum(axis=1)
        objective = 100 * probability * self.latents.closeness(solutions)
        return jnp.stack([objective, ink(images), slant(images)], axis=1)


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
        {"digit": digit},
        "lsi-digits",
        f"Latent space illumination: handwritten digits that are read as {digit}, by ink and slant",
        (Measure(name="ink", low=0.15, high=0.45), Measure(name="slant", low=-0.5, high=0.5, unit="pixels a pixel")),
        precision,
    )
    found = models(spec)
    with precision_of(spec):
        wanted = jnp.asarray([float(index == digit) for index in range(len(_TEXTS))], spec.precision)
    return LsiDigits(
        spec=spec,
        generator=found.generator,
        clip=found.clip,
        latents=found.latents,
        texts=embed(spec, _TEXTS),
        wanted=wanted,
    )
