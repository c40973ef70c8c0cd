"""The requirements in files that a Dockerfile copies."""

from __future__ import annotations

import pytest

from mlc_patched.images.versions.copied import copied_requirements

FILES = {
    "demo.requirements.txt": (
        "# a comment\n"
        "six==1.17.0 ; python_version > '3'  # why\n"
        "idna==3.10 \\\n    --hash=sha256:00\n"
        "--extra-index-url https://example.org/simple\n"
        "-e .\n./own\nhttps://example.org/x.whl\n"
        "-r more/dev.txt\n-c demo.requirements.txt\n"
    ),
    "more/dev.txt": "tabulate<1\n-r absent.txt\n",
    "demo.uv.lock": (
        'version = 1\n\n[[package]]\nname = "toml"\nversion = "0.10.2"\n'
        'source = { registry = "https://pypi.org/simple" }\n'
    ),
    "demo.pyproject.toml": (
        '[project]\nname = "x"\ndescription = "numpy is used"\n'
        'dependencies = [\n    "pandas>=2",\n]\n'
    ),
    "a.txt": "fits==1\n",
}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            "COPY demo.requirements.txt /src/\nRUN uv pip install -r /src/requirements.txt",
            {"six==1.17.0 ; python_version > '3'", "idna==3.10", "tabulate<1"},
        ),
        ("COPY --chown=1:1 . /src\nRUN pip install -r more/dev.txt", {"tabulate<1"}),
        ("COPY . /src\nRUN cd /src && pip install --requirement=/src/a.txt", {"fits==1"}),
        ("COPY demo.uv.lock /src/uv.lock", {"toml==0.10.2"}),
        ("COPY demo.pyproject.toml /src/", {"x", "pandas>=2"}),
        ("COPY a.txt /src/\nFROM debian:13\nRUN true", set()),
        ("RUN pip install six", set()),
    ],
)
def test_requirements_are_found(steps: str, expected: set[str]) -> None:
    text = f"FROM debian:12\n{steps}\n"
    assert set(copied_requirements(text, FILES.get)) == expected
