"""The command line `pst`."""
