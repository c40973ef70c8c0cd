"""Checks of the settings and of the catalog."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.engine import FakeEngine
from support.findings import INFO, assert_finding

from mlc_patched.engine.interface import PODMAN, Engine
from mlc_patched.engine.observations import EngineInfo
from mlc_patched.errors import EngineUnreachableError, MlcError
from mlc_patched.maintenance import checks_settings as settings
from mlc_patched.maintenance.checks import Machine
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.settings.parse import parse

SMALL = replace(INFO, cpus=2, cgroup_driver="systemd")


@pytest.mark.parametrize(
    ("rows", "here", "health", "words"),
    [
        (("a:1", "b"), ("b:latest",), "ok", "1 of 2"),
        (("a:1",), (), "warning", "0 of 1"),
        ((), (), "broken", "0 rows"),
    ],
)
def test_a_catalog_is_ok_if_some_of_its_images_are_here(
    machine: Machine, fake: FakeEngine, rows, here, health: str, words: str
) -> None:
    for name in here:
        fake.add_image(name)
    found = tuple(Row("F", "1", ("CUDA",), image) for image in rows)
    machine.context.__dict__["catalog"] = Catalog(found, Path("/repo"))
    assert_finding(settings.catalog(machine), health, words)


@pytest.mark.parametrize(
    ("text", "info", "health", "words"),
    [
        ("[limits]\ncpus = 64", SMALL, "broken", "refuses cpus = 64, as there are 2 processors"),
        ("[limits]\ncpus = 2", SMALL, "ok", "valid"),
        ("[limits]\ncpus = 64", INFO, "ok", "valid"),
        ("[limits]\ncpus = 64\nmemory = 1k", replace(SMALL, product=PODMAN), "ok", "valid"),
        ("[limits]\nmemory = 1k", SMALL, "broken", "refuses memory = 1k, as that is less than 6"),
        ("[limits]\nmemory = 6m", SMALL, "ok", "valid"),
        ("[container]\nnetwork = lab", SMALL, "broken", "refuses network = lab, as there is no"),
        ("[container]\nnetwork = net", SMALL, "ok", "valid"),
        ("[container]\nnetwork = lab", None, "ok", "valid"),
        ("[container]\ncgroup_parent = /ml", SMALL, "broken", "as its cgroups are systemd's"),
        ("[container]\ncgroup_parent = ml.slice", SMALL, "ok", "valid"),
        ("", SMALL, "ok", "valid"),
    ],
)
def test_settings_that_the_engine_refuses(
    machine: Machine, fake: FakeEngine, text: str, info: EngineInfo | None, health: str, words: str
) -> None:
    machine.info = info
    fake.networks.add("net")
    machine.context.__dict__["settings"] = parse(text, "/etc/ds01/mlc.ini")
    found = settings.settings(machine)
    assert_finding(found, health, words)
    if health == "broken":
        assert found[0].text.startswith("/etc/ds01/mlc.ini, line 2: the engine refuses")
        assert found[0].remedy.startswith("sudoedit /etc/ds01/mlc.ini: ")


def test_without_an_engine_nothing_is_asked_of_it(machine: Machine) -> None:
    def fail() -> Engine:
        raise EngineUnreachableError("No engine answers")

    machine.context.make_engine = fail
    machine.context.__dict__.pop("engine", None)
    machine.info = None
    machine.context.__dict__["settings"] = parse("[container]\nnetwork = lab", "file")
    assert_finding(settings.settings(machine), "ok", "valid")


def test_a_former_name_hides_no_setting_that_the_engine_refuses(machine: Machine) -> None:
    machine.info = SMALL
    text = "[images]\nold_flow = no\n[limits]\ncpus = 64"
    machine.context.__dict__["settings"] = parse(text, "/etc/ds01/mlc.ini")
    assert [each.health.value for each in settings.settings(machine)] == ["warning", "broken"]


@pytest.mark.parametrize(
    ("cause", "message", "hint", "remedy"),
    [
        (None, "/etc/mlc.ini, line 2: x", "", "mlc config, once the line is right"),
        (PermissionError(), "cannot be read", "", "sudo chmod a+rX /etc/ds01 /etc/ds01/mlc.ini"),
        (None, "is a link", "Remove the link.", "Remove the link."),
        (None, "is not valid UTF-8", "", "sudoedit /etc/ds01/mlc.ini"),
    ],
)
def test_the_remedy_for_settings_depends_on_what_is_wrong(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    cause: Exception | None,
    message: str,
    hint: str,
    remedy: str,
) -> None:
    def fail(environ: object, account: object) -> None:
        raise MlcError(message, hint) from cause

    machine.context.__dict__.pop("settings", None)
    monkeypatch.setattr("mlc_patched.settings.file.load", fail)
    monkeypatch.setattr(settings, "locate", lambda environ: "/etc/ds01/mlc.ini")
    found = settings.settings(machine)
    assert (found.text, found.remedy) == (message, remedy)


def test_without_an_engine_no_image_of_the_catalog_is_counted(machine: Machine) -> None:
    machine.info = None
    found = Catalog((Row("F", "1", ("CUDA",), "hub/a:1"),), Path("/repo"))
    machine.context.__dict__["catalog"] = found
    assert_finding(settings.catalog(machine), "ok", "/repo: 1 rows")
    assert "here" not in settings.catalog(machine).text


def test_a_catalog_that_cannot_be_read(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "none"
    machine.context.environ = {"MLC_CATALOG": str(file)}
    assert_finding(settings.catalog(machine), "broken", "none")
    assert settings.catalog(machine).remedy.startswith("unset MLC_CATALOG")
    file.write_text("x\n")
    assert_finding(settings.catalog(machine), "broken", "line 1")
    assert settings.catalog(machine).remedy == f"sudoedit {file}"
    machine.context.environ = {}
    text = "[images]\ncatalog = /nonexistent"
    machine.context.__dict__["settings"] = parse(text, "/etc/ds01/mlc.ini")
    assert_finding(settings.catalog(machine), "broken", "/nonexistent")
    assert settings.catalog(machine).remedy == "sudoedit /etc/ds01/mlc.ini: catalog = PATH"


def test_an_empty_catalog_is_restored_where_it_is(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "cat"
    file.write_text("# nothing\n")
    machine.context.environ = {"MLC_CATALOG": str(file)}
    assert settings.catalog(machine).remedy == f"sudoedit {file}: a row for each image"
    (tmp_path / ".git").mkdir()
    assert settings.catalog(machine).remedy == f"git -C {tmp_path} checkout -- cat"
