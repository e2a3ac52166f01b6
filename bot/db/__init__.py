"""What is kept: the tables and every statement on them, one transaction a method."""
