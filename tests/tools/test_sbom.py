"""The list of what the Hub is made of: valid, and complete."""

import json
import re
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import sbom


def test_it_is_valid_and_names_every_locked_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "dist" / "sbom.json"
    monkeypatch.setattr(sys, "argv", ["sbom", str(file)])
    sbom.main()
    text = file.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    lock = (sbom.ROOT / "requirements.lock").read_text()
    locked = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", lock, re.MULTILINE))
    assert len(locked) == len(re.findall(r"^\S", lock, re.MULTILINE))
    listed = {(each["name"], each["version"]) for each in json.loads(text)["components"]}
    assert {name for name, _ in listed - locked} == {"htmx.org"}
    assert locked <= listed
