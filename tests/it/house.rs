//! The rules of the house, held against the source tree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use peshub::platform::action::Action;
use prost::Message as _;
use prost_reflect::DescriptorPool;

/// Most lines of a file under `src`.
const LINES_MAX: usize = 500;

/// Crates that a room must be allowed.
const CRATES: [&str; 8] =
    ["sqlx", "tonic", "tonic_types", "tonic_prost", "axum", "clap", "rustls", "prost_types"];

/// Who may see whom. The longest path that matches a module decides; a module sees what it is made of (its own folder)
/// and what its line names, nothing else. A name without `::` that is in [`CRATES`] is a crate.
///
/// A line that names something that nobody uses is as wrong as one that lacks something.
const ROOMS: &[(&str, &[&str], &str)] = &[
    ("kernel", &["kernel"], ""),
    ("kernel::ids", &["sqlx"], "an id is a column"),
    ("codes", &[], ""),
    ("pb", &["kernel::fields"], "the generated checks report in the kernel's words"),
    ("platform", &["kernel", "platform"], ""),
    ("platform::action", &["pb"], "the contract says who may call what"),
    ("platform::audit", &["kernel", "platform"], ""),
    ("platform::audit::entry", &["platform", "sqlx"], "a row is read as one"),
    ("platform::audit::keyring", &["platform", "rustls"], "keys are PEM files"),
    ("platform::audit::seal", &["kernel", "platform", "sqlx"], "a checkpoint is one transaction"),
    ("platform::audit::store", &["kernel", "platform", "sqlx"], ""),
    ("platform::checks", &["platform", "sqlx"], ""),
    ("platform::config", &["platform::permit", "clap"], "a setting is also a flag"),
    ("platform::db", &["kernel", "platform", "sqlx"], ""),
    ("platform::feed", &["kernel", "platform", "sqlx"], ""),
    ("platform::identity", &["kernel", "platform"], ""),
    (
        "platform::identity::directory",
        &["kernel", "pb", "platform", "sqlx"],
        "the look-up is one query",
    ),
    ("platform::keys::signing", &["platform", "rustls"], "keys are PEM files"),
    (
        "platform::limits",
        &["kernel", "pb", "platform", "tonic"],
        "a stream that must end is a body of tonic's",
    ),
    ("platform::listener", &["platform", "tonic"], "a connection is one of tonic's"),
    ("platform::local_postgres", &[], "knows nothing of a hub"),
    (
        "platform::outcome",
        &["kernel", "platform", "tonic"],
        "completes what the transport says by itself",
    ),
    ("platform::permit", &["kernel", "pb", "platform"], "roles are the contract's"),
    (
        "platform::metrics::store",
        &["platform", "sqlx"],
        "what is measured in the database is one query",
    ),
    ("platform::probes", &["platform", "axum"], ""),
    ("platform::replay", &["kernel", "platform", "sqlx"], ""),
    ("platform::rpc", &["kernel", "platform", "tonic"], ""),
    ("platform::secrets", &["platform", "sqlx"], ""),
    ("platform::serve", &["platform", "tonic"], "requests and answers have tonic's bodies"),
    ("platform::settings", &["platform::config", "clap"], "settings are made of arguments"),
    ("platform::status", &["kernel", "tonic", "tonic_types"], "the only door for failures"),
    ("platform::telemetry::export", &["platform", "tonic"], "a collector is reached by gRPC"),
    ("platform::tls", &["platform", "rustls"], ""),
    (
        "platform::trust",
        &["kernel::clock", "platform", "rustls"],
        "certificates are verified in TLS's own words",
    ),
    ("platform::upkeep", &["kernel", "platform", "sqlx"], ""),
    ("platform::web", &["platform", "axum"], ""),
    ("participants::store", &["kernel", "platform", "sqlx"], ""),
    (
        "participants::commands",
        &["kernel", "pb", "platform", "participants::store"],
        "roles are the contract's",
    ),
    (
        "participants::wire",
        &[
            "kernel",
            "codes",
            "pb",
            "platform::action",
            "platform::permit",
            "participants::commands",
            "participants::store",
            "prost_types",
        ],
        "small enough to have no domain: rows are its types",
    ),
    (
        "participants::grpc",
        &[
            "kernel",
            "pb",
            "platform",
            "participants::commands",
            "participants::store",
            "participants::wire",
            "tonic",
        ],
        "reads of one statement have no queries of their own",
    ),
    ("postings::domain", &["kernel"], ""),
    ("postings::error", &["kernel", "platform::db", "platform::feed", "postings::domain"], ""),
    (
        "postings::facets",
        &["kernel", "codes", "platform::permit", "postings::domain"],
        "a permit's scope is made of the same tokens",
    ),
    ("postings::finding", &["kernel"], ""),
    ("postings::page", &["kernel", "platform::page"], ""),
    (
        "postings::filter",
        &[
            "kernel",
            "codes",
            "pb",
            "platform",
            "postings::domain",
            "postings::error",
            "postings::facets",
            "postings::parse",
            "postings::store",
            "postings::wire",
        ],
        "a filter names sources, which are looked up",
    ),
    (
        "postings::parse",
        &[
            "kernel",
            "codes",
            "pb",
            "postings::domain",
            "postings::facets",
            "postings::finding",
            "postings::wire",
        ],
        "",
    ),
    (
        "postings::wire",
        &["kernel", "pb", "postings::domain", "postings::finding", "prost_types"],
        "",
    ),
    ("postings::store", &["kernel", "platform", "postings::domain", "postings::error", "sqlx"], ""),
    (
        "postings::store::write",
        &[
            "kernel",
            "platform",
            "postings::domain",
            "postings::store",
            "postings::sync::batch",
            "sqlx",
        ],
        "writes what a batch has prepared",
    ),
    (
        "postings::queries",
        &[
            "kernel",
            "pb",
            "platform",
            "postings::error",
            "postings::filter",
            "postings::store",
            "postings::watch",
            "postings::wire",
        ],
        "requests for lists and watches are handed in as they are",
    ),
    (
        "postings::commands",
        &[
            "kernel",
            "pb",
            "platform",
            "postings::domain",
            "postings::error",
            "postings::facets",
            "postings::store",
            "postings::sync",
            "postings::wire",
        ],
        "acknowledgements are kept and sent as the contract has them",
    ),
    (
        "postings::sync",
        &[
            "kernel",
            "pb",
            "platform",
            "postings::domain",
            "postings::error",
            "postings::facets",
            "postings::finding",
            "postings::parse",
            "postings::store",
            "postings::wire",
        ],
        "acknowledgements are kept and sent as the contract has them",
    ),
    (
        "postings::sync::stream",
        &[
            "kernel",
            "pb",
            "platform",
            "postings::domain",
            "postings::error",
            "postings::store",
            "postings::sync",
            "postings::wire",
            "tonic",
        ],
        "reads the client's stream itself",
    ),
    (
        "postings::watch",
        &["kernel", "pb", "platform", "postings::error", "postings::store", "postings::wire"],
        "",
    ),
    (
        "postings::grpc",
        &[
            "kernel",
            "pb",
            "platform",
            "postings::commands",
            "postings::domain",
            "postings::error",
            "postings::page",
            "postings::queries",
            "postings::store::read",
            "postings::sync",
            "postings::watch",
            "postings::wire",
            "tonic",
        ],
        "what a list asks of the store is made from the request here; no SQL",
    ),
    (
        "postings::import",
        &["kernel::fields", "codes", "pb", "prost_types"],
        "an importer is a client: it sees no database and no gRPC",
    ),
    ("subsidies::domain", &[], ""),
    (
        "subsidies::error",
        &["kernel", "platform", "subsidies::application", "subsidies::programme::finding"],
        "a finding is a violation with a place",
    ),
    ("subsidies::evaluator", &["subsidies::domain"], "pure: the language"),
    (
        "subsidies::programme",
        &[
            "kernel::fields",
            "codes",
            "pb",
            "subsidies::domain",
            "subsidies::evaluator",
            "subsidies::wire",
        ],
        "pure: a programme is compiled from what the contract says",
    ),
    (
        "subsidies::publishing",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::programme",
            "subsidies::store",
            "subsidies::wire",
        ],
        "drafts and editions are the contract's",
    ),
    ("subsidies::blind", &["platform::keys"], "keyed digests"),
    (
        "subsidies::claimed",
        &[
            "kernel::ids",
            "pb",
            "platform",
            "subsidies::application",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::programme",
            "subsidies::store",
        ],
        "a determination that is taken says so in the contract's words",
    ),
    (
        "subsidies::book",
        &[
            "codes",
            "kernel::ids",
            "platform",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::programme",
            "subsidies::store",
        ],
        "all of it in memory, kept fresh",
    ),
    (
        "subsidies::eligibility",
        &[
            "codes",
            "pb",
            "subsidies::book",
            "subsidies::claimed",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::evaluator",
            "subsidies::programme",
            "subsidies::wire",
        ],
        "answers are the contract's",
    ),
    (
        "subsidies::eligibility::named",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::claimed",
            "subsidies::eligibility",
            "subsidies::error",
            "subsidies::store",
        ],
        "who is named is a reference of the contract's",
    ),
    (
        "subsidies::eligibility::stream",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::eligibility",
            "subsidies::error",
            "subsidies::incoming",
            "subsidies::wire",
            "tonic",
        ],
        "a stream comes in as tonic has it",
    ),
    ("subsidies::incoming", &["kernel", "subsidies::error", "tonic"], "what comes in on a stream"),
    ("subsidies::population", &["kernel::ids", "subsidies::domain"], ""),
    (
        "subsidies::population::commands",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::population",
            "subsidies::store",
            "subsidies::wire",
        ],
        "batches and their answers are the contract's",
    ),
    ("subsidies::population::sealed", &["kernel::ids", "platform::keys", "subsidies::blind"], ""),
    (
        "subsidies::population::stream",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::error",
            "subsidies::incoming",
            "subsidies::population",
            "subsidies::store",
            "tonic",
        ],
        "a stream comes in as tonic has it",
    ),
    (
        "subsidies::sweep",
        &[
            "codes",
            "kernel",
            "pb",
            "platform",
            "subsidies::application",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::claimed",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::evaluator",
            "subsidies::population",
            "subsidies::programme",
            "subsidies::store",
            "subsidies::wire",
        ],
        "how a sweep stands is kept as the contract has it",
    ),
    (
        "subsidies::store::book",
        &[
            "kernel::ids",
            "pb",
            "platform",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::programme",
            "subsidies::wire",
            "sqlx",
        ],
        "an edition is compiled as it is read",
    ),
    (
        "subsidies::store::population",
        &["kernel::ids", "platform", "subsidies::population", "sqlx"],
        "",
    ),
    (
        "subsidies::store::sweep",
        &[
            "kernel::ids",
            "pb",
            "platform",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::population",
            "subsidies::sweep",
            "sqlx",
        ],
        "",
    ),
    (
        "subsidies::wire::eligibility",
        &[
            "kernel",
            "pb",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::eligibility",
            "subsidies::error",
            "subsidies::evaluator",
            "subsidies::programme",
            "subsidies::wire",
        ],
        "",
    ),
    (
        "subsidies::wire::population",
        &[
            "codes",
            "kernel",
            "pb",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::population",
            "subsidies::wire",
        ],
        "",
    ),
    (
        "subsidies::wire::sweep",
        &[
            "pb",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::population",
            "subsidies::sweep",
        ],
        "",
    ),
    (
        "subsidies::grpc::eligibility",
        &["pb", "platform", "subsidies::eligibility", "subsidies::grpc", "tonic"],
        "",
    ),
    (
        "subsidies::grpc::populations",
        &[
            "pb",
            "platform",
            "subsidies::grpc",
            "subsidies::incoming",
            "subsidies::population",
            "subsidies::sweep",
            "subsidies::wire",
            "tonic",
        ],
        "",
    ),
    ("subsidies::store", &["kernel", "pb", "platform", "subsidies::error", "sqlx"], ""),
    ("subsidies::wire", &["kernel", "codes", "pb", "prost_types"], ""),
    (
        "subsidies::wire::determination",
        &["codes", "pb", "subsidies::domain", "subsidies::evaluator", "subsidies::programme"],
        "",
    ),
    ("subsidies::wire::fact", &["kernel", "pb", "subsidies::domain", "subsidies::wire"], ""),
    (
        "subsidies::wire::programme",
        &[
            "codes",
            "pb",
            "subsidies::error",
            "subsidies::programme",
            "subsidies::store",
            "subsidies::wire",
        ],
        "rows of the book are shown as they are",
    ),
    (
        "subsidies::grpc",
        &[
            "kernel",
            "pb",
            "platform",
            "subsidies::book",
            "subsidies::error",
            "subsidies::publishing",
            "subsidies::wire",
            "tonic",
        ],
        "",
    ),
    ("workers::domain", &["workers::domain"], ""),
    (
        "workers::error",
        &[
            "kernel",
            "platform::db",
            "platform::keys",
            "platform::replay",
            "platform::secrets",
            "workers::domain",
        ],
        "",
    ),
    ("workers::sealed", &["platform::keys", "workers::domain", "workers::error"], ""),
    ("workers::store", &["platform", "workers::domain", "sqlx"], ""),
    (
        "workers::wire",
        &["kernel", "pb", "platform::audit", "workers::domain", "prost_types"],
        "what is known of a person is kept as the contract has it",
    ),
    (
        "workers::commands",
        &[
            "kernel",
            "pb",
            "platform",
            "workers::domain",
            "workers::error",
            "workers::sealed",
            "workers::store",
            "workers::wire",
        ],
        "what is known of a person is kept as the contract has it",
    ),
    (
        "workers::queries",
        &["kernel", "platform", "workers::domain", "workers::error", "workers::store"],
        "",
    ),
    (
        "workers::rewrap",
        &[
            "platform",
            "workers::domain",
            "workers::error",
            "workers::sealed",
            "workers::store",
            "workers::wire",
        ],
        "",
    ),
    (
        "workers::grpc",
        &[
            "kernel",
            "pb",
            "platform",
            "workers::commands",
            "workers::queries",
            "workers::wire",
            "tonic",
        ],
        "",
    ),
    ("audit::store", &["kernel", "platform", "sqlx"], ""),
    ("audit::queries", &["kernel", "pb", "platform", "audit::store"], "roles are the contract's"),
    ("audit::export", &["kernel", "pb", "platform"], "pieces are sent as the contract has them"),
    (
        "audit::wire",
        &["kernel", "pb", "platform::audit", "audit::store", "prost_types"],
        "entries are the platform's: there is no domain of their own",
    ),
    (
        "audit::grpc",
        &["kernel", "pb", "platform", "audit::export", "audit::queries", "audit::wire", "tonic"],
        "reads of one statement have no queries of their own",
    ),
    (
        "credentials::error",
        &["kernel", "platform::db", "platform::keys", "credentials::domain"],
        "",
    ),
    (
        "credentials::registry",
        &["kernel", "platform", "credentials::error", "credentials::store::registry"],
        "keeps the book fresh",
    ),
    (
        "credentials::registry::book",
        &["kernel", "credentials::registry::entry", "credentials::registry::kind"],
        "pure: what stands in the registry at one revision",
    ),
    (
        "credentials::registry::chain",
        &[
            "credentials::registry::entry",
            "credentials::registry::trust",
            "credentials::sdjwt",
            "rustls",
        ],
        "certificates are verified",
    ),
    (
        "credentials::registry::commands",
        &[
            "kernel",
            "codes",
            "pb",
            "platform",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::store::registry",
            "credentials::wire",
        ],
        "requests are handed in as they are: the registry has no other words for what it is told",
    ),
    (
        "credentials::registry::discovery",
        &[
            "kernel",
            "platform",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::store::registry",
        ],
        "",
    ),
    (
        "credentials::registry::entry",
        &["kernel", "codes", "pb", "credentials::domain", "credentials::sdjwt"],
        "accreditations are kept as the contract has them",
    ),
    (
        "credentials::registry::keys",
        &[
            "kernel",
            "platform::keys",
            "credentials::domain",
            "credentials::registry::entry",
            "credentials::sdjwt",
            "rustls",
        ],
        "keys are PEM files",
    ),
    (
        "credentials::registry::kind",
        &[
            "kernel",
            "codes",
            "pb",
            "credentials::domain",
            "credentials::registry::trust",
            "credentials::schema",
        ],
        "types are kept as the contract has them",
    ),
    (
        "credentials::registry::publication",
        &[
            "kernel",
            "pb",
            "credentials::domain",
            "credentials::registry::addresses",
            "credentials::registry::kind",
            "credentials::wire",
        ],
        "types are kept as the contract has them",
    ),
    (
        "credentials::registry::publicity",
        &[
            "pb",
            "credentials::domain",
            "credentials::registry::entry",
            "credentials::registry::kind",
        ],
        "types are kept as the contract has them",
    ),
    (
        "credentials::registry::queries",
        &[
            "kernel",
            "pb",
            "platform::page",
            "credentials::error",
            "credentials::registry",
            "credentials::wire",
        ],
        "reads of what lies in memory are rendered where they are found",
    ),
    (
        "credentials::registry::rewrap",
        &[
            "platform",
            "credentials::error",
            "credentials::registry::keys",
            "credentials::store::registry",
        ],
        "",
    ),
    (
        "credentials::registry::trust",
        &["codes", "credentials::domain", "credentials::registry::entry", "credentials::sdjwt"],
        "pure: what counts",
    ),
    (
        "credentials::store::registry",
        &[
            "kernel",
            "codes",
            "pb",
            "platform::db",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "sqlx",
        ],
        "entries are kept as the contract has them",
    ),
    ("credentials::wire", &["kernel", "prost_types"], ""),
    (
        "credentials::wire::registry",
        &["pb", "credentials::domain", "credentials::registry", "credentials::wire"],
        "",
    ),
    (
        "credentials::web",
        &["platform", "credentials::registry", "credentials::sdjwt", "axum"],
        "what anybody may read",
    ),
    (
        "credentials::issuing",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::status::signer",
            "credentials::store",
            "credentials::wire",
        ],
        "answers are kept as the contract has them",
    ),
    (
        "credentials::issuing::draft",
        &[
            "kernel",
            "platform::keys",
            "credentials::domain",
            "credentials::error",
            "credentials::issuing::places",
            "credentials::registry",
            "credentials::schema",
            "credentials::sdjwt",
        ],
        "pure: what a credential is to say, and whether it may",
    ),
    (
        "credentials::issuing::places",
        &[
            "kernel",
            "platform",
            "credentials::error",
            "credentials::issuing::permutation",
            "credentials::store",
        ],
        "",
    ),
    (
        "credentials::issuing::stream",
        &["kernel", "pb", "platform", "credentials::issuing", "credentials::wire", "tonic"],
        "reads the client's stream itself",
    ),
    (
        "credentials::queries",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::domain",
            "credentials::error",
            "credentials::issuing",
            "credentials::store",
            "credentials::wire",
        ],
        "requests for lists are handed in as they are",
    ),
    (
        "credentials::status",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::store",
            "credentials::wire",
        ],
        "events are kept as the contract has them",
    ),
    (
        "credentials::status::book",
        &["kernel", "credentials::domain", "credentials::status"],
        "pure: memory",
    ),
    (
        "credentials::status::look",
        &["kernel", "credentials::domain", "credentials::registry::entry"],
        "pure: what a look-up found",
    ),
    (
        "credentials::status::web",
        &["kernel", "platform", "credentials::registry", "credentials::store", "axum"],
        "what anybody may read",
    ),
    (
        "credentials::store::credential",
        &["kernel", "platform", "credentials::domain", "credentials::store", "sqlx"],
        "",
    ),
    ("credentials::store::places", &["kernel", "platform", "credentials::store", "sqlx"], ""),
    ("credentials::store::status", &["kernel", "platform", "sqlx"], ""),
    (
        "credentials::wire::credential",
        &[
            "kernel",
            "pb",
            "credentials::domain",
            "credentials::issuing::draft",
            "credentials::sdjwt",
            "credentials::store::credential",
            "credentials::wire",
            "prost_types",
        ],
        "drafts are read here; what is kept is told as it is stored",
    ),
    (
        "credentials::grpc::credentials",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::domain",
            "credentials::error",
            "credentials::issuing",
            "credentials::queries",
            "credentials::status::change",
            "credentials::wire",
            "tonic",
        ],
        "",
    ),
    (
        "credentials::grpc::issuers",
        &["kernel", "pb", "platform", "credentials::error", "credentials::registry", "tonic"],
        "",
    ),
    (
        "credentials::consent",
        &["kernel", "credentials::domain"],
        "pure: terms, and what binds them",
    ),
    (
        "credentials::consent::commands",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::consent",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::store",
            "credentials::wire",
        ],
        "answers are kept as the contract has them",
    ),
    (
        "credentials::consent::queries",
        &[
            "kernel",
            "platform",
            "credentials::consent",
            "credentials::domain",
            "credentials::error",
            "credentials::store",
        ],
        "",
    ),
    (
        "credentials::verify",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::consent",
            "credentials::domain",
            "credentials::error",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::status",
            "credentials::store",
            "credentials::wire",
        ],
        "verdicts are sealed and kept as the contract has them",
    ),
    (
        "credentials::verify::basis",
        &[
            "kernel",
            "platform::keys",
            "credentials::domain",
            "credentials::sdjwt",
            "credentials::status::look",
            "credentials::verify::engine",
        ],
        "pure: what a verdict rests on",
    ),
    ("credentials::verify::cache", &["kernel"], "memory"),
    (
        "credentials::verify::check",
        &["credentials::domain", "credentials::sdjwt"],
        "pure: every check in its place",
    ),
    (
        "credentials::verify::claims",
        &[
            "credentials::consent",
            "credentials::domain",
            "credentials::sdjwt",
            "credentials::verify::verdict",
        ],
        "pure: what is told",
    ),
    (
        "credentials::verify::engine",
        &[
            "credentials::consent",
            "credentials::domain",
            "credentials::registry",
            "credentials::sdjwt",
            "credentials::status::look",
            "credentials::verify",
        ],
        "pure: the same in, the same out",
    ),
    (
        "credentials::verify::policy",
        &["credentials::consent", "credentials::domain"],
        "pure: how, and by what right",
    ),
    (
        "credentials::verify::stream",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::error",
            "credentials::verify",
            "credentials::wire",
            "tonic",
        ],
        "reads the client's stream itself",
    ),
    (
        "credentials::verify::verdict",
        &[
            "kernel",
            "credentials::domain",
            "credentials::sdjwt",
            "credentials::status::look",
            "credentials::verify::check",
        ],
        "pure: what was found out",
    ),
    ("credentials::store::consent", &["kernel", "platform", "credentials::domain", "sqlx"], ""),
    ("credentials::store::follow", &["platform", "sqlx"], ""),
    (
        "credentials::store::posting",
        &["pb", "platform", "sqlx"],
        "a posting's content is kept as the contract has it",
    ),
    ("credentials::store::worker", &["platform", "sqlx"], "who is meant by a reference"),
    (
        "credentials::wire::consent",
        &["kernel", "pb", "credentials::consent", "credentials::domain", "credentials::wire"],
        "",
    ),
    ("credentials::wire::parts", &["kernel", "pb", "credentials::domain", "credentials::wire"], ""),
    (
        "credentials::wire::verdict",
        &[
            "pb",
            "credentials::domain",
            "credentials::status::look",
            "credentials::verify",
            "credentials::wire",
        ],
        "",
    ),
    (
        "credentials::wire::verification",
        &["kernel", "pb", "credentials::domain", "credentials::verify", "credentials::wire"],
        "",
    ),
    (
        "credentials::grpc::consents",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::consent",
            "credentials::domain",
            "credentials::error",
            "credentials::wire",
            "tonic",
        ],
        "",
    ),
    (
        "credentials::grpc::verification",
        &[
            "kernel",
            "pb",
            "platform",
            "credentials::status::watch",
            "credentials::verify",
            "credentials::wire",
            "tonic",
        ],
        "",
    ),
    ("credentials::sdjwt", &["credentials::domain"], "the format: bytes, keys and an instant"),
    ("credentials::sdjwt::chain", &["credentials::sdjwt", "rustls"], "certificates are verified"),
    ("subsidies::application::machine", &["kernel::ids"], "pure: from where to where"),
    (
        "subsidies::application",
        &[
            "kernel",
            "codes::divisions",
            "pb",
            "platform",
            "subsidies::blind",
            "subsidies::book",
            "subsidies::claimed",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::evaluator",
            "subsidies::programme",
            "subsidies::store",
            "subsidies::wire",
            "sqlx",
        ],
        "an id is a column",
    ),
    (
        "subsidies::store::application",
        &["platform", "kernel::ids", "subsidies::application", "sqlx"],
        "",
    ),
    (
        "subsidies::store::budget",
        &["kernel::ids", "platform", "subsidies::application::machine", "sqlx"],
        "",
    ),
    (
        "subsidies::store::claim",
        &["platform", "subsidies::application", "subsidies::domain", "sqlx"],
        "",
    ),
    ("subsidies::store::decision", &["platform", "subsidies::application", "sqlx"], ""),
    (
        "subsidies::store::evidence",
        &["platform", "kernel::ids", "subsidies::application", "sqlx"],
        "what applicants have verified, in another exchange's tables",
    ),
    ("subsidies::store::reference", &["platform", "sqlx"], "who is meant by a reference"),
    (
        "subsidies::wire::application",
        &[
            "kernel::ids",
            "pb",
            "platform::permit",
            "subsidies::application",
            "subsidies::domain",
            "subsidies::error",
            "subsidies::store",
            "subsidies::wire",
        ],
        "",
    ),
    (
        "subsidies::grpc::applications",
        &["kernel", "pb", "platform", "subsidies::application", "tonic"],
        "",
    ),
    (
        "server",
        &[
            "kernel",
            "pb",
            "platform",
            "participants",
            "postings",
            "workers",
            "credentials",
            "subsidies",
            "audit",
            "axum",
            "tonic",
        ],
        "puts the exchanges together",
    ),
    (
        "dev",
        &["kernel", "codes", "pb", "platform", "participants", "server", "client", "sqlx"],
        "a hub with all that is around it",
    ),
    (
        "doctor",
        &["kernel::clock", "platform", "rustls", "sqlx"],
        "looks at everything, as an operator does",
    ),
    ("client", &["pb", "tonic", "tonic_types", "tonic_prost"], "nothing of the server"),
    (
        "client::trace",
        &["platform::telemetry::context", "tonic"],
        "a trace is the same on both sides",
    ),
    ("json", &["pb"], ""),
    ("samples", &["pb", "prost_types"], ""),
    (
        "demo",
        &["kernel::clock", "pb", "client", "samples", "prost_types"],
        "sees a hub only as a client does",
    ),
    (
        "demo::credentials",
        &[
            "kernel::clock",
            "pb",
            "client",
            "credentials::domain",
            "credentials::sdjwt",
            "demo",
            "json",
            "prost_types",
            "tonic",
        ],
        "plays the worker's wallet as well",
    ),
    (
        "demo::subsidies",
        &["pb", "client", "demo", "json", "subsidies::application::replay", "tonic"],
        "reproduces a decision as anybody can",
    ),
    (
        "bench",
        &[
            "kernel",
            "pb",
            "platform",
            "postings",
            "credentials",
            "subsidies",
            "dev",
            "client",
            "json",
            "samples",
            "prost_types",
            "sqlx",
            "tonic",
            "tonic_prost",
        ],
        "measures the parts as well as the whole",
    ),
    (
        "cli",
        &[
            "kernel::clock",
            "kernel::fault",
            "kernel::fields",
            "pb",
            "platform",
            "participants::commands",
            "postings::import",
            "credentials::registry::rewrap",
            "workers::rewrap",
            "credentials",
            "subsidies::application",
            "subsidies::domain",
            "subsidies::programme",
            "subsidies::wire",
            "server",
            "dev",
            "doctor",
            "client",
            "json",
            "demo",
            "bench",
            "clap",
            "prost_types",
        ],
        "",
    ),
];

