"""Input that cannot be meant, as one table: what is said, and that nothing was changed.

To add to it, add a row: what it is, a command line, its exit code, and words of its message.
`tests/unit/test_bad_input.py` runs every row on the fake engine; HOME in a word stands for the
user's home, which holds what `prepare` puts there.
"""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from conftest import BASE

from mlc_patched.archive import Manifest, head

HOME = "HOME"
NO_NAME = "is not a container name. A name holds letters, digits, '_' and '-'"
NO_PROJECT = "cannot be the name of a project: lower-case letters and digits"
NO_IMAGE = "is not the name of an image. One looks like this: aimehub/"
NO_DOCKERFILE = "image-update PROJECT --edit"
GPUS = "Say 'all', a number, 'device=0,1'"
SIZE = "Say for instance 16g or 512m"


@dataclass(frozen=True)
class Row:
    """A command line, its exit code, and words of its message."""

    what: str
    argv: tuple[str, ...]
    code: int
    says: str


# Names, at every command that takes one. `--` keeps a command from reading `-rf` as flags.

CONTAINER_NAMES = {
    "a way out": ("../x", NO_NAME),
    "a pattern": ("a.*", NO_NAME),
    "129 characters": ("a" * 129, "has 129 characters; at most 121 are allowed"),
    "5000 characters": ("a" * 5000, "has 5000 characters; at most 121 are allowed"),
    "nothing": ("", "empty"),
    "a space": (" ", NO_NAME),
    "spaces": ("a b", NO_NAME),
    "a line break": ("a\nb", NO_NAME),
    "a line break at the end": ("a\n", NO_NAME),
    "NUL": ("a\0b", NO_NAME),
    "written from right to left": ("\u202eabc", NO_NAME),
    "a right-to-left mark": ("a\u200fb", NO_NAME),
    "bytes that are no text": ("caf\udce9", NO_NAME),
    "another user's": ("x._.1002", NO_NAME),
    "a command": ("$(id)", NO_NAME),
    "two commands": ("x;id", NO_NAME),
    "a #": ("a#b", "holds a '#', which Docker does not allow"),
}
TAKES_A_CONTAINER = {
    "create": ("mlc", "create", "NAME", "Pytorch", "2.8.0", "-s"),
    "create --image": ("mlc", "create", "NAME", "--image", BASE, "-s"),
    "open": ("mlc", "open", "NAME"),
    "start": ("mlc", "start", "NAME"),
    "stop": ("mlc", "stop", "NAME", "-f"),
    "remove": ("mlc", "remove", "NAME", "-f"),
    "export": ("mlc", "export", "NAME", f"{HOME}/new.tar"),
    "import": ("mlc", "import", f"{HOME}/good.tar", "NAME"),
    "adopt": ("adopt", "NAME"),
    "container-deploy": ("container-deploy", "NAME", "--project", "p", "-y"),
    "container-create": ("container-create", "NAME", "--image", BASE, "-y"),
    "container-retire": ("container-retire", "NAME", "-y"),
}
PROJECTS = {
    "a way out": ("../x", "How about 'x'?"),
    "flags": ("-rf", "How about 'rf'?"),
    "a pattern": ("a.*", "How about 'a'?"),
    "a capital": ("A", "How about 'a'?"),
    "129 characters": ("a" * 129, NO_PROJECT),
    "a space": (" ", NO_PROJECT),
    "spaces": ("a b", "How about 'a-b'?"),
    "a line break": ("a\nb", "How about 'a-b'?"),
    "NUL": ("a\0b", "How about 'a-b'?"),
    "written from right to left": ("\u202eabc", "How about 'abc'?"),
    "bytes that are no text": ("caf\udce9", "How about 'caf'?"),
    "a command": ("$(id)", "How about 'id'?"),
    "dots": ("..", NO_PROJECT),
}
TAKES_A_PROJECT = {
    "image-create": ("image-create", "--base", BASE, "-y", "--", "NAME"),
    "image-update": ("image-update", "-y", "--", "NAME"),
    "image-retire": ("image-retire", "-y", "--", "NAME"),
    "container-deploy": ("container-deploy", "--project=NAME", "-y"),
    "container-create": ("container-create", "--project=NAME", "-y"),
}
IMAGES = {
    "a way out": "../x",
    "a way out inside": "a/../../containers/x",
    "a way out of a project": "ds01-1001/../x",
    "a project without a name": "ds01-1001/",
    "a dot": ".",
    "flags": "-rf",
    "nothing": "",
    "a space": " ",
    "spaces": "a b",
    "a line break": "debian\nRUN id",
    "NUL": "\0",
    "a command": "$(id)",
    "two commands": "x;id",
    "capitals": "Debian",
    "no ASCII": "\xe4",
    "an address": "http://x/y",
    "two tags": "a:b:c",
    "half a digest": "x@sha256:1",
    "256 characters": "a" * 256,
    "a variable": "$BASE",
}
TAKES_AN_IMAGE = {
    "create": ("mlc", "create", "it", "--image=IMAGE", "-s"),
    "container-create": ("container-create", "it", "--image=IMAGE", "-y"),
    "image-create": ("image-create", "q", "--base=IMAGE", "-y"),
}

