"""Where work comes from: our ``arq.Worker``, and the pump that takes hints and polls."""
