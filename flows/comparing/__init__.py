"""An evaluation's parts: sizes, measures, tables and figures."""
