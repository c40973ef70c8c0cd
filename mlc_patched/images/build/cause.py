"""Say in plain words why a build failed, from what the builder and its programs print. Pure.

The phrases are those of pip, uv, apt, conda, git, the classic builder, BuildKit and Podman;
tests/unit/images/build/recorded.txt has real output of most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ...urls import without_logins
from ..dockerfile.package_steps import UV
from ..known_packages import is_known, similar_debian, similar_python
from .servers import certificate, image, last_line, login, network, server

_Finder = Callable[[str], str]
_INSTRUCTIONS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)


def cause_of(lines: Sequence[str], step: str = "") -> str:
    """Return why a build failed, in one or two sentences; empty if nothing is recognised.

    `lines` are what the failed step and the builder printed; `step` is the failed instruction.
    """
    find, said = _found(lines)
    if find is _copied and (source := re.search(r"\s--from=(\S+)", step)):
        return f"There is no /{_not_copied(lines)} in {source[1]}, from which the step copies."
    if find is _syntax and "<<" in step and "unknown instruction" in said:
        return (
            "This builder does not support here-documents (<<). Write the step's commands with && "
            "instead; or, with BuildKit, begin the Dockerfile with the line # "
            "syntax=docker/dockerfile:1"
        )
    return said


def is_without_uv(lines: Sequence[str]) -> bool:
    """Whether a build failed because pip's package index has no uv, or not this version of it."""
    return _found(lines)[0] is _uv


def is_without_a_package(lines: Sequence[str]) -> bool:
    """Whether a build failed because pip's package index gave nothing for the name of a package."""
    return _found(lines)[0] is _missing and any("(from versions: none)" in line for line in lines)


def id_range(text: str) -> str:
    """Return what to do if an ID is outside of the engine's range; empty if that is not why."""
    # chown(2) has this error for no other reason. The second text is that of Podman's storage.
    if re.search(
        r"^chown: .*: Invalid argument$|insufficient UIDs or GIDs available in user namespace",
        text,
        re.M,
    ):
        return (
            "The UID or GID of the account is outside of the engine's range of IDs, as with "
            "rootless Podman. Have a range with at least as many IDs as the larger of the two "
            "in /etc/subuid and /etc/subgid for the engine's user, then run podman system "
            "migrate; or use an engine that root runs."
        )
    return ""


def _found(lines: Sequence[str]) -> tuple[_Finder | None, str]:
    """Return the first finder that says something, and what it says."""
    text = "\n".join(lines)
    return next(((find, said) for find in _FINDERS if (said := find(text))), (None, ""))


def _client(text: str) -> str:
    """Whether it is the client that cannot write its own files, in the user's home."""
    match = re.search(r"(?:open|write|mkdir|create) (/\S*/buildx/\S*)/[^/\s]+: (.+)$", text, re.M)
    if not match:
        return ""
    is_full = re.search(r"no space|quota", match[2])
    return (
        f"docker buildx cannot write into {match[1]}: {match[2]}. "
        f"{'Make room there' if is_full else 'Have it writable'}, or name another directory in "
        "BUILDX_CONFIG."
    )


def _space(text: str) -> str:
    found = re.search(r"no space left on device|disk quota exceeded", text, re.I)
    return "There is no space left on the disk of the engine." if found else ""


def _memory(text: str) -> str:
    if re.search(
        r"(?:exit (?:code|status):? |non-zero code: )137\b|cannot allocate memory|^MemoryError"
        r"|std::bad_alloc|fatal error: Killed signal|^Killed$",
        text,
        re.I | re.M,
    ):
        return (
            "The step ran out of memory and was killed. Use fewer processes at a time (as by ENV "
            "MAX_JOBS=2), or build where there is more memory."
        )
    return ""


