"""What things cost, measured side by side in one run, with naive paths beside them."""
