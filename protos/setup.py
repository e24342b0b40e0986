"""Generates the stubs before setuptools looks for packages: they are built, never committed."""

import os
import sys
from pathlib import Path

from grpc_tools import protoc
from setuptools import setup

HERE = Path(__file__).parent
STUBS = HERE / "build_stubs"
PROTOS = sorted((HERE / "city").rglob("*.proto"))


def generate() -> None:
    """Write `*_pb2.py`, `*_pb2_grpc.py` and their types into `build_stubs/city/…`."""
    STUBS.mkdir(exist_ok=True)
    scripts = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    well_known = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{HERE}", f"-I{well_known}", f"--python_out={STUBS}"]
    arguments += [f"--grpc_python_out={STUBS}", f"--mypy_out={STUBS}", f"--mypy_grpc_out={STUBS}"]
    if protoc.main(arguments + [str(proto) for proto in PROTOS]):
        raise SystemExit("protos: protoc failed")
    (STUBS / "city" / "py.typed").touch()


generate()
setup()
