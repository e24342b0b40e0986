"""Throughput of the stage from detections to alarms: see README.md."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[3])

from services.cameras.benchmarks.command import main

if __name__ == "__main__":
    main()
