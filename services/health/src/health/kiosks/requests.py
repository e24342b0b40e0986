"""From the protocol's requests to the domain. Raises InvalidArgument naming the field."""

from collections.abc import Sequence

from city.health.v1 import kiosk_pb2 as pb
from city_backbone.errors import InvalidArgument

from health import messages
from health.kiosks.kiosk import Device, Kiosk
from health.measuring.messages import code

MAX_KIOSKS = 500
MAX_DEVICES = 20


def kiosks(given: Sequence[pb.Kiosk]) -> list[Kiosk]:
    """Names the field as `kiosks[3].devices[0].codes[1]`."""
    if not 1 <= len(given) <= MAX_KIOSKS:
        raise InvalidArgument("kiosks", f"expected 1 to {MAX_KIOSKS}, got {len(given)}")
    found = [_kiosk(f"kiosks[{index}]", message) for index, message in enumerate(given)]
    _each_once("kiosks", "kiosk_id", [one.kiosk_id for one in found])
    return found


def _kiosk(field: str, message: pb.Kiosk) -> Kiosk:
    if not message.HasField("position"):
        raise InvalidArgument(f"{field}.position", "expected degrees, WGS 84")
    if len(message.devices) > MAX_DEVICES:
        raise InvalidArgument(
            f"{field}.devices", f"expected at most {MAX_DEVICES}, got {len(message.devices)}"
        )
    devices = tuple(
        _device(f"{field}.devices[{index}]", device) for index, device in enumerate(message.devices)
    )
    _each_once(f"{field}.devices", "device_id", [one.device_id for one in devices])
    return Kiosk(
        kiosk_id=messages.name(f"{field}.kiosk_id", message.kiosk_id),
        place=messages.words(f"{field}.place", message.place, 100),
        zone=messages.words(f"{field}.zone", message.zone, 40),
        position=messages.point(f"{field}.position", message.position),
        devices=devices,
    )


def _device(field: str, message: pb.Device) -> Device:
    codes = [code(f"{field}.codes[{index}]", one) for index, one in enumerate(message.codes)]
    if not codes:
        raise InvalidArgument(f"{field}.codes", "expected what it measures")
    _each_once(f"{field}.codes", "", codes)
    return Device(
        device_id=messages.name(f"{field}.device_id", message.device_id),
        codes=tuple(codes),
        model=messages.words(f"{field}.model", message.model, 100),
    )


def _each_once(field: str, part: str, given: Sequence[str]) -> None:
    places: dict[str, int] = {}
    for index, one in enumerate(given):
        first = places.setdefault(one, index)
        if first != index:
            name = f"{field}[{index}]" + (f".{part}" if part else "")
            raise InvalidArgument(name, f"expected each once, it stands at {first} already")
