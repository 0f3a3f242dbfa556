"""Active Directory's own counting of wrong passwords, as a model (MS-SAMR 3.1.1.7.1): badPwdCount, badPasswordTime."""


class DirectoryCount:
    """One account at its domain controllers. window: seconds, lockOutObservationWindow. highest: the most that the
    number ever was; a domain locks the account as soon as that reaches its threshold."""

    def __init__(self, window: float) -> None:
        self.window = window
        self.number = 0
        self.last: float | None = None
        self.highest = 0

    def wrong(self, now: float) -> None:
        if self.last is not None and now - self.last > self.window:
            self.number = 0
        self.number += 1
        self.last = now
        self.highest = max(self.highest, self.number)

    def right(self) -> None:
        self.number = 0
