"""Which paths are checkpoints, and where imported ones lie; imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from qdbench.datasets import data_folder

Kind = Literal["stylegan", "stylegan2", "clip"]
_SUFFIXES = (".pkl", ".pt", ".pth")


def is_checkpoint(path: Path) -> bool:
    """Whether a path is to be imported as a checkpoint: by its suffix, or a folder with ``config.json``."""
    return path.suffix in _SUFFIXES or (path / "config.json").is_file()


def folder_of(kind: Kind, data_home: Path | None = None) -> Path:
    """Where the imported checkpoint of a kind lies."""
    return data_folder(data_home) / "lsi" / kind
