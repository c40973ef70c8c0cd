"""The pod of docs/kubernetes.md, checked against the API that Kubernetes publishes."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import yaml
from lightkube.models.core_v1 import Pod  # made from Kubernetes' OpenAPI specification
from support.users import ROOT

from mlc_patched.plan.specify import WORKING_DIRECTORY

PAGE = ROOT / "docs/kubernetes.md"
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""The value of a label (Kubernetes, "Labels and Selectors", syntax and character set)."""


@pytest.fixture
def pod() -> dict[str, Any]:
    """The pod on the page."""
    [text] = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def is_one_of_kubernetes(pod: dict[str, Any]) -> bool:
    """Whether the API has all fields of a pod, with values of these types."""
    try:
        return bool(Pod.from_dict(pod).to_dict() == pod)  # what the API lacks is lost
    except msgspec.ValidationError:
        return False


def test_the_pod_is_one_of_kubernetes(pod: dict[str, Any]) -> None:
    assert (pod["apiVersion"], pod["kind"]) == ("v1", "Pod")
    assert is_one_of_kubernetes(pod)
    for value in pod["metadata"]["labels"].values():
        assert _LABEL.fullmatch(value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": "python3"},
        {"resources": {"limit": {"nvidia.com/gpu": "1"}}},
        {"runAsUser": 1001},
        {"volumeMounts": [{"name": "data"}]},
    ],
)
def test_what_is_wrong_in_a_pod_is_found(pod: dict[str, Any], wrong: dict[str, Any]) -> None:
    pod["spec"]["containers"][0].update(wrong)
    assert not is_one_of_kubernetes(pod)


def test_the_pod_has_what_a_container_of_ours_has(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    [container] = spec["containers"]
    assert all(isinstance(each, str) for each in container["resources"]["limits"].values())
    assert container["workingDir"] == WORKING_DIRECTORY
    uid = spec["securityContext"]["runAsUser"]
    assert f"/ds01-{uid}/{pod['metadata']['name']}@sha256:" in container["image"]
    [secret] = spec["imagePullSecrets"]
    assert f"kubectl create secret generic {secret['name']} " in PAGE.read_text()
    mounted = {each["name"] for each in container["volumeMounts"]}
    assert mounted == {each["name"] for each in spec["volumes"]}
