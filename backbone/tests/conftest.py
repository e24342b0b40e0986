"""Makes the probe department importable in the backbone's tests."""

import sys
from pathlib import Path

DEPARTMENTS = Path(__file__).parent / "departments"
sys.path.insert(0, str(DEPARTMENTS / "probe"))
