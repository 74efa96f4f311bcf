"""What a person, a log or a program sees."""
