"""Findings as a test reads them."""

from gateway.ask.findings import Area, Finding, Section


class Said:
    """A section that keeps its findings; indexed by step."""

    def __init__(self, area: Area = Area.server, subject: str = "it") -> None:
        self.findings: list[Finding] = []
        self.section = Section(self.findings.append, area, subject)

    def __getitem__(self, step: str) -> Finding:
        (found,) = [each for each in self.findings if each.step == step]
        return found

    def all(self, step: str) -> list[Finding]:
        return [each for each in self.findings if each.step == step]

    def status(self) -> dict[str, str]:
        """Each step's status, a step that was said twice by its last."""
        return {each.step: each.status.value for each in self.findings}
