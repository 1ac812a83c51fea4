"""Views: what is done to training images before the model sees them."""
