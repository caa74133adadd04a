"""The 24 noiseless BBOB functions: COCO's groups and the split that the paper of the learned GA trained on."""

from __future__ import annotations

from collections.abc import Collection

from qdbench.tasks.bbob.names import NAMES

GROUPS = {
    "separable": tuple(range(1, 6)),
    "moderate": tuple(range(6, 10)),
    "ill-conditioned": tuple(range(10, 15)),
    "multi-modal": tuple(range(15, 20)),
    "weakly structured": tuple(range(20, 25)),
}

TRAINING = (1, 8, 11, 15, 20, 4, 6, 16, 17, 19)
"""The ten functions on which the paper meta-evolved the learned GA, in the order of its Table 1."""

HOLD_OUT = tuple(function for function in range(1, 25) if function not in TRAINING)

SPLITS = {"all": (*TRAINING, *HOLD_OUT), "training": TRAINING, "hold-out": HOLD_OUT}


def split_of(function: int) -> str:
    """``"training"`` or ``"hold-out"``."""
    return "training" if function in TRAINING else "hold-out"


def members_of(split: str, present: Collection[int]) -> list[int]:
    """The functions of a split that are present, in the order of the paper."""
    return [function for function in SPLITS[split] if function in present]


def shown_splits(present: Collection[int]) -> list[str]:
    """The splits to show: all three, or the one that all functions are of."""
    found = sorted({split_of(function) for function in present})
    return found if len(found) == 1 else list(SPLITS)


def title(function: int) -> str:
    """The function's number and name, such as ``f1 Sphere``."""
    known = 1 <= function <= len(NAMES)
    return f"f{function} {NAMES[function - 1]}" if known else f"f{function}"
