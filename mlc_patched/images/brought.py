"""What people bring to an image other than package names: a requirements file, pyproject.toml with
uv.lock, a conda environment, wheels, and URLs. Files are copied beside the Dockerfile, whose steps
install them; a file that names its own directory (`-e .`) needs that as the build context.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from ..context import Context
from ..errors import MlcError, UsageError, shown
from ..host.account import Account
from ..host.files import LARGEST_TEXT, check_file_name, read_bytes, rights_of
from ..interrupts import defer_signals
from ..lean import dataclass, field
from ..plan.directories import expand
from ..report import Reporter
from ..undo import Undo, warn_on_failure
from ..urls import has_login
from .base import Base
from .build.client import SSH_MOUNT
from .dockerfile.package_steps import python_step, steps_by_pip
from .packages import requirement_lines, requirements_of, split_words, without_comment
from .project.files import REJECTED, ProjectFiles, numbered

SOURCE = "/usr/local/src"
"""Where the files are in an image, in a directory of the project's name."""
SSH_CLIENT = "openssh-client"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LARGEST_LOCK = 8 * 1024**2
_LARGEST_WHEEL = 2 * 1024**3
_SSH = "GIT_SSH_COMMAND='ssh -o StrictHostKeyChecking=accept-new' "
_URL = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[A-Za-z0-9,._-]+\])? *@ *)?"
    r"(?:git\+ssh|git\+https|https)://[A-Za-z0-9._~:/?#@&+,;=%()-]+"
)
_WHEEL_ENDING = ".whl"
_WHEEL = re.compile(r"[A-Za-z0-9._+!-]+\.whl")
_LOCAL_OPTION = re.compile(
    r"(?:^|\s)(?:-[ercf]|--(?:editable|requirement|constraint|find-links)(?=[\s=]))[ =]?\s*"
    r"(?!\S*://)(\S+)"
)
_LOCAL_PATH = re.compile(
    r"\s*(?:-\s+)?((?:\.{1,2}/|/|\.$|\.\s)\S*|\S+\.(?:whl|tar\.gz|zip))(?:\s|;|$)"
)
_PROJECT = re.compile(r"^\s*(?:\[\s*)?project\s*[].=]", re.M)
_TABLE = re.compile(r"^[ \t]*\[\[?[ \t]*([^\[\]\n]+?)[ \t]*\]\]?[ \t]*(?:#.*)?$", re.M)
_OF_SOURCES = re.compile(r"project|tool\.(?:uv|poetry\.dependencies)(?:\..*)?")
"""Tables of a pyproject.toml that say where packages come from."""
_LOCAL_SOURCE = re.compile(
    r"(?:^|[{,.])\s*((?:path|directory|workspace|editable)\s*=\s*(?!\"\.\")[^\s,}]+)"
    r"|@\s*(file:[^\s,\"']*)",
    re.M,
)


