"""The verbs of the product: submit, claim, settle, cancel, retry, look up. Routes and executor speak these."""
