"""What tests of containers share: a cluster of Slurm's, and programs for scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.accounts import OWN, PASSWD, own_image
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.slurm import FakeSlurm

import mlc_patched
from mlc_patched.cluster.slurm import scheduler
from mlc_patched.containers import slurm_job
from mlc_patched.context import Context
from mlc_patched.images.push import push_image
from mlc_patched.names.labels import Claim, claim_labels
from mlc_patched.settings.model import SLURM, Settings

IMAGE = "ds01-1001/thesis:latest"


@pytest.fixture(scope="session")
def applets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with BusyBox's programs and nothing else, empty without BusyBox."""
    place = tmp_path_factory.mktemp("applets")
    if busybox := shutil.which("busybox"):
        subprocess.run([busybox, "--install", "-s", place], check=True)
    return place


@pytest.fixture
def started(fake: FakeEngine, context: Context) -> FakeContainer:
    """The user's container `it`, running."""
    own_image(fake)
    made = mlc_patched.create("it", image=OWN, context=context)
    mlc_patched.start("it", context=context)
    return fake.made[made.id]


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of two nodes with a GPU each."""
    made = FakeSlurm()
    for module in (scheduler, slurm_job):
        monkeypatch.setattr(module, "call", made.call)
    monkeypatch.setattr(scheduler, "path_of", lambda program, context: f"/usr/bin/{program}")
    return made


@pytest.fixture
def head(context: Context, fake: FakeEngine, slurm: FakeSlurm) -> Context:
    """A context of the head node, with a pushed image."""
    context.__dict__["settings"] = Settings(registry="registry:5000", cluster_engine=SLURM)
    fake.add_image(IMAGE, claim_labels(Claim(1001, 2001, "alice")), PASSWD)
    push_image("thesis", None, context)
    return context
