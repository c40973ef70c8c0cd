"""Part h: the requests of each command to the engine.

On the machine's own engine, which can start privileged containers.
"""

from __future__ import annotations

import re
import sys

from images import SMALL, label
from people import ROOT, Person, settings_for_builds

from mlc_patched.engine.docker import DockerEngine

sys.path.append(str(ROOT / "tests"))

from support import engine_proxy

_NAME = "asked"
_NAMELESS = (
    (re.compile(r"\b(sha256:)?[0-9a-f]{12,64}\b"), "ID"),
    (re.compile(rf"/containers/({_NAME}(?=/)|[^/]*\._\.\d+)"), "/containers/NAME"),
    (re.compile(r"/images/.*?/(json|tag)"), r"/images/NAME/\1"),
    (re.compile(r"(DELETE /images/).*"), r"\1NAME"),
    (re.compile(r"mlc-setup-\d+-[0-9a-f]+"), "NAME"),
)


def calls(person: Person) -> dict[str, list[str]]:
    """Return the requests of each command in order, except the ping at its start."""
    engine = DockerEngine()
    own = label(engine, SMALL, person, _NAME)
    flags = ("-g", "none", "-s")
    create = ("create", _NAME, "--image", SMALL, *flags)
    build = {"DS01_SETTINGS": settings_for_builds(person)}
    steps: list[tuple[str, tuple[str, ...], dict[str, str]]] = [
        ("create, labelled image", ("create", _NAME, "--image", own, *flags), {}),
        ("list", ("list",), {}),
        ("list -a (with sizes)", ("list", "-a"), {}),
        ("start", ("start", _NAME, "-s"), {}),
        ("start NAME COMMAND", ("start", _NAME, "true", "-s"), {}),
        ("stats, one container running", ("stats",), {}),
        ("stop", ("stop", _NAME, "-s"), {}),
        ("remove", ("remove", _NAME, "-s"), {}),
        ("create, legacy flow", create, {}),
        ("remove, legacy flow's", ("remove", _NAME, "-s"), {}),
        ("create, first of legacy_flow = build", create, build),
        ("remove, built", ("remove", _NAME, "-s"), {}),
        ("create, next of legacy_flow = build", create, build),
        ("remove, built again", ("remove", _NAME, "-s"), {}),
        ("container-list", ("container-list",), {}),
        ("image-list", ("image-list",), {}),
        ("complete containers", ("complete", "containers"), {}),
    ]
    found = {}
    try:
        with engine_proxy.recording() as record:
            for name, argv, more in steps:
                record.calls.clear()
                person.mlc(*argv, address=record.address, **more)
                found[name] = [_nameless(path) for path in record.paths()]
    finally:
        engine.remove_container(f"{_NAME}._.{person.uid}", force=True)
        engine.remove_image(own)
        for image in engine.find_images(names=(f"mlc-account-{person.uid}",)):
            engine.remove_image(image.references[0])
    return found


def _nameless(call: str) -> str:
    for pattern, word in _NAMELESS:
        call = pattern.sub(word, call)
    return call
