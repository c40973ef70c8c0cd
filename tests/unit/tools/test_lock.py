"""requirements.lock: all that the program needs, by version and hash, and nothing else."""

from __future__ import annotations

import configparser
import importlib.util
import re
from importlib.metadata import Distribution, distribution
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
LOCK = (ROOT / "requirements.lock").read_text()


@pytest.fixture(scope="module")
def packages() -> ModuleType:
    """tools/private-packages.py, which makes the installed tree."""
    place = ROOT / "tools/private-packages.py"
    spec = importlib.util.spec_from_file_location("private_packages", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> list[Requirement]:
    """Return the requirements of setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return [Requirement(line) for line in setup["options"]["install_requires"].split()]


def test_what_setup_cfg_requires_is_locked_in_a_version_that_fits(packages: ModuleType) -> None:
    versions = packages.locked(LOCK)
    for requirement in declared():
        assert versions[requirement.name] in requirement.specifier


def test_what_those_packages_require_is_locked_too(packages: ModuleType) -> None:
    versions = packages.locked(LOCK)

    def check(name: str) -> None:
        for text in distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            assert versions[canonicalize_name(requirement.name)] in requirement.specifier
            check(requirement.name)

    for requirement in declared():
        check(requirement.name)


def test_every_package_has_hashes_and_no_line_names_an_index() -> None:
    entries = re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.M)[1:]
    assert len(entries) > 4
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(?!hash=)", LOCK, re.M)


def test_an_installation_has_the_locked_versions_or_none(packages: ModuleType) -> None:
    def found(**versions: str) -> dict[str, Distribution]:
        return {name: SimpleNamespace(version=version) for name, version in versions.items()}

    lock = packages.locked("docker==7.1.0 \\\n    --hash=x\ncharset-normalizer==3.0 \\\n")
    assert packages.differences(found(docker="7.1.0", charset_normalizer="3.0"), lock) == []
    assert packages.differences(found(docker="7.2.0", six="1"), lock) == [
        "docker is 7.2.0, not 7.1.0",
        "six is 1, not None",
    ]


def test_make_checks_the_hashes_before_anything_else_is_installed() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition(".venv/ready: setup.cfg requirements.lock\n")[2]
    installs = re.findall(r"pip install (.*)", recipe)
    assert "--require-hashes" in installs[0]
    assert "-r requirements.lock" in installs[0]
    assert re.search(r"^install: setup", makefile, re.M)
