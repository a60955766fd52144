"""Runs the tests with a library that cargo has built, in place of an installed wheel.

    python run.py LIBRARY PROGRAM [PYTEST ARGUMENT...]

LIBRARY is target/debug/deps/libtolerant_python.so, PROGRAM target/debug/tolerant.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parents[1]


def lay_out(site: Path, library: str) -> None:
    """What a wheel would install: the package, and the metadata that names its entry points."""
    package = site / "tolerant"
    package.mkdir()
    for source in (FOLDER / "tolerant").iterdir():
        if source.is_file():
            (package / source.name).symlink_to(source)
    (package / "_native.abi3.so").symlink_to(Path(library).resolve(strict=True))

    project = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
    metadata = site / "tolerant-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(
        "".join(
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in project["entry-points"].items()
        )
    )


def main() -> int:
    library, program, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as site:
        lay_out(Path(site), library)
        # Not from the folder in which Python starts: the package there lacks the library.
        return subprocess.run(
            [sys.executable, "-BPm", "pytest", FOLDER, "-p", "no:cacheprovider", *arguments],
            env=os.environ | {"PYTHONPATH": site, "TOLERANT_PROGRAM": program},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
