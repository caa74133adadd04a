"""Every rule for optimizers finds the optimizer that breaks it, and no other rule does."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import qdbench
from baselines.random_search import sample_start
from qdbench.protocols import Batch, Evaluation, Optimizer
from qdbench.testing import OPTIMIZER_RULES, ContractError, check_optimizer
from qdbench.testing.optimizer_rules import OptimizerSubject
from tests.testing.bowls import Bowl, broken_rules, spec_of

SIX = (Batch("samples", 6),)


class Good(Optimizer):
    """Keeps all rules: samples of the start distribution around the mean of what it was told."""

    sigma: jax.Array
    id: str = eqx.field(static=True)
    spec: qdbench.TaskSpec = eqx.field(static=True)
    initial: tuple[Batch, ...] = eqx.field(static=True)
    iteration: tuple[Batch, ...] = eqx.field(static=True)

    def init(self, key: Any) -> Any:
        return jnp.zeros(self.spec.dim, self.spec.precision)

    def ask(self, key: Any, state: Any, batch: Batch) -> Any:
        return state + self.sigma * sample_start(key, self.spec, batch.size), state

    def tell(self, key: Any, state: Any, batch: Batch, solutions: Any, evaluation: Evaluation) -> Any:
        return solutions[evaluation.objective.argmax()]


class Grows(Good):
    """Its state doubles when it is told."""

    def tell(self, key: Any, state: Any, batch: Batch, solutions: Any, evaluation: Evaluation) -> Any:
        return jnp.concatenate([state, state])

    def ask(self, key: Any, state: Any, batch: Batch) -> Any:
        return self.sigma * sample_start(key, self.spec, batch.size), state


class AsksForMore(Good):
    def ask(self, key: Any, state: Any, batch: Batch) -> Any:
        solutions, state = super().ask(key, state, batch)
        return jnp.concatenate([solutions, solutions]), state


class AsksForNaN(Good):
    def ask(self, key: Any, state: Any, batch: Batch) -> Any:
        solutions, state = super().ask(key, state, batch)
        return solutions.at[0, 0].set(jnp.nan), state


class IgnoresItsKey(Good):
    def ask(self, key: Any, state: Any, batch: Batch) -> Any:
        return super().ask(jax.random.key(0), state, batch)


class IsDeterministic(IgnoresItsKey):
    deterministic = True


class RaisesWhenTold(Good):
    def tell(self, key: Any, state: Any, batch: Batch, solutions: Any, evaluation: Evaluation) -> Any:
        raise RuntimeError("my tell is broken")


class CompilesAgain(Good):
    function: Any = eqx.field(static=True, default_factory=lambda: lambda x: x)


class Host:
    """Keeps all rules."""

    def __init__(self, spec: qdbench.TaskSpec, seed: int) -> None:
        self.rng, self.shape = np.random.default_rng(seed), (6, spec.dim)

    def ask(self) -> Any:
        return self.rng.normal(size=self.shape)

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        solutions *= 0


class HostWrongShape(Host):
    def ask(self) -> Any:
        return super().ask()[:, 1:]


class HostNaN(Host):
    def ask(self) -> Any:
        solutions = super().ask()
        solutions[2, 1] = np.nan
        return solutions


class HostUnseeded(Host):
    stream = np.random.default_rng(0)

    def ask(self) -> Any:
        return self.stream.normal(size=self.shape)


class HostSeedless(Host):
    def __init__(self, spec: qdbench.TaskSpec, seed: int) -> None:
        super().__init__(spec, 0)


class HostWrites(Host):
    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        evaluation.objective[0] = 1e9


class HostWantsTellFirst(Host):
    best: Any = None

    def ask(self) -> Any:
        return self.best + super().ask()

    def tell(self, solutions: Any, evaluation: Evaluation) -> None:
        self.best = solutions[0]


class HostBig(Host):
    def ask(self) -> Any:
        return self.rng.normal(size=(201, self.shape[1]))


class HostWantsGradients(Host):
    def ask(self) -> Any:
        return super().ask(), True


class HostGlobal(Host):
    """Its numbers are a function of its seed, but it seeds NumPy's global generator."""

    def ask(self) -> Any:
        np.random.seed(self.rng.integers(2**31))  # noqa: NPY002
        return np.random.normal(size=self.shape)  # noqa: NPY002


