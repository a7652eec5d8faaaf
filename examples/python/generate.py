"""Writes the Python code of the contract into generated/, beside this file.

The contract imports buf/validate/validate.proto for its rules. The repository has the part of it that is used in build/rules,
with the names and numbers of the published file; where you have the whole file, put its folder in the place of RULES.
"""

import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
CONTRACT = HERE.parent.parent / "proto"
RULES = HERE.parent.parent / "build" / "rules"
GENERATED = HERE / "generated"


def generate() -> None:
    """Compiles every file of the contract, and the vocabulary of its rules."""
    GENERATED.mkdir(exist_ok=True)
    # google/protobuf/*.proto come with grpcio-tools.
    well_known = resources.files("grpc_tools") / "_proto"
    files = [str(file.relative_to(CONTRACT)) for file in sorted(CONTRACT.rglob("*.proto"))]
    arguments = ["protoc", *(f"-I{folder}" for folder in (CONTRACT, RULES, well_known))]
    arguments += [f"--python_out={GENERATED}", f"--pyi_out={GENERATED}", f"--grpc_python_out={GENERATED}"]
    if protoc.main([*arguments, *files, "buf/validate/validate.proto"]) != 0:
        sys.exit("the contract cannot be compiled")


if __name__ == "__main__":
    generate()
    print(f"written to {GENERATED}")
