"""Worker processes, the pools that they take their work from, and what a flow run's process begins with."""
