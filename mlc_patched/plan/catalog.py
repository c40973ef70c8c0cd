"""The catalog of images, `ml_images.repo` (docs/contracts.md, "Catalog")."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..errors import MlcError, NotFoundError, UsageError, shown
from ..host.account import Account
from ..host.files import read_text
from ..lean import TYPE_CHECKING, dataclass
from ..names.images import Reference, check_reference
from ..names.projects import LATEST
from ..names.words import is_literal
from ..patch.layout import AIME_DIRECTORY, FILE_NAME, checkout_of

if TYPE_CHECKING:
    from packaging.version import Version

VARIABLE = "MLC_CATALOG"
SHIPPED = Path(__file__).parents[1] / "data" / FILE_NAME
_COLUMNS = 4
_LARGEST = 64 * 1024**2  # a hundred thousand rows are a tenth of it


@dataclass(frozen=True)
class Row:
    """One row of the catalog: an image, and the architectures it runs on."""

    framework: str
    version: str
    architectures: tuple[str, ...]
    image: str


@dataclass(frozen=True)
class Catalog:
    """The rows of one catalog file, in the file's order."""

    rows: tuple[Row, ...]
    source: Path

    def architectures(self) -> tuple[str, ...]:
        """Return the architectures that occur, in order of appearance."""
        return _unique(name for row in self.rows for name in row.architectures)

    def fitting(self, architecture: str | None) -> Iterator[Row]:
        """Yield the rows for an architecture (None: all)."""
        for row in self.rows:
            if architecture is None or architecture in row.architectures:
                yield row

    def frameworks(self, architecture: str | None) -> tuple[str, ...]:
        """Return the frameworks for an architecture (None: for any)."""
        return _unique(row.framework for row in self.fitting(architecture))

    def versions(self, framework: str, architecture: str | None) -> tuple[str, ...]:
        """Return the versions of a framework for an architecture, newest first."""
        names = _unique(
            row.version
            for row in self.fitting(architecture)
            if row.framework.casefold() == framework.casefold()
        )
        return tuple(sorted(names, key=version_order, reverse=True))

    def find(self, framework: str, version: str, architecture: str | None) -> Row:
        """Return the row for a framework and version on an architecture (None: any).

        The version `latest` is the newest, unless the catalog has one of that name. Raises
        NotFoundError, which lists the alternatives.
        """
        versions = self.versions(framework, architecture) if version == LATEST else ()
        if versions and LATEST not in versions:
            version = versions[0]
        for row in self.fitting(architecture):
            if row.framework.casefold() == framework.casefold() and row.version == version:
                return row
        raise self._nothing_for(framework, version, architecture)

    def reference(self, row: Row) -> Reference:
        """Return the reference of a row's image; raises MlcError if it is not a valid one."""
        try:
            return check_reference(row.image)
        except UsageError as error:
            raise MlcError(f"The catalog {self.source}: {error}") from None

    def _nothing_for(self, framework: str, version: str, architecture: str | None) -> NotFoundError:
        on = f" for {architecture}" if architecture else ""
        if versions := self.versions(framework, architecture):
            return NotFoundError(
                f"There is no {framework} {version}{on}.", f"Available: {', '.join(versions)}"
            )
        if frameworks := self.frameworks(architecture):
            return NotFoundError(
                f"There is no framework {framework}{on}.", f"Available: {', '.join(frameworks)}"
            )
        known = ", ".join(self.architectures()) or "none"
        return NotFoundError(
            f"The catalog {self.source} has no images{on}.", f"Its architectures: {known}"
        )


def load(path: Path, account: Account | None = None) -> Catalog:
    """Read a catalog file with the account's rights, as MLC_CATALOG may name any file.

    Raises MlcError, with file and line, if it cannot be read or a line is not a row.
    """
    import csv  # here, as a create from an image reads no catalog

    text = read_text(str(path), "catalog", account, largest=_LARGEST).removeprefix("\ufeff")
    try:
        return Catalog(tuple(_rows(io.StringIO(text, newline=""), path)), path)
    except csv.Error as error:
        raise MlcError(f"The catalog {path} is not valid CSV: {error}") from error


def locate(program: str | None, environ: Mapping[str, str], setting: str | None = None) -> Path:
    """Return the path of the catalog to use.

    In this order: the file named by MLC_CATALOG, by the setting `images.catalog`, next to the
    program (in an AIME checkout), in AIME's usual place, and the one shipped with mlc-patched.
    """
    if named := environ.get(VARIABLE) or setting:
        return Path(named)
    places = [Path(AIME_DIRECTORY)]
    if program is not None:
        path = Path(program)
        places = [checkout_of(program) or path.parent, path.resolve().parent, *places]
    for place in places:
        if os.path.isfile(place / FILE_NAME):  # noqa: PTH113 - no exception if it may not be read
            return place / FILE_NAME
    return SHIPPED


def version_order(version: str) -> tuple[Version, str]:
    """Return a sort key for the catalog's versions, such as `2.0.1-aime` or `1.13.0a-nvidia`."""
    # Imported here, as only menus and listings sort versions.
    from packaging.version import InvalidVersion, Version

    number, _, suffix = version.partition("-")
    try:
        return Version(number), suffix
    except InvalidVersion:
        return Version("0"), version


def _rows(lines: Iterable[str], path: Path) -> Iterator[Row]:
    import csv

    reader = csv.reader(lines, skipinitialspace=True)
    for fields in reader:
        cells = [field.strip() for field in fields]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) != _COLUMNS or not all(cells):
            raise MlcError(
                f"The catalog {path}, line {reader.line_num}: expected "
                f"'Framework, version, [ARCH;ARCH], image', found {shown(', '.join(cells))}"
            )
        framework, version, listed, image = cells
        names = (name.strip() for name in listed.strip("[]").split(";"))
        architectures = tuple(name for name in names if name)
        for word in (framework, version, *architectures, image):
            if not is_literal(word):
                raise MlcError(
                    f"The catalog {path}, line {reader.line_num}: {shown(word)} is not allowed.",
                    "Use only letters, digits and . _ : / @ + -",
                )
        yield Row(framework, version, architectures, image)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
