"""What uv says about packages that cannot be installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlc_patched.images.build.uv import Resolved, _sources, refusal

UNKNOWN = """\
Using Python 3.11.2 environment at: /usr
  × No solution found when resolving dependencies:
  ╰─▶ Because numpyy-qq was not found in the package registry and you require numpyy-qq, we can
      conclude that your requirements are unsatisfiable.
"""
CONFLICT = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because pandas==2.2 depends on numpy>=2 and you require numpy<2, we can conclude that you
      require pandas!=2.2.
"""


def test_a_package_that_does_not_exist_is_named_first() -> None:
    error = refusal(UNKNOWN)
    assert "numpyy-qq" in str(error).splitlines()[0]
    assert "--upgrade" not in (error.hint or "")


def test_a_conflict_names_the_packages_and_how_to_let_others_move() -> None:
    error = refusal(CONFLICT)
    assert "pandas==2.2 depends on numpy>=2" in str(error)
    assert "--upgrade" in (error.hint or "")


def test_what_would_change_is_listed_by_package() -> None:
    resolved = Resolved({"a": "2", "b": "1"}, {"a": "1", "c": "3"})
    assert resolved.lines() == ["  a 1 -> 2", "+ b 1", "- c 3"]


class Index:
    """uv with an index that has some packages; it names one that is missing, as uv does."""

    def __init__(self, *there: str) -> None:
        self._there, self._wanted = there, ""
        self.runs = 0

    def write(self, files: Mapping[str, str]) -> None:
        (self._wanted,) = files.values()

    def __call__(self, arguments: Sequence[str]) -> tuple[int, str]:
        self.runs += 1
        wanted = self._wanted.split()
        for each in wanted:
            name = each.partition("==")[0]
            if each not in self._there and name not in self._there:
                return 1, (
                    "error: No solution found when resolving dependencies\n  cause: Because there "
                    f"is no version of\n  {each} and you require {each}, we can conclude"
                )
            if each not in self._there:
                return 1, f"  cause: Because {name} was not found in the package\n  registry and"
        file = '{{ url = "https://e/{}-1-py3-none-any.whl", hashes = {{ sha256 = "1" }} }}'
        blocks = (each.split("==") for each in wanted)
        return 0, "".join(
            f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
            f"wheels = [{file.format(name)}]\n\n"
            for name, version in blocks
        )


def test_a_package_of_another_index_does_not_keep_the_others_from_having_a_source() -> None:
    index = Index("six==1", "idna==1", "gone")
    wanted = {"six": "1", "torch": "2.8.0+cu126", "gone": "1", "idna": "1"}
    assert set(_sources(wanted, "3.11.2", "x86_64", index)) == {("six", "1"), ("idna", "1")}
    assert index.runs == 3
    assert _sources({"torch": "1"}, "3.11.2", "x86_64", Index()) == {}
