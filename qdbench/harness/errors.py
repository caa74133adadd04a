"""What can go wrong in a trial."""


class TrialError(RuntimeError):
    """A trial that cannot go on; the message names the optimizer or the task and what it did."""


class BudgetError(ValueError):
    """A budget that does not even hold an optimizer's initial batches."""
