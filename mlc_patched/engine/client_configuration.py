"""The docker client's configuration, which the SDK reads for logins: its errors as ours."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ClientConfigurationError, MlcError

_READERS = ("docker.auth", "docker.credentials")
"""The modules of the SDK that read logins and run credential helpers."""


def sdk_client(url: str, version: str, seconds: int) -> Any:
    """Return the SDK's client, which reads the configuration but sends no request yet.

    Raises ClientConfigurationError if the configuration is invalid.
    """
    import docker
    from docker.utils.config import find_config_file, load_general_config

    # The SDK's own warning of a missing helper; the error says it, too.
    warnings.filterwarnings("ignore", module=r"docker\.credentials")
    file = find_config_file()
    if file and not Path(str(file)).is_file():
        raise _failure("it is not a file")
    try:
        client = docker.APIClient(url, version=version, timeout=seconds)
        headers = dict(load_general_config().get("HttpHeaders") or {})
    except Exception as error:  # whatever the SDK stumbles over
        raise _failure(_reason(error)) from error
    if not all(isinstance(each, str) and each.isprintable() for each in headers.values()):
        raise _failure("the values of HttpHeaders must be text")
    return client


def without_logins(client: Any) -> None:
    """Make the SDK's client send no login and no header of the configuration, which is root's."""
    from docker.auth import AuthConfig

    # The SDK would read the logins again if there were none.
    vars(client)["_auth_configs"] = AuthConfig({"auths": {"none.invalid": {}}})
    vars(client)["_general_configs"].pop("HttpHeaders", None)


@contextlib.contextmanager
def configuration_errors() -> Iterator[None]:
    """Convert what the SDK raises while it looks for a login, whose form it does not check."""
    try:
        yield
    except MlcError:
        raise
    except Exception as error:
        if not _is_of_login(error):
            raise
        raise _failure(_reason(error)) from error


def _is_of_login(error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith(_READERS) for frame, _ in frames)


def _reason(error: Exception) -> str:
    """Return why; of a credential helper's failure, its own words."""
    from docker.credentials import StoreError

    cause = error.__cause__
    return str(cause) if isinstance(cause, StoreError) else f"{type(error).__name__}: {error}"


def _failure(why: str) -> ClientConfigurationError:
    from docker.utils.config import find_config_file

    return ClientConfigurationError(
        f"The docker client's configuration {find_config_file()!s} cannot be used: {why}.",
        "Correct it, or move it away and log in again with: docker login",
    )
