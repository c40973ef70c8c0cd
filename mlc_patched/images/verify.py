"""Check that an image contains the account that its labels name, by running it."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from ..context import Context
from ..engine.interface import Image
from ..errors import SetupError
from ..host.account import Account
from ..lean import dataclass
from ..names.labels import Claim, MalformedLabelsError, read_claim
from .probe import run_in_image
from .verified import wrong_account
from .versions.inventory import (
    DEBIAN_SCRIPT,
    NOTHING,
    PYTHON_SCRIPT,
    Inventory,
    read_inventory,
)

_CHECKS = r"""
echo "id $(id -u):$(id -g) $(id -un)"
case "$HOME" in "/home/$(id -un)") ;; *) echo "wrong: HOME is $HOME" ;; esac
probe="$HOME/.mlc-check"
if ! { true >"$probe" && rm "$probe"; }; then echo "wrong: $HOME is not writable"; fi
[ -d "$HOME/.local/bin" ] || echo "lacks: there is no $HOME/.local/bin"
case ":$PATH:" in *":$HOME/.local/bin:"*) ;; *) echo "lacks: PATH lacks $HOME/.local/bin" ;; esac
if ! said="$(sudo -n true 2>&1)"; then echo "lacks: sudo does not work: ${said##*
}"; fi
for tool in ps less; do command -v "$tool" >/dev/null || echo "without: $tool"; done
[ -s /etc/ssl/certs/ca-certificates.crt ] || echo "without: certificate authorities"
"""

# Where Apptainer runs an image, all of its files are root's, and the user is not root.
PRIVATE_SCRIPT = r"""
command -v python3 >/dev/null 2>&1 && python3 - 2>/dev/null <<'EOF'
import os, sys
def lacks(path, bits):
    return os.path.exists(path) and os.stat(path).st_mode & bits != bits
def private(place):
    above = os.path.dirname(place)
    while above != "/":
        if lacks(above, 0o1):
            return above
        above = os.path.dirname(above)
    if lacks(place, 0o5):
        return place
    for path in (os.path.join(place, name) for name in sorted(os.listdir(place))):
        if lacks(path, 0o5 if os.path.isdir(path) else 0o4):
            return path
for place in sys.path:
    if place.endswith("-packages") and os.path.isdir(place) and private(place):
        print("private", private(place))
EOF
"""


@dataclass(frozen=True)
class Findings:
    """What is wrong with the account in an image: `wrong` is what its labels claim and is not so
    (UID, GID, name, home), `lacking` is what images of ours have beyond that, `absent` what people
    expect in them. `private` are Python packages that only their owner can read."""

    wrong: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    inventory: Inventory = NOTHING


def verify(image: Image, account: Account, context: Context) -> Inventory:
    """Run an image as its user, and raise SetupError if the account in it is not right.

    What else is missing is reported. Returns what is in the image.
    """
    found = examine(image, Claim.of(account), context, is_new=True)
    if wrong := (*found.wrong, *found.lacking):
        raise SetupError(
            f"The image was built, but would not work for you: {'; '.join(wrong)}. It was removed.",
            _hint(image, f"/home/{account.container_name}", wrong),
        )
    if found.absent:
        context.report.note(
            f"The image has no {' and no '.join(found.absent)}: apt-get could not install them."
        )
    for path in found.private:
        context.report.note(
            f"The image was built, but {only_for_docker(path)}. To change that, add this to the "
            f"Dockerfile: RUN chmod -R go+rX {quote(path)}"
        )
    return found.inventory


def _hint(image: Image, home: str, wrong: Sequence[str]) -> str:
    """Return what to do about a wrong account; Podman and the classic builder drop what a step
    writes into a volume."""
    for volume in image.volumes:
        if f"{home}/".startswith(f"{volume.rstrip('/')}/") and any(home in each for each in wrong):
            return (
                f"The base or the Dockerfile has VOLUME {volume}, so this builder keeps nothing "
                "that later steps write there. Remove that line, or build with BuildKit "
                "(apt-get install docker-buildx)."
            )
    return "Is the account block of the Dockerfile complete, and the last part of it?"


def only_for_docker(path: str) -> str:
    """Return what follows if only the owner of a path can read it."""
    return f"only the owner of {path} can read it, so it will not work with Apptainer"


def examine(image: Image, wanted: Claim, context: Context, *, is_new: bool = False) -> Findings:
    """Run an image as its user and return what is wrong with the account in it.

    With `is_new`, what the first container of the image would have to check is done here already.
    """
    if wrong := _wrong_labels(image, wanted):
        return Findings((wrong,))
    # As mlc starts a container: by number, in these groups.
    script = f"{_CHECKS}{PRIVATE_SCRIPT}{PYTHON_SCRIPT}{DEBIAN_SCRIPT}true\n"

    def look(container: str) -> None:
        if is_new:
            wrong_account(image, wanted, container, context.account, context.engine)

    user = f"{wanted.uid}:{wanted.gid}"
    result = run_in_image(image, script, "verify", context, user=user, look=look)
    found = next(iter(result.values("id")), None)
    if result.status != 0 or found is None:
        return Findings((f"it does not run: {result.ending()}",))
    faults = result.values("wrong:")
    if found != f"{wanted.uid}:{wanted.gid} {wanted.username}":
        faults.insert(0, f"id says {found}, not {wanted.uid}:{wanted.gid} {wanted.username}")
    last_user = image.user.partition(":")[0]
    if last_user not in (str(wanted.uid), wanted.username):
        faults.append(f"its user is {image.user or 'root'}")
    return Findings(
        tuple(faults),
        tuple(result.values("lacks:")),
        tuple(result.values("without:")),
        tuple(result.values("private")),
        read_inventory(result),
    )


def _wrong_labels(image: Image, wanted: Claim) -> str:
    try:
        claim = read_claim(image.labels)
    except MalformedLabelsError as error:
        return str(error)
    if claim is None:
        return "its labels name no account"
    if claim != wanted:
        return (
            f"its labels name {claim.username} {claim.uid}:{claim.gid}, "
            f"not {wanted.username} {wanted.uid}:{wanted.gid}"
        )
    return ""
