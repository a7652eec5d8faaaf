//! Writes one `impl Check` per message from the `buf.validate` rules of the contract.

use std::error::Error;
use std::fmt::Write as _;

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

use crate::redaction;

/// Returns the Rust source of all checks. A rule that this generator does not know fails the build.
pub(crate) fn generate(descriptors: &[u8]) -> Result<String, Box<dyn Error>> {
    let pool = DescriptorPool::decode(descriptors)?;
    let mut out = String::new();
    for message in pool.all_messages() {
        if message.full_name().starts_with("peshub.") && !message.is_map_entry() {
            write_message(&mut out, &pool, &message)?;
        }
    }
    Ok(out)
}

fn write_message(
    out: &mut String,
    pool: &DescriptorPool,
    message: &MessageDescriptor,
) -> Result<(), Box<dyn Error>> {
    let mut body = String::new();
    for field in message.fields() {
        if field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic()) {
            let mut checks = String::new();
            write_field(&mut checks, pool, &field)?;
            if redaction::is_redacted(&field) && !checks.is_empty() {
                // What was found there is repeated nowhere.
                writeln!(body, "        let before = found.len();")?;
                writeln!(checks, "        fields::redact(found, before);")?;
            }
            body.push_str(&checks);
        }
    }
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let required = extension(pool, "buf.validate.oneof", &oneof.options())
            .is_some_and(|rules| boolean(&rules, "required"));
        let (name, path) = (oneof.name(), rust_path(message.full_name()));
        let module = format!("{}::{}", parent(&path), snake(message.name()));
        if required {
            writeln!(
                body,
                "        fields::present(at, found, \"{name}\", self.{name}.is_some());"
            )?;
        }
        for field in oneof.fields() {
            if matches!(field.kind(), Kind::Message(inner) if is_ours(&inner)) {
                let variant = format!("{module}::{}::{}", camel(name), camel(field.name()));
                writeln!(body, "        if let Some({variant}(inner)) = &self.{name} {{")?;
                writeln!(body, "            at.field(\"{}\");", field.name())?;
                writeln!(body, "            fields::Check::check(inner, at, found);")?;
                writeln!(body, "            at.leave();\n        }}")?;
            }
        }
    }
    let (at, found) = if body.is_empty() { ("_", "_") } else { ("at", "found") };
    write!(
        out,
        "impl fields::Check for {} {{\n    fn check(&self, {at}: &mut fields::Path, {found}: &mut Vec<fields::Violation>) {{\n{body}    }}\n}}\n",
        rust_path(message.full_name()),
    )?;
    Ok(())
}

fn write_field(
    out: &mut String,
    pool: &DescriptorPool,
    field: &FieldDescriptor,
) -> Result<(), Box<dyn Error>> {
    let name = field.name();
    let rules = extension(pool, "buf.validate.field", &field.options());
    if let Some(rules) = &rules
        && boolean(rules, "required")
    {
        writeln!(out, "        fields::present(at, found, \"{name}\", self.{name}.is_some());")?;
    }
    let message = matches!(field.kind(), Kind::Message(inner) if is_ours(&inner));
    if field.cardinality() == Cardinality::Repeated {
        let items = rules.as_ref().and_then(|rules| submessage(rules, "repeated"));
        if let Some(repeated) = &items {
            let (min, max) = (number(repeated, "min_items"), number(repeated, "max_items"));
            writeln!(
                out,
                "        fields::items(at, found, \"{name}\", self.{name}.len(), ({}, {}));",
                min.unwrap_or(0),
                max.map_or("usize::MAX".into(), |max| max.to_string()),
            )?;
        }
        let each = items.as_ref().and_then(|repeated| submessage(repeated, "items"));
        if message || each.is_some() {
            writeln!(out, "        for (index, item) in self.{name}.iter().enumerate() {{")?;
            writeln!(out, "            at.item(\"{name}\", index);")?;
            if message {
                writeln!(out, "            fields::Check::check(item, at, found);")?;
            }
            if let Some(each) = each {
                write_scalar(out, field, &each, "", "item")?;
            }
            writeln!(out, "            at.leave();\n        }}")?;
        }
    } else if message {
        writeln!(out, "        if let Some(inner) = &self.{name} {{")?;
        writeln!(out, "            at.field(\"{name}\");")?;
        writeln!(out, "            fields::Check::check(inner, at, found);")?;
        writeln!(out, "            at.leave();\n        }}")?;
    } else if let Some(rules) = rules {
        if field.supports_presence() {
            writeln!(out, "        if let Some(value) = &self.{name} {{")?;
            write_scalar(out, field, &rules, name, "value")?;
            writeln!(out, "        }}")?;
        } else {
            write_scalar(out, field, &rules, name, &format!("&self.{name}"))?;
        }
    }
    Ok(())
}

