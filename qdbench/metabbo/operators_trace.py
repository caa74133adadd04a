"""What a learned GA does in each of its iterations: whose children are whose, and who takes whose place."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from baselines.learned_ga.lga import LearnedGa, State
from qdbench.protocols import Batch, Evaluation, Task, precision_of
from qdbench.random import derive, key_from_names


class Generation(NamedTuple):
    """One iteration of a learned GA with N children and as many parents.

    Attributes:
        number: Of the iteration, from 1.
        parents: Objectives of the parents before it, ``(N,)``, higher is better.
        children: Objectives of the children, ``(N,)``.
        rates: Mutation rates of the children, ``(N,)``.
        origins: The parent of each child, ``(N,)``.
        taken: For each parent the child that takes its place, or N if it stays, ``(N,)``.
        before: The best objective before it.
    """

    number: int
    parents: np.ndarray
    children: np.ndarray
    rates: np.ndarray
    origins: np.ndarray
    taken: np.ndarray
    before: float

    @property
    def precision(self) -> float:
        """The best up to and with this iteration, of a task whose objective is minus the precision."""
        # Subtracting from zero makes no -0.0.
        return 0.0 - max(self.before, float(self.children.max()))

    @property
    def improved(self) -> Bool[np.ndarray, " children"]:
        """Whether each child is better than all solutions before."""
        return self.children > self.before

    @property
    def stays(self) -> Bool[np.ndarray, " parents"]:
        """Whether each parent stays."""
        return self.taken == len(self.taken)


class Step(NamedTuple):
    """One iteration as it happens: the children, and who is whose parent and who stays afterwards.

    Attributes:
        solutions: The children, ``(N, dim)``.
        objective: Theirs, ``(N,)``.
        rates: Their mutation rates, ``(N,)``.
        origins: The parent of each child, ``(N,)``.
        chosen: Who takes each place afterwards, counted through parents and children, ``(N,)``.
        state: Afterwards.
    """

    solutions: Float[Array, "children dim"]
    objective: Float[Array, " children"]
    rates: Float[Array, " children"]
    origins: Int[Array, " children"]
    chosen: Int[Array, " parents"]
    state: State


def trace(optimizer: LearnedGa, task: Task, count: int, seed: int) -> list[Generation]:
    """The first iterations of a run, a function of the arguments alone.

    Args:
        optimizer: Made for the task, with as many parents as children.
        task: What it maximizes.
        count: Number of iterations.
        seed: Of all randomness.
    """
    key = key_from_names("operators", seed)
    with precision_of(task.spec):
        state = start(optimizer, task, derive(key, 0))
        found: list[Generation] = []
        best = float(state.population.objective.max())
        for number in range(1, count + 1):
            taken_step = step(optimizer, task, state, derive(key, number))
            found.append(_generation(number, state, taken_step, best))
            best = max(best, float(found[-1].children.max()))
            state = taken_step.state
    return found


@eqx.filter_jit
def start(optimizer: LearnedGa, task: Task, key: Key[Array, ""]) -> State:
    """The state after the initial population."""
    state = optimizer.init(derive(key, 0))
    for place, batch in enumerate(optimizer.initial):
        part = derive(key, 1, place)
        solutions, state = optimizer.ask(derive(part, 0), state, batch)
        state = optimizer.tell(derive(part, 2), state, batch, solutions, task.evaluate(derive(part, 1), solutions))
    return state


@eqx.filter_jit
def step(optimizer: LearnedGa, task: Task, state: State, key: Key[Array, ""]) -> Step:
    """One iteration, and what happens in it.

    The algorithm is asked and told as always. That it is asked and told once more with the same keys, but with labels
    in the place of numbers that it only carries along, shows where they are carried: labels in the place of the
    parents' solutions show up among unmutated children, and labels in the place of mutation rates show up among the
    parents afterwards. So nothing of the algorithm is repeated here, and equal solutions are not mistaken for each
    other.
    """
    (batch,) = optimizer.iteration
    ask_key, evaluate_key, tell_key = (derive(key, part) for part in range(3))
    solutions, asked = optimizer.ask(ask_key, state, batch)
    evaluation = task.evaluate(evaluate_key, solutions)
    return Step(
        solutions=solutions,
        objective=evaluation.objective,
        rates=asked.children,
        origins=_origins(optimizer, state, batch, ask_key),
        chosen=_chosen(optimizer, asked, batch, tell_key, solutions, evaluation),
        state=optimizer.tell(tell_key, asked, batch, solutions, evaluation),
    )


def replacements(chosen: Int[np.ndarray, " parents"]) -> Int[np.ndarray, " parents"]:
    """For each parent the child that takes its place, or N if it stays.

    Learned selection decides for each place, so this is unique. Truncation only says who survives: there the children
    take the places of the parents that do not survive one after another.

    Args:
        chosen: Who takes each place, counted through N parents and then the children.
    """
    size = len(chosen)
    taken = np.full(size, size)
    taken[np.setdiff1d(np.arange(size), chosen)] = chosen[chosen >= size] - size
    return taken


def _generation(number: int, state: State, found: Step, best: float) -> Generation:
    host = jax.device_get((state.population.objective, found.objective, found.rates, found.origins, found.chosen))
    parents, children, rates, origins, chosen = (np.asarray(array) for array in host)
    return Generation(number, parents, children, rates, origins, replacements(chosen), best)


def _origins(optimizer: LearnedGa, state: State, batch: Batch, key: Key[Array, ""]) -> Int[Array, " children"]:
    """The parent of each child: without mutation and cross-over, children are copies."""
    solutions = state.population.solutions
    labels = jnp.broadcast_to(jnp.arange(len(solutions), dtype=solutions.dtype)[:, None], solutions.shape)
    labelled = eqx.tree_at(
        lambda s: (s.population.solutions, s.sigmas, s.forms),
        state,
        (labels, jnp.zeros_like(state.sigmas), dataclasses.replace(state.forms, mutation=None, crossover=None)),
    )
    copies, _ = optimizer.ask(key, labelled, batch)
    return copies[:, 0].astype(jnp.int32)


def _chosen(
    optimizer: LearnedGa, asked: State, batch: Batch, key: Key[Array, ""], solutions: Array, evaluation: Evaluation
) -> Int[Array, " parents"]:
    """Who takes each place, counted through parents and children: whose mutation rate is there afterwards."""
    size = batch.size
    labels = jnp.arange(2 * size, dtype=asked.sigmas.dtype)
    labelled = eqx.tree_at(lambda s: (s.sigmas, s.children), asked, (labels[:size], labels[size:]))
    after = optimizer.tell(key, labelled, batch, solutions, evaluation)
    return after.sigmas.astype(jnp.int32)
