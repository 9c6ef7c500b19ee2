"""The outside world as handlers see it: language models, mail, files. Implementations of ``shared.domain.run``."""
