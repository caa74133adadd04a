"""``batch_last`` against ``jax.vmap``, and that it leaves nothing of a robot's step to it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

import qdbench
from qdbench.tasks.neuroevolution import batch_last as module
from qdbench.tasks.neuroevolution.batch_last import batch_last
from tests.registered import BRAX

SIZE = 5
FIXED = jnp.asarray(np.random.default_rng(1).normal(size=(4, 3)), jnp.float32)
ROWS = jnp.array([2, 0, 2])


def _scanned(a: jax.Array, b: jax.Array) -> Any:
    def body(carry: Any, item: Any) -> Any:
        total, count = carry
        return (total + item[0] * b[0], count + 1), (total.sum(), item[1])

    return lax.scan(body, (jnp.zeros(3), 0), (a, jnp.arange(4.0)), reverse=True)


# Each has a (4, 3) and a (3, 3) array, to which it applies what the name says.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "arithmetic with scalars and constants": lambda a, b: (2 * a - FIXED / 3, b.sum() * a, a > b[0, 0], -(a**2)),
    "a choice by one flag": lambda a, b: jnp.where(b[0, 0] > 0, a, FIXED),
    "a bound that is an array": lambda a, b: jnp.clip(a, b.min(), b.max()),
    "sums, extremes, positions": lambda a, b: (a.sum(0), a.sum(), a.max(1), b.argmin(1), jnp.cumsum(a, 0), a[::-1]),
    "shapes": lambda a, b: (a.reshape(2, 6), a.T, a[None, 1:3, ::2], jnp.tile(b, (2, 1)), jnp.squeeze(a[:1])),
    "joining with constants": lambda a, b: (jnp.concatenate([a, FIXED, b]), jnp.stack([a[0], FIXED[0]], 1)),
    "padding": lambda a, b: jnp.pad(a, ((1, 0), (0, 2)), constant_values=1.5),
    "padding with what is found": lambda a, b: lax.pad(a, b[0, 0], ((1, 0, 0), (0, 0, 1))),
    "rows by fixed numbers": lambda a, b: (a[ROWS], a[:, ROWS], a[ROWS, ROWS], FIXED[ROWS] * b),
    "rows by numbers that are found": lambda a, b: FIXED[jnp.argmax(b, 1)],
    "sums over rows": lambda a, b: (jnp.zeros((4, 3)).at[ROWS].add(b), a.at[:, ROWS].set(0), a.at[b.argmax(0)].add(1)),
    "products": lambda a, b: (a @ b, b @ a[0], a[0] @ b[1], a @ a.T, FIXED @ b, a @ FIXED.T),
    "products of batches": lambda a, b: (jax.vmap(jnp.dot)(a, FIXED), jnp.einsum("ij,kj->ikj", a, b)),
    "a long sum of products": lambda a, b: jnp.tile(a.ravel(), 3) @ jnp.ones((36, 2)),
    "functions of vectors": lambda a, b: (jnp.cross(a, FIXED), jnp.arctan2(a, FIXED), jnp.linalg.norm(a, axis=1)),
    "a function with a gradient of its own": lambda a, b: (jax.nn.relu(a), jax.nn.softplus(b)),
    "a loop of fixed length": _scanned,
    "a loop until": lambda a, b: lax.while_loop(lambda c: (c < 9).all(), lambda c: c + abs(b) + 0.1, b),
    "branches by a fixed number": lambda a, b: lax.switch(len(ROWS) - 2 + 0 * ROWS[0], [lambda x: x, lambda x: -x], a),
    "branches by a number that is found": lambda a, b: lax.cond(b[0, 0] > 0, lambda x: x + 1, lambda x: x * b[0], a),
    "sorting": lambda a, b: (jnp.sort(a, 0), jnp.argsort(b, 1)),
    "what does not depend on the batch": lambda a, b: (FIXED.sum(), jnp.arange(3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_vmap(name: str) -> None:
    generator = np.random.default_rng(0)
    arrays = [jnp.asarray(generator.normal(size=(SIZE, *shape)), jnp.float32) for shape in ((4, 3), (3, 3))]
    function = FUNCTIONS[name]
    _assert_equal(batch_last(function)(*arrays), jax.vmap(function, axis_size=SIZE)(*arrays))


@given(
    shapes=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    left=st.sampled_from(["ij", "ji", "bij", "jib", "jbi"]),
    right=st.sampled_from(["jk", "kj", "bjk", "kjb", "j"]),
)
@settings(max_examples=15, deadline=None)
def test_products_of_any_axes(shapes: list[int], left: str, right: str) -> None:
    lengths = dict(zip("ijk", shapes, strict=True)) | {"b": 2}
    result = "".join(sorted({*left, *right} - {"j"}))
    generator = np.random.default_rng(sum(shapes))
    arrays = [
        jnp.asarray(generator.normal(size=(SIZE, *(lengths[axis] for axis in axes))), jnp.float32)
        for axes in (left, right)
    ]

    def product(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.einsum(f"{left},{right}->{result}", a, b)

    _assert_equal(batch_last(product)(*arrays), jax.vmap(product)(*arrays))


def test_trees_keep_their_structure() -> None:
    found = batch_last(lambda tree: {"sum": tree["a"] + tree["b"][0], "none": None})(
        {"a": jnp.ones(2), "b": (jnp.ones(2),)}
    )
    assert found["none"] is None
    np.testing.assert_array_equal(found["sum"], [2, 2])


@pytest.mark.skipif(importlib.util.find_spec("brax") is None, reason="needs brax")
@pytest.mark.filterwarnings("ignore")  # Brax's own, about its successor and what MuJoCo has deprecated
@pytest.mark.parametrize(
    "name", [name if name == "Reacher" else pytest.param(name, marks=pytest.mark.slow) for name in BRAX]
)
def test_all_of_a_robots_step_has_a_rule(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What were left to ``vmap`` would be slow, but not wrong; no other test would show it."""
    left: list[str] = []
    monkeypatch.setattr(module, "_as_vmap_does", lambda equation, values: left.append(equation.primitive.name))
    environment = qdbench.make(f"Neuro-{name}-v0").environment
    state = jax.eval_shape(lambda key: environment.reset(key, jnp.int32(0)), jax.random.key(0))
    batch = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((SIZE, *leaf.shape), leaf.dtype), state)
    actions = jax.ShapeDtypeStruct((SIZE, environment.num_actions), jnp.float32)
    jax.eval_shape(batch_last(environment.step), batch, actions, jax.ShapeDtypeStruct((SIZE, 0), jnp.float32))
    assert not left


def _assert_equal(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
