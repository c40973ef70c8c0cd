"""Derive the Dockerfile for one build from the user's, which stays plain.

The derived one adds what depends on the site, the user's lock and the builder:

- proxies as Docker's predefined build arguments, which images and their history do not contain;
- with BuildKit and Podman, the settings of pip and uv, the certificates and the versions to keep as
  secrets, mounted for each step; a cached step does not depend on their content;
- with BuildKit, caches of packages (`caches`);
- with the classic builder, which has no secrets, all that as files that the last step removes. A
  layer still contains them, so an index with a password is refused. Variables that the base has are
  replaced by ENV there, and set again at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ...lean import dataclass, field
from ...names import labels
from ...plan.limits import BASE_NAME
from ...temporary import SHARED
from ..dockerfile.installs import APT, PIP, find_installs
from ..dockerfile.render import USER_ID_ARGUMENT
from ..dockerfile.stages import Arguments, with_bases
from ..dockerfile.syntax import Instruction, final_stage, instructions, quoted
from ..versions.pins import NO_PINS, Pins
from .caches import secrets_for, with_caches
from .environment import (
    Builder,
    BuildSettings,
    Certificates,
    pip_configuration,
    refuse_credentials,
    settings_for_uv,
    uv_configuration,
)

_SECRETS = "/run/secrets"
_COPIED = "/etc/ds01-build"
_CA = "ds01-ca"
_APT = "ds01-apt"
IMAGE_BUNDLE = "/etc/ssl/certs/ds01-ca-bundle.crt"
IMAGE_CERTIFICATE = "/usr/local/share/ca-certificates/ds01-site-ca.crt"
IMAGE_APT = "/etc/apt/apt.conf.d/99ds01-ca"
_CA_USERS = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
"""Variables that tell pip, OpenSSL, requests, curl and git where certificates are."""


@dataclass(frozen=True)
class DerivedDockerfile:
    """A Dockerfile for one build.

    `lines` has the number of the original line for each of its lines, 0 for inserted ones.
    `secrets` are contents by id, `arguments` names of variables that the client passes on,
    `files` contents by path of an image that steps copy from.
    """

    text: str
    lines: tuple[int, ...]
    secrets: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Additions:
    """What a build adds.

    `temporary` are contents by name, which its steps find as secrets, or as copied files with the
    classic builder; `staying` are files of the image, by path; `variables` and other instructions
    follow each FROM.
    """

    classic: bool
    temporary: dict[str, str] = field(default_factory=dict)
    staying: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    after_from: list[str] = field(default_factory=list)

    def point(self, variable: str, name: str, content: str) -> None:
        """Have a variable name a file with this content while the image is built."""
        self.temporary[name] = content
        self.variables[variable] = self._at(name)

    def _at(self, name: str) -> str:
        return f"{_COPIED if self.classic else _SECRETS}/{name}"

    @property
    def secrets(self) -> dict[str, str]:
        """The contents of secrets, by name."""
        return {} if self.classic else self.temporary

    @property
    def files(self) -> dict[str, str]:
        """The contents of files to copy, by path."""
        copied = {self._at(name): content for name, content in self.temporary.items()}
        return {**self.staying, **(copied if self.classic else {})}

    @property
    def copies(self) -> list[str]:
        """What to copy."""
        return [*self.staying, *([_COPIED] if self.classic and self.temporary else ())]

    @property
    def mounts(self) -> str:
        """The mounts of every step."""
        return "".join(
            f" --mount=type=secret,id={name},target={self._at(name)},mode=0444"
            for name in self.secrets
        )


def derive(
    text: str,
    settings: BuildSettings,
    builder: Builder,
    files_image: str,
    *,
    mark: str = "",
    pins: Pins = NO_PINS,
    arguments: Arguments | None = None,
    base: str | None = None,
    bases: Mapping[str, str] | None = None,
    environment: Sequence[str] = (),
    user: str = "",
) -> DerivedDockerfile:
    """Return the Dockerfile for one build.

    Args:
        text: the user's Dockerfile.
        settings: the settings from the environment.
        builder: the builder.
        files_image: name of the image with the files, if one is needed.
        mark: marks the images of the steps from the account block on (`temporary.mark`). Without
            BuildKit, those of the steps before it have a mark that all users share.
        pins: the versions to keep.
        arguments: the build arguments that FROM may name. The FROM lines have what they mean, so
            that the base of the build is the one that was checked, whatever the builder's rules.
        base: the base for the image's label; the label stays as it is if this is not given.
        bases: images in FROM that are replaced, and by what.
        environment: the variables of the base, as `NAME=VALUE`.
        user: whose caches BuildKit's steps use; without a user they use none.

    Raises:
        DockerfileError: the Dockerfile cannot be read.
        MlcError: an index has a password, and the builder does not support secrets.
    """
    found = instructions(text)
    add = _Additions(builder is Builder.CLASSIC)
    if pins.constraints or not add.classic:
        # As secrets always, so that the steps of the first build are those of the next.
        add.point("UV_CONSTRAINT", "ds01-lock", pins.for_uv)
        add.point("PIP_CONSTRAINT", "ds01-pip-lock", pins.for_pip)
    if settings.pip:
        if add.classic:
            refuse_credentials(settings)
        add.point("PIP_CONFIG_FILE", "ds01-pip", pip_configuration(settings.pip))
    if for_uv := settings_for_uv(settings.pip, environment):
        add.point("UV_CONFIG_FILE", "ds01-uv", uv_configuration(for_uv))
    if settings.certificates:
        _trust(settings.certificates, add)
    # As few instructions as possible: the classic builder commits an image for each.
    former = _overridden(text, found, add, environment)
    variables = {name: value for name, value in add.variables.items() if name not in former}
    if variables:
        add.after_from.append(f"ARG {_words(variables)}")
    if former:
        add.after_from.append(f"ENV {_words({name: add.variables[name] for name in former})}")
    add.after_from += [f"COPY --from={files_image} {path} {path}" for path in add.copies]
    at_end = _cleaning(text, found) if _COPIED in add.copies else []
    if former:
        at_end.append(f"ENV {_words({name: quoted(value) for name, value in former.items()})}")
    before = upgrade_marks(text, pins.marks)
    if mark and builder in (Builder.CLASSIC, Builder.PODMAN):
        add.after_from.insert(0, f'LABEL {labels.TEMPORARY}="{SHARED}"')
    if mark:
        before.setdefault(_account_block(text, found), []).append(
            f'LABEL {labels.TEMPORARY}="{mark}"'
        )
        of_base = "" if base is None else f' {BASE_NAME}="{base}"'
        at_end.append(f'LABEL {labels.TEMPORARY}=""{of_base}')
    text = with_bases(text, arguments, bases or {})
    mounts = {each.line: add.mounts for each in found if each.keyword == "RUN"}
    if user and builder in (Builder.BUILDX, Builder.BUILDKIT):
        cached = with_caches(text, instructions(text))
        text = cached.text
        mounts |= {line: add.mounts + more for line, more in cached.mounts.items()}
        if cached.mounts:
            add.temporary |= secrets_for(user, add.temporary.get(_APT, ""))
    lines, origin = _assembled(text, found, add.after_from, before, at_end, mounts)
    return DerivedDockerfile(
        "".join(lines), tuple(origin), add.secrets, settings.proxies, add.files
    )


def _words(variables: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in variables.items())


def _overridden(
    text: str, found: Sequence[Instruction], add: _Additions, environment: Sequence[str]
) -> dict[str, str]:
    """Return the variables of the base that are set for the build by ENV, and their values, which
    the last step sets again: for the classic builder, ARG does not count beside them. Those that
    the Dockerfile sets itself stay as they are."""
    if not add.classic:
        return {}
    own = " ".join(each.body(text) for each in found if each.keyword == "ENV")
    pairs = (each.partition("=") for each in environment)
    return {
        name: value
        for name, _, value in pairs
        if name in add.variables and "\n" not in value and not re.search(rf"\b{name}\b", own)
    }


def _trust(certificates: Certificates, add: _Additions) -> None:
    """Have all steps trust a site's certificates, and the image, too, if it is to."""
    if certificates.in_image:
        add.staying |= {
            IMAGE_BUNDLE: certificates.bundle,
            IMAGE_APT: f'Acquire::https::CaInfo "{IMAGE_BUNDLE}";\n',
            IMAGE_CERTIFICATE: certificates.own,
        }
        add.after_from.append(f"ENV {_words(dict.fromkeys(_CA_USERS, IMAGE_BUNDLE))}")
        return
    for variable in _CA_USERS:
        add.point(variable, _CA, certificates.bundle)
    bundle = add.variables[_CA_USERS[0]]
    add.point("APT_CONFIG", _APT, f'Acquire::https::CaInfo "{bundle}";\n')


