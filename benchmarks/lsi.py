"""One iteration of latent space illumination: time and memory by resolution, batch and images at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import report
from benchmarks.bbob_peers import brief
from benchmarks.display import steps
from benchmarks.launch import attempt

_PACKAGES = ("qdbench", "jax", "jaxlib", "numpy")
_IMAGES = 380_000
"""Of a trial of CMA-MEGA in fontaine2021dqd: 10,000 iterations of 35 images and 3 with gradients."""


class Setting(NamedTuple):
    """One measurement."""

    resolution: int
    batch: int
    image_batch: int
    gradients: bool


SETTINGS = (
    *(Setting(resolution, 36, 36, False) for resolution in (8, 16, 32, 64, 128)),
    *(Setting(resolution, 1, 1, True) for resolution in (8, 16, 32, 64, 128)),
    *(Setting(64, 36, image_batch, False) for image_batch in (1, 4, 12)),
    *(Setting(64, batch, 12, False) for batch in (12, 144)),
)


def run(out: Path, seconds: float, core: int | None, timeout: float) -> bool:
    """Measures and writes ``lsi.csv`` and ``lsi.md``; returns whether every measurement succeeded.

    Args:
        out: The folder.
        seconds: About how long one repetition of a measurement should run.
        core: The core to pin to.
        timeout: Seconds after which a measurement is given up.
    """
    rows: list[dict[str, Any]] = []
    with steps("lsi", len(SETTINGS)) as progress:
        for setting in SETTINGS:
            name = f"{setting.resolution} x {setting.resolution}, batch {setting.batch}"
            progress.begin(name)
            found = attempt("latent space illumination", {**setting._asdict(), "seconds": seconds}, core, timeout)
            figures = found.result or dict.fromkeys(("seconds", "compile_seconds", "bytes", "parameters"), "")
            rows.append({**setting._asdict(), "load_average": found.load, **figures, "error": brief(found.error)})
            progress.end(f"{name}: {brief(found.error) or 'done'}")
    report.write(out, "lsi", rows, _page(rows, core))
    return all(not row["error"] for row in rows)


def _page(rows: list[dict[str, Any]], core: int | None) -> str:
    head = ("resolution", "solutions", "images at a time", "gradients", "ms", "ms an image", "compile, s", "MB")
    shown = [
        (
            str(row["resolution"]),
            str(row["batch"]),
            str(row["image_batch"]),
            "yes" if row["gradients"] else "no",
            report.number(1e3 * row["seconds"]),
            report.number(1e3 * row["seconds"] / row["batch"]),
            report.number(row["compile_seconds"]),
            report.number(row["bytes"] / 1e6),
        )
        for row in rows
        if not row["error"]
    ]
    return "\n".join(
        [
            "# Latent space illumination: cost of an iteration\n",
            report.environment(core, _PACKAGES),
            "StyleGAN2 generators with random tensors, a sixteenth of NVIDIA's channels and one colour, and the CLIP "
            "of LSI-Digits. An iteration of CMA-MEGA evaluates 1 solution with gradients and 35 without. MB "
            "is the greatest memory of the process, Python and JAX included. Failed measurements are in lsi.csv.\n",
            report.markdown_table(head, shown, left=0),
            f"A trial of the paper is {_IMAGES:,} images of 1024 x 1024: docs/lsi.md estimates its cost.\n",
        ]
    )
