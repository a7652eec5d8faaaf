//! Compiles the contract under `proto/` into Rust, with its checks and its descriptor set.
//!
//! Two views of the same contract are generated. The *plain* view has every message as a Rust struct;
//! clients, importers and tests use it. The *raw* view is the server's: in it a posting, its record and
//! a change of it are fields of bytes, which look the same on the wire. So nothing is decoded only to be encoded
//! again, and one unreadable record does not make its whole batch unreadable.

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, field_descriptor_proto,
};

#[path = "build/actions.rs"]
mod actions;
#[path = "build/checks.rs"]
mod checks;
#[path = "build/redaction.rs"]
mod redaction;

const PROTO_ROOT: &str = "proto";
/// Holds the vocabulary of the rules, see there.
const RULES_ROOT: &str = "build/rules";
const POSTING: &str = ".peshub.postings.v1.Posting";
/// The messages that are fields of bytes in the raw view.
const OPAQUE: [&str; 3] =
    [POSTING, ".peshub.postings.v1.PostingChange", ".peshub.postings.v1.PostingRecord"];

fn main() -> Result<(), Box<dyn Error>> {
    let sources = ["build/actions.rs", "build/checks.rs", "build/redaction.rs"];
    for path in [PROTO_ROOT, RULES_ROOT, "migrations"].into_iter().chain(sources) {
        println!("cargo::rerun-if-changed={path}");
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "cargo tells a build script where to write this way"
    )]
    let out = PathBuf::from(std::env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([PROTO_ROOT, RULES_ROOT])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(proto_files(Path::new(PROTO_ROOT))?)?;
    // Source information feeds the doc comments of the generated code and the published descriptor set.
    let encoded = compiler.encode_file_descriptor_set();
    let descriptors = compiler.file_descriptor_set();
    std::fs::write(out.join("descriptors.bin"), &encoded)?;
    std::fs::write(out.join("actions.rs"), actions::generate(&encoded)?)?;
    std::fs::write(out.join("checks.rs"), checks::generate(&encoded)?)?;
    let redaction = redaction::of(&encoded)?;
    std::fs::write(out.join("redaction.rs"), &redaction.source)?;

    let plain = out.join("plain");
    std::fs::create_dir_all(&plain)?;
    let mut ours = FileDescriptorSet {
        file: (descriptors.file.iter())
            .filter(|file| file.package() != "buf.validate")
            .cloned()
            .collect(),
    };
    tonic_prost_build::configure()
        .out_dir(&plain)
        .include_file("mod.rs")
        .bytes(".peshub")
        .skip_debug(&redaction.messages)
        .compile_fds(ours.clone())?;

    let raw = out.join("raw");
    std::fs::create_dir_all(&raw)?;
    let mut config = tonic_prost_build::configure()
        .out_dir(&raw)
        .include_file("mod.rs")
        .bytes(".peshub")
        .build_client(false);
    let holders = messages_that_hold_a_posting(&ours);
    for file in ours.file.iter_mut().filter(|file| file.package().starts_with("peshub.")) {
        if file.package() != "peshub.postings.v1" {
            file.service.clear();
        }
        let messages = file.message_type.iter().map(DescriptorProto::name);
        for name in messages.chain(file.enum_type.iter().map(EnumDescriptorProto::name)) {
            let path = format!(".{}.{name}", file.package());
            if !holders.contains(&path) {
                let rust = format!("crate::pb{}", path.replace('.', "::"));
                config = config.extern_path(path, rust);
            }
        }
        for message in &mut file.message_type {
            for field in
                message.field.iter_mut().filter(|field| OPAQUE.contains(&field.type_name()))
            {
                field.set_type(field_descriptor_proto::Type::Bytes);
                field.type_name = None;
            }
        }
    }
    config.compile_fds(ours)?;
    Ok(())
}

fn proto_files(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                found.push(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The messages from which a posting can be reached.
fn messages_that_hold_a_posting(set: &FileDescriptorSet) -> HashSet<String> {
    let mut holders = HashSet::from([POSTING.to_owned()]);
    loop {
        let before = holders.len();
        for file in &set.file {
            for message in &file.message_type {
                if message.field.iter().any(|field| holders.contains(field.type_name())) {
                    holders.insert(format!(".{}.{}", file.package(), message.name()));
                }
            }
        }
        if holders.len() == before {
            holders.remove(POSTING);
            return holders;
        }
    }
}
