"""Files of a container, by the engine's archive requests."""

from __future__ import annotations

import base64
import io
import json
import tarfile

import pytest
from support.engine_api import EngineApi, Reply, Request, refusal

from mlc_patched.engine.interface import Engine
from mlc_patched.errors import EngineError, NotFoundError

DIRECTORY, LINK, PIPE = 1 << 31, 1 << 27, 1 << 25
"""Mode bits of Go's `os.FileMode`."""
MISSING = refusal(404, "Could not find the file /f in container c")


def headers(size: int = 0, mode: int = 0o644, target: str = "") -> dict[str, str]:
    told = json.dumps({"name": "f", "size": size, "mode": mode, "linkTarget": target})
    return {"X-Docker-Container-Path-Stat": base64.b64encode(told.encode()).decode()}


def archive(content: bytes, name: str = "f", kind: bytes = tarfile.REGTYPE) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size, member.type = len(content), kind
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def serve(api: EngineApi, *replies: Reply) -> None:
    api.on("GET /containers/c/archive", *replies)


def test_a_file_is_read_whole(api: EngineApi, docker_engine: Engine) -> None:
    serve(api, Reply(200, archive(b"text"), headers(4)))
    assert docker_engine.read_file("c", "/etc/a b") == b"text"
    assert api.requests[-1].query == {"path": "/etc/a b"}


@pytest.mark.parametrize(
    "reply",
    [
        MISSING,
        Reply(200, archive(b"", kind=tarfile.DIRTYPE), headers(0, DIRECTORY)),
        Reply(200, archive(b"", kind=tarfile.FIFOTYPE), headers(0, PIPE)),
        Reply(200, archive(b"", kind=tarfile.SYMTYPE), headers(0)),
    ],
)
def test_what_is_no_regular_file_has_no_content(
    api: EngineApi, docker_engine: Engine, reply: Reply
) -> None:
    serve(api, reply)
    assert docker_engine.read_file("c", "/f") is None


def test_a_file_over_the_limit_is_not_read(api: EngineApi, docker_engine: Engine) -> None:
    serve(api, Reply(200, archive(b"12345"), headers(5)))
    assert docker_engine.read_file("c", "/f", limit=5) == b"12345"
    assert docker_engine.read_file("c", "/f", limit=4) is None


def test_a_file_that_the_engine_breaks_off_is_an_error(
    api: EngineApi, docker_engine: Engine
) -> None:
    serve(api, Reply(200, archive(b"x" * 2000)[:300], headers(2000)))
    with pytest.raises(EngineError, match="archive of /f was cut off"):
        docker_engine.read_file("c", "/f")


def test_the_size_of_a_file_is_known_without_reading_it(
    api: EngineApi, docker_engine: Engine
) -> None:
    serve(api, Reply(200, archive(b"x" * 100), headers(7 * 10**9)), MISSING)
    assert docker_engine.file_size("c", "/f") == 7 * 10**9
    assert docker_engine.file_size("c", "/f") is None


def test_links_in_a_path_are_followed_part_by_part(api: EngineApi, docker_engine: Engine) -> None:
    targets = {"/var": "", "/var/run": "/run", "/run/x": ""}

    def reply(request: Request) -> Reply:
        path = request.query["path"]
        if path not in targets:
            return MISSING
        return Reply(200, b"", headers(0, LINK if targets[path] else DIRECTORY, targets[path]))

    api.on("HEAD /containers/c/archive", reply)
    assert docker_engine.real_path("c", "/var//run/x/") == "/run/x"
    assert docker_engine.real_path("c", "/") == "/"
    with pytest.raises(NotFoundError):
        docker_engine.real_path("c", "/var/other")


def test_a_refusal_to_look_at_a_path_has_the_engines_reason(
    api: EngineApi, docker_engine: Engine
) -> None:
    api.on("HEAD /containers/c/archive", Reply(500))  # its answers have no body
    api.on("GET /containers/c/archive", refusal(500, "path escapes from parent"))
    with pytest.raises(EngineError, match=r"refused: path escapes from parent$"):
        docker_engine.real_path("c", "/srv")


def test_files_below_a_directory_are_found_without_its_name(
    api: EngineApi, docker_engine: Engine
) -> None:
    first, second = archive(b"1", "d/e/f")[:1024], archive(b"2" * 900, "d/g")
    link = archive(b"", "d/l", tarfile.SYMTYPE)[:512]
    serve(api, Reply(200, first + link + second, headers()), MISSING)
    assert docker_engine.files_below("c", "/d") == {"e/f": b"1", "g": b"2" * 900}
    assert docker_engine.files_below("c", "/d") is None


def test_files_beyond_the_limit_are_left_out(api: EngineApi, docker_engine: Engine) -> None:
    first, second = archive(b"1", "d/a")[:1024], archive(b"2" * 900, "d/b")
    serve(api, Reply(200, first + second, headers()))
    for limit in (1024, 1100, 1024 + 512, 1024 + 512 + 899):
        assert docker_engine.files_below("c", "/d", limit=limit) == {"a": b"1"}
    assert docker_engine.files_below("c", "/d", limit=0) == {}
