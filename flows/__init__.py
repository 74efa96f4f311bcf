"""Floor above the engine: the command line."""
