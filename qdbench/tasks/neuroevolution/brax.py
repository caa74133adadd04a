"""Robots of Brax v2 with the spring backend: ant, half-cheetah, hopper, reacher and walker."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from qdbench.spec import Measure
from qdbench.tasks.neuroevolution.environment import Action, Environment, MeasureSet, Transition

BACKEND = "spring"


class BraxState(NamedTuple):
    """The physics, and the observation that the environment made of it."""

    physics: Any
    observation: Float[Array, " observation"]


@dataclasses.dataclass(frozen=True)
class BraxEnvironment(Environment):
    """An environment of ``brax.envs`` without its wrappers; the backend is part of what it means."""

    is_discrete: ClassVar[bool] = False
    episodes_on_cpu: ClassVar[int] = 32
    is_in_lanes: ClassVar[bool] = True
    brax_name: ClassVar[str]

    def reset(self, key: Key[Array, ""], number: Int[Array, ""]) -> BraxState:
        """Brax's reset: the rest position with noise."""
        with _without_warnings():
            state = loaded(self.brax_name).reset(key)
        return BraxState(state.pipeline_state, state.obs)

    def observe(self, state: BraxState) -> Float[Array, " observation"]:
        """Brax's observation."""
        return state.observation

    def step(self, state: BraxState, action: Action, draws: Float[Array, " draws"]) -> Transition:
        """Brax's step."""
        environment, zero = loaded(self.brax_name), jnp.zeros(())
        from brax.envs import State

        with _without_warnings():
            # Brax writes metrics into the dictionary that it is given.
            after = environment.step(State(state.physics, state.observation, zero, zero, {}), action)
        return Transition(BraxState(after.pipeline_state, after.obs), after.reward, after.done > 0)

    def picture(self, state: BraxState) -> dict[str, Array]:
        """The ends of the capsules and the centres of the spheres that the robot is made of, ``(parts, 2, 3)`` in m."""
        model = loaded(self.brax_name).sys
        from brax.math import rotate

        bodies = np.asarray(model.geom_bodyid)
        ends = []
        for part in np.flatnonzero(bodies):
            # The axis of a capsule is its z; its second size is half of its length, and 0 for a sphere.
            axis = rotate(jnp.array([0.0, 0.0, 1.0]), model.geom_quat[part]) * model.geom_size[part, 1]
            link = bodies[part] - 1
            place, turn = state.physics.x.pos[link], state.physics.x.rot[link]
            ends.append([place + rotate(model.geom_pos[part] + sign * axis, turn) for sign in (-1, 1)])
        return {"capsules": jnp.asarray(ends)}


