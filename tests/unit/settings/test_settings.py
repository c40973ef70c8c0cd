"""The administrator's settings: parsing, errors, effects and limits."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
from support.run_command import call
from support.users import ROOT

from mlc_patched.containers.create import create
from mlc_patched.context import Context
from mlc_patched.engine.specification import container_body
from mlc_patched.errors import MlcError, NotAllowedError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.host.hardware import Host
from mlc_patched.images.create import ImageCreateRequest, prepare
from mlc_patched.images.recipe import ImageRequest
from mlc_patched.maintenance.checks import Health
from mlc_patched.maintenance.doctor import doctor
from mlc_patched.plan.catalog import Catalog, Row
from mlc_patched.plan.container import make_plan
from mlc_patched.plan.flow import Flow
from mlc_patched.plan.limits import NANO
from mlc_patched.plan.request import CreateRequest
from mlc_patched.plan.specify import specify
from mlc_patched.settings.file import load, locate
from mlc_patched.settings.model import Settings
from mlc_patched.settings.parse import entries, parse
from mlc_patched.settings.schema import BY_NAME, LABELS, SECTIONS, SETTINGS

EXAMPLE = ROOT / "etc" / "mlc.ini"
ACCOUNT = Account("h.baker@hertie-school.lan", 1722830498, 100, "/")
HOST = Host("CUDA_ADA", True, frozenset({"/dev/snd", "/dev/video0", "/dev/kfd", "/dev/fuse"}))
CATALOG = Catalog(
    (Row("Pytorch", "2", ("CUDA_ADA",), "hub/x:1"), Row("Pytorch", "2", ("ROCM6",), "hub/rocm")),
    Path("catalog"),
)
REQUEST = CreateRequest("n", "Pytorch", "2", workspace="/tmp")


def host_config(settings: str, request: CreateRequest = REQUEST, **environ: str) -> dict:
    plan = make_plan(request, ACCOUNT, HOST, environ, lambda: CATALOG, parse(settings, "file"))
    body = container_body(specify(plan, "image", "sha256:1", Flow.IMAGE, ACCOUNT))
    return {**body["HostConfig"], "Labels": body["Labels"], "Tag": plan.tag}


# The file.


def test_without_a_file_the_built_in_values_apply(tmp_path: Path) -> None:
    assert load({}, tmp_path / "none.ini") == Settings()
    assert parse("", "file") == Settings()


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_table_has_the_built_in_values(setting) -> None:
    assert setting.read(setting.default) == getattr(Settings(), setting.field)


def test_every_field_has_a_setting() -> None:
    known = {setting.field for setting in SETTINGS} | {"labels", "origins", "texts", "notes"}
    assert known == {field.name for field in fields(Settings)}


def test_the_example_shows_every_setting_with_its_built_in_value_and_no_other() -> None:
    text = EXAMPLE.read_text()
    assert list(entries(text, "example")) == []
    shown = list(entries(re.sub(r"(?m)^#(?=[a-z0-9._]+ =)", "", text), "example"))
    known = [entry for entry in shown if entry.name in BY_NAME]
    values = {entry.name: entry.value for entry in known}
    assert values == {setting.name: setting.default for setting in SETTINGS}
    assert [entry.key for entry in shown if entry.section == LABELS] == ["ds01", "example.site"]


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[gpu]", 1, ["[gpu]", *(f"[{section}]" for section in SECTIONS)]),
        ("# x\n\n[gpus]\nlargst = 2", 4, ["largst", "architecture, default, largest"]),
        ("[gpus]\nlargest = many", 2, ["'many'", "a number from 0"]),
        ("[gpus]\nlargest = -1", 2, ["'-1'"]),
        ("[gpus]\ndefault = some", 2, ["'some'", "device=ID"]),
        ("[container]\nprivileged = perhaps", 2, ["yes or no"]),
        ("[container]\nprivileged =", 2, ["yes or no"]),
        ("[container]\ncapabilities = SYS_ADMN", 2, ["SYS_ADMIN"]),
        ("[container]\nipc = yes", 2, ["host, private, shareable, none"]),
        ("[container]\ndevices = sda", 2, ["/dev"]),
        ("[container]\nshm_size = big", 2, ["16g"]),
        ("[container]\nnetwork = a b", 2, ["bridge"]),
        ("[limits]\ncpus = nan", 2, ["cores"]),
        ("[limits]\ncpus = 0", 2, ["cores"]),
        ("[limits]\nmemory = 0", 2, ["64g"]),
        ("[limits]\npids = 0", 2, ["from 1"]),
        ("[images]\nbases =", 2, ["aimehub/*"]),
        ("[images]\ncatalog = relative", 2, ["absolute"]),
        ("privileged = no", 1, ["before any section", "[container]"]),
        ("[gpus]\nlargest", 2, ["key = value"]),
        ("[gpus]\nlargest = 1\nLARGEST = 2", 3, ["on line 2"]),
        ("[labels]\naime.mlc = me", 2, ["reserved for mlc"]),
        ("[container]\ncgroup_parent = a.slice\nslice_group = b", 3, ["not both"]),
    ],
)
def test_errors_name_the_line_and_the_allowed_values(text, line, words) -> None:
    with pytest.raises(MlcError) as error:
        parse(text, "/etc/ds01/mlc.ini")
    assert str(error.value).startswith(f"/etc/ds01/mlc.ini, line {line}: ")
    for word in words:
        assert word in str(error.value)


def test_the_former_name_of_a_setting_is_still_read_with_a_note() -> None:
    read = parse("[images]\nOld_Flow = build\n", "mlc.ini")
    assert read == parse("[images]\nlegacy_flow = build\n", "mlc.ini")
    assert read.legacy_flow == read.texts["images.legacy_flow"] == "build"
    assert read.notes == (
        "mlc.ini, line 2: old_flow is now called legacy_flow. "
        "The old name is still read; please rename it.",
    )
    assert parse("[images]\nlegacy_flow = build\n", "mlc.ini").notes == ()
    with pytest.raises(MlcError, match="line 3: legacy_flow is already set on line 2"):
        parse("[images]\nold_flow = no\nlegacy_flow = no\n", "mlc.ini")


def test_comments_blanks_case_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "mlc.ini"
    file.write_bytes(
        b"\xef\xbb\xbf; x\r\n[ GPUS ]\r\n  Largest=2 \r\n# y\r\n[labels]\r\nA.b = c=d # e\r\n"
    )
    read = load({}, file)
    assert read.largest_gpus == 2
    assert read.labels == {"A.b": "c=d # e"}
    assert read.origins["gpus.largest"] == f"{file}, line 3"


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MlcError, match="cannot be read"):
        load({}, tmp_path)
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(MlcError, match="UTF-8"):
        load({}, tmp_path / "x")


def test_no_variable_replaces_the_administrators_file(tmp_path: Path) -> None:
    file = tmp_path / "mlc.ini"
    mine = {"DS01_SETTINGS": "/dev/null"}
    assert locate(mine, file) == Path("/dev/null")
    file.write_text("")
    assert locate(mine, file) == file


def test_a_file_that_cannot_be_accessed_is_not_bypassed(tmp_path: Path, monkeypatch) -> None:
    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "mlc.ini"
    monkeypatch.setattr(Path, "stat", refused)
    assert locate({"DS01_SETTINGS": "/dev/null"}, file) == file


# Effects on containers.


def test_without_settings_containers_are_as_aimes() -> None:
    body = host_config("")
    assert body["Privileged"] is True
    assert (body["NetworkMode"], body["IpcMode"], body["ShmSize"]) == ("host", "host", 0)
    assert (body["CapAdd"], body["CapDrop"]) == (None, None)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (0, 0, None)
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/snd", "/dev/video0"]
    assert body["DeviceRequests"][0]["Count"] == -1


def test_not_privileged_has_exactly_the_listed_capabilities() -> None:
    body = host_config("[container]\nprivileged = no\ncapabilities = cap_chown,SETUID")
    assert body["Privileged"] is False
    assert (body["CapDrop"], body["CapAdd"]) == (["ALL"], ["CHOWN", "SETUID"])
    rocm = replace(REQUEST, architecture="ROCM6")
    assert "SYS_PTRACE" in host_config("[container]\nprivileged = no", rocm)["CapAdd"]


def test_network_ipc_shared_memory_devices_labels() -> None:
    text = (
        "[container]\nnetwork = lab\nipc = private\nshm_size = 1g\ndevices = /dev/fuse\n"
        "[labels]\nsite = a,b=c"
    )
    body = host_config(text, replace(REQUEST, labels={"mine": "x"}))
    assert (body["NetworkMode"], body["IpcMode"], body["ShmSize"]) == ("lab", "private", 2**30)
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/fuse"]
    assert (body["Labels"]["site"], body["Labels"]["mine"]) == ("a,b=c", "x")
    assert host_config("[container]\nshm_size=1g")["IpcMode"] == ""
    assert (
        host_config("[container]\nshm_size=1g", replace(REQUEST, shm_size="2g"))["ShmSize"] == 2**31
    )
    assert host_config("[container]\ndevices = none")["Devices"] == []


def test_devices_leave_rocm_its_gpus() -> None:
    body = host_config("[container]\ndevices = none", replace(REQUEST, architecture="ROCM6"))
    assert [device["PathOnHost"] for device in body["Devices"]] == ["/dev/kfd"]


def test_flag_overrides_variable_overrides_default_gpus() -> None:
    def count(text: str, gpus: str | None = None, **environ: str) -> int:
        requests = host_config(text, replace(REQUEST, gpus=gpus), **environ)["DeviceRequests"]
        return requests[0]["Count"] if requests else 0

    assert count("[gpus]\ndefault = 2") == 2
    assert count("[gpus]\ndefault = 2", MLC_GPUS="3") == 3
    assert count("[gpus]\ndefault = 2", "4", MLC_GPUS="3") == 4
    assert count("[gpus]\ndefault = none") == 0
    assert count("[gpus]\nlargest = 2") == 2
    assert count("[gpus]\nlargest = 0") == 0
    assert count("[gpus]\nlargest = 4\ndefault = 1") == 1


def test_the_architecture_is_taken_from_file_variable_flag() -> None:
    def label(request: CreateRequest = REQUEST, **environ: str) -> str:
        return host_config("[gpus]\narchitecture = ROCM6", request, **environ)["Labels"][
            "aime.mlc.ARCH"
        ]

    assert label() == "ROCM6"
    assert label(MLC_ARCH="CUDA_ADA") == "CUDA_ADA"
    assert label(replace(REQUEST, architecture="CUDA_ADA"), MLC_ARCH="ROCM6") == "CUDA_ADA"


def test_image_create_takes_the_architecture_from_file_and_variable(
    context: Context, tmp_path: Path
) -> None:
    with_settings(context, "[gpus]\narchitecture = ROCM6", tmp_path)
    context.__dict__.update(catalog=CATALOG, host=HOST)
    request = ImageCreateRequest(ImageRequest("project", "Pytorch", "2"))
    assert context.environ["MLC_ARCH"] == "CUDA_ADA"
    assert prepare(request, context).recipe.base == "hub/x:1"
    context.environ = {**context.environ, "MLC_ARCH": ""}
    assert prepare(request, context).recipe.base == "hub/rocm"


def test_labels_of_ds01_are_written_beside_ours() -> None:
    def labels(text: str) -> dict[str, str]:
        plan = make_plan(REQUEST, ACCOUNT, HOST, {}, lambda: CATALOG, parse(text, "file"))
        return container_body(specify(plan, "image", "sha256:1", Flow.IMAGE, ACCOUNT))["Labels"]

    assert not any(label.startswith("ds01.") for label in labels("[labels]\nds01 = no"))
    found = labels("[labels]\nds01 = yes\nsite = lab")
    assert found["site"] == "lab"
    assert found["ds01.user"] == found["aime.mlc"]
    assert found["ds01.name"] == found["aime.mlc.NAME"]
    assert found["ds01.framework"] == found["aime.mlc.FRAMEWORK"]
    assert found["ds01.managed"] == "true"
    assert "ds01" not in found
    with pytest.raises(MlcError, match="yes or no"):
        parse("[labels]\nds01 = perhaps", "file")


@pytest.mark.parametrize("gpus", ["all", "3", "device=0,1,2", "device=GPU-a,GPU-b,GPU-c"])
def test_no_container_gets_more_gpus_than_allowed(gpus: str) -> None:
    with pytest.raises(NotAllowedError, match="At most 2 GPUs"):
        host_config("[gpus]\nlargest = 2", replace(REQUEST, gpus=gpus))
    with pytest.raises(NotAllowedError):
        host_config("[gpus]\nlargest = 2", MLC_GPUS=gpus)


@pytest.mark.parametrize(
    ("settings", "environ", "count"),
    [
        ("", {"MLC_WRAPPER": "1"}, 1),
        ("", {}, -1),
        ("[gpus]\nwrapper = 2", {"MLC_WRAPPER": "1"}, 2),
        ("[gpus]\nwrapper = 4\nlargest = 2", {"MLC_WRAPPER": "1"}, 2),
        ("", {"MLC_WRAPPER": "1", "MLC_GPUS": "3"}, 3),
    ],
)
def test_the_wrapper_s_containers_get_one_gpu(
    settings: str, environ: dict[str, str], count: int
) -> None:
    [request] = host_config(settings, **environ)["DeviceRequests"]
    assert request["Count"] == count


def test_the_maximum_is_allowed_and_rocm_has_none_under_a_limit() -> None:
    for gpus in ("2", "device=0,1", "none"):
        host_config("[gpus]\nlargest = 2", replace(REQUEST, gpus=gpus))
    rocm = replace(REQUEST, architecture="ROCM6")
    with pytest.raises(NotAllowedError, match="ROCm"):
        host_config("[gpus]\nlargest = 2", rocm)
    host_config("[gpus]\nlargest = 2", replace(rocm, gpus="none"))


def test_flags_can_only_lower_the_limits() -> None:
    text = "[limits]\ncpus = 4\nmemory = 2g\npids = 100"
    body = host_config(text)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (4 * NANO, 2**31, 100)
    less = replace(REQUEST, cpus="1.5", memory="1g", pids_limit="10")
    body = host_config(text, less)
    assert (body["NanoCpus"], body["Memory"], body["PidsLimit"]) == (1.5 * NANO, 2**30, 10)
    assert host_config("", less)["NanoCpus"] == 1.5 * NANO
    for more in ({"cpus": "4.1"}, {"memory": "3g"}, {"pids_limit": "101"}):
        with pytest.raises(NotAllowedError, match="more than is allowed"):
            host_config(text, replace(REQUEST, **more))
    for wrong in ({"cpus": "x"}, {"cpus": "nan"}, {"cpus": "0"}, {"pids_limit": "-1"}):
        with pytest.raises(UsageError, match="not understood"):
            host_config("", replace(REQUEST, **wrong))


def test_a_slice_for_every_user() -> None:
    text = "[container]\nslice_group = students"
    own = "ds01-students-h-baker-at-hertie-school-lan.slice"
    assert host_config(text)["CgroupParent"] == own
    below = "ds01-students-h-baker-at-hertie-school-lan-x.slice"
    for wanted, given in ((own, own), (below, below)):
        assert host_config(text, replace(REQUEST, cgroup_parent=wanted))["CgroupParent"] == given
    for other in ("ds01-students.slice", "/", "", "a/../b", f"{own[:-6]}x.slice", "system.slice"):
        with pytest.raises(NotAllowedError, match=own):
            host_config(text, replace(REQUEST, cgroup_parent=other))


def test_a_cgroup_parent_for_all() -> None:
    text = "[container]\ncgroup_parent = /ds01/lab"
    assert host_config(text)["CgroupParent"] == "/ds01/lab"
    below = replace(REQUEST, cgroup_parent="/ds01/lab/me")
    assert host_config(text, below)["CgroupParent"] == "/ds01/lab/me"
    for other in ("/ds01", "/ds01/laboratory", "/ds01/lab/../x"):
        with pytest.raises(NotAllowedError):
            host_config(text, replace(REQUEST, cgroup_parent=other))
    assert host_config("", replace(REQUEST, cgroup_parent="x"))["CgroupParent"] == "x"


@pytest.mark.parametrize(
    ("image", "is_allowed"),
    [
        ("aimehub/pytorch", True),
        ("aimehub/pytorch:2", True),
        ("docker.io/aimehub/pytorch:2", True),
        ("index.docker.io/aimehub/pytorch", True),
        ("nvcr.io/nvidia/x/y@sha256:" + "0" * 64, True),
        ("debian:12", True),
        ("docker.io/library/debian:12", True),
        ("debian:11", False),
        ("evil.example/aimehub/pytorch", False),
        ("xaimehub/pytorch", False),
        ("sha256:" + "0" * 64, False),
        ("ds01-1722830498/mine", True),
        ("ds01-1001/others", False),
    ],
)
def test_bases(image: str, is_allowed: bool) -> None:
    text = "[images]\nbases = aimehub/* nvcr.io/nvidia/*, debian:12"
    request = replace(REQUEST, image=image)
    if is_allowed:
        host_config(text, request)
        return
    with pytest.raises(NotAllowedError, match="Allowed: aimehub"):
        host_config(text, request)


def test_a_users_own_catalog_does_not_bypass_the_limits() -> None:
    with pytest.raises(NotAllowedError, match="hub/x:1"):
        host_config("[images]\nbases = aimehub/*")


# Effects that need an engine, and `mlc config`.


def with_settings(context: Context, text: str, tmp_path: Path) -> Context:
    file = tmp_path / "mlc.ini"
    file.write_text(text)
    context.environ = {**context.environ, "DS01_SETTINGS": str(file)}
    return context


def test_of_an_own_project_the_base_is_checked(context: Context, fake, tmp_path: Path) -> None:
    with_settings(context, "[images]\nbases = aimehub/*", tmp_path)
    passwd = "alice:x:1001:2001::/home/alice:/bin/bash\n"
    claim = {
        "aime.mlc.DS01_HAS_USER_SETUP": "true",
        "aime.mlc.DS01_USER_ID": "1001",
        "aime.mlc.DS01_GROUP_ID": "2001",
        "aime.mlc.DS01_USERNAME": "alice",
    }
    for name, base in (("good", "aimehub/pytorch"), ("bad", "evil/pytorch")):
        labels = {**claim, "org.opencontainers.image.base.name": base}
        fake.add_image(f"ds01-1001/{name}", labels, passwd)
    create(CreateRequest("good", image="ds01-1001/good:latest"), context)
    with pytest.raises(NotAllowedError, match="evil/pytorch"):
        create(CreateRequest("bad", image="ds01-1001/bad:latest"), context)
    assert len(fake.made) == 1


def test_the_legacy_flow_can_be_disabled(context: Context, fake, tmp_path: Path) -> None:
    with_settings(context, "[images]\nlegacy_flow = no", tmp_path)
    fake.add_image("hub/plain")
    for image in ("hub/plain", "hub/absent"):
        with pytest.raises(NotAllowedError, match=f"image-create PROJECT --base {image}"):
            create(CreateRequest("x", image=image), context)
    assert not fake.made
    assert "pull" not in fake.calls


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


def test_the_catalog_setting(context: Context, tmp_path: Path) -> None:
    with_settings(context, f"[images]\ncatalog = {tmp_path}/other.repo", tmp_path)
    assert str(context.catalog_file) == context.environ["MLC_CATALOG"]
    context.environ = {"DS01_SETTINGS": context.environ["DS01_SETTINGS"]}
    assert context.catalog_file == tmp_path / "other.repo"
