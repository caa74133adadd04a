"""Pendulum-v1: swing a pendulum up and keep it there (Gymnasium's classic control)."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from qdbench.numerics import sincos
from qdbench.random import uniform
from qdbench.spec import Measure
from qdbench.tasks.neuroevolution.environment import Action, Environment, MeasureSet, Transition

_MAX_SPEED, _MAX_TORQUE, _DT, _GRAVITY, _MASS, _LENGTH = 8.0, 2.0, 0.05, 10.0, 1.0, 1.0


class PendulumState(NamedTuple):
    """The angle from upright in radians (not wrapped), the angular velocity, and the torque of the last step."""

    angle: Float[Array, ""]
    velocity: Float[Array, ""]
    torque: Float[Array, ""]


def _speed_and_torque(state: PendulumState) -> tuple[Float[Array, ""], Float[Array, ""]]:
    return jnp.abs(state.velocity), jnp.abs(state.torque)


@dataclasses.dataclass(frozen=True)
class Pendulum(Environment):
    r"""A pendulum on a motor that is too weak to lift it at once.

    With the torque u = 2 a for an action a in [-1, 1], the angle from upright wrapped to [-pi, pi) and dt = 0.05,

    .. math:: r = -(\theta^2 + 0.1 \dot\theta^2 + 0.001 u^2), \qquad
        \dot\theta \leftarrow \mathrm{clip}(\dot\theta + (15 \sin\theta + 3 u)\, dt, -8, 8), \qquad
        \theta \leftarrow \theta + \dot\theta\, dt.

    An episode starts with an angle uniform in [-pi, pi) and a velocity uniform in [-1, 1), and never ends early. The
    observation is (cos theta, sin theta, velocity).
    """

    name: ClassVar[str] = "Pendulum"
    observation_shape: ClassVar[tuple[int, ...]] = (3,)
    num_actions: ClassVar[int] = 1
    is_discrete: ClassVar[bool] = False
    episodes_on_cpu: ClassVar[int] = 256
    measure_sets: ClassVar[dict[str, MeasureSet]] = {
        "effort": MeasureSet(
            measures=(
                Measure(name="mean speed", low=0, high=_MAX_SPEED, unit="rad/s"),
                Measure(name="mean torque", low=0, high=_MAX_TORQUE, unit="N m"),
            ),
            archive_shape=(32, 32),
            of_state=_speed_and_torque,
        )
    }

    def reset(self, key: Key[Array, ""], number: Int[Array, ""]) -> PendulumState:
        """A random angle and velocity."""
        angle, velocity = 2 * uniform(key, (2,)) - 1
        return PendulumState(math.pi * angle, velocity, jnp.zeros(()))

    def observe(self, state: PendulumState) -> Float[Array, " 3"]:
        """Cosine and sine of the angle, and the velocity."""
        sine, cosine = sincos(state.angle)
        return jnp.stack([cosine, sine, state.velocity])

    def step(self, state: PendulumState, action: Action, draws: Float[Array, " draws"]) -> Transition:
        """One step of semi-implicit Euler."""
        torque = _MAX_TORQUE * jnp.clip(action[0], -1, 1)
        sine, _ = sincos(state.angle)
        turns = state.angle / (2 * math.pi)
        wrapped = 2 * math.pi * (turns - jnp.floor(turns + 0.5))
        reward = -(wrapped**2 + 0.1 * state.velocity**2 + 0.001 * torque**2)
        push = 1.5 * _GRAVITY / _LENGTH * sine + 3 / (_MASS * _LENGTH**2) * torque
        velocity = jnp.clip(state.velocity + push * _DT, -_MAX_SPEED, _MAX_SPEED)
        after = PendulumState(state.angle + velocity * _DT, velocity, torque)
        return Transition(after, reward, jnp.zeros((), bool))
