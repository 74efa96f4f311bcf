"""What is asked for, and what is to be done for it."""
