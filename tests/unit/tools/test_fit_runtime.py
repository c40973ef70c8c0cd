"""tools/fit-runtime's script for sed, which makes no limit of a container larger."""

from __future__ import annotations

import subprocess

import pytest

from tools.fit_runtime import larger


@pytest.mark.parametrize("limit", [0, 7, 99, 819200, 96365, 1048576])
def test_only_numbers_above_the_limit_become_the_limit(limit: int) -> None:
    near = range(max(limit - 12, 0), limit + 12)
    numbers = [*near, *(10**power for power in range(20)), 32768, 2**63 - 1]
    alternatives = r"\|".join(larger(str(limit)))
    done = subprocess.run(
        ["sed", rf's/\("hard":\)\({alternatives}\)/\1{limit}/'],
        input="".join(f'"hard":{number},\n' for number in numbers),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f'"hard":{min(number, limit)},' for number in numbers]
