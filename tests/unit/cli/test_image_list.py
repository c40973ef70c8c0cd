"""image-list: what a user learns of images, of their packages, and of images nothing needs."""

from __future__ import annotations

import json

import pytest
from support.accounts import PASSWD, THESIS_LABELS
from support.fakes.engine import FakeEngine
from support.run_command import Outcome, call

import mlc_patched
from mlc_patched.context import Context
from mlc_patched.engine.observations import Layer
from mlc_patched.names.labels import Claim, claim_labels

OURS = claim_labels(Claim(1001, 2001, "alice"))


def listed(context: Context, *words: str) -> Outcome:
    done = call(["image-list", *words], context)
    assert done.code == 0, done
    return done


def test_without_images_it_says_how_to_make_one(context: Context) -> None:
    assert "Create one with: image-create" in listed(context).out
    assert listed(context, "--orphans").out == "There are no leftover images.\n"


def test_images_are_rows_with_their_containers(fake: FakeEngine, context: Context) -> None:
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    fake.add_image("ds01-1002/other", claim_labels(Claim(1002, 2001, "bob")), PASSWD)
    mlc_patched.deploy("thesis", context=context)
    heading, row = listed(context).out.splitlines()
    assert "USER" not in heading
    assert row.split()[0] == "thesis"
    assert "thesis._.1001" in row.split()
    rows = listed(context, "-a").out.splitlines()
    assert [row.split()[:2] for row in rows] == [
        ["USER", "PROJECT"],
        ["1001", "thesis"],
        ["1002", "other"],
    ]


def test_a_problem_and_a_change_of_the_dockerfile_are_said(
    fake: FakeEngine, context: Context
) -> None:
    written = mlc_patched.create_image("thesis", base="debian:12", build=False, context=context)
    assert "not built" in listed(context).out
    wrong = {**THESIS_LABELS, "aime.mlc.DS01_GROUP_ID": "7"}
    fake.add_image("ds01-1001/thesis", wrong, PASSWD)
    said = listed(context).out
    assert said.splitlines()[1].endswith("alice 1001:7 !")
    assert "\n! thesis: its GID is 7, yours is 2001; rebuild it with: image-create" in said
    assert written.dockerfile in listed(context, "-d").out


def test_details_are_packages_labels_and_layers(
    fake: FakeEngine, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlc_patched.create_image(
        "thesis", base="debian:12", pip="numpy<2 six", apt="ffmpeg", build=False, context=context
    )
    fake.add_image("ds01-1001/thesis", THESIS_LABELS, PASSWD)
    layers = [Layer("RUN pip   install \n numpy", 2_000_000), Layer(f"COPY {'x' * 100}", 10)]
    monkeypatch.setattr(fake, "history", lambda image: layers)
    said = listed(context, "--detailed").out
    for line in (
        "ds01-1001/thesis:latest",
        "  Python packages: numpy<2 six",
        "    aime.mlc.DS01_PROJECT=thesis",
    ):
        assert f"{line}\n" in said
    assert "ffmpeg" in said.partition("System packages:")[2].partition("\n")[0]
    assert "  RUN pip install numpy\n" in said
    assert f"COPY {'x' * 85}…\n" in said
    found = json.loads(listed(context, "-d", "--json").out)["images"][0]
    assert found["details"]["pip"] == ["numpy<2", "six"]


def test_orphans_are_shown_with_what_removing_them_frees(
    fake: FakeEngine, context: Context
) -> None:
    image = fake.add_image("base:one._.1001", OURS, layers=("1",), size=2_000_000)
    fake.images[image.id].comment = "mlc create one._.1001"
    fake.add_image("base:two._.1002", {}, layers=("2",))
    said = listed(context, "--orphans").out
    assert [line.split()[:2] for line in said.splitlines()[1:3]] == [
        ["base:two._.1002", "1002"],
        ["base:one._.1001", "alice"],
    ]
    assert "image-retire --orphans" in said.splitlines()[-1]
    assert listed(context, "--orphans", "-q").out == "base:two._.1002\nbase:one._.1001\n"
    found = json.loads(listed(context, "--orphans", "--json").out)["orphans"]
    assert [each["uid"] for each in found] == [1002, 1001]
