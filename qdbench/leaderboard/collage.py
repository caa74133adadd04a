"""A collage of an archive: the pictures of its elites laid out over the measures, as figure 3 of fontaine2021dqd."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax
import matplotlib as mpl
import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from scipy import ndimage

import qdbench
from qdbench.harness.result import FinalArchive, TrialResult
from qdbench.harness.store import SUFFIX, load, result_paths
from qdbench.leaderboard.figures import EMPTY, SETTINGS, png_bytes
from qdbench.protocols import precision_of
from qdbench.spec import TaskSpec

TILE = 96
"""The most pixels of a picture along one axis."""
_SMALLEST = 48
_GAP = 2
_CHUNK = 16
_INCHES = 6.4


class Layout(NamedTuple):
    """Which elite is shown where.

    Attributes:
        elites: ``(rows, columns)`` rows of the archive, -1 where there is none; row 0 is at the low end of measure 2.
        extent: The measures that the collage spans: low and high of the first, low and high of the second.
    """

    elites: Int[np.ndarray, "rows columns"]
    extent: tuple[float, float, float, float]


def collage(result: Path, rows: int, columns: int) -> bytes:
    """The collage of a stored trial as PNG, the same bytes every time.

    Args:
        result: A result with solutions, or a folder that holds one result.
        rows: Pictures along the second measure.
        columns: Pictures along the first measure.

    Raises:
        ValueError: If the result has no solutions or its task no pictures or not two measures, or if the folder holds
            no result or several.
        StoreError: If it cannot be read.
    """
    trial = load(find(result))
    archive, config = _checked(trial, result), trial.record.config
    layout = lay_out(archive, config.task, rows, columns)
    chosen = layout.elites[layout.elites >= 0]
    assert archive.solutions is not None
    tiles = pictures(config.task, archive.solutions[chosen])
    title = f"{config.task.id}: {config.optimizer}, repetition {config.repetition}"
    return png_bytes(draw(layout, tiles, config.task, title))


def find(result: Path) -> Path:
    """The file of a result: itself, or the only one of a folder.

    Raises:
        ValueError: If the folder holds none or several.
    """
    if not result.is_dir():
        return result
    paths = list(result_paths(result))
    if len(paths) != 1:
        some = "".join(f"\n  {path}" for path in paths[:5])
        raise ValueError(
            f"{result} holds {len(paths)} results; name the {SUFFIX} file of one{':' if some else ''}{some}"
        )
    return paths[0]


def lay_out(archive: FinalArchive, spec: TaskSpec, rows: int, columns: int) -> Layout:
    """Divides the part of the archive that holds elites into blocks, and takes the best elite of each."""
    place = np.stack(np.unravel_index(archive.cells, archive.shape), axis=1)
    low, high = place.min(axis=0), place.max(axis=0) + 1
    counts = np.minimum([columns, rows], high - low)
    block = (place - low) * counts // (high - low)
    elites = np.full((int(counts[1]), int(counts[0])), -1)
    # The best comes last and so stays; among equals the first cell does.
    for index in np.lexsort((-archive.cells, archive.objective)):
        elites[block[index, 1], block[index, 0]] = index
    ends = [
        measure.low + (measure.high - measure.low) * float(edge) / size
        for measure, size, edges in zip(spec.measures, archive.shape, zip(low, high, strict=True), strict=True)
        for edge in edges
    ]
    return Layout(elites, (ends[0], ends[1], ends[2], ends[3]))


def pictures(spec: TaskSpec, solutions: Float[np.ndarray, "batch dim"]) -> Float[np.ndarray, "batch side side colors"]:
    """The pictures of solutions with values in [0, 1], at most :data:`TILE` pixels high.

    Raises:
        ValueError: If the task has no pictures.
    """
    task: Any = qdbench.make(spec.id, **spec.arguments)
    if not hasattr(task, "images"):
        raise ValueError(f"{spec.id} has no pictures: a collage is for the tasks whose id begins with LSI-")
    found = []
    with precision_of(spec):
        render = jax.jit(lambda batch: task.images(batch))
        for first in range(0, len(solutions), _CHUNK):
            part = solutions[first : first + _CHUNK]
            padded = np.concatenate([part, np.repeat(part[-1:], _CHUNK - len(part), axis=0)])
            images = np.clip(np.asarray(render(padded)), 0, 1)[: len(part)]
            found.append(_shrunk(images))
    return np.concatenate(found)


def draw(layout: Layout, tiles: Float[np.ndarray, "count side side colors"], spec: TaskSpec, title: str) -> Figure:
    """The figure: pictures in their places, black and white ones as they are."""
    rows, columns = layout.elites.shape
    magnify = max(1, -(-_SMALLEST // tiles.shape[1]))
    # Small pictures are easier to read smooth than as large squares.
    if magnify > 1:
        tiles = ndimage.zoom(tiles, (1, magnify, magnify, 1), order=1, mode="nearest", grid_mode=True)
    tiles = np.pad(tiles, ((0, 0), (_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=np.nan)
    side = tiles.shape[1]
    canvas = np.full((rows, columns, side, side, 3), mpl.colors.to_rgb(EMPTY), np.float32)
    shown = np.broadcast_to(tiles, (*tiles.shape[:3], 3))
    canvas[layout.elites >= 0] = np.where(np.isnan(shown), mpl.colors.to_rgb(EMPTY), shown)
    # Rows of pictures go up with the second measure, rows of pixels go down.
    picture = canvas[::-1].transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3)
    with mpl.rc_context({**SETTINGS, "axes.grid": False}):
        height = _INCHES * rows / columns
        figure = Figure(figsize=(_INCHES + 1.0, height + 1.1))
        box = (0.8 / (_INCHES + 1), 0.6 / (height + 1.1), _INCHES / (_INCHES + 1), height / (height + 1.1))
        axes = figure.add_axes(box)
        axes.imshow(picture, extent=layout.extent, aspect="auto", interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        first, second = spec.measures
        axes.set_xlabel(first.name + (f" [{first.unit}]" if first.unit else ""))
        axes.set_ylabel(second.name + (f" [{second.unit}]" if second.unit else ""))
        axes.spines[:].set_visible(False)
        return figure


def _checked(trial: TrialResult, path: Path) -> FinalArchive:
    task, archive = trial.record.config.task, trial.archive
    if task.num_measures != 2:
        raise ValueError(f"{path}: {task.id} has {task.num_measures} measures; a collage needs 2")
    if archive is None or archive.solutions is None or not archive.size:
        raise ValueError(f"{path} holds no solutions: run it again with --keep-solutions")
    return archive


def _shrunk(images: Float[np.ndarray, "batch side side colors"]) -> Float[np.ndarray, "batch small small colors"]:
    factor = -(-images.shape[1] // TILE)
    side = images.shape[1] // factor
    cut = images[:, : side * factor, : side * factor]
    return cut.reshape(len(images), side, factor, side, factor, -1).mean(axis=(2, 4))
