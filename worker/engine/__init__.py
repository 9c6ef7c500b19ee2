"""Where work comes from: the pump, which takes hints and polls; and beside it the arq jobs of users."""
