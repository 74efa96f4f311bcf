"""Pure functions on images that keep a result photographic; they know no settings."""
