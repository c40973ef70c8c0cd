"""Why a build failed, found in output recorded from real builds, and in that of other versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc_patched.images.build.failure import (
    cause,
    lacks_a_package,
    lacks_uv,
    last_words,
)

_SECTIONS = Path(__file__).with_name("recorded.txt").read_text(encoding="utf-8").split("=== ")[1:]
RECORDED = {name: log for name, _, log in (each.partition("\n") for each in _SECTIONS)}
"""Output of builds by the name of the builder and of what fails; hosts are renamed."""

UNTRUSTED = "The certificate of index.example is not trusted in the build: set DS01_CA_CERTIFICATE"
CONFLICT = "These packages conflict: idna==2.0 and requests==2.32.3 (The user requested idna==2.0; "
NOT_VALID = "The Dockerfile is not valid: unknown instruction: RUNN; did you mean RUN?"
EXPECTED = {
    "add-dns": "no-such-host.invalid could not be found by name",
    "apt-dns": "no-such-host.invalid could not be found by name",
    "apt-missing": "The package sources of the base have no no-such-pkg-qq.",
    "apt-noupdate": "apt-get knows no package tree: run apt-get update before",
    "apt-version": "The package sources of the base have no version 99.1 of tree.",
    "base-dns": "no-such-registry.invalid could not be found by name",
    "base-missing": "registry.example could not be found by name",
    "copy-missing": "There is no nosuch.txt in the build context",
    "from-nostage": "registry.example could not be found by name",
    "git-auth": "git could not log in (cannot run ssh).",
    "git-missing": "no-such-host.invalid could not be found by name",
    "pip-cert": UNTRUSTED,
    "pip-compile": "pycrypto has to be built from its source, and that failed. It may need",
    "pip-conflict": CONFLICT,
    "pip-dns": "no-such-host.invalid could not be found by name",
    "pip-invalid": "six=<1 is not a package with versions",
    "pip-missing": "PyPI has no package numpyy-qq; did you mean numpy?",
    "pip-new-cert": UNTRUSTED,
    "pip-new-compile": "pycrypto has to be built from its source, and that failed. It may need",
    "pip-new-conflict": CONFLICT,
    "pip-new-missing": "PyPI has no package numpyy-qq; did you mean numpy?",
    "pip-python": "dataclasses==0.8 needs Python >=3.6, <3.7, which the image does not have.",
    "pip-refused": "127.0.0.1 could not be reached from the build",
    "pip-req": "The build has no requirements file /no/requirements.txt",
    "pip-version": "The package index has no six==99.1; the newest version there is 1.17.0.",
    "run-exit": "The step ended with exit status 3.",
    "run-notfound": "The image has no program nosuchprogram at this step.",
    "run-pip": "PyPI has no package numpyy-qq; did you mean numpy?",
    "run-space": "There is no space left on the disk of the engine.",
    "syntax-args": "The Dockerfile is not valid: COPY requires at least two arguments, but",
    "syntax-unknown": NOT_VALID,
    "uv-cert": UNTRUSTED,
    "uv-compile": "pycrypto==2.6.1 has to be built from its source, and that failed. It may need",
    "uv-conflict": "These packages conflict: requests==2.32.3 depends on idna>=2.5 and you require",
    "uv-dns": "no-such-host.invalid could not be found by name",
    "uv-invalid": "six=<1 is not a package with versions",
    "uv-missing": "PyPI has no package numpyy-qq; did you mean numpy?",
    "uv-refused": "127.0.0.1 could not be reached from the build",
    "uv-version": "The package index has no six==99.1.",
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_cause_is_named_in_a_sentence(name: str) -> None:
    _, _, what = name.partition("-")
    assert cause(RECORDED[name].splitlines()).startswith(EXPECTED[what])


def test_every_builder_and_program_was_recorded() -> None:
    assert {name.partition("-")[2] for name in RECORDED} == set(EXPECTED)
    assert {name.partition("-")[0] for name in RECORDED} == {"buildkit", "buildx", "classic"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        # Other versions of the same programs, and those that are not here.
        (
            "  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because torchh was not found in the package registry and you\n"
            "      require torchh, we can conclude that your requirements are\n   "
            "   unsatisfiable.",
            "PyPI has no package torchh; did you mean torch?",
        ),
        (
            "  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because you require six==1.17.0 and six==1.16.0, we can conclude that your\n"
            "      requirements are unsatisfiable.",
            "These packages conflict: you require six==1.17.0 and six==1.16.0.",
        ),
        (
            "  × No solution found when resolving dependencies:\n"
            "  ╰─▶ Because the current Python version (3.9.2) does not satisfy Python>=3.10\n"
            "      and numpy==2.2.0 depends on Python>=3.10, we can conclude"
            " that\n      numpy==2.2.0"
            " cannot be used.",
            "numpy==2.2.0 needs Python >=3.10, and the image has 3.9.2.",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement torch (from versions:"
            " none)\nERROR: No matching distribution found for torch",
            "The package index has no version of torch for the Python of the image",
        ),
        (
            "Looking in indexes: https://index.example/simple\nERROR: Could not find a version that"
            " satisfies the requirement sklearn (from versions: none)",
            "The package index has no package sklearn; did you mean scikit-learn?",
        ),
        (
            "PackagesNotFoundError: The following packages are not available from current channels:"
            "\n\n  - pytorchh\n\nCurrent channels:",
            "The conda channels have no package pytorchh; did you mean",
        ),
        (
            "error    libmamba Could not solve for environment specs\n    The"
            " following package could"
            " not be installed\n    └─ numpyy   does not exist (perhaps a typo or"
            " a missing channel).",
            "The conda channels have no package numpyy; did you mean numpy?",
        ),
        (
            (
                "LibMambaUnsatisfiableError: Encountered problems while solving:\n  -"
                " package a-1 requires"
            ),
            "conda found no versions that fit together",
        ),
        (
            (
                "CondaHTTPError: HTTP 000 CONNECTION FAILED for url"
                " <https://conda.example/main/x.json>"
            ),
            "conda.example could not be reached",
        ),
        (
            'process "/bin/sh -c make" did not complete successfully: exit code: 137',
            "The step ran out of memory and was killed.",
        ),
        (
            "c++: fatal error: Killed signal terminated program cc1plus",
            "The step ran out of memory",
        ),
        (
            "ERROR: failed to solve: hub/x:1: failed to resolve source metadata for hub/x:1: "
            "hub/x:1: not found",
            "There is no image hub/x:1, or you may not pull it: docker login",
        ),
        (
            "pull access denied for hub/x, repository does not exist or may require 'docker login'",
            "There is no image hub/x, or you may not pull it: docker login",
        ),
        ("manifest for hub/x:9 not found: manifest unknown", "There is no image hub/x:9"),
        (
            'failed to do request: Head "https://reg.example/v2/": tls: failed to'
            " verify certificate:"
            " x509: certificate signed by unknown authority",
            "The engine does not trust the certificate of reg.example",
        ),
        (
            'ERROR: failed to calculate checksum of ref a1::b2: "/data/x.csv": not found',
            "There is no data/x.csv in the build context",
        ),
        (
            'Error: building at STEP "COPY nosuch.txt /x": checking on sources under "/tmp/c": '
            'copier: stat: "/nosuch.txt": no such file or directory',
            "There is no nosuch.txt in the build context",
        ),
        (
            "E: Unable to locate package libgl1-mesa-glx\nGet:1 http://debian.example bookworm",
            "The package sources of the base have no libgl1-mesa-glx; did you mean libgl1?",
        ),
        (
            "The following packages have unmet dependencies:\n a : Depends: b",
            "These Debian packages do not fit together",
        ),
        (
            (
                "E: The repository 'http://debian.example buster Release' does not"
                " have a Release file."
            ),
            "The package sources of the base do not exist",
        ),
        (
            "ERROR: Could not find an activated virtualenv (required).",
            "PIP_REQUIRE_VIRTUALENV is set, so pip installs only into a virtual environment.",
        ),
        ("error: externally-managed-environment", "The Python of the image belongs to the system"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "A download is not the file whose hash",
        ),
        (
            "git@git.example: Permission denied (publickey,password).",
            "git could not log in (Permission denied (publickey,password)). For a private "
            'repository start an agent (eval "$(ssh-agent)" && ssh-add) and give its URL as '
            "git+ssh://git@HOST/PATH.",
        ),
        (
            "ERROR: HTTP error 401 while getting https://index.example/x.whl\n"
            "ERROR: 401 Client Error: Unauthorized for url: https://index.example/x.whl",
            "Access to index.example was refused (HTTP 401)",
        ),
        (
            "dockerfile parse error on line 3: unknown instruction: RUM (did you mean RUN?)",
            "The Doc",
        ),
        (
            "/bin/sh: 1: pip: not found",
            "The image has no program pip at this step; add it with --apt python3-pip.",
        ),
        ("/usr/bin/python3: No module named pip", "/usr/bin/python3 has no module pip"),
        (
            "account set-up: installing less\naccount set-up: this image has no bash; use a base",
            "The account cannot be set up: this image has no bash; use a base.",
        ),
        (
            "chown: changing ownership of '/home/ada': Invalid argument\n"
            "while running runtime: exit status 1",
            "The UID or GID of the account is outside of the engine's range of IDs",
        ),
        (
            "potentially insufficient UIDs or GIDs available in user namespace (requested "
            "1722830504:1722830504 for /home/ada): Check /etc/subuid and /etc/subgid",
            "The UID or GID of the account is outside of the engine's range of IDs",
        ),
        (
            "ERROR: failed to build: failed to solve: rpc error: code = Unknown desc = failed to "
            "create LLB definition: LABEL must have two arguments",
            "The Dockerfile is not valid: LABEL must have two arguments.",
        ),
        (
            "Error response from daemon: failed to parse .dockerfile.a6eb48: ENV must have two "
            "arguments",
            "The Dockerfile is not valid: ENV must have two arguments.",
        ),
        (
            "#5 https://files.example/x.tar.gz\n#5 ERROR: invalid response status 404",
            "There is nothing at https://files.example/x.tar.gz (HTTP 404): check the address.",
        ),
        (
            "ADD failed: failed to GET https://files.example/x with status 404 Not Found: ",
            "There is nothing at https://files.example/x (HTTP 404): check the address.",
        ),
        (
            "#5 ERROR: executor failed running [/bin/sh -c true]: unable to find user nobody-qq: "
            "no matching entries in passwd file",
            "The image has no user nobody-qq at this step: create it before USER names it.",
        ),
        (
            "/bin/sh: 1: source: not found",
            "source is a command of bash, and the step runs in sh. Put this before the step: SHELL",
        ),
        (
            "/bin/sh: 1: /setup.sh: not found",
            "The image has no program /setup.sh at this step, or not the one that its first line "
            "names, as in a script with Windows line ends.",
        ),
        (
            "/bin/bash: line 1: /setup.sh: /bin/bash^M: bad interpreter: No such file or directory",
            "A script has Windows line ends, so its first line names no program (/bin/bash).",
        ),
        (
            "/usr/bin/env: ‘python3\\r’: No such file or directory",
            "A script has Windows line ends, so its first line names no program (python3).",
        ),
        (
            "ERROR: failed to solve: failed to create LLB definition: failed to parse stage name "
            '"Base": invalid reference format: repository name must be lowercase',
            'The Dockerfile is not valid: failed to parse stage name "Base": invalid reference',
        ),
        (
            "E: List directory /var/lib/apt/lists/partial is missing. - Acquire (13: Permission "
            "denied)",
            "The step does not run as root, and may not write where it installs. Put USER root",
        ),
        (
            "error: Failed to install: certifi-2026.10.19.post1-py3-none-any.whl\n  cause: failed "
            "to create directory `/usr/local/lib/x`: Permission denied (os error 13)",
            "The step does not run as root, and may not write where it installs. Put USER root",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: "
            "'/usr/local/lib/x'",
            "The step does not run as root, and may not write where it installs. Put USER root",
        ),
        (
            "ERROR: failed to build: failed to update builder last activity time: write "
            "/home/a/.docker/buildx/activity/.tmp-default29: no space left on device",
            "docker buildx cannot write into /home/a/.docker/buildx/activity: no space left on "
            "device. Make room there, or name another directory in BUILDX_CONFIG.",
        ),
        (
            "ERROR: failed to build: failed to update builder last activity time: open "
            "/home/a/.docker/buildx/activity/.tmp-default18: read-only file system",
            "docker buildx cannot write into /home/a/.docker/buildx/activity: read-only file "
            "system. Have it writable, or name another directory in BUILDX_CONFIG.",
        ),
        (
            "error: File not found: requirements.txt",
            "The build has no requirements file requirements.txt: COPY it first.",
        ),
        (
            "error: No solution found when resolving dependencies\n  cause: Because torch==1.0.0 "
            "has no wheels with a matching Python ABI tag (e.g., `cp311`) and you require "
            "torch==1.0, we can conclude that your requirements are unsatisfiable.",
            "torch==1.0.0 is not there for the image's Python or its machine (it has no wheels "
            "with a matching Python ABI tag, e.g., `cp311`). Choose another version, or another "
            "base.",
        ),
        ("everything is fine", ""),
        ("", ""),
    ],
)
def test_the_cause_is_named_in_other_words_too(said: str, expected: str) -> None:
    assert cause(said.splitlines()).startswith(expected)
    assert bool(cause(said.splitlines())) == bool(expected)


@pytest.mark.parametrize(
    "log",
    [
        '#7 [stage-1 2/5] COPY --from=build /y /z\n#7 ERROR: "/y" not found: not found',
        "Step 4/30 : COPY --from=build /y /z\nCOPY failed: stat y: file does not exist",
    ],
)
def test_a_file_that_is_copied_from_a_stage_is_missing_there(log: str) -> None:
    said = cause(log.splitlines(), "COPY --from=build /y /z")
    assert said == "There is no /y in build, from which the step copies."


def test_a_builder_without_here_documents_is_named_with_what_to_do() -> None:
    log = ["Error response from daemon: dockerfile parse error line 6: unknown instruction: SET"]
    assert cause(log, "RUN <<EOF set -e echo EOF").startswith(
        "This builder does not support here-documents (<<). Write the step's commands with &&"
    )
    assert cause(log, "SET x").startswith("The Dockerfile is not valid: unknown instruction: SET")


def test_the_last_words_are_not_empty_if_only_the_builder_says_something() -> None:
    said = "executor failed running [/bin/sh -c true]: unable to find user x: no matching entries"
    log = [f"#5 ERROR: {said}", "------", " > [2/4] RUN true:", "------", f"ERROR: {said}"]
    assert last_words(log) == [f"ERROR: {said}"]


def test_the_words_of_a_command_are_not_its_output() -> None:
    command = "echo No space left on device, Unable to locate package x; exit 4"
    for log in (
        f"#5 [2/2] RUN {command}\n#5 0.1 hello\n#5 ERROR: executor failed running "
        f"[/bin/sh -c {command}]: exit code: 4",
        f'#5 ERROR: process "/bin/sh -c {command}" did not complete successfully: exit code: 4',
        f"Step 2/2 : RUN {command}\nThe command '/bin/sh -c {command}' returned a non-zero code: 4",
        f'STEP 2/2: RUN {command}\nError: building at STEP "RUN {command}": while running runtime: '
        "exit status 4",
    ):
        assert cause(log.splitlines()) == "The step ended with exit status 4."


def test_a_connection_that_was_tried_again_and_worked_is_not_the_cause() -> None:
    log = (
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'Read"
        " timed out.': /simple/six/"
        "\nERROR: Could not find a version that satisfies the requirement"
        " numpyy (from versions: none)"
        "\nERROR: No matching distribution found for numpyy"
    )
    assert cause(log.splitlines()) == "PyPI has no package numpyy; did you mean numpy?"


@pytest.mark.parametrize("builder", ["buildkit", "buildx", "classic"])
def test_the_last_words_are_those_of_the_program(builder: str) -> None:
    assert last_words(RECORDED[f"{builder}-run-pip"].splitlines())[:4] == [
        "Collecting six",
        "  Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)",
        (
            "ERROR: Could not find a version that satisfies the requirement"
            " numpyy-qq (from versions: none)"
        ),
        "ERROR: No matching distribution found for numpyy-qq",
    ]


def test_an_index_without_uv_is_said_with_what_to_do_instead() -> None:
    log = [
        "Step 17/32 : RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install uv==0.13.9",
        "Looking in indexes: http://127.0.0.1:45573/simple",
        "ERROR: Could not find a version that satisfies the requirement uv==0.13.9 "
        "(from versions: none)",
        "ERROR: No matching distribution found for uv==0.13.9",
    ]
    assert "Add uv to that index; or bring a requirements file" in cause(log)
    assert lacks_uv(log)
    assert not lacks_a_package(log)
    older = [log[0], log[2].replace("none", "0.8.1, 0.9"), log[3]]
    assert lacks_uv(older)
    unreachable = [
        *log[:2],
        "WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by "
        "'NewConnectionError(<x>: Failed to establish a new connection: [Errno 111] Connection "
        "refused')': /simple/uv/",
        *log[2:],
    ]
    assert not lacks_uv(unreachable)
    assert cause(unreachable).startswith("127.0.0.1 could not be reached")
    assert not lacks_uv([line.replace("uv==0.13.9", "uv-tools") for line in log])


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            "Could not fetch URL http://127.0.0.1:9/simple/six/: 403 Client Error: Forbidden for "
            "url: http://127.0.0.1:9/simple/six/ - skipping",
            "Access to 127.0.0.1 was refused (HTTP 403)",
        ),
        (
            "Could not fetch URL http://127.0.0.1:9/simple/six/: 502 Server Error: Bad Gateway for "
            "url: http://127.0.0.1:9/simple/six/ - skipping",
            "127.0.0.1 does not work at the moment (HTTP 502)",
        ),
        (
            "Could not fetch URL http://127.0.0.1:9/simple/six/: connection error: "
            "HTTPConnectionPool(host='127.0.0.1', port=9): Max retries exceeded with url: "
            "/simple/six/ (Caused by ResponseError('too many 500 error responses')) - skipping",
            "127.0.0.1 does not work at the moment (HTTP 500)",
        ),
        (
            "  cause: HTTP status server error (502 Bad Gateway) for url (http://127.0.0.1:9/x/)",
            "127.0.0.1 does not work at the moment (HTTP 502)",
        ),
        (
            "User for 127.0.0.1:9: ERROR: Exception:\nEOFError: EOF when reading a line",
            "The package index at 127.0.0.1 asks for a login: set PIP_INDEX_URL",
        ),
        (
            "Could not fetch URL http://127.0.0.1:9/simple/six/: 404 Client Error: Not Found for "
            "url: http://127.0.0.1:9/simple/six/ - skipping",
            "PyPI has no package sixxx",
        ),
    ],
)
def test_an_index_that_refuses_or_fails_is_not_one_without_the_package(said: str, why: str) -> None:
    none = "ERROR: Could not find a version that satisfies the requirement sixxx"
    log = [*said.splitlines(), f"{none} (from versions: none)"]
    assert cause(log).startswith(why)
    assert lacks_a_package(log) == ("404" in said)
