//! Finds the messages that hold personal data (fields marked `debug_redact`), so that none of it is printed.

use std::error::Error;
use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

/// The full names of the messages that hold personal data themselves, and their `Debug` in Rust: the name and nothing else.
pub(crate) struct Redaction {
    /// With a dot before each, as the generators want them.
    pub(crate) messages: Vec<String>,
    /// The source.
    pub(crate) source: String,
}

/// Finds them.
pub(crate) fn of(descriptors: &[u8]) -> Result<Redaction, Box<dyn Error>> {
    let pool = DescriptorPool::decode(descriptors)?;
    let mut redaction = Redaction { messages: Vec::new(), source: String::new() };
    for message in pool.all_messages().filter(|it| it.full_name().starts_with("peshub.")) {
        if message.fields().any(|field| is_redacted(&field)) {
            let path = rust_path(&message);
            conceal(&mut redaction.source, &path, message.name())?;
            // The generator leaves out the `Debug` of a message's choices together with its own.
            for oneof in message.oneofs().filter(|it| !it.is_synthetic()) {
                let module = path.trim_end_matches(message.name());
                let path = format!("{module}{}::{}", snake(message.name()), camel(oneof.name()));
                conceal(&mut redaction.source, &path, oneof.name())?;
            }
            redaction.messages.push(format!(".{}", message.full_name()));
        }
    }
    Ok(redaction)
}

/// Returns whether a field holds personal data.
pub(crate) fn is_redacted(field: &FieldDescriptor) -> bool {
    let options = field.options();
    options.get_field_by_name("debug_redact").is_some_and(|value| value.as_bool() == Some(true))
}

fn rust_path(message: &MessageDescriptor) -> String {
    format!("crate::pb::{}", message.full_name().replace('.', "::"))
}

fn conceal(source: &mut String, path: &str, name: &str) -> std::fmt::Result {
    writeln!(
        source,
        "impl std::fmt::Debug for {path} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        f.write_str(\"{name} {{ .. }}\")\n    }}\n}}"
    )
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    name.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}