CREATE = ("mlc", "create", "it", "--image", BASE, "-s")
PATHS = (
    ("a FIFO", "HOME/fifo", 1, "is not a directory"),
    ("a file", "HOME/file", 1, "is not a directory"),
    ("a link to nowhere", "HOME/dead", 1, "is a link that leads nowhere"),
    ("a link to itself", "HOME/loop", 1, "is a link that leads nowhere"),
    ("nothing there", "HOME/no", 1, "does not exist. Make it with: mkdir -p"),
    ("a quote", "HOME/it's; id", 1, """mkdir -p '"""),
    ("relative", "no/where", 1, f"{Path.cwd()}/no/where does not exist"),
    ("nothing", "", 2, "'' is not a path"),
    ("NUL", "HOME/\0", 2, "is not a path"),
    ("a line break", "HOME/a\nb", 2, "is not a path"),
    ("no UTF-8", "HOME/caf\udce9", 2, "is no UTF-8, which Docker cannot be told. Rename it"),
    ("a name too long", "HOME/" + "a" * 5000, 1, "File name too long"),
    ("below a file", "HOME/file/x", 1, "does not exist"),
)
TEXTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "\0", 2, "is not the name of a file"),
    ("nothing there", "HOME/no", 1, "There is no {what} HOME/no"),
    ("a directory", "HOME/workspace", 1, "cannot be read: Is a directory"),
    ("a FIFO that nobody writes to", "HOME/fifo", 1, "is no file, and nothing comes out of it"),
    ("a device", "/dev/zero", 1, "has more than 1 MiB"),
    ("10 MB", "HOME/big", 1, "has more than 1 MiB"),
    ("no UTF-8", "HOME/latin", 1, "is no text in UTF-8"),
    ("a link to itself", "HOME/loop", 1, "cannot be read: Too many levels of symbolic links"),
)
EXPORTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "a\0", 2, "is not the name of a file"),
    ("the root", "/", 1, "is there and is no file"),
    ("here", ".", 1, "is there and is no file"),
    ("above", "..", 1, "is there and is no file"),
    ("a directory", "HOME/workspace", 1, "is there and is no file"),
    ("a FIFO", "HOME/fifo", 1, "is there and is no file"),
    ("a device", "/dev/null", 1, "is there and is no file"),
    ("below a file", "HOME/file/x", 1, "cannot be written: Not a directory"),
    ("no directory", "HOME/no/x", 1, "cannot be written: No such file or directory"),
    ("a name too long", "HOME/" + "a" * 255, 1, "cannot be written: File name too long"),
)
NO_ARCHIVE = "is not an archive made by mlc export"
IMPORTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "\0", 2, "is not the name of a file"),
    ("nothing there", "HOME/no", 1, "cannot be read: No such file or directory"),
    ("a directory", "HOME/workspace", 1, "cannot be read: Is a directory"),
    ("a file", "HOME/file", 1, NO_ARCHIVE),
    ("a device", "/dev/zero", 1, NO_ARCHIVE),
    ("nothing in it", "/dev/null", 1, NO_ARCHIVE),
    ("path traversal", "HOME/dots.tar", 1, "'../../evil', which mlc export never writes"),
    ("an absolute path", "HOME/absolute.tar", 1, "'/etc/evil', which mlc export never writes"),
    ("a hard link out", "HOME/hard.tar", 1, "'../../etc/shadow', which mlc export never writes"),
    ("a long path out", "HOME/long.tar", 1, "it leads out of the archive"),
    ("a sparse bomb", "HOME/holes.tar", 1, "of the kind 'S'"),
    ("a sparse bomb of another kind", "HOME/pax.tar", 1, "holds a file with holes"),
    ("a compressed bomb", "HOME/gzip.tar", 1, "holds what is no member of an archive"),
    ("cut off", "HOME/cut.tar", 1, "is cut off. Copy it again, or export once more"),
)
PACKAGES = (
    ("a command", "x; rm", "is not the name of a Python package"),
    ("a command without a blank", "x;rm", "is not the name of a Python package"),
    ("an option with an index", "--index-url=http://evil", "is an option of pip, not a package"),
    ("an option", "-rhttp://evil", "is an option of pip, not a package"),
    ("a VCS address", "git+https://evil/x.git", "is an address or a path"),
    ("an address", "x@https://evil/x.whl", "is an address or a path"),
    ("a file", "./x.whl", "is an address or a path"),
    ("a line break", "x\nRUN id", "is not the name of a Python package"),
    ("a variable", "$(id)", "is not the name of a Python package"),
    ("a back quote", "`id`", "is not the name of a Python package"),
    ("NUL", "x\0", "is not the name of a Python package"),
    ("201 characters", "x" * 201, "is not the name of a Python package"),
    ("a letter that looks like one", "numpy\u0430", "is not the name of a Python package"),
)
NUMBERS = tuple(
    (what, flag, value, says)
    for what, value in (
        ("5000 digits", "9" * 5000),
        ("400 digits", "9" * 400),
        ("25 digits", "9" * 25),
        ("below 0", "-1"),
        ("no number", "nan"),
        ("without an end", "inf"),
        ("too large for a float", "1e400"),
        ("digits of another script", "\u0663"),
        ("a digit that is none", "\xb2"),
        ("a space", " "),
        ("True", "True"),
        ("NUL", "1\0"),
    )
    for flag, says in (
        ("-g", GPUS),
        ("--cpus", "Say for instance: --cpus 4"),
        ("--memory", SIZE),
        ("--shm-size", SIZE),
        ("--pids-limit", "Say for instance: 4096"),
        ("-arch", "Known: CUDA, CUDA_AMPERE"),
    )
)
LABELS = (
    ("nothing", "", "Say: --ds01-label KEY=VALUE"),
    ("no value", "a", "Say: --ds01-label KEY=VALUE"),
    ("no key", "=x", "Say: --ds01-label KEY=VALUE"),
    ("the owner", "aime.mlc=root", "is mlc's own and cannot be set"),
    ("the user", "aime.mlc.USER=root", "is mlc's own and cannot be set"),
    ("the UID", "aime.mlc.DS01_USER_ID=0", "is mlc's own and cannot be set"),
)
CGROUPS = (("a way out", "../x"), ("spaces", "a b"), ("a command", "$(id)"), ("lines", "a\nb"))
DOCKERFILES = (
    ("no FROM", "RUN id\n", "has no FROM line"),
    ("an empty one", "", "has no FROM line"),
    ("no instruction", "FROM debian\n!!!\n", "Line 2 of the Dockerfile is no instruction"),
    ("another escape", "# escape=`\nFROM debian\n", "sets the escape character to '`'"),
    ("a heredoc without its end", "FROM debian\nRUN <<EOF\nid\n", "EOF that begins in line 2"),
    ("a step without its end", "FROM debian\nRUN id \\\n", "The step in line 2"),
    ("half an account block", "FROM debian\nARG DS01_USER_ID\n", "only a part of the user-set-up"),
)


