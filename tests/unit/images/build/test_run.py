"""A build by Docker's client, which is a script here, or by the engine itself."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.build_context import BuildOptions
from mlc_patched.engine.interface import PODMAN
from mlc_patched.errors import (
    EngineError,
    EngineUnreachableError,
    MlcError,
    NotFoundError,
    UsageError,
)
from mlc_patched.host.account import Account
from mlc_patched.images.base import Base
from mlc_patched.images.build import run as module
from mlc_patched.images.build.client import Client
from mlc_patched.images.build.derive import derive
from mlc_patched.images.build.environment import Builder, BuildSettings
from mlc_patched.images.build.request import BuildError, BuildRequest
from mlc_patched.images.build.run import ImageNames, run
from mlc_patched.images.build.steps import StepNames
from mlc_patched.images.dockerfile.render import ImageRecipe, render, with_build_context
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names.projects import Project

PROJECT = Project(1001, "demo")
TEXT = render(ImageRecipe("demo", "debian:12", "custom", (), ("six",)))
COPIES = TEXT.replace("# Your account", "COPY data.txt /data.txt\n# Your account", 1)
NAMES = ImageNames("ds01-1001/demo:build-0")
SETTINGS = BuildSettings(pip={"PIP_INDEX_URL": "https://index.example/simple"})
KEEPS_ALL = """\
printf '%s\\n' "$@" >$SEEN/argv
env >$SEEN/environment
cat >$SEEN/stdin
while [ $# -gt 1 ]; do
    case $1 in
    --file) cp "$2" $SEEN/Dockerfile 2>/dev/null ;;
    --secret) cp "${2##*src=}" $SEEN/ ;;
    esac
    shift
