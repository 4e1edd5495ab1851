#!/bin/sh
# A stage as a job of Slurm: job.sh FOLDER COMMAND... It leaves the command's exit code in FOLDER/code, and passes signals on.
folder=$1
shift
rm -f "$folder/code" "$folder"/node.*
export SCAN_JOB="$folder"
export TORCH_CPP_LOG_LEVEL="${TORCH_CPP_LOG_LEVEL:-ERROR}" # else an agent whose first node has ended prints the stack of its warning
echo "job $SLURM_JOB_ID on $SLURMD_NODENAME"
trap '' USR1 # which a stage that does not train, and so has nothing to save, inherits
"$@" &
stage=$!
trap 'kill -USR1 $stage' USR1
trap 'kill -TERM $stage' TERM
while kill -0 $stage 2>/dev/null; do # a signal ends the waiting, not the stage
    wait $stage
    code=$?
done
own=$(cat "$folder"/node.* 2>/dev/null | sort -n | tail -n 1) # of several nodes; srun's code may be of what it killed itself
code=${own:-$code}
echo $code >"$folder/code.partial"
mv "$folder/code.partial" "$folder/code"
exit $code
