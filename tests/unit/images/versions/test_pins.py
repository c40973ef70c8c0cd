"""Which versions a build keeps."""

from __future__ import annotations

from collections.abc import Mapping

from mlc_patched.images.dockerfile.append import append_packages
from mlc_patched.images.dockerfile.package_steps import python_step
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.versions.lockfile import Lock, Locked
from mlc_patched.images.versions.pins import (
    NO_UPGRADE,
    Pins,
    Upgrade,
    constraints_of,
    is_append,
    pins_of,
)

TEXT = render(ImageRecipe("demo", "debian:12", "custom", ("fd",), ("numpy", "pandas")))
MORE = append_packages(TEXT, pip=("six",), date="2026-11-26")
LOCK = Lock(
    "demo",
    TEXT,
    packages=(
        Locked("numpy", "2.1"),
        Locked("odd", "1.0-not-a-version-x"),
        Locked("pandas", "2.2"),
        Locked("own", "1.0", (), True),
    ),
    of_base={"pip": "23", "torch": "2.8.0+cu126"},
    pinned=("numpy==2.0",),
    builder="CLASSIC",
)


def kept(
    text: str = TEXT, upgrade: Upgrade = NO_UPGRADE, *, base: Mapping[str, str] = LOCK.of_base
) -> tuple[str, ...]:
    return constraints_of(LOCK, text, upgrade, base)


def test_everything_from_an_index_is_kept() -> None:
    assert kept() == ("numpy==2.1", "pandas==2.2", "pip==23", "torch==2.8.0+cu126")


def test_what_the_base_has_moves_with_the_base() -> None:
    assert kept(base={"torch": "2.9", "new": "1"}) == ("numpy==2.1", "pandas==2.2")


def test_what_another_base_has_in_the_same_version_is_kept() -> None:
    """As after a transfer to another engine, which may give the base another id."""
    assert kept(base={"torch": "2.8.0+cu126", "pip": "25"}) == (
        *("numpy==2.1", "pandas==2.2", "torch==2.8.0+cu126"),
    )


def test_an_upgrade_frees_packages_but_never_those_of_the_base() -> None:
    assert kept(upgrade=Upgrade(packages=("Pandas",))) == (
        *("numpy==2.1", "pip==23", "torch==2.8.0+cu126"),
    )
    assert kept(upgrade=Upgrade(everything=True)) == ("pip==23", "torch==2.8.0+cu126")


def test_a_package_is_free_if_the_dockerfile_wants_another_version() -> None:
    assert "numpy==2.1" not in kept(TEXT.replace("numpy", '"numpy<2"'))
    assert "numpy==2.1" in kept(TEXT.replace("numpy", '"numpy>=2"'))
    assert "numpy==2.1" not in kept(TEXT.replace("numpy", '"numpy @ https://e.org/n.whl"'))
    assert "numpy==2.1" not in kept(TEXT.replace("numpy", '"numpy==${V}"'))


def test_a_package_is_free_if_a_step_installs_a_wheel_of_another_version() -> None:
    for where in ("/usr/local/src/demo", "https://e.org"):
        steps = python_step([f"{where}/numpy-2.0-py3-none-any.whl"])
        assert "numpy==2.1" not in kept(append_packages(TEXT, steps=steps, date="2026-11-26"))
        same = steps.replace("2.0", "2.1")
        assert "numpy==2.1" in kept(append_packages(TEXT, steps=same, date="2026-11-26"))


def test_pip_does_not_keep_what_it_builds_with() -> None:
    pins = Pins(kept())
    assert "pip==23" in pins.for_uv
    assert "pip==23" not in pins.for_pip
    assert "numpy==2.1" in pins.for_pip


def pins(
    text: str, upgrade: Upgrade = NO_UPGRADE, builder: str = "CLASSIC", *, cached: bool = True
):
    return pins_of(LOCK, text, upgrade, LOCK.of_base, builder=builder, keeps_pinned=cached, now="T")


def test_steps_in_the_classic_builders_cache_keep_the_constraints_they_were_built_with() -> None:
    assert pins(MORE).constraints == LOCK.pinned
    assert pins(MORE, cached=False).constraints == kept(MORE)
    assert pins(MORE, builder="BUILDKIT").constraints == kept(MORE)
    changed = TEXT.replace("pandas", "polars")
    assert pins(changed).constraints == kept(changed)
    assert pins(TEXT, Upgrade(packages=("numpy",))).constraints == kept(
        upgrade=Upgrade(packages=("numpy",))
    )


def test_an_upgrade_is_remembered_by_kind_of_package() -> None:
    assert pins(TEXT, Upgrade(packages=("numpy",))).marks == {"pip": "T"}
    assert pins(TEXT, Upgrade(packages=("fd",))).marks == {"apt": "T"}
    assert pins(TEXT, Upgrade(everything=True)).marks == {"apt": "T", "pip": "T"}
    assert pins(TEXT).marks == {}
    assert pins_of(None, TEXT, NO_UPGRADE, {}, builder="", keeps_pinned=False, now="T") == Pins()


def test_appended_steps_and_changes_of_the_account_block_leave_the_steps_before() -> None:
    assert is_append(TEXT, TEXT)
    assert is_append(TEXT, MORE)
    assert is_append(TEXT, TEXT.replace("DS01_FRAMEWORK", "OTHER"))
    assert not is_append(MORE, TEXT)
    assert not is_append(TEXT, MORE.replace("debian:12", "debian:13", 1))


def test_a_step_that_wants_two_versions_of_a_package_frees_it() -> None:
    """The later command wins in the image, and its version would not fit the earlier one."""
    earlier = MORE.replace("        six", "        numpy==1.0", 1)
    assert "numpy==1.0" in earlier
    assert "numpy==2.1" not in kept(
        append_packages(earlier, pip=("numpy==2.1",), date="2026-11-27")
    )


def test_a_file_that_is_copied_frees_what_it_wants_otherwise() -> None:
    def pins(*copied: str, builder: str = "BUILDKIT") -> tuple[str, ...]:
        return pins_of(
            *(LOCK, TEXT, NO_UPGRADE, {}),
            builder=builder,
            keeps_pinned=builder == "CLASSIC",
            now="now",
            copied=copied,
        ).constraints

    assert pins("numpy>=2") == ("numpy==2.1", "pandas==2.2")
    assert pins("numpy==2.2 ; python_version > '3'") == ("pandas==2.2",)
    assert pins("numpy==2.0", builder="CLASSIC") == LOCK.pinned
    assert pins("numpy==2.1", builder="CLASSIC") == ("numpy==2.1", "pandas==2.2")
