"""Make a release in dist/, for `make release`.

    .venv/bin/python tools/release.py [--no-audit]

From a clean checkout: source archive, wheel, Debian package, an SBOM of what they install
(CycloneDX), and SHA256SUMS. First, pip-audit checks the packages of requirements.lock for known
vulnerabilities. A package that it could not check counts as one that has some; without network,
--no-audit leaves the check out. lintian must find nothing in the package.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = "mlc-patched"
LOCK = "requirements.lock"
_UNCHECKED = "skip_reason"


def run(*argv: str | Path, **environ: str) -> str:
    """Run a program in the checkout and return its output; stop if it fails."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"release: {Path(argv[0]).name} failed: {' '.join(map(str, argv))}")
    return done.stdout


def refuse_changes() -> None:
    """Stop if the checkout differs from its commit: nobody could make the same release again."""
    if changes := run("git", "status", "--porcelain"):
        sys.exit(f"release: these files are not committed:\n{changes.rstrip()}")


def audit(tools: Path) -> None:
    """Stop if a locked package has a known vulnerability, or could not be checked."""
    argv = (tools / "pip-audit", "--disable-pip", "--require-hashes", "-r", LOCK, "-f", "json")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        sys.exit(f"release: {could_not_check(done.stderr.strip().splitlines()[-1:])}")
    found = [
        f"{each['name']} {each['version']}: {', '.join(one['id'] for one in each['vulns'])}"
        for each in packages
        if each.get("vulns")
    ]
    if found:
        lines = "\n  ".join(found)
        sys.exit(f"release: known vulnerabilities:\n  {lines}\nRenew {LOCK} with: make lock")
    if unchecked := [each["name"] for each in packages if _UNCHECKED in each] or not packages:
        sys.exit(f"release: {could_not_check(unchecked if packages else ['no package'])}")
    print(f"audit: no known vulnerabilities in {len(packages)} packages")


def could_not_check(what: Iterable[str]) -> str:
    """Return the message for packages without an answer."""
    return (
        f"pip-audit could not check: {', '.join(what)}.\n"
        "Its service cannot be reached from here, or does not know these versions. To release "
        "without the check: make release AUDIT=no"
    )


def built(tools: Path, dist: Path) -> list[Path]:
    """Make source archive, wheel and Debian package, and return their files."""
    commit = run("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as made:
        run(tools / "python", "-m", "build", "--outdir", made, SOURCE_DATE_EPOCH=commit)
        files = [file.replace(dist / file.name) for file in sorted(Path(made).iterdir())]
    package = ROOT / run("tools/debian-package.sh").split()[-1]
    run("lintian", "--allow-root", "--fail-on", "error,warning", package)
    return [*files, package]


def bill_of_materials(wheel: Path, tools: Path, target: Path) -> None:
    """Install the wheel with the locked packages, run it, and describe what is installed."""
    commit = run("git", "log", "-1", "--format=%ct").strip()
    with tempfile.TemporaryDirectory() as place:
        environment, project = Path(place, "env"), Path(place, "pyproject.toml")
        python = environment / "bin/python"
        run(sys.executable, "-m", "venv", "--without-pip", environment)
        install = (tools / "python", "-m", "pip", "--python", python, "install", "-q")
        run(*install, "--require-hashes", "-r", LOCK)
        run(*install, "--no-deps", wheel)
        run(environment / "bin/mlc", "--version")
        project.write_text(description(wheel))
        describe = ("environment", "--output-reproducible", "--pyproject", project, "-o", target)
        run(tools / "cyclonedx-py", *describe, python, SOURCE_DATE_EPOCH=commit)


def description(wheel: Path) -> str:
    """Return a pyproject.toml with a wheel's name, version and requirements, as the tool reads."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return "\n".join(
        (
            "[project]",
            f"name = {json.dumps(PROGRAM)}",
            f"version = {json.dumps(wheel.name.split('-')[1])}",
            f"dependencies = {json.dumps(setup['options']['install_requires'].split())}",
        )
    )


def checksums(files: Iterable[Path]) -> str:
    """Return the digests of files, as sha256sum prints and checks them."""
    ordered = sorted(files, key=lambda file: file.name)
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in ordered)


def main() -> None:
    """Make the release."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-audit", action="store_true", help="do not ask for vulnerabilities")
    arguments = parser.parse_args()
    tools, dist = ROOT / ".release/bin", ROOT / "dist"
    refuse_changes()
    if arguments.no_audit:
        print("audit: left out; nobody has checked the packages for known vulnerabilities")
    else:
        audit(tools)
    dist.mkdir(exist_ok=True)
    files = built(tools, dist)
    wheel = next(file for file in files if file.suffix == ".whl")
    bill = dist / f"{wheel.name.partition('-py3')[0]}.cdx.json"
    bill_of_materials(wheel, tools, bill)
    (dist / "SHA256SUMS").write_text(checksums([*files, bill]))
    print(*(f"dist/{file.name}" for file in (*files, bill, dist / "SHA256SUMS")), sep="\n")


if __name__ == "__main__":
    main()