def _conflict(text: str) -> str:
    flat = _in_one_line(text)
    if match := re.search(r"Cannot install (.+?) because these package versions", flat):
        reasons = re.search(r"conflict is caused by:\n((?:\s+.+\n)+)", text)
        why = [line.strip() for line in reasons[1].splitlines()] if reasons else []
        named = " and ".join(dict.fromkeys(re.split(r",? and |, ", match[1])))
        because = f" ({'; '.join(why[:4])})" if why else ""
        return f"These packages conflict: {named}{because}."
    match = re.search(r"Because (.+?)(?:, we can conclude|\.(?:\s|$))", _unsolved(flat))
    if (
        match
        and re.search(r"depends on|you require \S+ and \S+$", match[1])
        and "current Python version" not in match[1]
    ):
        return f"These packages conflict: {match[1]}."
    if re.search(r"UnsatisfiableError|incompatible with each other|conflicting requests", text):
        return "conda found no versions that fit together; its reasons are below."
    if re.search(r"unmet dependencies|held broken packages", text):
        return "These Debian packages do not fit together; apt-get's reasons are below."
    return ""


def _uv(text: str) -> str:
    if not re.search(rf"No matching distribution found for {UV}(?:[=<>~! ]|$)", text, re.M):
        return ""
    return (
        "The package index has no uv for this image, and a step of the Dockerfile needs it. Add uv "
        "to that index; or bring a requirements file, which pip can install, in place of "
        "pyproject.toml or uv.lock (uv export)."
    )


def _version(text: str) -> str:
    flat = _in_one_line(text)
    if match := re.search(
        r"current Python version \(([\d.]+)\) does not satisfy Python(\S+?)(?:,[<>!=~]\S+)* and "
        r"(\S+)",
        _unsolved(flat),
    ):
        return f"{match[3]} needs Python {match[2]}, and the image has {match[1]}."
    match = re.search(r"satisfies the requirement (\S+)[^(]*\(from versions: (?!none)(.+?)\)", flat)
    if match:
        other = re.search(r"require a different python version: (.+?)(?: ERROR|$)", flat)
        needed = re.search(r"==([\w.]+)$", match[1])
        if (
            other
            and needed
            and (
                python := re.search(rf"\b{re.escape(needed[1])} Requires-Python ([^;]+)", other[1])
            )
        ):
            return f"{match[1]} needs Python {python[1].strip()}, which the image does not have."
        newest = match[2].split(", ")[-1]
        return f"The package index has no {match[1]}; the newest version there is {newest}."
    if match := re.search(
        r"Because (\S+) has (no wheels with a matching [\w ]+ tag)(?: \(([^)]+)\))?",
        _unsolved(flat),
    ):
        why = ", ".join(filter(None, match.groups()[1:]))
        return (
            f"{match[1]} is not there for the image's Python or its machine (it has {why}). Choose "
            "another version, or another base."
        )
    match = re.search(r"there (?:is|are) no versions? of (\S+?)(?: and|,|$)", _unsolved(flat))
    return f"The package index has no {match[1]}." if match else ""


def _missing(text: str) -> str:
    from packaging.utils import canonicalize_name

    flat = _in_one_line(text)
    name = ""
    if match := re.search(r"Because (\S+) was not found in the package registry", flat):
        name = match[1]
    elif match := re.search(
        r"satisfies the requirement ([\w.-]+)\S*(?: \(from \S+\))? \(from versions: none", flat
    ):
        name = match[1]
        if is_known(canonicalize_name(name)):
            return (
                f"The package index has no version of {name} for the Python of the image, or for "
                "its architecture."
            )
    if name:
        index = "The package index" if re.search(r"^Looking in indexes", text, re.M) else "PyPI"
        return f"{index} has no package {name}{_meant(similar_python(canonicalize_name(name)))}"
    if match := re.search(
        r"PackagesNotFoundError: .*?- ([\w.-]+)|nothing provides requested ([\w.-]+)"
        r"|([\w.-]+)\S*\s+does not exist \(perhaps a typo",
        flat,
    ):
        name = next(filter(None, match.groups()))
        return f"The conda channels have no package {name}{_meant(similar_python(name))}"
    return ""


