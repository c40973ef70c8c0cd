"""What people bring to an image besides names of packages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess
from support.sandbox import BASE, Sandbox

from mlc_patched.errors import MlcError, UsageError
from mlc_patched.host.account import Account
from mlc_patched.images.brought import bring
from mlc_patched.images.build.client import build_arguments

AT = "/usr/local/src/demo"
HASH = f"six==1.17.0 \\\n    --hash=sha256:{'4721f391' * 8}\n"


@pytest.fixture
def here(tmp_path: Path) -> Account:
    """An account whose home has what is brought."""
    return AccountOfThisProcess("alice", 1001, 2001, str(tmp_path))


def brought(account: Account, name: str, text: str, *words: str, former: str = ""):
    Path(account.home, name).write_text(text)
    return bring(f"~/{name}", words, "demo", account, former)


def test_plain_packages_are_listed_in_the_dockerfile(here: Account) -> None:
    found, names = brought(here, "r.txt", "pandas >= 2, <3\n# no\nsix\n", "numpy<2,scipy")
    assert (found.pip, found.steps, found.files) == (("pandas>=2,<3", "six"), "", {})
    assert names == ("numpy<2", "scipy")


@pytest.mark.parametrize(
    "text",
    [
        HASH,
        "pywin32; sys_platform == 'win32'\n",
        "--index-url https://index.example/simple\npandas\n",
        "--extra-index-url https://index.example/simple\npandas\n",
        "--extra-index-url=https://index.example/simple\npandas\n",
        "--find-links https://index.example/cu121.html\npandas\n",
        "-f https://index.example/cu121.html\npandas\n",
        "--constraint https://index.example/c.txt\npandas\n",
        "-r  https://index.example/r.txt\n-chttps://index.example/c.txt\n",
        "-e git+https://git.example/x/y.git#egg=y\n--editable=git+https://git.example/x/z.git\n",
        f"--require-hashes\n{HASH}",
        "x @ https://index.example/x-1.0-py3-none-any.whl\n",
        "git+https://git.example/x/y.git@v1#egg=y\n",
        "pandas[excel]  # with a comment\nnumpy; python_version < '3.12'\n",
    ],
)
def test_any_other_requirements_file_is_copied_as_it_is(here: Account, text: str) -> None:
    found, _ = brought(here, "requirements-gpu.txt", text)
    assert found.files == {"demo.requirements.txt": text.encode()}
    assert f"COPY demo.requirements.txt {AT}/requirements.txt\nRUN " in found.steps
    assert found.steps.endswith(f" \\\n        -r {AT}/requirements.txt\n")
    assert "requirements-gpu.txt" in found.steps
    assert found.directory is None


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "-e ./src[extra]",
        "-rother.txt",
        "-f wheels",
        "./pkg",
        ".",
        "dist/x-1-py3-none-any.whl",
        "-c constraints.txt",
        "--editable=.",
        "--requirement other.txt",
        "--find-links=wheels",
        "--no-index --find-links wheels",
        "-f https://index.example/cu121.html -c constraints.txt",
    ],
)
def test_a_file_that_names_its_own_directory_needs_that_as_the_build_context(
    here: Account, line: str
) -> None:
    with pytest.raises(UsageError, match="as a whole"):
        brought(here, "requirements.txt", f"pandas\n{line}\n")
    Path(here.home, "code").mkdir()
    found, _ = brought(here, "code/requirements.txt", f"pandas\n{line}\n")
    assert found.directory == f"{here.home}/code"
    assert f"COPY . {AT}/\nWORKDIR {AT}\nRUN " in found.steps
    assert found.steps.endswith("        -r requirements.txt\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-e ../other", "not in its directory"),
        ("/data/x-1-py3-none-any.whl", "not in its directory"),
        ("x @ file:///data/x.whl", "not in its directory"),
        ("--constraint /data/c.txt", "not in its directory"),
        ("--extra-index-url https://me:secret@index.example/simple", "contains a password"),
        ("--index-url https://glpat-secret@index.example/simple", "contains a password or a token"),
        ("this is not one", "'this is not one' is not a requirement"),
        ("numpy=<2", "'numpy=<2' is not a requirement"),
    ],
)
def test_what_a_build_cannot_have_is_refused(here: Account, line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        brought(here, "requirements.txt", f"pandas\n{line}\n")
    assert "secret" not in str(error.value)


def test_a_lock_with_a_token_is_refused(here: Account) -> None:
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["six"]\n'
    brought(here, "pyproject.toml", project)
    lock = 'version = 1\nsource = { registry = "https://glpat-secret@index.example/simple" }\n'
    with pytest.raises(UsageError, match=r"uv\.lock contains a password or a token"):
        brought(here, "uv.lock", lock)


def test_pyproject_alone_and_with_its_lock(here: Account) -> None:
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["six"]\n'
    found, _ = brought(here, "pyproject.toml", project)
    assert found.files == {"demo.pyproject.toml": project.encode()}
    assert found.steps.endswith(f"        -r {AT}/pyproject.toml\n")
    lock = 'version = 1\n[[package]]\nname = "x"\nsource = { editable = "." }\n'
    locked, _ = brought(here, "uv.lock", lock)
    assert locked.files == {**found.files, "demo.uv.lock": lock.encode()}
    assert f"uv export --quiet --frozen --no-emit-project --no-dev \\\n        --project {AT} " in (
        locked.steps
    )
    assert bring("~/pyproject.toml", (), "demo", here)[0] == locked


@pytest.mark.parametrize(
    "text",
    [
        '[tool.uv.sources]\ny = { path = "../y", editable = true }\n',
        "[ tool.uv.sources ]  # these\ny = [\n  { path = '../y', marker = 'x' },\n]\n",
        '[tool.uv.sources.y]\npath = "../y"\n',
        '[tool.uv.sources]\ny.path = "../y"\n',
        '[tool.uv]\nsources = { y = { path = "../y" } }\n',
        "[tool.uv.sources]\ny = { workspace = true }\n[tool.x]\n",
        '[tool.poetry.dependencies]\ny = { path = "../y" }\n',
        'dependencies = [\n    "y @ file:///data/y",\n]\n',
    ],
)
def test_a_project_with_packages_elsewhere_needs_its_own_dockerfile(
    here: Account, text: str
) -> None:
    with pytest.raises(UsageError, match="another directory"):
        brought(here, "pyproject.toml", f'[project]\nname = "x"\n{text}')


@pytest.mark.parametrize(
    "text",
    [
        '[tool.hatch.version]\npath = "src/demo/__about__.py"\n',
        '[tool.coverage.html]\ndirectory = "htmlcov"\n',
        '[tool.uv.sources]\ny = { git = "https://git.example/y" }\n\n[tool.x]\npath = "y"\n',
        '[tool.uv.workspace]\nmembers = ["packages/*"]\n[[tool.x]]\nworkspace = true\n',
        '[tool.x]\ny = "y @ file:///data/y"\n',
    ],
)
def test_paths_of_other_tools_are_no_packages_elsewhere(here: Account, text: str) -> None:
    text = f'[project]\nname = "x"\n{text}'
    assert brought(here, "pyproject.toml", text)[0].files == {"demo.pyproject.toml": text.encode()}


def test_a_lock_of_packages_elsewhere_is_refused_as_well(here: Account) -> None:
    lock = 'version = 1\n[[package]]\nname = "y"\nsource = { directory = "../y" }\n'
    Path(here.home, "uv.lock").write_text(lock)
    with pytest.raises(UsageError, match="another directory"):
        brought(here, "pyproject.toml", '[project]\nname = "x"\n')


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ('[tool.poetry]\nname = "x"\n', "has no table [project]", "poetry export -f"),
        ("[tool.ruff]\nline-length = 100\n", "has no table [project]", "requirements file"),
        ('lock-version = "1.0"\n[[packages]]\n', "is a pylock.toml", "requirements file"),
        ('lock-version = "1.0"\n[tool.mlc]\n', "is a pylock.toml", "NEW --from {0}/x.toml"),
    ],
)
def test_toml_without_a_project_is_refused_with_what_to_do(
    here: Account, text: str, words: str, hint: str
) -> None:
    with pytest.raises(UsageError) as error:
        brought(here, "x.toml", text)
    assert words in error.value.message
    assert hint.format(here.home) in error.value.hint


def test_a_lock_is_no_requirements_file(here: Account) -> None:
    with pytest.raises(UsageError, match=r"NEW --from .*/x\.lock$"):
        brought(here, "x.lock", 'lock-version = "1.0"\n\n[tool.mlc]\n')


def test_a_conda_environment_is_installed_by_conda_or_micromamba(here: Account) -> None:
    text = "name: x\ndependencies:\n  - numpy\n  - pip:\n    - six\n"
    found, _ = brought(here, "environment.yml", text)
    assert found.files == {"demo.environment.yml": text.encode()}
    assert f"conda env update --name base --file {AT}/environment.yml" in found.steps
    assert found.by_conda
    with pytest.raises(UsageError, match="not a conda environment"):
        brought(here, "other.yaml", "a: b\n")


@pytest.mark.parametrize(
    ("programs", "called"),
    [
        (
            ("conda", "micromamba"),
            ["conda env update --name base --file FILE", "conda clean --all --yes"],
        ),
        (
            ("micromamba",),
            ["micromamba install --yes --name base --file FILE", "micromamba clean --all --yes"],
        ),
    ],
)
def test_the_step_calls_the_program_that_the_base_has(
    here: Account, programs: tuple[str, ...], called: list[str]
) -> None:
    found, _ = brought(here, "environment.yml", "dependencies:\n  - numpy\n")
    _, _, step = found.steps.partition("\nRUN ")
    for name in programs:
        program = Path(here.home, name)
        program.write_text('#!/bin/sh\necho "${0##*/} $*"\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", step.replace("\\\n", "")],
        env={"PATH": here.home},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.replace(f"{AT}/environment.yml", "FILE").splitlines() == called


def test_wheels_and_urls_are_arguments_beside_names(here: Account) -> None:
    Path(here.home, "x-1.0+cu12-py3-none-any.whl").write_bytes(b"wheel")
    words = ("six", "~/x-1.0+cu12-py3-none-any.whl", "git+https://git.example/a/b@v1")
    found, names = bring(None, words, "demo", here)
    assert names == ("six",)
    assert found.files == {"demo.x-1.0+cu12-py3-none-any.whl": b"wheel"}
    copy, *step = found.steps.splitlines()
    name = "x-1.0+cu12-py3-none-any.whl"
    assert copy == f"COPY demo.{name} {AT}/{name}"
    assert step[1:] == [f"        {AT}/{name} \\", '        "git+https://git.example/a/b@v1"'] or (
        step[1:] == [f'        "{AT}/{name}" \\', '        "git+https://git.example/a/b@v1"']
    )


@pytest.mark.parametrize("directory", ["a b", "a,b", "a, b"])
def test_the_path_of_a_wheel_may_have_blanks_and_commas(here: Account, directory: str) -> None:
    wheel = Path(here.home, directory, "x-1-py3-none-any.whl")
    wheel.parent.mkdir()
    wheel.write_bytes(b"wheel")
    for word in (f"~/{directory}/{wheel.name}", str(wheel)):
        found, names = bring(None, [word, "six"], "demo", here)
        assert (found.files, names) == ({f"demo.{wheel.name}": b"wheel"}, ("six",))
    Path(here.home, "y-1-py3-none-any.whl").write_bytes(b"y")
    found, names = bring(None, ["six ~/y-1-py3-none-any.whl,toolz"], "demo", here)
    assert (set(found.files), names) == ({"demo.y-1-py3-none-any.whl"}, ("six", "toolz"))


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("six @ https://index.example/six-1-py2.py3-none-any.whl", ()),
        ("pandas, six  @ https://index.example/six-1.tar.gz numpy<2", ("pandas", "numpy<2")),
    ],
)
def test_a_name_and_its_url_are_one_argument(
    here: Account, word: str, names: tuple[str, ...]
) -> None:
    found, plain = bring(None, [word], "demo", here)
    assert plain == names
    assert re.search(r'^        "six +@ https://index.example/six-1[^" ]+"$', found.steps, re.M)


@pytest.mark.parametrize(
    "word",
    [
        "git+https://me:pw@git.example/x",
        "git+https://ghp_TOKEN@github.com/a/b",
        "https://x.example/$(id).whl",
        "ftp://x.example/y",
    ],
)
def test_urls_that_are_no_packages_or_have_a_password_are_refused(here: Account, word: str) -> None:
    with pytest.raises(UsageError):
        bring(None, [word], "demo", here)


def test_private_git_gets_the_ssh_agent_for_its_step_alone(here: Account) -> None:
    found, _ = bring(None, ["git+ssh://git@git.example/a/b.git@v1"], "demo", here)
    assert found.steps.startswith("RUN --mount=type=ssh GIT_SSH_COMMAND=")
    assert found.apt == ("openssh-client",)


@pytest.mark.parametrize("word", ["1=2", "", "A B=c", "DS01_USER_ID=0"])
def test_build_arguments_that_are_not_valid_or_ours_are_refused(word: str) -> None:
    with pytest.raises(UsageError):
        build_arguments([word], {})


def test_build_arguments_have_values_of_their_own_or_of_the_environment() -> None:
    words = ["A=b=c", "HOME", "EMPTY="]
    assert build_arguments(words, {"HOME": "/h"}) == ("A=b=c", "HOME=/h", "EMPTY=")
    with pytest.raises(UsageError, match="not set"):
        build_arguments(["HOME"], {})


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = Sandbox(tmp_path, monkeypatch)
    made.fake.add_image(BASE)
    (made.home / "r.txt").write_text(HASH)
    return made


def test_copies_are_beside_the_dockerfile_and_go_with_a_failure(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = sandbox.home / "dockerfiles/demo.requirements.txt"
    asked = f"image-create demo --base {BASE} -r r.txt -y".split()
    build = "mlc_patched.images.build.run.run_build"
    with monkeypatch.context() as patch:
        patch.setattr(build, lambda *arguments, **named: (_ for _ in ()).throw(KeyboardInterrupt))
        assert sandbox.run(*asked).status == 130
        assert not copy.exists()
        patch.setattr(build, lambda *arguments, **named: (1, ["no"]))
        failed = sandbox.run(*asked)
        assert failed.output.endswith(f"image-create demo --base {BASE} -r r.txt -y\n")
        assert copy.exists(), "the rejected Dockerfile needs it"
    assert sandbox.run(*asked).status == 0
    assert copy.read_text() == HASH
    (sandbox.home / "r.txt").write_text(f"{HASH}# more\n")
    with monkeypatch.context() as patch:
        patch.setattr(build, lambda *arguments, **named: (1, ["no"]))
        assert sandbox.run(*asked, "--force").status == 1
    assert copy.read_text() == HASH


def test_a_large_lock_can_be_brought_again(sandbox: Sandbox) -> None:
    (sandbox.home / "pyproject.toml").write_text("[project]\nname = 'x'\nversion = '1'\n")
    (sandbox.home / "uv.lock").write_text(f"version = 1\n# {'x' * 5 * 1024**2}\n")
    sandbox.ok(*f"image-create demo --base {BASE} -r uv.lock -y".split())
    (sandbox.home / "uv.lock").write_text("version = 1\n")
    sandbox.ok("image-update", "demo", "-r", "uv.lock", "-y")
    copies = sandbox.home / "dockerfiles"
    assert (copies / "demo.uv.lock").read_text() == "version = 1\n"
    assert [each for each in copies.iterdir() if each.name.startswith(".")] == []


def test_a_wheel_that_was_there_is_restored_after_a_failure(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = sandbox.home / "x-1-py3-none-any.whl"
    wheel.write_bytes(b"one")
    sandbox.ok(*f"image-create demo --base {BASE} -p {wheel.name} -y".split())
    copies = sandbox.home / "dockerfiles"
    before = {each.name: each.read_bytes() for each in copies.iterdir()}
    wheel.write_bytes(b"two")
    with monkeypatch.context() as patch:
        build = "mlc_patched.images.build.run.run_build"
        patch.setattr(build, lambda *arguments, **named: (1, ["no"]))
        assert sandbox.run(*f"image-update demo --add {wheel.name} -y".split()).status == 1
    assert {each.name: each.read_bytes() for each in copies.iterdir()} == before
    sandbox.ok(*f"image-update demo --add {wheel.name} -y".split())
    assert (copies / f"demo.{wheel.name}").read_bytes() == b"two"


def test_what_is_no_file_is_not_replaced_by_a_copy(sandbox: Sandbox) -> None:
    copy = sandbox.home / "dockerfiles/demo.requirements.txt"
    copy.parent.mkdir()
    copy.symlink_to("/elsewhere")
    said = sandbox.ok(*f"image-create demo --base {BASE} -r r.txt -y".split(), code=1).output
    assert f"{copy} is not a file; replace or remove it." in said
    assert copy.is_symlink()


def test_a_conda_environment_needs_a_base_with_conda(sandbox: Sandbox) -> None:
    (sandbox.home / "environment.yml").write_text("dependencies:\n  - numpy\n")
    failed = sandbox.run(*f"image-create demo --base {BASE} -r environment.yml -y".split())
    assert failed.status == 1
    assert f"{BASE} has neither conda nor micromamba" in failed.output
    sandbox.ok(*f"image-create demo --base {BASE} -y".split())
    before = (sandbox.home / "dockerfiles/demo.Dockerfile").read_text()
    asked = ["image-update", "demo", "-r", "environment.yml", "-y"]
    failed = sandbox.run(*asked)
    assert failed.status == 1
    assert f"{BASE} has neither conda nor micromamba" in failed.output
    assert {each.name for each in (sandbox.home / "dockerfiles").glob("demo*")} == {
        "demo.Dockerfile",
        "demo.lock",
    }
    by_step = before.replace(f"FROM {BASE}\n", f"FROM {BASE}\nRUN apt-get install micromamba\n")
    assert by_step != before
    (sandbox.home / "dockerfiles/demo.Dockerfile").write_text(by_step)
    sandbox.ok(*asked)


def test_without_an_agent_or_buildkit_ssh_is_refused_before_the_build(sandbox: Sandbox) -> None:
    asked = f"image-create demo --base {BASE} -p git+ssh://git@git.example/a/b -y".split()
    failed = sandbox.run(*asked)
    assert failed.status == 2
    assert "which the classic builder cannot lend to it" in failed.output


def test_an_update_takes_the_same_and_adds_the_steps_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sandbox.home / "dockerfiles"
    sandbox.run(*f"image-create demo --base {BASE} -y".split())
    before = (files / "demo.Dockerfile").read_text()
    (sandbox.home / "x-1-py3-none-any.whl").write_bytes(b"wheel")
    asked = ["image-update", "demo", "--add", "x-1-py3-none-any.whl", "-r", "r.txt", "-y"]
    with monkeypatch.context() as patch:
        build = "mlc_patched.images.build.run.run_build"
        patch.setattr(build, lambda *arguments, **named: (1, ["no"]))
        assert sandbox.run(*asked).status == 1
        assert (files / "demo.Dockerfile").read_text() == before
        assert not (files / "demo.requirements.txt").exists()
    assert sandbox.run(*asked).status == 0
    after = (files / "demo.Dockerfile").read_text()
    assert f"COPY demo.requirements.txt {AT}/requirements.txt\n" in after
    assert f"COPY demo.x-1-py3-none-any.whl {AT}/x-1-py3-none-any.whl\n" in after
    assert (files / "demo.requirements.txt").read_text() == HASH
    (sandbox.home / "r.txt").write_text(f"{HASH}# more\n")
    assert sandbox.run(*asked).status == 0
    assert (files / "demo.Dockerfile").read_text() == after
    assert (files / "demo.requirements.txt").read_text() == f"{HASH}# more\n"


def test_another_file_gets_a_copy_of_its_own(sandbox: Sandbox) -> None:
    files = sandbox.home / "dockerfiles"
    sandbox.ok(*f"image-create demo --base {BASE} -r r.txt -y".split())
    (files / "demo.requirements.txt").write_text(f"{HASH}# by hand\n")
    (sandbox.home / "b.txt").write_text(f"{HASH}# b\n")
    sandbox.ok("image-update", "demo", "-r", "b.txt", "-y")
    text = (files / "demo.Dockerfile").read_text()
    assert f"COPY demo.requirements.txt {AT}/requirements.txt\n" in text
    assert f"COPY demo.requirements-2.txt {AT}/2/requirements.txt\n" in text
    assert f"        -r {AT}/2/requirements.txt\n" in text
    assert (files / "demo.requirements.txt").read_text() == f"{HASH}# by hand\n"
    assert (files / "demo.requirements-2.txt").read_text() == f"{HASH}# b\n"
    sandbox.ok("image-update", "demo", "--rollback")
    assert "requirements-2" not in (files / "demo.Dockerfile").read_text()
    sandbox.ok("image-update", "demo", "--rollback")
    sandbox.ok("image-update", "demo", "-r", "b.txt", "-y")
    assert (files / "demo.Dockerfile").read_text() == text, "it is there already"
    (sandbox.home / "c.txt").write_text(f"{HASH}# c\n")
    sandbox.ok("image-update", "demo", "-r", "c.txt", "-y")
    assert f"COPY demo.requirements-3.txt {AT}/3/" in (files / "demo.Dockerfile").read_text()
    said = sandbox.ok("image-retire", "demo", "--with-dockerfile", "-y").output
    assert f"{files}/demo.requirements-2.txt {files}/demo.requirements-3.txt" in said


def test_the_same_file_takes_the_place_of_its_copy_of_which_a_backup_is_kept(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = sandbox.home / "dockerfiles/demo.requirements.txt"
    sandbox.ok(*f"image-create demo --base {BASE} -r r.txt -y".split())
    asked = ["image-update", "demo", "-r", "r.txt", "-y"]
    assert "demo.requirements.txt" not in sandbox.ok(*asked).output, "it is the same"
    copy.write_text(f"{HASH}# by hand\n")
    (sandbox.home / "r.txt").write_text(f"{HASH}# more\n")
    with monkeypatch.context() as patch:
        build = "mlc_patched.images.build.run.run_build"
        patch.setattr(build, lambda *arguments, **named: (1, ["no"]))
        assert sandbox.run(*asked).status == 1
    assert copy.read_text() == f"{HASH}# by hand\n"
    assert not Path(f"{copy}.1").exists()
    said = sandbox.ok(*asked).output
    assert "The copy of r.txt, demo.requirements.txt, gets its present content." in said
    assert "If this is another file, rename it" in said
    assert f"What demo.requirements.txt was before is kept in {copy}.1" in said
    assert copy.read_text() == f"{HASH}# more\n"
    assert Path(f"{copy}.1").read_text() == f"{HASH}# by hand\n"
    retired = sandbox.ok("image-retire", "demo", "--with-dockerfile", "-y").output
    assert f"{copy} {copy}.1" in retired


@pytest.mark.parametrize(
    ("name", "text", "first", "second"),
    [
        ("x.toml", "[project]\nname = 'x'\n", "pyproject.toml", "pyproject-2.toml"),
        ("x.yml", "dependencies:\n  - numpy\n", "environment.yml", "environment-2.yml"),
    ],
)
def test_another_project_file_or_environment_gets_a_copy_of_its_own(
    here: Account, name: str, text: str, first: str, second: str
) -> None:
    found, _ = brought(here, first, text)
    former = f"FROM x\n{found.steps}"
    assert set(brought(here, first, text, former=former)[0].files) == {f"demo.{first}"}
    other, _ = brought(here, name, text, former=former)
    assert set(other.files) == {f"demo.{second}"}
    assert f"COPY demo.{second} {AT}/2/{first}\n" in other.steps
    assert name in other.steps
    both = f"{former}{other.steps}".replace("\n", "\r\n")
    assert brought(here, name, text, former=both)[0] == other


def test_a_file_that_powershell_wrote_in_utf_16_is_read_as_pip_reads_it(here: Account) -> None:
    path = Path(here.home, "r.txt")
    path.write_bytes("six\r\nidna==3.7; python_version > '3'\r\n".encode("utf-16"))
    found, _ = bring("~/r.txt", (), "demo", here)
    assert found.files == {"demo.requirements.txt": b"six\nidna==3.7; python_version > '3'\n"}
    path.write_bytes(b"six\xff")
    with pytest.raises(MlcError, match=r"is not valid UTF-8 text: .* Save it as UTF-8\."):
        bring("~/r.txt", (), "demo", here)
