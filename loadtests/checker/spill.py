"""Grouping more than fits in memory."""

import marshal
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

Row = tuple[Any, ...]


class Groups:
    """Rows by key, on disk: each key's rows come back together, in the order they were added.

    Rows are tuples of strings, numbers, bytes, None. At any time one of `parts` files is in memory
    when reading: about a `parts`-th of all rows, or those of one key if it has more.
    """

    def __init__(self, folder: Path, parts: int = 64) -> None:
        self._folder = folder
        self._parts = parts
        self._files: list[BinaryIO] = []

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        self._files = [(self._folder / str(part)).open("w+b") for part in range(self._parts)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for file in self._files:
            file.close()
            Path(file.name).unlink()
        self._folder.rmdir()

    def add(self, key: str, row: Row) -> None:
        part = zlib.crc32(key.encode("utf-8", "surrogatepass")) % self._parts
        marshal.dump((key, row), self._files[part])

    def read(self) -> Iterator[tuple[str, list[Row]]]:
        for file in self._files:
            file.seek(0)
            groups: dict[str, list[Row]] = {}
            while True:
                try:
                    key, row = marshal.load(file)
                except EOFError:
                    break
                groups.setdefault(key, []).append(row)
            yield from groups.items()
