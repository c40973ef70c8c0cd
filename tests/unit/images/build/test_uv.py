"""What uv says about packages, and how it is asked."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.images.build.uv import (
    ConflictingPackagesError,
    Resolved,
    _sources,
    find_sources,
    refusal,
    resolve,
)
from mlc_patched.images.versions.inventory import Inventory
from mlc_patched.images.versions.lockfile import Lock, LockedBase
from mlc_patched.images.versions.pins import Pins

UNKNOWN = """\
Using Python 3.11.2 environment at: /usr
  × No solution found when resolving dependencies:
  ╰─▶ Because numpyy-qq was not found in the package registry and you require numpyy-qq, we can
      conclude that your requirements are unsatisfiable.
"""
CONFLICT = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because pandas==2.2 depends on numpy>=2 and you require numpy<2, we can conclude that you
      require pandas!=2.2.
"""


def test_a_package_that_does_not_exist_is_named_first() -> None:
    error = refusal(UNKNOWN)
    assert "numpyy-qq" in str(error).splitlines()[0]
    assert "--upgrade" not in (error.hint or "")


def test_a_conflict_names_the_packages_and_how_to_let_others_move() -> None:
    error = refusal(CONFLICT)
    assert "pandas==2.2 depends on numpy>=2" in str(error)
    assert "--upgrade" in (error.hint or "")


def test_what_would_change_is_listed_by_package() -> None:
    resolved = Resolved({"a": "2", "b": "1"}, {"a": "1", "c": "3"})
    assert resolved.lines() == ["  a 1 -> 2", "+ b 1", "- c 3"]


class Index:
    """uv with an index that has some packages; it names one that is missing, as uv does."""

    def __init__(self, *there: str) -> None:
        self._there, self._wanted = there, ""
        self.runs = 0

    def write(self, files: Mapping[str, str]) -> None:
        (self._wanted,) = files.values()

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.runs += 1
        wanted = self._wanted.split()
        for each in wanted:
            name = each.partition("==")[0]
            if each not in self._there and name not in self._there:
                return 1, (
                    "error: No solution found when resolving dependencies\n  cause: Because there "
                    f"is no version of\n  {each} and you require {each}, we can conclude"
                )
            if each not in self._there:
                return 1, f"  cause: Because {name} was not found in the package\n  registry and"
        file = '{{ url = "https://e/{}-1-py3-none-any.whl", hashes = {{ sha256 = "1" }} }}'
        blocks = (each.split("==") for each in wanted)
        return 0, "".join(
            f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
            f"wheels = [{file.format(name)}]\n\n"
            for name, version in blocks
        )


def test_a_package_of_another_index_does_not_keep_the_others_from_having_a_source() -> None:
    index = Index("six==1", "idna==1", "gone")
    wanted = {"six": "1", "torch": "2.8.0+cu126", "gone": "1", "idna": "1"}
    assert set(_sources(wanted, "3.11.2", "x86_64", index)) == {("six", "1"), ("idna", "1")}
    assert index.runs == 3
    assert _sources({"torch": "1"}, "3.11.2", "x86_64", Index()) == {}


# uv in a container: the commands run in the shell of this machine, with a script as uv.


