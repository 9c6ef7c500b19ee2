"""Listing archives without unpacking them. Private to ``process_file_upload``; defines no task type."""
