"""The loop of a meta-evolution, resumable at any moment."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Array

from qdbench.leaves import named_leaves
from qdbench.metabbo import checkpoint, distribution, inner, parameters
from qdbench.metabbo.checkpoint import Progress
from qdbench.metabbo.config import MetaConfig
from qdbench.metabbo.evaluation import Evaluator, ratios
from qdbench.metabbo.fitness import meta_fitness
from qdbench.metabbo.loops import Loops, devices_mesh
from qdbench.metabbo.outer import Outer


@dataclasses.dataclass(frozen=True)
class Step:
    """One meta-generation, as told to whoever watches.

    Attributes:
        progress: After it.
        ratios: The mean's precision divided by the reference optimizer's, for each task, if it was evaluated now.
    """

    progress: Progress
    ratios: np.ndarray | None


class MetaEvolution:
    """A meta-evolution in a folder: everything is made and compiled here, :meth:`steps` runs it.

    Attributes:
        config: Its configuration.
        folder: Where checkpoints and results are.
        evaluator: Of the mean; None if there are no tasks to evaluate it on.
        reference: What the reference optimizer reached, ``(tasks,)``.
        progress: Where it is: at the start, or at the folder's checkpoint.

    Raises:
        StoreError: If the folder has a checkpoint that is broken or of another configuration.
        ValueError: If the configuration does not fit the optimizer or the tasks.
    """

    def __init__(self, config: MetaConfig, folder: Path) -> None:
        self.config, self.folder = config, folder
        self._distribution = distribution.build(config.tasks, config.noise)
        self._loops = Loops(
            self._distribution,
            config.optimizer,
            config.hyperparameters,
            config.generations,
            devices_mesh(config.members),
            noisy=config.noise > 0,
        )
        start = inner.evolved_arrays(self._loops.optimizers[0], config.evolve)
        self._check_draws(start)
        self._outer = Outer(config, start)
        has_tasks = config.evaluation.seen or config.evaluation.unseen or config.evaluation.networks
        self.evaluator = Evaluator(config.optimizer, config.evaluation, config.hyperparameters) if has_tasks else None
        self.reference = self.evaluator.reference() if self.evaluator else np.zeros(0)
        found = checkpoint.read(folder, config, len(self._outer.start))
        self.progress = found or Progress(
            0, self._outer.init(), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, len(self.reference)))
        )

    def steps(self) -> Iterator[Step]:
        """Runs what is left, a meta-generation at a time; writes checkpoints, and the parameters at the end."""
        if self.progress.generation == 0 and self.evaluator is not None:
            yield self._evaluated()
        while self.progress.generation < self.config.meta_generations:
            self._advance()
            done = self.progress.generation
            last = done == self.config.meta_generations
            evaluates = self.evaluator is not None and (done % self.config.evaluation.every == 0 or last)
            step = self._evaluated() if evaluates else Step(self.progress, None)
            if done % self.config.checkpoint_every == 0 or last:
                checkpoint.write(self.folder, self.progress, self.config)
            yield step

    def arrays(self) -> dict[str, np.ndarray]:
        """The mean, as arrays by name."""
        return {name: np.asarray(array) for name, array in self._outer.mean(self.progress.state).items()}

    def parameters(self, record: dict[str, object]) -> bytes:
        """The content of the parameters' file."""
        return parameters.to_bytes(self.arrays(), self.config.optimizer, self.config.hyperparameters, record)

    def _check_draws(self, evolved: dict[str, Array]) -> None:
        optimizer = self._loops.optimizers[0]
        arrays = named_leaves(optimizer)
        for name in self.config.draw:
            if name not in arrays or arrays[name].shape:
                numbers = [known for known, array in arrays.items() if not array.shape]
                raise ValueError(f"draw: {optimizer.id!r} has no number {name!r}; it has {', '.join(numbers)}")
            if name in evolved:
                raise ValueError(f"{name!r} is both drawn and evolved; it can be one of them")

    def _advance(self) -> None:
        began = time.perf_counter()
        config, generation, state = self.config, self.progress.generation, self.progress.state
        solutions, evolved = self._outer.ask(state, generation)
        rows = distribution.sample(
            self._distribution, config.seed, generation, config.tasks_per_generation, config.noise, config.draw
        )
        results = self._loops.run(evolved, rows)
        fitness = meta_fitness(np.asarray(results.final if config.fitness == "final" else results.best), config)
        state = self._outer.tell(state, generation, solutions, fitness)
        seconds = np.append(self.progress.seconds, time.perf_counter() - began)
        self.progress = self.progress._replace(generation=generation + 1, state=state, seconds=seconds)

    def _evaluated(self) -> Step:
        assert self.evaluator is not None
        mean_best = self.evaluator.mean_best(self._outer.mean(self.progress.state))
        self.progress = self.progress._replace(
            evaluated=np.append(self.progress.evaluated, self.progress.generation),
            mean_best=np.concatenate([self.progress.mean_best, mean_best[None]]),
        )
        return Step(self.progress, ratios(mean_best, self.reference))
