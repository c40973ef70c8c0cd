"""Catalog files of both versions of AIME's mlc, and the choice of a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.errors import MlcError, NotFoundError
from mlc_patched.host.account import Account
from mlc_patched.names.images import check_reference
from mlc_patched.patch.layout import AIME_DIRECTORY, FILE_NAME
from mlc_patched.plan import catalog

V2 = """\
Pytorch, 2.8.0, [CUDA_BLACKWELL], hub/pytorch-2.8.0-b
Pytorch, 2.8.0, [CUDA_ADA], hub/pytorch-2.8.0-a
Pytorch, 2.10.0, [CUDA_ADA;CUDA_AMPERE], hub/pytorch-2.10.0

Tensorflow, 2.16.1, [CUDA_ADA], hub/tensorflow-2.16.1
"""


@pytest.fixture
def loaded(tmp_path: Path) -> catalog.Catalog:
    return written(tmp_path, V2)


def written(tmp_path: Path, text: str | bytes) -> catalog.Catalog:
    path = tmp_path / FILE_NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return catalog.load(path)


def test_a_row_is_found_by_its_architecture(loaded: catalog.Catalog) -> None:
    assert loaded.find("Pytorch", "2.8.0", "CUDA_ADA").image == "hub/pytorch-2.8.0-a"
    assert loaded.find("Pytorch", "2.8.0", "CUDA_BLACKWELL").image == "hub/pytorch-2.8.0-b"
    assert loaded.find("Pytorch", "2.8.0", None).image == "hub/pytorch-2.8.0-b"
    assert loaded.find("pytorch", "2.10.0", "CUDA_AMPERE").framework == "Pytorch"


def test_a_version_of_another_framework_is_not_taken(loaded: catalog.Catalog) -> None:
    assert loaded.find("TensorFlow", "2.16.1", None).framework == "Tensorflow"
    for framework, version in (("Tensorflow", "2.8.0"), ("Pytorch", "2.16.1")):
        with pytest.raises(NotFoundError, match=f"There is no {framework} {version}"):
            loaded.find(framework, version, None)


def test_the_version_latest_is_the_newest(tmp_path: Path, loaded: catalog.Catalog) -> None:
    assert loaded.find("pytorch", "latest", "CUDA_ADA").version == "2.10.0"
    assert loaded.find("Pytorch", "latest", "CUDA_BLACKWELL").version == "2.8.0"
    with pytest.raises(NotFoundError, match="Available: Pytorch, Tensorflow"):
        loaded.find("Jax", "latest", "CUDA_ADA")
    own = written(tmp_path, f"{V2}Pytorch, latest, [CUDA_ADA], hub/nightly\n")
    assert own.find("Pytorch", "latest", "CUDA_ADA").image == "hub/nightly"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Pytorch", "9", "CUDA_ADA"), "Pytorch 9 for CUDA_ADA. Available: 2.10.0, 2.8.0"),
        (("Pytorch", "9", None), r"There is no Pytorch 9\. Available: 2\.10\.0, 2\.8\.0"),
        (("Jax", "1", "CUDA_ADA"), "Jax for CUDA_ADA. Available: Pytorch, Tensorflow"),
        (("Pytorch", "2.8.0", "ROCM6"), "for ROCM6. Its arch.*: CUDA_BLACKWELL, CUDA_ADA, CUDA_A"),
    ],
)
def test_the_error_lists_the_alternatives(
    loaded: catalog.Catalog, arguments: tuple[str, str, str | None], message: str
) -> None:
    with pytest.raises(NotFoundError, match=message):
        loaded.find(*arguments)


def test_menus_show_the_newest_first_and_only_what_the_architecture_has(
    loaded: catalog.Catalog,
) -> None:
    assert loaded.architectures() == ("CUDA_BLACKWELL", "CUDA_ADA", "CUDA_AMPERE")
    assert loaded.frameworks("CUDA_AMPERE") == ("Pytorch",)
    assert loaded.versions("Pytorch", None) == ("2.10.0", "2.8.0")


def test_a_v1_file_has_an_architecture_without_brackets(tmp_path: Path) -> None:
    rows = written(tmp_path, "Pytorch, 2.0.1, CUDA_ADA, hub/p\r\n").rows
    assert rows == (catalog.Row("Pytorch", "2.0.1", ("CUDA_ADA",), "hub/p"),)


@pytest.mark.promise("input-works")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(tmp_path: Path, end: str) -> None:
    text = end.join(["A, 1, [CUDA], hub/a", "", ",,,", "# b, c", " # d", "E, 1, [CUDA], hub/e"])
    assert [row.image for row in written(tmp_path, text).rows] == ["hub/a", "hub/e"]
    with pytest.raises(MlcError, match="line 2: expected"):
        written(tmp_path, end.join(["A, 1, [CUDA], hub/a", "B, 1"]))


@pytest.mark.promise("input-works")
def test_blanks_and_empty_names_among_the_architectures_are_skipped(tmp_path: Path) -> None:
    (row,) = written(tmp_path, "A , 1 , [CUDA_ADA ; ROCM6;;] , hub/a \n").rows
    assert row == catalog.Row("A", "1", ("CUDA_ADA", "ROCM6"), "hub/a")


@pytest.mark.promise("input-refused")
def test_a_file_that_csv_cannot_divide_is_reported_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(MlcError, match=rf"^The catalog {tmp_path}/{FILE_NAME} is not valid CSV"):
        written(tmp_path, "x" * 200_000)


def test_the_catalog_is_read_with_the_user_s_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under sudo MLC_CATALOG could otherwise show a file that only root may read."""
    alice = Account("alice", 1001, 2001, "/home/alice")
    asked: list[Account | None] = []
    real = catalog.read_text

    def read_text(path: str, what: str, account: Account | None, *, largest: int) -> str:
        asked.append(account)
        return real(path, what, None, largest=largest)

    monkeypatch.setattr(catalog, "read_text", read_text)
    (tmp_path / FILE_NAME).write_text("A,1,C,hub/a\n")
    assert catalog.load(tmp_path / FILE_NAME, alice).rows[0].image == "hub/a"
    assert asked == [alice]


