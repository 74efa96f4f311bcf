"""VGG-19: which one it is, where its weights come from, its features."""