struct Source {
    path: PathBuf,
    /// `postings::sync::commit`.
    module: String,
    /// Without comments and without what only tests see.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources");
    found
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
    parts.join("::")
}

/// Every file of `src` that is not only for tests.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for path in rust_files(&root().join("src")) {
        let module = module_of(&path);
        if module.split("::").any(|part| part == "tests") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let (code, _) = text.split_once("#[cfg(test)]\nmod tests").unwrap_or((&text, ""));
        let kept = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = kept.collect::<Vec<_>>().join("\n");
        sources.push(Source { path, module, code });
    }
    sources
}

/// Reads a path after `crate::`, with its braces written out.
fn targets(text: &str) -> Vec<String> {
    let end = text.find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'));
    let (head, rest) = text.split_at(end.unwrap_or(text.len()));
    let head = head.trim_end_matches(':');
    let Some(group) = rest.strip_prefix('{').filter(|_| text[..end.unwrap_or(0)].ends_with("::"))
    else {
        return vec![head.to_owned()];
    };
    let (mut depth, mut item, mut items) = (0, String::new(), Vec::new());
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                item.push(letter);
            }
        }
    }
    items.push(item);
    let named = items.iter().map(|item| item.trim()).filter(|item| !item.is_empty());
    named
        .flat_map(|item| targets(item).into_iter())
        .map(|item| if item == "self" { head.to_owned() } else { format!("{head}::{item}") })
        .collect()
}