fn write_scalar(
    out: &mut String,
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    name: &str,
    value: &str,
) -> Result<(), Box<dyn Error>> {
    let usize_max = || "usize::MAX".to_string();
    match field.kind() {
        Kind::String => {
            let rules = submessage(rules, "string").ok_or_else(|| misplaced(field))?;
            if let Some(pattern) = text(&rules, "pattern") {
                writeln!(
                    out,
                    "        {{ static PATTERN: std::sync::LazyLock<Option<regex::Regex>> = std::sync::LazyLock::new(|| regex::Regex::new({pattern:?}).ok());\n        fields::pattern(at, found, \"{name}\", {value}, PATTERN.as_ref()); }}"
                )?;
            }
            let (min, max) = (number(&rules, "min_len"), number(&rules, "max_len"));
            if min.is_some() || max.is_some() {
                writeln!(
                    out,
                    "        fields::characters(at, found, \"{name}\", {value}, ({}, {}));",
                    min.unwrap_or(0),
                    max.map_or_else(usize_max, |max| max.to_string())
                )?;
            }
        }
        Kind::Bytes => {
            let rules = submessage(rules, "bytes").ok_or_else(|| misplaced(field))?;
            writeln!(
                out,
                "        fields::octets(at, found, \"{name}\", ({value}).len(), ({}, {}));",
                number(&rules, "min_len").unwrap_or(0),
                number(&rules, "max_len").map_or_else(usize_max, |max| max.to_string())
            )?;
        }
        Kind::Int32 | Kind::Int64 => {
            let kind = if matches!(field.kind(), Kind::Int32) { "int32" } else { "int64" };
            let rules = submessage(rules, kind).ok_or_else(|| misplaced(field))?;
            writeln!(
                out,
                "        fields::integer(at, found, \"{name}\", i64::from(*({value})), ({}, {}));",
                integer(&rules, "gte").map_or("i64::MIN".into(), |low| low.to_string()),
                integer(&rules, "lte").map_or("i64::MAX".into(), |high| high.to_string()),
            )?;
        }
        Kind::Double => {
            let rules = submessage(rules, "double").ok_or_else(|| misplaced(field))?;
            let bound = |name| match rules.get_field_by_name(name).as_deref() {
                Some(Value::F64(bound)) if rules.has_field_by_name(name) => Some(*bound),
                _ => None,
            };
            writeln!(
                out,
                "        fields::real(at, found, \"{name}\", *({value}), ({:?}, {:?}));",
                bound("gte").unwrap_or(f64::MIN),
                bound("lte").unwrap_or(f64::MAX)
            )?;
        }
        Kind::Enum(choices) => {
            let rules = submessage(rules, "enum").ok_or_else(|| misplaced(field))?;
            let not_zero = match rules.get_field_by_name("not_in").as_deref() {
                Some(Value::List(list)) => list.contains(&Value::I32(0)),
                _ => false,
            };
            writeln!(
                out,
                "        fields::choice(at, found, \"{name}\", *({value}), ({}::try_from(*({value})).is_ok(), {not_zero}));",
                rust_path(choices.full_name())
            )?;
        }
        other => return Err(format!("{}: no checks for {other:?}", field.full_name()).into()),
    }
    Ok(())
}

fn misplaced(field: &FieldDescriptor) -> Box<dyn Error> {
    format!("{}: the rule is not for this kind of field", field.full_name()).into()
}

fn extension(
    pool: &DescriptorPool,
    name: &str,
    options: &DynamicMessage,
) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name(name)?;
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).as_message().cloned())?
}

fn submessage(message: &DynamicMessage, name: &str) -> Option<DynamicMessage> {
    message
        .has_field_by_name(name)
        .then(|| message.get_field_by_name(name)?.as_message().cloned())?
}

fn boolean(message: &DynamicMessage, name: &str) -> bool {
    message.get_field_by_name(name).and_then(|value| value.as_bool()).unwrap_or(false)
}

fn number(message: &DynamicMessage, name: &str) -> Option<u64> {
    message.has_field_by_name(name).then(|| message.get_field_by_name(name)?.as_u64())?
}

fn integer(message: &DynamicMessage, name: &str) -> Option<i64> {
    let value = message.has_field_by_name(name).then(|| message.get_field_by_name(name))??;
    value.as_i64().or_else(|| value.as_i32().map(i64::from))
}

fn text(message: &DynamicMessage, name: &str) -> Option<String> {
    message
        .has_field_by_name(name)
        .then(|| message.get_field_by_name(name)?.as_str().map(str::to_owned))?
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("peshub.")
}

fn rust_path(full_name: &str) -> String {
    format!("crate::pb::{}", full_name.replace('.', "::"))
}

fn parent(path: &str) -> &str {
    path.rsplit_once("::").map_or(path, |(parent, _)| parent)
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn camel(name: &str) -> String {
    name.split('_')
        .filter_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
        })
        .collect()
}