def rows() -> list[Row]:
    """Return the whole table."""
    found = []

    def add(what: str, code: int, says: str, *argv: str) -> None:
        found.append(Row(what, argv, code, says))

    for command, line in TAKES_A_CONTAINER.items():
        for what, (name, says) in CONTAINER_NAMES.items():
            add(
                f"{command} by name: {what}",
                2,
                says,
                *(name if word == "NAME" else word for word in line),
            )
        flags = tuple("-rf" if word == "NAME" else word for word in line)
        # What -rf is depends on the flags a command has; it is never a name.
        add(f"{command} by name: flags", 2, "", *flags)
    for command, line in TAKES_A_PROJECT.items():
        for what, (name, says) in PROJECTS.items():
            words = [word.replace("NAME", name) for word in line]
            add(f"{command} of a project: {what}", 2, says, *words)
    for command, line in TAKES_AN_IMAGE.items():
        for what, image in IMAGES.items():
            words = [word.replace("IMAGE", image) for word in line]
            add(f"{command} from an image: {what}", 2, NO_IMAGE, *words)
    for flag, title in (("-w", "workspace"), ("-d", "data"), ("-m", "models")):
        for what, path, code, says in PATHS:
            add(f"{title}: {what}", code, says, *CREATE, f"{flag}={path}")
    for what, path, code, says in TEXTS:
        for flag, title in (("-r", "requirements file"), ("--dockerfile", "Dockerfile")):
            base = ("--base", BASE) if flag == "-r" else ()
            said = says.format(what=title)
            add(f"{title}: {what}", code, said, "image-create", "q", "-y", *base, f"{flag}={path}")
    for what, path, code, says in EXPORTS:
        add(f"export: {what}", code, says, "mlc", "export", "mine", path, "-f")
    for what, path, code, says in IMPORTS:
        add(f"import: {what}", code, says, "mlc", "import", path, "copy")
    for what, package, says in PACKAGES:
        add(f"-p: {what}", 2, says, "image-create", "q", "--base", BASE, "-y", f"-p={package}")
        add(f"--add: {what}", 2, says, "image-update", "p", "-y", f"--add={package}")
    for what, flag, value, says in NUMBERS:
        add(f"{flag}: {what}", 2, says, *CREATE, f"{flag}={value}")
    for what, label, says in LABELS:
        add(f"label: {what}", 2, says, *CREATE, f"--ds01-label={label}")
    for what, group in CGROUPS:
        add(f"cgroup: {what}", 2, "is no slice and no cgroup", *CREATE, f"--cgroup-parent={group}")
    for number, (what, _, says) in enumerate(DOCKERFILES):
        own = f"--dockerfile={HOME}/Dockerfile.{number}"
        add(f"Dockerfile: {what}", 1, says, "image-create", "q", "-y", own)
    return found


