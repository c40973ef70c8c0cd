"""What a job of Slurm's carries."""

from __future__ import annotations

import json

import pytest

from mlc_patched.cluster.slurm.job import (
    JobSpecification,
    comment_of,
    decoded,
    fitted,
    with_status,
)
from mlc_patched.engine.specification import Bind, ContainerSpecification, Resources, Ulimit
from mlc_patched.errors import MlcError
from mlc_patched.host.gpus import GpuRequest
from mlc_patched.names import labels

CONTAINER = ContainerSpecification(
    name="thesis._.1001",
    image="registry:5000/ds01-1001/thesis@sha256:1",
    command=("bash", "-c", "echo 'a b' \"$x\"\n; é"),
    labels={labels.OWNER: "alice", labels.WORKSPACE: "/home/a b/|x"},
    environment={"A": "1"},
    binds=(Bind("/a", "/workspace", True),),
    devices=("/dev/snd",),
    gpus=GpuRequest(2),
    capabilities=("SYS_PTRACE",),
    ulimits=(Ulimit("memlock", -1),),
    privileged=True,
    resources=Resources(1, 2, 3),
)


def test_a_job_arrives_as_it_was_submitted() -> None:
    container = fitted(CONTAINER, ("CHOWN",))
    job = JobSpecification(container, 2, comment_of(container, "word"), is_batch=True)
    assert decoded(job.encoded()) == job
    assert job.encoded().isascii()


def test_a_job_has_no_devices_but_those_slurm_gives() -> None:
    made = fitted(CONTAINER, ("CHOWN",))
    assert (made.privileged, made.devices, made.gpus) == (False, (), None)
    assert made.capabilities == ("CHOWN",)
    assert made.labels[labels.SERVICE] == "thesis._.1001"


def test_a_comment_is_never_longer_than_slurm_allows() -> None:
    from dataclasses import replace

    long = replace(CONTAINER, labels={**CONTAINER.labels, labels.DATA: "/d" * 500})
    comment = comment_of(long, "word")
    assert comment[labels.WORKSPACE] == "/home/a b/|x"
    assert labels.DATA not in comment
    told = with_status(comment, "because of this " * 100)
    assert len(told.encode()) <= 1024
    assert json.loads(told)["status"].startswith("because of this")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 1}', '{"version": 2}', "null"])
def test_what_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(MlcError):
        decoded(text)
