"""Adding packages to and removing them from a Dockerfile that was edited by hand."""

from __future__ import annotations

import io

import pytest
from dockerfile_parse import DockerfileParser
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.dockerfile.by_pip import NOT_IN_INDEX, TOO_OLD, without_uv
from mlc_patched.images.dockerfile.edit import (
    Changes,
    add_packages,
    framework_in,
    has_account_block,
    missing_account_block,
    remove_package,
    renamed,
    with_account_block,
)
from mlc_patched.images.dockerfile.installs import APT, PIP, Kind, packages_in, where_looked
from mlc_patched.images.dockerfile.package_steps import (
    UV_COMMENT,
    UV_VERSION,
    apt_step,
    python_step,
    uv_step,
)
from mlc_patched.images.dockerfile.render import (
    USER_ID_ARGUMENT,
    ImageRecipe,
    account_block,
    render,
)
from mlc_patched.images.dockerfile.syntax import (
    DockerfileError,
    final_stage,
    instructions,
    line_break,
)
from mlc_patched.images.packages import pip_name
from mlc_patched.names import labels

BLOCK = account_block("demo", "custom", "debian:12")
DATE = "2026-11-26"


def add(text: str, package: str, kind: Kind = PIP) -> str:
    return add_packages(text, Changes(), **{kind.word: (package,)}, date=DATE)


def remove(text: str, package: str, kind: Kind = PIP) -> str:
    return remove_package(text, package, kind, Changes())


def dockerfile(*pip: str, apt: tuple[str, ...] = ()) -> str:
    return render(ImageRecipe("demo", "debian:12", "custom", apt, pip))


def test_a_package_is_appended_by_a_step_before_the_account_block() -> None:
    text = dockerfile("b", "d")
    piece = f"# Added on {DATE}\n{python_step(('c',))}\n"
    assert add(text, "c") == text.replace("# Your account", f"{piece}# Your account")
    again = add(add(text, "c"), "a<2")
    assert again.count(f"# Added on {DATE}") == 2
    assert packages_in(again, PIP) == ("b", "d", "c", "a<2")


def test_packages_of_one_command_share_a_comment_and_a_step_of_their_kind() -> None:
    text = dockerfile("b")
    changes = Changes()
    changed = add_packages(text, changes, apt=("zsh", "fd"), pip=("Y", "x[a]>1", "b"), date=DATE)
    assert (changes.added, changes.present) == (["zsh", "fd", "Y", "x[a]>1"], ["b"])
    piece = f"# Added on {DATE}\n{apt_step(('fd', 'zsh'))}{python_step(('x[a]>1', 'Y'))}\n"
    assert changed == text.replace("# Your account", f"{piece}# Your account")


def test_removing_the_only_package_of_an_appended_step_removes_step_and_comment() -> None:
    text = dockerfile("b")
    both = add_packages(text, Changes(), apt=("fd",), pip=("x",), date=DATE)
    assert remove(both, "x") == add(text, "fd", APT)
    assert remove(both, "fd", APT) == add(text, "x")
    assert remove(remove(both, "fd", APT), "x") == text
    as_user = f"FROM debian:12\nUSER me\n\n{BLOCK}"
    assert remove(add(as_user, "fd", APT), "fd", APT) == as_user


def test_uv_is_installed_once_before_the_first_step_that_needs_it() -> None:
    for text in (dockerfile(), f"FROM x\nRUN pip install a\n\n{BLOCK}"):
        changed = add(add(text, "b"), "c")
        assert changed.count(uv_step()) == 1
        assert changed.index(uv_step()) < changed.index("# Added on")
    own = f"FROM x\nRUN pip install 'uv>=0.9' a\n\n{BLOCK}"
    assert uv_step() not in add(own, "b")
    assert packages_in(own, PIP) == ("a",)


def test_where_uv_cannot_be_had_pip_installs_now_and_later() -> None:
    text = add(dockerfile("b"), "c")
    by_pip = without_uv(text, TOO_OLD)
    assert "# pip installs Python packages here, as uv does not support this Python\n" in by_pip
    assert "uv pip install" not in by_pip
    assert "uv==" not in by_pip
    assert packages_in(by_pip, PIP) == ("b", "c")
    assert without_uv(text.replace("\n", "\r\n"), TOO_OLD) == by_pip.replace("\n", "\r\n")
    assert without_uv(add(by_pip, "d"), NOT_IN_INDEX) == add(by_pip, "d")
    older = text.replace(f"uv=={UV_VERSION}", "uv==0.1")
    assert without_uv(older, TOO_OLD) == by_pip
    by_ssh = f"RUN --mount=type=ssh GIT='ssh' {python_step(('x',)).removeprefix('RUN ')}"
    assert " GIT='ssh' PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install" in without_uv(
        text.replace("# Your account", f"{by_ssh}\n# Your account"), NOT_IN_INDEX
    )


