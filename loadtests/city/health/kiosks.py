"""The kiosks of Sejong's first two health-care zones, and when they have no network."""

from dataclasses import dataclass
from functools import lru_cache

from loadtests.city.air.places import DONGS
from loadtests.city.cameras.places import Point
from loadtests.city.health.rates import OFFLINE_MINUTES, OFFLINE_SHARE, SPELL_SECONDS, Code
from loadtests.city.seeded import draws

JOCHIWON, BORAM = "조치원", "보람"
ZONES = (JOCHIWON, BORAM)
# ASSUMPTION: fictional; kinds of devices as kiosks have them.
_MODELS = {
    "cuff": "모의 자동혈압계",
    "clip": "모의 산소포화도 측정기",
    "ear": "모의 귀체온계",
    "scale": "모의 체성분 측정기",
    "strip": "모의 혈당계",
}
_CODES = {
    "cuff": (Code.BLOOD_PRESSURE,),
    "clip": (Code.OXYGEN_SATURATION, Code.HEART_RATE),
    "ear": (Code.BODY_TEMPERATURE,),
    "scale": (Code.BODY_MASS_INDEX,),
    "strip": (Code.GLUCOSE,),
}


@dataclass(frozen=True, slots=True)
class Device:
    """`kind` is the word of its id."""

    device_id: str
    codes: tuple[Code, ...]
    model: str


@dataclass(frozen=True, slots=True)
class Kiosk:
    """One without a glucose meter has nobody by its side who changes the strips."""

    kiosk_id: str
    place: str
    zone: str
    point: Point
    devices: tuple[Device, ...]

    def device(self, code: Code) -> Device | None:
        """The one that measures it."""
        return next((one for one in self.devices if code in one.codes), None)


def _kiosk(slug: str, place: str, zone: str, point: Point, *, glucose: bool) -> Kiosk:
    kinds = [kind for kind in _CODES if glucose or kind != "strip"]
    devices = tuple(Device(f"{slug}-{kind}", _CODES[kind], _MODELS[kind]) for kind in kinds)
    return Kiosk(slug, place, zone, point, devices)


def _in(slug: str) -> Point:
    dong = next(dong for dong in DONGS if dong.slug == slug)
    return dong.latitude, dong.longitude


# The zones are DOMAIN: two first, kiosks in the public health centre and community centres.
# ASSUMPTION: which centres. Real places; positions read off a map to about 500 m.
KIOSKS = (
    _kiosk(
        "jochiwon-health-centre",
        "세종특별자치시보건소 1층",
        JOCHIWON,
        (36.5995, 127.2935),
        glucose=True,
    ),
    _kiosk(
        "jochiwon-eup",
        "조치원읍 행정복지센터 1층",
        JOCHIWON,
        (36.6045, 127.2985),
        glucose=True,
    ),
    _kiosk("yeonseo", "연서면 행정복지센터", JOCHIWON, (36.5790, 127.2775), glucose=False),
    _kiosk("jeonui", "전의면 행정복지센터", JOCHIWON, (36.6815, 127.1960), glucose=False),
    _kiosk("boram", "보람동 복합커뮤니티센터 1층", BORAM, _in("boram"), glucose=True),
    _kiosk("sodam", "소담동 복합커뮤니티센터 1층", BORAM, _in("sodam"), glucose=True),
    _kiosk("daepyeong", "대평동 복합커뮤니티센터 1층", BORAM, _in("daepyeong"), glucose=False),
    _kiosk("saerom", "새롬동 복합커뮤니티센터 1층", BORAM, _in("saerom"), glucose=False),
)


@lru_cache(maxsize=1_024)
def offline(seed: int, kiosk_id: str, spell: int) -> tuple[int, int] | None:
    """From and until when it has no network in that spell, epoch seconds; None: it always has."""
    draw = draws(seed, "offline", kiosk_id, spell)
    if draw.random() >= OFFLINE_SHARE:
        return None
    seconds = int(draw.triangular(*OFFLINE_MINUTES) * 60)
    start = spell * SPELL_SECONDS + draw.randrange(SPELL_SECONDS - seconds)
    return start, start + seconds


def online_at(seed: int, kiosk_id: str, now: float) -> float:
    """When it has a network: now, or when it is back; epoch seconds."""
    gap = offline(seed, kiosk_id, int(now) // SPELL_SECONDS)
    return float(gap[1]) if gap is not None and gap[0] <= now < gap[1] else now
