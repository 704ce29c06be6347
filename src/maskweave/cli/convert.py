"""`maskweave convert`: a data set from one format to another, with what that costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskweave.cli.console import FAILED, counted, emit, progress_bar, say
from maskweave.errors import BadRecord, InvalidValue

if TYPE_CHECKING:
    from maskweave.formats.ledger import Ledger


class MaskName(StrEnum):
    """How masks are written."""

    auto = "auto"
    rle = "rle"
    polygons = "polygons"


class HoleName(StrEnum):
    """What becomes of holes."""

    keep = "keep"
    fill = "fill"


class OverlapName(StrEnum):
    """Who lies in front."""

    score = "score"
    small = "small"
    refuse = "refuse"


class CrowdName(StrEnum):
    """What becomes of crowds."""

    keep = "keep"
    skip = "skip"


class PictureName(StrEnum):
    """What becomes of pictures."""

    none = "none"
    copy = "copy"
    link = "link"


def convert_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    source: Annotated[Path, typer.Argument(metavar="SRC", help="File or folder of annotations or results.")],
    to: Annotated[str, typer.Option("--to", help="Format to write; the README lists all.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DST", help="File or folder to write.")],
    from_: Annotated[
        str | None, typer.Option("--from", help="Format of SRC; by default it is recognised.")
    ] = None,
    masks: Annotated[
        MaskName, typer.Option(help="Polygons, run lengths (bitmaps), or what is usual there.")
    ] = MaskName.auto,
    holes: Annotated[
        HoleName, typer.Option(help="In outlines: keep (by another kind of mask, or a seam) or fill.")
    ] = HoleName.keep,
    overlaps: Annotated[
        OverlapName, typer.Option(help="In id pictures: who lies in front, or refuse.")
    ] = OverlapName.score,
    crowd: Annotated[
        CrowdName, typer.Option(help="Where there are no crowds: keep as objects, or skip.")
    ] = CrowdName.keep,
    pictures: Annotated[
        PictureName, typer.Option(help="Put the pictures beside the labels, where the layout has a place.")
    ] = PictureName.none,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures, if they lie elsewhere.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="COCO file with images and categories, for coco-results.")
    ] = None,
    affine: Annotated[
        str | None, typer.Option(help="a,b,c,d,e,f from pixels to a map (as rasterio has them), for geojson.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first broken record.")] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="A record that would lose something is broken, too.")
    ] = False,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Convert annotations or results; broken records are named and left out, losses are measured and told."""
    from maskweave.cli.stopping import interruptible
    from maskweave.formats import format_named
    from maskweave.formats.base import Options
    from maskweave.formats.convert import check_apart, convert, reader_of, recognise
    from maskweave.formats.ledger import Ledger

    options = Options(
        masks=masks.value,
        holes=holes.value,
        overlaps=overlaps.value,
        crowd=crowd.value,
        pictures=pictures.value,
        images=images,
        truth=truth,
        affine=None if affine is None else _affine(affine),
    )
    ledger = Ledger(strict=strict, lossless=lossless, tell=lambda line: say(f"maskweave: {line}"))
    if from_ is None:
        form, reason = recognise(source)
        say(f"{source}: {form.title} ({form.name}): {reason}")
        from_ = form.name
    format_named(to)
    reader_of(format_named(from_), source)
    check_apart(source, output)
    with interruptible(), _bad_sources(), progress_bar("converting", None) as update:
        convert(
            source,
            output,
            to=to,
            format_name=from_,
            options=options,
            ledger=ledger,
            progress=lambda records: update(records, None),
        )
    _tell(ledger, output, from_=from_, json_lines=json_lines)
    if ledger.problems:
        raise typer.Exit(FAILED)


@contextmanager
def _bad_sources() -> Iterator[None]:
    """What a source holds is no wrong call: its `InvalidValue` ends with the code of a failed input."""
    try:
        yield
    except InvalidValue as error:
        raise BadRecord(str(error)) from error


def _tell(ledger: Ledger, output: Path, *, from_: str, json_lines: bool) -> None:
    for line in ledger.lines():
        say(line)
    if json_lines:
        losses = {
            kind: {"objects": objects, "pixels": pixels} for kind, (objects, pixels) in ledger.losses.items()
        }
        emit(
            {
                "from": from_,
                "to": ledger.target,
                "output": str(output),
                "records": ledger.records,
                "objects": ledger.objects,
                "problems": ledger.problems,
                "losses": losses,
            }
        )
        return
    broken = f", {counted(ledger.problems, 'problem')}" if ledger.problems else ""
    say(f"{counted(ledger.records, 'picture')} with {counted(ledger.objects, 'object')}{broken} → {output}")


def _affine(text: str) -> tuple[float, float, float, float, float, float]:
    try:
        a, b, c, d, e, f = (float(each) for each in text.split(","))
    except ValueError:
        raise typer.BadParameter(
            f"need six numbers a,b,c,d,e,f, got {text!r}", param_hint="--affine"
        ) from None
    return a, b, c, d, e, f
