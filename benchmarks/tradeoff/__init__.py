"""The trade-off curve of a conditional model: accuracy, robustness, weather and cost at every lambda and width."""