def _unusable(text: str) -> str:
    """Why pip or uv did not begin: a word, a file, or the Python."""
    if match := re.search(r"Invalid requirement: '?([^'\n]+)|Failed to parse: `([^`]+)`", text):
        return f"{match[1] or match[2]} is not a package with versions, as 'numpy<2' is."
    if match := re.search(
        r"Could not open requirements file: .*'([^']+)'|File not found: `?([^`\n]+)", text
    ):
        return f"The build has no requirements file {match[1] or match[2]}: COPY it first."
    if "DO NOT MATCH THE HASHES" in text or "Hash mismatch for" in text:
        return "A download is not the file whose hash the requirements give."
    if "Could not find an activated virtualenv (required)" in text:
        return (
            "PIP_REQUIRE_VIRTUALENV is set, so pip installs only into a virtual environment. Put "
            "this before the step: ENV PIP_REQUIRE_VIRTUALENV=0"
        )
    if "externally-managed-environment" in text or "is externally managed" in _in_one_line(text):
        return (
            "The Python of the image belongs to the system and refuses pip. Put this before the "
            "step: ENV PIP_BREAK_SYSTEM_PACKAGES=1 UV_BREAK_SYSTEM_PACKAGES=1"
        )
    return ""


def _compiled(text: str) -> str:
    match = (
        re.search(r"Failed building wheel for (\S+)", text)
        or re.search(r"Failed to build `([^`]+)`", text)
        or re.search(
            r"(?:legacy-install-failure|wheel-build\S*|metadata-generation-failed).*?╰─> (\S+)",
            text,
            re.S,
        )
    )
    if not match:
        return ""
    compiler = re.search(
        r"gcc|g\+\+|C compiler|autoconf error|linker `cc`|Rust|cargo|[Cc][Mm]ake|Python\.h", text
    )
    how = " It may need a compiler: --apt build-essential python3-dev" if compiler else ""
    return f"{match[1]} has to be built from its source, and that failed.{how}"


def _apt(text: str) -> str:
    match = re.search(r"Unable to locate package (\S+)", text) or re.search(
        r"Package '?([^'\s]+)'? has no installation candidate", text
    )
    if match:
        if not re.search(r"^(?:Get|Hit|Ign|Err):\d", text, re.M):
            return (
                f"apt-get knows no package {match[1]}: run apt-get update before, in the same step."
            )
        return (
            f"The package sources of the base have no {match[1]}{_meant(similar_debian(match[1]))}"
        )
    if match := re.search(r"Version '([^']+)' for '([^']+)' was not found", text):
        return f"The package sources of the base have no version {match[1]} of {match[2]}."
    if re.search(r"does not have a Release file|no longer has a Release file", text):
        return "The package sources of the base do not exist any more: use a newer base."
    if re.search(r"NO_PUBKEY|is not signed", text):
        return "A package source of the base is not signed by a key that the base has."
    return ""


def _absent(text: str) -> str:
    match = re.search(
        r"failed to GET (\S+) with status 404|^(https?://\S+)\n.*invalid response status 404"
        r"|HTTP error 404 while getting (\S+)|\(404 Not Found\) for url \(([^)\s]+)\)",
        text,
        re.M,
    )
    if not match:
        return ""
    url = without_logins(next(filter(None, match.groups())), "****@")
    return f"There is nothing at {url} (HTTP 404): check the address."


def _copied(text: str) -> str:
    name = _not_copied(text.splitlines())
    if name:
        return (
            f"There is no {name} in the build context, the directory of the Dockerfile, or its "
            ".dockerignore excludes it."
        )
    return ""


def _not_copied(lines: Sequence[str]) -> str:
    """Return the file that COPY did not find; empty if that is not why."""
    text = "\n".join(lines)
    match = (
        re.search(
            r"COPY failed: .*stat (?:/\S*/builder\d+/)?(\S+): (?:file does not exist|no such)", text
        )
        or re.search(r"\"/([^\"\n]+)\"(?: not found)?: not found", text)
        or re.search(r"no items matching glob \"(?:\S*/)?([^\"\n/]+)\"", text)
        or re.search(r"copier: stat: \"/?([^\"\n]+)\": no such file", text)
    )
    return match[1] if match else ""


