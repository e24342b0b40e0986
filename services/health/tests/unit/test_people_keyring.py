"""The keyring on a real disk: whole keys or none, and destroyed for good."""

import asyncio
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from city_backbone.errors import SettingsError, Unreadable
from health.people.keyring import FileKeyring, KeyringUnavailable, fingerprint

KEY = bytes(range(32))
SOMEBODY = UUID("1b9f3f0e-5c3a-4b3e-8d2e-0a5b6c7d8e9f")


@pytest.fixture
def keyring(tmp_path: Path) -> FileKeyring:
    return FileKeyring(tmp_path, KEY)


def file_of(folder: Path, person_id: UUID) -> Path:
    return folder / f"{person_id}.key"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_each_has_a_key_of_their_own(keyring: FileKeyring, tmp_path: Path) -> None:
    other = uuid4()
    key, others = await keyring.create(SOMEBODY), await keyring.create(other)
    assert len(key) == 32
    assert key != others
    assert await FileKeyring(tmp_path, KEY).load(SOMEBODY) == key
    assert await keyring.load(other) == others
    assert await keyring.load(uuid4()) is None
    assert fingerprint(key) != fingerprint(others)


async def test_the_file_says_nothing_and_is_the_services_alone(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    key = await keyring.create(SOMEBODY)
    path = file_of(tmp_path, SOMEBODY)
    assert path.stat().st_mode & 0o777 == 0o600
    assert key not in path.read_bytes()
    assert key.hex() not in fingerprint(key)
    assert names(tmp_path) == {path.name, "keyring.mark"}


async def test_a_key_is_never_made_over(keyring: FileKeyring) -> None:
    key = await keyring.create(SOMEBODY)
    with pytest.raises(KeyringUnavailable):
        await keyring.create(SOMEBODY)
    assert await keyring.load(SOMEBODY) == key


async def test_destroyed_it_is_gone(keyring: FileKeyring, tmp_path: Path) -> None:
    other = uuid4()
    await keyring.create(SOMEBODY)
    others = await keyring.create(other)
    assert await keyring.destroy(SOMEBODY)
    assert await keyring.load(SOMEBODY) is None
    assert not await keyring.destroy(SOMEBODY)
    assert not file_of(tmp_path, SOMEBODY).exists()
    assert await keyring.load(other) == others


async def test_destroying_overwrites_what_a_link_still_holds(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    await keyring.create(SOMEBODY)
    held = tmp_path / "held"
    held.hardlink_to(file_of(tmp_path, SOMEBODY))
    size = held.stat().st_size
    await keyring.destroy(SOMEBODY)
    assert held.read_bytes() == bytes(size)


async def test_destroying_that_was_cut_off_before_the_file_went(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    await keyring.create(SOMEBODY)
    path = file_of(tmp_path, SOMEBODY)
    path.write_bytes(bytes(path.stat().st_size))
    assert await keyring.load(SOMEBODY) is None
    assert await keyring.destroy(SOMEBODY)
    assert not path.exists()


async def test_part_of_a_file_is_no_key(keyring: FileKeyring, tmp_path: Path) -> None:
    await keyring.create(SOMEBODY)
    path = file_of(tmp_path, SOMEBODY)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(Unreadable):
            await keyring.load(SOMEBODY)
        path.write_bytes(whole[:length] + bytes(len(whole) - length))
        if length:
            with pytest.raises(Unreadable):
                await keyring.load(SOMEBODY)
    temporary = path.with_name(f"{path.name}.0123.tmp")
    temporary.write_bytes(whole)
    path.unlink()
    assert await keyring.load(SOMEBODY) is None


async def test_a_file_of_another_person_is_no_key(keyring: FileKeyring, tmp_path: Path) -> None:
    other = uuid4()
    await keyring.create(SOMEBODY)
    file_of(tmp_path, SOMEBODY).rename(file_of(tmp_path, other))
    with pytest.raises(Unreadable):
        await keyring.load(other)


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """A file may grow to `size` bytes and no further."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_is_full_leaves_nothing_behind(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    before = names(tmp_path)
    with disk_full_after(20), pytest.raises(KeyringUnavailable):
        await keyring.create(SOMEBODY)
    assert names(tmp_path) == before
    assert await keyring.load(SOMEBODY) is None
    assert len(await keyring.create(SOMEBODY)) == 32


# By the kernel, with 20 bytes of the file written.
CREATE_AND_BE_KILLED = """
import asyncio, resource, signal, sys
from pathlib import Path
from uuid import UUID

from health.people.keyring import FileKeyring

keyring = FileKeyring(Path(sys.argv[1]), bytes(range(32)))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
asyncio.run(keyring.create(UUID(sys.argv[2])))
"""


async def test_whoever_is_killed_while_writing_leaves_no_key(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CREATE_AND_BE_KILLED, str(tmp_path), str(SOMEBODY)
    )
    assert await writer.wait() == -signal.SIGXFSZ
    assert len(names(tmp_path)) == 2, "the mark, and what was written so far"
    assert await keyring.load(SOMEBODY) is None
    key = await keyring.create(SOMEBODY)
    assert await keyring.load(SOMEBODY) == key


@contextmanager
def away(folder: Path, *, unmounted: bool = False) -> Iterator[None]:
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    if unmounted:
        folder.mkdir()
    yield
    if unmounted:
        folder.rmdir()
    elsewhere.rename(folder)


async def test_a_folder_that_went_away_is_not_taken_for_keys_destroyed(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    await keyring.create(SOMEBODY)
    with away(tmp_path):
        for call in (keyring.load, keyring.destroy, keyring.create):
            with pytest.raises(KeyringUnavailable):
                await call(SOMEBODY)
    with away(tmp_path, unmounted=True):
        for call in (keyring.load, keyring.destroy):
            with pytest.raises(KeyringUnavailable):
                await call(SOMEBODY)
    assert await keyring.load(SOMEBODY)


async def test_another_departments_key_stops_the_start(
    keyring: FileKeyring, tmp_path: Path
) -> None:
    key = await keyring.create(SOMEBODY)
    with pytest.raises(SettingsError, match="PEOPLE__KEY: expected the key") as raised:
        FileKeyring(tmp_path, bytes(32))
    assert KEY.hex() not in str(raised.value)
    assert await FileKeyring(tmp_path, KEY).load(SOMEBODY) == key


def test_a_folder_is_made_for_the_service_alone(tmp_path: Path) -> None:
    FileKeyring(tmp_path / "people" / "keyring", KEY)
    assert (tmp_path / "people" / "keyring").stat().st_mode & 0o777 == 0o700


def test_no_folder_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="PEOPLE__KEYRING"):
        FileKeyring(tmp_path / "file", KEY)
