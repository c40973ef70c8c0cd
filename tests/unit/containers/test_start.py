"""Start containers, through the Python API."""

from __future__ import annotations

from support.accounts import OWN, own_image
from support.fakes.engine import FakeEngine

import mlc_patched
from mlc_patched.context import Context


def test_commands_run_as_the_user(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, context=context)
    mlc_patched.start("n", ["python train.py"], detach=True, context=context)
    mlc_patched.start("n", ["python", "train.py"], detach=True, context=context)
    assert fake.made[created.id].commands == [
        (("bash", "-c", "python train.py"), "1001:2001"),
        (("python", "train.py"), "1001:2001"),
    ]
    assert [each.name for each in mlc_patched.stats(context=context)] == ["n"]


def test_rocm_s_devices_are_given_to_video_at_the_start(fake: FakeEngine, context: Context) -> None:
    own_image(fake)
    created = mlc_patched.create("n", image=OWN, architecture="ROCM6", context=context)
    mlc_patched.start("n", context=context)
    ((command, user),) = fake.made[created.id].commands
    assert (command[:3], user) == (("chown", "-R", "root:video"), "0:0")
