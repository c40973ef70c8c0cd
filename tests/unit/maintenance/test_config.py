"""Show the settings in effect."""

from __future__ import annotations

import json

from support.run_command import call
from support.settings import with_settings

from mlc_patched.context import Context
from mlc_patched.maintenance.checks import Health
from mlc_patched.maintenance.doctor import doctor
from mlc_patched.settings.schema import BY_NAME


def test_config_prints_every_setting_and_its_origin(context: Context, tmp_path) -> None:
    with_settings(context, "[gpus]\nlargest = 2\n[labels]\nsite = x", tmp_path)
    context.environ = {**context.environ, "MLC_ARCH": "ROCM6"}
    printed = json.loads(call(["mlc", "config", "--json"], context).out)
    assert printed["version"] == 1
    found = {each["setting"]: (each["value"], each["from"]) for each in printed["settings"]}
    file = tmp_path / "mlc.ini"
    assert set(found) == {*BY_NAME, "labels.site"}
    assert found["gpus.largest"] == ("2", f"{file}, line 2")
    assert found["gpus.default"] == ("2", f"{file}, line 2")
    assert found["gpus.architecture"] == ("ROCM6", "environment, MLC_ARCH")
    assert found["container.privileged"] == ("yes", "built-in")
    assert found["labels.site"] == ("x", f"{file}, line 4")
    assert "gpus.largest" in call(["mlc", "config"], context).out


def test_a_limit_for_each_user_is_shown_as_the_origin_of_the_default(
    context: Context, tmp_path
) -> None:
    with_settings(context, "[gpus]\nper_user = 1\nlargest = 2\ndefault = 4\n", tmp_path)
    printed = json.loads(call(["mlc", "config", "--json"], context).out)
    found = {each["setting"]: (each["value"], each["from"]) for each in printed["settings"]}
    assert found["gpus.default"] == ("1", f"{tmp_path / 'mlc.ini'}, line 2")
    assert found["gpus.wrapper"] == ("1", "built-in")


def test_config_and_doctor_show_the_new_name_of_a_renamed_setting(
    context: Context, tmp_path
) -> None:
    with_settings(context, "[images]\nold_flow = no", tmp_path)
    outcome = call(["mlc", "config", "--json"], context)
    found = {each["setting"]: each for each in json.loads(outcome.out)["settings"]}
    assert found["images.legacy_flow"]["value"] == "no"
    assert found["images.legacy_flow"]["from"] == f"{tmp_path}/mlc.ini, line 2"
    assert "images.old_flow" not in found
    assert "now called legacy_flow" in outcome.err
    (finding,) = [each for each in doctor(context) if each.name == "settings"]
    assert finding.health is Health.WARNING
    assert "now called legacy_flow" in finding.text
