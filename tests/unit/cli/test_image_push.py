"""image-push on the command line: what is in the registry then."""

from __future__ import annotations

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.run_command import call
from support.sandbox import REGISTRY

from mlc_patched.context import Context


def test_a_pushed_image_has_a_digest(fake: FakeEngine, context: Context) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    done = call(["image-push", "thesis", REGISTRY], context)
    assert done.out.startswith(f"[thesis] {REGISTRY}/ds01-1001/thesis")
    assert "\nIts digest: sha256:" in done.out
    assert done.out.endswith("on another engine: container-deploy thesis\n")
    for name in ("thesis:k1", "my.thesis"):
        fake.add_image(f"ds01-1001/{name}", THESIS_LABELS, PASSWD)
    done = call(["image-push", "thesis:k1", REGISTRY], context)
    assert done.out.endswith(": container-deploy thesis --image ds01-1001/thesis:k1\n")
    done = call(["image-push", "my.thesis", REGISTRY], context)
    assert done.out.endswith(": container-deploy my.thesis\n")


@pytest.mark.parametrize("program", ["image-push", "image-update"])
def test_which_project_is_said_without_a_terminal(context: Context, program: str) -> None:
    done = call([program], context)
    assert (done.code, f"Use: {program} PROJECT" in done.last) == (2, True)
