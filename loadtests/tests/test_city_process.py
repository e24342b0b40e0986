"""The city as a process, over mutual TLS, while sensors comes and goes."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from city.cameras.v1.alarm_pb2_grpc import add_AlarmServiceServicer_to_server
from city.cameras.v1.camera_pb2_grpc import add_CameraServiceServicer_to_server
from city.cameras.v1.detection_pb2_grpc import add_DetectionServiceServicer_to_server
from city.sensors.v1.sensors_pb2_grpc import add_SensorsServiceServicer_to_server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.tests.control_centre import ControlCentre
from loadtests.tests.health_office import HealthOffice
from loadtests.tests.parking_office import ParkingOffice

COMMAND = (sys.executable, "-m", "loadtests.city")
_PLAIN = serialization.NoEncryption()


class Authority:
    """A CA of the test's own; `issue` writes NAME.pem and NAME-key.pem next to ca.pem."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        self._write("ca", self._key, self._sign(self._name, self._key, ca=True))

    def issue(self, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write(name, key, self._sign(subject, key, ca=False))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> Any:
        common = name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        names = x509.SubjectAlternativeName([x509.DNSName(str(common))])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
            .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: Any) -> None:
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        (self.folder / f"{name}-key.pem").write_bytes(key.private_bytes(pem, pkcs8, _PLAIN))


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with certificates of the departments and loadtests."""
    authority = Authority(tmp_path)
    authority.issue("sensors")
    authority.issue("cameras")
    authority.issue("parking")
    authority.issue("health")
    authority.issue("loadtests")
    return tmp_path


async def _serve(sensors: Any, keys: Path, port: int = 0) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server()
    add_SensorsServiceServicer_to_server(sensors, server)
    port = server.add_secure_port(f"127.0.0.1:{port}", _credentials(keys, "sensors"))
    await server.start()
    return server, port


def _credentials(keys: Path, name: str) -> grpc.ServerCredentials:
    read = (keys / f"{name}-key.pem").read_bytes(), (keys / f"{name}.pem").read_bytes()
    return grpc.ssl_server_credentials(
        [read], root_certificates=(keys / "ca.pem").read_bytes(), require_client_auth=True
    )


def _environment(keys: Path, port: int) -> dict[str, str]:
    return dict(os.environ) | {
        "LOADTESTS_TLS__CERT_FILE": str(keys / "loadtests.pem"),
        "LOADTESTS_TLS__KEY_FILE": str(keys / "loadtests-key.pem"),
        "LOADTESTS_TLS__CA_FILE": str(keys / "ca.pem"),
        "LOADTESTS_PEERS": f'{{"sensors": "127.0.0.1:{port}"}}',
    }


@pytest.mark.asyncio
async def test_it_plays_waits_for_a_dead_sensors_goes_on_and_stops_on_sigterm(
    keys: Path, sensors: Any
) -> None:
    server, port = await _serve(sensors, keys)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("--no-cameras", "--no-parking", "--no-health", "--hours-per-second", "1"),
        *("--start", "2026-03-02T00:00:00+09:00"),
        env=_environment(keys, port),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            await sensors.called.wait()
            await server.stop(None)
            while b"sensors-away" not in await process.stdout.readline():
                assert process.returncode is None
            before = len(sensors.taken)
            sensors.called.clear()
            server, _ = await _serve(sensors, keys, port)
            await sensors.called.wait()
            process.send_signal(signal.SIGTERM)
            output = await process.stdout.read()
            assert await process.wait() == 0
        assert b"city-stopped" in output
        assert len(sensors.taken) > before
        times = sorted({time for _, time in sensors.taken})
        assert times[0] == datetime(2026, 3, 1, 15, tzinfo=UTC)
        assert len(sensors.taken) == 90 * len(times)
        assert times[-1] - times[0] == timedelta(minutes=10) * (len(times) - 1)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.stop(None)


@pytest.mark.asyncio
async def test_cameras_are_played_and_stop_on_sigterm(keys: Path) -> None:
    centre = ControlCentre()
    server = grpc.aio.server()
    for add in (
        add_CameraServiceServicer_to_server,
        add_DetectionServiceServicer_to_server,
        add_AlarmServiceServicer_to_server,
    ):
        add(centre, server)
    port = server.add_secure_port("127.0.0.1:0", _credentials(keys, "cameras"))
    await server.start()
    environment = _environment(keys, port)
    environment["LOADTESTS_PEERS"] = f'{{"cameras": "127.0.0.1:{port}"}}'
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--no-air", "--no-parking", "--no-health"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            await centre.heard.wait()
            await centre.seen.wait()
            assert process.stdout is not None
            process.send_signal(signal.SIGTERM)
            output = await process.stdout.read()
            assert await process.wait() == 0
        assert b'"part": "operators"' in output
        assert len(centre.cameras) == 3038
        assert {camera_id for camera_id, _ in centre.heartbeats} <= set(centre.cameras)
        assert centre.taken
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.stop(None)


@pytest.mark.asyncio
async def test_parking_is_played_and_stops_on_sigterm(keys: Path) -> None:
    office = ParkingOffice()
    server = grpc.aio.server()
    office.serve(server)
    port = server.add_secure_port("127.0.0.1:0", _credentials(keys, "parking"))
    await server.start()
    environment = _environment(keys, port)
    environment["LOADTESTS_PEERS"] = f'{{"parking": "127.0.0.1:{port}"}}'
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--no-air", "--no-cameras", "--no-health", "--parking-rate", "600"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            await office.seen["CheckIn"].wait()
            await office.seen["ReportOccupancy"].wait()
            assert process.stdout is not None
            process.send_signal(signal.SIGTERM)
            output = await process.stdout.read()
            assert await process.wait() == 0
        assert b'"part": "parking"' in output
        assert len(office.bays) == 280
        checked_in = {bay for _, bay in office.of("CheckIn")}
        assert checked_in <= {bay for _, bay in office.of("ConfirmBooking")}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.stop(None)


@pytest.mark.asyncio
async def test_health_is_played_and_stops_on_sigterm(keys: Path) -> None:
    office = HealthOffice()
    server = grpc.aio.server()
    office.serve(server)
    port = server.add_secure_port("127.0.0.1:0", _credentials(keys, "health"))
    await server.start()
    environment = _environment(keys, port)
    environment["LOADTESTS_PEERS"] = f'{{"health": "127.0.0.1:{port}"}}'
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "--no-air", "--no-cameras", "--no-parking", "--health-rate", "600"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(120):
            await office.seen["measured"].wait()
            assert process.stdout is not None
            process.send_signal(signal.SIGTERM)
            output = await process.stdout.read()
            assert await process.wait() == 0
        assert b'"part": "health"' in output
        assert len(office.kiosks) == 8
        assert {one.begin.person_token for one in office.sessions.values()} <= set(office.people)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await server.stop(None)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda env: env.pop("LOADTESTS_TLS__CA_FILE"), "--tls.ca-file (LOADTESTS_TLS__CA_FILE): "),
        (lambda env: env.update(LOADTESTS_TLS__CA_FILE="/none"), "--tls (LOADTESTS_TLS__*): "),
        (lambda env: env.update(LOADTESTS_PEERS="{}"), "--peers (LOADTESTS_PEERS): "),
        (lambda env: env.update(LOADTESTS_START="2026-03-02"), "--start (LOADTESTS_START): "),
        (lambda env: env.update(LOADTESTS_CAMERAS_RATE="-1"), "--cameras-rate (LOADTESTS_CAMERAS"),
        (lambda env: env.update(LOADTESTS_PARKING_RATE="601"), "--parking-rate (LOADTESTS_PARKING"),
        (lambda env: env.update(LOADTESTS_HEALTH_RATE="601"), "--health-rate (LOADTESTS_HEALTH"),
        (lambda env: env.update(LOADTESTS_SCENES="flood"), "--scenes (LOADTESTS_SCENES): "),
        (lambda env: env.update(LOADTESTS_SCENES="fall"), "--played (LOADTESTS_PLAYED): "),
        (
            lambda env: env.update(
                {f"LOADTESTS_{part}": "false" for part in ("AIR", "CAMERAS", "PARKING", "HEALTH")}
            ),
            "--no-air --no-cameras --no-parking --no-health: ",
        ),
    ],
)
async def test_a_wrong_setting_stops_the_start_by_name(
    keys: Path, spoil: Callable[[dict[str, str]], object], named: str
) -> None:
    environment = _environment(keys, 1)
    spoil(environment)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env=environment, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().startswith(named), errors.decode()
