"""What differs between the models: what is in the pictures, what captions say about it, sizes and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qdbench.tasks.lsi.zero_shot import SCRIBBLE

START, END = "<start>", "<end>"
Measure = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class GeneratorSettings:
    """Of the generator's training (adam_b1 is 0, adam_b2 is 0.99, as in karras2020stylegan2).

    Attributes:
        channels: Of each resolution.
        critic: Units of each of the three hidden layers of a multilayer perceptron, or the channels of each
            convolution with stride 2 and the units of the layer that follows them.
        convolutional: Whether the critic is convolutional.
        steps: Updates of both networks.
        batch: Pictures in each.
        learning_rate: Of Adam, for both.
        r1: The weight of the penalty on the critic's gradient at real pictures.
        average: The share of the averaged tensors that stays in each step.
    """

    channels: dict[int, int]
    critic: tuple[int, ...]
    convolutional: bool
    steps: int
    batch: int
    learning_rate: float
    r1: float
    average: float = 0.998


@dataclasses.dataclass(frozen=True)
class ClipSettings:
    """Of CLIP's training.

    Attributes:
        patch: Pixels along the side of a patch.
        steps: Updates.
        radius: Pictures are moved by up to this Euclidean distance to where the model reads something else.
        batch: Pictures and captions in each step.
        learning_rate: Of AdamW at the beginning; it falls to 0 along a cosine.
        weight_decay: Of AdamW.
        left_out: The share of attributes that captions leave out.
        attack: Steps of the ascent that moves pictures.
        scribbles: The share of pictures that show nothing.
        blots: The share of these that show something, but with blots beside it.
        average: The share of the averaged tensors that stays in each step.
    """

    patch: int
    steps: int
    radius: float
    batch: int = 128
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    left_out: float = 0.5
    attack: int = 3
    scribbles: float = 0.25
    blots: float = 0.0
    average: float = 0.998


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Images in [0, 1], ``(count, side, side, 1)``, of each the class and its terciles of both measures, and edges."""

    images: np.ndarray
    attributes: np.ndarray
    edges: np.ndarray


class Data(NamedTuple):
    """The images, and copies of them, to train on and held out.

    The copies are changed at random, so that both models know pictures over the whole range of the measures. Terciles
    are those of the copies to train on.
    """

    training: Pictures
    held_out: Pictures
    varied_training: Pictures
    varied_held_out: Pictures


@dataclasses.dataclass(frozen=True)
class Subject:
    """Pictures, their captions, and how the two models are trained on them.

    Attributes:
        source: The data, for the record.
        side: Height and width of a picture.
        classes: What captions call the classes.
        anything: What captions say where they leave the class out.
        terciles: What captions call the terciles of the two measures.
        words: The words of captions in the order of their token ids.
        measures: What captions tell by terciles.
        coarse: Scribbles of noise have so many values along a side.
        generator: The generator's settings.
        clip: CLIP's settings.
    """

    source: str
    side: int
    classes: tuple[str, ...]
    anything: str
    terciles: tuple[tuple[str, str, str], tuple[str, str, str]]
    words: tuple[str, ...]
    measures: tuple[Measure, Measure]
    coarse: int
    generator: GeneratorSettings
    clip: ClipSettings

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The tokens; the end has the largest id, which is how a text tower without a named end token finds it."""
        return ("<pad>", START, "a", *self.words, END)

    @property
    def longest(self) -> int:
        """The tokens of the longest text, which says everything, with three to spare for words that users add."""
        longest = [max(len(text.split()) for text in texts) for texts in (*self.terciles, self.classes)]
        return len((START, "a", ".", END)) + sum(longest) + 3

    def caption(self, kind: int | None = None, first: int | None = None, second: int | None = None) -> list[int]:
        """Token ids of a caption such as "a bold right slanted number seven ."; what is None is left out.

        The class after the last one is a scribble: "a thin upright scribble .".
        """
        told = [
            texts[tercile] for texts, tercile in zip(self.terciles, (first, second), strict=True) if tercile is not None
        ]
        what = self.anything if kind is None else (*self.classes, SCRIBBLE)[kind]
        return [self.vocabulary.index(word) for word in (START, "a", *" ".join([*told, what]).split(), ".", END)]

    def captions(self) -> np.ndarray:
        """Token ids of every caption, ``(classes + 2, 4, 4, longest)``; the last index of each leaves it out."""
        table = np.zeros((len(self.classes) + 2, 4, 4, self.longest), np.int32)
        for index in np.ndindex(table.shape[:3]):
            named = [None if i == size - 1 else i for i, size in zip(index, table.shape[:3], strict=True)]
            ids = self.caption(*named)
            table[index][: len(ids)] = ids
        return table

    def describe(self, parts: Sequence[tuple[np.ndarray, np.ndarray]], copies: Sequence[np.ndarray]) -> Data:
        """The data with attributes.

        Args:
            parts: Images and classes, to train on and held out.
            copies: Changed copies of both, the same number of each image in a row.
        """
        edges = np.stack([np.quantile(np.asarray(measure(copies[0])), [1 / 3, 2 / 3]) for measure in self.measures])

        def described(images: np.ndarray, classes: np.ndarray) -> Pictures:
            places = [
                np.searchsorted(edge, np.asarray(measure(images)))
                for edge, measure in zip(edges, self.measures, strict=True)
            ]
            attributes = np.stack([np.repeat(classes, len(images) // len(classes)), *places], axis=1)
            return Pictures(images, attributes.astype(np.int32), edges)

        plain = [described(images, classes) for images, classes in parts]
        varied = [described(images, classes) for images, (_, classes) in zip(copies, parts, strict=True)]
        return Data(*plain, *varied)
