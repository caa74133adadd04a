"""Texts as CLIP's token ids: those of the papers are here, others need the ``tokenizer.json`` of a CLIP folder."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from qdbench.datasets import DataError
from qdbench.tasks.lsi.folders import TOKENIZER

_START, _END = 49406, 49407
LONGEST = 77
"""Tokens of the longest text, with its start and end."""

KNOWN = MappingProxyType(
    {
        "Elon Musk with short hair.": (20406, 19063, 593, 3005, 2225, 269),
        "A person with red hair.": (320, 2533, 593, 736, 2225, 269),
        "A man with blue eyes.": (320, 786, 593, 1746, 3095, 269),
        "An man with blue eyes.": (550, 786, 593, 1746, 3095, 269),
    }
)
"""The prompts of fontaine2021dqd in the vocabulary of CLIP, without start and end."""


def encode(folder: Path, text: str) -> tuple[int, ...]:
    """The token ids of a text with its start and end.

    Args:
        folder: The CLIP folder; looked at only for texts that are not in :data:`KNOWN`.
        text: The text.

    Raises:
        DataError: If it takes a tokenizer and there is none, or the text is too long.
    """
    if text in KNOWN:
        return (_START, *KNOWN[text], _END)
    path = folder / TOKENIZER
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise DataError(f"the text {text!r} takes a tokenizer: pip install tokenizers, or use {_known()}") from None
    if not path.is_file():
        raise DataError(
            f"the text {text!r} takes the vocabulary, but there is no file {path}: copy it there from "
            f"https://huggingface.co/openai/clip-vit-base-patch32, or use {_known()}"
        )
    ids = tuple(int(id) for id in Tokenizer.from_file(str(path)).encode(text).ids)
    if len(ids) > LONGEST:
        raise DataError(f"the text {text!r} has {len(ids)} tokens; it should have {LONGEST} at most")
    return ids


def _known() -> str:
    return " or ".join(map(repr, KNOWN))
