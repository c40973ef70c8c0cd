"""A project's metadata: what its image was built from, for people and for a rollback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...context import Context
from ...engine.interface import Image
from ...errors import MlcError
from ...names import labels
from ...plan.limits import BASE_NAME
from ..dockerfile.installs import APT, PIP, packages_in
from ..dockerfile.stages import base_of
from .files import ProjectFiles


def note_metadata(image: Image, files: ProjectFiles, context: Context, text: str) -> None:
    """Record what an image was built from, `text` being its Dockerfile; only warn on failure."""
    noted: Mapping[str, Any] = {
        "project": files.project.name,
        "image": files.project.image,
        "image_id": image.id,
        "framework": image.labels.get(labels.IMAGE_FRAMEWORK, "custom"),
        "base": image.labels.get(BASE_NAME) or base_of(text),
        "dockerfile": files.dockerfile_path,
        "dockerfile_text": text,
        "context": files.build_context(text),
        "pip": list(packages_in(text, PIP)),
        "apt": list(packages_in(text, APT)),
        "built": image.created,
        "uid": context.account.uid,
        "gid": context.account.gid,
        "username": context.account.container_name,
        "built_in": engine_of(context),
    }
    try:
        files.write_metadata(noted)
    except MlcError as error:
        context.report.warn(f"The image was built, but its metadata could not be saved: {error}")


def engine_of(context: Context) -> dict[str, str]:
    """Return which engine images are built in, as several hosts may share a home."""
    return {"engine": context.address.url, "host": os.uname().nodename}


def dockerfile_of(image: Image, files: ProjectFiles) -> str | None:
    """Return the Dockerfile an image was built from, if that was recorded.

    The one in the home may have been edited since.
    """
    noted = files.read_metadata()
    text = noted.get("dockerfile_text")
    # An image that was moved to another image store, or saved and loaded, has another ID.
    is_noted = noted.get("image_id") == image.id or (
        bool(image.created) and noted.get("built") == image.created
    )
    return text if is_noted and isinstance(text, str) else None
