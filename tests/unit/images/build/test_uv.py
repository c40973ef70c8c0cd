"""What uv says about packages that cannot be installed."""

from __future__ import annotations

from mlc_patched.images.build.uv import Resolved, refusal

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
