"""What is on the pages: every figure with its name, its table and where it leads."""
