"""The checkpoints that the tasks on faces need: where they lie, and how to get them."""

from __future__ import annotations

from pathlib import Path

from qdbench.data_catalogue import DataFile
from qdbench.datasets import DataError, locate
from qdbench.tasks.lsi.checkpoints.names import Kind
from qdbench.tasks.lsi.folders import TENSORS

FILES: dict[Kind, DataFile] = {
    "stylegan": DataFile(
        name=f"lsi/stylegan/{TENSORS}",
        licence="CC BY-NC 4.0 (NVIDIA; weights derived from NVlabs/stylegan)",
        command="qdbench data import karras2019stylegan-ffhq-1024x1024.for_g_all.pt (some 105 MB)",
        url="https://github.com/lernapparat/lernapparat/releases (v2019-02-01)",
    ),
    "stylegan2": DataFile(
        name=f"lsi/stylegan2/{TENSORS}",
        licence="NVIDIA Source Code License, non-commercial; FFHQ: CC BY-NC-SA 4.0",
        command="qdbench data import stylegan2-ffhq-1024x1024.pkl (some 380 MB; also ada's and rosinality's)",
        url="https://catalog.ngc.nvidia.com/orgs/nvidia/teams/research/models/stylegan2",
    ),
    "clip": DataFile(
        name=f"lsi/clip/{TENSORS}",
        licence="MIT (OpenAI)",
        command="qdbench data import ViT-B-32.pt (some 350 MB), or the folder clip-vit-base-patch32",
        url="https://github.com/openai/CLIP (ViT-B/32), https://huggingface.co/openai/clip-vit-base-patch32",
    ),
}


def find(kind: Kind, given: str) -> Path:
    """The folder of an imported checkpoint: the one that is given, else that of the data folder.

    Raises:
        DataError: If there is none, with what to fetch, from where, how large it is and under which licence.
    """
    if not given:
        return locate(FILES[kind]).parent
    folder = Path(given)
    if not (folder / TENSORS).is_file():
        raise DataError(f"there is no file {folder / TENSORS}; make it with: qdbench data import FILE --out {folder}")
    return folder
