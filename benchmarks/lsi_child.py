"""Times evaluations of latent space illumination in a child process, with StyleGAN2 generators of random tensors."""

from __future__ import annotations

import resource
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import qdbench
from benchmarks import stopwatch
from qdbench.tasks.lsi import stylegan2
from qdbench.tasks.lsi.parameters import Parameters
from qdbench.tasks.lsi.stylegan_clip import StyleGanClip

_W_DIM, _BASE = 64, 2048


def channels(resolution: int) -> int:
    """The channels of a resolution: NVIDIA's rule, with a sixteenth of its width."""
    return max(8, min(_BASE // resolution, 64))


def time_evaluation(resolution: int, batch: int, image_batch: int, gradients: bool, seconds: float) -> dict[str, Any]:
    """Seconds of one compiled evaluation and of its compilation, and the process's greatest memory in bytes.

    Args:
        resolution: Of the images; CLIP is the model of LSI-Digits, to whose 8 x 8 pixels they are resized.
        batch: Solutions.
        image_batch: Images at a time.
        gradients: Whether gradients are computed as well.
        seconds: About how long one repetition of the measurement should run.
    """
    task = _task(resolution, image_batch)
    arrays, static = eqx.partition(task, eqx.is_array)

    def evaluate(arrays: Any, solutions: Any) -> Any:
        made: StyleGanClip = eqx.combine(arrays, static)
        return made.evaluate(None, solutions, gradients=gradients)

    solutions = jnp.asarray(np.random.default_rng(0).standard_normal((batch, task.spec.dim)), jnp.float32)
    began = time.perf_counter()
    compiled = jax.jit(evaluate).lower(arrays, solutions).compile()
    compile_seconds = time.perf_counter() - began
    taken = stopwatch.fastest(lambda: jax.block_until_ready(compiled(arrays, solutions)), seconds)
    # Kibibytes on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": taken, "compile_seconds": compile_seconds, "bytes": peak, "parameters": _count(task.generator)}


def _task(resolution: int, image_batch: int) -> StyleGanClip:
    digits: Any = qdbench.make("LSI-Digits-CLIP-v0")
    generator = stylegan2.make(Parameters(_tensors(resolution), "random tensors"))
    return StyleGanClip(
        spec=digits.spec.model_copy(update={"dim": _W_DIM}),
        generator=generator,
        clip=digits.clip,
        whitened=None,
        texts=digits.texts[:3],
        score="angle",
        noise="const",
        normalize=True,
        resize="antialias",
        image_batch=image_batch,
    )


def _tensors(resolution: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {}

    def put(name: str, *shape: int) -> None:
        tensors[name] = rng.standard_normal(shape, np.float32)

    put("mapping.fc0.weight", _W_DIM, _W_DIM)
    put("mapping.fc0.bias", _W_DIM)
    put("mapping.w_avg", _W_DIM)
    inputs = channels(4)
    put("synthesis.b4.const", inputs, 4, 4)
    for size in (2**power for power in range(2, resolution.bit_length())):
        outputs = channels(size)
        for name in ("conv0", "conv1")[size == 4 :]:
            full = f"synthesis.b{size}.{name}"
            put(f"{full}.weight", outputs, inputs, 3, 3)
            put(f"{full}.affine.weight", inputs, _W_DIM)
            put(f"{full}.affine.bias", inputs)
            put(f"{full}.bias", outputs)
            put(f"{full}.noise_const", size, size)
            put(f"{full}.noise_strength")
            inputs = outputs
        put(f"synthesis.b{size}.torgb.weight", 1, inputs, 1, 1)
        put(f"synthesis.b{size}.torgb.affine.weight", inputs, _W_DIM)
        put(f"synthesis.b{size}.torgb.affine.bias", inputs)
        put(f"synthesis.b{size}.torgb.bias", 1)
    return tensors


def _count(generator: Any) -> int:
    return int(sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(generator, eqx.is_array))))
