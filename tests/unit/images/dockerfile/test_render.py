"""Dockerfiles rendered from recipes: parsed by dockerfile-parse, linted by hadolint."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from mlc_patched.errors import UsageError
from mlc_patched.images.base import _PROBE, NEEDED
from mlc_patched.images.dockerfile.render import (
    ACCOUNT_SCRIPT,
    ImageRecipe,
    account_block,
    build_context_in,
    render,
    run_step,
    with_build_context,
)
from mlc_patched.images.packages import merged
from mlc_patched.images.presets import PRESETS
from mlc_patched.names import labels

RECIPES = {
    "bare": ImageRecipe("demo", "debian:bookworm", "custom"),
    "one": ImageRecipe("demo", "aimehub/pytorch-2.8.0-cuda12.6.3", "Pytorch-2.8.0", (), ("six",)),
    "everything": ImageRecipe(
        "a.b_c-1",
        "host.example:5000/x/y@sha256:" + "0" * 64,
        "JAX",
        tuple(sorted({name for each in PRESETS.values() for name in each.apt})),
        merged([*(name for each in PRESETS.values() for name in each.pip), "jax[cuda12]>=0.4,<1"]),
    ),
}


def structure(text: str) -> list[tuple[str, str]]:
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()))
    return [(each["instruction"], each["value"]) for each in parser.structure]


@pytest.fixture(params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> ImageRecipe:
    return RECIPES[request.param]


TEXT = {"capture_output": True, "text": True}


def without_ends(script: str) -> list[str]:
    return re.sub(r"[;\\]", " ", script).split()


def hadolint() -> str | None:
    beside = Path(sys.executable).with_name("hadolint")
    return str(beside) if beside.exists() else shutil.which("hadolint")


@pytest.mark.skipif(hadolint() is None, reason="no hadolint here")
def test_hadolint_finds_nothing(recipe: ImageRecipe, tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(render(recipe))
    done = subprocess.run([hadolint(), "--no-color", file], check=False, **TEXT)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.skipif(hadolint() is None, reason="no hadolint here")
def test_hadolint_finds_nothing_in_a_users_dockerfile_with_the_block(
    tmp_path: Path,
) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(f"FROM debian:12\nUSER 7\n\n{account_block('x', 'custom', 'debian:12')}")
    done = subprocess.run([hadolint(), "--no-color", file], check=False, **TEXT)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_order_keeps_layers_cached(recipe: ImageRecipe) -> None:
    steps = [
        ("apt" if "apt-get update" in value and "useradd" not in value else "")
        or ("pip" if "uv pip install" in value else "")
        or ("uv" if "pip install" in value else "")
        or ("account" if "useradd" in value else keyword)
        for keyword, value in structure(render(recipe))
        if keyword in ("RUN", "LABEL", "FROM")
    ]
    python = ["uv", "pip"] if recipe.pip else []
    assert steps == ["FROM", "apt", *python, "account", "LABEL"]


def test_the_last_instructions_are_user_and_labels(recipe: ImageRecipe) -> None:
    keywords = [keyword for keyword, _ in structure(render(recipe)) if keyword != "COMMENT"]
    assert keywords[-3:] == ["USER", "ARG", "LABEL"]


def test_labels_come_from_the_same_arguments() -> None:
    parser = DockerfileParser(
        fileobj=io.BytesIO(render(RECIPES["one"]).encode()),
        build_args={
            "DS01_USER_ID": "1722830498",
            "DS01_GROUP_ID": "1722830498",
            "DS01_USERNAME": "h-baker-at-hertie-school-lan",
            "DS01_CREATED": "2026-01-02T03:04:05Z",
        },
    )
    found = parser.labels
    assert {name: found[name] for name in labels.claim_labels(labels.Claim(0, 0, ""))} == {
        "aime.mlc.DS01_HAS_USER_SETUP": "true",
        "aime.mlc.DS01_USER_ID": "1722830498",
        "aime.mlc.DS01_GROUP_ID": "1722830498",
        "aime.mlc.DS01_USERNAME": "h-baker-at-hertie-school-lan",
    }
    assert found["aime.mlc.DS01_PROJECT"] == "demo"
    assert found["aime.mlc.DS01_FRAMEWORK"] == "Pytorch-2.8.0"
    assert found["org.opencontainers.image.created"] == "2026-01-02T03:04:05Z"
    assert '"remoteUser":"h-baker-at-hertie-school-lan"' in found["devcontainer.metadata"]


def test_packages_are_sorted_one_per_line_without_duplicates() -> None:
    lines = [line.strip(' \\"') for line in render(RECIPES["everything"]).splitlines()]
    listed = [line for line in lines if line in RECIPES["everything"].pip]
    assert listed == sorted(RECIPES["everything"].pip, key=str.casefold)


def test_uv_keeps_no_cache_and_apt_no_lists() -> None:
    text = render(RECIPES["everything"])
    assert "uv pip install --break-system-packages --compile-bytecode --no-cache \\\n" in text
    assert text.count("rm -rf /var/lib/apt/lists/*") == 2  # once in the account's own step


def test_the_account_step_is_the_whole_script() -> None:
    step = run_step(ACCOUNT_SCRIPT.read_text())
    # The builder drops comment lines and joins continued lines.
    lines = [line for line in step.splitlines() if not line.lstrip().startswith("#")]
    assert all(line.endswith("\\") for line in lines[:-1])
    script = "".join(line.removesuffix("\\") for line in lines)
    subprocess.run(["sh", "-n", "-c", script], check=True)
    code = "\n".join(
        line
        for line in ACCOUNT_SCRIPT.read_text().splitlines()
        if not line.lstrip().startswith("#")
    )
    assert without_ends(script) == without_ends(code)


def test_the_account_step_keeps_comments_but_not_the_maintainers() -> None:
    step = run_step(ACCOUNT_SCRIPT.read_text())
    assert "# Sudo without a password" in step
    assert "shellcheck" not in step
    assert not step.startswith("#")


def test_the_base_is_checked_for_what_the_script_needs() -> None:
    line = next(
        line for line in ACCOUNT_SCRIPT.read_text().splitlines() if line.startswith("for tool in b")
    )
    assert tuple(line.removeprefix("for tool in ").removesuffix("; do").split()) == NEEDED


@pytest.mark.parametrize("script", ["account", "probe"])
def test_roots_programs_are_found_if_the_images_path_lacks_their_directory(script: str) -> None:
    needed = [tool for tool in NEEDED if shutil.which(tool, path="/usr/sbin:/usr/bin:/bin")]
    if script == "account":
        _, given, after = ACCOUNT_SCRIPT.read_text().partition('given="')
        check, done, _ = after.partition("\ndone\n")
        check = check.replace(" ".join(NEEDED), " ".join(needed))
        run = f'fail() {{ echo "$*"; }}\n{given}{check}{done}'
    else:
        run = _PROBE
    said = subprocess.run(
        ["/bin/sh", "-c", run],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "this image has no" not in said
    if script == "probe":
        assert {f"has {tool}" for tool in needed} <= set(said.splitlines())


@pytest.mark.parametrize("base", ["", "a b", "a\nRUN id", "-x", "a;b", "$x", "a" * 300])
def test_an_invalid_base_is_refused(base: str) -> None:
    with pytest.raises(UsageError):
        render(ImageRecipe("demo", base, "custom"))


@pytest.mark.parametrize("framework", ["", 'a"b', "a b", "a\n", "$x"])
def test_an_invalid_framework_is_refused(framework: str) -> None:
    with pytest.raises(UsageError):
        render(ImageRecipe("demo", "debian", framework))


def test_the_build_context_is_read_back_and_directives_stay_first() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM debian\n"
    noted = with_build_context(text, "/home/me/my project")
    assert noted.startswith("# syntax=docker/dockerfile:1\n# Build context: /home/me/my project\n")
    assert build_context_in(noted) == "/home/me/my project"
    assert with_build_context(noted, "/other").count("Build context") == 1
    assert build_context_in(text) is None
    with pytest.raises(UsageError):
        with_build_context(text, "/a\nRUN id")
