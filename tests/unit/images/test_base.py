"""The base of a project: which image it is, and whether an account can be set up in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine, FakeImage
from support.recording_reporter import RecordingReporter

from mlc_patched.context import Context
from mlc_patched.engine.interface import Image
from mlc_patched.errors import MlcError, NotAllowedError, NotFoundError
from mlc_patched.images.base import LOOKED_INTO, NEEDED, Base, ready_base
from mlc_patched.images.dockerfile.append import append_packages, has_uv
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.package_steps import (
    BY_PIP,
    BY_UV,
    UV_STEP,
    UV_STEP_BY_SYSTEM,
    UV_STEP_BY_UV,
)
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.versions.lockfile import LockedBase
from mlc_patched.settings.model import Settings

NAME = "hub/base:1"
DIGEST = f"hub/base@sha256:{'d' * 64}"
DEBIAN = [f"has {tool}" for tool in (*NEEDED, "apt-get", "python3", "python-pip")]


class Looked(FakeEngine):
    """An engine whose images print something when they are looked into, Debian's by default."""

    def __init__(self) -> None:
        super().__init__()
        self.prints, self.status = DEBIAN, 0
        self.there: dict[str, Image] = {}
        """Images in a registry, by digest."""

    def start(self, container: str) -> None:
        super().start(container)
        made = self._get(container)
        made.state, made.lines, made.exit_status = "exited", list(self.prints), self.status

    def pull(self, reference: str, progress) -> None:
        if reference not in self.there:
            super().pull(reference, progress)
            return
        self.calls.append("pull")
        image = self.there[reference]
        self.images[image.id] = FakeImage(image, digests=(reference,))


@pytest.fixture
def looked() -> Looked:
    return Looked()


@pytest.fixture
def here(context: Context, looked: Looked) -> Context:
    context.make_engine = lambda: looked
    context.report = RecordingReporter()
    return context


def test_what_is_in_the_base_is_found_and_no_container_stays(here: Context, looked: Looked) -> None:
    image = looked.add_image(NAME, digests=("mirror/x@sha256:1", DIGEST))
    looked.prints = [*DEBIAN, 'is "Debian GNU/Linux 12 (bookworm)"']
    base = ready_base(NAME, here)
    assert base.system == "Debian GNU/Linux 12 (bookworm)"
    assert not base.is_former
    assert base.locked == LockedBase(NAME, image.id, DIGEST)
    assert base.is_that_of(base.locked)
    assert not base.is_that_of(LockedBase("hub/base:2", image.id, DIGEST))
    assert looked.made == {}
    assert "pull" not in looked.calls


def test_a_base_is_looked_into_once(here: Context, looked: Looked) -> None:
    looked.add_image(NAME)
    looked.prints = [*DEBIAN, 'is "Debian"', "python 3.11.2 x86_64", "py idna 3.1", "listed all"]
    first = ready_base(NAME, here)
    looked.prints = ["what another container would print"]
    assert ready_base(NAME, here) == first
    assert looked.calls.count("start") == 1
    assert first.inventory.packages == {"idna": "3.1"}
    looked.add_image(NAME)
    with pytest.raises(MlcError, match="it lacks bash"):
        ready_base(NAME, here)


def test_a_base_whose_packages_were_not_all_listed_is_looked_into_again(
    here: Context, looked: Looked
) -> None:
    looked.add_image(NAME)
    looked.prints = [*DEBIAN, "python 3.11.2 x86_64", "py idna 3.1"]  # and was killed
    ready_base(NAME, here)
    looked.prints = [*looked.prints, "py six 1.16", "listed all"]
    assert ready_base(NAME, here).inventory.packages == {"idna": "3.1", "six": "1.16"}


@pytest.mark.parametrize("damage", ["[1", '["has python3", 1]', "{}", "[" * 100_000])
def test_a_damaged_list_of_bases_does_not_count(here: Context, looked: Looked, damage: str) -> None:
    looked.add_image(NAME)
    looked.prints = [*DEBIAN, "listed all"]
    base = ready_base(NAME, here)
    path = Path(here.account.home, ".ds01-config", LOOKED_INTO.file)
    path.write_text(" ".join([*path.read_text().split(" ")[:2], f"{damage}\n"]))
    assert [ready_base(NAME, here), ready_base(NAME, here)] == [base, base]
    assert looked.calls.count("start") == 2


