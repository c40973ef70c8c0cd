"""Convert user names for systemd slices and for accounts inside containers.

Names from an LDAP directory, such as ``h.baker@hertie-school.lan``, are not valid as slice names or
Linux account names. This module converts them to both; ``username-utils.sh`` beside it is the
same library for bash: the same function names, and the same bytes for every input.

The rules are those of docs/contracts.md, "Accounts"; the example comes from DS01's design document,
"Username Sanitization". Change both files together.

Names in the operating system need not be UTF-8. They are passed as ``os.fsdecode`` returns them in
a UTF-8 locale, with each undecodable byte as a surrogate escape (U+DC80 to U+DCFF); the MD5 is that
of the original bytes. Any other lone surrogate, and NUL, cannot occur in an argument of a bash
function; here they are treated like any other invalid character.
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

# The run includes "-", so that a replaced character and the "-" beside it become one.
_RUN_TO_REPLACE = re.compile(r"[^A-Za-z0-9_]+")

# What strtoul(3), and so id(1), reads as a number: white space, a sign and digits.
_NUMBER = re.compile(r"[ \t\n\v\f\r]*\+?[0-9]+")


def sanitize_username_for_slice(name: str) -> str:
    """Convert a user name to a part of a systemd slice name.

    ``@`` becomes ``-at-``; ``.`` and every other character outside ``[A-Za-z0-9_-]`` become ``-``;
    several ``-`` become one; ``-`` at either end is removed.

    Parameters:
        name: The user name on the host; any string.

    Returns:
        The sanitised name in ASCII; empty if nothing of the name is left.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts". ``h.baker@hertie-school.lan`` gives
    ``h-baker-at-hertie-school-lan`` (design document, "Username Sanitization").
    """
    return _RUN_TO_REPLACE.sub("-", name.replace("@", "-at-")).strip("-")


def get_user_slice_name(group: str, name: str) -> str:
    """Return the name of a user's systemd slice.

    Parameters:
        group: The user's resource group, such as ``students``; used unchanged.
        name: The user name on the host; any string.

    Returns:
        ``ds01-GROUP-SANITISED.slice``. SANITISED may be empty: see sanitize_username_for_slice.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts".
    """
    return f"ds01-{group}-{sanitize_username_for_slice(name)}.slice"


def sanitize_username_for_container(name: str) -> str:
    """Convert a user name to an account name inside a container.

    The name for a slice, in lower case, with ``u-`` in front if it does not start with ``[a-z_]``.
    A result longer than 32 characters is cut to 27, loses a ``-`` at the end, and gets ``-`` and
    the first 4 hex digits of the MD5 of the original name, so that long names with the same
    beginning remain different.

    Parameters:
        name: The user name on the host; any string.

    Returns:
        A name of 1 to 32 characters of ``[a-z0-9_-]`` that starts with ``[a-z_]``.

    Errors:
        ValueError: Nothing of the name is left, or it was empty.

    Source: docs/contracts.md, "Accounts".
    """
    # After sanitising only ASCII is left, so lower() does the same as bash in the C locale.
    account = sanitize_username_for_slice(name).lower()
    if not account:
        shown = ascii(name[:_SHOWN_LENGTH]) + ("..." if len(name) > _SHOWN_LENGTH else "")
        raise ValueError(
            f"cannot make an account name of the user name {shown}: "
            "it has no ASCII letter, digit or underscore"
        )
    if account[0].isdigit():  # Valid in a slice, not in an account.
        account = f"u-{account}"
    if len(account) > _ACCOUNT_LENGTH:
        # A checksum, not for security: it must work on hosts whose policy forbids MD5.
        import hashlib  # 3 ms, and few names are that long

        digest = hashlib.md5(_original_bytes(name), usedforsecurity=False).hexdigest()
        account = f"{account[:_CUT_LENGTH].rstrip('-')}-{digest[:_DIGEST_DIGITS]}"
    return account


def get_canonical_username(name: str) -> str:
    """Return a user name as the host's user database spells it.

    LDAP finds ``H.Baker@...`` for ``h.baker@...``. Names derived from a user name, such as that of
    a slice, must not depend on how somebody typed it.

    Parameters:
        name: The user name as typed; any string.

    Returns:
        The database's spelling.

    Errors:
        KeyError: The database has no such user; a blank name, a UID (``1001``, ``+0``) and a name
            with ``+``, ``-`` or ``#`` in front, which passwd(5) uses for other entries, are none.

    Source: docs/contracts.md, "Accounts".
    """
    # Not %r: the name may be long, or contain what cannot be printed.
    unknown = KeyError("get_canonical_username: there is no such user")
    if not name.strip() or name[0] in "+-#":
        raise unknown
    try:
        found = pwd.getpwnam(name).pw_name
    except (KeyError, ValueError):
        # ValueError: NUL, or a surrogate that is not an escape; no database has such a name.
        raise unknown from None
    # id(1), which the bash library uses, reads digits as a UID. They have no other spelling.
    if _NUMBER.fullmatch(name) and found != name:
        raise unknown
    return found


def _original_bytes(name: str) -> bytes:
    """Return the bytes of a name in the operating system.

    Parameters:
        name: A user name, possibly with surrogate escapes.

    Returns:
        The name in UTF-8, with surrogate escapes converted back to bytes. If a surrogate is not an
        escape, all surrogates are encoded like other characters ("surrogatepass"), so that even
        such names remain different.

    Errors:
        None.

    Source: docs/contracts.md, "Accounts".
    """
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
