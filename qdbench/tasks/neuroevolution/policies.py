"""Networks that act, and the order of their weights in a solution.

The order, version 1, is part of every task's version: layer after layer from the observation to the action; of each
layer first the kernel, then the bias. A kernel is ``(inputs, outputs)`` in a dense layer and ``(height, width,
channels, filters)`` in a convolution, flattened row by row (the last index fastest).

There are three architectures:

- ``"linear"``, ``tanh(x W + b)``, the readout of the learned GA's paper (lange2023lga);
- ``"mlp"``, two hidden layers of 16 with tanh before the same readout;
- the convolutional network of MinAtar's tasks: 16 filters of 3 x 3 with zeros around the grid, a dense layer of 32,
  ReLU after both, and one output for each action, of which the largest is chosen, the first among equals.
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

WEIGHT_ORDER_VERSION = 1

HIDDEN = {"linear": (), "mlp": (16, 16)}
_FILTERS, _WINDOW, _DENSE = 16, 3, 32


class Dense(eqx.Module):
    """``x W + b``."""

    kernel: Float[Array, "inputs outputs"]
    bias: Float[Array, " outputs"]

    def __call__(self, inputs: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """Applies the layer to one vector."""
        return jnp.matmul(inputs, self.kernel, precision=lax.Precision.HIGHEST) + self.bias


class Convolution(eqx.Module):
    """A convolution with windows of 3 x 3, step 1 and zeros around the image."""

    kernel: Float[Array, "3 3 channels filters"]
    bias: Float[Array, " filters"]

    def __call__(self, image: Float[Array, "height width channels"]) -> Float[Array, "height width filters"]:
        """Applies the layer to one image."""
        # A product with the windows as rows: a convolution with another kernel for each network would be mapped to a
        # grouped convolution, which is many times slower.
        height, width, channels = image.shape
        padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
        shifts = [(row, column) for row in range(_WINDOW) for column in range(_WINDOW)]
        windows = jnp.concatenate([padded[r : r + height, c : c + width] for r, c in shifts], axis=-1)
        rows = windows.reshape(height * width, _WINDOW * _WINDOW * channels)
        kernel = self.kernel.reshape(rows.shape[1], -1)
        mapped = jnp.matmul(rows, kernel, precision=lax.Precision.HIGHEST) + self.bias
        return mapped.reshape(height, width, -1)


class Mlp(eqx.Module):
    """Dense layers with tanh after each; the outputs are in [-1, 1]."""

    layers: tuple[Dense, ...]

    def __call__(self, observation: Float[Array, " inputs"]) -> Float[Array, " outputs"]:
        """The action for one observation."""
        values = observation
        for layer in self.layers:
            values = jnp.tanh(layer(values))
        return values


class MinAtarCnn(eqx.Module):
    """A convolution, a dense layer and a readout, with ReLU between them; the outputs are preferences of actions."""

    convolution: Convolution
    dense: Dense
    readout: Dense

    def __call__(self, observation: Float[Array, "height width channels"]) -> Float[Array, " outputs"]:
        """The preferences for one observation."""
        features = jax.nn.relu(self.convolution(observation)).reshape(-1)
        return self.readout(jax.nn.relu(self.dense(features)))


Network = Mlp | MinAtarCnn


@dataclasses.dataclass(frozen=True)
class Architecture(abc.ABC):
    """The shapes of a network, and what makes one from a solution.

    Attributes:
        observation_shape: Of one observation.
        num_actions: Number of outputs.
    """

    observation_shape: tuple[int, ...]
    num_actions: int

    @property
    @abc.abstractmethod
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of kernels and biases, in the order of the solution."""

    @property
    def dim(self) -> int:
        """Number of weights."""
        return sum(math.prod(shape) for shape in self.shapes)

    def unflatten(self, solution: Float[Array, " dim"]) -> Network:
        """The network of a solution."""
        return self.assemble(self._parts(solution))

    @abc.abstractmethod
    def assemble(self, parts: Iterator[Array]) -> Network:
        """The network of kernels and biases in their order."""

    def _parts(self, solution: Float[Array, " dim"]) -> Iterator[Array]:
        first = 0
        for shape in self.shapes:
            size = math.prod(shape)
            yield solution[first : first + size].reshape(shape)
            first += size


@dataclasses.dataclass(frozen=True)
class MlpArchitecture(Architecture):
    """An :class:`Mlp` with hidden layers of given widths; without any it is a linear readout."""

    hidden: tuple[int, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """A kernel and a bias for each layer."""
        widths = (math.prod(self.observation_shape), *self.hidden, self.num_actions)
        pairs = itertools.pairwise(widths)
        return tuple(shape for inputs, outputs in pairs for shape in ((inputs, outputs), (outputs,)))

    def assemble(self, parts: Iterator[Array]) -> Mlp:
        """The network."""
        return Mlp(tuple(Dense(next(parts), next(parts)) for _ in range(len(self.hidden) + 1)))


@dataclasses.dataclass(frozen=True)
class MinAtarArchitecture(Architecture):
    """A :class:`MinAtarCnn`."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the convolution, the dense layer and the readout."""
        height, width, channels = self.observation_shape
        return (
            (_WINDOW, _WINDOW, channels, _FILTERS),
            (_FILTERS,),
            (height * width * _FILTERS, _DENSE),
            (_DENSE,),
            (_DENSE, self.num_actions),
            (self.num_actions,),
        )

    def assemble(self, parts: Iterator[Array]) -> MinAtarCnn:
        """The network."""
        return MinAtarCnn(
            Convolution(next(parts), next(parts)), Dense(next(parts), next(parts)), Dense(next(parts), next(parts))
        )
