"""JSON of others, which may be nested deeper than Python can read."""

from __future__ import annotations

import pytest

from mlc_patched.cluster.slurm.job import decoded
from mlc_patched.cluster.slurm.queue import jobs_of
from mlc_patched.errors import MlcError
from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.versions.inventory import read_inventory
from mlc_patched.images.versions.lockfile import parse
from mlc_patched.json_text import pairs, parsed, string, strings

DEEP = "[" * 100_000


def test_a_text_that_is_nested_too_deeply_is_invalid() -> None:
    assert parsed('{"a": [1]}') == parsed(b'{"a": [1]}') == {"a": [1]}
    for text in (DEEP, "", "{", b"\xff"):
        with pytest.raises(ValueError):
            parsed(text)


@pytest.mark.parametrize(
    ("read", "value"),
    [(string, 5), (strings, "ab"), (strings, ["a", None]), (pairs, ["a"]), (pairs, {"a": 1})],
)
def test_values_of_other_types_are_refused(read: object, value: object) -> None:
    with pytest.raises(TypeError, match="is not a"):
        read(value)  # type: ignore[operator]


def test_the_comment_of_another_users_job_spoils_no_list_of_the_queue() -> None:
    line = "0f|7|7|1002|bob|RUNNING|gpu|5|2026-01-01T00:00:00|n1|1:00|gres:gpu:1|None|name|"
    for comment, found in (('{"a": 1}', {"a": 1}), (DEEP, {}), ("[]", {}), ("words", {})):
        (job,) = jobs_of(line + comment, "0f")
        assert (job.login, job.comment) == ("bob", found)


def test_a_package_of_an_image_spoils_no_inventory() -> None:
    lines = ("python 3.11.2 x86_64", "py numpy 2.0", f"direct numpy {DEEP}")
    found = read_inventory(ProbeResult(0, lines))
    assert (found.packages, found.direct) == ({"numpy": "2.0"}, {"numpy": {}})


@pytest.mark.parametrize(
    "line", [f"x = {DEEP}", f"[[packages]]\nname = {DEEP}\nversion = 5", f"x = [\n{DEEP}\n]"]
)
def test_a_lock_that_is_nested_too_deeply_is_named(line: str) -> None:
    with pytest.raises(MlcError, match=r"demo\.lock cannot be read"):
        parse(f'lock-version = "1.0"\n{line}\n', "demo.lock")


def test_a_job_that_is_nested_too_deeply_is_not_one_of_ours() -> None:
    with pytest.raises(MlcError, match="is not a job of mlc's"):
        decoded(DEEP)
