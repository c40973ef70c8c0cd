"""The text of a settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.errors import MlcError
from mlc_patched.settings.file import load
from mlc_patched.settings.parse import parse
from mlc_patched.settings.schema import SECTIONS


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
        ('[images]\nbases = "aimehub/*"', 2, ["aimehub/*", "without quotes"]),
        ("[images]\nbases = a 'b'", 2, ["without quotes"]),
        ("[container]\ndirectories = /data/../models", 2, ["absolute paths without . and .."]),
        ("[container]\ndirectories = data", 2, ["absolute paths"]),
        ("[images]\ncatalog = relative", 2, ["absolute"]),
        ("privileged = no", 1, ["before any section", "[container]"]),
        ("[gpus]\nlargest", 2, ["'largest'", "key = value"]),
        ("[gpus]\n= 2", 2, ["'= 2'", "key = value"]),
        ("[gpus\nlargest = 2", 1, ["'[gpus'", "key = value"]),
        ("gpus]\nlargest = 2", 1, ["'gpus]'", "key = value"]),
        ("[labels]\nx = 1\nx = 2", 3, ["x is already set on line 2"]),
        ("[gpus]\nLargst = 2", 2, ["unknown setting 'largst' in [gpus]"]),
        ("[gpus]\nlargest = many", 2, ["largest in [gpus] cannot be 'many'"]),
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


def test_a_directory_may_end_in_a_slash() -> None:
    read = parse("[container]\ndirectories = /data/ /models/big// /\n", "mlc.ini")
    assert read.directories == ("/data", "/models/big", "/")


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
    read = load({}, str(file))
    assert read.largest_gpus == 2
    assert read.labels == {"A.b": "c=d # e"}
    assert read.origins["gpus.largest"] == f"{file}, line 3"


def test_each_value_is_stored_with_its_line_and_text() -> None:
    read = parse("# ours\n[gpus]\nlargest = 2\n\n[container]\nprivileged = no\n", "mlc.ini")
    assert (read.largest_gpus, read.privileged) == (2, False)
    assert read.origins == {
        "gpus.largest": "mlc.ini, line 3",
        "container.privileged": "mlc.ini, line 6",
    }
    assert read.texts == {"gpus.largest": "2", "container.privileged": "no"}


def test_only_the_first_equals_sign_divides_and_a_value_may_hold_more() -> None:
    assert parse("[labels]\na=b=c\nd = # e ; f\ng =", "f").labels == {
        "a": "b=c",
        "d": "# e ; f",
        "g": "",
    }


def test_labels_keep_their_case_and_the_section_has_settings_too() -> None:
    read = parse("[LABELS]\nDS01 = x\nds01 = yes\nA = 1\na = 2", "f")
    assert read.labels == {"DS01": "x", "A": "1", "a": "2"}
    assert read.ds01_labels


def test_one_cgroup_for_all_or_one_for_each_user_is_a_choice() -> None:
    assert parse("[container]\ncgroup_parent = a.slice", "f").cgroup_parent == "a.slice"
    assert parse("[container]\nslice_group = b", "f").slice_group == "b"
    assert parse("[container]\ncgroup_parent = a.slice\nslice_group =", "f").slice_group is None


def test_the_sections_are_named_where_one_is_missing() -> None:
    allowed = ", ".join(f"[{section}]" for section in SECTIONS)
    for text in ("largest = 2", "[other]"):
        with pytest.raises(MlcError, match=r"\[gpus\]") as wrong:
            parse(text, "f")
        assert str(wrong.value).endswith(f": {allowed}")
