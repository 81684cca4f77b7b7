"""The list of what the Hub is made of (CycloneDX 1.6): every locked Python package, and the vendored htmx.

python -m tools.sbom dist/sbom.json
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT: Final = Path(__file__).parents[1]
STATIC: Final = ROOT / "dashboard" / "static"
HTMX: Final = re.compile(r"\| `htmx\.min\.js` \| htmx (\S+),")  # in the list of the static files


def main() -> None:
    """Write the bill of materials of requirements.lock and dashboard/static to a file: equal for equal input."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description=main.__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    packages = subprocess.run(
        [
            *(sys.executable, "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements.lock")),
            *("--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--sv", "1.6"),
        ],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    bom: Bom = Bom.from_json(json.loads(packages))  # type: ignore[attr-defined]  # made by a decorator
    bom.components.add(_htmx())
    assert bom.metadata.component
    bom.register_dependency(bom.metadata.component, bom.components)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")


def _htmx() -> Component:
    """Return the file that pages load, with its hash. Raises SystemExit where the list does not name its version."""
    version = HTMX.search((STATIC / "README.md").read_text())
    if version is None:
        raise SystemExit("dashboard/static/README.md does not name the version of htmx.")
    return Component(
        name="htmx.org",
        version=version[1],
        type=ComponentType.LIBRARY,
        bom_ref="htmx",
        purl=PackageURL("npm", name="htmx.org", version=version[1]),
        licenses=[DisjunctiveLicense(id="0BSD")],
        hashes=[
            HashType(
                alg=HashAlgorithm.SHA_256, content=hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest()
            )
        ],
    )


if __name__ == "__main__":
    main()
