"""What a batch leaves: results in their folders, how pairs ended, and where they stand."""
