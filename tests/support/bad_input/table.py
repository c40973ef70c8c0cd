"""Input that cannot be meant, as one table: what is said, and that nothing was changed.

To add to it, add a row: what it is, a command line, its exit code, and words of its message.
`tests/unit/cli/test_bad_input.py` runs every row on the fake engine; HOME in a word stands for the
user's home, which holds what `prepare` puts there. Names are in
`names.py`, files in `files.py`, and variables in `environment.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlc_patched.cli.dispatch import COMMANDS
from support.bad_input.names import (
    AFTER_DASHES,
    APT_PACKAGES,
    CHECKOUTS,
    COMMANDS_INSIDE,
    CONTAINER_NAMES,
    FRAMEWORKS,
    HOME,
    HOURS,
    IMAGES,
    MEANT_OTHERWISE,
    NO_HOURS,
    NO_IMAGE,
    NO_PROJECT,
    NO_REGISTRY,
    NO_TAG,
    NOTHING_AS_PROJECT,
    PROJECTS,
    REGISTRIES,
    SAVED_TAGS,
    TAGS,
    TAKES_A_CONTAINER,
    TAKES_A_FRAMEWORK,
    TAKES_A_PROJECT,
    TAKES_A_TAG,
    TAKES_AN_IMAGE,
    TAKES_NO_WORD,
    WORDS_TOO_MANY,
)
from support.base_images import BASE

NO_DOCKERFILE = "image-update PROJECT --edit"
GPUS = "Use 'all', a number, 'device=0,1'"
SIZE = "For example: 16g or 512m"


@dataclass(frozen=True)
class Row:
    """A command line, its exit code, and words of its message."""

    what: str
    argv: tuple[str, ...]
    code: int
    says: str
    environ: tuple[tuple[str, str], ...] = ()


CREATE = ("mlc", "create", "it", "--image", BASE, "-s")
PATHS = (
    ("a FIFO", "HOME/fifo", 1, "is not a directory"),
    ("a file", "HOME/file", 1, "is not a directory"),
    ("a link to nowhere", "HOME/dead", 1, "is a broken link"),
    ("a link to itself", "HOME/loop", 1, "is a broken link"),
    ("nothing there", "HOME/no", 1, "does not exist. Create it with: mkdir -p"),
    ("a quote", "HOME/it's; id", 1, """mkdir -p '"""),
    ("relative", "no/where", 1, f"{Path.cwd()}/no/where does not exist"),
    ("an escape sequence", "HOME/\x1b[2J", 1, r"/\x1b[2J does not exist. Create it with: mkdir -p"),
    ("written from right to left", "HOME/\u202eabc", 1, r"/\u202eabc does not exist"),
    ("flags", "-rf", 1, f"{Path.cwd()}/-rf does not exist. Create it with: mkdir -p"),
    ("nothing", "", 2, "'' is not a path"),
    ("NUL", "HOME/\0", 2, "is not a path"),
    ("a line break", "HOME/a\nb", 2, "is not a path"),
    ("no UTF-8", "HOME/caf\udce9", 2, "is not UTF-8, which Docker requires. Rename it"),
    ("a name too long", "HOME/" + "a" * 5000, 1, "File name too long"),
    ("below a file", "HOME/file/x", 1, "does not exist"),
)
TEXTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "\0", 2, "is not the name of a file"),
    ("nothing there", "HOME/no", 1, "There is no {what} HOME/no"),
    ("a directory", "HOME/workspace", 1, "cannot be read: Is a directory"),
    (
        "a FIFO that nobody writes to",
        "HOME/fifo",
        1,
        "and reading it returned nothing",
    ),
    ("a device", "/dev/zero", 1, "is larger than 1 MiB"),
    ("10 MB", "HOME/big", 1, "is larger than 1 MiB"),
    ("no UTF-8", "HOME/latin", 1, "is not valid UTF-8 text"),
    ("a link to itself", "HOME/loop", 1, "cannot be read: Too many levels of symbolic links"),
)
EXPORTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "a\0", 2, "is not the name of a file"),
    ("the root", "/", 1, "exists and is not a file"),
    ("here", ".", 1, "exists and is not a file"),
    ("above", "..", 1, "exists and is not a file"),
    ("a directory", "HOME/workspace", 1, "exists and is not a file"),
    ("a FIFO", "HOME/fifo", 1, "exists and is not a file"),
    ("a device", "/dev/null", 1, "exists and is not a file"),
    ("below a file", "HOME/file/x", 1, "cannot be written: Not a directory"),
    ("no directory", "HOME/no/x", 1, "cannot be written: No such file or directory"),
    ("a name too long", "HOME/" + "a" * 255, 1, "cannot be written: File name too long"),
)
JOBS = (
    *(
        (flag, what, value, "is not an absolute path")
        for flag in ("-w", "-d", "-m")
        for what, value in (
            ("relative", "no/where"),
            ("nothing", ""),
            ("another's home", "~root/x"),
        )
    ),
    ("-w", "a command", "/x/$(id) y", "contains a blank, a comma or a colon"),
    ("-d", "another mount", "/x:/etc", "contains a blank, a comma or a colon"),
    ("-m", "a line break", "/x\n#SBATCH", "contains a blank, a comma or a colon"),
    ("-m", "an escape sequence", "/x\x1b[2J", "cannot be mounted"),
    ("-w", "bytes that are no text", "/caf\udce9", "cannot be mounted"),
    ("-g", "all", "all", "Give their number, such as -g 2"),
    ("-g", "certain ones", "device=0,1", "Give their number, such as -g 2"),
    ("-g", "below 0", "-1", GPUS),
    ("--cpus", "a part of one", "0.5", "is not a number of CPUs from 1"),
    ("--cpus", "none", "0", "is not a number of CPUs from 1"),
    ("--memory", "no size", "much", SIZE),
    ("--time", "an option more", "1 --exclusive", "is not a value that Slurm takes"),
    ("--partition", "a line break", "gpu\nid", "is not a value that Slurm takes"),
    ("--account", "flags", "-rf", "is not a value that Slurm takes"),
    ("--qos", "nothing", "", "is not a value that Slurm takes"),
    ("-o", "a command", "$(id).tar", "Use letters, digits"),
    ("-o", "another host's", "host:x.tar", "Use letters, digits"),
)
LINKS_OUT = "contains '../../etc/x', which mlc export never writes: it points outside the archive"
NO_ARCHIVE = "is not an archive made by mlc export"
IMPORTS = (
    ("nothing", "", 2, "'' is not the name of a file"),
    ("NUL", "\0", 2, "is not the name of a file"),
    ("nothing there", "HOME/no", 1, "There is no file HOME/no"),
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
    ("a long path out", "HOME/long.tar", 1, "it points outside the archive"),
    ("a sparse bomb", "HOME/holes.tar", 1, "its type is 'S'"),
    ("a sparse bomb of another kind", "HOME/pax.tar", 1, "contains a sparse file"),
    ("a compressed bomb", "HOME/gzip.tar", 1, "contains data that is not a tar member"),
    ("cut off", "HOME/cut.tar", 1, "is cut off. Copy it again, or export once more"),
)
PACKAGES = (
    ("a command", "x; rm", "is not the name of a Python package"),
    ("a command without a blank", "x;rm", "is not the name of a Python package"),
    ("an option with an index", "--index-url=http://evil", "is an option of pip, not a package"),
    ("an option", "-rhttp://evil", "is an option of pip, not a package"),
    ("a line break", "x\nRUN id", "is not the name of a Python package"),
    ("a variable", "$(id)", "is not the name of a Python package"),
    ("a back quote", "`id`", "is not the name of a Python package"),
    ("NUL", "x\0", "is not the name of a Python package"),
    ("201 characters", "x" * 201, "is not the name of a Python package"),
    ("a letter that looks like one", "numpy\u0430", "is not the name of a Python package"),
)
BROUGHT = (
    ("a command in an address", "git+https://evil/$(id)", 2, "is not a URL of a package"),
    ("a quote in an address", 'https://evil/x".whl', 2, "is not a URL of a package"),
    ("an address without TLS", "git+http://evil/x", 2, "is not a URL of a package"),
    ("another scheme", "file:///etc/shadow", 2, "is not a URL of a package"),
    ("a password", "https://me:secret@evil/x.whl", 2, "contains a password"),
    ("a wheel that is not there", "HOME/x.whl", 1, "There is no wheel"),
    ("a command as a wheel", "HOME/$(id).whl", 2, "is not the name of a wheel"),
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
        ("a superscript digit", "\xb2"),
        ("a space", " "),
        ("True", "True"),
        ("NUL", "1\0"),
        ("nothing", ""),
        ("an escape sequence", "\x1b[2J"),
    )
    for flag, says in (
        ("-g", GPUS),
        ("--cpus", "For example: --cpus 4"),
        ("--memory", SIZE),
        ("--shm-size", SIZE),
        ("--pids-limit", "For example: 4096"),
        ("-arch", "Known: CUDA, CUDA_AMPERE"),
    )
)
LABELS = (
    ("nothing", "", "Use: --ds01-label KEY=VALUE"),
    ("no value", "a", "Use: --ds01-label KEY=VALUE"),
    ("no key", "=x", "Use: --ds01-label KEY=VALUE"),
    ("5000 characters without a value", "a" * 5000, "Use: --ds01-label KEY=VALUE"),
    ("an escape sequence", "\x1b[2J", r"--ds01-label '\x1b[2J' is not understood"),
    ("a key that is not UTF-8", "caf\udce9=x", "is not UTF-8, which Docker requires"),
    ("a value that is not UTF-8", "a=caf\udce9", "is not UTF-8, which Docker requires"),
    ("the owner", "aime.mlc=root", "is reserved for mlc and cannot be set"),
    ("the user", "aime.mlc.USER=root", "is reserved for mlc and cannot be set"),
    ("the UID", "aime.mlc.DS01_USER_ID=0", "is reserved for mlc and cannot be set"),
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
    ("no instruction", "FROM debian\n!!!\n", "Line 2 of the Dockerfile is not an instruction"),
    ("another escape", "# escape=`\nFROM debian\n", "sets the escape character to '`'"),
    ("a heredoc without its end", "FROM debian\nRUN <<EOF\nid\n", "EOF that begins in line 2"),
    ("a step without its end", "FROM debian\nRUN id \\\n", "The step in line 2"),
    ("half an account block", "FROM debian\nARG DS01_USER_ID\n", "only part of the account block"),
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
                1 if COMMANDS.get(line[1], COMMANDS["doctor"]).is_aimes else 2,
                says,
                *(name if word == "NAME" else word for word in line),
            )
        flags = tuple("-rf" if word == "NAME" else word for word in line)
        # What -rf is depends on the flags a command has; it is never a name.
        add(f"{command} by name: flags", 2, "error: ", *flags)
    for says, line in AFTER_DASHES:
        code = 1 if COMMANDS.get(line[1], COMMANDS["doctor"]).is_aimes else 2
        add(f"{' '.join(line)}: flags after --", code, says, *line)
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
        add(f"image-export: {what}", code, says, "image-export", "p", "-f", "-o", path)
    for flag, what, value, says in JOBS:
        add(f"image-export {flag}: {what}", 2, says, "image-export", "p", f"{flag}={value}")
    for what, path, code, says in IMPORTS:
        add(f"import: {what}", code, says, "mlc", "import", path, "copy")
    for what, package, says in PACKAGES:
        add(f"-p: {what}", 2, says, "image-create", "q", "--base", BASE, "-y", f"-p={package}")
        add(f"--add: {what}", 2, says, "image-update", "p", "-y", f"--add={package}")
    for what, package, code, says in BROUGHT:
        argv = ("image-create", "q", "--base", BASE, "-y", f"-p={package}")
        add(f"-p: {what}", code, says, *argv)
        add(f"--add: {what}", code, says, "image-update", "p", "-y", f"--add={package}")
    for what, words in (("empty", ""), ("blank", " "), ("a comma", ",")):
        for flag in ("-p", "--apt", "--preset"):
            new = ("image-create", "q", "--base", BASE, "-y")
            add(f"{flag}: {what}", 2, "names no", *new, flag, words)
        for flag in ("--add", "--apt", "--remove"):
            says = "not the name of a package" if flag == "--remove" else "names no package"
            add(f"update {flag}: {what}", 2, says, "image-update", "p", "-y", flag, words)
    for what, flag, value, says in NUMBERS:
        code = 1 if flag == "-arch" else 2  # as AIME's mlc
        add(f"{flag}: {what}", code, says, *CREATE, f"{flag}={value}")
    for what, label, says in LABELS:
        add(f"label: {what}", 2, says, *CREATE, f"--ds01-label={label}")
    for what, group in CGROUPS:
        add(
            f"cgroup: {what}",
            2,
            "is neither a slice",
            *CREATE,
            f"--cgroup-parent={group}",
        )
    for number, (what, _, says) in enumerate(DOCKERFILES):
        own = f"--dockerfile={HOME}/Dockerfile.{number}"
        add(f"Dockerfile: {what}", 1, says, "image-create", "q", "-y", own)
    return found