@dataclass(frozen=True)
class Brought:
    """The copies to make, by name, and the steps that install from them. `directory` is the build
    context if the steps copy a whole directory; `pip` are packages to list in the Dockerfile."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    steps: str = ""
    directory: str | None = None
    pip: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    by_conda: bool = False
    name: str = ""
    """The name of the file that was given."""

    def is_in(self, text: str) -> bool:
        """Whether a Dockerfile has the steps already."""
        text = text.replace("\r\n", "\n")
        return self.steps in text or steps_by_pip(self.steps) in text


NOTHING = Brought()


def bring(
    file: str | None, words: Iterable[str], project: str, account: Account, former: str = ""
) -> tuple[Brought, tuple[str, ...]]:
    """Return what a file and arguments bring, and the arguments that are names of packages.

    `former` is the Dockerfile that gets it, whose copies of other files are not replaced. The
    account's rights are used to read files. Raises UsageError, NotFoundError or MlcError, which
    name the file and the line, if something cannot be installed.
    """
    plain: list[str] = []
    others: list[str] = []
    for word in words:
        for each in [word] if _is_wheel(word, account) else split_words(word):
            (others if _is_more_than_a_name(each) else plain).append(each)
    found = NOTHING if file is None else _file(file, project, account, former)
    more = _words(others, project, account)
    if found.directory and more.files:
        raise UsageError(f"Put the wheels into {found.directory}, and name them in {file}.")
    both = Brought(
        {**found.files, **more.files},
        "\n".join(filter(None, (found.steps, more.steps))),
        found.directory,
        found.pip,
        tuple(dict.fromkeys((*found.apt, *more.apt))),
        found.by_conda,
        found.name,
    )
    return both, tuple(plain)


@contextlib.contextmanager
def copies(brought: Brought, files: ProjectFiles, context: Context) -> Iterator[None]:
    """Have the copies that a Dockerfile needs beside it; after a failure those that were there
    before, and new ones if a rejected Dockerfile needs them. Of a text that another one replaced, a
    backup is kept."""
    replaced = []
    with Undo(context.report) as undo:
        for name, content in brought.files.items():
            with defer_signals():
                former = files.set_copy_aside(name)
                if former is not None:
                    undo.add(f"The file {name}", partial(files.put_copy_back, former, name))
                    replaced.append((former, name))
                else:
                    undo.add(f"The file {name}", partial(_remove_unless_rejected, name, files))
            files.write_copy(name, content)
        yield
    for former, name in replaced:
        with warn_on_failure(f"The former copy {files.directory}/{former} stays", context.report):
            if name.endswith(_WHEEL_ENDING) or files.has_content(former, brought.files[name]):
                files.remove_copy(former)
            else:
                kept = files.back_up_copy(former, name)
                context.report.note(f"What {name} was before is kept in {kept}")


def note_replaced(brought: Brought, files: ProjectFiles, report: Reporter) -> None:
    """Report which copies a file will replace that was brought before, or has the same name."""
    for name, content in brought.files.items():
        if name.endswith(_WHEEL_ENDING) or files.has_content(name, content) is not False:
            continue
        report.note(
            f"The copy of {brought.name}, {name}, gets its present content. If this is another "
            "file, rename it to have the packages of both."
        )


def check_conda(brought: Brought, base: Base, former: str = "") -> None:
    """Raise MlcError if a conda environment is brought, and neither the base nor a step of the
    former Dockerfile has what installs it."""
    has_program = base.programs & {"conda", "micromamba"} or re.search(r"conda|mamba", former)
    if brought.by_conda and not has_program:
        raise MlcError(
            f"{base.reference} has neither conda nor micromamba, which a conda environment needs.",
            "Give a base that has one, or name the packages with -p.",
        )


def _remove_unless_rejected(name: str, files: ProjectFiles) -> None:
    if name not in (files.read_dockerfile(REJECTED) or ""):
        files.remove_copy(name)


def _is_wheel(word: str, account: Account) -> bool:
    """Whether an argument as a whole is the path of a wheel, which may have blanks and commas."""
    with rights_of(account), contextlib.suppress(OSError, ValueError):
        return word.endswith(_WHEEL_ENDING) and Path(expand(word, account)).is_file()
    return False


def _is_more_than_a_name(word: str) -> bool:
    return not word.startswith("-") and ("://" in word or word.endswith(_WHEEL_ENDING))


def _words(words: list[str], project: str, account: Account) -> Brought:
    """Bring wheels and URLs that are arguments."""
    files: dict[str, bytes] = {}
    copies, packages = "", []
    for word in words:
        if "://" not in word:
            name = Path(word).name
            if not _WHEEL.fullmatch(name):
                raise UsageError(f"{shown(word)} is not the name of a wheel.")
            files[f"{project}.{name}"] = read_bytes(
                expand(word, account), "wheel", account, largest=_LARGEST_WHEEL
            )
            copies += f"COPY {project}.{name} {SOURCE}/{project}/{name}\n"
            packages.append(f"{SOURCE}/{project}/{name}")
            continue
        if not _URL.fullmatch(word):
            raise UsageError(
                f"{shown(word)} is not a URL of a package, as https://… or git+ssh://…"
            )
        _refuse_login(word, shown(word))
        packages.append(word)
    if not packages:
        return NOTHING
    is_ssh = any("git+ssh://" in each for each in packages)
    steps = f"{copies}{_install(packages, is_ssh=is_ssh)}"
    return Brought(files, steps, apt=(SSH_CLIENT,) if is_ssh else ())


def _file(path: str, project: str, account: Account, former: str) -> Brought:
    """Bring a file, by its name and content."""
    path = expand(check_file_name(path), account)
    name = Path(path).name
    if name == "uv.lock":
        return _pyproject(str(Path(path).with_name("pyproject.toml")), project, account, former)
    if name.endswith(".toml"):
        return _pyproject(path, project, account, former)
    if name.endswith((".yml", ".yaml")):
        return _environment(path, project, account, former)
    text = _read(path, "requirements file", account)
    _refuse_pylock(text, path)
    try:
        return Brought(pip=requirements_of(text, path))
    except UsageError as error:  # more than plain packages: installed by -r
        _check_requirements(text, path, error)
    _refuse_login(text, path)
    is_ssh = "git+ssh://" in text
    apt = (SSH_CLIENT,) if is_ssh else ()
    if _has_local(text.replace("\\\n", " "), path):
        if str(Path(path).parent) in (account.home, "/"):
            raise UsageError(
                f"{path} names files of its directory, which would be copied into the image as a "
                "whole.",
                "Put them into a directory of their own.",
            )
        at = f"{SOURCE}/{project}"
        steps = (
            f"# {name} names files of its directory, which is the build context\n"
            f"COPY . {at}/\nWORKDIR {at}\n{_install([f'-r {_word(name)}'], is_ssh=is_ssh)}"
        )
        return Brought(steps=steps, directory=str(Path(path).parent), apt=apt)
    heading = f"# Packages of {_comment(name)}, which was copied beside this file\n"
    number, at = _place(heading, "requirements.txt", project, former)
    copy = f"{project}.{numbered('requirements.txt', number)}"
    steps = (
        f"{heading}COPY {copy} {at}/requirements.txt\n"
        f"{_install([f'-r {at}/requirements.txt'], is_ssh=is_ssh)}"
    )
    return Brought({copy: text.encode()}, steps, apt=apt, name=name)


def _place(heading: str, copy: str, project: str, former: str) -> tuple[int, str]:
    """Return the number of a file's copy, and the copy's directory in the image: those of the step
    with this heading in a Dockerfile, else the first number that it has no copy of."""
    number, former = 1, former.replace("\r\n", "\n")
    while (name := f"{project}.{numbered(copy, number)}") in former:
        if f"{heading}COPY {name} " in former:
            break
        number += 1
    return number, f"{SOURCE}/{project}" + (f"/{number}" if number > 1 else "")


def _pyproject(path: str, project: str, account: Account, former: str) -> Brought:
    """Bring the dependencies of a pyproject.toml, from its uv.lock if there is one."""
    text = _read(path, "project file", account)
    _refuse_pylock(text, path)
    _refuse_login(text, path)
    lock_path = Path(path).with_name("uv.lock")
    with rights_of(account):
        is_locked = lock_path.exists()
    lock = _read(str(lock_path), "lock file", account, _LARGEST_LOCK) if is_locked else ""
    _refuse_login(lock, str(lock_path))
    if not lock and not _PROJECT.search(text):
        by_poetry = "Poetry writes them to a file: poetry export -f requirements.txt -o FILE"
        raise UsageError(
            f"{path} has no table [project], whose dependencies would be installed.",
            by_poetry if "[tool.poetry" in text else "Add it, or give a requirements file.",
        )
    if local := _LOCAL_SOURCE.search(_sources(text)) or _LOCAL_SOURCE.search(lock):
        raise UsageError(
            f"{path} depends on a package in another directory ({local[1] or local[2]}), which a "
            "build cannot read.",
            "Write a Dockerfile that copies it: image-create PROJECT --dockerfile FILE",
        )
    name = Path(path).name
    heading = f"# Dependencies of {_comment(name)}, which was copied beside this file\n"
    number, at = _place(heading, "pyproject.toml", project, former)
    copy = f"{project}.{numbered('pyproject.toml', number)}"
    files = {copy: text.encode()}
    steps = f"{heading}COPY {copy} {at}/pyproject.toml\n"
    is_ssh = "git+ssh://" in text or "ssh://" in lock
    apt = (SSH_CLIENT,) if is_ssh else ()
    if not lock:
        steps += _install([f"-r {at}/pyproject.toml"], is_ssh=is_ssh)
        return Brought(files, steps, apt=apt, name=name)
    copy = f"{project}.{numbered('uv.lock', number)}"
    files[copy] = lock.encode()
    steps += (
        f"COPY {copy} {at}/uv.lock\n"
        f"RUN python3 -m uv export --quiet --frozen --no-emit-project --no-dev \\\n"
        f"        --project {at} --output-file {at}/requirements.txt\n"
        f"{_install([f'-r {at}/requirements.txt'], is_ssh=is_ssh)}"
    )
    return Brought(files, steps, apt=apt, name=name)


def _sources(text: str) -> str:
    """Return the tables of a pyproject.toml that say where packages come from; Python 3.10 has no
    parser for TOML."""
    _, *parts = _TABLE.split(text)
    tables = zip(parts[::2], parts[1::2], strict=True)
    return "\n".join(table for name, table in tables if _OF_SOURCES.fullmatch(name))


def _environment(path: str, project: str, account: Account, former: str) -> Brought:
    """Bring a conda environment, which is installed into the base's own."""
    text = _read(path, "conda environment", account)
    _refuse_login(text, path)
    if not re.search(r"^dependencies\s*:", text, re.M):
        raise UsageError(f"{path} is not a conda environment: it has no dependencies.")
    if _has_local(text, path):
        raise UsageError(
            f"{path} names files of its directory, which a build cannot read.",
            "Write a Dockerfile that copies them: image-create PROJECT --dockerfile FILE",
        )
    name = Path(path).name
    named = "" if name == "environment.yml" else f" {_comment(name)}"
    heading = f"# The conda environment{named}, which was copied beside this file\n"
    number, at = _place(heading, "environment.yml", project, former)
    copy, at = f"{project}.{numbered('environment.yml', number)}", f"{at}/environment.yml"
    steps = (
        f"{heading}COPY {copy} {at}\n"
        "RUN if command -v conda >/dev/null; then \\\n"
        f"        conda env update --name base --file {at} && conda clean --all --yes; \\\n"
        "    else \\\n"
        f"        micromamba install --yes --name base --file {at} \\\n"
        "        && micromamba clean --all --yes; \\\n"
        "    fi\n"
    )
    return Brought({copy: text.encode()}, steps, by_conda=True, name=name)


