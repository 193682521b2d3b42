"""What is installed from a wheel is all of the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "sftp_orchestrator"


def test_a_wheel_holds_every_file_of_the_package_and_serves_all_versions_of_python(tmp_path: Path) -> None:
    """Templates, migrations and the part in C are in it, and it asks for no version of Python but the least."""
    # Built from a copy: a build leaves folders behind.
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = [name for name in tracked.split("\0") if name and (ROOT / name).exists()]
    for name in names:
        copy = tmp_path / "copy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, tmp_path / "copy"], check=True, timeout=100)
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith(f"{PACKAGE}/")} <= packed
    assert f"{PACKAGE}/prepare/rows/_native.abi3.so" in packed
