"""A figure of a page."""

from __future__ import annotations

import dataclasses

from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Plot:
    """A figure with the name of its file (without the suffix), what it shows in words, and its caption."""

    name: str
    figure: Figure
    alternative: str
    caption: str
