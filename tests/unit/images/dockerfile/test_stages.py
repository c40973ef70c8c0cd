"""The stages of a Dockerfile, the base of the last one, and build arguments in FROM."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.dockerfile.stages import (
    Arguments,
    base_of,
    stages_of,
    uses_platform,
    with_bases,
)
from mlc_patched.images.dockerfile.syntax import instructions


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("FROM debian:12\n", "debian:12"),
        ("FROM --platform=linux/amd64 debian:12 AS x\nFROM x\n", "debian:12"),
        ("ARG TAG=12\nFROM debian:${TAG}\n", "debian:12"),
        ("ARG TAG\nFROM debian:${TAG:-13}\n", ""),  # a build may give one
        ("ARG TAG\nFROM debian:$TAG\n", ""),
        ("FROM scratch\n", ""),
        ("ARG TAG=12\n", ""),
        ("ARG TAG=X1X\nFROM a:$TAG\n", "a:X1X"),
        ("FROM a AS one\nFROM b\n", "b"),
        ("FROM a as One\nFROM b AS two\nFROM oNE\n", "a"),
        ("FROM a AS one\nFROM one AS two\nFROM two\n", "a"),
        ("FROM scratch AS x\nFROM x\n", ""),
        ("FROM a x one\nFROM one\n", "one"),
        ("FROM \\\n  debian:12\n", "debian:12"),
        ("ARG TAG='12'\nFROM debian:$TAG\n", "debian:12"),
        ('ARG TAG="12"\nFROM debian:$TAG\n', "debian:12"),
        ("ARG T=a=b\nARG V=1\nFROM x:$T-$V\n", "x:a=b-1"),
        (
            "FROM a AS one\nARG TAG=12\nFROM debian:12${TAG}\n",
            "debian:12",
        ),  # it is the first stage's
        ("ARG TAG=12\nFROM debian:${TAG:-13}\n", "debian:12"),
        ("FROM\nFROM b\n", "b"),
    ],
)
def test_the_base_of_a_dockerfile(text: str, base: str) -> None:
    assert base_of(text) == base


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("ARG T=v1\nARG BASE=a:${T}\nFROM $BASE", "a:v1"),
        ("ARG A=1 BASE=x\nFROM $BASE:$A", "x:1"),
        ("ARG A=1 B=a:$A\nFROM $B", "a:1"),
        ("ARG A=\"1 2\" B='b' \\\n # c\n\n C=c\nFROM $B$C", "bc"),
        ("ARG V=\nFROM a${V:-b}${V-c}", "ab"),
        ("FROM a${V:-b}${V-c}", "abc"),
        ("ARG V=1\nFROM a${V:+b}${V+c}${W:+d}${W+e}", "abc"),
        ("ARG V=\nFROM a${V:+b}${V+c}", "ac"),
        ("ARG V=1 W=2\nFROM a${V:+-${W:-3}}", "a-2"),
        ("ARG V=1\nFROM a${V:?no}${V?no}", "a11"),
        ("FROM a${V?no}", None),
        ("FROM a${V:?no}", None),
        ("ARG V=abc\nFROM ${V#a}", None),
        ("ARG V=abc\nARG W=${V%c}\nFROM $W", None),
        ("ARG V=abc\nARG W=${V%c}\nARG W=d\nFROM $W", "d"),
        ("FROM ${V", None),
        ("FROM ${V:-a", None),
        ("FROM ${}", None),
        ("FROM a$", None),
        ("FROM a$1", None),
        ("FROM 'a", None),
        ("FROM \"a\"'b'\\c", "abc"),
        ("ARG V=1\nFROM a:\"$V\"'$V'", "a:1$V"),
        (r'FROM "a\"\$\\\b"', r'a"$\\b'),
        ("ARG V\nFROM $V", ""),
        ("ARG V\nFROM a:${V:-13}", "a:13"),
        ("FROM a$V", "a"),
        ("FROM a AS x\nARG V=1\nFROM b$V", "b"),
        ("ARG GIVEN=no\nFROM $GIVEN", "yes"),
        ("ARG GIVEN\nFROM $GIVEN", "yes"),
        ("FROM a$GIVEN", "a"),
        ("FROM a:$TARGETARCH-$TARGETOS$TARGETVARIANT", "a:amd64-linux"),
        ("FROM ${BUILDPLATFORM}", "linux/amd64"),
        ("ARG TARGETARCH\nFROM a:$TARGETARCH", "a:amd64"),
        ("ARG TARGETARCH=s390x\nFROM a:$TARGETARCH", "a:s390x"),
        ("ARG S=two\nFROM a AS one\nFROM b AS Two\nFROM $S", "b"),
        ("FROM a AS a\nFROM a AS b\nFROM A", "a"),
    ],
)
def test_arguments_in_from_are_what_docker_makes_of_them(words: str, name: str | None) -> None:
    found = stages_of(f"{words}\nRUN x\n", Arguments({"GIVEN": "yes"}, "x86_64"))
    assert found[-1].base == name


def test_what_is_not_known_is_not_guessed() -> None:
    for text in ("ARG V\nFROM $V\n", "FROM a:$TARGETARCH\n", "ARG V\nARG W=$V\nFROM $W\n"):
        assert stages_of(text)[-1].base is None
        assert base_of(text) == ""
    assert stages_of("FROM $TARGETARCH", Arguments({}, "sparc"))[-1].base is None
    assert base_of("FROM a:$TARGETARCH", Arguments({"TARGETARCH": "x"})) == "a:x"


def test_a_stage_says_where_its_from_is() -> None:
    one, two = stages_of("ARG B=a\nFROM $B AS x\nRUN y\nFROM x\n")
    assert (one.name, one.word, one.line, one.source, one.is_from_image) == (
        "x",
        "$B",
        2,
        "a",
        True,
    )
    assert (two.name, two.word, two.line, two.source, two.is_from_image) == ("", "x", 4, "x", False)


def test_the_platform_matters_only_if_from_may_name_it() -> None:
    assert uses_platform("ARG B=a:$TARGETARCH\nFROM $B\n")
    assert uses_platform("FROM --platform=$BUILDPLATFORM a\n")
    assert not uses_platform("FROM a\nRUN echo $TARGETARCH\n")


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("FROM a\n", "FROM new:1\n"),
        ("FROM a AS a\nRUN x\nFROM a\n", "FROM new:1 AS a\nRUN x\nFROM a\n"),
        ("ARG B=a\nFROM ${B} as a\n", "ARG B=a\nFROM new:1 as a\n"),
        ("ARG B=b\nFROM $B\nFROM a", "ARG B=b\nFROM b\nFROM new:1"),
        ("ARG S=x\nFROM b AS x\nFROM $S\n", "ARG S=x\nFROM b AS x\nFROM x\n"),
        ("FROM --platform=a \\\n # c\n  a \\\n AS x\n", None),
        ("FROM a\\\n$V\n", "FROM \\\nnew:1\n"),
        ("FROM ${V#b}\nFROM scratch\n", "FROM ${V#b}\nFROM scratch\n"),
        ("FROM $V\nFROM\n", "FROM $V\nFROM\n"),
        ("FROM a'\\'\n", "FROM a'\\'\n"),  # without the quotes it would continue the line
    ],
)
def test_from_gets_the_names_of_the_build(text: str, replaced: str | None) -> None:
    expected = text.replace("\n  a ", "\n  new:1 ") if replaced is None else replaced
    assert with_bases(text, Arguments(), {"a": "new:1"}) == expected


@given(st.text("ab$ {}:-+?#\"'\\\nV=", max_size=20), st.text("ab$ {}:-\"'\\V", max_size=12))
def test_any_words_can_be_read_and_lines_stay(default: str, name: str) -> None:
    text = f"ARG V={default}\nFROM a{name}\n"
    try:
        lines = [each.line for each in instructions(text)]
    except Exception:  # noqa: BLE001 - not a Dockerfile
        return
    for arguments in (None, Arguments({"V": "b"})):
        again = with_bases(text, arguments, {"a": "b"})
        assert again.count("\n") == text.count("\n")
        assert [each.line for each in instructions(again)] == lines
