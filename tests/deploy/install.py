"""`pip install` without its downloads, for tests that follow an installation: of what a lock pins, the files of the
environment that runs the tests are linked into the one at DREAMLAKE_TEST_VENV; a wheel is installed by pip itself.

What a lock lacks is missing there, too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.markers import Marker

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)(?: ; ([^\\]+))?", re.MULTILINE)


def main() -> None:
    venv = Path(os.environ["DREAMLAKE_TEST_VENV"])
    arguments = sys.argv[1:]
    if "--requirement" in arguments:
        assert {"--no-deps", "--require-hashes"} <= set(arguments)
        lock = Path(arguments[arguments.index("--requirement") + 1])
        for name, version, marker in _PIN.findall(lock.read_text()):
            if not marker or Marker(marker.strip()).evaluate():
                found = distribution(name)
                assert found.version == version, f"{name} is {found.version} here, and {version} in {lock}"
                _link(found, venv)
        return
    (wheel,) = [argument for argument in arguments if argument.endswith(".whl")]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(venv / "bin/python")]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", wheel], check=True)


def _link(found: Distribution, venv: Path) -> None:
    site = Path(sysconfig.get_path("purelib"))
    target = venv / site.relative_to(sys.prefix)
    for file in found.files or []:
        source = Path(str(found.locate_file(file)))
        if not source.is_file():
            continue
        path = Path(os.path.normpath(target / file))
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent == venv / "bin" and source.read_bytes().startswith(b"#!"):
            path.write_text(f"#!{venv}/bin/python\n" + source.read_text().split("\n", 1)[1])
            path.chmod(0o755)
        elif not path.exists():
            try:
                path.hardlink_to(source)
            except OSError:
                shutil.copy(source, path)


if __name__ == "__main__":
    main()
