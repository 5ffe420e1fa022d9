"""What a check of a Distiller found, in plain words and in numbers."""

import dataclasses

_MARKS = {"passed": "✓", "failed": "✗", "not applicable": "–"}


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check.

    - ``name``: of the check, such as ``"teacher's weights"``.
    - ``outcome``: ``"passed"``, ``"failed"`` or ``"not applicable"``.
    - ``message``: what was measured, or why nothing could be.
    - ``remedy``: how to mend it; empty unless the check failed.
    - ``measured``: dict of str to float. The numbers behind the message.

    >>> print(Finding("temperature", "failed", "T = 1 and T = 4 give the same.", "Use it."))
    ✗ temperature: T = 1 and T = 4 give the same.
        Mend: Use it.
    """

    name: str
    outcome: str
    message: str
    remedy: str = ""
    measured: dict = dataclasses.field(default_factory=dict)

    def __str__(self):
        """Give one line, and a second one with the remedy if the check failed."""
        line = f"{_MARKS[self.outcome]} {self.name}: {self.message}"
        return f"{line}\n    Mend: {self.remedy}" if self.remedy else line


@dataclasses.dataclass(frozen=True)
class Report:
    """The results of all checks of one Distiller; printing it gives them as text.

    - ``title``: what was checked.
    - ``findings``: tuple of Finding. In the order of the checks.

    >>> report = Report("a Distiller", (Finding("two networks", "passed", "they share nothing"),))
    >>> report.failed, report["two networks"].outcome
    ((), 'passed')
    >>> print(report)
    a Distiller
    ✓ two networks: they share nothing
    1 passed, 0 failed, 0 not applicable
    """

    title: str
    findings: tuple

    @property
    def passed(self):
        """Names of the checks that passed."""
        return self._names("passed")

    @property
    def failed(self):
        """Names of the checks that failed: empty if no fault was found."""
        return self._names("failed")

    @property
    def not_applicable(self):
        """Names of the checks that could not decide anything here."""
        return self._names("not applicable")

    def __getitem__(self, name):
        """Return the finding of this name."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        known = ", ".join(finding.name for finding in self.findings)
        raise KeyError(f"no check is named {name!r}; the checks are {known}")

    def __str__(self):
        """Give the title, every finding and the count."""
        count = ", ".join(f"{len(self._names(outcome))} {outcome}" for outcome in _MARKS)
        return "\n".join([self.title, *map(str, self.findings), count])

    def _names(self, outcome):
        return tuple(finding.name for finding in self.findings if finding.outcome == outcome)
