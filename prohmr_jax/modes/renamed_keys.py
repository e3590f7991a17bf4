"""Config keys that were renamed: `main` refuses an old key and names the new one."""

# Mode of a config -> old key -> new key.
RENAMED_KEYS: dict[str, dict[str, str]] = {
    "demo": {"num_samples": "num_hypotheses"},
    "fit": {"num_samples": "num_hypotheses"},
}