@pytest.mark.parametrize(
    "step",
    [
        python_step(("-r /usr/local/src/demo/pyproject.toml",)),
        "RUN python3 -m uv export --frozen -o requirements.txt\n",
        "RUN uv pip install --system x\n",
        "RUN cd /x && python3 -I -m uv sync\n",
        "RUN pip install uv==0.9\n",
    ],
)
def test_a_dockerfile_that_needs_uv_itself_keeps_it(step: str) -> None:
    text = dockerfile("b").replace("# Your account", f"{step}\n# Your account")
    assert without_uv(text, NOT_IN_INDEX) == text


def test_steps_that_are_brought_are_by_pip_where_it_can_install_them() -> None:
    by_pip = without_uv(dockerfile("b"), NOT_IN_INDEX)
    brought = python_step(("-r /usr/local/src/demo/requirements.txt",))
    added = add_packages(by_pip, Changes(), steps=brought, date=DATE)
    assert "uv==" not in added
    assert added.count("-m pip install --no-cache-dir \\\n") == 2
    project = python_step(("-r /usr/local/src/demo/pyproject.toml",))
    added = add_packages(by_pip, Changes(), steps=project, date=DATE)
    assert project in added
    assert added.index(uv_step()) < added.index(project)


@pytest.mark.parametrize(
    ("middle", "place"),
    [
        ("RUN pip install a\nRUN make\n", "RUN make\n\n|"),
        ("RUN pip install a\nUSER me\nRUN make\n", "RUN pip install a\n|USER me\n"),
        ("RUN pip install a\nSHELL ['bash']\n", "RUN pip install a\n|SHELL"),
        # pip installs into the user's home there, but uv does not.
        ("USER me\nRUN pip install a\nRUN make\n", "RUN make\n\n|# root"),
        ("RUN make\n", "RUN make\n\n|# root"),
        ("USER root\nRUN make\n", "RUN make\n\n|"),
        ("USER me\n", "USER me\n\n|# root"),
    ],
)
def test_a_step_goes_to_the_end_unless_the_user_or_shell_changes(middle: str, place: str) -> None:
    text = f"FROM debian:12\n{middle}\n{BLOCK}"
    before, _, rest = place.partition("|")
    changed = add(text, "new")
    at = changed.index(UV_COMMENT)
    assert changed[:at].endswith(before)
    assert changed.replace(changed[at : changed.index("new\n\n") + 5], "") == text
    as_root = f"{UV_COMMENT}\nUSER root\n" in changed
    assert as_root == (rest == "# root")
    if not as_root:
        assert changed[changed.index("new\n\n") + 5 :].startswith(rest)


def test_a_debian_package_is_installed_as_root() -> None:
    text = f"FROM jupyter/base\nRUN pip install a\n\n{BLOCK}"
    assert f"# Added on {DATE}\nUSER root\nRUN apt-get" in add(text, "fd", APT)
    assert "USER root\nRUN python3 -m uv" not in add(text, "b")


def test_removing_removes_one_package_only() -> None:
    assert remove(dockerfile("a", "b", "c"), "b") == dockerfile("a", "c")
    assert remove(dockerfile("a", "b", "c"), "c") == dockerfile("a", "b")
    assert remove(dockerfile("a"), "A") == dockerfile("a").replace(f"{python_step('a')}\n", "\n")
    assert remove(dockerfile(apt=("ffmpeg", "tree")), "ffmpeg", APT) == dockerfile(apt=("tree",))
    assert "less" in (packages := packages_in(dockerfile(), APT))
    left = remove(dockerfile(), "less", APT)
    assert packages_in(left, APT) == tuple(name for name in packages if name != "less")


@pytest.mark.parametrize(
    "step",
    [
        "RUN pip install a b",
        "RUN pip3 install a&& echo x",
        "RUN python3.11 -I -m pip install -q a; x",
        "RUN pip install 'a<2' # no comment",
        "RUN apt-get update && pip install \\\n  -r r.txt a",
        "run PIP_X=1 pip install a \\\n\n  && true",
        "RUN pip install \\\n    # why\n    a \\\n    # and\n    z \\\n && true",
        "RUN pip install a \\\n    # last\n    && rm x\n# after",
        "RUN uv pip install --system a",
        "RUN python3 -m uv pip install -p python3 --torch-backend cu128 a",
        "RUN pip install a > log 2> err",
        "RUN pip install 'b @ https://e.org/b' a",
        "RUN --mount=type=cache,target=/x pip install a",
        "RUN pip install torch a --index-url https://e.org/cu121",
    ],
)
def test_hand_edits_stay(step: str) -> None:
    text = f"# top\nFROM debian:12 AS x\n{step}\n\n{BLOCK}"
    changed = add(text, "new")
    assert _one_edit(text, changed)
    assert "a" in packages_in(changed, PIP) or "a<2" in packages_in(changed, PIP)
    assert packages_in(changed, PIP)[-1] == "new"
    assert remove(changed, "new") == text.replace("# Your account", f"{uv_step()}\n# Your account")