def _cleaning(text: str, found: Sequence[Instruction]) -> list[str]:
    """Return the steps that remove copied files at the end and restore the user."""
    users = [each for each in final_stage(found) if each.keyword == "USER"]
    user = users[-1].body(text).strip() if users else "root"
    return ["USER root", f"RUN rm -rf {_COPIED}", f"USER {user}"]


def _account_block(text: str, found: Sequence[Instruction]) -> int:
    """Return the line at which what differs between users begins: steps before it are cached for
    all of them."""
    stage = final_stage(found)
    own = (
        each
        for each in stage
        if each.keyword == "ARG" and USER_ID_ARGUMENT in each.body(text).split()
    )
    return next((each.line for each in own), stage[0].last_line + 1)


def upgrade_marks(text: str, marks: Mapping[str, str]) -> dict[int, list[str]]:
    """Return lines to insert before steps, by line: a step does not come from a cache of before
    the last upgrade of its kind of package."""
    before: dict[int, list[str]] = {}
    for kind in (PIP, APT):
        mark = marks.get(kind.word)
        steps = [each.instruction.line for each in find_installs(text, kind) if each.packages]
        if mark and steps:
            before.setdefault(min(steps), []).append(f"ARG DS01_UPGRADED_{kind.word}={mark}")
    return before


def _assembled(
    text: str,
    found: Sequence[Instruction],
    after_from: list[str],
    before: Mapping[int, list[str]],
    at_end: list[str],
    mounts: Mapping[int, str],
) -> tuple[list[str], list[int]]:
    """Insert lines after each FROM, before some lines and at the end, and mounts into RUN; leave
    out the last stage's ONBUILD (see `lock_label`)."""
    stage_starts = {each.last_line for each in found if each.keyword == "FROM"}
    left_out = {
        line
        for each in final_stage(found)
        if each.keyword == "ONBUILD"
        for line in range(each.line, each.last_line + 1)
    }
    lines: list[str] = []
    origin: list[int] = []
    for number, line in enumerate(text.split("\n"), 1):
        lines += [f"{each}\n" for each in before.get(number, ())]
        origin += [0] * len(before.get(number, ()))
        if number in left_out:
            continue
        if number in mounts:
            head = len(line) - len(line.lstrip()) + len("RUN")
            line = f"{line[:head]}{mounts[number]}{line[head:]}"  # noqa: PLW2901
        lines.append(f"{line}\n")
        origin.append(number)
        if number in stage_starts:
            lines += [f"{each}\n" for each in after_from]
            origin += [0] * len(after_from)
    lines += [f"{each}\n" for each in at_end]
    return lines, [*origin, *[0] * len(at_end)]
