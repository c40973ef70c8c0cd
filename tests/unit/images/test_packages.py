"""The packages that are allowed in a Dockerfile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.errors import UsageError
from mlc_patched.images.packages import (
    apt_name,
    apt_packages,
    check_apt,
    check_pip,
    merged,
    pip_name,
    pip_packages,
    preset,
    quoted,
    requirements_of,
    split_words,
    unquoted,
)
from mlc_patched.images.presets import PRESETS


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        (["pandas"], ("pandas",)),
        (["pandas numpy"], ("pandas", "numpy")),
        (["pandas,numpy<2"], ("pandas", "numpy<2")),
        (["numpy>=1,<2 scipy"], ("numpy>=1,<2", "scipy")),
        (["jax[cuda12,cpu]==0.4.30"], ("jax[cuda12,cpu]==0.4.30",)),
        (["a,b[c,d]>=1,<2,e"], ("a", "b[c,d]>=1,<2", "e")),
        (["a", "a"], ("a",)),
        (["torch==2.8.*", "x~=1.4", "y!=3"], ("torch==2.8.*", "x~=1.4", "y!=3")),
        (["ruamel.yaml"], ("ruamel.yaml",)),
    ],
)
def test_arguments_become_requirements(words: list[str], packages: tuple[str, ...]) -> None:
    assert pip_packages(words) == packages


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a   b , c,\td", ["a", "b", "c", "d"]),
        ("a, b @ https://x/b.whl  c", ["a", "b @ https://x/b.whl", "c"]),
        (" b[e] \t@  https://x/b.whl ", ["b[e] \t@  https://x/b.whl"]),
    ],
)
def test_a_name_and_its_url_are_one_word(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    "answer",
    [
        "pandas 'numpy<2' jax[cuda12]",
        "'pandas', 'numpy<2', 'jax[cuda12]'",
        '"pandas","numpy<2","jax[cuda12]",',
        "pandas,  numpy<2,jax[cuda12]",
        "\u201cpandas\u201d, \u2018numpy<2\u2019 `jax[cuda12]`",
    ],
)
def test_an_answer_may_have_commas_and_quotes(answer: str) -> None:
    assert pip_packages([unquoted(answer)]) == ("pandas", "numpy<2", "jax[cuda12]")


@pytest.mark.parametrize(
    "requirement",
    [
        "",
        "git+https://example.org/x",
        "https://example.org/x.whl",
        "x @ file:///x",
        "--index-url=x",
        "-r",
        "./x",
        "a;rm",
        "a\nRUN id",
        "a\n",
        "a b",
        "$(id)",
        "a`id`",
        'a"b',
        "a'b",
        "a\\",
        "ä",
        "a==",
        "[x]",
        "a[",
        "-a",
        "a&&b",
        "a" * 300,
        "a==1 ; python_version<'3'",
    ],
)
def test_anything_else_is_refused_with_a_message(requirement: str) -> None:
    with pytest.raises(UsageError, match=r"\w{3}"):
        check_pip(requirement)


def test_for_an_option_and_a_url_the_message_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="PIP_INDEX_URL"):
        check_pip("--extra-index-url=https://example.org")
    with pytest.raises(UsageError, match="--edit"):
        check_pip("git+https://example.org/x")


@given(st.text())
def test_no_allowed_requirement_can_break_out_of_its_quotes(text: str) -> None:
    try:
        allowed = check_pip(text)
    except UsageError:
        return
    assert not set(allowed) & set(" \t\r\n\"'`$\\;&|(){}#")
    assert quoted(allowed).strip('"') == allowed


@given(st.text())
def test_no_allowed_debian_package_means_more_to_a_shell(text: str) -> None:
    try:
        allowed = check_apt(text)
    except UsageError:
        return
    assert quoted(allowed) == allowed
    assert not allowed.startswith("-")


@pytest.mark.parametrize("name", ["g++", "libsndfile1", "python3.11", "git=1:2.39.5-0", "vim:i386"])
def test_a_debian_package_is_taken_with_version_and_architecture(name: str) -> None:
    assert apt_packages([name]) == (name,)


@pytest.mark.parametrize("name", ["vim-", "-y", "Vim", "a b;c", "./x.deb", "x/testing", "a\nb", ""])
def test_other_debian_package_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_apt(name)


def test_the_documented_presets_exist() -> None:
    assert set(preset("jupyter").pip) == {"jupyterlab", "ipykernel", "ipywidgets"}
    assert set(preset("data-science").pip) == {"pandas", "scipy", "scikit-learn", "matplotlib"}
    assert {"timm", "albumentations"} <= set(preset("CV").pip)
    assert {"transformers", "datasets"} <= set(preset("nlp").pip)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_sorted_and_pass_the_allow_list(name: str) -> None:
    pip, apt = PRESETS[name].pip, PRESETS[name].apt
    assert pip_packages(pip) == pip == tuple(sorted(pip))
    assert apt_packages(apt) == apt == tuple(sorted(apt))


def test_an_unknown_preset_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="jupyter, data-science"):
        preset("nope")


def test_merging_keeps_the_most_exact_requirement() -> None:
    assert merged(["scipy", "Numpy<2", "numpy", "pandas"]) == ("Numpy<2", "pandas", "scipy")
    assert merged(["a_b", "A-B==1"]) == ("A-B==1",)


def test_the_name_of_a_package_is_normalised_and_without_its_version() -> None:
    assert pip_name("Scikit_Learn[x]>=1") == "scikit-learn"
    assert pip_name("$VAR") == ""
    assert apt_name("git=1:2") == "git"


@pytest.mark.parametrize("check", [check_pip, check_apt])
def test_a_name_may_have_200_characters(check: Callable[[str], str]) -> None:
    assert check("a" * 200) == "a" * 200
    with pytest.raises(UsageError, match="is not the name of a"):
        check("a" * 201)


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        ("-r", "is an option of pip, not a package"),
        ("--x=https://e.org", "is an option of pip, not a package"),
        ("https:x://y", "is a URL or a path"),
        ("a@b", "is a URL or a path"),
        ("a/b", "is a URL or a path"),
        ("a;b", "is not the name of a Python package"),
    ],
)
def test_the_message_says_what_was_given_instead_of_a_package(requirement: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_pip(requirement)
    assert str(refused.value).startswith(f"'{requirement}' {words}")


@pytest.mark.parametrize("empty", ["", " ", ",", " , ,"])
def test_an_argument_without_a_name_is_refused(empty: str) -> None:
    with pytest.raises(UsageError, match="names no package") as refused:
        pip_packages(["a", empty])
    assert "variable" in refused.value.hint
    with pytest.raises(UsageError, match=f"'{empty}' names no package"):
        split_words(empty)
    assert split_words(" a, b ,c[d,e]") == ["a", "b", "c[d,e]"]


def test_the_first_place_of_a_package_counts() -> None:
    assert apt_packages(["git curl", "zsh,git"]) == ("git", "curl", "zsh")
    assert pip_packages(["b a", "b"]) == ("b", "a")


@pytest.mark.parametrize(
    ("package", "name"),
    [("git", "git"), ("git:amd64", "git"), ("git:amd64=1:2~a", "git"), ("Git", ""), ("-y", "")],
)
def test_the_name_of_a_debian_package_is_without_architecture_and_version(
    package: str, name: str
) -> None:
    assert apt_name(package) == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (("a<2", "a<3"), ("a<3",)),
        (("a", "A"), ("a",)),
        (("a<2", "a"), ("a<2",)),
        (("a", "a[x]"), ("a[x]",)),
        (("-r x", "b", "-r x", "-r y"), ("-r x", "-r y", "b")),
        (("B", "a", "C"), ("a", "B", "C")),
    ],
)
def test_each_package_is_merged_once(given: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert merged(given) == kept


def test_only_what_a_shell_would_interpret_is_quoted() -> None:
    assert [quoted(word) for word in ("a==1.0", "a<2", "-r /x/y z", "a[b]", "-rx<y")] == [
        "a==1.0",
        '"a<2"',
        "-r /x/y z",
        '"a[b]"',
        '"-rx<y"',
    ]


def test_the_lines_of_a_requirements_file_may_be_spaced_and_continued() -> None:
    text = "a [ b , c ] ~= 1.0 \\\r\n , != 2\n#c\n  d\t# e\n"
    assert requirements_of(text, "r.txt") == ("a[b,c]~=1.0,!=2", "d")
    with pytest.raises(UsageError, match=r"^r\.txt, line 1: 'a#b' is not the name"):
        requirements_of("a#b\n", "r.txt")


def test_a_requirements_file_is_listed() -> None:
    text = "# mine\npandas >= 2, < 3   # why\n\njax[cuda12]\r\nscipy \\\n  ==1.11\n"
    assert requirements_of(text, "r.txt") == ("pandas>=2,<3", "jax[cuda12]", "scipy==1.11")


@pytest.mark.parametrize("line", ["-r other.txt", "--hash=sha256:0", "-e .", "x @ https://e.org/x"])
def test_a_requirements_file_with_more_is_refused_by_line(line: str) -> None:
    with pytest.raises(UsageError, match=r"r\.txt, line 2: .*(?s:.)*--dockerfile"):
        requirements_of(f"pandas\n{line}\n", "r.txt")


@pytest.mark.parametrize("words", [["numpy>=1.20", "NumPy<2"], ["jax[cuda12]", "jax==0.4.30"]])
def test_two_requirements_of_one_package_are_refused_not_one_of_them_lost(words: list[str]) -> None:
    with pytest.raises(UsageError, match=r"are the same package\. Name it once, with all"):
        pip_packages(words)
    with pytest.raises(UsageError, match="are the same package"):
        requirements_of("\n".join(words), "r.txt")


def test_a_package_that_is_named_twice_alike_is_no_contradiction() -> None:
    assert pip_packages(["six", "six>=1", "Six>=1"]) == ("six", "six>=1", "Six>=1")
