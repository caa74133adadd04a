"""The generators and the CLIP models that come with qdbench, trained on digits and on articles of clothing."""

from __future__ import annotations

import abc
import dataclasses
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
from qdbench.tasks.lsi.pictures import middle
from qdbench.tasks.lsi.stylegan2 import StyleGan2

_CITATIONS = ("fontaine2021dqd", "karras2020stylegan2", "radford2021clip")
BUDGET = 360_100
_CELLS = 100
Subject = Literal["digits", "fashion"]
_SOURCES: dict[Subject, str] = {"digits": "alpaydin1998digits", "fashion": "xiao2017fashion"}


class EmbeddedTask(Task):
    """A task on pictures of a generator; subclasses say what CLIP makes of them."""

    generator: eqx.AbstractVar[StyleGan2]
    clip: eqx.AbstractVar[clip.Clip]
    latents: eqx.AbstractVar[Whitened]

    def images(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch side side 1"]:
        """The pictures of solutions, of the size that CLIP takes; 0 is black, 1 is white, values beyond stay."""
        return (middle(self.generator.synthesize(self.latents(solutions), "off"), self.clip.side) + 1) / 2

    @abc.abstractmethod
    def values(self, solutions: Float[Array, "batch dim"]) -> Float[Array, "batch 3"]:
        """The objective and the two measures."""

    def for_fingerprint(self) -> Task:
        """The task in float64: measures are small differences, whose digits in float32 depend on the processor."""
        spec = self.spec.model_copy(update={"precision": "float64"})
        with precision_of(spec):
            arrays, rest = eqx.partition(self, eqx.is_inexact_array)
            wider = eqx.combine(jax.tree.map(lambda array: jnp.asarray(array, spec.precision), arrays), rest)
        return dataclasses.replace(wider, spec=spec)

    def _evaluate(self, key: Key[Array, ""] | None, solutions: Float[Array, "batch n"], gradients: bool) -> Evaluation:
        del key
        return evaluate_rows(self.values, solutions, gradients)


class Models(NamedTuple):
    """What the tasks on the same subject share."""

    generator: StyleGan2
    clip: clip.Clip
    latents: Whitened


@functools.cache
def models(subject: Subject, precision: Literal["float32", "float64"]) -> Models:
    """The models of a subject in a precision."""
    with jax.enable_x64(precision == "float64"), resources.as_file(_folder(subject)) as folder:
        generator = folders.load_generator(Path(folder) / "generator", precision)
        assert isinstance(generator, StyleGan2)
        model = folders.load_clip(Path(folder) / "clip", precision)
        return Models(generator, model, whiten(generator, precision))


def embed(spec: TaskSpec, subject: Subject, texts: Sequence[str]) -> Float[Array, "texts embedding"]:
    """Unit embeddings of texts.

    Raises:
        ValueError: If a text has a word that the model does not know.
    """
    model = models(subject, spec.precision).clip
    ids = clip.pad([encode(spec.id, subject, text) for text in texts], model.text.positions.shape[0])
    with precision_of(spec):
        return model.embed_texts(jnp.asarray(ids))


def encode(id: str, subject: Subject, text: str) -> list[int]:
    """The token ids of a text, with start and end.

    Raises:
        ValueError: If it has a word that the model does not know, or is too long.
    """
    words, longest = vocabulary(subject)
    unknown = [word for word in text.split() if word not in words]
    known = ", ".join(word for word in words if not word.startswith("<"))
    if unknown:
        raise ValueError(f"{id}: the text {text!r} has the unknown word {unknown[0]!r}; the words are {known}")
    ids = [words["<start>"], *(words[word] for word in text.split()), words["<end>"]]
    if len(ids) > longest:
        raise ValueError(f"{id}: the text {text!r} has {len(ids) - 2} words; it should have {longest - 2} at most")
    return ids


def vocabulary(subject: Subject) -> tuple[dict[str, int], int]:
    """The ids of the words, and the length of the longest text with its start and end."""
    with resources.as_file(_folder(subject)) as folder:
        content = folders.read_json(Path(folder) / "clip" / folders.TOKENIZER)
    words: dict[str, int] = content["model"]["vocab"]
    longest: int = content["truncation"]["max_length"]
    return words, longest


def describe(
    id: str,
    subject: Subject,
    arguments: dict[str, str | int],
    family: str,
    summary: str,
    measures: tuple[Measure, Measure],
    precision: str,
) -> TaskSpec:
    """The spec of a task."""
    checked = check_precision(id, precision)
    return TaskSpec(
        id=id,
        arguments={**arguments, "precision": checked},
        family=family,
        summary=summary,
        dim=models(subject, checked).latents.dim,
        measures=measures,
        archive_shape=(_CELLS, _CELLS),
        objective_range=(0.0, 100.0),
        budget=BUDGET,
        precision=checked,
        differentiable=True,
        start=Start(kind="normal", mean=0.0, scale=1.0),
        citations=(*_CITATIONS, _SOURCES[subject]),
    )


def _folder(subject: Subject) -> resources.abc.Traversable:
    return resources.files("qdbench.tasks.lsi") / f"{subject}_data"
