"""Fuzz harnesses: one function per parser, which parses bytes and checks the result.

A harness accepts only the errors that the parser documents, checks properties of the result (its
characters, a round trip, that nothing was added), and that no program was started.
tests/fuzz/fuzz.py runs them with atheris; tests/unit/fuzz/test_fuzz.py runs them on the stored
inputs and on inputs of hypothesis.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from harnesses_outside import OUTSIDE
from support.programs import starting_no_program
from username_utils import (
    get_user_slice_name,
    sanitize_username_for_container,
    sanitize_username_for_slice,
)

from mlc_patched.containers import archive
from mlc_patched.containers.archive import checked
from mlc_patched.engine.address import resolve
from mlc_patched.engine.answers import (
    container_of,
    image_of,
    info_of,
    inspected_container_of,
    listed_image_of,
    mounts_and_devices_of,
    stats_of,
    transfer_progress,
)
from mlc_patched.errors import EngineError, MlcError, NotFoundError, UsageError
from mlc_patched.host.account import HIGHEST_ID, Account
from mlc_patched.host.gpus import parse_gpus
from mlc_patched.images.build.failure import cause, last_words
from mlc_patched.images.changes import summarise
from mlc_patched.images.dockerfile.edit import (
    Changes,
    add_packages,
    has_account_block,
    remove_package,
)
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.render import (
    ImageRecipe,
    build_context_in,
    render,
    with_build_context,
)
from mlc_patched.images.dockerfile.syntax import DockerfileError, instructions, step_words
from mlc_patched.images.packages import (
    apt_packages,
    check_apt,
    check_pip,
    pip_name,
    pip_packages,
    quoted,
    requirements_of,
)
from mlc_patched.images.project.files import ProjectFiles
from mlc_patched.names import labels
from mlc_patched.names.containers import check_container_name, container_tag, short_name
from mlc_patched.names.images import check_reference, is_committed_for, parse_reference
from mlc_patched.names.projects import (
    Project,
    check_project,
    is_own_project,
    project_of_repository,
    proposed_name,
)
from mlc_patched.plan import catalog, limits
from mlc_patched.plan.flow import account_in_passwd, decide
from mlc_patched.settings import parse as settings
from mlc_patched.settings.model import BUILT_IN_SETTINGS
from mlc_patched.units import parse_size

_FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
ALICE = Account("alice", 1001, 2001, "/home/alice")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_SAFE_WORD = re.compile(r"[A-Za-z0-9\[\],._+!<>=~:*-]+")
_REFERENCE = re.compile(r"[A-Za-z0-9._/:@+\[\]-]+")


def text_of(data: bytes) -> str:
    """Return bytes as Python decodes them in an argument."""
    return data.decode("utf-8", "surrogateescape")


def parts_of(data: bytes) -> list[str]:
    """Return several texts, separated by a byte that UTF-8 does not use."""
    return [text_of(part) for part in data.split(b"\xff")]


def container_name(data: bytes) -> None:
    name = text_of(data)
    try:
        check_container_name(name, ALICE.uid)
    except UsageError as error:
        assert str(error).isprintable(), error
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name)
    tag = container_tag(name, ALICE.uid)
    assert short_name(tag) == name
    assert len(tag) <= 128
    assert is_committed_for(f"some/image:{tag}", tag)


def project(data: bytes) -> None:
    name = text_of(data)
    if proposed := proposed_name(name):
        assert check_project(proposed) == proposed
    try:
        check_project(name)
    except UsageError as error:
        assert str(error).isprintable(), error
        return
    made = Project(ALICE.uid, name)
    assert str(check_reference(made.image)) == made.image
    assert project_of_repository(made.repository) == made
    assert Path("/d", made.dockerfile).parent == Path("/d")


def reference(data: bytes) -> None:
    whole = text_of(data)
    found = parse_reference(whole)
    assert str(found) == whole
    try:
        check_reference(whole)
    except UsageError as error:
        assert str(error).isprintable(), error
        return
    assert _REFERENCE.fullmatch(whole)
    assert not {"", ".", ".."}.intersection(whole.split("/"))
    assert not whole.startswith("-")
    is_own_project(found, ALICE)


def label_claim(data: bytes) -> None:
    names = (labels.HAS_USER_SETUP, labels.USER_ID, labels.GROUP_ID, labels.USERNAME)
    names += tuple(labels.LATER_SPELLING.values())
    found = dict(zip(names, parts_of(data), strict=False))
    decision = decide(parse_reference("image"), found, ALICE, lambda project, account: project.name)
    try:
        claim = labels.read_claim(found)
    except labels.MalformedLabelsError as error:
        assert str(error).isprintable(), error
        assert decision.claim is None
        return
    if claim is not None:
        assert 0 <= claim.uid <= HIGHEST_ID
        assert 0 <= claim.gid <= HIGHEST_ID
        assert labels.read_claim(labels.claim_labels(claim)) == claim
    assert decision.claim in (None, claim)
    assert decision.claim is None or decision.claim.uid == ALICE.uid


def passwd(data: bytes) -> None:
    text = data.decode(errors="replace")
    claim = labels.Claim(ALICE.uid, ALICE.gid, "alice")
    if account_in_passwd(data, claim) is None:
        rows = [row.split(":") for row in text.split("\n")]
        assert [row[2:4] for row in rows if row[0] == "alice" and len(row) == 7] == [
            ["1001", "2001"]
        ]
        lines = [line for line in text.split("\n") if line and line[0] != "#"]
        assert {line.count(":") for line in lines} == {6}
    own = "alice:x:1001:2001::/home/alice:/bin/sh\n"
    if "alice" not in text and "1001" not in text:
        said = account_in_passwd(f"{text}\n{own}".encode(), claim)
        assert said is None or "is not a valid entry" in said
        assert account_in_passwd(f"{text}\n{own}{own}".encode(), claim) is not None


def user_name(data: bytes) -> None:
    name = text_of(data)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", sanitize_username_for_slice(name))
    assert limits.CGROUP.fullmatch(get_user_slice_name("students", name))
    with contextlib.suppress(ValueError):
        account = sanitize_username_for_container(name)
        assert _ACCOUNT.fullmatch(account)


def catalog_file(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=_FAST) as file:
        file.write(data)
        file.flush()
        try:
            loaded = catalog.load(Path(file.name))
        except MlcError as error:
            assert file.name in str(error)
            return
    for architecture in (None, *loaded.architectures()[:3]):
        for framework in loaded.frameworks(architecture)[:3]:
            for version in loaded.versions(framework, architecture)[:3]:
                with contextlib.suppress(MlcError):
                    loaded.reference(loaded.find(framework, version, architecture))
    with contextlib.suppress(NotFoundError):
        loaded.find("no such framework", "1", None)


def settings_file(data: bytes) -> None:
    text, *more = data.decode(errors="replace").split("\ufffd")
    try:
        found = settings.parse(text, "f")
    except MlcError as error:
        assert str(error).startswith("f, line "), error
        return
    parse_gpus(limits.default_gpus(found))
    for word in more[:4]:
        with contextlib.suppress(MlcError):
            group = limits.cgroup(word, ALICE, found)
            assert not group or limits.CGROUP.fullmatch(group)
        with contextlib.suppress(MlcError):
            limits.check_base(parse_reference(word), found)


def limit(data: bytes) -> None:
    word = text_of(data)
    for read in (parse_size, parse_gpus):
        with contextlib.suppress(UsageError):
            found = read(word)
            assert not isinstance(found, int) or 0 < found < 2**63
    for argv in ((word, None, None), (None, word, None), (None, None, word)):
        with contextlib.suppress(UsageError):
            made = limits.resources(*argv, BUILT_IN_SETTINGS)
            for value in (made.nano_cpus, made.memory, made.pids):
                assert value is None or 0 < value < 2**63
    with contextlib.suppress(UsageError):
        group = limits.cgroup(word, ALICE, BUILT_IN_SETTINGS)
        assert not group or ".." not in group.split("/")


def packages(data: bytes) -> None:
    word = text_of(data)
    for check in (check_pip, check_apt):
        try:
            assert check(word) == word
        except UsageError as error:
            assert str(error).isprintable(), error
            continue
        assert _SAFE_WORD.fullmatch(word)
        assert not word.startswith("-")
        # A shell takes it for this one word, and does nothing for it.
        assert shlex.split(quoted(word)) == [word]
        assert check is check_apt or pip_name(word)
    for split in (pip_packages, apt_packages):
        with contextlib.suppress(UsageError):
            assert all(_SAFE_WORD.fullmatch(each) for each in split([word]))


def requirements(data: bytes) -> None:
    try:
        found = requirements_of(text_of(data), "f")
    except UsageError as error:
        assert str(error).startswith("f, line "), error
        return
    assert all(_SAFE_WORD.fullmatch(each) and not each.startswith("-") for each in found)


_KEYWORDS = [
    each.keyword
    for each in instructions(render(ImageRecipe("p", "debian", "custom", (), ("six",))))
]


def recipe(data: bytes) -> None:
    """The instructions of the Dockerfile do not depend on the request."""
    base, framework, name, *rest = (*parts_of(data), "", "", "")
    try:
        made = ImageRecipe(
            check_project(name),
            base,
            framework,
            apt_packages(rest[::2]),
            (*pip_packages(rest[1::2]), "six"),
        )
        text = render(made)
    except UsageError:
        return
    assert [each.keyword for each in instructions(text)] == _KEYWORDS
    assert set(packages_in(text, PIP)) == {*made.pip}
    assert set(packages_in(text, APT)) >= {*made.apt}


def dockerfile(data: bytes) -> None:
    text = text_of(data)
    try:
        found = instructions(text)
    except DockerfileError:
        return
    end = 0
    for each in found:
        assert end <= each.start < each.end <= len(text)
        assert re.fullmatch(r"[A-Z]+", each.keyword)
        # Nothing but blank lines and comments is between instructions.
        between = text[end : each.start].split("\n")
        assert all(not line.strip() or line.lstrip().startswith("#") for line in between)
        end = each.end
        if each.keyword == "RUN":
            for word in step_words(text, each):
                assert each.start < word.start <= word.end <= each.end
    with contextlib.suppress(DockerfileError):
        has_account_block(text)


def dockerfile_edit(data: bytes) -> None:
    text = text_of(data)
    for kind, package, name in ((PIP, "numpy<2", "pip"), (APT, "ffmpeg", "apt")):
        try:
            before = packages_in(text, kind)
            after = add_packages(text, Changes(), **{name: (package,)}, date="2026-11-26")
        except DockerfileError:
            continue
        names = {kind.name(each) for each in packages_in(after, kind)}
        assert names == {kind.name(each) for each in (*before, package)}
        keywords = [each.keyword for each in instructions(text)]
        added = [each.keyword for each in instructions(after)]
        assert Counter(keywords) <= Counter(added)
        assert set(Counter(added) - Counter(keywords)) <= {"RUN", "USER"}
        with contextlib.suppress(DockerfileError):
            removed = remove_package(after, package, kind, Changes())
            left = {kind.name(each) for each in packages_in(removed, kind)}
            assert left == names - {kind.name(package)}
    noted = with_build_context(text, "/home/me/some place")
    assert build_context_in(noted) == "/home/me/some place"


def manifest(data: bytes) -> None:
    try:
        found = archive.read_head(io.BytesIO(data), "f")
    except MlcError as error:
        assert str(error).startswith("f "), error
        return
    assert _ACCOUNT.fullmatch(found.account)
    try:
        head = archive.head(found)
    except UnicodeEncodeError:  # a surrogate, which JSON can name and no file can hold
        return
    assert archive.read_head(io.BytesIO(head), "f") == found


def manifest_json(data: bytes) -> None:
    """The same, without an archive around it."""
    import tarfile

    member = tarfile.TarInfo(archive.MANIFEST)
    member.size = len(data)
    manifest(member.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512))


def archive_members(data: bytes) -> None:
    import tarfile

    passed = []
    try:
        for step in (1, 512, 1000):
            pieces = (data[at : at + step] for at in range(0, len(data), step))
            passed = list(checked(pieces, "f"))
            assert b"".join(passed) == data
    except MlcError as error:
        assert str(error).startswith("f "), error
        return
    try:
        members = tarfile.TarFile(fileobj=io.BytesIO(data)).getmembers()
    except (tarfile.TarError, OSError, ValueError):
        return
    for member in members:
        assert not member.issparse()
        assert ".." not in member.name.split("/")


def engine_answer(data: bytes) -> None:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    readers = (
        image_of,
        listed_image_of,
        container_of,
        inspected_container_of,
        mounts_and_devices_of,
        stats_of,
    )
    for read in (*readers, lambda told: info_of(told, is_local=True)):
        with contextlib.suppress(EngineError):
            made = read(found)
            for name in ("labels", "references", "id", "name"):
                if hasattr(made, name):
                    value = getattr(made, name)
                    kinds = {"labels": dict, "references": tuple}
                    assert isinstance(value, kinds.get(name, str)), (name, value)
    with contextlib.suppress(EngineError):
        assert isinstance(transfer_progress(found, {}), str)


def metadata(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FAST) as home:
        files = ProjectFiles(Account("me", 0, 0, home), Project(1, "p"))
        place = Path(home, ".ds01-config/images")
        place.mkdir(parents=True)
        (place / "p.json").write_bytes(data)
        assert isinstance(files.read_metadata(), dict)


def docker_settings(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FAST) as place:
        Path(place, "config.json").write_bytes(data)
        with contextlib.suppress(MlcError):
            resolve({"DOCKER_CONFIG": place, "HOME": place})


def package_status(data: bytes) -> None:
    from mlc_patched.engine.observations import Change

    text = data.decode(errors="replace")
    paths = [line for line in text.split("\n") if line.startswith("/")]
    summary = summarise([Change(path, "added") for path in paths], text)
    json.dumps(summary, default=vars)
    assert all(isinstance(line, str) for line in summary.lines())


def build_log(data: bytes) -> None:
    lines = text_of(data).split("\n")
    assert all(isinstance(line, str) for line in last_words(lines))
    assert isinstance(cause(lines), str)


def starting_nothing(harness: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return the harness with a check that it starts no program."""

    def run(data: bytes) -> None:
        with starting_no_program():
            harness(data)

    return run


HARNESSES: dict[str, Callable[[bytes], None]] = {
    each.__name__: starting_nothing(each)
    for each in (
        container_name,
        project,
        reference,
        label_claim,
        passwd,
        user_name,
        catalog_file,
        settings_file,
        limit,
        packages,
        requirements,
        recipe,
        dockerfile,
        dockerfile_edit,
        manifest,
        manifest_json,
        archive_members,
        engine_answer,
        metadata,
        docker_settings,
        package_status,
        build_log,
        *OUTSIDE,
    )
}
