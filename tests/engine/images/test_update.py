"""image-update on the real engine."""

from __future__ import annotations

import time

import pytest
from support.base_images import BASE
from support.engine_state import docker, inspect
from support.image_commands import ImageUser, nameless, quickest_builder

from mlc_patched.images.dockerfile.append import append_packages, today
from mlc_patched.images.dockerfile.package_steps import python_step
from mlc_patched.names.labels import CREATED

pytestmark = pytest.mark.real_engine


@pytest.fixture
def demo(commands: ImageUser) -> ImageUser:
    """A user with a project whose Dockerfile has hand edits."""
    commands.run("image-create", "demo", "--base", BASE, "-p", "six", "-y")
    file = commands.dockerfile("demo")
    text = file.read_text().replace(
        "# Python packages", "# my own words\nENV MY=1\nRUN echo hand > /hand\n\n# Python packages"
    )
    file.write_text(text)
    return commands


@pytest.mark.any_engine
def test_packages_are_added_and_removed_and_hand_edits_stay(demo: ImageUser) -> None:
    text, former = demo.dockerfile("demo").read_text(), inspect(demo.image("demo"))["Id"]
    demo.user.mlc("create", "c", "--image", demo.image("demo"), "-s")
    done = demo.run("image-update", "demo", "--add", "colorama", "--remove", "six", "-y")
    assert "+        colorama" in done.stdout
    assert "-        six" in done.stdout
    without_six = text.replace(f"{python_step(('six',))}\n", "\n")
    added = append_packages(without_six, pip=("colorama",), date=today())
    assert demo.dockerfile("demo").read_text() == added
    said = demo.run_in(
        demo.image("demo"),
        "cat /hand; echo $MY; python3 -c 'import colorama'; pip list | grep six || echo none",
    )
    assert said.splitlines() == ["hand", "1", "none"]
    assert inspect(demo.image("demo", "previous"))["Id"] == former
    # The message names the containers on the former image.
    assert f"{demo.user.tag('c')} (created)" in done.stdout
    assert "container-retire c, then container-deploy c --project demo" in done.stdout


@quickest_builder
def test_an_added_package_leaves_all_other_layers_and_versions(each_builder: ImageUser) -> None:
    it = each_builder
    it.run("image-create", "demo", "--base", BASE, "-p", "idna<3.8", "-y")
    # As a former version, and DS01's generator, wrote it.
    file = it.dockerfile("demo")
    file.write_text(
        file.read_text().replace(
            "RUN python3 -m uv pip install --break-system-packages --compile-bytecode --no-cache",
            "RUN pip install --no-cache-dir",
        )
    )
    it.run("image-update", "demo", "-y")
    before, layers = _frozen(it), inspect(it.image("demo"))["RootFS"]["Layers"]
    it.run("image-update", "demo", "--add", "requests", "--apt", "tree", "-y")
    after, now = _frozen(it), inspect(it.image("demo"))["RootFS"]["Layers"]
    assert set(before) < set(after)
    assert any(each.startswith("requests==") for each in after)
    # The base's, the system packages', uv's and the first package's.
    assert now[:4] == layers[:4]
    # All but those of the account and what a builder puts after it.
    assert len(set(layers) - set(now)) <= 3
    caches = "sudo find / -xdev -path /proc -prune -o -name CACHEDIR.TAG -print"
    assert it.run_in(it.image("demo"), f"command -v tree; {caches}") == "/usr/bin/tree"


def _frozen(it: ImageUser) -> list[str]:
    return it.run_in(it.image("demo"), "uv pip freeze --system").splitlines()


def test_one_previous_image_is_kept_and_a_rollback_exchanges_them(demo: ImageUser) -> None:
    before = nameless()
    ids, texts = [inspect(demo.image("demo"))["Id"]], []
    for package in ("colorama", "idna"):
        demo.run("image-update", "demo", "--add", package, "-y")
        ids.append(inspect(demo.image("demo"))["Id"])
        texts.append(demo.dockerfile("demo").read_text())
    assert len(set(ids)) == 3
    assert inspect(demo.image("demo", "previous"))["Id"] == ids[1]
    assert nameless() <= before
    for latest, text in ((1, 0), (2, 1)):
        assert "is restored" in demo.run("image-update", "demo", "--rollback").stdout
        assert inspect(demo.image("demo"))["Id"] == ids[latest]
        assert inspect(demo.image("demo", "previous"))["Id"] == ids[3 - latest]
        assert demo.dockerfile("demo").read_text() == texts[text]
    demo.run("image-retire", "demo:previous", "-y")
    done = demo.run("image-update", "demo", "--rollback", ok=False)
    assert "previous" in done.stderr


def test_a_replaced_project_can_be_rolled_back(demo: ImageUser) -> None:
    demo.run("image-update", "demo", "--add", "colorama", "-y")
    text, image = demo.dockerfile("demo").read_text(), inspect(demo.image("demo"))["Id"]
    demo.run("image-create", "demo", "--base", BASE, "-p", "idna", "-y", "--force")
    assert demo.dockerfile("demo").with_name("demo.Dockerfile.1").read_text() == text
    demo.run("image-update", "demo", "--rollback")
    assert inspect(demo.image("demo"))["Id"] == image
    assert demo.dockerfile("demo").read_text() == text


def test_the_image_before_the_previous_one_is_no_killed_command_s(each_builder: ImageUser) -> None:
    it = each_builder
    it.run("image-create", "demo", "--base", BASE, "-y")
    file = it.dockerfile("demo")
    for number in range(2):
        text, block = file.read_text(), "# Your account:"
        assert block in text
        file.write_text(text.replace(block, f"ENV N{number}=1\n\n{block}", 1))
        assert "left behind" not in it.run("image-update", "demo", "-y").stderr


