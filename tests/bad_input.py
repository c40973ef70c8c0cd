"""Input that cannot be meant, as one table: what is said, and that nothing was changed.

To add to it, add a row: what it is, a command line, its exit code, and words of its message.
`tests/unit/test_bad_input.py` runs every row on the fake engine; HOME in a word stands for the
user's home, which holds what `prepare` puts there. What is about variables is in
`tests/bad_environ.py`, which has rows of the same kind.
"""

from __future__ import annotations

import json
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
    environ: tuple[tuple[str, str], ...] = ()


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
    "an escape sequence": ("\x1b[2Ja", NO_NAME),
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
NO_FLAG = "unrecognized arguments: -rf"
AFTER_DASHES = (
    (NO_FLAG, ("mlc", "create", "-s", "--", "-rf", "Pytorch", "2.8.0")),
    *(
        (NO_FLAG, ("mlc", verb, "--", "-rf"))
        for verb in ("open", "start", "stop", "remove", "export")
    ),
    (NO_NAME, ("mlc", "import", f"{HOME}/good.tar", "--", "-rf")),
    (NO_NAME, ("adopt", "--", "-rf")),
    (NO_NAME, ("container-deploy", "--project=p", "-y", "--", "-rf")),
    (NO_NAME, ("container-create", f"--image={BASE}", "-y", "--", "-rf")),
    (NO_NAME, ("container-retire", "-y", "--", "-rf")),
)
"""A name that begins with a dash, where a shell's user would say it; argparse refuses it by itself
where a command's flags may stand anywhere."""
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
    "a right-to-left mark": ("a\u200fb", "How about 'a-b'?"),
    "an escape sequence": ("\x1b[2Ja", "How about '2ja'?"),
    "5000 characters": ("a" * 5000, NO_PROJECT),
    "bytes that are no text": ("caf\udce9", "How about 'caf'?"),
    "a command": ("$(id)", "How about 'id'?"),
    "dots": ("..", NO_PROJECT),
}
WHICH = "Which project? Say: "
NOTHING_AS_PROJECT = {
    "image-create": WHICH,
    "image-update": WHICH,
    "image-update --rollback": WHICH,
    "image-push": WHICH,
}
"""What a command says that takes an empty project for none; all others say NO_PROJECT."""
TAKES_A_PROJECT = {
    "image-create": ("image-create", "--base", BASE, "-y", "--", "NAME"),
    "image-update": ("image-update", "-y", "--", "NAME"),
    "image-update --rollback": ("image-update", "-y", "--rollback", "--", "NAME"),
    "image-retire": ("image-retire", "-y", "--", "NAME"),
    "image-retire PROJECT:TAG": ("image-retire", "-y", "--", "NAME:latest"),
    "image-push": ("image-push", "-y", "--", "NAME", "registry.example:5000"),
    "container-deploy": ("container-deploy", "--project=NAME", "-y"),
    "container-deploy it": ("container-deploy", "it", "--project=NAME", "-y"),
    "container-create": ("container-create", "--project=NAME", "-y"),
    "container-deploy --cluster": ("container-deploy", "it", "--project=NAME", "-y", "--cluster"),
    "adopt": ("adopt", "mine", "--project=NAME", "-y"),
}
NO_TAG = "cannot be a tag: letters, digits, '_', '.' and '-', at most 128 characters"
TAGS = {
    "a way out": ("../x", NO_TAG),
    "a way out inside": ("x/../../../containers/y", NO_TAG),
    "flags": ("-rf", NO_TAG),
    "129 characters": ("a" * 129, NO_TAG),
    "5000 characters": ("a" * 5000, NO_TAG),
    "a space": (" ", NO_TAG),
    "a line break": ("a\nb", NO_TAG),
    "an escape sequence": ("\x1b[2Ja", NO_TAG),
    "NUL": ("a\0b", NO_TAG),
    "written from right to left": ("\u202eabc", NO_TAG),
    "another tag": ("a:b", NO_TAG),
    "a digest": ("a@sha256:" + "0" * 64, NO_TAG),
    "a command": ("$(id)", NO_TAG),
}
TAKES_A_TAG = {
    "image-push": ("image-push", "-y", "--", "p:TAG", "registry.example:5000"),
    "image-retire": ("image-retire", "-y", "--", "p:TAG"),
    "container-retire --save": ("container-retire", "-y", "mine", "--save=TAG"),
}
MEANT_OTHERWISE = "has a meaning of its own. Choose another one"
SAVED_TAGS = {"of the image before": "previous", "of a build": "build-1", "of a commit": "x._.1"}
NO_REGISTRY = "is not the name of a registry. Say HOST:PORT"
REGISTRIES = {
    "nothing": "",
    "a space": " ",
    "an address": "https://registry.example",
    "a name alone": "registry",
    "a way out": "../x",
    "a way out inside": "registry.example/../x",
    "flags": "--tls-verify=false",
    "with a login": "me:secret@registry.example",
    "a line break": "registry.example\nx",
    "an escape sequence": "\x1b[2J.example",
    "5000 characters": "a." * 2500,
    "a command": "$(id).example",
}
FRAMEWORKS = {
    "an escape sequence": ("\x1b[2Jred", r"\x1b[2Jred"),
    "5000 characters": ("a" * 5000, "[...]"),
    "a way out": ("../x", "../x"),
    "a line break": ("a\nb", "a\nb"),
    "NUL": ("a\0b", r"a\x00b"),
    "written from right to left": ("\u202eabc", r"\u202eabc"),
    "bytes that are no text": ("caf\udce9", r"caf\udce9"),
    "a command": ("$(id)", "$(id)"),
}
"""As it is shown: with nothing that steers a terminal, and cut."""
NO_FRAMEWORK, NO_VERSION = "There is no framework", "There is no Pytorch"
TAKES_A_FRAMEWORK = {
    "mlc create: a framework": (
        "There is no framework",
        ("mlc", "create", "it", "WORD", "1", "-s"),
    ),
    "mlc create: a version": (
        NO_VERSION,
        ("mlc", "create", "it", "Pytorch", "WORD", "-s"),
    ),
    "image-create: a framework": ("has no framework", ("image-create", "q", "-y", "-f=WORD")),
    "image-create: a version": (
        "has no Pytorch",
        ("image-create", "q", "-y", "-f=Pytorch", "-v=WORD"),
    ),
    "container-deploy: a framework": (
        "There is no framework",
        ("container-deploy", "it", "-f=WORD"),
    ),
    "container-deploy: a version": (
        NO_VERSION,
        ("container-deploy", "it", "-f=Pytorch", "-v=WORD"),
    ),
}
TAKES_NO_WORD = {
    "mlc": ("mlc",),
    "mlc list": ("mlc", "list"),
    "mlc open": ("mlc", "open", "mine"),
    "mlc stats": ("mlc", "stats"),
    "doctor": ("doctor",),
    "prune": ("prune",),
    "image-list": ("image-list",),
    "container-list": ("container-list",),
}
WORDS_TOO_MANY = {
    "an escape sequence": ("\x1b[2Jred", r"\x1b[2Jred"),
    "5000 characters": ("a" * 5000, "[...]"),
    "written from right to left": ("\u202eabc", r"\u202eabc"),
}
APT = "is not the name of a Debian package. Say for instance: ffmpeg libgl1"
APT_PACKAGES = {
    "a command": ("x;rm", APT),
    "an option": ("-oAPT::Pre-Invoke=id", APT),
    "a line break": ("x\nRUN id", APT),
    "a variable": ("$(id)", APT),
    "a file": ("./x.deb", APT),
    "capitals": ("FFmpeg", APT),
    "NUL": ("x\0", APT),
    "201 characters": ("x" * 201, APT),
    "an escape sequence": ("\x1b[2J", APT),
}
COMMANDS_INSIDE = {
    "NUL": ("a\0b", "holds NUL, which no program can be given"),
    "no UTF-8": ("caf\udce9", "is no UTF-8, which Docker cannot be told"),
}
CHECKOUTS = (
    ("nothing there", "HOME/no", "HOME/no is no directory. Name the AIME checkout"),
    ("a file", "HOME/file", "is no directory. Name the AIME checkout"),
    ("a FIFO", "HOME/fifo", "is no directory. Name the AIME checkout"),
    ("a link to itself", "HOME/loop", "is no directory. Name the AIME checkout"),
    ("an escape sequence", "HOME/\x1b[2J", r"/\x1b[2J is no directory"),
    ("5000 characters", "a" * 5000, "is no directory. Name the AIME checkout"),
    ("a directory of another kind", "HOME/workspace", "is no AIME checkout: it has no ml_images"),
)
NO_HOURS = "is no number of hours. Say for instance: 24"
HOURS = {
    "nothing": "",
    "below 0": "-1",
    "no number": "nan",
    "400 digits": "9" * 400,
    "5000 digits": "9" * 5000,
    "digits of another script": "\u0663",
    "an escape sequence": "\x1b[2J",
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
    ("an escape sequence", "HOME/\x1b[2J", 1, r"/\x1b[2J does not exist. Make it with: mkdir -p"),
    ("written from right to left", "HOME/\u202eabc", 1, r"/\u202eabc does not exist"),
    ("flags", "-rf", 1, f"{Path.cwd()}/-rf does not exist. Make it with: mkdir -p"),
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
LINKS_OUT = "holds '../../etc/x', which mlc export never writes: it leads out of the archive"
NO_ARCHIVE = "is not an archive made by mlc export"
IMPORTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "\0", 2, "is not the name of a file"),
    ("nothing there", "HOME/no", 1, "cannot be read: No such file or directory"),
    ("a directory", "HOME/workspace", 1, "cannot be read: Is a directory"),
    ("a file", "HOME/file", 1, NO_ARCHIVE),
    ("a FIFO that nobody writes to", "HOME/fifo", 1, NO_ARCHIVE),
    ("a link to itself", "HOME/loop", 1, "cannot be read: Too many levels of symbolic links"),
    ("a device", "/dev/zero", 1, NO_ARCHIVE),
    ("nothing in it", "/dev/null", 1, NO_ARCHIVE),
    ("path traversal", "HOME/dots.tar", 1, "'../../evil', which mlc export never writes"),
    ("an absolute path", "HOME/absolute.tar", 1, "'/etc/evil', which mlc export never writes"),
    ("a hard link out", "HOME/hard.tar", 1, "'../../etc/shadow', which mlc export never writes"),
    ("a symbolic link's place is out", "HOME/symlink.tar", 1, LINKS_OUT),
    ("a device node's place is out", "HOME/device.tar", 1, LINKS_OUT),
    ("a FIFO's place is out", "HOME/pipe.tar", 1, LINKS_OUT),
    ("a directory's place is out", "HOME/directory.tar", 1, LINKS_OUT),
    ("a manifest that steers a terminal", "HOME/steering.tar", 1, r"its format is '\x1b[2J"),
    ("a manifest with a megabyte of format", "HOME/format.tar", 1, "its format is 'aaaa"),
    ("a manifest with a megabyte of version", "HOME/version.tar", 1, "archive version 'aaaa"),
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
        ("nothing", ""),
        ("an escape sequence", "\x1b[2J"),
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
    ("5000 characters without a value", "a" * 5000, "Say: --ds01-label KEY=VALUE"),
    ("an escape sequence", "\x1b[2J", r"--ds01-label '\x1b[2J' is not understood"),
    ("a key that is no UTF-8", "caf\udce9=x", "is no UTF-8, which Docker cannot be told"),
    ("a value that is no UTF-8", "a=caf\udce9", "is no UTF-8, which Docker cannot be told"),
    ("the owner", "aime.mlc=root", "is mlc's own and cannot be set"),
    ("the user", "aime.mlc.USER=root", "is mlc's own and cannot be set"),
    ("the UID", "aime.mlc.DS01_USER_ID=0", "is mlc's own and cannot be set"),
)
CGROUPS = (
    ("a way out", "../x"),
    ("spaces", "a b"),
    ("a command", "$(id)"),
    ("lines", "a\nb"),
    ("an escape sequence", "\x1b[2J"),
    ("a name longer than any directory's", "a" * 256 + ".slice"),
    ("a path deeper than any", "/a" * 2000),
)
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
        add(f"{command} by name: flags", 2, "error: ", *flags)
    for says, line in AFTER_DASHES:
        add(f"{' '.join(line)}: flags after --", 2, says, *line)
    for command, line in TAKES_A_PROJECT.items():
        for what, (name, says) in PROJECTS.items():
            words = [word.replace("NAME", name) for word in line]
            add(f"{command} of a project: {what}", 2, says, *words)
        says = NOTHING_AS_PROJECT.get(command, f"'' {NO_PROJECT}")
        words = [word.replace("NAME", "") for word in line]
        add(f"{command} of a project: nothing", 2, says, *words)
    for command, line in TAKES_A_TAG.items():
        for what, (tag, says) in TAGS.items():
            words = [word.replace("TAG", tag) for word in line]
            add(f"{command} by tag: {what}", 2, says, *words)
        if command != "container-retire --save":  # to which nothing is a tag of the date
            words = [word.replace("TAG", "") for word in line]
            add(f"{command} by tag: nothing", 2, f"'' {NO_TAG}", *words)
    for what, tag in SAVED_TAGS.items():
        line = TAKES_A_TAG["container-retire --save"]
        words = [word.replace("TAG", tag) for word in line]
        add(f"container-retire --save by tag: {what}", 2, MEANT_OTHERWISE, *words)
    for what, registry in REGISTRIES.items():
        add(f"image-push to a registry: {what}", 2, NO_REGISTRY, "image-push", "p", "--", registry)
    for command, (says, line) in TAKES_A_FRAMEWORK.items():
        for what, (name, seen) in FRAMEWORKS.items():
            words = [word.replace("WORD", name) for word in line]
            add(f"{command}: {what}", 1, says, *words)
            add(f"{command} as it is shown: {what}", 1, seen, *words)
    for command, line in TAKES_NO_WORD.items():
        for what, (word, seen) in WORDS_TOO_MANY.items():
            add(f"{command} with a word too many: {what}", 2, seen, *line, word)
    for what, (package, says) in APT_PACKAGES.items():
        add(
            f"--apt: {what}", 2, says, "image-create", "q", "--base", BASE, "-y", f"--apt={package}"
        )
        add(f"--apt to add: {what}", 2, says, "image-update", "p", "-y", f"--apt={package}")
    for what, (word, says) in COMMANDS_INSIDE.items():
        add(f"a command inside: {what}", 2, says, "mlc", "start", "mine", "--", word)
        add(
            f"a command inside, detached: {what}", 2, says, "mlc", "start", "mine", "-d", "--", word
        )
    for what, path, says in CHECKOUTS:
        for action in ("status", "verify", "apply", "revert"):
            add(f"mlc-patch {action}: {what}", 1, says, "mlc-patch", action, "--", path)
    for what, hours in HOURS.items():
        add(f"--older-than: {what}", 2, NO_HOURS, "prune", "-y", f"--older-than={hours}")
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
    (home / "wide").write_text("x," * 500_000)
    (home / "dead").symlink_to("/no/where")
    (home / "loop").symlink_to("loop")
    (home / os.fsdecode(b"caf\xe9")).mkdir()
    for number, (_, text, _) in enumerate(DOCKERFILES):
        (home / f"Dockerfile.{number}").write_text(text)
    for name, members in archives().items():
        (home / f"{name}.tar").write_bytes(head(MANIFEST_OF_NOBODY) + members)
    manifest = json.loads(head(MANIFEST_OF_NOBODY)[512:].rstrip(b"\0"))
    for name, field, value in (
        ("steering", "format", "\x1b[2J"),
        ("format", "format", "a" * 10**6),
        ("version", "version", "a" * 10**6),
    ):
        content = json.dumps({**manifest, field: value}).encode()
        made = member("mlc-manifest.json", size=len(content)) + content
        (home / f"{name}.tar").write_bytes(made + bytes(-len(content) % 512 + 1024))


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
        "symlink": good + member("../../etc/x", tarfile.SYMTYPE, "/etc/passwd") + end,
        "device": good + member("../../etc/x", tarfile.BLKTYPE) + end,
        "pipe": good + member("../../etc/x", tarfile.FIFOTYPE) + end,
        "directory": good + member("../../etc/x", tarfile.DIRTYPE) + end,
        "hard": good + member("inside", tarfile.LNKTYPE, "../../etc/shadow") + end,
        "long": good + member("a/" * 100 + "../" * 200 + "evil") + end,
        "holes": good + member("bomb", tarfile.GNUTYPE_SPARSE, size=512) + bytes(512) + end,
        "pax": good + extended("GNU.sparse.realsize", str(2**50)) + member("bomb") + end,
        "gzip": gzip.compress(bytes(2**20)),
        "cut": good[:600],
    }
