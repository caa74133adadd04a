"""``jax.vmap``, with the batch in the last axis of every array inside the function.

Physics works on vectors of three and quaternions of four. ``jax.vmap`` puts the batch first, so that the innermost loop
of a compiled operation is over these three or four numbers; with the batch last it is over the batch, which fills a
processor's vector instructions, and products of small matrices become sums that are compiled into one kernel with what
is around them.

A function is traced once for a single element, and the equations of its jaxpr are carried out one after the other on
arrays with one more axis. Equations for which there is no rule here are left to ``jax.vmap``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

# Sums of at most so many products are written out.
_WRITTEN_OUT = 16

# fmt: off
_ELEMENTWISE = frozenset({
    "abs", "acos", "acosh", "add", "and", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "clamp",
    "convert_element_type", "copy", "cos", "cosh", "div", "eq", "erf", "exp", "exp2", "expm1", "floor", "ge", "gt",
    "integer_pow", "is_finite", "le", "log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or",
    "pow", "rem", "round", "rsqrt", "select_n", "sign", "sin", "sinh", "sqrt", "square", "sub", "tan", "tanh", "xor",
})
# Their operands and results are widened, and nothing else.
_ALONG_AXES = frozenset({
    "argmax", "argmin", "concatenate", "cumsum", "reduce_and", "reduce_max", "reduce_min", "reduce_or", "reduce_prod",
    "reduce_sum", "rev", "squeeze",
})
# fmt: on
# The parameter with the function that is called.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


class _Value(NamedTuple):
    """An array, with the batch as its last axis or the same for the whole batch."""

    array: Any
    is_batched: bool


def batch_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of batches, like ``jax.vmap(function)`` up to rounding; gradients that a function defines are lost.

    Args:
        function: Pure, of arrays with floating, integer or Boolean numbers in any pytrees.

    Returns:
        A function of the same arguments, each array with the batch as its first axis, as have those that it returns.
    """

    def of_batch(*arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        size = leaves[0].shape[0]
        single = [jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) for leaf in leaves]
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*jax.tree.unflatten(structure, single))
        values = [_Value(jnp.moveaxis(leaf, 0, -1), True) for leaf in leaves]
        found = [jnp.moveaxis(_widened(value, size), -1, 0) for value in _run(traced, values, size)]
        return jax.tree.unflatten(jax.tree.structure(shapes), found)

    return of_batch


def _run(traced: core.ClosedJaxpr, arguments: Sequence[_Value], size: int) -> list[_Value]:
    values = {variable: _Value(array, False) for variable, array in _pairs(traced.jaxpr.constvars, traced.consts)}
    values |= _pairs(traced.jaxpr.invars, arguments)

    def read(atom: Any) -> _Value:
        return _Value(atom.val, False) if isinstance(atom, core.Literal) else values[atom]

    for equation in traced.jaxpr.eqns:
        values |= _pairs(equation.outvars, _apply(equation, [read(atom) for atom in equation.invars], size))
    return [read(atom) for atom in traced.jaxpr.outvars]


def _pairs(names: Sequence[Any], values: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(zip(names, values, strict=True))


def _apply(equation: Any, values: Sequence[_Value], size: int) -> list[_Value]:
    name = equation.primitive.name
    if name in _CALLS:
        called = equation.params[_CALLS[name]]
        return _run(called, values, size)
    if not any(value.is_batched for value in values):
        return [_Value(array, False) for array in _bind(equation, [value.array for value in values])]
    if name in _ELEMENTWISE:
        shape = (*equation.outvars[0].aval.shape, size)
        arrays: list[Any] | None = _bind(equation, [jnp.broadcast_to(_widened(value, size), shape) for value in values])
    elif name in _WIDER:
        arrays = _bind(equation, [_widened(value, size) for value in values], **_WIDER[name](equation.params, size))
    else:
        arrays = _RULES[name](equation, values, size) if name in _RULES else None
    if arrays is None:
        arrays = _as_vmap_does(equation, values)
    return [_Value(array, True) for array in arrays]


def _bind(equation: Any, arrays: Sequence[Any], **changed: Any) -> list[Any]:
    found = equation.primitive.bind(*arrays, **{**equation.params, **changed})
    return list(found) if equation.primitive.multiple_results else [found]


def _as_vmap_does(equation: Any, values: Sequence[_Value]) -> list[Any]:
    axes = tuple(-1 if value.is_batched else None for value in values)
    found: list[Any] = jax.vmap(lambda *arrays: _bind(equation, arrays), axes, -1)(*[value.array for value in values])
    return found


def _widened(value: _Value, size: int) -> Any:
    """The array with its axis of the batch."""
    if value.is_batched:
        return value.array
    array = jnp.asarray(value.array)
    return jnp.broadcast_to(array[..., None], (*array.shape, size))


# What changes in the parameters of a primitive when its operand has one more axis, of this size, at its end.
_WIDER: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    **dict.fromkeys(_ALONG_AXES, lambda _, __: {}),
    "broadcast_in_dim": lambda p, size: {
        "shape": (*p["shape"], size),
        "broadcast_dimensions": (*p["broadcast_dimensions"], len(p["shape"])),
    },
    "reshape": lambda p, size: {"new_sizes": (*p["new_sizes"], size)},
    "slice": lambda p, size: {
        "start_indices": (*p["start_indices"], 0),
        "limit_indices": (*p["limit_indices"], size),
        "strides": None if p["strides"] is None else (*p["strides"], 1),
    },
    "tile": lambda p, _: {"reps": (*p["reps"], 1)},
    "transpose": lambda p, _: {"permutation": (*p["permutation"], len(p["permutation"]))},
}


