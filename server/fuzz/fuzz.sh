#!/usr/bin/env bash
# fuzz.sh SECONDS [TARGET..]: searches each target (all of them when none is named) for inputs that
# crash it, hang it for 10 s or take more than 1 GiB. What is found is written to pinned/TARGET.
# Coverage comes from compiler passes that stable Rust has; no nightly is needed.
set -euo pipefail
cd "$(dirname "$0")"
seconds=$1
shift
target_dir="${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz"
passes="-Cpasses=sancov-module"
for flag in level=4 inline-8bit-counters pc-table trace-compares; do
    passes="$passes -Cllvm-args=-sanitizer-coverage-$flag"
done
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="$passes -Clink-dead-code" cargo build --release --target "$host" \
    --target-dir "$target_dir" --manifest-path libfuzzer/Cargo.toml
fuzzer="$target_dir/$host/release/zk-libfuzzer"
if [ $# -eq 0 ]; then
    # shellcheck disable=SC2046 # names have no blanks
    set -- $(sed -n 's/^ *name: "\(.*\)",$/\1/p' src/targets/*.rs)
fi
failed=0
for name in "$@"; do
    corpus="$target_dir/corpus/$name"
    mkdir -p "$corpus" "pinned/$name"
    export QUORATE_FUZZ_TARGET=$name
    probe=$(mktemp)
    QUORATE_FUZZ_SEEDS=$corpus "$fuzzer" "$probe" 2>"$corpus.log" || { cat "$corpus.log"; exit 1; }
    rm -f "$probe"
    echo "== $name, $seconds s"
    if ! "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
        -print_final_stats=1 -artifact_prefix="pinned/$name/" "$corpus" 2>"$corpus.log"; then
        failed=1
        tail -n 30 "$corpus.log"
    fi
    sed -n 's/^stat::\(number_of_executed_units\|peak_rss_mb\): */\1 /p' "$corpus.log"
    rmdir --ignore-fail-on-non-empty "pinned/$name"
done
rmdir --ignore-fail-on-non-empty pinned
exit "$failed"
