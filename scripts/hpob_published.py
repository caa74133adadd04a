"""Packs the curves that HPO-B's authors publish: ``python -m scripts.hpob_published RESULTS``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from qdbench.leaderboard.hpob.curves import read_published
from qdbench.leaderboard.hpob.published import FILE, METHODS

_OUT = Path("qdbench/leaderboard/hpob") / FILE


def main(
    results: Annotated[Path, typer.Argument(help="The folder results of HPO-B's repository.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = _OUT,
) -> None:
    """Write the four continuous results as one table in float32."""
    table = pd.concat([read_published(results / f"{method}-C.json", method) for method in METHODS])
    table = table.astype("float32").rename(columns=str).reset_index()
    table.to_parquet(out, index=False, compression="zstd", compression_level=19)


if __name__ == "__main__":
    typer.run(main)
