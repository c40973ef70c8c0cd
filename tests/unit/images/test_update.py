"""What an update changes, asks uv about, and builds on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.errors import EngineError, MlcError, NotAllowedError, NotFoundError, UsageError
from mlc_patched.images import update
from mlc_patched.images.base import Base
from mlc_patched.images.build.request import BuildRequest
from mlc_patched.images.build.uv import Resolved
from mlc_patched.images.dockerfile.append import append_packages
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.render import (
    ImageRecipe,
    build_context_in,
    render,
    with_build_context,
)
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.images.update import (
    Change,
    ImageUpdateRequest,
    containers_on,
    plan_change,
    preview,
    update_image,
)
from mlc_patched.images.versions.inventory import Inventory
from mlc_patched.images.versions.lockfile import Lock, Locked, LockedBase
from mlc_patched.images.versions.lockfile import render as render_lock
from mlc_patched.images.versions.pins import Upgrade
from mlc_patched.names.projects import Project
from mlc_patched.settings.model import Settings

PROJECT = Project(1001, "demo")
BEFORE = render(ImageRecipe("demo", "debian:12", "custom", (), ("numpy", "pandas<2")))


def asked(
    change: Change, context: Context, patch: pytest.MonkeyPatch, **fields: object
) -> list[str]:
    """Return the packages whose versions are looked up."""
    wanted: list[str] = []

    def resolve(image: Image, names: Sequence[str], *rest: object, **named: object) -> Resolved:
        wanted.extend(names)
        return Resolved()

    patch.setattr(update, "resolve", resolve)
    preview(change, ImageUpdateRequest("demo", **fields), context)
    return wanted


def test_a_base_that_is_pulled_shows_what_it_moves_and_is_not_pulled_twice(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulls: list[bool] = []
    image = fake.add_image("debian:12")
    inventory = Inventory(packages={"torch": "2.9", "pip": "24", "new": "1", "numpy": "2.4"})

    def ready_base(reference: str, context: Context, *, pull: bool, last: LockedBase) -> Base:
        pulls.append(pull)
        return Base(reference, image, frozenset(), "", inventory)

    monkeypatch.setattr(update, "ready_base", ready_base)
    of_base = {"torch": "2.8", "pip": "24", "gone": "1"}
    lock = Lock("demo", BEFORE, LockedBase("debian:12", "sha256:1"), of_base=of_base)
    lock = replace(lock, packages=(Locked("numpy", "2.3"),))
    ProjectFiles(context.account, PROJECT).write_lock(render_lock(lock))
    change = Change(PROJECT, BEFORE, BEFORE)
    request = ImageUpdateRequest("demo", pull=True)
    assert preview(change, request, context).base is None
    found = preview(change, request, context, pulls=True)
    assert found.resolved.lines() == ["- gone 1", "+ new 1", "  torch 2.8 -> 2.9"]
    assert found.base is not None
    assert pulls == [True]
    monkeypatch.setattr(update, "publish", stop)
    ProjectFiles(context.account, PROJECT).write_dockerfile(BEFORE)
    monkeypatch.setattr(update, "check_client", lambda context: None)
    with pytest.raises(MlcError, match="debian:12"):
        update_image(change, request, context, previewed=found)
    assert pulls == [True]


def stop(build: BuildRequest, context: Context, **more: object) -> None:
    """Fail instead of building."""
    assert build.base is not None
    raise MlcError(build.base.reference)


def test_packages_that_an_edit_adds_or_changes_are_looked_up(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image(PROJECT.image)
    after = BEFORE.replace('"pandas<2"', '"pandas>=2" \\\n        six')
    assert asked(Change(PROJECT, BEFORE, after), context, monkeypatch) == ["pandas>=2", "six"]
    added = Change(PROJECT, BEFORE, BEFORE.replace("numpy", "numpy \\\n  six"), names=("six",))
    assert asked(added, context, monkeypatch) == ["six"]
    assert asked(Change(PROJECT, BEFORE, BEFORE), context, monkeypatch) == []


def test_what_is_folded_is_looked_up_together(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image(PROJECT.image)
    context.report = RecordingReporter()
    text = BEFORE
    for name in ("six", "toml<1"):
        text = append_packages(text, pip=(name,), date="2026-11-26")
    ProjectFiles(context.account, PROJECT).write_dockerfile(text)
    change = planned(context, compact=True)
    assert asked(change, context, monkeypatch, compact=True) == ["six", "toml<1"]
    assert context.report.said == []
    ProjectFiles(context.account, PROJECT).write_dockerfile(change.after)
    change = planned(context, compact=True)
    assert change.diff() == ""
    assert "demo.Dockerfile has no appended steps to fold." in context.report.said[-1]
    assert asked(change, context, monkeypatch, compact=True) == []


# What an edit may ask for.


@pytest.fixture
def files(context: Context) -> ProjectFiles:
    """The files of the project, with its Dockerfile."""
    found = ProjectFiles(context.account, PROJECT)
    found.write_dockerfile(BEFORE)
    return found


def planned(context: Context, **fields: object) -> Change:
    return plan_change(ImageUpdateRequest("demo", **fields), context)


def test_packages_are_taken_away_wherever_they_are_installed(
    context: Context, files: ProjectFiles
) -> None:
    files.write_dockerfile(render(ImageRecipe("demo", "debian:12", "custom", ("fd",), ("numpy",))))
    assert "fd" not in packages_in(planned(context, remove=("fd",)).after, APT)
    change = planned(context, remove=("NumPy",))
    assert packages_in(change.after, PIP) == ()
    assert "fd" in packages_in(change.after, APT)
    with pytest.raises(NotFoundError, match="does not install scipy, so nothing was changed"):
        planned(context, remove=("scipy",))


@pytest.mark.parametrize("fields", [{"upgrade": Upgrade(packages=("-x;",))}, {"remove": ("-x;",)}])
def test_what_is_no_name_of_a_package_is_refused(
    context: Context, files: ProjectFiles, fields: dict[str, object]
) -> None:
    with pytest.raises(UsageError, match="'-x;' is not the name of a package"):
        planned(context, **fields)


def test_an_upgrade_of_a_package_that_is_not_there_is_refused(
    context: Context, files: ProjectFiles
) -> None:
    missing = Upgrade(packages=("six", "idnaa"))
    planned(context, upgrade=missing)  # without a lock nobody knows
    lock = Lock("demo", BEFORE, LockedBase("debian:12"), python="3.11", of_base={"torch": "2"})
    lock = replace(lock, packages=(Locked("idna", "3"),), debian={"libc6:amd64": "2"})
    files.write_lock(render_lock(lock))
    with pytest.raises(NotFoundError) as refused:
        planned(context, upgrade=missing, add=("six",))
    assert str(refused.value) == (
        "There is no package idnaa in ds01-1001/demo:latest to upgrade, so nothing was changed. "
        "Did you mean idna?"
    )
    for name in ("IDNA", "torch", "libc6", "numpy", "pandas>2"):
        planned(context, upgrade=Upgrade(packages=(name,)))
    files.write_lock(render_lock(replace(lock, python="")))
    planned(context, upgrade=missing)


def test_an_upgrade_of_a_package_of_the_base_says_what_moves_it(
    context: Context, files: ProjectFiles
) -> None:
    context.report = reporter = RecordingReporter()
    text = render(ImageRecipe("demo", "debian:12", "custom", (), ("six",)))
    files.write_dockerfile(text)
    lock = Lock("demo", text, LockedBase("debian:12"), python="3.11", of_base={"torch": "2.8.0"})
    files.write_lock(render_lock(lock))
    planned(context, upgrade=Upgrade(packages=("Torch", "six")))
    assert reporter.said == [
        "torch 2.8.0 comes from the base, and --upgrade moves what steps install. For another "
        "version: image-update demo --add 'torch==VERSION'"
    ]
    reporter.said.clear()
    planned(context, upgrade=Upgrade(packages=("torch",)), add=("torch==2.9.0",))
    planned(context, upgrade=Upgrade(packages=("torch",)), pull=True)
    assert reporter.said == []


def test_an_upgrade_of_a_package_that_is_pinned_says_so(
    context: Context, files: ProjectFiles
) -> None:
    context.report = reporter = RecordingReporter()
    pinned = ("click==8.1.0", "six<1.17", "numpy==2.*")
    text = render(ImageRecipe("demo", "debian:12", "custom", (), pinned))
    copy = 'COPY demo.requirements.txt /r.txt\nRUN pip install -r /r.txt "scipy"\nUSER root'
    files.write_dockerfile(text.replace("USER root", copy, 1))
    files.write_copy("demo.requirements.txt", b"pyyaml==6.0.2\nscipy\n")
    versions = {"click": "8.1.0", "six": "1.16.0", "numpy": "2.1", "pyyaml": "6.0.2"}
    packages = tuple(Locked(*each) for each in {**versions, "scipy": "1"}.items())
    lock = Lock("demo", text, LockedBase("debian:12"), python="3.11", packages=packages)
    files.write_lock(render_lock(lock))
    with pytest.raises(MlcError) as refused:
        planned(context, upgrade=Upgrade(packages=("scipy", "Click")))
    assert refused.value.message == (
        "click==8.1.0 in the Dockerfile allows no other version of click, so --upgrade cannot move "
        "it. Nothing was changed."
    )
    assert refused.value.hint.endswith("image-update demo --add 'click==VERSION'")
    assert reporter.said == []
    planned(context, upgrade=Upgrade(packages=("click",)), add=("click==8.2.0",))
    planned(context, upgrade=Upgrade(everything=True))
    planned(context, upgrade=Upgrade(packages=("scipy",)))
    assert reporter.said == []
    for name, pin in (("six", pinned[1]), ("numpy", pinned[2]), ("PyYAML", "pyyaml==6.0.2")):
        planned(context, upgrade=Upgrade(packages=(name,)))
        where = "the Dockerfile" if name != "PyYAML" else "a file that the Dockerfile copies"
        assert (
            reporter.said.pop()
            == f"{pin} in {where} limits what --upgrade can move {name.lower()} to."
        )


def test_a_dockerfile_that_was_renamed_gets_the_projects_name(
    context: Context, files: ProjectFiles
) -> None:
    files.write_dockerfile(render(ImageRecipe("other", "debian:12", "custom", (), ("numpy",))))
    assert planned(context).after == render(
        ImageRecipe("demo", "debian:12", "custom", (), ("numpy",))
    )


def test_a_project_without_a_dockerfile_is_named_with_a_similar_one(
    context: Context, files: ProjectFiles
) -> None:
    with pytest.raises(NotFoundError, match=r"There is no Dockerfile .*dem\.Dockerfile.*demo"):
        plan_change(ImageUpdateRequest("dem"), context)


def test_a_build_takes_files_from_one_directory(context: Context, files: ProjectFiles) -> None:
    home = Path(context.account.home)
    (home / "x-1-py3-none-any.whl").touch()
    for name in ("mine", "work"):
        (home / name).mkdir()
    (home / "work/requirements.txt").write_text(".\n")
    (home / "work/pyproject.toml").write_text("[build-system]\nrequires=[]\n")
    copies = with_build_context(BEFORE.replace("USER root", "COPY a /a\nUSER root", 1), "/mine")
    files.write_dockerfile(copies)
    with pytest.raises(UsageError, match="copies files of /mine, and what you bring would be in"):
        planned(context, add=(str(home / "x-1-py3-none-any.whl"),))
    with pytest.raises(UsageError, match="copies files of /mine, and the requirements file needs"):
        planned(context, requirements=str(home / "work/requirements.txt"))
    files.write_dockerfile(BEFORE)
    change = planned(context, requirements=str(home / "work/requirements.txt"))
    assert build_context_in(change.after) == str(home / "work")


def test_an_update_of_a_dockerfile_that_changed_meanwhile_does_nothing(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    change = planned(context, add=("six",))
    files.write_dockerfile(f"{BEFORE}# edited\n")
    with pytest.raises(MlcError, match=r"was changed in the meantime\. Nothing was done"):
        update_image(change, ImageUpdateRequest("demo"), context)
    assert files.read_dockerfile() == f"{BEFORE}# edited\n"


def test_an_upgrade_asks_for_everything_or_for_the_packages_named(
    context: Context, files: ProjectFiles, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add_image(PROJECT.image)
    seen: list[tuple[list[str], list[str]]] = []

    def resolve(image: Image, names: Sequence[str], *rest: object, options, **named) -> Resolved:
        seen.append((list(names), list(options)))
        return Resolved()

    monkeypatch.setattr(update, "resolve", resolve)
    change = Change(PROJECT, BEFORE, BEFORE)
    for upgrade in (Upgrade(everything=True), Upgrade(packages=("numpy",))):
        preview(change, ImageUpdateRequest("demo", upgrade=upgrade), context)
    both = ["numpy", "pandas<2"]
    assert seen == [(both, ["--upgrade"]), (both, ["--upgrade-package=numpy"])]


def built(
    context: Context, patch: pytest.MonkeyPatch, **fields: object
) -> tuple[BuildRequest | None, list[str]]:
    """Update the project up to the build; return what would be built, and which base was looked
    into."""
    builds: list[BuildRequest] = []
    looked: list[str] = []

    def publish(build: BuildRequest, context: Context, **more: object) -> None:
        builds.append(build)
        raise MlcError("stop")

    def ready_base(reference: str, context: Context, **more: object) -> Base:
        looked.append(reference)
        return Base(reference, context.engine.image(reference), frozenset(), "")

    patch.setattr(update, "publish", publish)
    patch.setattr(update, "ready_base", ready_base)
    patch.setattr(update, "check_client", lambda context: None)
    with pytest.raises(MlcError, match="stop"):
        change = planned(context, add=fields.get("add", ()))
        update_image(change, ImageUpdateRequest("demo", **fields), context)
    return (builds or [None])[0], looked


def test_the_base_of_the_last_build_is_not_looked_into_again(
    context: Context, files: ProjectFiles, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = fake.add_image("debian:12")
    lock = Lock("demo", BEFORE, LockedBase("debian:12", image.id), "3.11.2", "x86_64")
    files.write_lock(render_lock(replace(lock, of_base={"pip": "24"})))
    build, looked = built(context, monkeypatch)
    assert looked == []
    assert build is not None
    assert build.base is not None
    assert (build.base.image.id, build.base.inventory.packages) == (image.id, {"pip": "24"})
    # It is if it may be another one, or if nothing is known of its Python.
    assert built(context, monkeypatch, pull=True)[1] == ["debian:12"]
    files.write_lock(render_lock(replace(lock, python="")))
    assert built(context, monkeypatch)[1] == ["debian:12"]
    # Or if uv is added, as nothing is known of its pip.
    files.write_lock(render_lock(lock))
    assert built(context, monkeypatch, add=("six",))[1] == []
    files.write_dockerfile(render(ImageRecipe("demo", "debian:12", "custom")))
    assert built(context, monkeypatch, add=("six",))[1] == ["debian:12"]
    assert built(context, monkeypatch)[1] == []
    fake.add_image("debian:12")
    files.write_lock(render_lock(lock))
    assert built(context, monkeypatch)[1] == ["debian:12"]


def test_a_base_that_is_not_allowed_any_more_is_refused_though_it_is_the_last_builds(
    context: Context, files: ProjectFiles, fake: FakeEngine
) -> None:
    image = fake.add_image("debian:12")
    lock = Lock("demo", BEFORE, LockedBase("debian:12", image.id), "3.11.2", "x86_64")
    files.write_lock(render_lock(lock))
    context.__dict__["settings"] = Settings(bases=("aimehub/*",))
    context.environ = {**context.environ, "PATH": str(Path(context.account.home))}
    client = Path(context.account.home, "docker")
    client.write_text("#!/bin/sh\n")
    client.chmod(0o755)
    with pytest.raises(NotAllowedError, match="debian"):
        update_image(planned(context), ImageUpdateRequest("demo"), context)


def test_containers_on_the_former_image_are_named_in_order(
    context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.report = RecordingReporter()
    former, newer = fake.add_image("old:1"), fake.add_image("new:1")
    for name, image in (("b._.1001", former), ("a._.1001", former), ("c._.1001", newer)):
        fake.create_container(ContainerSpecification(name=name, image=image.id))
    found = containers_on(former, context)
    assert [(each.tag, each.state) for each in found] == [
        ("a._.1001", "created"),
        ("b._.1001", "created"),
    ]
    assert containers_on(None, context) == ()

    def fail(**named: object) -> None:
        raise EngineError("too busy")

    monkeypatch.setattr(fake, "containers", fail)
    assert containers_on(former, context) == ()
    assert "too busy" in context.report.said[-1], "the image is there all the same"
