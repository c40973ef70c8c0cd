"""User names made fit for systemd slices and for accounts inside containers.

The names of an LDAP directory, such as ``h.baker@hertie-school.lan``, are neither slice names nor
Linux account names. This module turns them into both, and ``username-utils.sh`` beside it is the
same library for bash: the same function names, and the same bytes for every input.

The rules are those of docs/contracts.md, "Accounts"; the example comes from DS01's design document,
"Username Sanitization". Change both files together.

A name of the operating system need not be UTF-8. It is taken as ``os.fsdecode`` gives it in a UTF-8
locale, with each undecodable byte as a surrogate escape (U+DC80 to U+DCFF), and the MD5 is that of
the bytes as they were before. Any other lone surrogate, and NUL, cannot occur in an argument of a
bash function; here they count as any other character that is not allowed.
"""

from __future__ import annotations

import pwd
import re

__all__ = [
    "get_canonical_username",
    "get_user_slice_name",
    "sanitize_username_for_container",
    "sanitize_username_for_slice",
]

# useradd and utmp allow 32 characters; the cut leaves room for "-" and the digits of the MD5.
_ACCOUNT_LENGTH = 32
_CUT_LENGTH = 27
_DIGEST_DIGITS = 4

# How much of an unusable name an error message repeats.
_SHOWN_LENGTH = 40

# "-" is in the run: what stands beside a replaced character melts into one "-" with it.
_RUN_TO_REPLACE = re.compile(r"[^A-Za-z0-9_]+")

# What strtoul(3), and so id(1), reads as a number: white space, a sign and digits.
_NUMBER = re.compile(r"[ \t\n\v\f\r]*\+?[0-9]+")


def sanitize_username_for_slice(name: str) -> str:
    """Make a user name fit to be part of a systemd slice name.

    ``@`` becomes ``-at-``; ``.`` and every other character outside ``[A-Za-z0-9_-]`` become ``-``;
    runs of ``-`` become one; ``-`` at both ends goes.

    Parameters:
        name: The user name, as the host knows it; any string.

    Returns:
        The sanitised name in ASCII; empty when nothing of the name is left.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts". ``h.baker@hertie-school.lan`` gives
    ``h-baker-at-hertie-school-lan`` (design document, "Username Sanitization").
    """
    return _RUN_TO_REPLACE.sub("-", name.replace("@", "-at-")).strip("-")


def get_user_slice_name(group: str, name: str) -> str:
    """Name the systemd slice of a user.

    Parameters:
        group: The user's resource group, such as ``students``; taken as it is.
        name: The user name, as the host knows it; any string.

    Returns:
        ``ds01-GROUP-SANITISED.slice``. SANITISED may be empty: see sanitize_username_for_slice.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts".
    """
    return f"ds01-{group}-{sanitize_username_for_slice(name)}.slice"


def sanitize_username_for_container(name: str) -> str:
    """Make a user name fit to be an account name inside a container.

    The name for a slice, in lower case; after ``u-`` if it does not begin with ``[a-z_]``. A result
    longer than 32 characters is cut to 27, loses a ``-`` at the end, and gets ``-`` and the first 4
    hex digits of the MD5 of the original name, so that long names that begin alike stay apart.

    Parameters:
        name: The user name, as the host knows it; any string.

    Returns:
        A name of 1 to 32 characters of ``[a-z0-9_-]`` that begins with ``[a-z_]``.

    Errors:
        ValueError: Nothing is left of the name, or it was empty.

    Source: docs/contracts.md, "Accounts".
    """
    # Only ASCII is left after sanitising, so lower() does what bash does in the C locale.
    account = sanitize_username_for_slice(name).lower()
    if not account:
        shown = ascii(name[:_SHOWN_LENGTH]) + ("..." if len(name) > _SHOWN_LENGTH else "")
        raise ValueError(
            f"cannot make an account name of the user name {shown}: "
            "it has no ASCII letter, digit or underscore"
        )
    if account[0].isdigit():  # The only start that sanitising allows and an account does not.
        account = f"u-{account}"
    if len(account) > _ACCOUNT_LENGTH:
        # A checksum, no secret: it must work on hosts whose policy forbids MD5 for security.
        import hashlib  # 3 ms, and few names are that long

        digest = hashlib.md5(_original_bytes(name), usedforsecurity=False).hexdigest()
        account = f"{account[:_CUT_LENGTH].rstrip('-')}-{digest[:_DIGEST_DIGITS]}"
    return account


def get_canonical_username(name: str) -> str:
    """Look up how the host's user database spells a user name.

    LDAP finds ``H.Baker@...`` for ``h.baker@...``. Names that follow from a user name, such as that
    of a slice, must not depend on how somebody typed it.

    Parameters:
        name: The user name, as somebody typed it; any string.

    Returns:
        The database's spelling; the name unchanged if the database does not know it. Unchanged as
        well is what id(1), which the bash library asks, takes for a UID (``1001``, ``+0``) or never
        looks up (a name with ``+`` in front): digits have no case, and no account begins with
        ``+``, which marks NIS entries in passwd(5).

    Errors:
        None.

    Source: docs/contracts.md, "Accounts".
    """
    if not name or name.startswith("+") or _NUMBER.fullmatch(name):
        return name
    try:
        return pwd.getpwnam(name).pw_name
    except (KeyError, ValueError):
        # ValueError: NUL, or a surrogate that stands for no byte; no database has such a name.
        return name


def _original_bytes(name: str) -> bytes:
    """Return the bytes of a name as the operating system has them.

    Parameters:
        name: A user name, perhaps with surrogate escapes.

    Returns:
        The name in UTF-8, with surrogate escapes turned back into their bytes. A name with a
        surrogate that stands for no byte has no such form: all its surrogates are then encoded
        like other characters ("surrogatepass"), so that even such names stay apart.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts".
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
