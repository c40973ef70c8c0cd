"""A project's metadata: what was built, noted for people and for going back. Nothing needs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...context import Context
from ...engine.interface import Image
from ...errors import MlcError
from ..dockerfile.installs import APT, PIP, packages_in
from ..dockerfile.syntax import base_of
from .files import ProjectFiles


def note_metadata(
    image: Image, files: ProjectFiles, context: Context, text: str, framework: str, place: str
) -> None:
    """Note what was built; if that cannot be done, the image is there all the same.

    Args:
        image: the image.
        files: where the project's files are.
        context: who built it.
        text: the Dockerfile it was built from.
        framework: words of its label.
        place: the build context.
    """
    noted: Mapping[str, Any] = {
        "project": files.project.name,
        "image": files.project.image,
        "image_id": image.id,
        "framework": framework,
        "base": base_of(text),
        "dockerfile": files.dockerfile_path,
        "dockerfile_text": text,
        "context": place,
        "pip": list(packages_in(text, PIP)),
        "apt": list(packages_in(text, APT)),
        "built": image.created,
        "uid": context.account.uid,
        "gid": context.account.gid,
        "username": context.account.container_name,
    }
    try:
        files.write_metadata(noted)
    except MlcError as error:
        context.report.warn(f"The image is there, but its metadata could not be noted: {error}")


def dockerfile_of(image: Image, files: ProjectFiles) -> str | None:
    """Return the Dockerfile an image was built from, if that was noted.

    The one in the home may have been edited by hand since.
    """
    noted = files.read_metadata()
    text = noted.get("dockerfile_text")
    return text if noted.get("image_id") == image.id and isinstance(text, str) else None
