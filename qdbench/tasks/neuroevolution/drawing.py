"""Pictures of episodes: the pendulum, the games' grids, and robots as sticks seen from the side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from qdbench.tasks.neuroevolution.trajectory import Trajectory

_SIZE = 240
_BACKGROUND, _INK, _FAINT = (255, 255, 255), (40, 40, 40), (200, 200, 200)
# One for each channel of a game, the first drawn over the others; chosen to be told apart without colour vision.
_CHANNELS = ((230, 159, 0), (86, 180, 233), (0, 114, 178), (0, 158, 115), (213, 94, 0), (204, 121, 167))
_MOST_FRAMES = 250
_TOP_VIEW = 0.5


def save(trajectory: Trajectory, path: Path, seconds: float = 0.05) -> int:
    """Draws a trajectory into a GIF, or its first picture into any other format; returns the number of pictures.

    Args:
        trajectory: What happened.
        path: Where to; the ending decides about the format.
        seconds: For how long a picture is shown. Of long episodes, every second, third ... state is drawn.
    """
    states = len(next(iter(trajectory.states.values())))
    every = -(-states // _MOST_FRAMES)
    pictures = list(frames(trajectory, every))
    if path.suffix.lower() != ".gif":
        pictures[0].save(path)
        return 1
    milliseconds = round(1000 * seconds * every)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return len(pictures)


def frames(trajectory: Trajectory, every: int = 1) -> Iterator[Image.Image]:
    """The pictures of a trajectory, of every so many states."""
    if "capsules" in trajectory.states:
        capsules = trajectory.states["capsules"]
        # What never leaves a plane above the ground is seen from above.
        reach = np.abs(capsules[..., :2]).max()
        from_above = bool(reach < _TOP_VIEW)
        for state in capsules[::every]:
            yield _sticks(state, from_above)
        return
    observations = trajectory.states["observation"]
    draw = _pendulum if observations.ndim == 2 else _grid
    for observation in observations[::every]:
        yield draw(observation)


def _pendulum(observation: np.ndarray) -> Image.Image:
    """A rod from the middle; upright is up."""
    image, canvas = _empty()
    cosine, sine, _ = observation
    middle, length = _SIZE / 2, 0.4 * _SIZE
    end = middle + length * sine, middle - length * cosine
    canvas.line([(middle, middle), end], fill=_CHANNELS[4], width=_SIZE // 12)
    _disc(canvas, (middle, middle), _SIZE / 40, _INK)
    return image


def _grid(observation: np.ndarray) -> Image.Image:
    """A colour for each channel."""
    cells = np.full((*observation.shape[:2], 3), _INK, np.uint8)
    for channel in range(observation.shape[-1] - 1, -1, -1):
        cells[observation[..., channel] > 0] = _CHANNELS[channel]
    image = Image.fromarray(cells)
    return image.resize((_SIZE, _SIZE), Image.Resampling.NEAREST)


def _sticks(capsules: np.ndarray, from_above: bool) -> Image.Image:
    """Capsules as lines, ``(capsules, 2, 3)``: x and z beside the ground, or x and y."""
    image, canvas = _empty()
    scale = _SIZE / (2 * _TOP_VIEW) if from_above else _SIZE / 4
    axes, left = ([0, 1], 0.0) if from_above else ([0, 2], float(capsules[0, :, 0].mean()))
    floor = _SIZE / 2 if from_above else 0.8 * _SIZE
    if not from_above:
        canvas.line([(0, floor), (_SIZE, floor)], fill=_INK, width=2)
        for metre in range(int(np.floor(left)) - 2, int(np.ceil(left)) + 3):
            across = _SIZE / 2 + scale * (metre - left)
            canvas.line([(across, floor), (across, floor + _SIZE / 40)], fill=_FAINT, width=2)
    # From the far side to the near one.
    for number in np.argsort(-capsules[..., 1].mean(axis=1)) if not from_above else range(len(capsules)):
        ends = [
            (_SIZE / 2 + scale * float(end[axes[0]] - left), floor - scale * float(end[axes[1]]))
            for end in capsules[number]
        ]
        colour = _CHANNELS[number % len(_CHANNELS)]
        canvas.line(ends, fill=colour, width=_SIZE // 30)
        for end in ends:
            _disc(canvas, end, _SIZE / 60, colour)
    return image


def _empty() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (_SIZE, _SIZE), _BACKGROUND)
    return image, ImageDraw.Draw(image)


def _disc(
    canvas: ImageDraw.ImageDraw, centre: tuple[float, float], radius: float, colour: tuple[int, int, int]
) -> None:
    x, y = centre
    canvas.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