def test_comments_inside_a_step_stay_where_they_are() -> None:
    text = "FROM x\nRUN pip install \\\n    # why\n    a \\\n    # and\n    z \\\n && true\n"
    assert remove(text, "a") == text.replace("    a \\\n", "")


def test_a_version_is_changed_in_place() -> None:
    text = dockerfile("numpy", "pandas")
    changes = Changes()
    changed = add_packages(text, changes, pip=("numpy<2",), date=DATE)
    assert changed == text.replace("numpy", '"numpy<2"')
    assert changes.added == ["numpy<2"]
    assert add(dockerfile("numpy<2"), "numpy==1.26") == dockerfile("numpy==1.26")


def test_a_package_that_is_there_is_not_added_again() -> None:
    changes = Changes()
    text = dockerfile("Scikit_Learn<2")
    assert add_packages(text, changes, pip=("scikit-learn",), date=DATE) == text
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
    assert packages_in(add(text, "three"), PIP) == ("two", "three")
    assert remove(text, "one") == text


def test_without_a_place_the_message_lists_the_steps() -> None:
    text = 'FROM debian\nRUN echo pip install x\nRUN ["pip", "install", "y"]\n'
    with pytest.raises(DockerfileError, match="no step of its last stage installs Python packages"):
        add(text, "pandas")
    assert "line 2 (2 packages)" in where_looked("FROM x\nRUN pip install a b\n", PIP)


def test_a_step_that_does_more_is_not_removed() -> None:
    text = "FROM x\nRUN pip install a && python3 -c 'import a'\n"
    with pytest.raises(DockerfileError, match="line 2"):
        remove(text, "a")


@pytest.mark.parametrize(
    "more",
    [
        "&& ldconfig",
        "&& make",
        "&& rm -rf /opt/old",
        "&& rm -rf /tmp/x /opt/old",
        "&& rm -rf /tmp/../opt/old",
        "&& rm /tmp/x",
        "&& apt-get remove -y git",
        "&& apt-get install -y git",
        "&& apt-get",
        "&& curl update",
        "&& pip install b",
        "| tee log",
    ],
)
def test_a_step_that_does_anything_more_is_never_taken_out_with_its_package(more: str) -> None:
    text = f"FROM x\nRUN pip install a {more}\n"
    with pytest.raises(DockerfileError, match=r"a is the only package of the step in line 2"):
        remove(text, "a")


@pytest.mark.parametrize(
    "step",
    [
        "RUN pip install a",
        "RUN pip install a && rm -rf /root/.cache /tmp/x",
        "RUN apt-get update && pip install a \\\n && apt-get clean && rm -rf /var/lib/apt/lists/*",
        "RUN apt update; pip install a; apt clean",
        "RUN pip install a || true",
        "RUN pip install a --index-url https://e.org/cu121",
        "RUN pip install -c limits.txt a > log",
        "RUN pip install a 2> log",
        "RUN pip install a >log",
    ],
)
def test_a_step_for_one_package_goes_with_it(step: str) -> None:
    """Without a package, pip fails, and with it the whole build."""
    assert remove(f"FROM x\n{step}\nRUN b\n", "a") == "FROM x\nRUN b\n"


@pytest.mark.parametrize(
    "more",
    [
        "-r r.txt",
        "-rr.txt",
        "-qr r.txt",
        "-qrr.txt",
        "--requirement=r.txt",
        "-e .",
        "--editable .",
        "--group dev",
        "https://e.org/x.whl",
        "./x",
        "$MORE",
    ],
)
def test_a_step_that_installs_more_than_packages_stays(more: str) -> None:
    assert remove(f"FROM x\nRUN pip install a {more}\n", "a") == f"FROM x\nRUN pip install {more}\n"
    assert remove(f"FROM x\nRUN pip install {more} a\n", "a") == f"FROM x\nRUN pip install {more}\n"


