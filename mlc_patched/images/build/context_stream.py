"""Send a build context to root's client as a stream, read with the user's rights.

Under sudo the client is root's. It would follow the links of a directory that its user may change
at any moment, so it opens nothing there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ...engine.build_context import DOCKERFILE, context_archive, unreadable
from ...host.account import Account
from ...host.child import Stream, written_by
from ...host.directories import opened
from .environment import Builder

SENT_DOCKERFILE = DOCKERFILE
"""Name of the Dockerfile in the stream, where the client looks for it."""
STANDARD_INPUT = "-"
"""The build context that makes a client read the stream."""


@contextlib.contextmanager
def sent_context(
    directory: str, dockerfile: str, account: Account, builder: Builder
) -> Iterator[Stream]:
    """Have a process of the user's read a build context; yields its stream.

    Raises MlcError if the directory is a link, or the user may not read it.
    """
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(opened(directory, account))
        except OSError as error:
            raise unreadable(directory, error) from error
        yield stack.enter_context(
            written_by(
                account,
                f"The build context {directory}",
                lambda: context_archive(
                    directory,
                    account,
                    {DOCKERFILE: dockerfile},
                    place=place,
                    hides_added=builder is Builder.CLASSIC,
                ),
            )
        )
