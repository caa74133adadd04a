"""The generator and the CLIP model that come with qdbench, both trained on scikit-learn's digits."""

from __future__ import annotations

import abc
import functools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from qdbench.arguments import check_precision
from qdbench.protocols import Evaluation, Task, precision_of
from qdbench.spec import Measure, Start, TaskSpec
from qdbench.tasks.lsi import clip, folders
from qdbench.tasks.lsi.derivatives import evaluate_rows
from qdbench.tasks.lsi.latents import Whitened, whiten
from qdbench.tasks.lsi.stylegan2 import StyleGan2

CITATIONS = ("fontaine2021dqd", "karras2020stylegan2", "radford2021clip", "alpaydin1998digits")
DIM = 128
BUDGET = 360_100
_CELLS = 100


class DigitsTask(Task):
    """A task on pictures of the generator; subclasses say what CLIP makes of them."""

    generator: eqx.AbstractVar[StyleGan2]
    clip: eqx.AbstractVar[clip.Clip]
    latents: eqx.AbstractVar[Whitened]

    def images(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 8 8 1"]:
        """The pictures of solutions; 0 is black, 1 is white, and values beyond are not clipped."""
        return (self.generator.synthesize(self.latents(solutions), "off") + 1) / 2

    @abc.abstractmethod
    def values(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 3"]:
        """The objective and the two measures."""

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key
        return evaluate_rows(self.values, solutions, gradients)


class Models(NamedTuple):
    """What the tasks on digits share."""

    generator: StyleGan2
    clip: clip.Clip
    latents: Whitened


def models(spec: TaskSpec) -> Models:
    """The models in the precision of a task."""
    return _models(spec.precision)


@functools.cache
def _models(precision: Literal["float32", "float64"]) -> Models:
    with jax.enable_x64(precision == "float64"), resources.as_file(_folder()) as folder:
        generator = folders.load_generator(Path(folder) / "generator", precision)
        assert isinstance(generator, StyleGan2)
        model = folders.load_clip(Path(folder) / "clip", precision)
        return Models(generator, model, whiten(generator, precision))


def embed(spec: TaskSpec, texts: Sequence[str]) -> Float[Array, "texts embedding"]:
    """Unit embeddings of texts.

    Raises:
        ValueError: If a text has a word that the model does not know.
    """
    model = models(spec).clip
    ids = clip.pad([encode(spec.id, text) for text in texts], model.text.positions.shape[0])
    with precision_of(spec):
        return model.embed_texts(jnp.asarray(ids))


def encode(id: str, text: str) -> list[int]:
    """The token ids of a text, with start and end.

    Raises:
        ValueError: If it has a word that the model does not know, or is too long.
    """
    words, longest = vocabulary()
    unknown = [word for word in text.split() if word not in words]
    known = ", ".join(word for word in words if not word.startswith("<"))
    if unknown:
        raise ValueError(f"{id}: the text {text!r} has the unknown word {unknown[0]!r}; the words are {known}")
    ids = [words["<start>"], *(words[word] for word in text.split()), words["<end>"]]
    if len(ids) > longest:
        raise ValueError(f"{id}: the text {text!r} has {len(ids) - 2} words; it should have {longest - 2} at most")
    return ids


def vocabulary() -> tuple[dict[str, int], int]:
    """The ids of the words, and the length of the longest text with its start and end."""
    with resources.as_file(_folder()) as folder:
        content = folders.read_json(Path(folder) / "clip" / folders.TOKENIZER)
    words: dict[str, int] = content["model"]["vocab"]
    longest: int = content["truncation"]["max_length"]
    return words, longest


def describe(
    id: str,
    arguments: dict[str, str | int],
    family: str,
    summary: str,
    measures: tuple[Measure, Measure],
    precision: str,
) -> TaskSpec:
    """The spec of a task on digits."""
    return TaskSpec(
        id=id,
        arguments={**arguments, "precision": check_precision(id, precision)},
        family=family,
        summary=summary,
        dim=DIM,
        measures=measures,
        archive_shape=(_CELLS, _CELLS),
        objective_range=(0.0, 100.0),
        budget=BUDGET,
        precision=check_precision(id, precision),
        differentiable=True,
        start=Start(kind="normal", mean=0.0, scale=1.0),
        citations=CITATIONS,
    )


def _folder() -> resources.abc.Traversable:
    return resources.files("qdbench.tasks.lsi") / "digits_data"
