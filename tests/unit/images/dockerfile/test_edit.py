"""Adding packages to and removing them from a Dockerfile that was edited by hand."""

from __future__ import annotations

import io

import pytest
from dockerfile_parse import DockerfileParser
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.dockerfile.edit import (
    Changes,
    add_package,
    has_account_block,
    remove_package,
    with_account_block,
)
from mlc_patched.images.dockerfile.installs import APT, PIP, Kind, packages_in, where_looked
from mlc_patched.images.dockerfile.render import ImageRecipe, account_block, render
from mlc_patched.images.dockerfile.syntax import DockerfileError, final_stage, instructions
from mlc_patched.images.packages import pip_name

BLOCK = account_block("demo", "custom", "debian:12")


def add(text: str, package: str, kind: Kind = PIP) -> str:
    return add_package(text, package, kind, Changes())


def remove(text: str, package: str, kind: Kind = PIP) -> str:
    return remove_package(text, package, kind, Changes())


def dockerfile(*pip: str, apt: tuple[str, ...] = ()) -> str:
    return render(ImageRecipe("demo", "debian:12", "custom", apt, pip))


@pytest.mark.parametrize("kind", [PIP, APT], ids=["pip", "apt"])
def test_adding_gives_what_render_would_write(kind: Kind) -> None:
    if kind is PIP:
        assert add(dockerfile("b", "d"), "c") == dockerfile("b", "c", "d")
        assert add(dockerfile("b"), "a<2") == dockerfile("a<2", "b")
        assert add(dockerfile("b"), "c") == dockerfile("b", "c")
        assert add(dockerfile(), "a") == dockerfile("a")
    else:
        assert add(dockerfile(), "ffmpeg", APT) == dockerfile(apt=("ffmpeg",))
        assert add(dockerfile(), "zsh", APT) == dockerfile(apt=("zsh",))


def test_removing_removes_one_package_only() -> None:
    assert remove(dockerfile("a", "b", "c"), "b") == dockerfile("a", "c")
    assert remove(dockerfile("a", "b", "c"), "c") == dockerfile("a", "b")
    assert remove(dockerfile("a"), "A") == dockerfile()
    assert remove(dockerfile(apt=("ffmpeg",)), "ffmpeg", APT) == dockerfile()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN pip install a b", "RUN pip install a b new"),
        ("RUN pip3 install a&& echo x", "RUN pip3 install a new&& echo x"),
        ("RUN python3.11 -m pip install -q a; x", "RUN python3.11 -m pip install -q a new; x"),
        ("RUN pip install 'a<2' # no comment", "RUN pip install 'a<2' new # no comment"),
        ("RUN apt-get update && pip install \\\n  -r r.txt a", None),
        ("run PIP_X=1 pip install a \\\n\n  && true", None),
        ("RUN pip install \\\n    # why\n    a \\\n    # and\n    z \\\n && true", None),
        ("RUN pip install a \\\n    # last\n    && rm x\n# after", None),
        ("RUN uv pip install --system a", "RUN uv pip install --system a new"),
        ("RUN pip install a > log 2> err", "RUN pip install a new > log 2> err"),
        ("RUN pip install 'b @ https://e.org/b' a", "RUN pip install 'b @ https://e.org/b' a new"),
        ("RUN --mount=type=cache,target=/x pip install a", None),
    ],
)
def test_hand_edits_stay(before: str, after: str | None) -> None:
    text = f"# top\nFROM debian:12 AS x\n{before}\n\n{BLOCK}"
    changed = add(text, "new")
    if after is not None:
        assert changed == text.replace(before, after)
    assert "new" in packages_in(changed, PIP)
    assert remove(changed, "new") == text


def test_comments_inside_a_step_stay_where_they_are() -> None:
    text = "FROM x\nRUN pip install \\\n    # why\n    a \\\n    # and\n    z \\\n && true\n"
    assert add(text, "m") == text.replace("    z \\\n", "    m \\\n    z \\\n")
    assert remove(text, "a") == text.replace("    a \\\n", "")