@pytest.mark.promise("input-refused")
def test_a_catalog_that_is_too_large_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_LARGEST", 15)
    with pytest.raises(MlcError, match=r"[Cc]atalog .*large"):
        written(tmp_path, "A, 1, C, hub/abcdef\n")


@pytest.mark.promise("input-works")
def test_fields_may_be_in_quotes_after_a_blank(tmp_path: Path) -> None:
    (row,) = written(tmp_path, 'Pytorch, "2.8.0", "[CUDA_ADA]", "hub/x"\n').rows
    assert (row.version, row.architectures, row.image) == ("2.8.0", ("CUDA_ADA",), "hub/x")


def test_an_empty_catalog_has_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"has no images\. Its architectures: none"):
        written(tmp_path, "# nothing yet\n").find("Pytorch", "2.8.0", None)


def test_an_image_that_is_no_reference_is_reported_with_its_catalog(
    tmp_path: Path,
) -> None:
    found = written(tmp_path, "Pytorch, 2.8.0, [CUDA_ADA], Hub/UPPER\n")
    with pytest.raises(MlcError, match=f"The catalog {found.source}: .*Hub/UPPER"):
        found.reference(found.rows[0])


def test_a_byte_order_mark_and_comments_are_skipped(tmp_path: Path) -> None:
    rows = written(tmp_path, "\ufeff# ours\nPytorch, 1, [CUDA], hub/p").rows
    assert [row.framework for row in rows] == ["Pytorch"]


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize(
    "text", ["Pytorch, 2.8.0, [CUDA]", "a, b, c, d, e", "Pytorch, , [CUDA], x", "Pytorch,2.8.0,[CU"]
)
def test_an_invalid_row_is_reported_with_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(MlcError, match=r"ml_images\.repo, line 2"):
        written(tmp_path, f"Pytorch, 1, [CUDA], hub/p\n{text}\n")


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("word", ["$(touch x)", "`id`", "a b", "-x", "a&b", "~x", "\x1b[2J", "é"])
def test_what_a_shell_would_interpret_is_refused(tmp_path: Path, column: int, word: str) -> None:
    cells = ["Pytorch", "1", "CUDA", "hub/p"]
    cells[column] = word if column != 2 else f"CUDA;{word}"
    with pytest.raises(MlcError, match=r"ml_images\.repo, line 2: '.*' is not allowed"):
        written(tmp_path, f"Pytorch, 1, [CUDA], hub/p\n{', '.join(cells)}\n")


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'"\x00'])
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(MlcError, match=r"ml_images\.repo"):
        written(tmp_path, content)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(MlcError, match="nowhere"):
        catalog.load(tmp_path / "nowhere")


