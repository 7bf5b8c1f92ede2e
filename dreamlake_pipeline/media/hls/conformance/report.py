"""What was checked, and whether it holds."""

from __future__ import annotations

from typing import Any

from ....errors import Code, DreamlakeError


class Report:
    """Checks in the order in which they were first made. `must` marks the rules that stop a publication.

    A rule that is checked of several streams is reported once: as broken when it is broken anywhere.
    """

    def __init__(self) -> None:
        self._checks: dict[str, dict[str, Any]] = {}

    def must(self, rule: str, ok: bool, detail: str = "") -> None:
        self._add(rule, "must", ok, detail)

    def should(self, rule: str, ok: bool, detail: str = "") -> None:
        self._add(rule, "should", ok, detail)

    def _add(self, rule: str, level: str, ok: bool, detail: str) -> None:
        check = {"rule": rule, "level": level, "ok": bool(ok), "detail": detail}
        known = self._checks.setdefault(rule, check)
        if known is not check and not ok:
            details = [detail] if known["ok"] else [known["detail"], detail]
            known |= {"ok": False, "detail": "; ".join(filter(None, details))}

    @property
    def checks(self) -> list[dict[str, Any]]:
        """As they are stored: `{rule, level, ok, detail}`."""
        return list(self._checks.values())

    @property
    def broken(self) -> list[str]:
        """The broken rules that stop a publication, each with its detail."""
        return [
            f"{check['rule']} ({check['detail']})" if check["detail"] else check["rule"]
            for check in self.checks
            if check["level"] == "must" and not check["ok"]
        ]

    def as_dict(self) -> dict[str, Any]:
        return {"checks": self.checks}

    def raise_if_broken(self, subject: str) -> None:
        if self.broken:
            raise DreamlakeError(
                Code.OUTPUT_INVALID,
                f"The result of {subject} failed its verification: {'; '.join(self.broken)}.",
                checks=[check for check in self.checks if not check["ok"]],
            )