@pytest.mark.parametrize(
    ("prints", "status", "message"),
    [
        (["sh: not found"], 127, r"it has no working shell \(sh: not found\)"),
        (
            [each for each in DEBIAN if "useradd" not in each and "apt" not in each]
            + ['is "Alpine Linux"'],
            0,
            r"it lacks useradd, apt-get \(it is Alpine Linux\)",
        ),
        ([each for each in DEBIAN if "awk" not in each], 0, "it lacks awk"),
    ],
)
def test_an_image_that_cannot_hold_an_account_is_no_base(
    here: Context, looked: Looked, prints: list[str], status: int, message: str
) -> None:
    looked.add_image(NAME)
    looked.prints, looked.status = prints, status
    with pytest.raises(MlcError, match=f"{NAME} cannot be the base of an image: {message}") as no:
        ready_base(NAME, here)
    assert "Debian or Ubuntu" in (no.value.hint or "")
    assert looked.made == {}


def test_a_base_that_the_settings_do_not_allow_is_not_even_pulled(
    here: Context, looked: Looked
) -> None:
    here.__dict__["settings"] = Settings(bases=("aimehub/*",))
    with pytest.raises(NotAllowedError, match="hub/base"):
        ready_base(NAME, here)
    assert looked.calls == []


def test_a_base_that_is_not_here_is_pulled(here: Context, looked: Looked) -> None:
    looked.pullable[NAME] = ""
    assert ready_base(NAME, here).image == looked.image(NAME)
    assert here.report.said[0] == f"Pulling {NAME}"


def test_a_base_that_cannot_be_pulled_says_whether_there_is_a_local_one(
    here: Context, looked: Looked
) -> None:
    with pytest.raises(NotFoundError, match=rf"{NAME} could not be pulled\."):
        ready_base(NAME, here)
    looked.add_image(NAME)
    with pytest.raises(NotFoundError, match="without --pull, the local image is used"):
        ready_base(NAME, here, pull=True)


def test_pulling_says_whether_the_base_moves(here: Context, looked: Looked) -> None:
    looked.pullable[NAME] = "other"
    image = looked.add_image(NAME)
    ready_base(NAME, here, pull=True, last=LockedBase(NAME, image.id, ""))
    old, new = f"hub/base@sha256:{'0' * 64}", looked.image(NAME)
    assert f"The base {NAME} moves: {short(image.id)} -> {short(new.id)}" in here.report.said
    ready_base(NAME, here, pull=True, last=LockedBase(NAME, image.id, old))
    assert f"The base {NAME} moves: {'0' * 12} -> {short(new.id)}" in here.report.said
    ready_base(NAME, here, pull=True, last=LockedBase(NAME, new.id, ""))
    assert f"The base {NAME} has not changed." in here.report.said
    here.report.said.clear()
    ready_base(NAME, here, pull=True, last=LockedBase("other:1", "sha256:1", ""))
    assert not [said for said in here.report.said if "moves" in said or "changed" in said]


def short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12]


def test_a_build_keeps_its_base_while_the_name_means_another_image(
    here: Context, looked: Looked
) -> None:
    former = looked.add_image(NAME)
    last = LockedBase(NAME, former.id, "")
    looked.tag_image(former.id, "hub/base", "kept")
    now = looked.add_image(NAME)
    base = ready_base(NAME, here, last=last)
    assert (base.image.id, base.is_former) == (former.id, True)
    assert here.report.said == []
    base = ready_base(NAME, here, last=LockedBase(NAME, now.id, ""))
    assert (base.image.id, base.is_former) == (now.id, False)


def test_the_base_of_the_last_build_is_pulled_by_its_digest_if_it_is_gone(
    here: Context, looked: Looked
) -> None:
    now = looked.add_image(NAME)
    former = replace(now, id=looked._new_id("sha256:"), references=(), digests=(DIGEST,))
    looked.there[DIGEST] = former
    base = ready_base(NAME, here, last=LockedBase(NAME, former.id, DIGEST))
    assert (base.image.id, base.is_former) == (former.id, True)
    assert here.report.said[0] == f"Pulling {DIGEST}, the base of the last build"


@pytest.mark.parametrize("digest", ["", DIGEST])
def test_a_base_that_is_gone_for_good_is_replaced_with_a_note(
    here: Context, looked: Looked, digest: str
) -> None:
    now = looked.add_image(NAME)
    base = ready_base(NAME, here, last=LockedBase(NAME, "sha256:gone", digest))
    assert (base.image.id, base.is_former) == (now.id, False)
    assert "is not the image of the last build" in here.report.said[-1]


