"""Lists renamed config keys; `config_files` refuses an old one and names the new."""

# Mode of a config -> old key -> new key.
RENAMED_KEYS: dict[str, dict[str, str]] = {
    "demo": {"num_samples": "num_hypotheses"},
    "fit": {"num_samples": "num_hypotheses"},
    "train_images": {"samples_per_image": "num_hypotheses"},
    "benchmark_training": {"samples_per_image": "num_hypotheses"},
}