def _install(arguments: list[str], *, is_ssh: bool) -> str:
    step = python_step(arguments)
    return step.replace("RUN ", f"RUN {SSH_MOUNT} {_SSH}", 1) if is_ssh else step


def _check_requirements(text: str, path: str, error: UsageError) -> None:
    """Raise the error if a line is neither a requirement nor an option, a URL or a path."""
    from packaging.requirements import InvalidRequirement, Requirement

    for bare in requirement_lines(text):
        if bare.startswith("-") or "://" in bare or _LOCAL_PATH.match(bare):
            continue
        try:
            Requirement(bare)
        except InvalidRequirement as why:
            message = str(why).splitlines()[0]
            raise UsageError(f"{path}: {shown(bare)} is not a requirement: {message}") from error


def _has_local(text: str, path: str) -> bool:
    """Whether a file names others of its directory; UsageError for those elsewhere."""
    found = False
    for line in text.splitlines():
        bare = without_comment(line)
        match = _LOCAL_OPTION.search(bare) or ("://" not in bare and _LOCAL_PATH.match(bare))
        if not match and not re.search(r"@\s*file:", bare):
            continue
        target = match[1] if match else "/"
        if target.startswith("/") or os.path.normpath(target).startswith(".."):
            raise UsageError(
                f"{path} names {shown(bare.strip())}, which is not in its directory; a build "
                "cannot read it.",
                f"Copy it into {Path(path).parent}.",
            )
        found = True
    return found


