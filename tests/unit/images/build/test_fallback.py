"""Building with pip where the package index has no uv."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.sandbox import BASE, Sandbox

from mlc_patched.images.build.client import BuildCommand
from mlc_patched.images.dockerfile.package_steps import BY_PIP, BY_UV, UV_STEP
from mlc_patched.images.versions.lockfile import parse

RUN_BUILD = "mlc_patched.images.build.run.run_build"
NONE = "ERROR: Could not find a version that satisfies the requirement {0} (from versions: none)"
MISSING = f"{NONE}\nERROR: No matching distribution found for {{0}}"
REFUSED = "403 Client Error: Forbidden for url: http://127.0.0.1/simple/"
NO_UV = (UV_STEP, MISSING.format("uv==0.13.9"))
Build = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = Sandbox(tmp_path, monkeypatch)
    made.fake.add_image(BASE)
    return made


class FailingSteps:
    """A builder: a step that begins with one of the words fails with what it is to print."""

    def __init__(self, sandbox: Sandbox, *steps: tuple[str, str]) -> None:
        self._sandbox, self._steps = sandbox, steps
        self.builds: list[str] = []
        self.shown: list[str] = []

    def __call__(
        self,
        command: BuildCommand,
        environ: object,
        show: Callable[[str], str | None] = str,
        **named: object,
    ) -> tuple[int, list[str]]:
        argv = command.argv
        text = Path(argv[argv.index("--file") + 1]).read_text()
        self.builds.append(text)
        log = []
        for number, step in enumerate(re.findall(r"^[A-Z]+ .*", text, re.M), 1):
            log.append(f"Step {number}/99 : {step}")
            for begin, said in self._steps:
                if step.startswith(begin):
                    log += said.splitlines()
                    self.shown += [line for line in log if show(line) is not None]
                    return 1, log
        return self._sandbox._build(command, environ, **named)


def create(sandbox: Sandbox, patch: pytest.MonkeyPatch, build: Build, words: str = "-p six") -> str:
    with patch.context() as building:
        building.setattr(RUN_BUILD, build)
        return sandbox.run(*f"image-create demo --base {BASE} {words} -y".split()).output


def test_without_uv_in_the_index_pip_installs_and_the_dockerfile_says_so(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = FailingSteps(sandbox, NO_UV)
    said = create(sandbox, monkeypatch, build)
    assert "The package index has no uv 0.13.9, so pip installs the packages" in said
    assert "Error" not in said
    text = (sandbox.home / "dockerfiles/demo.Dockerfile").read_text()
    assert "# pip installs Python packages here, as the package index has no uv\n" in text
    assert (BY_PIP in text, BY_UV in text) == (True, False)
    lock = sandbox.home / "dockerfiles/demo.lock"
    assert parse(lock.read_text(), "demo.lock").dockerfile == text
    assert len(build.builds) == 2
    # Later updates begin with pip.
    with monkeypatch.context() as building:
        building.setattr(RUN_BUILD, build)
        assert sandbox.run(*["image-update", "demo", "--add", "toml", "-y"]).status == 0
    assert len(build.builds) == 3
    assert BY_UV not in (sandbox.home / "dockerfiles/demo.Dockerfile").read_text()


def test_another_failure_is_not_taken_for_an_index_without_uv(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = "Errno 111] Connection refused')': /simple/uv/\n"
    build = FailingSteps(sandbox, (UV_STEP, f"Retrying ({refused}{NO_UV[1]}"))
    said = create(sandbox, monkeypatch, build)
    assert "could not be reached from the build" in said
    assert len(build.builds) == 1
    rejected = sandbox.home / "dockerfiles/demo.Dockerfile.rejected"
    assert BY_UV in rejected.read_text()


@pytest.mark.parametrize(
    ("closer", "why"),
    [
        (f"{REFUSED}\n{NONE.format('six')}", "Access to 127.0.0.1 was refused (HTTP 403)"),
        (NONE.format("six"), "The package index has no version of six for the Python"),
    ],
)
def test_where_pip_finds_nothing_either_it_is_asked_why(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, closer: str, why: str
) -> None:
    by_pip = (f"RUN {BY_PIP}", MISSING.format("six"))
    build = FailingSteps(sandbox, NO_UV, by_pip, ("RUN PIP_VERBOSE=2 ", closer))
    said = create(sandbox, monkeypatch, build)
    assert said.partition("Error: ")[2].startswith(why)
    assert len(build.builds) == 3
    assert not any("PIP_VERBOSE" in line for line in build.shown)
    rejected = (sandbox.home / "dockerfiles/demo.Dockerfile.rejected").read_text()
    assert (BY_PIP in rejected, BY_UV in rejected, "PIP_VERBOSE" in rejected) == (
        True,
        False,
        False,
    )
    assert sandbox.fake.find_images(names=["ds01-1001/*"]) == []


def test_what_only_uv_can_install_fails_with_what_to_do(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sandbox.home / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["six"]\n')
    build = FailingSteps(sandbox, NO_UV)
    said = create(sandbox, monkeypatch, build, "-r pyproject.toml")
    assert "Add uv to that index; or bring a requirements file" in said
    assert len(build.builds) == 1