/// What a module sees: paths of the crate, and crates.
fn seen(source: &Source) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (at, _) in source.code.match_indices("crate::") {
        let before = source.code[..at].chars().next_back();
        if !before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == '$') {
            seen.extend(targets(&source.code[at + "crate::".len()..]));
        }
    }
    for name in CRATES {
        for (at, _) in source.code.match_indices(&format!("{name}::")) {
            let before = source.code[..at].chars().next_back();
            if !before.is_some_and(|it| it.is_alphanumeric() || it == '_' || it == ':') {
                seen.insert(name.to_owned());
            }
        }
    }
    seen
}

fn is_within(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn every_room_sees_only_what_its_line_says() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for source in sources() {
        // A front door with nothing in it sees nothing; the roots say what there is.
        let seen = seen(&source);
        if seen.is_empty() || ["lib", "main"].contains(&source.module.as_str()) {
            continue;
        }
        let lines = ROOMS.iter().filter(|(room, ..)| is_within(&source.module, room));
        let Some((room, allowed, _)) = lines.max_by_key(|(room, ..)| room.len()) else {
            wrong.push(format!("{} is in no room", source.module));
            continue;
        };
        for target in seen {
            let line = allowed.iter().find(|line| is_within(&target, line));
            if let Some(line) = line {
                used.insert((*room, *line));
            } else if !is_within(&target, room) {
                wrong.push(format!("{} sees {target}", source.module));
            }
        }
    }
    for (room, allowed, _) in ROOMS {
        let stale = allowed.iter().filter(|line| !used.contains(&(*room, **line)));
        wrong.extend(stale.map(|line| format!("{room} is allowed {line} and does without")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_exchange_never_sees_another() {
    let exchanges = ["participants", "postings", "workers", "audit", "credentials", "subsidies"];
    for source in sources() {
        for own in exchanges.iter().filter(|own| is_within(&source.module, own)) {
            for other in exchanges.iter().filter(|other| *other != own) {
                let strays = seen(&source).into_iter().any(|target| is_within(&target, other));
                assert!(!strays, "{} sees {other}", source.module);
            }
        }
    }
}

#[test]
fn paths_begin_at_the_crate() {
    for source in sources() {
        assert!(!source.code.contains("super::"), "{}: super::", source.path.display());
    }
}

#[test]
fn every_rpc_has_one_action_and_every_action_one_rpc() {
    let pool = DescriptorPool::decode(peshub::pb::DESCRIPTORS).unwrap();
    let services = pool.services().filter(|it| it.full_name().starts_with("peshub."));
    let mut rpcs = BTreeMap::new();
    for service in services {
        for method in service.methods() {
            rpcs.insert(format!("{}/{}", service.full_name(), method.name()), 0);
        }
    }
    for action in Action::RPCS {
        let count = rpcs.get_mut(action.name());
        *count.unwrap_or_else(|| panic!("{} is no RPC", action.name())) += 1;
    }
    assert!(rpcs.values().all(|count| *count == 1), "{rpcs:#?}");
}

#[path = "../../build/actions.rs"]
mod actions;

#[test]
fn an_rpc_that_does_not_say_who_may_call_it_is_not_built() {
    assert!(actions::generate(peshub::pb::DESCRIPTORS).is_ok());
    // Without knowing the option, what is written back lacks it.
    let files = prost_types::FileDescriptorSet::decode(peshub::pb::DESCRIPTORS).unwrap();
    let refused = actions::generate(&files.encode_to_vec()).unwrap_err().to_string();
    assert!(refused.contains("does not say by the option `access` who may call it"), "{refused}");
}

#[test]
fn no_two_migrations_have_one_number() {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(root().join("migrations")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".sql") else { continue };
        let (number, what) = stem.split_once('_').expect("a number and what it is about");
        assert!(number.len() == 4 && !what.is_empty(), "{name}");
        numbers.push(number.parse::<usize>().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

#[test]
fn every_file_is_declared_by_its_parent() {
    let src = root().join("src");
    for path in rust_files(&src) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let folder = path.parent().unwrap();
        let parent = if folder == src { src.join("lib.rs") } else { folder.with_extension("rs") };
        if ["lib", "main"].contains(&name) && folder == src {
            continue;
        }
        let text = std::fs::read_to_string(&parent)
            .unwrap_or_else(|_| panic!("{} has no parent", path.display()));
        let declared = text.lines().any(|line| {
            let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            line == format!("mod {name};")
        });
        assert!(declared, "{} is not declared by {}", path.display(), parent.display());
    }
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    for path in rust_files(&root().join("src")) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn groups_of_a_use_are_written_out() {
    let check = |text: &str, expected: &[&str]| assert_eq!(targets(text), expected, "{text}");
    check("a::b::C;", &["a::b::C"]);
    check("a::{self, b, c::d};", &["a", "a::b", "a::c::d"]);
    check("a::{b::{self, C},\n    d};", &["a::b", "a::b::C", "a::d"]);
    check("a::f(x)", &["a::f"]);
}
