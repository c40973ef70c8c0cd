"""Environment variables that are invalid, as rows of the table in support/bad_input/table.py."""

from __future__ import annotations

from support.bad_input.table import CREATE, HOME, Row

NO_ADDRESS = "which is not a valid engine address. Use unix:///PATH, tcp://HOST:PORT"
ADDRESSES = {
    "nothing of a path": "unix://relative",
    "another scheme": "http://x",
    "an option of ssh": "ssh://-oProxyCommand=touch",
    "an option of ssh after a user": "ssh://me@-oProxyCommand=touch",
    "a space": "tcp://a b:1",
    "a space to ssh": "ssh://a b",
    "a line break": "tcp://a\nb:1",
    "an escape sequence": "tcp://\x1b[2J:1",
    "dots alone": "tcp://..:1",
    "a label of 64 characters": f"tcp://{'a' * 64}:1",
    "300 characters": f"tcp://{'a.' * 150}b:1",
    "brackets without an address": "tcp://[x]:1",
    "brackets that do not close": "tcp://[::1",
    "colons that are none": "tcp://[:::]:1",
    "a login": "tcp://me@host:1",
    "a port too high": "tcp://host:65536",
    "a command": "tcp://$(id):1",
}
VALUES = (
    ("MLC_ARCH", "\x1b[2J", r"The architecture '\x1b[2J' is unknown. Known: CUDA, CUDA_AMPERE"),
    ("MLC_ARCH", "a" * 5000, "is unknown. Known: CUDA, CUDA_AMPERE"),
    ("MLC_GPUS", "$(id)", "The GPU request '$(id)' is not understood. Use 'all', a number"),
)
"""Of a create; exit code 2, but 1 for an architecture, as AIME's."""
FILES = (
    ("nothing there", f"{HOME}/no", f"There is no WHAT {HOME}/no."),
    ("a directory", f"{HOME}/workspace", "cannot be read: Is a directory"),
    (
        "a FIFO that nobody writes to",
        f"{HOME}/fifo",
        "and reading it returned nothing",
    ),
    ("a device", "/dev/zero", "MiB, so it is not a valid"),
    ("no UTF-8", f"{HOME}/latin", "is not valid UTF-8 text"),
    ("a link to itself", f"{HOME}/loop", "cannot be read: Too many levels of symbolic links"),
    ("an escape sequence", f"{HOME}/\x1b[2J", r"/\x1b[2J."),
)
CATALOG = "expected 'Framework, version, [ARCH;ARCH], image', found"
EDITORS = (
    ("a quote that does not end", "nano '", "which cannot be parsed: No closing quotation"),
    ("spaces", "  ", "which names no program. Example: EDITOR=nano"),
    ("an escape sequence", "\x1b[2J'", r"EDITOR is \"\x1b[2J'\", which cannot be parsed"),
)
WRAPPERS = {"relative": "wrapper.sh", "no program": f"{HOME}/file", "a way out": "../x"}


def environ_rows() -> list[Row]:
    """Return the rows."""
    found = []

    def add(what: str, variable: str, value: str, code: int, says: str, *argv: str) -> None:
        found.append(Row(f"{variable}: {what}", argv, code, says, ((variable, value),)))

    for what, address in ADDRESSES.items():
        add(what, "DOCKER_HOST", address, 2, NO_ADDRESS, *CREATE)
    for what, name in (("a way out", "../x"), ("an escape sequence", "\x1b[2J"), ("a", "a" * 5000)):
        add(what, "DOCKER_CONTEXT", name, 2, "There is no Docker context '", *CREATE)
    for variable, value, says in VALUES:
        add(value[:9], variable, value, 1 if variable == "MLC_ARCH" else 2, says, *CREATE)
    from_catalog = ("mlc", "create", "it", "Pytorch", "2.8.0", "-s")
    for what, path, says in FILES:
        said = says.replace("WHAT", "catalog")
        add(what, "MLC_CATALOG", path, 1, said, *from_catalog)
        said = says.replace("WHAT", "settings file")
        add(what, "DS01_SETTINGS", path, 1, said, *from_catalog)
    add("a row of another kind", "MLC_CATALOG", f"{HOME}/file", 1, CATALOG, *from_catalog)
    add("a megabyte in a row", "MLC_CATALOG", f"{HOME}/wide", 1, "found 'x, x, x", *from_catalog)
    lines = "line 1: 'content' is not understood. Write: key = value"
    add("no settings", "DS01_SETTINGS", f"{HOME}/file", 1, lines, *from_catalog)
    add("one line of 10 MB", "DS01_SETTINGS", f"{HOME}/big", 1, "larger than 1 MiB", *from_catalog)
    for what, editor, says in EDITORS:
        for variable in ("VISUAL", "EDITOR"):
            said = says.replace("EDITOR", variable).replace('\\"', '"')
            add(what, variable, editor, 1, said, "image-update", "p", "--edit", "-y")
    for what, wrapper in WRAPPERS.items():
        says = "which is not the absolute path of a program. Correct it"
        argv = ("container-create", "it", "--project", "p", "-y")
        add(what, "DS01_MLC_WRAPPER", wrapper, 1, says, *argv)
    for what, registry in (("an address", "https://x.y"), ("a command", "$(id).example")):
        says = "is not a valid registry name. Give HOST:PORT"
        add(what, "DS01_REGISTRY", registry, 2, says, "image-push", "p")
    return found
