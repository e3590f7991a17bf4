"""From a trained model to bodies, result files and pictures of them."""
