"""Throughput of the stage from detections to alarms: see README.md."""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[3])
    runpy.run_module("services.cameras.benchmarks.command", run_name="__main__")
