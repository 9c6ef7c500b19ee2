"""Scenes: short stories on the real stores, each of which ends well only because one guard stands.

``tests/chaos/test_mutations.py`` plays each as it is, and with its guard taken away.
"""
