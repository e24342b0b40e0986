"""Dispatch rules, which are data: what an alarm or an acute reading calls, a 112 desk with its
code, a 119 desk, both.

112 codes: 0 violent crime in progress, 1 life or body at risk now, 2 possible danger, 3 same day,
4 no dispatch. 119: fire, rescue, medical.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emergency.domain.acute import Severity
from emergency.domain.alarm import AlarmKind, Purpose
from emergency.domain.incident import Grade
from emergency.errors import RulesInvalid

Desk = Literal["112", "119"]
PoliceCode = Annotated[int, Field(strict=True, ge=0, le=4)]
_URGENT_CODES = frozenset({0, 1})


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Calls(_Model):
    desks: tuple[Desk, ...] = Field(min_length=1)
    police_code: PoliceCode | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.desks)) != len(self.desks):
            raise ValueError("desks: expected each once")
        if ("112" in self.desks) != (self.police_code is not None):
            raise ValueError("police_code: expected it where desks have 112, and only there")
        return self


class DispatchRule(_Calls):
    """What a kind of alarm calls; only from cameras of `purposes`, where those are given."""

    kind: AlarmKind
    purposes: tuple[Purpose, ...] = ()


class AcuteRule(_Calls):
    """What an acute reading calls, and how urgent its incident is; only one of `severities`, where
    those are given."""

    severities: tuple[Severity, ...] = ()
    grade: Grade


class DispatchRules(_Model):
    """The first rule that fits decides, so the last of each kind is for all purposes, and the last
    of `acute` for all severities."""

    version: Annotated[int, Field(strict=True, ge=1)]
    rules: tuple[DispatchRule, ...]
    acute: tuple[AcuteRule, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        decided = set()
        for number, rule in enumerate(self.rules):
            if rule.kind in decided:
                raise ValueError(
                    f"rules[{number}]: never used, an earlier rule has all {rule.kind}"
                )
            if not rule.purposes:
                decided.add(rule.kind)
        missing = [kind for kind in AlarmKind if kind not in decided]
        if missing:
            raise ValueError(f"rules: expected one without purposes for {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _complete_for_acute(self) -> Self:
        last = len(self.acute) - 1
        if not self.acute or self.acute[last].severities:
            raise ValueError("acute: expected the last one without severities")
        for number, rule in enumerate(self.acute[:last]):
            if not rule.severities:
                raise ValueError(f"acute[{number + 1}]: never used, an earlier rule has all")
        return self

    @classmethod
    def parse(cls, text: str) -> DispatchRules:
        """From JSON. Raises RulesInvalid naming the first field that is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise RulesInvalid(_path(first["loc"]), first["msg"]) from error

    @property
    def desks(self) -> frozenset[str]:
        """All that some rule calls."""
        return frozenset(desk for rule in (*self.rules, *self.acute) for desk in rule.desks)

    def decide(self, kind: AlarmKind, purpose: str) -> DispatchRule:
        """The rule for an alarm of `kind` by a camera for `purpose`."""
        return next(
            rule
            for rule in self.rules
            if rule.kind is kind and (not rule.purposes or purpose in rule.purposes)
        )

    def decide_acute(self, severity: str) -> AcuteRule:
        """The rule for an acute reading; an unknown severity has that for all."""
        return next(
            rule for rule in self.acute if not rule.severities or severity in rule.severities
        )


def grade(police_code: int | None, desks: Iterable[str]) -> Grade:
    """Urgent for codes 0 and 1, and for everything that calls 119."""
    urgent = police_code in _URGENT_CODES or "119" in desks
    return Grade.URGENT if urgent else Grade.NORMAL


def _path(location: Iterable[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "rules"
