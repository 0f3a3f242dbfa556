"""Findings as a test reads them."""

from gateway.probe.findings import Area, Section


class Said:
    """A section that keeps its findings; indexed by step."""

    def __init__(self, area=Area.server, subject="it"):
        self.findings = []
        self.section = Section(self.findings.append, area, subject)

    def __getitem__(self, step):
        (found,) = [each for each in self.findings if each.step == step]
        return found

    def all(self, step):
        return [each for each in self.findings if each.step == step]

    def status(self):
        """Each step's status, a step that was said twice by its last."""
        return {each.step: each.status.value for each in self.findings}