@pytest.mark.promise("input-works")
def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    text = "".join(f"F{n % 9}, 1.{n}, [CUDA], hub/{n}\n" for n in range(100_000))
    assert written(tmp_path, text).find("F0", "1.99999"[:6] + "0", None) is not None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("2.9.1", "2.10.0"),
        ("1.13.0a-nvidia", "1.13.0"),
        ("2.8.0", "2.8.0-aime"),
        ("odd", "0.1"),
        ("1.9.0", "2.0.1-aime"),
    ],
)
def test_an_older_version_is_before_a_newer_one(older: str, newer: str) -> None:
    assert catalog.version_order(older) < catalog.version_order(newer)


def test_which_catalog_is_used(tmp_path: Path) -> None:
    beside = tmp_path / "aime" / FILE_NAME
    beside.parent.mkdir()
    beside.touch()
    link = tmp_path / "bin" / "mlc"
    link.parent.mkdir()
    link.symlink_to(beside.parent / "mlc.py")
    mine = str(link)
    elsewhere = "/nowhere/mlc.py"
    assert catalog.locate(mine, {"MLC_CATALOG": "/my/own"}) == Path("/my/own")
    assert catalog.locate(f"{beside.parent}/mlc.py", {}) == beside
    assert catalog.locate(mine, {}) == beside
    if not Path(AIME_DIRECTORY).exists():
        assert catalog.locate(elsewhere, {}) == catalog.SHIPPED
        assert catalog.locate(None, {}) == catalog.SHIPPED
    assert catalog.locate(mine, {}, "/of/the/setting") == Path("/of/the/setting")
    assert catalog.locate(mine, {"MLC_CATALOG": ""}, "/of/the/setting") == Path("/of/the/setting")
    assert catalog.locate(mine, {"MLC_CATALOG": "/my/own"}, "/set") == Path("/my/own")


def test_aime_s_usual_place_comes_after_the_program_s_and_before_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, own = tmp_path / "usual", tmp_path / "own"
    for place in (usual, own):
        place.mkdir()
        (place / FILE_NAME).touch()
    monkeypatch.setattr(catalog, "AIME_DIRECTORY", str(usual))
    assert catalog.locate(None, {}) == usual / FILE_NAME
    assert catalog.locate("/nowhere/mlc.py", {}) == usual / FILE_NAME
    assert catalog.locate(f"{own}/mlc.py", {}) == own / FILE_NAME
    (usual / FILE_NAME).unlink()
    (usual / FILE_NAME).mkdir()
    assert catalog.locate(None, {}) == catalog.SHIPPED


def test_the_shipped_catalog_is_valid() -> None:
    rows = catalog.load(catalog.SHIPPED).rows
    assert len(rows) >= 10
    keys = [(row.framework, row.version, name) for row in rows for name in row.architectures]
    assert len(set(keys)) == len(keys)
    assert all(check_reference(row.image) for row in rows)
