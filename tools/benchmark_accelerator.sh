#!/usr/bin/env bash
# Measures an accelerator from a checkout alone, in under ten minutes after installation.
#
#   tools/benchmark_accelerator.sh [EXTRA] [OUTPUT]
#
# EXTRA is "cuda" (default) or "tpu"; OUTPUT is a folder (default: accelerator/). It
# installs the project with that extra into an environment of its own, writes
# OUTPUT/accelerator.md row by row, and then trains the keypoint model for two minutes,
# whose rates are in OUTPUT/training.log. PROHMR_BENCHMARK_SECONDS (default 400) says
# after how many seconds no further row is begun; PROHMR_PYTHON names an interpreter
# with the project installed, for which no environment is made.
set -euo pipefail
cd "$(dirname "$0")/.."
extra=${1:-cuda}
output=${2:-accelerator}
mkdir -p "$output"
python=${PROHMR_PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$output/environment"
  "$output/environment/bin/pip" install --quiet -e ".[$extra]"
  python="$output/environment/bin/python"
fi
precisions=()
if [ "$extra" = tpu ]; then
  precisions=("--config.precisions=('highest','high','default')")
fi
"$python" -m prohmr_jax.main --config configs/benchmark_accelerator.py \
  --config.seconds="${PROHMR_BENCHMARK_SECONDS:-400}" \
  --config.output="$output/accelerator.md" "${precisions[@]}" "${@:3}"
# The end of the two minutes is no fault.
timeout --signal=INT 120 "$python" -m prohmr_jax.main \
  --config configs/prohmr_keypoints.py --workdir "$output/training" \
  --config.batch_size=4096 --config.log_every=20 2>&1 | tee "$output/training.log" || true
grep -q 'people/s' "$output/training.log"
