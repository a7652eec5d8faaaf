# Every task by name: `just --list`. Without just: `scripts/tools`, then `target/tools/bin/just`.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

export PATH := justfile_directory() / "target/tools/bin" + ":" + env("PATH")
# The checked queries are read from .sqlx, so that a build needs no database.
export SQLX_OFFLINE := env("SQLX_OFFLINE", "true")

# What there is to run.
[private]
default:
    @just --list --unsorted

# Install what this machine lacks: PostgreSQL and the tools of the checks.
setup: tools
    scripts/setup

# A whole hub on this machine, with sample data.
demo *ARGS:
    scripts/demo "$@"

# Every test; arguments go to `cargo test`.
test *ARGS:
    scripts/test "$@"

# The Python examples against a hub of their own.
python-client:
    scripts/python-client-test

# The Node examples against a hub of their own.
node-client:
    scripts/node-client-test

# The other implementations of SD-JWT, installed for the tests.
interop:
    scripts/interop

# Fuzz what reads tokens of strangers; needs a nightly compiler and cargo-fuzz.
fuzz *ARGS:
    scripts/fuzz "$@"

# All that CI runs, in its order.
check:
    .ci/run

# Formatting.
fmt:
    cargo fmt --check -- --color never

# Lints; a warning is an error.
clippy:
    cargo clippy --all-targets --locked -- -D warnings

# The documentation builds without dead links.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --locked

# The guides, references and decisions as a book: target/book/docs/index.html.
book: tools
    scripts/book

# Spelling.
typos: tools
    typos

# The shell scripts.
shell: tools
    shellcheck .ci/run $(grep -rlE --exclude='*.*' '^#!.*bash' scripts)

# What is in the dependency tree: licences, sources, doubles, known holes.
deny: tools
    scripts/deny

# Dependencies that nothing uses, files that no module names.
unused: tools
    cargo shear --locked --deny-warnings

# The contract: lint and format.
buf: tools
    scripts/buf-lint

# The chart: lint, schemas, golden renders; `just helm --update` writes them anew.
helm *ARGS: tools
    scripts/helm-check "$@"

# The program as it is released, and the root of its image, without a container engine.
image:
    scripts/build-release
    rm -rf target/image
    scripts/image-root target/release/peshub target/image

# Format what can be formatted.
format: tools
    cargo fmt
    buf format --write proto

# Check the queries against the schema anew and write .sqlx; `just prepare --check` only compares.
prepare *ARGS:
    scripts/prepare "$@"

[private]
tools:
    @scripts/tools