class HostOnlyAsks:
    def __init__(self, spec: qdbench.TaskSpec, seed: int) -> None:
        self.asked = Host(spec, seed)

    def ask(self) -> Any:
        return self.asked.ask()


def search(made_for: Any, sigma: float, kind: Any = Good, **changes: Any) -> Any:
    fields = {"id": "search", "spec": made_for.structure(), "initial": (), "iteration": SIX}
    return kind(sigma=jnp.asarray(sigma, made_for.precision), **{**fields, **changes})


def optimizer_case(code: str, kind: Any, make: Any = None, numbers: Any = None, **changes: Any) -> Any:
    """A broken optimizer with the number of the rule that it breaks."""
    task = Bowl(spec=spec_of(**changes))

    def made(spec: Any, seed: int, sigma: float = 1.0) -> Any:
        if make is not None:
            return make(spec, sigma)
        if issubclass(kind, Optimizer):
            return search(spec, sigma, kind)
        return kind(spec, seed)

    return pytest.param(code, OptimizerSubject("search", task, made, numbers), id=f"{code}-{kind.__name__}")


GRADIENTS = (Batch("samples", 6, gradients=True),)

BROKEN_OPTIMIZERS = [
    optimizer_case("", Good, numbers={"sigma": 1.0}),
    optimizer_case("", Host),
    optimizer_case("", Good, precision="float64"),
    optimizer_case("QDB201", Good, lambda spec, sigma: search(spec, sigma, id="another")),
    optimizer_case("QDB201", Good, lambda spec, sigma: search(spec, sigma, spec=spec)),
    optimizer_case("QDB201", Good, lambda spec, sigma: search(spec, sigma, iteration=(Batch("", 6),))),
    optimizer_case("QDB202", AsksForMore),
    optimizer_case("QDB202", HostWrongShape),
    optimizer_case("QDB203", Grows),
    optimizer_case("QDB204", IgnoresItsKey),
    optimizer_case("", IsDeterministic),
    optimizer_case("QDB204", HostUnseeded),
    optimizer_case("QDB204", HostSeedless),
    optimizer_case("QDB205", HostWrites),
    optimizer_case("QDB206", HostWantsTellFirst),
    optimizer_case("QDB206", RaisesWhenTold),
    optimizer_case("QDB207", CompilesAgain),
    optimizer_case("QDB208", Good, lambda spec, sigma: search(spec, sigma, initial=(Batch("big", 200),))),
    optimizer_case("QDB208", HostBig),
    optimizer_case("QDB209", Good, lambda spec, sigma: search(spec, sigma, iteration=GRADIENTS), differentiable=False),
    optimizer_case("QDB209", HostWantsGradients, differentiable=False),
    optimizer_case("", HostWantsGradients),
    optimizer_case("QDB210", HostGlobal),
    optimizer_case("QDB211", Good, lambda spec, sigma: search(spec, 1.0), numbers={"sigma": 1.0}),
    optimizer_case("QDB212", AsksForNaN),
    optimizer_case("QDB212", HostNaN),
]


@pytest.mark.parametrize(("code", "subject"), BROKEN_OPTIMIZERS)
def test_a_broken_optimizer_breaks_its_rule_alone(code: str, subject: OptimizerSubject) -> None:
    broken = broken_rules(OPTIMIZER_RULES, subject)
    assert set(broken) == ({code} if code else set()), broken


def test_what_can_only_be_asked_is_no_optimizer() -> None:
    """It cannot be told, so that it breaks two."""
    subject = OptimizerSubject("search", Bowl(spec=spec_of()), HostOnlyAsks)
    assert set(broken_rules(OPTIMIZER_RULES, subject)) == {"QDB201", "QDB206"}
    with pytest.raises(ContractError, match="is not an optimizer: it needs the methods"):
        check_optimizer(HostOnlyAsks)


def test_every_rule_has_a_broken_example() -> None:
    assert {case.values[0] for case in BROKEN_OPTIMIZERS} - {""} == {rule.code for rule in OPTIMIZER_RULES}


def test_a_check_lists_what_is_broken() -> None:
    check_optimizer("random-search", Bowl(spec=spec_of(budget=1000)))
    check_optimizer(search(spec_of(), 1.0), Bowl(spec=spec_of()))
    with pytest.raises(ContractError, match=r"(?s)QDB205 HostWrites: .*evaluation\.objective changed"):
        check_optimizer(HostWrites)
