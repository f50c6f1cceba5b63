#!/bin/sh
# What `make demo` runs: the whole chain on a mock with a known answer, then on a realistic sample.
# Results go to ./demo (or $DEMO); run it again and every step says that it is already done.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
demo=${DEMO:-demo}
mkdir -p "$demo"

run() {
    printf '\n$ %s\n' "$*"
    "$@"
}

chain() { # NAME EVENTS: train both strategies, evaluate them side by side, hand the cuts over
    for strategy in parallel sequential; do
        run cutflow train "lcf-$strategy" "$2" --out "$demo/$1/lcf-$strategy" --replicas 10 --seed 1
    done
    run cutflow evaluate "$demo/$1/lcf-parallel" "$demo/$1/lcf-sequential" --data "$2" --out "$demo/$1/report"
    for dialect in root rdataframe python json; do
        run cutflow export-cuts "$demo/$1/lcf-sequential" --format "$dialect" --out "$demo/$1/cuts.$dialect"
    done
    run cutflow export-cuts "$demo/$1/lcf-sequential" --format root
}

echo "== 1. A mock with a known answer: four observables, signal left, right, in the middle and at the edges =="
run cutflow generate-mock mock1 --out "$demo/mock1/events.parquet"
chain mock1 "$demo/mock1/events.parquet"

echo
echo "== 2. A realistic sample: boosted WW and WZ against QCD jets, 14 TeV, 300 /fb =="
run cutflow ingest "$here/diboson/samples.toml" --out "$demo/diboson/events.parquet"
chain diboson "$demo/diboson/events.parquet"

echo
echo "Reports, with tables as Parquet and figures as PDF and PNG: $demo/mock1/report and $demo/diboson/report"
