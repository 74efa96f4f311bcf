"""Which photographs belong together: from folders and manifests to pairs."""
