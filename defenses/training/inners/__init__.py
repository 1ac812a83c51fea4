"""Inner maximisers: how a recipe searches for the images that it trains on."""