@functools.cache
def loaded(brax_name: str) -> Any:
    """Brax's environment, made once."""
    # Its arrays outlive the program that is traced when it is first asked for.
    with _quiet(), jax.ensure_compile_time_eval():
        from brax import envs

        return envs.get_environment(brax_name, backend=BACKEND)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what is said on every construction: that there is a successor, that an optional package is missing."""
    with _without_warnings(), contextlib.redirect_stdout(io.StringIO()):
        import mujoco

        handler = mujoco.get_mju_user_warning()
        # MuJoCo would also write its warning about a model of Brax into a file in the working folder.
        mujoco.set_mju_user_warning(lambda _: None)
        try:
            yield
        finally:
            mujoco.set_mju_user_warning(handler)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Without Python's warnings: Brax uses what MuJoCo has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _contacts(brax_name: str, *feet: int) -> Callable[[BraxState], tuple[Float[Array, ""], ...]]:
    """For each foot, a link by its index: 1 if it touches anything, else 0."""

    def of_state(state: BraxState) -> tuple[Float[Array, ""], ...]:
        model = loaded(brax_name).sys
        from brax import contact

        with _without_warnings():
            found = contact.get(model, state.physics.x)
        touching = found.dist <= 0
        first, second = found.link_idx
        return tuple(jnp.any(touching & ((first == foot) | (second == foot))).astype(jnp.float32) for foot in feet)

    return of_state


def _foot_contacts(brax_name: str, **feet: int) -> MeasureSet:
    cells = {1: 100, 2: 32, 4: 6}[len(feet)]
    return MeasureSet(
        measures=tuple(_share_of_steps(f"contact of the {foot.replace('_', ' ')}") for foot in feet),
        archive_shape=(cells,) * len(feet),
        of_state=_contacts(brax_name, *feet.values()),
    )


def _share_of_steps(name: str) -> Measure:
    return Measure(name=name, low=0, high=1, unit="share of steps")


def _torso_position(state: BraxState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return state.physics.x.pos[0, 0], state.physics.x.pos[0, 1]


def _contact_and_height(state: BraxState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    (touches,) = _contacts("hopper", 3)(state)
    return touches, state.physics.x.pos[0, 2]


def _fingertip(state: BraxState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    # The observation ends with the vector from the target to the tip, and has the target's position before it.
    tip = state.observation[4:6] + state.observation[8:10]
    return tip[0], tip[1]


@dataclasses.dataclass(frozen=True)
class Ant(BraxEnvironment):
    """A body on four legs: speed in x, 1 for every step that it is healthy, less half the squared actions."""

    name: ClassVar[str] = "Ant"
    brax_name: ClassVar[str] = "ant"
    fingerprint_steps: ClassVar[int] = 3
    observation_shape: ClassVar[tuple[int, ...]] = (27,)
    num_actions: ClassVar[int] = 8
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "xy": MeasureSet(
            measures=(
                Measure(name="final x", low=-30, high=30, unit="m"),
                Measure(name="final y", low=-30, high=30, unit="m"),
            ),
            archive_shape=(32, 32),
            reduction="final",
            of_state=_torso_position,
        ),
        "feet": _foot_contacts("ant", first_foot=2, second_foot=4, third_foot=6, fourth_foot=8),
    }


@dataclasses.dataclass(frozen=True)
class HalfCheetah(BraxEnvironment):
    """A runner in a plane: speed in x less a tenth of the squared actions; it never ends early."""

    name: ClassVar[str] = "HalfCheetah"
    brax_name: ClassVar[str] = "halfcheetah"
    fingerprint_steps: ClassVar[int] = 3
    observation_shape: ClassVar[tuple[int, ...]] = (17,)
    num_actions: ClassVar[int] = 6
    measure_sets: ClassVar[dict[str, MeasureSet]] = {"feet": _foot_contacts("halfcheetah", back_foot=3, front_foot=6)}


@dataclasses.dataclass(frozen=True)
class Hopper(BraxEnvironment):
    """A leg in a plane: speed in x, 1 for every step that it is healthy, less a thousandth of the squared actions."""

    name: ClassVar[str] = "Hopper"
    brax_name: ClassVar[str] = "hopper"
    observation_shape: ClassVar[tuple[int, ...]] = (11,)
    num_actions: ClassVar[int] = 3
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "contact-height": MeasureSet(
            measures=(_share_of_steps("contact of the foot"), Measure(name="mean height", low=0.7, high=1.7, unit="m")),
            archive_shape=(32, 32),
            of_state=_contact_and_height,
        ),
        "feet": _foot_contacts("hopper", foot=3),
    }


@dataclasses.dataclass(frozen=True)
class Reacher(BraxEnvironment):
    """An arm of two links: minus the distance from its tip to a target and the squared actions; never ends early."""

    name: ClassVar[str] = "Reacher"
    brax_name: ClassVar[str] = "reacher"
    observation_shape: ClassVar[tuple[int, ...]] = (11,)
    num_actions: ClassVar[int] = 2
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "xy": MeasureSet(
            measures=(
                Measure(name="final x of the fingertip", low=-0.21, high=0.21, unit="m"),
                Measure(name="final y of the fingertip", low=-0.21, high=0.21, unit="m"),
            ),
            archive_shape=(32, 32),
            reduction="final",
            of_state=_fingertip,
        )
    }


@dataclasses.dataclass(frozen=True)
class Walker2d(BraxEnvironment):
    """Two legs in a plane, with the rewards of :class:`Hopper`."""

    name: ClassVar[str] = "Walker2d"
    brax_name: ClassVar[str] = "walker2d"
    observation_shape: ClassVar[tuple[int, ...]] = (17,)
    num_actions: ClassVar[int] = 6
    measure_sets: ClassVar[dict[str, MeasureSet]] = {"feet": _foot_contacts("walker2d", right_foot=3, left_foot=6)}


ENVIRONMENTS: dict[str, type[BraxEnvironment]] = {
    environment.name: environment for environment in (Ant, HalfCheetah, Hopper, Reacher, Walker2d)
}
