"""Find the packages that a Dockerfile installs: steps, commands and words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from ...lean import dataclass
from ..packages import pip_name
from .package_steps import UV
from .syntax import Instruction, Word, final_stage, instructions, step_words

_PIP = re.compile(r"(?:.*/)?pip[0-9.]*")
_UV = re.compile(r"(?:.*/)?uv")
_PYTHON = re.compile(r"(?:.*/)?python[0-9.]*")
# Options of pip that take a value (pip install --help).
# fmt: off
_PIP_VALUES = frozenset((
    "-r", "--requirement", "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "-e", "--editable", "-t", "--target", "--root", "--prefix", "--platform",
    "--python-version", "--implementation", "--abi", "--src", "--timeout", "--retries", "--proxy",
    "--cert", "--client-cert", "--trusted-host", "--cache-dir", "--log", "--upgrade-strategy",
    "--progress-bar", "--no-binary", "--only-binary", "--config-settings", "-C", "--report",
    "--global-option", "--python", "--exists-action", "--root-user-action",
    # uv pip install --help
    "-p", "--constraints", "--requirements", "--overrides", "--override", "--excludes",
    "-b", "--build-constraint", "--build-constraints", "--extra", "--group", "--index",
    "--default-index", "--index-strategy", "--keyring-provider", "--allow-insecure-host",
    "-P", "--upgrade-package", "--reinstall-package", "--refresh-package", "--resolution",
    "--prerelease", "--fork-strategy", "--exclude-newer", "--link-mode", "--torch-backend",
    "--no-build-isolation-package", "--no-build-package", "--no-binary-package", "--config-setting",
    "--python-platform", "--color", "--directory", "--project", "--config-file",
))
# fmt: on
_INSTALLING = ("-r", "--requirement", "-e", "--editable", "--group")
_APT_VALUES = frozenset(("-t", "--target-release", "-o", "--option", "-c", "--config-file"))
_ENVIRONMENT = re.compile(r"[A-Za-z_]\w*=.*", re.S)
_PIP_WORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?=[\[<>=!~;@ ]|$)")
_APT_WORD = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?=[:=]|$)")
_REDIRECTION = re.compile(r"\d*(?:>>?|<)|&>")


@dataclass(frozen=True)
class Kind:
    """A kind of package, and how its install commands are parsed."""

    title: str
    word: str
    name: Callable[[str], str]
    arguments: Callable[[list[Word]], list[Word] | None]
    values: frozenset[str]


@dataclass(frozen=True)
class Install:
    """An install command in a step, and its packages in order. `others` are URLs, paths and
    variables; `reads_files` says whether it also installs what a file lists."""

    instruction: Instruction
    packages: tuple[Word, ...]
    others: tuple[Word, ...]
    reads_files: bool


def packages_in(text: str, kind: Kind) -> tuple[str, ...]:
    """Return the packages that the last stage of a Dockerfile installs, in order, without the
    installer."""
    words = [word.value for found in find_installs(text, kind) for word in found.packages]
    return tuple(word for word in words if kind is not PIP or kind.name(word) != UV)


def where_looked(text: str, kind: Kind) -> str:
    """Return a description of the steps that install packages of a kind."""
    found = [each for each in find_installs(text, kind) if each.packages]
    if not found:
        return f"no step of its last stage installs {kind.title} packages"
    steps = ", ".join(
        f"line {each.instruction.line} "
        f"({len(each.packages)} package{'s'[: len(each.packages) != 1]})"
        for each in found
    )
    return f"looked at the steps that install {kind.title} packages: {steps}"


def _name_of_pip(word: str) -> str:
    """Return the name of the package in a word of an install command, which may be more than a
    plain requirement: `torch==${VERSION}`, `x @ https://…`."""
    match = _PIP_WORD.match(word)
    return pip_name(match[1]) if match else ""


def name_of_wheel(word: str) -> str:
    """Return the name of the package in the path or URL of a wheel; empty for anything else."""
    file = word.rpartition("/")[2]
    return pip_name(file.partition("-")[0]) if file.endswith(".whl") else ""


def _name_of_apt(word: str) -> str:
    match = _APT_WORD.match(word)
    return match[1] if match else ""


def _pip_arguments(words: list[Word]) -> list[Word] | None:
    words = _program(words)
    if words and _UV.fullmatch(words[0].value):
        words = words[1:]
    values = [word.value for word in words[:2]]
    if len(values) == 2 and _PIP.fullmatch(values[0]) and values[1] == "install":
        return words[1:]
    return None


def _program(words: list[Word]) -> list[Word]:
    """Return a command without the Python that runs it: `python3 -I -m pip install …`."""
    if not words or not _PYTHON.fullmatch(words[0].value):
        return words
    at = next((n for n, word in enumerate(words) if word.value == "-m"), 0)
    is_module = at and all(word.value.startswith("-") for word in words[1:at])
    return words[at + 1 :] if is_module else []


def _apt_arguments(words: list[Word]) -> list[Word] | None:
    if not words or words[0].value not in ("apt-get", "apt"):
        return None
    for number, word in enumerate(words):
        if word.value == "install":
            return words[number:]
    return None


PIP = Kind("Python", "pip", _name_of_pip, _pip_arguments, _PIP_VALUES)
APT = Kind("Debian", "apt", _name_of_apt, _apt_arguments, _APT_VALUES)


def find_installs(text: str, kind: Kind) -> list[Install]:
    """Return the install commands of a kind in the last stage of a Dockerfile, in order."""
    found = []
    for instruction in final_stage(instructions(text)):
        if instruction.keyword == "RUN":
            for command in commands_of(step_words(text, instruction)):
                arguments = kind.arguments(command)
                if arguments is not None:
                    found.append(_install(instruction, arguments, kind))
    return found


def uses_uv(text: str) -> bool:
    """Whether a step of the last stage of a Dockerfile runs uv."""
    commands = (
        _program(command)
        for instruction in final_stage(instructions(text))
        if instruction.keyword == "RUN"
        for command in commands_of(step_words(text, instruction))
    )
    return any(words and _UV.fullmatch(words[0].value) for words in commands)


def commands_of(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Split a step into commands, without variables, `sudo` and RUN's own flags before them."""
    command: list[Word] = []
    for word in [*words, Word("", 0, 0, is_operator=True)]:
        if word.is_operator:
            if command:
                yield command
            command = []
        elif not command and (
            word.value == "sudo" or word.value.startswith("--") or _ENVIRONMENT.match(word.value)
        ):
            continue
        else:
            command.append(word)


def _install(instruction: Instruction, arguments: list[Word], kind: Kind) -> Install:
    packages: list[Word] = []
    others: list[Word] = []
    reads_files = is_value = False
    for word in arguments[1:]:
        if redirection := _REDIRECTION.match(word.value):
            is_value = redirection.group() == word.value
        elif word.value.startswith("-"):
            option, is_value = _option(word.value, kind.values)
            reads_files = reads_files or option.startswith(_INSTALLING)
        elif is_value:
            is_value = False
        elif kind.name(word.value):
            packages.append(word)
        else:
            others.append(word)
    return Install(instruction, tuple(packages), tuple(others), reads_files)


def _option(word: str, values: frozenset[str]) -> tuple[str, bool]:
    """Return the option in a word, and whether the next word is its value. Of short options in one
    word, as in `-qr FILE` and `-qrFILE`, it is the first that takes a value."""
    if word.startswith("--"):
        return word, word in values
    for at, letter in enumerate(word[1:], 1):
        if f"-{letter}" in values:
            return f"-{letter}", at == len(word) - 1
    return word, False
