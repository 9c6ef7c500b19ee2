"""What the API and the worker both stand on. Imports neither of them."""
