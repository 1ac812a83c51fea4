"""Terms of a recipe's loss."""
