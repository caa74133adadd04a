"""Packs: many trials in one Parquet file, for suites of which the single files would be too many to commit.

``DIR/<task id>/<optimizer>.parquet`` has a row for each finished trial: its record (the JSON of a single file), its
trace, its targets. Archives are not in it. Reading one runs no code: the columns must be the plain ones below, and
whatever else is in their place is refused before it is read.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from qdbench.harness.result import TARGET_COLUMNS, TrialRecord, TrialResult, canonical, trace_columns
from qdbench.harness.store import StoreError, path_of, write_atomically
from qdbench.harness.targets import TARGETS

SUFFIX = ".parquet"

# More than any suite has; a small file can claim to hold far more than a machine's memory.
_MOST_TRIALS = 1_000_000
_MOST_BYTES = 8 * 2**30
_COUNTS = ("iteration", "evaluations", "gradient_evaluations")
_FORMAT = b"qdbench-pack-1"


def _column_type(name: str) -> pa.DataType:
    return pa.list_(pa.int64() if name in _COUNTS else pa.float64())


def _schema(traced: Sequence[str]) -> pa.Schema:
    """The columns of a pack whose traces have the given ones."""
    return pa.schema(
        [
            pa.field("record", pa.string(), nullable=False),
            *(pa.field(f"trace/{name}", _column_type(name), nullable=False) for name in traced),
            pa.field("targets/evaluations", pa.list_(pa.int64())),
            pa.field("targets/precision", pa.list_(pa.float64())),
        ],
        metadata={b"qdbench": _FORMAT},
    )


def save(directory: Path, results: Iterable[TrialResult]) -> list[Path]:
    """Writes one pack for each task id and optimizer, its trials in the order of their names; archives are left out.

    Raises:
        StoreError: If a file cannot be written.
    """
    packs: dict[Path, dict[str, TrialResult]] = {}
    for result in results:
        single = path_of(directory, result.record.config)
        packs.setdefault(single.parent.with_name(single.parent.name + SUFFIX), {})[single.name] = result
    for path, trials in packs.items():
        write_atomically(path, to_bytes([trials[name] for name in sorted(trials)]))
    return list(packs)


def to_bytes(results: Sequence[TrialResult]) -> bytes:
    """A pack as bytes, the same for the same results."""
    traced = trace_columns(results[0].trace)
    schema = _schema(traced)
    columns: list[pa.Array] = [pa.array([canonical(result.record) for result in results], pa.string())]
    for name in traced:
        columns.append(pa.array([result.trace[name].to_numpy() for result in results], _column_type(name)))
    for name in ("evaluations", "precision"):
        values = [None if result.targets is None else result.targets[name].to_numpy() for result in results]
        columns.append(pa.array(values, schema.field(f"targets/{name}").type, from_pandas=False))
    buffer = io.BytesIO()
    table = pa.Table.from_arrays(columns, schema=schema)
    pq.write_table(table, buffer, compression="zstd", compression_level=9, write_statistics=False, store_schema=False)
    return buffer.getvalue()


def load(path: Path) -> list[TrialResult]:
    """The trials of a pack.

    Raises:
        StoreError: If the file is missing, truncated, or not a pack.
    """
    try:
        return list(_results(_table(path)))
    except (OSError, pa.ArrowException, ValidationError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise StoreError(f"{path} cannot be read as a pack of results: {error}") from error


def pack_paths(directory: Path) -> Iterator[Path]:
    """The packs below a folder, in a fixed order."""
    yield from sorted(path for path in directory.rglob(f"*{SUFFIX}") if not path.name.startswith("."))


def _table(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        found = file.schema_arrow
        if (found.metadata or {}).get(b"qdbench") not in (None, _FORMAT):
            raise ValueError("it is of another version")
        schema = _schema(_traced(found))
        wanted = {field.name: _plain(field.type) for field in schema}
        if {field.name: _plain(field.type) for field in found} != wanted or len(found) != len(schema):
            raise ValueError(f"it has the columns {', '.join(found.names) or 'none'}, not those of a pack")
        metadata = file.metadata
        size = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
        if metadata.num_rows > _MOST_TRIALS or size > _MOST_BYTES:
            raise ValueError(f"it claims {metadata.num_rows} trials and {size} bytes")
        table = file.read()
    table.validate(full=True)
    return table


def _traced(schema: pa.Schema) -> tuple[str, ...]:
    return trace_columns({name.removeprefix("trace/") for name in schema.names})


def _plain(kind: pa.DataType) -> str:
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _results(table: pa.Table) -> Iterator[TrialResult]:
    texts = table["record"].to_pylist()
    traces = _frames(table, {name: f"trace/{name}" for name in _traced(table.schema)})
    hits = _frames(table, {name: f"targets/{name}" for name in TARGET_COLUMNS[1:]}, TARGETS)
    for index, text in enumerate(texts):
        trace = traces[index]
        if trace is None:
            raise ValueError(f"trial {index} has no trace")
        yield TrialResult(TrialRecord.model_validate_json(text or ""), trace, None, hits[index])


def _frames(table: pa.Table, names: Mapping[str, str], repeated: Sequence[float] = ()) -> list[pd.DataFrame | None]:
    """One table for each trial, from columns of lists; None where there is none.

    They are slices of one table, because pandas takes a tenth of a millisecond to make one of arrays.
    """
    columns = {name: table[column].combine_chunks() for name, column in names.items()}
    lengths = {name: np.asarray(column.value_lengths().fill_null(-1)) for name, column in columns.items()}
    rows = next(iter(lengths.values()))
    if any(not np.array_equal(rows, other) for other in lengths.values()):
        raise ValueError("columns of a trial are of different lengths")
    flat = {name: column.flatten() for name, column in columns.items()}
    if any(column.null_count for column in flat.values()):
        raise ValueError("a number is missing")
    present = rows >= 0
    if repeated and not (rows[present] == len(repeated)).all():
        raise ValueError(f"a trial has not {len(repeated)} targets")
    ends = np.cumsum(np.where(present, rows, 0))
    starts = ends - np.where(present, rows, 0)
    everything = pd.DataFrame(
        ({TARGET_COLUMNS[0]: np.tile(repeated, int(present.sum()))} if repeated else {})
        | {name: column.to_numpy(zero_copy_only=False) for name, column in flat.items()},
        index=np.arange(ends[-1] if len(ends) else 0) - np.repeat(starts, np.where(present, rows, 0)),
    )
    return [
        everything.iloc[first:last] if there else None
        for first, last, there in zip(starts.tolist(), ends.tolist(), present.tolist(), strict=True)
    ]