class Local(FakeEngine):
    """An engine whose containers run commands here, with a script as python3; `uv` is what it
    does, `specifications` are the containers."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place, self.specifications = place, []

    def install(self, uv: str) -> None:
        (self.place / "bin").mkdir()
        program = self.place / "bin/python3"
        program.write_text(f"#!/bin/sh\n{uv}\n")
        program.chmod(0o755)

    def create_container(self, specification: ContainerSpecification) -> str:
        self.specifications.append(specification)
        return super().create_container(specification)

    def exec_run(self, container: str, command: Sequence[str], user: str) -> tuple[int, str]:
        super().exec_run(container, command, user)
        environ = {"PATH": f"{self.place / 'bin'}:/usr/bin:/bin"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    monkeypatch.setattr("mlc_patched.images.build.uv._PLACE", str(tmp_path / "files"))
    return Local(tmp_path)


@pytest.fixture
def there(context: Context, engine: Local) -> Context:
    context.make_engine = lambda: engine
    return context


CHANGES = "echo ' + idna==3.11'; echo ' - six==1.16'; echo ' + six==1.17'; echo ' ~ same==1'"


def test_uv_says_what_installing_would_change(there: Context, engine: Local) -> None:
    image = engine.add_image("ds01-1001/demo")
    engine.install(f'echo "$@" >{engine.place}/asked; {CHANGES}')
    pins = Pins(tuple(f"package-{number}==1.0.0" for number in range(9000)))
    found = resolve(image, ["idna", "six>=1.17"], pins, there, options=("--pre",))
    assert found is not None
    assert found.lines()[0] == "+ idna 3.11"
    assert "  six 1.16 -> 1.17" in found.lines()
    asked = (engine.place / "asked").read_text().split()
    assert asked[:4] == ["-m", "uv", "pip", "install"]
    assert "--dry-run" in asked
    assert asked[-5:] == ["-c", f"{engine.place}/files/constraints", "--", "idna", "six>=1.17"]
    written = (engine.place / "files/constraints").read_text()
    assert len(written) > 128 * 1024, "more than an argument may have"
    assert written == pins.for_uv
    [specification] = engine.specifications
    assert (specification.network, specification.user) == ("host", "0:0")
    assert engine.made == {}


def test_uv_gets_the_sites_index_proxies_and_certificates(
    there: Context, engine: Local, tmp_path: Path
) -> None:
    certificate = tmp_path / "ca.crt"
    certificate.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    there.environ = {
        **there.environ,
        "PIP_INDEX_URL": "https://index.example/simple",
        "https_proxy": "http://proxy.example:3128",
        "DS01_CA_CERTIFICATE": str(certificate),
        "DS01_BUILD_NETWORK": "default",
    }
    engine.install('cat "$UV_CONFIG_FILE" "$SSL_CERT_FILE"; echo $https_proxy; exit 1')
    said: list[str] = []
    run = engine.exec_run
    engine.exec_run = lambda *arguments: (done := run(*arguments), said.append(done[1]))[0]
    assert resolve(engine.add_image("x"), ["six"], Pins(()), there) is None
    assert 'index-url = "https://index.example/simple"' in said[-1]
    assert certificate.read_text() in said[-1]
    assert said[-1].endswith("http://proxy.example:3128\n")
    assert engine.specifications[0].network == "bridge"


def test_a_conflict_is_an_error_and_what_uv_cannot_say_is_not(
    there: Context, engine: Local
) -> None:
    image = engine.add_image("x")
    engine.install(f"cat <<'E'\n{CONFLICT}E\nexit 1")
    with pytest.raises(ConflictingPackagesError, match="These packages conflict"):
        resolve(image, ["pandas"], Pins(()), there)
    assert engine.made == {}
    (engine.place / "bin/python3").write_text("#!/bin/sh\necho no module named uv >&2; exit 1\n")
    assert resolve(image, ["pandas"], Pins(()), there) is None


def test_the_sources_of_packages_that_are_added_are_found_in_the_same_container(
    there: Context, engine: Local
) -> None:
    lock = Lock("demo", "FROM x\n", LockedBase("x", "sha256:1"), python="3.11.2", machine="x86_64")
    lines = (
        '[[packages]]\nname = "six"\nversion = "1.17"\n'
        'wheels = [{ url = "https://e/six-1.17-py3-none-any.whl", hashes = { sha256 = "1" } }]'
    )
    engine.install(
        f"case $4 in install) echo ' + six==1.17' ;; compile) cat <<'E'\n{lines}\nE\nesac"
    )
    found = resolve(engine.add_image("x"), ["six"], Pins(()), there, lock=lock)
    assert found is not None
    assert set(found.sources) == {("six", "1.17")}
    assert len(engine.specifications) == 1


def test_sources_are_only_for_the_lock_so_that_none_is_no_failure(
    there: Context, engine: Local
) -> None:
    image, inventory = engine.add_image("x"), Inventory(python="3.11.2", machine="x86_64")
    assert find_sources(image, {}, inventory, there) == {}
    assert engine.specifications == [], "nothing is asked"
    engine.install("echo what is this; exit 2")
    assert find_sources(image, {"six": "1"}, inventory, there) == {}
    gone = replace(image, id="sha256:gone")
    assert find_sources(gone, {"six": "1"}, inventory, there) == {}
    assert engine.made == {}