def test_build_arguments_and_the_time_come_from_no_cache(commands: ImageUser) -> None:
    it, created = commands, set()
    source = it.user.file("source/Dockerfile", f"FROM {BASE}\nARG SAID=1\nENV KEPT=$SAID\n")
    flags = ("image-create", "demo", "--dockerfile", source, "--force", "-y")
    for said in ("one", "two"):
        it.run(*flags, "--build-arg", f"SAID={said}")
        time.sleep(1)  # the label has whole seconds
        found = inspect(it.image("demo"))["Config"]
        assert f"KEPT={said}" in found["Env"]
        created.add(found["Labels"][CREATED])
    it.run("image-create", "plain", "--base", BASE, "-y")
    created.add(inspect(it.image("plain"))["Config"]["Labels"][CREATED])
    time.sleep(1)
    it.run("image-update", "plain", "-y")
    created.add(inspect(it.image("plain"))["Config"]["Labels"][CREATED])
    assert len(created) == 4


def test_a_previous_image_that_a_container_uses_is_kept(demo: ImageUser) -> None:
    first = inspect(demo.image("demo"))["Id"]
    demo.user.mlc("create", "c", "--image", demo.image("demo"), "-s")
    for package in ("colorama", "idna"):
        demo.run("image-update", "demo", "--add", package, "-y")
    assert inspect(demo.user.tag("c"))["Image"] == first
    assert inspect(first)["Id"] == first
    demo.user.mlc("remove", "c", "-s")
    docker("rmi", first)


@pytest.mark.any_engine
def test_a_failed_update_changes_neither_image_nor_dockerfile(demo: ImageUser) -> None:
    text, image = demo.dockerfile("demo").read_text(), inspect(demo.image("demo"))["Id"]
    done = demo.run("image-update", "demo", "--add", "no-such-package-mlc", "-y", ok=False)
    assert "no package no-such-package-mlc" in done.stderr
    assert "Nothing was built" in done.stderr
    done = demo.run("image-update", "demo", "--apt", "no-such-package-mlc", "-y", ok=False)
    assert "failed at line" in done.stderr
    assert demo.dockerfile("demo").read_text() == text
    assert inspect(demo.image("demo"))["Id"] == image
    assert demo.names() == {demo.image("demo")}


@pytest.mark.any_engine
def test_an_edit_whose_build_fails_is_kept(demo: ImageUser) -> None:
    editor = demo.user.file("source/editor", '#!/bin/sh\nsed -i "$SCRIPT" "$1"\n')
    editor.chmod(0o755)
    text = demo.dockerfile("demo").read_text()
    edit = {"EDITOR": f"{editor}"}
    done = demo.run(
        *("image-update", "demo", "--edit", "-y"), ok=False, **edit, SCRIPT="s/echo hand/false/"
    )
    assert ".rejected" in done.stderr
    assert demo.dockerfile("demo").read_text() == text
    rejected = demo.dockerfile("demo").with_name("demo.Dockerfile.rejected")
    assert "RUN false > /hand" in rejected.read_text()
    done = demo.run("image-update", "demo", "--edit", "-y", **edit, SCRIPT="s/false/echo foot/")
    assert "+RUN echo foot > /hand" in done.stdout
    assert not rejected.exists()
    assert demo.run_in(demo.image("demo"), "cat /hand") == "foot"
    assert demo.run("image-update", "demo", "--edit", "-y", ok=False, EDITOR="false").returncode


def test_an_invalid_image_update_is_refused(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-p", "six", "--no-build", "-y")
    text = commands.dockerfile("demo").read_text()
    for arguments, words in [
        (("nope", "--add", "six"), "image-create nope"),
        (("demo", "--remove", "scipy"), "looked at the steps that install Python packages: line"),
        (("demo", "--add", "a;b"), "not the name of"),
        (("demo", "--rollback", "--add", "six"), "cannot be combined with --add"),
        ((), "Which project"),
    ]:
        assert words in commands.run("image-update", *arguments, "-y", ok=False).stderr
        assert commands.dockerfile("demo").read_text() == text


def test_without_a_place_for_a_package_nothing_is_changed(commands: ImageUser) -> None:
    file = commands.user.file("dockerfiles/demo.Dockerfile", "# escape=`\nFROM x\n")
    done = commands.run("image-update", "demo", "--add", "six", "-y", ok=False)
    assert "escape character" in done.stderr
    assert file.read_text() == "# escape=`\nFROM x\n"


def test_on_a_terminal_image_update_shows_the_difference_and_asks(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-p", "six", "--no-build", "-y")
    text = commands.dockerfile("demo").read_text()
    editor = commands.user.file("source/editor", '#!/bin/sh\nsed -i s/six/idna/ "$1"\n')
    editor.chmod(0o755)
    for flags in (("--add", "idna"), ("--edit",)):
        child = commands.user.spawn(
            *(commands.command("image-update"), "demo", *flags),
            **{**commands.environ, "EDITOR": str(editor)},
        )
        child.expect_exact("+        idna")
        child.expect_exact("now? (Y/n)")
        child.sendline("n")
        child.read()
        child.wait()
        assert child.exitstatus != 0
        assert commands.dockerfile("demo").read_text() == text
    assert commands.names() == set()


def test_a_dry_run_shows_the_difference(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "-p", "six", "--no-build", "-y")
    text = commands.dockerfile("demo").read_text()
    done = commands.run("image-update", "demo", "--add", "idna", "--apt", "tree", "--dry-run")
    assert "+        idna" in done.stdout
    assert "+        tree \\" in done.stdout
    assert commands.dockerfile("demo").read_text() == text
    assert commands.names() == set()
