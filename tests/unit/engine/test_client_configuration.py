"""The docker client's configuration, as far as the SDK uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlc_patched.engine.client_configuration import sdk_client, without_logins


def test_an_engine_of_the_user_s_choice_gets_none_of_root_s_logins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docker.auth import get_config_header

    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"r.invalid": {"auth": "YTpi"}}, "HttpHeaders": {"X-Secret": "s"}})
    )
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client = sdk_client("unix:///x", "1.41", 5)
    assert get_config_header(client, "r.invalid")
    assert "HttpHeaders" in client._general_configs
    without_logins(client)
    assert not get_config_header(client, "r.invalid")
    assert "HttpHeaders" not in client._general_configs
