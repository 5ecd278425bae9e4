#!/bin/sh
# Train one recipe on two machines. Give the same command on both of them:
#
#   sh examples/torchrun.sh HOST:29500 rtmpose-t runs/student --set data.root=data/coco
#
# HOST is the name or address of one of the two, as both reach it. The run folder and the data lie on
# a disk that both share, or at the same path with the same files for the data. The batch size of a
# recipe counts all processes together. MACHINES and PROCESSES (on each machine: one a GPU) may be set.
set -eu
if [ "$#" -lt 3 ]; then
    echo "usage: sh $0 HOST:PORT RECIPE RUN_DIR [--set KEY=VALUE ...]" >&2
    exit 2
fi
endpoint=$1 recipe=$2 run=$3
shift 3
# Without this, machines that torchrun starts again cannot find each other.
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# What follows -- is not torchrun's: it has a --run-path, and would take --run for it.
exec torchrun --nnodes "${MACHINES:-2}" --nproc-per-node "${PROCESSES:-8}" \
    --rdzv-backend c10d --rdzv-endpoint "$endpoint" --rdzv-id "$run" --max-restarts 3 \
    -m -- posedistill train "$recipe" --run "$run" "$@"
