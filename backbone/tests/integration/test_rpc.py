"""gRPC between departments, over real mutual TLS with the mesh's certificates."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from city.sensors.v1 import sensors_pb2, sensors_pb2_grpc
from city_backbone.errors import (
    DatabaseUnavailable,
    InvalidArgument,
    NeighbourUnavailable,
    NotFound,
    SettingsError,
    Unreadable,
)
from city_backbone.rpc.channel import open_channel, ready
from city_backbone.rpc.identity import Policy
from city_backbone.rpc.server import RpcServer
from city_backbone.settings import GrpcSettings, TlsSettings
from city_backbone.testing import Mesh, eventually
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from structlog.testing import capture_logs

from .certificates import impostor

SERVICE = "city.sensors.v1.SensorsService"
POLICY = {
    f"{SERVICE}/*": frozenset({"operator"}),
    f"{SERVICE}/ListStations": frozenset({"integrator"}),
}
Stub = sensors_pb2_grpc.SensorsServiceStub


class Trial(sensors_pb2_grpc.SensorsServiceServicer):
    """Does what the station's id says, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.trace_id = 0
        self.failures = 0
        self.cancelled = asyncio.Event()
        self.entered = asyncio.Event()
        self.released = asyncio.Event()

    async def GetStation(self, request: Any, context: Any) -> Any:
        self.calls += 1
        self.trace_id = trace.get_current_span().get_span_context().trace_id
        self.entered.set()
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("away for now")
        match request.station_id:
            case "":
                raise InvalidArgument("station_id", "expected 1 to 64 characters")
            case "none":
                raise NotFound("station", "none")
            case "broken":
                raise RuntimeError("canary of the inside")
            case "unreadable":
                raise Unreadable("canary of the inside")
            case "slow":
                try:
                    await self.released.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
        station = sensors_pb2.Station(station_id=request.station_id)
        return sensors_pb2.GetStationResponse(station=station)

    async def ListStations(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if self.failures:
            self.failures -= 1
            raise DatabaseUnavailable("away for now")
        return sensors_pb2.ListStationsResponse()

    async def WatchAirQuality(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.calls += 1
        yield sensors_pb2.WatchAirQualityResponse()
        raise NotFound("station", "gone")


class Bench:
    """Starts servers of the trial department and opens channels to them; ends them all."""

    def __init__(self, mesh: Mesh, stack: AsyncExitStack) -> None:
        self._mesh = mesh
        self._stack = stack
        self.trial = Trial()  # type: ignore[abstract]
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self.reader])

    def tls(self, name: str) -> TlsSettings:
        environment = self._mesh.environment(name)
        return TlsSettings(
            cert_file=Path(environment[f"{name.upper()}_TLS__CERT_FILE"]),
            key_file=Path(environment[f"{name.upper()}_TLS__KEY_FILE"]),
            ca_file=Path(environment[f"{name.upper()}_TLS__CA_FILE"]),
        )

    def server(self, tls: TlsSettings | None = None, **settings: Any) -> RpcServer:
        add = sensors_pb2_grpc.add_SensorsServiceServicer_to_server
        return RpcServer(
            "trial",
            GrpcSettings(**{"host": "127.0.0.1", "port": 0, **settings}),
            tls or self.tls("probe"),
            Policy(POLICY),
            [(add, self.trial, SERVICE)],
            self.meters.get_meter("trial"),
        )

    async def serve(self, tls: TlsSettings | None = None, **settings: Any) -> RpcServer:
        server = self.server(tls, **settings)
        await server.start()
        self._stack.push_async_callback(server.stop, 0)
        return server

    async def channel(
        self, server: RpcServer | int, tls: TlsSettings | None = None, **arguments: Any
    ) -> grpc.aio.Channel:
        port = server if isinstance(server, int) else server.port
        channel = open_channel(
            f"127.0.0.1:{port}", tls or self.tls("operator"), server_name="probe", **arguments
        )
        self._stack.push_async_callback(channel.close)
        return channel

    def statuses(self) -> dict[str, str]:
        """Of the calls measured so far: method and status."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            str(point.attributes["rpc.method"]): str(point.attributes["rpc.response.status_code"])
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == "rpc.server.call.duration"
            for point in metric.data.data_points
            if point.attributes
        }


@pytest.fixture
async def bench(mesh: Mesh) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        yield Bench(mesh, stack)


async def get(channel: grpc.aio.Channel, station: str = "a", **arguments: Any) -> Any:
    request = sensors_pb2.GetStationRequest(station_id=station)
    stub: Any = Stub(channel)
    return await stub.GetStation(request, **arguments)


async def refusal(call: Callable[[], Any]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    return caught.value


async def test_a_registered_caller_is_answered(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve())
    assert (await get(channel)).station.station_id == "a"
    assert bench.statuses() == {f"{SERVICE}/GetStation": "OK"}


async def test_the_trace_of_the_caller_goes_on_in_the_callee(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve())
    context = trace.SpanContext(0x112, 0x119, False, trace.TraceFlags(trace.TraceFlags.SAMPLED))
    with trace.use_span(trace.NonRecordingSpan(context)):
        await get(channel)
    assert bench.trial.trace_id == 0x112


async def test_a_caller_without_registration_is_refused_and_it_is_logged(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve(), bench.tls("integrator"))
    stub: Any = Stub(channel)
    with capture_logs() as logs:
        error = await refusal(lambda: get(channel))

        async def watch() -> None:
            async for _ in stub.WatchAirQuality(sensors_pb2.WatchAirQualityRequest(), timeout=5):
                pass

        assert (await refusal(watch)).code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.details() == f"integrator does not declare calls: {SERVICE}/GetStation"
    assert bench.trial.calls == 0
    assert [(line["method"], line["outcome"], line["log_level"]) for line in logs] == [
        (f"/{SERVICE}/{method}", "PERMISSION_DENIED", "warning")
        for method in ("GetStation", "WatchAirQuality")
    ]
    assert set(bench.statuses().values()) == {"PERMISSION_DENIED"}
    await stub.ListStations(sensors_pb2.ListStationsRequest())
    assert bench.trial.calls == 1


async def test_no_client_certificate_no_connection(bench: Bench) -> None:
    server, root = await bench.serve(), bench.tls("operator").ca_file.read_bytes()
    async with grpc.aio.secure_channel(
        f"127.0.0.1:{server.port}",
        grpc.ssl_channel_credentials(root),
        options=[("grpc.ssl_target_name_override", "probe")],
    ) as channel:
        error = await refusal(lambda: get(channel, timeout=5))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert bench.trial.calls == 0


async def test_a_certificate_of_another_ca_is_refused_on_either_side(
    bench: Bench, tmp_path: Path
) -> None:
    ca_file = bench.tls("operator").ca_file
    channel = await bench.channel(await bench.serve(), impostor(tmp_path, "operator", ca_file))
    assert (await refusal(lambda: get(channel))).code() is grpc.StatusCode.UNAVAILABLE
    false_server = await bench.serve(impostor(tmp_path, "probe", ca_file))
    channel = await bench.channel(false_server)
    assert (await refusal(lambda: get(channel))).code() is grpc.StatusCode.UNAVAILABLE
    assert bench.trial.calls == 0


async def test_another_departments_server_is_not_taken_for_the_neighbour(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve(bench.tls("sensors")))
    assert (await refusal(lambda: get(channel))).code() is grpc.StatusCode.UNAVAILABLE
    assert bench.trial.calls == 0


async def test_errors_say_what_the_caller_can_use(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve())
    error = await refusal(lambda: get(channel, ""))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = rpc_status.from_call(error)  # type: ignore[arg-type, unused-ignore]
    violations = error_details_pb2.BadRequest()
    assert any(detail.Unpack(violations) for detail in status.details)
    assert [violation.field for violation in violations.field_violations] == ["station_id"]
    error = await refusal(lambda: get(channel, "none"))
    assert error.code() is grpc.StatusCode.NOT_FOUND
    assert error.details() == "station 'none' not found"
    assert bench.statuses() == {f"{SERVICE}/GetStation": "NOT_FOUND"}


@pytest.mark.parametrize("broken", ["broken", "unreadable"])
async def test_an_error_we_did_not_expect_tells_nothing_of_the_inside(
    bench: Bench, broken: str
) -> None:
    channel = await bench.channel(await bench.serve())
    with capture_logs() as logs:
        error = await refusal(lambda: get(channel, broken))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "canary" not in repr(error)
    assert [(line["outcome"], line["log_level"]) for line in logs] == [("INTERNAL", "error")]


async def test_an_error_within_a_stream_ends_it_with_its_code(bench: Bench) -> None:
    stub: Any = Stub(await bench.channel(await bench.serve()))
    call = stub.WatchAirQuality(sensors_pb2.WatchAirQualityRequest(), timeout=5)
    assert await call.read() == sensors_pb2.WatchAirQualityResponse()
    assert (await refusal(call.read)).code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("whose", ["call", "channel", "server"])
async def test_a_deadline_cancels_the_handler(bench: Bench, whose: str) -> None:
    """The caller's own, or that of its channel, or for a caller that has none the server's."""
    server = await bench.serve(default_deadline_seconds=0.3 if whose == "server" else 600)
    if whose == "server":
        tls = bench.tls("operator")
        channel = grpc.aio.secure_channel(
            f"127.0.0.1:{server.port}",
            grpc.ssl_channel_credentials(
                tls.ca_file.read_bytes(), tls.key_file.read_bytes(), tls.cert_file.read_bytes()
            ),
            options=[("grpc.ssl_target_name_override", "probe")],
        )
    else:
        deadline = 0.3 if whose == "channel" else 600
        channel = await bench.channel(server, deadline_seconds=deadline)
    async with channel:
        timeout = {"timeout": 0.3} if whose == "call" else {}
        async with asyncio.timeout(20):
            await channel.channel_ready()
            error = await refusal(lambda: get(channel, "slow", **timeout))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await asyncio.wait_for(bench.trial.cancelled.wait(), 10)


async def test_health_serves_and_then_drains_while_a_call_in_hand_is_finished(
    bench: Bench,
) -> None:
    server = await bench.serve()
    channel = await bench.channel(server)
    health: Any = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=20)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    in_hand = asyncio.create_task(get(channel, "slow"))
    await asyncio.wait_for(bench.trial.entered.wait(), 10)
    stopping = asyncio.create_task(server.stop(10))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    bench.trial.released.set()
    assert (await in_hand).station.station_id == "slow"
    await asyncio.wait_for(stopping, 10)
    assert (await refusal(lambda: get(channel))).code() is grpc.StatusCode.UNAVAILABLE


async def test_health_and_reflection_are_open_to_every_identity(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve(), bench.tls("integrator"))
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([request]), timeout=5)
    answer = await call.read()
    listed = {service.name for service in answer.list_services_response.service}
    assert SERVICE in listed
    health: Any = health_pb2_grpc.HealthStub(channel)
    await health.Check(health_pb2.HealthCheckRequest())


async def test_a_port_that_is_taken_is_said_so(bench: Bench) -> None:
    server = await bench.serve()
    with pytest.raises(SettingsError, match=f"GRPC__PORT: .*{server.port}"):
        bench.server(port=server.port)


async def test_the_breaker_opens_after_five_failures_and_closes_again(bench: Bench) -> None:
    states: list[int] = []
    channel = await bench.channel(await bench.serve(), breaker_seconds=0.5, told=states.append)
    bench.trial.failures = 5
    for _ in range(5):
        assert (await refusal(lambda: get(channel))).code() is grpc.StatusCode.UNAVAILABLE
    for _ in range(3):
        with pytest.raises(NeighbourUnavailable, match="breaker open"):
            await get(channel)
    assert bench.trial.calls == 5

    async def answered() -> bool:
        try:
            await get(channel)
        except NeighbourUnavailable:
            return False
        return True

    await eventually(answered, seconds=10)
    await get(channel)
    assert bench.trial.calls == 7
    assert states[:4] == [0, 0, 0, 0]
    assert set(states[4:8]) == {2}
    assert states[-1] == 0


async def test_an_answer_that_refuses_does_not_open_the_breaker(bench: Bench) -> None:
    channel = await bench.channel(await bench.serve())
    for _ in range(7):
        assert (await refusal(lambda: get(channel, "none"))).code() is grpc.StatusCode.NOT_FOUND
    assert bench.trial.calls == 7


@pytest.mark.parametrize("named", [[], [SERVICE], [f"{SERVICE}/GetStation"]])
async def test_only_what_is_named_idempotent_is_tried_again(
    bench: Bench, named: Sequence[str]
) -> None:
    channel = await bench.channel(await bench.serve(), idempotent=named)
    bench.trial.failures = 2
    if named:
        await get(channel)
    else:
        await refusal(lambda: get(channel))
    assert bench.trial.calls == (3 if named else 1)
    bench.trial.failures, bench.trial.calls = 2, 0
    stub: Any = Stub(channel)
    request = sensors_pb2.ListStationsRequest()
    if named == [SERVICE]:
        await stub.ListStations(request)
    else:
        await refusal(lambda: stub.ListStations(request))
    assert bench.trial.calls == (3 if named == [SERVICE] else 1)


async def test_a_neighbour_that_is_not_there_is_waited_for_with_a_bound(bench: Bench) -> None:
    channel = await bench.channel(1)
    with pytest.raises(NeighbourUnavailable, match="within"):
        await ready(channel, 0.2)
    await ready(await bench.channel(await bench.serve()), 10)
