# Every job of the project, one recipe each. `./run` brings `just` itself when it is not there.

set shell := ["bash", "-euo", "pipefail", "-c"]

target := env("CARGO_TARGET_DIR", justfile_directory() / "target")
static_target := "x86_64-unknown-linux-gnu"
static_flags := "-C target-feature=+crt-static"

# Where the static binaries are; the tests and images use no others.
export QUORATE_BIN := target / static_target / "release" / "quorate"
export QUORATE_OPERATOR_BIN := target / static_target / "release" / "quorate-operator"
export QUORATE_PLUGIN_BIN := target / "debug" / "kubectl-quorate"
e2e := target / "debug" / "quorate-e2e"

# List the jobs.
default:
    @just --list

# Read-only gate: formatting, lints, generated files.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo clippy -p quorate-operator --features failpoints -- -D warnings

# Rewrite what the gate would complain about.
fix:
    cargo fmt --all
    just crds

# Unit tests and each crate's own stories; FILTER selects.
unit filter="":
    cargo test --workspace --exclude quorate-e2e {{ filter }}
    cargo test -p quorate-e2e --lib --bins {{ filter }}

# Whole ensembles in virtual time: 1,000 seeds, and every known bug must be found.
sim seeds="1000":
    cargo build --profile sim -p zk-sim
    {{ target }}/sim/quorate-sim run --seeds {{ seeds }}
    {{ target }}/sim/quorate-sim bugs

# The operator's planner at random over a simulated cluster.
walks walks="100000":
    QUORATE_WALKS={{ walks }} cargo test -p quorate-operator --lib plan::walks

# Replay one seed with its whole story: just replay 8731 --servers 3
replay seed *args:
    cargo build --profile sim -p zk-sim
    {{ target }}/sim/quorate-sim --seed {{ seed }} --trace {{ args }}

# Static binaries: they run on this machine and alone in an image.
binaries:
    RUSTFLAGS="{{ static_flags }}" cargo build --release --target {{ static_target }} \
        -p quorate-server -p quorate-operator

# The operator with failpoints, beside the one without.
failpoints: && binaries
    RUSTFLAGS="{{ static_flags }}" cargo build --release --target {{ static_target }} \
        -p quorate-operator --features failpoints
    cp {{ QUORATE_OPERATOR_BIN }} {{ QUORATE_OPERATOR_BIN }}-failpoints

# The hand tool around clusters, clients and faults.
harness:
    cargo build -p quorate-e2e --bins

# The plugin of kubectl: put it on your PATH.
plugin:
    cargo build -p kubectl-quorate

# Real clients, real Apache servers, faults: on loopback.
interop filter="": binaries
    cargo test -p quorate-e2e --test it -- --nocapture {{ filter }}

# Search each decoder (or TARGETS only) for inputs that break it, for SECONDS each.
fuzz seconds="600" *targets="":
    server/fuzz/fuzz.sh {{ seconds }} {{ targets }}

# What is generated from the types of the API: the CRD, its reference, and the values of the chart for one ensemble.
crds:
    cargo run -q -p quorate-operator -- crd > crds/zkensembles.quorate.dev.yaml
    cp crds/zkensembles.quorate.dev.yaml charts/quorate-operator/files/
    cargo run -q -p quorate-operator -- chart-schema > charts/quorate-ensemble/values.schema.json
    cargo run -q -p quorate-operator -- api-reference > docs/api.md

# The bills of materials of the images, which are committed: after each change of dependencies.
sbom: harness
    {{ e2e }} image sbom

# The renders of the chart that are committed: the rules for Prometheus, and what `monitoring` compares.
rendered: harness
    {{ e2e }} monitoring write

# The chart, its alerts and its dashboards, by Helm and promtool; FILTER selects.
monitoring filter="":
    cargo test -p quorate-e2e --test monitoring {{ filter }}

# The book of docs/ as HTML; what is built is the same that `docs` tries.
book: harness
    {{ e2e }} book --out {{ target }}/book

# The book is complete, its links lead somewhere, and its commands work.
docs filter="": binaries plugin
    cargo test -p quorate-e2e --test docs {{ filter }}

# The pictures of the page in docs/images, of the server that was built last.
pictures: binaries harness
    {{ e2e }} pictures

# The whole path on a cluster: up, install, example, read, write. Set KUBECONFIG to use your own.
demo: binaries harness
    {{ e2e }} demo up

# Remove what `demo` made.
demo-down: harness
    {{ e2e }} demo down

# The end-to-end tests, on a cluster of their own or on KUBECONFIG's.
e2e: binaries harness plugin
    {{ e2e }} kube-test

# Rates and latencies beside Apache ZooKeeper.
bench *args: binaries
    cargo build --release -p quorate-e2e --bins
    {{ target }}/release/quorate-e2e bench {{ args }}

# The test suites that others wrote: kazoo's, the Go client's, Curator's, and Kafka, on Apache's
# servers and on ours. About an hour; `--kinds quorate` holds ours against Apache's record.
suites *args: binaries harness
    {{ e2e }} suites {{ args }}

# kill -9 in a loop: 200 times on one server, 100 times on three.
killloop: binaries harness
    {{ e2e }} killloop --servers 1 --kills 200
    {{ e2e }} killloop --servers 3 --kills 100

# The same requests to Apache and to us: scenarios, then at least a million from a seed.
twin *args="--requests 1000000": binaries
    cargo build --release -p quorate-e2e --bins
    {{ target }}/release/quorate-e2e twin --scenarios
    {{ target }}/release/quorate-e2e twin {{ args }}

# What a change must pass.
test: check unit sim walks monitoring docs interop e2e