def _pad(equation: Any, values: Sequence[_Value], size: int) -> list[Any] | None:
    operand, filling = values
    if filling.is_batched:
        return None
    config = (*equation.params["padding_config"], (0, 0, 0))
    return _bind(equation, [_widened(operand, size), filling.array], padding_config=config)


def _gather(equation: Any, values: Sequence[_Value], size: int) -> list[Any] | None:
    operand, indices = values
    if indices.is_batched:
        return None
    numbers = equation.params["dimension_numbers"]
    return _bind(
        equation,
        [operand.array, indices.array],
        dimension_numbers=numbers._replace(offset_dims=(*numbers.offset_dims, equation.outvars[0].aval.ndim)),
        slice_sizes=(*equation.params["slice_sizes"], size),
    )


def _scatter(equation: Any, values: Sequence[_Value], size: int) -> list[Any] | None:
    operand, indices, updates = values
    if indices.is_batched:
        return None
    numbers = equation.params["dimension_numbers"]
    wide = _widened(updates, size)
    return _bind(
        equation,
        [_widened(operand, size), indices.array, wide],
        dimension_numbers=numbers._replace(update_window_dims=(*numbers.update_window_dims, wide.ndim - 1)),
    )


def _dot(equation: Any, values: Sequence[_Value], size: int) -> list[Any] | None:
    del size
    summed, batch = equation.params["dimension_numbers"]
    arrays, free = [], []
    for side, value in enumerate(values):
        array = jnp.asarray(value.array)
        array = array if value.is_batched else array[..., None]
        kept = [axis for axis in range(array.ndim - 1) if axis not in (*summed[side], *batch[side])]
        arrays.append(jnp.transpose(array, (*summed[side], *batch[side], *kept, array.ndim - 1)))
        free.append(len(kept))
    terms = math.prod(arrays[0].shape[: len(summed[0])])
    if terms > _WRITTEN_OUT:
        return None
    # What is free on the left comes before what is free on the right.
    left, right = (array.reshape(terms, *array.shape[len(summed[0]) :]) for array in arrays)
    left = left.reshape(*left.shape[:-1], *(1,) * free[1], left.shape[-1])
    shared = 1 + len(batch[0])
    right = right.reshape(*right.shape[:shared], *(1,) * free[0], *right.shape[shared:])
    return [functools.reduce(jnp.add, [left[term] * right[term] for term in range(terms)])]


def _scan(equation: Any, values: Sequence[_Value], size: int) -> list[Any]:
    parameters = equation.params
    fixed, carried = parameters["num_consts"], parameters["num_carry"]
    constants, start, items = values[:fixed], values[fixed : fixed + carried], values[fixed + carried :]

    def body(carry: Sequence[Any], item: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        arguments = [
            *constants,
            *(_Value(array, True) for array in carry),
            *(_Value(array, value.is_batched) for array, value in zip(item, items, strict=True)),
        ]
        found = [_widened(value, size) for value in _run(parameters["jaxpr"], arguments, size)]
        return found[:carried], found[carried:]

    last, stacked = lax.scan(
        body,
        [_widened(value, size) for value in start],
        [value.array for value in items],
        parameters["length"],
        reverse=parameters["reverse"],
        unroll=parameters["unroll"],
    )
    return [*last, *stacked]


def _cond(equation: Any, values: Sequence[_Value], size: int) -> list[Any] | None:
    index, *operands = values
    if index.is_batched:
        return None

    def branch(traced: core.ClosedJaxpr) -> Callable[..., list[Any]]:
        def run(*arrays: Any) -> list[Any]:
            arguments = [_Value(array, value.is_batched) for array, value in zip(arrays, operands, strict=True)]
            return [_widened(value, size) for value in _run(traced, arguments, size)]

        return run

    branches = [branch(traced) for traced in equation.params["branches"]]
    return list(lax.switch(index.array, branches, *[value.array for value in operands]))


# A rule returns None where it does not apply.
_RULES: dict[str, Callable[[Any, Sequence[_Value], int], list[Any] | None]] = {
    "pad": _pad,
    "gather": _gather,
    **dict.fromkeys(("scatter", "scatter-add", "scatter-mul", "scatter-min", "scatter-max"), _scatter),
    "dot_general": _dot,
    "scan": _scan,
    "cond": _cond,
}
