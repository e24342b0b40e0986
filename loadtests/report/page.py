"""The HTML pages: one file each, which asks for nothing from anywhere."""

import base64
import hashlib
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from loadtests.driver.result import Check, Result, Run, Verdict
from loadtests.report import series
from loadtests.report.measure import Measured

_FINDINGS = 50
_MARKS: dict[Verdict, str] = {"PASS": "✓ PASS", "FAIL": "✕ FAIL", "INVALID": "! INVALID"}


def short(value: float) -> str:
    """Three significant digits and thousands apart, never an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    shown = f"{value:.3g}"
    return f"{value:.6f}".rstrip("0").rstrip(".") if "e" in shown else shown


def span(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min {whole % 60} s"
    return f"{minutes} min {whole % 60} s" if minutes else f"{short(round(seconds, 1))} s"


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _part(name: str) -> str:
    return files("loadtests.report").joinpath(name).read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def render(template: str, script: str | None, **values: Any) -> str:
    """The page, with a policy that lets only its own script and style run and nothing load."""
    environment = Environment(
        loader=PackageLoader("loadtests.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "short": short,
        "span": span,
        "moment": _moment,
        "whole": lambda value: f"{value:,d}",
        "mark": lambda verdict: _MARKS[verdict],
    }
    style = _part("vendor/uplot/uPlot.min.css") + _part("templates/report.css")
    policy = f"default-src 'none'; img-src data:; style-src {_hashed(style)}"
    if script is not None:
        policy += f"; script-src {_hashed(script)}"
        values["script"] = Markup(script)  # our own file, and escaping would break it
    return environment.get_template(template).render(policy=policy, style=Markup(style), **values)


def report(folder: Path, run: Run, result: Result, measured: Measured) -> str:
    drawn = series.drawn(folder, run, measured)
    script = _part("vendor/uplot/uPlot.iife.min.js") + "\n" + _part("templates/report.js")
    slowest = max(
        enumerate(result.figures.operations),
        key=lambda one: one[1].response.p99,
        default=(0, None),
    )[0]
    return render(
        "report.html.j2",
        script,
        run=run,
        result=result,
        check=Check.read_if_there(folder),
        shown=_FINDINGS,
        views=drawn["views"],
        first=slowest,
        data=drawn,
    )
