"""Registers of files, department by department."""

from __future__ import annotations

from meshctl.import_cameras import cameras
from meshctl.import_parking import parking
from meshctl.import_stations import app

app.command()(cameras)
app.command()(parking)
