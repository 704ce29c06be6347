"""Collect outcomes from the workers of a cluster in small Parquet files, each written whole.

A worker writes one for each chunk of items when the chunk is done, so that neither its own end nor the driver's loses
it; the driver puts its rows into the record and removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from io import BytesIO
from typing import Any

from maskweave.batch.folder import STATE
from maskweave.batch.items import Outcome
from maskweave.batch.storage import exists, files_in, read_bytes, remove, write_bytes
from maskweave.batch.stored_text import original_text, stored_text
from maskweave.errors import OutputError
from maskweave.optional import optional


def part_address(output: str, run: str, chunk: int) -> str:
    """Where the outcomes of a chunk of a run go; the same when another worker does it again."""
    return f"{output.rstrip('/')}/{STATE}/parts/{run}-{chunk:08}.parquet"


def write_part(address: str, outcomes: list[Outcome]) -> None:
    """Write the outcomes of a chunk; the file appears when it is whole. Raises `OutputError`."""
    arrow, parquet = _arrow()
    rows = [_mapped(asdict(outcome), stored_text) for outcome in outcomes]
    table = arrow.Table.from_pylist(rows, schema=_schema(arrow))
    buffer = BytesIO()
    parquet.write_table(table, buffer)
    write_bytes(address, buffer.getvalue())


def is_written(address: str) -> bool:
    """Whether the chunk has been done before, by a worker that was lost afterwards."""
    return exists(address)


def read_part(address: str) -> list[Outcome]:
    """The outcomes of a chunk; raises `OutputError` for a file that no batch wrote."""
    arrow, parquet = _arrow()
    try:
        rows = parquet.read_table(BytesIO(read_bytes(address)), schema=_schema(arrow)).to_pylist()
    except arrow.ArrowException as error:
        raise OutputError(
            f"{address}: need outcomes of a batch, got another file ({error}); remove it"
        ) from error
    return [Outcome(**_mapped(row, original_text)) for row in rows]


def merged_parts(output: str) -> Iterator[Outcome]:
    """What an interrupted run has left; a part is removed when its last outcome was taken."""
    for address in files_in(f"{output.rstrip('/')}/{STATE}/parts", ".parquet"):
        yield from read_part(address)
        remove(address)


def _mapped(row: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """A row with all of its texts changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(map(changed, value))
        return change(value) if isinstance(value, str) else value

    return {name: changed(value) for name, value in row.items()}


def _schema(arrow: Any) -> Any:
    kinds = {"int": arrow.int64(), "float": arrow.float64(), "tuple[str, ...]": arrow.list_(arrow.string())}
    kinds |= {"bytes | None": arrow.binary(), "bool": arrow.bool_()}
    return arrow.schema(
        [(field.name, kinds.get(str(field.type), arrow.string())) for field in fields(Outcome)]
    )


def _arrow() -> tuple[Any, Any]:
    with optional("batch: --executor ray", extra="ray"):
        import pyarrow
        from pyarrow import parquet
    return pyarrow, parquet