@pytest.mark.parametrize("break_", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "|"])
@pytest.mark.parametrize("between", ["", "  # why|", "|", "# a|# b \\|"])
@pytest.mark.parametrize("continuation", [" \\", "\\", " \\ "])
def test_without_its_last_package_a_step_ends_with_the_one_before(
    continuation: str, between: str, end: str, break_: str
) -> None:
    text = f"FROM x|RUN pip install \\|    a{continuation}|{between}    b{end}".replace("|", break_)
    left = f"FROM x|RUN pip install \\|    a|{between}".replace("|", break_)
    assert remove(text, "b") == (left if end else left.rstrip("\r\n"))


def test_a_package_among_others_on_a_line_leaves_no_gap() -> None:
    text = "FROM x\nRUN pip install a \t b c \\\n    d && true # e\n"
    assert remove(text, "b") == text.replace(" \t b", "")
    assert remove(text, "d") == text.replace("    d", "")
    assert remove(text, "c") == text.replace(" c", "")


WHEEL = "/usr/local/src/demo/My_whl-1.0-py3-none-any.whl"
STEPS_OF_WHEEL = f"COPY demo.My_whl-1.0-py3-none-any.whl {WHEEL}\n{python_step([WHEEL])}"


def test_a_wheel_is_removed_by_its_name_with_its_copy() -> None:
    text = render(ImageRecipe("demo", "debian:12", "custom", (), ("numpy",)))
    added = add_packages(text, Changes(), steps=STEPS_OF_WHEEL, date="2026-11-28")
    assert added != text
    changes = Changes()
    assert remove_package(added, "my.whl", PIP, changes) == text
    assert changes.removed == [WHEEL]
    both = add_packages(text, Changes(), pip=["six"], steps=STEPS_OF_WHEEL, date="2026-11-28")
    removed = remove_package(both, "my-whl", PIP, Changes())
    assert removed == add_packages(text, Changes(), pip=["six"], date="2026-11-28")


def test_the_copy_of_a_wheel_stays_if_another_step_names_it() -> None:
    copy, install = f"COPY a.whl {WHEEL}\n", f"RUN pip install six {WHEEL}\n"
    for more in (f"RUN sha256sum {WHEEL}\n", f"RUN cp {WHEEL} /x\n"):
        removed = remove_package(f"FROM x\n{copy}{install}{more}", "my-whl", PIP, Changes())
        assert removed == f"FROM x\n{copy}RUN pip install six\n{more}"
    several = "FROM x\nCOPY a.whl b.whl /w/\nRUN pip install /w/a-1.whl /w/b-1.whl\n"
    assert remove_package(several, "a", PIP, Changes()) == several.replace(" /w/a-1.whl", "")


def test_of_a_file_with_packages_the_wheel_is_removed_only() -> None:
    text = f"FROM x\nRUN pip install -r /r.txt {WHEEL}\n"
    assert remove_package(text, "my-whl", PIP, Changes()) == "FROM x\nRUN pip install -r /r.txt\n"
    for other in ("https://x.example/b.zip", "$MORE"):
        text = f"FROM x\nRUN pip install {other} https://x.example/My_whl-1.0-py3-none-any.whl\n"
        removed = remove_package(text, "my-whl", PIP, Changes())
        assert removed == f"FROM x\nRUN pip install {other}\n"


def test_a_package_is_removed_from_every_step() -> None:
    text = "FROM x\nRUN pip install a<2\nRUN pip install b A\n".replace("a<2", "'a<2'")
    changes = Changes()
    assert remove_package(text, "a", PIP, changes) == "FROM x\nRUN pip install b\n"
    assert (changes.removed, changes.added, changes.present) == (["a<2", "A"], [], [])


def test_a_comment_that_was_added_with_a_step_goes_only_with_it() -> None:
    added = f"# Added on {DATE}\n"
    step = "RUN pip install a\n"
    for before, after in (
        ("", "\n"),
        ("", "RUN make\n"),  # the comment is of that step, too
        ("USER root\n", "RUN make\n"),
        ("USER me\n", "\n"),
    ):
        rest = f"{added}{before}{after}"
        text = f"FROM x\n{added}{before}{step}{after}USER z\n"
        goes = (before, after) == ("", "\n")
        assert remove(text, "a") == f"FROM x\n{'' if goes else rest}USER z\n"
    assert remove(f"FROM x\n{added}USER root\n{step}\nUSER z\n", "a") == "FROM x\nUSER z\n"
    assert remove(f"FROM x\nUSER root\n{step}\nUSER z\n", "a") == "FROM x\nUSER root\n\nUSER z\n"
    assert remove(f"FROM x\n# mine\n{step}\nUSER z\n", "a") == "FROM x\n# mine\n\nUSER z\n"
    assert remove(f"FROM x\n{added}{step}", "a") == f"FROM x\n{added}", "no empty line below"


