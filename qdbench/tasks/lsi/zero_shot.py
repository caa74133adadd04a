"""What the tasks share whose objective is the probability of a wanted class by zero-shot classification."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TypeVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from qdbench.numerics import exp
from qdbench.protocols import precision_of
from qdbench.spec import TaskSpec
from qdbench.tasks.lsi.clip import Clip
from qdbench.tasks.lsi.embedded import EmbeddedTask, Subject, embed, models
from qdbench.tasks.lsi.latents import Whitened
from qdbench.tasks.lsi.layers import matmul
from qdbench.tasks.lsi.stylegan2 import StyleGan2

SCRIBBLE = "scribble"
_T = TypeVar("_T", bound="ZeroShotTask")


class ZeroShotTask(EmbeddedTask):
    r"""A task on pictures that should be read as a wanted class; subclasses say what is measured.

    With the picture x of a solution q, CLIP's unit embedding u of x, :math:`t_c` that of the text of class c, and
    :math:`t_{10}` that of "a scribble .", the objective for the wanted class is

    .. math:: f = 100 \, \frac{\exp(s \, u \cdot t_c)}{\sum_{j=0}^{10} \exp(s \, u \cdot t_j)}
              \, \exp\left(-4 \max(\|q\| / \rho - 1, 0)^2\right),

    the probability of the class (s is the model's logit scale) times the closeness to the prior (:math:`\rho` is the
    mean of :math:`\|q\|` under it), in [0, 100]. CLIP gets pixels as the generator gives them.
    """

    spec: TaskSpec = eqx.field(static=True)
    generator: StyleGan2
    clip: Clip
    latents: Whitened
    texts: Float[Array, "11 embedding"]
    wanted: Float[Array, " 11"]

    @abc.abstractmethod
    def measured(self, images: Float[Array, "batch side side 1"]) -> tuple[Float[Array, " batch"], ...]:
        """The measures of pictures."""

    def values(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 3"]:
        """The objective, and the measures."""
        images = self.images(solutions)
        pictures = self.clip.embed_images(self.clip.normalize(images))
        logits = self.clip.logit_scale * matmul(pictures, self.texts.T)
        shares = exp(logits - lax.stop_gradient(logits.max(axis=1, keepdims=True)))
        probability = matmul(shares, self.wanted) / shares.sum(axis=1)
        objective = 100 * probability * self.latents.closeness(solutions)
        return jnp.stack([objective, *self.measured(images)], axis=1)


def assemble(kind: type[_T], spec: TaskSpec, subject: Subject, names: Sequence[str], wanted: int) -> _T:
    """Makes a task.

    Args:
        kind: Its class.
        spec: Its spec.
        subject: What the models were trained on.
        names: The ten classes as in "a NAME .".
        wanted: The index of a class.
    """
    found = models(subject, spec.precision)
    texts = [f"a {name} ." for name in (*names, SCRIBBLE)]
    with precision_of(spec):
        one_hot = jnp.asarray([float(index == wanted) for index in range(len(texts))], spec.precision)
    return kind(
        spec=spec,
        generator=found.generator,
        clip=found.clip,
        latents=found.latents,
        texts=embed(spec, subject, texts),
        wanted=one_hot,
    )
