"""Tables with polars. Private to ``data_processing``; defines no task type and imports nothing here."""