def test_a_special_step_takes_no_new_package_but_loses_one() -> None:
    text = (
        "FROM x\nRUN pip install torch --index-url https://e.org/cu121\n"
        f"RUN pip install --upgrade pip\n\n{BLOCK}"
    )
    changed = add(text, "pandas")
    assert changed.startswith(text.partition("\n\n")[0])
    assert "# Python packages (pip)\nRUN python3 -m pip install --no-cache-dir" in changed
    assert packages_in(remove(text, "pip"), PIP) == ("torch",)


def test_a_version_is_changed_in_place() -> None:
    text = dockerfile("numpy", "pandas")
    changes = Changes()
    assert add_package(text, "numpy<2", PIP, changes) == text.replace("numpy", '"numpy<2"')
    assert changes.added == ["numpy<2"]
    assert add(dockerfile("numpy<2"), "numpy==1.26") == dockerfile("numpy==1.26")


def test_a_package_that_is_there_is_not_added_again() -> None:
    changes = Changes()
    text = dockerfile("Scikit_Learn<2")
    assert add_package(text, "scikit-learn", PIP, changes) == text
    assert changes.present == ["Scikit_Learn<2"]


def test_packages_with_versions_are_recognised_by_name() -> None:
    text = 'FROM x\nARG V=1\nRUN pip install torch==${V} "b @ https://e.org/b" six\n'
    assert add(text, "torch") == text
    assert remove(text, "torch") == text.replace(" torch==${V}", "")
    assert remove(text, "b") == text.replace(' "b @ https://e.org/b"', "")
    assert add(text, "torch==2") == text.replace("torch==${V}", "torch==2")


def test_only_the_last_stage_counts() -> None:
    text = f"FROM a AS build\nRUN pip install one\nFROM b\nRUN pip install two\n\n{BLOCK}"
    assert packages_in(text, PIP) == ("two",)
    assert "RUN pip install two three\n" in add(text, "three")
    assert remove(text, "one") == text


def test_without_a_place_the_message_lists_the_steps() -> None:
    text = 'FROM debian\nRUN echo pip install x\nRUN ["pip", "install", "y"]\n'
    with pytest.raises(DockerfileError, match="no step of its last stage installs Python packages"):
        add(text, "pandas")
    assert "line 2 (2 packages)" in where_looked("FROM x\nRUN pip install a b\n", PIP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "RUN pip install a\n",
        "FROM x\nRUN pip install \\\n",
        "FROM x\nRUN <<EOF\npip install a\n",
        "# escape=`\nFROM x\nRUN pip install `\n a\n",
        "FROM x\n123\n",
    ],
)
def test_an_unreadable_dockerfile_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile"):
        add(text, "a")


def test_a_step_that_does_more_is_not_removed() -> None:
    text = "FROM x\nRUN pip install a && python3 -c 'import a'\n"
    with pytest.raises(DockerfileError, match="line 2"):
        remove(text, "a")


def test_a_here_document_is_skipped() -> None:
    text = f"FROM x\nRUN <<EOF\npip install a\n123\nEOF\nRUN pip install b\n\n{BLOCK}"
    assert packages_in(text, PIP) == ("b",)


def test_the_account_block_is_found_added_and_its_parts_refused() -> None:
    text = "FROM debian:12\r\nRUN true"
    assert not has_account_block(text)
    whole = with_account_block(text, BLOCK)
    assert has_account_block(whole)
    assert whole.startswith("FROM debian:12\r\nRUN true\r\n\r\n# Your account")
    assert whole.count("\n") == whole.count("\r\n")
    assert has_account_block(dockerfile("a"))
    with pytest.raises(DockerfileError, match="only part of"):
        has_account_block('FROM x\nLABEL aime.mlc.DS01_HAS_USER_SETUP="true"\n')


# Dockerfiles as people write them.

