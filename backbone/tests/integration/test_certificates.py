"""A certificate that is renewed on the disk is used without a restart, on either side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from city_backbone.errors import SettingsError
from city_backbone.rpc.certificate import Identity
from city_backbone.rpc.channel import open_channel
from city_backbone.rpc.identity import Policy
from city_backbone.rpc.server import RpcServer, _credentials
from city_backbone.settings import GrpcSettings, TlsSettings
from opentelemetry.metrics import get_meter

from .certificates import Authority

SERVICE = "city.trial.v1.TrialService"


class Trial:
    """Answers with the caller's certificate, and tells something on a stream until let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    def add(self, _: object, server: Any) -> None:
        handlers: Any = {
            "Ask": grpc.unary_unary_rpc_method_handler(self._ask),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def _ask(self, request: bytes, context: Any) -> bytes:
        return bytes(context.auth_context()["x509_pem_cert"][0])

    async def _watch(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await self.let_go.wait()
        yield b"last"

    @asynccontextmanager
    async def serve(self, tls: TlsSettings) -> AsyncIterator[int]:
        policy = Policy({f"{SERVICE}/*": frozenset({"caller"})})
        settings = GrpcSettings(host="127.0.0.1", port=0)
        server = RpcServer(
            "trial", settings, tls, policy, [(self.add, None, SERVICE)], get_meter("trial")
        )
        await server.start()
        try:
            yield server.port
        finally:
            await server.stop(0)


async def ask(channel: Any) -> Any:
    return await channel.unary_unary(f"/{SERVICE}/Ask")(b"", timeout=5)


async def test_both_sides_take_their_new_certificates_and_what_is_under_way_goes_on(
    tmp_path: Path,
) -> None:
    """The new ones are another authority's, so that the old ones would not do."""
    trial = Trial()
    old, new = Authority("old"), Authority("new")
    server, caller = (old.certify(tmp_path / name, name) for name in ("trial", "caller"))
    async with (
        trial.serve(server) as port,
        open_channel(f"127.0.0.1:{port}", caller, server_name="trial") as channel,
    ):
        method: Any = channel.unary_unary(f"/{SERVICE}/Ask")
        assert await method(b"", timeout=5) in caller.cert_file.read_bytes()
        method_of_streams: Any = channel.unary_stream(f"/{SERVICE}/Watch")
        watch = method_of_streams(b"", timeout=30)
        assert await watch.read() == b"first"
        for name in ("trial", "caller"):
            new.certify(tmp_path / name, name)
        assert await method(b"", timeout=5) in caller.cert_file.read_bytes()
        async with open_channel(f"127.0.0.1:{port}", caller, server_name="trial") as another:
            assert await ask(another) in caller.cert_file.read_bytes()
        outdated = old.certify(tmp_path / "outdated", "caller")
        async with open_channel(f"127.0.0.1:{port}", outdated, server_name="trial") as another:
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await ask(another)
        trial.let_go.set()
        assert await watch.read() == b"last"
        assert await watch.read() is grpc.aio.EOF


def test_grpc_is_given_a_certificate_once_and_not_at_each_handshake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it replaces it frees, under other handshakes that still read it."""
    given: list[Any] = []
    monkeypatch.setattr(
        grpc, "dynamic_ssl_server_credentials", lambda *arguments, **_: given.append(arguments)
    )
    authority = Authority("old")
    tls = authority.certify(tmp_path / "trial", "trial")
    _credentials(Identity(tls))
    ((first, newer),) = given
    assert first is not None
    assert [newer(), newer()] == [None, None]
    authority.certify(tmp_path / "trial", "trial")
    assert newer() is not None
    assert newer() is None


def test_the_metric_tells_when_the_certificate_in_use_ends(tmp_path: Path) -> None:
    authority = Authority("city")
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    identity = Identity(authority.certify(tmp_path, "trial", soon))
    assert identity.current().expires_at == soon.timestamp()
    authority.certify(tmp_path, "trial", soon + timedelta(days=60))
    assert identity.current().expires_at == (soon + timedelta(days=60)).timestamp()


@pytest.mark.parametrize("harm", ["key of another", "half a certificate", "no file"])
def test_files_that_do_not_go_together_leave_the_old_certificate_in_use(
    tmp_path: Path, harm: str
) -> None:
    authority = Authority("city")
    files = authority.certify(tmp_path / "ours", "trial")
    identity = Identity(files)
    before = identity.current()
    match harm:
        case "key of another":
            other = authority.certify(tmp_path / "theirs", "trial")
            files.key_file.write_bytes(other.key_file.read_bytes())
        case "half a certificate":
            files.cert_file.write_bytes(files.cert_file.read_bytes()[:200])
        case "no file":
            files.cert_file.unlink()
    assert identity.current() is before
    with pytest.raises(SettingsError, match="TLS: "):
        Identity(files)
    authority.certify(tmp_path / "ours", "trial")
    assert identity.current() is not before