def _read(path: str, what: str, account: Account, largest: int = LARGEST_TEXT) -> str:
    content = read_bytes(path, what, account, largest=largest)
    try:
        # `pip freeze > FILE` in Windows' PowerShell writes UTF-16, which pip reads, too.
        text = content.decode("utf-16" if content.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MlcError(
            f"The {what} {path} is not valid UTF-8 text: {error}", "Save it as UTF-8."
        ) from error
    return text.replace("\r\n", "\n")


def _refuse_pylock(text: str, path: str) -> None:
    if re.search(r"^lock-version\s*=", text, re.M):
        raise UsageError(
            f"{path} is a pylock.toml; -r takes a requirements file, a pyproject.toml, a uv.lock, "
            "or a conda environment.",
            f"Build the same by: image-create NEW --from {path}"
            if "\n[tool.mlc]\n" in text
            else "Give the file that it was made from, or a requirements file with its versions.",
        )


def _refuse_login(text: str, where: str) -> None:
    if has_login(text):
        raise UsageError(
            f"{where} contains a password or a token, which everybody who has the image could "
            "read.",
            "For a package index, set PIP_INDEX_URL; for git, use git+ssh://git@HOST/PATH.",
        )


def _word(name: str) -> str:
    """Return a file's name for a step, or raise UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9._+=:~-]+", name):
        raise UsageError(f"Rename {shown(name)}: a step of a Dockerfile cannot name it.")
    return name


def _comment(name: str) -> str:
    return name if name.isprintable() else "the requirements file"
