#!/usr/bin/env bash
# Everything that is measured and tested on a GPU, in one call of less than eight minutes, without a network.
#
#     bash benchmarks/gpu/run.sh              results in $OUT, else in benchmarks/results/gpu*.csv
#
# Needs Python with torch, numpy, scipy and numba (PYTHON names another one than python3); phosphene itself is imported
# from the checkout; training needs fastai, timm and torchvision too. Peers that are not installed are left out, and the
# table says so.
set -uo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
mkdir -p build/types/phosphene
for package in converters datasets pipeline; do
    ln -sfn "$PWD/$package" "build/types/phosphene/$package"
done
export PYTHONPATH="$PWD/build/types${PYTHONPATH:+:$PYTHONPATH}"
export PYTHONUNBUFFERED=1

status=0
echo "== pixels on the device against pixels on the CPU: tests/pipeline/gpu"
if "$python" -c "import pytest, hypothesis, pytest_timeout" 2>/dev/null; then
    timeout 90 "$python" -m pytest tests/pipeline/gpu -q -W default -p no:cacheprovider || status=1
else
    echo "pytest, pytest-timeout or hypothesis is not installed: no tests"
fi

echo "== rates of drawing"
timeout 130 "$python" benchmarks/gpu/convert.py "$@" || status=1

echo "== rates of training"
if "$python" -c "import fastai, torchvision" 2>/dev/null; then
    timeout 100 "$python" benchmarks/gpu/training.py "$@" || status=1
    if [ -n "${PHOSPHENE_DATA:-}" ]; then
        echo "== accuracy on ESC-10"
        timeout 150 "$python" benchmarks/gpu/esc10.py "$@" || status=1
    else
        echo "PHOSPHENE_DATA is not set: accuracy on ESC-10 is not measured"
    fi
else
    echo "fastai or torchvision is not installed: training is not measured"
fi
exit $status
