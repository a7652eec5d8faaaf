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
            if message.oneofs().any(|oneof| !oneof.is_synthetic()) {
                return Err(format!("{}: personal data beside a oneof", message.full_name()).into());
            }
            writeln!(
                redaction.source,
                "impl std::fmt::Debug for {} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        f.write_str(\"{} {{ .. }}\")\n    }}\n}}",
                rust_path(&message),
                message.name()
            )?;
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
