"""What runs leave behind: the schema of result files, and the outcome of every image."""
