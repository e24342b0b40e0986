"""The people's own keys, kept outside the database: destroyed, what they sealed is unreadable."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

from city_backbone.crypto import KEY_BYTES, Box, derived
from city_backbone.errors import SettingsError, Transient

T = TypeVar("T")

_WRAPPING = "city.health.keyring.v1/wrap"
_MARKING = "city.health.keyring.v1/mark"
_FINGERPRINT = "city.health.person.v1/fingerprint"
_MARK = "keyring.mark"


class KeyringUnavailable(Transient):
    """Its folder is not there, or the file system refuses; nothing was made or destroyed."""


class Keyring(Protocol):
    """One data key of 32 bytes for each person."""

    async def create(self, person_id: UUID) -> bytes:
        """A new key; it is kept when this returns. For a person who has none yet."""

    async def load(self, person_id: UUID) -> bytes | None:
        """None: never made, or destroyed."""

    async def destroy(self, person_id: UUID) -> bool:
        """Nobody can load it any more when this returns; whether there was one."""


class FileKeyring:
    """One file for each person in `folder`, which all replicas share, sealed by the department's
    key with the person's id as associated data.

    All methods raise KeyringUnavailable, `load` also Unreadable for a file that was altered. No
    key is kept in memory beyond a call.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        """Raises SettingsError for a folder that cannot be made or written, or that another key
        has filled."""
        self._folder = folder
        self._box = Box(derived(key, _WRAPPING))
        self._mark_with(derived(key, _MARKING))

    async def create(self, person_id: UUID) -> bytes:
        return await self._in_thread(lambda: self._create(person_id))

    async def load(self, person_id: UUID) -> bytes | None:
        return await self._in_thread(lambda: self._load(person_id))

    async def destroy(self, person_id: UUID) -> bool:
        return await self._in_thread(lambda: self._destroy(person_id))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise KeyringUnavailable(f"keyring: {type(error).__name__}") from error

    def _create(self, person_id: UUID) -> bytes:
        path = self._path(person_id)
        if path.exists():
            raise FileExistsError(path)
        key = os.urandom(KEY_BYTES)
        self._write(path, self._box.seal(key, person_id.bytes))
        return key

    def _load(self, person_id: UUID) -> bytes | None:
        try:
            sealed = self._path(person_id).read_bytes()
        except FileNotFoundError:
            self._must_be_there()
            return None
        if sealed and not any(sealed):  # whoever destroyed it was killed before the last step
            return None
        return self._box.open(sealed, person_id.bytes)

    def _destroy(self, person_id: UUID) -> bool:
        path = self._path(person_id)
        try:
            with path.open("r+b") as file:
                _flush(file, bytes(path.stat().st_size))
        except FileNotFoundError:
            self._must_be_there()
            return False
        path.unlink(missing_ok=True)
        self._sync_folder()
        return True

    def _write(self, path: Path, content: bytes) -> None:
        """All of it or nothing under that name, whatever happens meanwhile."""
        temporary = path.with_name(f"{path.name}.{os.urandom(8).hex()}.tmp")
        try:
            with open(temporary, "xb", opener=_private) as file:
                _flush(file, content)
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _must_be_there(self) -> None:
        """A volume that is not mounted must not pass for one whose keys were destroyed."""
        (self._folder / _MARK).stat()

    def _mark_with(self, mark: bytes) -> None:
        path = self._folder / _MARK
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            if not path.exists():
                self._write(path, mark)
            ours = path.read_bytes() == mark
        except OSError as error:
            raise SettingsError(
                f"PEOPLE__KEYRING: expected a folder that can be written: {error}"
            ) from error
        if not ours:
            raise SettingsError(
                f"PEOPLE__KEY: expected the key that {self._folder} was filled with"
            )

    def _path(self, person_id: UUID) -> Path:
        return self._folder / f"{person_id}.key"


def fingerprint(key: bytes) -> str:
    """Says which key it was, and nothing of it: SHA-256 of its fingerprint, lower-case hex.

    A key found in an old copy can be told by it.
    """
    return hashlib.sha256(derived(key, _FINGERPRINT)).hexdigest()


def _flush(file: BufferedIOBase, content: bytes) -> None:
    """On the disk when this returns."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
