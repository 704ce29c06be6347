"""What bringing new weights into the package has in common: pinning a file's hash, and a model card's results."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "src/maskweave/catalog/weights"
_ENTRIES = ROOT / "src/maskweave/catalog/entries.py"
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


def pin(file: Path) -> None:
    """Put the file's sha256 into the catalog."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = _ENTRIES.read_text(encoding="utf-8")
    pattern = rf'("{re.escape(file.name)}",\s+Checksum\("sha256", ")[0-9a-f]{{64}}'
    new, count = re.subn(pattern, rf"\g<1>{digest}", text)
    if count != 1:
        raise SystemExit(f"{_ENTRIES}: need one checksum of {file.name} to replace, found {count}")
    _ENTRIES.write_text(new, encoding="utf-8")


def replace_results(card: Path, text: str) -> None:
    """Put a text in place of the results of a model card."""
    before, rest = card.read_text(encoding="utf-8").split(_BEGIN)
    card.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{rest.split(_END)[1]}", encoding="utf-8")