def base_with(*programs: str, system: str = "") -> Base:
    return Base(NAME, Image("sha256:1", (NAME,), {}), frozenset(programs), system)


def test_pip_needs_what_the_base_lacks() -> None:
    assert base_with().extra_apt(wants_pip=False) == ()
    assert base_with("python3", "python-pip").extra_apt(wants_pip=True) == ()
    assert base_with("python3").extra_apt(wants_pip=True) == ("python3-pip",)
    assert base_with().extra_apt(wants_pip=True) == ("python3", "python3-pip")


def test_pip_installs_where_uv_does_not_support_the_python() -> None:
    text = render(ImageRecipe("demo", NAME, "custom", (), ("six",)))
    report = RecordingReporter()
    old = base_with(system="Ubuntu 18.04.6 LTS").installable(text, report)
    assert (BY_PIP in old, BY_UV in old, UV_STEP in old) == (True, False, False)
    assert report.said == ["uv does not support Python 3.6, so pip installs the packages."]
    report.said.clear()
    assert base_with(system="Debian GNU/Linux 12").installable(text, report) == text
    plain = render(ImageRecipe("demo", NAME, "custom"))
    assert base_with(system="Ubuntu 18.04.6 LTS").installable(plain, report) == plain
    assert report.said == []


@pytest.mark.parametrize(
    ("programs", "extra", "by"),
    [
        (("uv", "system-pip"), (), UV_STEP_BY_UV),
        (("system-pip",), (), UV_STEP_BY_SYSTEM),
        ((), ("python3", "python3-pip"), UV_STEP_BY_SYSTEM),
    ],
)
def test_uv_is_installed_by_another_program_into_a_python_that_has_no_pip(
    programs: tuple[str, ...], extra: tuple[str, ...], by: str
) -> None:
    base = base_with("python3", "python-own", *programs)
    assert base.extra_apt(wants_pip=True) == extra
    report = RecordingReporter()
    for break_ in ("\n", "\r\n"):
        text = render(ImageRecipe("demo", NAME, "custom", extra, ("six",))).replace("\n", break_)
        after = base.installable(text, report)
        assert (UV_STEP in after, after.count(by.replace("\n", break_))) == (False, 1)
        assert base.installable(after, report) == after
        assert packages_in(after, APT) == packages_in(text, APT)
        assert packages_in(after, PIP) == ("six",)
        assert has_uv(after, after.index("six"))
        plain = render(ImageRecipe("demo", NAME, "custom"))
        assert base.installable(plain, report) == plain
        with_pip = base_with("python3", "python-own", "python-pip")
        assert with_pip.installable(text, report) == text
    program = "the uv of the base" if "uv" in programs else "the pip of the system's Python"
    assert (
        report.said == [f"The Python of the base has no pip, so uv is installed by {program}."] * 2
    )


def test_an_update_installs_the_systems_pip_first_where_it_is_needed() -> None:
    text = render(ImageRecipe("demo", NAME, "custom"))
    text = append_packages(text, pip=("six",), date="2026-01-01")
    after = base_with("python3", "python-own").installable(text, RecordingReporter())
    assert packages_in(after, APT)[-2:] == ("python3", "python3-pip")
    assert after.index("        python3-pip") < after.index(UV_STEP_BY_SYSTEM)


def test_an_index_that_only_pip_knows_is_named_where_uv_installs(
    here: Context, looked: Looked
) -> None:
    looked.add_image(NAME)
    looked.prints = [*DEBIAN, "indexed /etc/pip.conf", "indexed /root/.pip/pip.conf"]
    base, report = ready_base(NAME, here), RecordingReporter()
    base.report_index(render(ImageRecipe("demo", NAME, "custom")), report)
    assert report.said == []
    base.report_index(render(ImageRecipe("demo", NAME, "custom", (), ("six",))), report)
    assert "/etc/pip.conf of the base names a package index to pip" in report.said[0]
    text = render(ImageRecipe("demo", NAME, "custom", (), ("six",)))
    base.report_index(text.replace("USER root", "ENV UV_FIND_LINKS=/wheels"), report)
    base_with().report_index(render(ImageRecipe("demo", NAME, "custom", (), ("six",))), report)
    assert len(report.said) == 1


def test_an_error_that_is_not_of_the_image_is_not_hidden(here: Context, looked: Looked) -> None:
    def fail(reference: str, progress: object) -> None:
        raise MlcError("no network")

    looked.pull = fail
    with pytest.raises(MlcError, match="no network"):
        ready_base(NAME, here, last=LockedBase(NAME, "sha256:gone", DIGEST))
