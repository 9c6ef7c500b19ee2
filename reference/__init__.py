"""The reference pages in ``docs/reference``, made from the code. Not part of the service: nothing there imports it."""
