"""tools/release.py: no release with known vulnerabilities, or without an answer about them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, for a checkout in `tmp_path`."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools/release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return module


def audited(release: ModuleType, place: Path, script: str) -> None:
    """Audit with a pip-audit that is a shell script."""
    program = place / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    release.audit(place)


def answer(*packages: dict[str, object]) -> str:
    return f"echo '{json.dumps({'dependencies': packages, 'fixes': []})}'"


FINE = {"name": "docker", "version": "7.1.0", "vulns": []}
VULNERABLE = {"name": "requests", "version": "2.0", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]}
UNKNOWN = {"name": "idna", "skip_reason": "Dependency not found and could not be audited"}


def test_packages_without_vulnerabilities_pass(
    release: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audited(release, tmp_path, answer(FINE))
    assert capsys.readouterr().out == "audit: no known vulnerabilities in 1 packages\n"


def test_a_known_vulnerability_stops_the_release(release: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"requests 2\.0: PYSEC-1, CVE-2\nRenew .* make lock"):
        audited(release, tmp_path, f"{answer(FINE, VULNERABLE, UNKNOWN)}; exit 1")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (answer(FINE, UNKNOWN), "could not check: idna"),
        (answer(), "could not check: no package"),
        ("echo Traceback >&2; echo 'ConnectionError: no route' >&2; exit 1", "no route"),
        ("exit 1", "could not check"),
        ("echo '{}'", "could not check"),
        ("echo '[]'", "could not check"),
    ],
)
def test_no_answer_is_not_a_good_answer(
    release: ModuleType, tmp_path: Path, script: str, words: str
) -> None:
    with pytest.raises(SystemExit, match="make release AUDIT=no") as stopped:
        audited(release, tmp_path, script)
    assert words in str(stopped.value)


def test_what_is_not_committed_is_not_released(release: ModuleType, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    release.refuse_changes()
    (tmp_path / "new").touch()
    with pytest.raises(SystemExit, match=r"not committed:\n\?\? new"):
        release.refuse_changes()


def test_sha256sum_can_check_the_checksums(release: ModuleType, tmp_path: Path) -> None:
    files = [tmp_path / "b.whl", tmp_path / "a.deb"]
    for file in files:
        file.write_text(file.name)
    (tmp_path / "SHA256SUMS").write_text(release.checksums(files))
    argv = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    done = subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "a.deb: OK\nb.whl: OK\n"


def test_the_bill_of_materials_is_about_the_wheel(release: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[options]\ninstall_requires =\n    docker>=7\n    six\n")
    text = release.description(Path("dist/mlc_patched-1.2.3-py3-none-any.whl"))
    assert 'version = "1.2.3"\ndependencies = ["docker>=7", "six"]' in text
