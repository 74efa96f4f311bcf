"""The look of a finished pair as an object of its own: a smooth change of colours, and files of it."""
