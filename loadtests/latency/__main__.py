"""The benchmark: a stack of its own at the city's normal rate, and probes through it."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from city_backbone.rpc.channel import open_channel
from city_backbone.settings import TlsSettings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from loadtests.latency import hops
from loadtests.latency.acute import Acute
from loadtests.latency.arson import Arson
from loadtests.latency.hops import Way
from loadtests.latency.probing import Prober, Sent
from loadtests.latency.receiver import Span, receiving
from loadtests.options import OptionError, parse

_EXPORT_SECONDS = 12.0
_KNOWN_SECONDS = 6.0
_SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_PROBES: Mapping[str, tuple[type[Arson] | type[Acute], Way]] = {
    "detection": (Arson, hops.DETECTION),
    "acute": (Acute, hops.ACUTE),
}


class LatencySettings(BaseSettings):
    """Detection sent to dispatch received in the 112 room, by hop; the dwell time is not in it. Or
    an acute reading at a kiosk to the incident received in the 119 room.
    """

    model_config = SettingsConfigDict(
        env_prefix="LATENCY_",
        cli_kebab_case=True,
        cli_prog_name="python -m loadtests.latency",
        frozen=True,
    )

    probe: Literal["detection", "acute"] = Field(default="detection", description="what is sent")
    probes: int = Field(default=300, ge=1, description="how many to send through")
    per_second: float = Field(default=2.0, gt=0, description="probes a second")
    rate: float = Field(default=1.0, ge=0, description="share of the city's normal rate meanwhile")


async def measure(settings: LatencySettings, state: Path) -> Mapping[str, Any]:
    """Run it all; the summary."""
    trace.set_tracer_provider(TracerProvider())
    async with receiving() as (receiver, endpoint):
        print("starting a stack", flush=True)
        traced = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        await _meshctl(state, "up", "--detach", "--free-ports", "--rooms", environment=traced)
        try:
            known = json.loads(await _meshctl(state, "env", "loadtests", "--json"))
            city = await _city(known, settings.rate)
            try:
                sent = await _probe(known, settings)
                await asyncio.sleep(_EXPORT_SECONDS)
            finally:
                city.terminate()
                await asyncio.wait_for(city.wait(), 30)
        finally:
            await _meshctl(state, "down")
        way = _PROBES[settings.probe][1]
        received = await asyncio.to_thread(_received, state / "rooms" / f"{way.room}.jsonl")
        return _summary(settings, sent, receiver.spans, received)


async def _city(known: Mapping[str, str], rate: float) -> asyncio.subprocess.Process:
    arguments = ("--no-air", "--cameras-rate", str(max(rate, 0.001)), "--alarms-per-hour", "0")
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtests.city", *arguments),
        env={**os.environ, **known},
        stdout=asyncio.subprocess.DEVNULL,
    )


async def _probe(known: Mapping[str, str], settings: LatencySettings) -> Mapping[str, Sent]:
    tls = TlsSettings(
        cert_file=Path(known["LOADTESTS_TLS__CERT_FILE"]),
        key_file=Path(known["LOADTESTS_TLS__KEY_FILE"]),
        ca_file=Path(known["LOADTESTS_TLS__CA_FILE"]),
    )
    make = _PROBES[settings.probe][0]
    address = json.loads(known["LOADTESTS_PEERS"])[make.department]
    async with open_channel(address, tls, server_name=make.department) as channel:
        probe = make(channel)
        await probe.prepare()
        # The service learns of new cameras within its directory's age; the city gets going.
        await asyncio.sleep(_KNOWN_SECONDS)
        prober = Prober(probe)
        print(f"{settings.probes} probes at {settings.per_second}/s", flush=True)
        await prober.run(settings.probes, settings.per_second)
        return prober.sent


def _received(record: Path) -> Mapping[str, int]:
    """When the room first had each incident."""
    first: dict[str, int] = {}
    for line in map(json.loads, record.read_text().splitlines()):
        first.setdefault(line["items"]["incidentId"], hops.nanoseconds(line["receivedAt"]))
    return first


def _summary(
    settings: LatencySettings,
    sent: Mapping[str, Sent],
    spans: list[Span],
    received: Mapping[str, int],
) -> Mapping[str, Any]:
    by_trace: dict[str, list[Span]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    way = _PROBES[settings.probe][1]
    found = [
        hops.hops(way, one, by_trace.get(trace_id, []), received) for trace_id, one in sent.items()
    ]
    whole = [one for one in found if one is not None]
    if not whole:
        raise SystemExit("no trace is whole")
    columns = {
        **{step: [one.each[n] for one in whole] for n, step in enumerate(way.steps)},
        hops.TOTAL: [one.total for one in whole],
    }
    print(f"{'ms':44}" + "".join(f"{name:>9}" for name in _SHARES))
    rows = {}
    for step, values in columns.items():
        row = {name: round(hops.percentile(values, s), 1) for name, s in _SHARES.items()}
        print(f"{step:44}" + "".join(f"{value:9.1f}" for value in row.values()))
        rows[step] = row
    return {
        "probe": settings.probe,
        "probes": len(sent),
        "whole_traces": len(whole),
        "dispatched": len(received),
        "rate": settings.rate,
        "ms": rows,
    }


async def _meshctl(
    state: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshctl", *arguments, "--state", str(state)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 300)
    if process.returncode:
        raise SystemExit(f"meshctl {arguments[0]}: exit code {process.returncode}")
    return output.decode()


def main(arguments: list[str]) -> int:
    """Exit code: 0 measured, 2 wrong settings."""
    try:
        settings = parse(LatencySettings, arguments)
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="citymesh-latency-") as name:
        print(json.dumps(asyncio.run(measure(settings, Path(name))), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
