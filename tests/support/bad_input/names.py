"""Names that cannot be meant, of all that has one, and the commands that take them: a part of the
table in tests/support/bad_input/table.py."""

from __future__ import annotations

from support.base_images import BASE

HOME = "HOME"
NO_NAME = "is not a valid container name. Use letters, digits, '_' and '-'"
NO_PROJECT = "is not a valid project name: use lower-case letters and digits"
NO_IMAGE = "is not a valid image name. For example: aimehub/"

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
    "another user's": ("x._.1002", "names a container of another user, with the UID 1002"),
    "a command": ("$(id)", NO_NAME),
    "two commands": ("x;id", NO_NAME),
    "a #": ("a#b", "contains a '#', which Docker does not allow"),
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
AFTER_DASHES = (
    (NO_NAME, ("mlc", "create", "-s", "--", "-rf", "Pytorch", "2.8.0")),
    *(
        (NO_NAME, ("mlc", verb, "--", "-rf"))
        for verb in ("open", "start", "stop", "remove", "export")
    ),
    (NO_NAME, ("mlc", "import", f"{HOME}/good.tar", "--", "-rf")),
    (NO_NAME, ("adopt", "--", "-rf")),
    (NO_NAME, ("container-deploy", "--project=p", "-y", "--", "-rf")),
    (NO_NAME, ("container-create", f"--image={BASE}", "-y", "--", "-rf")),
    (NO_NAME, ("container-retire", "-y", "--", "-rf")),
)
"""A name that begins with a dash, after `--`, as shell users write it."""
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
WHICH = "Which project? Use: "
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
NO_TAG = "is not a valid tag: use letters, digits, '_', '.' and '-', at most 128 characters"
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
    "image-export": ("image-export", "-y", "p:TAG"),
    "image-retire": ("image-retire", "-y", "--", "p:TAG"),
    "container-retire --save": ("container-retire", "-y", "mine", "--save=TAG"),
}
MEANT_OTHERWISE = "is reserved. Choose another one"
SAVED_TAGS = {
    "of the image before": "previous",
    "of a build": "mlc-build-1",
    "of a commit": "x._.1",
}
NO_REGISTRY = "is not a valid registry name. Give HOST:PORT"
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
APT = "is not the name of a Debian package. Examples: ffmpeg libgl1"
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
    "NUL": ("a\0b", "contains NUL, which cannot be passed to a program"),
    "no UTF-8": ("caf\udce9", "is not UTF-8, which Docker requires"),
}
CHECKOUTS = (
    ("nothing there", "HOME/no", "HOME/no is not a directory. Name the AIME checkout"),
    ("a file", "HOME/file", "is not a directory. Name the AIME checkout"),
    ("a FIFO", "HOME/fifo", "is not a directory. Name the AIME checkout"),
    ("a link to itself", "HOME/loop", "is not a directory. Name the AIME checkout"),
    ("an escape sequence", "HOME/\x1b[2J", r"/\x1b[2J is not a directory"),
    ("5000 characters", "a" * 5000, "is not a directory. Name the AIME checkout"),
    (
        "a directory of another kind",
        "HOME/workspace",
        "is not an AIME checkout: it has no",
    ),
)
NO_HOURS = "is not a number of hours. For example: 24"
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
