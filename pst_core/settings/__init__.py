"""Every setting of the method, the presets and the methods, and settings as text and as a form."""
