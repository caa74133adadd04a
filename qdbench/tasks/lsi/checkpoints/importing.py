"""``qdbench data import`` of checkpoints: reads one, checks that a model can be made of it, and writes a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qdbench.datasets import DataError, sha256_of
from qdbench.tasks.lsi import folders
from qdbench.tasks.lsi.checkpoints.formats import Converted, convert
from qdbench.tasks.lsi.checkpoints.names import folder_of


def import_checkpoint(path: Path, out: Path | None = None, data_home: Path | None = None) -> tuple[Path, Converted]:
    """Converts a checkpoint to a folder of safetensors and JSON.

    Args:
        path: NVIDIA's StyleGAN2 pickle, rosinality's .pt, the PyTorch port of StyleGAN's .pt, OpenAI's CLIP .pt, or a
            folder of Hugging Face's CLIP.
        out: The folder to write. Default: ``lsi/stylegan``, ``lsi/stylegan2`` or ``lsi/clip`` in the data folder.
        data_home: The data folder; see :func:`qdbench.datasets.data_folder`.

    Returns:
        The folder, and what is in it.

    Raises:
        DataError: If the checkpoint is of no known format, damaged or hostile, a tensor is missing or has another
            shape than the rest asks for, or the folder cannot be written.
    """
    if out is not None and out.is_file():
        raise DataError(f"{out} is a file; a checkpoint is imported into a folder")
    converted = convert(path)
    floats = {
        name: np.asarray(array, np.float32) for name, array in converted.tensors.items() if array.dtype.kind == "f"
    }
    target = out or folder_of(converted.kind, data_home)
    source = {
        "file": path.name,
        "format": converted.format,
        "sha256": None if path.is_dir() else sha256_of(path),
    }
    folders.check(converted.kind, floats, converted.files, str(path))
    folders.write(target, floats, converted.files, source)
    return target, converted
