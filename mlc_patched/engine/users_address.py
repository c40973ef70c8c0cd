"""The engine that a user chose, for root, who works for them: an address and nothing else.

Root's keys and logins are not for an engine of the user's choice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..errors import EngineUnreachableError, NotAllowedError
from ..host.account import Account
from ..host.files import held_socket, rights_of
from ..lean import replace
from .address import TLS_FILES, EngineAddress, Tls

_LARGEST = 1024**2


def for_root(
    address: EngineAddress,
    account: Account,
    make_directory: Callable[[], str],
    opened: ExitStack,
) -> EngineAddress:
    """Return the address for root, who may use it until `opened` is closed.

    The socket is one to which the user may connect. Certificates are copies, read with the user's
    rights, in a directory of root's that is made if there are any.

    Raises NotAllowedError for ssh, which would use root's keys, and EngineUnreachableError if the
    user may not connect to the socket, or a certificate cannot be read.
    """
    if address.is_ssh:
        raise NotAllowedError(
            f"Under sudo, {address.url} would be reached with root's keys, not with yours.",
            "Run the command without sudo: a remote engine needs no root here.",
        )
    if (path := address.socket_path) is not None:
        try:
            return replace(address, held=opened.enter_context(held_socket(path, account)))
        except OSError as error:
            raise EngineUnreachableError(
                f"Under sudo, you must be able to connect to {address.url} yourself: "
                f"{error.strerror}.",
                "Name no engine (DOCKER_HOST, --context), to use this host's own. Root can choose "
                "another one for all: docker context use NAME",
            ) from error
    if address.tls is None:
        return address
    private = make_directory()
    for name in TLS_FILES:
        if (content := _read(f"{address.tls.directory}/{name}", account)) is not None:
            Path(private, name).write_bytes(content)
    return replace(address, tls=Tls(private, address.tls.verify))


def _read(path: str, account: Account) -> bytes | None:
    try:
        with rights_of(account):
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "rb") as stream:
            return stream.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineUnreachableError(
            f"The certificate {path} cannot be read: {error.strerror}.",
            "Make it readable for yourself.",
        ) from error
