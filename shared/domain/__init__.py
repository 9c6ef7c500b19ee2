"""The pure core: states, errors, retry arithmetic, verdicts and what a task type is. No I/O, no clock."""
