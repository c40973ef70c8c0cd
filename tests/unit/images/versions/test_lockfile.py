"""Locks: written as a pylock.toml, read back without a parser for TOML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest needs this one
    import tomli as tomllib

from mlc_patched.images.versions.lockfile import (
    Lock,
    Locked,
    LockedBase,
    LockError,
    parse,
    render,
)

SIX = Locked(
    "six", "1.17.0", ('index = "https://a/simple"', 'wheels = [{ url = "https://a/six.whl" }]')
)
LOCK = Lock(
    project="demo",
    dockerfile='FROM debian:12\n\tRUN echo "a\\\\b" \x7f é\n',
    base=LockedBase("debian:12", "sha256:1", "debian@sha256:2"),
    python="3.11.2",
    packages=(SIX, Locked("y", "1"), Locked("z", "2+local", (), True)),
    of_base={"pip": "23.0.1"},
    debian={"libc6:amd64": "2.36-9+deb12u9"},
    conda={"x": "1"},
    upgraded={"pip": "2026-11-26T10:00:00Z"},
    pinned=("six==1.17.0",),
    builder="classic",
)


def test_a_lock_is_read_back_as_it_was_written() -> None:
    assert parse(render(LOCK), "f") == LOCK
    empty = Lock("demo", "")
    assert parse(render(empty), "f") == empty


def test_a_lock_is_a_pylock_with_the_packages_of_an_index() -> None:
    found = tomllib.loads(render(LOCK))
    assert (found["lock-version"], found["requires-python"]) == ("1.0", "==3.11.*")
    assert [each["name"] for each in found["packages"]] == ["six"]
    assert found["packages"][0]["wheels"][0]["url"] == "https://a/six.whl"
    assert found["tool"]["mlc"]["python-elsewhere"] == {"z": "2+local"}
    assert found["tool"]["mlc"]["debian"] == {"libc6:amd64": "2.36-9+deb12u9"}
    assert "\n".join(found["tool"]["mlc"]["dockerfile"]["text"]) == LOCK.dockerfile


WORDS = st.text(min_size=1, max_size=8)


@given(WORDS, WORDS, st.text(max_size=60))
def test_any_text_survives_and_is_valid_toml(name: str, version: str, dockerfile: str) -> None:
    lock = Lock("p", dockerfile, packages=(Locked(name, version),), debian={name: version})
    text = render(lock)
    assert parse(text, "f") == lock
    if not any("\ud800" <= char <= "\udfff" for char in text):
        tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a lock"),
        ("[tool.mlc]\nversion = 1\n", "is not a lock"),
        ("[tool.mlc]\nversion\n", "line 2"),
        ("[tool.mlc]\nversion = {\n", "line 2"),
        ("[tool.mlc]\npinned = [\n", "does not end"),
        ('[[packages]]\nname = "x"\n', "lacks 'version'"),
        (render(LOCK).replace('"six"', "six"), "a package lacks"),
    ],
)
def test_a_text_that_is_not_a_lock_is_refused(text: str, words: str) -> None:
    with pytest.raises(LockError, match=words):
        parse(text, "some.lock")