def prepare(home: Path) -> None:
    """Put into a home what the rows name."""
    os.mkfifo(home / "fifo")
    (home / "file").write_text("content")
    (home / "big").write_text("FROM debian\n" + "# a comment\n" * 900_000)
    (home / "latin").write_bytes(b"FROM caf\xe9\n")
    (home / "dead").symlink_to("/no/where")
    (home / "loop").symlink_to("loop")
    (home / os.fsdecode(b"caf\xe9")).mkdir()
    for number, (_, text, _) in enumerate(DOCKERFILES):
        (home / f"Dockerfile.{number}").write_text(text)
    for name, members in archives().items():
        (home / f"{name}.tar").write_bytes(head(MANIFEST_OF_NOBODY) + members)


MANIFEST_OF_NOBODY = Manifest("copy", "alice", {})


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> bytes:
    """Return the header of an archive's member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made.tobuf(tarfile.GNU_FORMAT)


def extended(key: str, value: str) -> bytes:
    """Return an extended header of one record, as pax(1) has it."""
    record = f" {key}={value}\n".encode()
    length = len(record) + 2
    length += len(str(length)) - 2
    content = str(length).encode() + record
    return member("x", b"x", size=len(content)) + content.ljust(512, b"\0")


def archives() -> dict[str, bytes]:
    """Return archives without their manifest: a good one, and those that nobody exports."""
    import gzip

    end = bytes(1024)
    passwd = b"root:x:0:0:root:/root:/bin/bash\n"
    good = member("etc/passwd", size=len(passwd)) + passwd.ljust(512, b"\0")
    return {
        "good": good + end,
        "dots": good + member("../../evil") + end,
        "absolute": good + member("/etc/evil") + end,
        "hard": good + member("inside", tarfile.LNKTYPE, "../../etc/shadow") + end,
        "long": good + member("a/" * 100 + "../" * 200 + "evil") + end,
        "holes": good + member("bomb", tarfile.GNUTYPE_SPARSE, size=512) + bytes(512) + end,
        "pax": good + extended("GNU.sparse.realsize", str(2**50)) + member("bomb") + end,
        "gzip": gzip.compress(bytes(2**20)),
        "cut": good[:600],
    }
