"""What several attacks are made of: which images are left, planes between classes, moves of squares."""
