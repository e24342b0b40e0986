"""A run's folder as lines of a log, since of a pod that has ended nothing but its log is left.

`sed -n 's/^report //p' | base64 -d | tar xz` makes the folder of it again.
"""

import base64
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from loadtests.driver.result import MERGED, Check, Result, Run

MARK = "report "
# The first are kept; nodes throw away what of a log is beyond 10 MiB.
_FILES = ("report.html", Result.FILE, "junit.xml", Check.FILE, Run.FILE, MERGED)
_MOST_BYTES = 6 * 1024 * 1024
_LINE_BYTES = 3 * 1024


def lines(folder: Path, most_bytes: int = _MOST_BYTES) -> Iterator[str]:
    """Marked base64 of a .tar.gz; then, unmarked, what was too large for it, of `most_bytes`."""
    left_out = []
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path in (folder / name for name in _FILES):
            # Before compression, so that the archive is surely within it.
            if packed.tell() + path.stat().st_size > most_bytes:
                left_out.append(path.name)
            else:
                archive.add(path, f"{folder.name}/{path.name}")
    content = packed.getvalue()
    for start in range(0, len(content), _LINE_BYTES):
        yield MARK + base64.b64encode(content[start : start + _LINE_BYTES]).decode()
    if left_out:
        yield f"too large for the log: {', '.join(left_out)}"
