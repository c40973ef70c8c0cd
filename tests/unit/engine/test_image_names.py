"""The names of images, as the engine lists them."""

from __future__ import annotations

from mlc_patched.engine.answers import listed_image_of


def test_an_image_without_a_name_has_none() -> None:
    """Docker before 25 lists one as `<none>:<none>`; prune took that for somebody's name."""
    for names in (["<none>:<none>"], [], None):
        assert listed_image_of({"Id": "sha256:1", "RepoTags": names}).references == ()
    assert listed_image_of({"Id": "sha256:1", "RepoTags": ["a:1"]}).references == ("a:1",)