def test_words_that_only_look_like_the_account_block_are_none_of_it() -> None:
    argument, step, label = (
        f"ARG {USER_ID_ARGUMENT}",
        f"RUN useradd -u ${USER_ID_ARGUMENT} me",
        f'LABEL {labels.HAS_USER_SETUP}="true"',
    )
    assert has_account_block(f"FROM x\n{argument}\n{step}\n{label}\n")
    for part in (
        f"ENV A={USER_ID_ARGUMENT}",
        "RUN useradd me",
        f"RUN echo ${USER_ID_ARGUMENT}",
        f"COPY useradd {USER_ID_ARGUMENT}",
        "ARG USER_ID",
        f"ENV {labels.HAS_USER_SETUP}=1",
        "LABEL a=b",
    ):
        assert not has_account_block(f"FROM x\n{part}\n"), part
    for left_out in (argument, step, label):
        parts = [part for part in (argument, step, label) if part != left_out]
        text = "\n".join(("FROM x", *parts, ""))
        with pytest.raises(DockerfileError, match=r"is missing") as refused:
            has_account_block(text)
        assert str(refused.value).count("is present") == 2
        with pytest.raises(DockerfileError, match="is present"):
            has_account_block(f"FROM x\n{left_out}\n")
    assert not has_account_block(f"FROM x\n{argument}\n{step}\n{label}\nFROM y\n")


def test_the_account_block_that_lacks_is_for_the_project_and_its_base() -> None:
    text = "FROM debian:12\nRUN true\n"
    assert missing_account_block(text, "demo") == account_block("demo", "custom", "debian:12")
    named = missing_account_block(text, "demo", "JAX")
    assert named == account_block("demo", "JAX", "debian:12")
    assert missing_account_block(text + named, "demo", "JAX") == ""
    assert with_account_block(text, "") == text
    assert with_account_block(text, "a\nb\n") == f"{text}\na\nb\n"
    assert with_account_block("FROM x", "a\n") == "FROM x\n\na\n"
    assert with_account_block("", "a\n") == "\na\n"


def test_the_framework_is_read_from_the_account_block() -> None:
    assert framework_in(f"FROM x\n\n{account_block('demo', 'JAX-0.5', 'x')}") == "JAX-0.5"
    assert framework_in("FROM x\n") == ""


def test_a_dockerfile_is_renamed_in_its_labels_and_comment_only() -> None:
    before = dockerfile("demo", "a").replace("# Your account", "# demo stays\n# Your account")
    text, other = before.splitlines(), renamed(before, "OTHER").splitlines()
    changed = [pair for pair in zip(text, other, strict=True) if pair[0] != pair[1]]
    assert all(new.replace("OTHER", "demo") == old for old, new in changed)
    assert [new.split("OTHER")[0].strip() for _, new in changed] == [
        "# The image of the project",
        "# image-update",
        f'{labels.PROJECT}="',
        'org.opencontainers.image.title="',
    ]
    text = before
    twice = text + "\n# The image of the project demo. This file\n"
    assert renamed(twice, "other").endswith("project demo. This file\n"), "a comment of the user's"
    assert renamed("FROM demo\n", "other") == "FROM demo\n"


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
def test_adding_appends_steps_and_removing_leaves_every_other_byte(text: str, package: str) -> None:
    changed = add(text, package)
    assert packages_in(changed, PIP) == (*packages_in(text, PIP), package)
    assert _one_edit(text, changed)
    removed = remove(changed, package)
    assert package not in packages_in(removed, PIP)
    for step in (uv_step(), uv_step().replace("\n", "\nUSER root\n", 1)):
        removed = removed.replace(f"{step}\n".replace("\n", line_break(text)), "")
    assert removed == text
    before, after = parsed(text), iter(parsed(changed))
    assert all(pair in after for pair in before)


@given(dockerfiles(), st.lists(st.sampled_from(["a1", "b2>1", "Scipy", "numpy==2"]), max_size=3))
def test_no_edit_by_hand_is_ever_lost(text: str, packages: list[str]) -> None:
    """Every line but that of a package whose version changes stays, in its order."""
    changed = text
    for package in packages:
        changed = add(changed, package)
    lines = iter(changed.splitlines())
    kept = [line for line in text.splitlines() if "numpy" not in line]
    assert all(line in lines for line in kept)


def _one_edit(before: str, after: str) -> bool:
    """Whether the second text is the first with a single piece inserted."""
    front = 0
    while front < len(before) and before[front] == after[front]:
        front += 1
    return after.endswith(before[front:])


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
