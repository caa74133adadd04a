"""The registered tasks that can be made here, and arguments that keep tests of them fast."""

from __future__ import annotations

from importlib import resources

import pytest

import qdbench

# What has no default.
NEEDED: dict[str, dict[str, object]] = {
    "HPO-Own-v0": {
        "pack": str(resources.files("qdbench.tasks.hpob") / "mini_data" / "surrogates.npz"),
        "space": "svm",
        "dataset": "iris",
    }
}
# Published weights that nobody may pass on; tests/tasks/lsi has small ones of the same form.
WEIGHTS = {"LSI-StyleGAN-CLIP-v0", "LSI-StyleGAN2-CLIP-v0"}
AVAILABLE = [id for id in qdbench.list_tasks(available=True) if id not in WEIGHTS]
"""Those whose data is here."""

# A task without an entry is tested as it is by default.
SMALL: dict[str, dict[str, object]] = {id: {"dim": 7} for id in AVAILABLE if id.startswith(("LP-", "Arm-", "BBOB-"))}
SMALL["BBOB-v0"]["function"] = 15
SMALL["BBOB-Noisy-v0"]["function"] = 117
BRAX = ("Ant", "HalfCheetah", "Hopper", "Reacher", "Walker2d")
CONTROL = (*BRAX, "Asterix", "Breakout", "Pendulum", "SpaceInvaders")
SMALL |= {f"Neuro-{name}-v0": {"budget": "smoke"} for name in CONTROL}
# So long that something happens, and so short that rounding errors stay small.
SMALL["Neuro-Asterix-v0"] |= {"steps": 200, "rollouts": 8}
SMALL["Neuro-Pendulum-v0"] |= {"steps": 20}
SMALL |= {f"Neuro-{name}-v0": {"budget": "smoke"} for name in ("MNIST", "FashionMNIST", "KMNIST", "Digits")}
SMALL |= NEEDED

# Each program of theirs takes 10 to 20 seconds to compile; Pendulum, Breakout and LSI-Digits stand for them.
SLOW = {*(f"Neuro-{name}-v0" for name in BRAX), "LSI-Digits-CLIP-v0", "LSI-Fashion-v0"}
PARAMETERS = [pytest.param(id, marks=pytest.mark.slow) if id in SLOW else id for id in AVAILABLE]
"""Those whose data is here, for tests that compile them."""


def make(id: str, **arguments: object) -> qdbench.Task:
    """A task, small where its size can be chosen."""
    small = SMALL.get(id, {})
    # How large is for the caller to say, of tasks that let one.
    given = arguments if "dim" in small else {name: value for name, value in arguments.items() if name != "dim"}
    return qdbench.make(id, **{**small, **given})