PACKAGES = st.sampled_from(
    ["numpy", "pandas<3", "Scipy", '"torch>=2"', "'jax[cuda12]'", "six==1.17"]
)
COMMENT = st.sampled_from(["# a comment", "  # indented", "#", "# pip install nothing", ""])
INDENT = st.sampled_from(["", "  ", "\t", "        "])
OTHER = st.sampled_from(
    [
        "ENV A=1 B='x y'",
        "RUN apt-get update && apt-get install -y git \\\n  && rm -rf /var/lib/apt/lists/*",
        "COPY --chown=1:1 . /src",
        "RUN echo 'pip install nothing' && true",
        'CMD ["bash", "-c", "true"]',
        "RUN set -e; for x in 1 2; do echo $x; done",
        "WORKDIR /a b",
    ]
)


@st.composite
def pip_steps(draw: st.DrawFn) -> str:
    packages = draw(st.lists(PACKAGES, min_size=1, max_size=4, unique_by=pip_name_of))
    front = draw(st.sampled_from(["pip install", "python3 -m pip install --no-cache-dir -q"]))
    tail = draw(st.sampled_from(["", " && true", " \\\n && rm -rf /tmp/x"]))
    if draw(st.booleans()):
        return f"RUN {front} {' '.join(packages)}{tail}"
    indent = draw(INDENT)
    lines = [f"RUN {front} \\"]
    for number, package in enumerate(packages):
        if comment := draw(st.sampled_from(["", "# why", "   # because \\"])):
            lines.append(f"{comment}")
        is_last = number == len(packages) - 1
        lines.append(f"{indent} {package}{tail if is_last else ' ' + chr(92)}")
    return "\n".join(lines)


def pip_name_of(word: str) -> str:
    return pip_name(word.strip("'\""))


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    parts = ["FROM debian:12"]
    parts += draw(st.lists(st.one_of(COMMENT, OTHER, pip_steps()), max_size=8))
    text = "\n".join(parts) + "\n\n" + BLOCK
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def parsed(text: str) -> list[tuple[str, str]]:
    parser = DockerfileParser(fileobj=io.BytesIO(text.replace("\r\n", "\n").encode()))
    return [
        (each["instruction"], each["value"])
        for each in parser.structure
        if each["instruction"] != "COMMENT"
    ]


@given(dockerfiles(), st.sampled_from(["aaa", "new-package", "zzz>=1", "Mid[x,y]<2"]))
def test_adding_changes_one_step_and_removing_it_gives_the_very_same_bytes(
    text: str, package: str
) -> None:
    changed = add(text, package)
    assert package in packages_in(changed, PIP)
    assert remove(changed, package) == text
    before, after = parsed(text), parsed(changed)
    different = [pair for pair in after if pair not in before]
    assert len(different) == 1
    assert "pip install" in different[0][1]


def _one_edit(before: str, after: str) -> bool:
    """Whether the second text is the first with a single piece inserted."""
    front = 0
    while front < len(before) and before[front] == after[front]:
        front += 1
    return after.endswith(before[front:])


@given(dockerfiles(), st.sampled_from(["aaa", "new-package", "zzz>=1"]))
def test_adding_inserts_one_piece_and_changes_nothing_else(text: str, package: str) -> None:
    assert _one_edit(text, add(text, package))


@given(dockerfiles(), PACKAGES)
def test_removing_removes_that_package_only(text: str, package: str) -> None:
    name = pip_name_of(package)
    before = packages_in(text, PIP)
    try:
        after = packages_in(remove(text, name), PIP)
    except DockerfileError:
        return  # it was all of a step that does more
    assert after == tuple(each for each in before if pip_name(each) != pip_name(name))


@given(dockerfiles())
def test_instructions_agree_with_dockerfile_parse(text: str) -> None:
    found = [each.keyword for each in instructions(text)]
    assert found == [keyword for keyword, _ in parsed(text)]
    assert final_stage(instructions(text))[0].keyword == "FROM"


@given(st.text(alphabet="FROMRUN pipinstal\\\n#'\"<E&;[]\r\t=", max_size=200))
def test_any_text_is_parsed_or_refused_with_a_message(text: str) -> None:
    try:
        changed = add(f"FROM x\n{text}\n\n{BLOCK}", "six")
    except DockerfileError:
        return
    assert "six" in packages_in(changed, PIP)