def _syntax(text: str) -> str:
    match = re.search(r"dockerfile parse error (?:on )?line \d+: (.+)", text) or re.search(
        r"(?:failed to create LLB definition|failed to parse \.?[Dd]ockerfile[^\s:]*): "
        r"(?!failed to (?!parse )|rpc error)(.+)",
        text,
    )
    if not match:
        return ""
    why = match[1].rstrip(".")
    if (unknown := re.search(r"unknown instruction: (\w+)", why)) and "did you mean" not in why:
        import difflib

        near = difflib.get_close_matches(unknown[1].upper(), _INSTRUCTIONS, n=1)
        why += _meant("".join(near)).rstrip(".")
    return f"The Dockerfile is not valid: {why}{'' if why.endswith('?') else '.'}"


def _rights(text: str) -> str:
    if not re.search(
        r"Permission denied \(os error 13\)|\(13: Permission denied\)"
        r"|Could not install packages due to an \w+: \[Errno 13\]",
        text,
    ):
        return ""
    return (
        "The step does not run as root, and may not write where it installs. Put USER root before "
        "the step."
    )


def _user(text: str) -> str:
    match = re.search(r"unable to find (user|group) ([^\s:]+): no matching entries", text)
    if not match:
        return ""
    return f"The image has no {match[1]} {match[2]} at this step: create it before USER names it."


def _program(text: str) -> str:
    if match := re.search(r"([^\s:'\"‘]+)(?:\^M: bad interpreter|\\r'?’?: No such file)", text):
        return (
            f"A script has Windows line ends, so its first line names no program ({match[1]}). "
            "Convert it with: sed -i 's/\\r$//' FILE"
        )
    match = re.search(
        r"(?:/bin/)?(?:ba)?sh: (?:line )?\d+: ([\w./+-]+): (?:command )?not found"
        r"|exec: \"([^\"]+)\": executable file not found|^([\w./+-]+): not found$",
        text,
        re.M,
    )
    if match:
        name = next(filter(None, match.groups()))
        if name in ("source", "pushd", "popd", "shopt"):
            return (
                f"{name} is a command of bash, and the step runs in sh. Put this before the step: "
                'SHELL ["/bin/bash", "-c"]'
            )
        how = "; add it with --apt python3-pip" if name in ("pip", "pip3") else ""
        if "/" in name:
            how = (
                ", or not the one that its first line names, as in a script with Windows line ends"
            )
        return f"The image has no program {name} at this step{how}."
    if match := re.search(r"(\S*python\S*): No module named (?:'|\")?(\w+)", text):
        return f"{match[1]} has no module {match[2]} at this step."
    return ""


def _account(text: str) -> str:
    line = last_line(r"^account set-up: ", text)
    if not line or re.match(r"account set-up: (?:installing|uid=)", line):
        return ""
    return f"The account cannot be set up: {line.partition(': ')[2]}."


def _status(text: str) -> str:
    found = re.findall(r"(?:exit (?:code|status):? |non-zero code: )(\d+)", text)
    return f"The step ended with exit status {found[-1]}." if found else ""


# The first that finds something is the cause: what lies deeper comes first.
_FINDERS: tuple[_Finder, ...] = (
    *(_client, _space, _memory, certificate, login, image, network, server),
    *(_conflict, _uv, _version, _missing, _absent),
    *(
        _unusable,
        _compiled,
        _apt,
        _copied,
        _syntax,
        id_range,
        _account,
        _rights,
        _user,
        _program,
        _status,
    ),
)


def _meant(similar: str) -> str:
    return f"; did you mean {similar}?" if similar else "."


def _in_one_line(text: str) -> str:
    # uv and conda break lines, and begin them with lines of a tree.
    return re.sub(r"\s*\n[\s│├╰─▶>×|]*", " ", text)


def _unsolved(flat: str) -> str:
    """Return what follows uv's "No solution found"."""
    return flat.rpartition("No solution found when resolving dependencies")[2]
