"""The account that containers are planned for."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess

from mlc_patched.host.account import Account


@pytest.fixture
def account(tmp_path: Path) -> Account:
    """The design document's user, with a workspace."""
    (tmp_path / "workspace").mkdir()
    return AccountOfThisProcess("h.baker@hertie-school.lan", 1722830498, 100, str(tmp_path))
