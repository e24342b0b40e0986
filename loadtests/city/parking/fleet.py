"""Drivers' cars. Fictional: no registration plate has the class number 00."""

from dataclasses import dataclass
from functools import lru_cache

from loadtests.city.parking.rates import VEHICLES
from loadtests.city.seeded import draws

# The letters of private cars (자동차등록번호판 등의 기준에 관한 고시).
_LETTERS = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A plate, and the telephone of who drives; no mobile number begins with 010-0."""

    plate: str
    contact: str


@lru_cache(maxsize=4)
def fleet(seed: int) -> tuple[Vehicle, ...]:
    """VEHICLES cars, no plate twice."""
    draw = draws(seed, "fleet")
    serials = draw.sample(range(1_000, 10_000), VEHICLES)
    return tuple(
        Vehicle(f"00{draw.choice(_LETTERS)}{serial}", f"010-0{draw.randrange(1000):03}-{serial}")
        for serial in serials
    )