done
ls -A "$1" >$SEEN/context 2>/dev/null
exit 0
"""


class Building:
    """Builds of the project, with what a client, or the engine, saw of the last one."""

    def __init__(self, context: Context, fake: FakeEngine, place: Path) -> None:
        self.context, self.fake, self.place = context, fake, place
        self.request = BuildRequest(ProjectFiles(context.account, PROJECT), TEXT)

    def client(self, script: str, builder: Builder) -> Client:
        program = self.place / "docker"
        program.write_text(f"#!/bin/sh\nSEEN={self.place}\n{script}")
        program.chmod(0o755)
        return Client(str(program), builder)

    def run(
        self,
        builder: Builder = Builder.BUILDKIT,
        script: str = KEEPS_ALL,
        settings: BuildSettings = SETTINGS,
        **changes: object,
    ) -> None:
        request = replace(self.request, **changes)
        derived = derive(request.dockerfile, settings, builder, NAMES.files)
        steps = StepNames(self.fake, "mlc-step-1001-0", NAMES.image)
        run(request, derived, self.client(script, builder), NAMES, steps, self.context)

    def seen(self, name: str) -> str:
        return (self.place / name).read_text()

    def after(self, flag: str) -> list[str]:
        """Return the values of a flag."""
        argv = self.seen("argv").splitlines()
        return [argv[n + 1] for n, each in enumerate(argv) if each == flag]


@pytest.fixture
def building(
    context: Context, fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Building:
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fake.add_image("debian:12")
    place = tmp_path / "seen"
    place.mkdir()
    return Building(context, fake, place)


def nothing_is_left(building: Building) -> bool:
    return not list(building.place.parent.glob("mlc-build-*")) and not [
        name
        for each in building.fake.images.values()
        for name in each.image.references
        if name.startswith(NAMES.image)
    ]


def test_the_client_gets_the_derived_dockerfile_and_the_secrets(building: Building) -> None:
    building.run(no_cache=True, arguments=("A=b c",))
    assert building.after("--tag") == [NAMES.image]
    assert {"DS01_USER_ID=1001", "DS01_GROUP_ID=2001", "A=b c"} <= set(
        building.after("--build-arg")
    )
    assert "--mount=type=secret,id=ds01-pip," in building.seen("Dockerfile")
    assert "https://index.example/simple" in building.seen("ds01-pip")
    assert "--no-cache" in building.seen("argv").split()
    assert "DOCKER_BUILDKIT=1\n" in building.seen("environment")
    assert building.seen("context") == "", "no step copies anything"
    assert building.seen("stdin") == ""
    assert nothing_is_left(building)


def test_the_build_context_is_the_directory_of_dockerfiles_if_a_step_copies(
    building: Building,
) -> None:
    directory = Path(building.context.account.home, "dockerfiles")
    directory.mkdir()
    (directory / "data.txt").touch()
    building.run(dockerfile=COPIES)
    assert building.seen("argv").splitlines()[-1] == str(directory)
    assert building.seen("context") == "data.txt\n"


def test_the_classic_builder_copies_files_from_an_image_that_is_there_for_the_build_alone(
    building: Building, capfd: pytest.CaptureFixture[str]
) -> None:
    created: list[str] = []
    make = building.fake.import_image
    building.fake.import_image = lambda archive, repository, tag, **more: (
        created.append(f"{repository}:{tag}"),
        make(archive, repository, tag, **more),
    )[1]
    said = "echo 'Step 1/9 : FROM debian:12'; echo ' ---> Running in 0123456789ab'\n"
    building.run(Builder.CLASSIC, said + KEEPS_ALL)
    assert created == [NAMES.files]
    assert f"COPY --from={NAMES.files} /etc/ds01-build " in building.seen("Dockerfile")
    assert capfd.readouterr().err == "Step 1/9 : FROM debian:12\n"
    assert nothing_is_left(building)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
def test_roots_client_is_sent_what_the_user_can_read(building: Building, open_place: Path) -> None:
    building.context.__dict__["account"] = Account("nobody", 65534, 65534, str(open_place))
    (open_place / "dockerfiles").mkdir()
    (open_place / "dockerfiles/data.txt").write_text("the data")
    building.request = BuildRequest(ProjectFiles(building.context.account, PROJECT), COPIES)
    building.run()
    assert building.seen("argv").splitlines()[-1] == "-"
    assert building.after("--file") == [".mlc-build.Dockerfile"]
    assert "the data" in building.seen("stdin")
    assert "RUN --mount=type=secret" in building.seen("stdin")


MISSING = (
    "ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)"
)
FAILS = f"""\
echo '#6 [4/5] RUN python3 -m pip install six'
echo '#6 0.1 {MISSING}'
echo '------'
echo ' > [4/5] RUN python3 -m pip install six:'
echo '0.1 {MISSING}'
exit 1
"""


def test_a_failure_names_the_cause_the_step_and_the_last_words(building: Building) -> None:
    with pytest.raises(BuildError) as failed:
        building.run(script=FAILS)
    error = failed.value
    first, second, *_, last = str(error).splitlines()
    assert first.startswith("PyPI has no package nosuch")
    assert re.match(
        rf"The build of {PROJECT.image} failed at line {error.line} of the Dockerfile: RUN ", second
    )
    assert "six" in second
    assert last == "The images of the project were not changed."
    assert error.dockerfile == TEXT
    assert nothing_is_left(building)


def test_a_failure_that_is_not_understood_has_the_exit_status(building: Building) -> None:
    with pytest.raises(BuildError, match=rf"The build of {PROJECT.image} failed \(exit status 9\)"):
        building.run(script="echo odd; exit 9\n")


def test_a_build_context_that_was_removed_is_named(building: Building) -> None:
    text = with_build_context(COPIES, "/nonexistent/work")
    with pytest.raises(NotFoundError, match="of /nonexistent/work, which does not exist"):
        building.run(dockerfile=text)


def test_a_build_context_that_cannot_be_reached_is_named(building: Building) -> None:
    too_long = f"/{'a' * 300}"
    text = with_build_context(COPIES, too_long)
    with pytest.raises(MlcError, match=f"of {too_long}, which cannot be read: File name too long"):
        building.run(dockerfile=text)


def test_a_failure_of_an_engine_that_went_away_says_that(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(reference: str) -> None:
        raise EngineUnreachableError("The engine does not answer.")

    monkeypatch.setattr(building.fake, "image", gone)
    with pytest.raises(EngineUnreachableError, match="does not answer"):
        building.run(script=FAILS)


def test_a_base_whose_name_means_another_image_has_a_name_during_the_build(
    building: Building,
) -> None:
    fake, kept = building.fake, building.fake.image("debian:12")
    fake.tag_image(kept.id, "keep", "it")
    former = Base("debian:12", kept, frozenset(), "", is_former=True)
    named: list[str] = []
    tag = fake.tag_image
    fake.tag_image = lambda image, repository, name: (
        named.append(f"{repository}:{name}"),
        tag(image, repository, name),
    )[1]
    with pytest.raises(BuildError):
        building.run(script=FAILS, base=former)
    assert named == [NAMES.base]
    assert nothing_is_left(building)
    assert fake.image("keep:it") is not None


class Podman(FakeEngine):
    """An engine that builds by itself, or fails with what it said."""

    product = PODMAN

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, BuildOptions]] = []
        self.failure = ""

    def build(self, dockerfile, reference, *, labels, progress, options=None):
        self.asked.append((dockerfile, reference, options))
        progress("STEP 1/9: FROM debian:12")
        if self.failure:
            raise EngineError(self.failure)
        return "sha256:1"


@pytest.fixture
def podman(building: Building) -> Podman:
    engine = Podman()
    building.context.make_engine = lambda: engine
    return engine


def test_podman_gets_everything_through_its_api(building: Building, podman: Podman) -> None:
    building.context.environ = {**building.context.environ, "http_proxy": "http://proxy:1"}
    building.run(
        Builder.PODMAN,
        settings=replace(SETTINGS, proxies=("http_proxy",)),
        arguments=("A=b=c",),
        no_cache=True,
    )
    [(dockerfile, reference, options)] = podman.asked
    assert reference == NAMES.image
    assert "--mount=type=secret,id=ds01-pip," in dockerfile
    assert "https://index.example/simple" in options.secrets["ds01-pip"]
    wanted = {"A": "b=c", "http_proxy": "http://proxy:1", "DS01_USER_ID": "1001"}
    assert wanted.items() <= options.arguments.items()
    assert (options.network, options.no_cache, options.directory) == ("host", True, None)
    assert nothing_is_left(building)


def test_podmans_cache_is_not_asked_for_what_depends_on_arguments(
    building: Building, podman: Podman
) -> None:
    building.run(Builder.PODMAN)
    building.run(Builder.PODMAN, dockerfile=TEXT.replace("\n", "\nARG OWN=1\n", 1))
    [(text, _, plain), (_, _, with_own)] = podman.asked
    assert (plain.no_cache, with_own.no_cache) == (False, True)
    assert "${DS01_CREATED}" not in text
    assert plain.arguments["DS01_CREATED"] in text


def test_podmans_failure_names_the_step(building: Building, podman: Podman) -> None:
    podman.failure = 'building at STEP "FROM debian:12": no space left on device'
    with pytest.raises(BuildError, match=r"(?s)no space left.*failed at line [0-9]+ .*: FROM"):
        building.run(Builder.PODMAN)


def test_podman_lends_no_ssh_agent(building: Building, podman: Podman) -> None:
    text = f"FROM a AS b\nRUN --mount=type=ssh true\n{TEXT}"
    with pytest.raises(UsageError, match="Podman cannot lend"):
        building.run(Builder.PODMAN, dockerfile=text)
    assert podman.asked == []
    assert nothing_is_left(building)
