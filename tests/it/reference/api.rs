//! Writes the pages about the contract from its descriptors: a page for each package.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};

const HEAD: &str = "# The contract

Written from the comments and rules of `proto/` by `INSTA_UPDATE=always cargo test --test it -- reference`; a test fails when it is stale. How the contract
grows, and what a client may rely on, stands in [its README](../../../proto/); how to work with it in the guides, beginning with the [quickstart](../../guides/quickstart.md).

";

/// Returns the pages, by the names of their files.
pub(super) fn pages(descriptors: &[u8]) -> BTreeMap<String, String> {
    let pool = DescriptorPool::decode(descriptors).expect("descriptors");
    let mut packages: BTreeMap<String, Vec<FileDescriptor>> = BTreeMap::new();
    for file in pool.files().filter(|it| it.package_name().starts_with("peshub.")) {
        packages.entry(file.package_name().to_owned()).or_default().push(file);
    }
    let mut pages = BTreeMap::new();
    let mut index = format!("{HEAD}| package | services | |\n|---|---|---|\n");
    for (package, files) in &packages {
        let services: Vec<_> = files.iter().flat_map(FileDescriptor::services).collect();
        let services: Vec<_> = services.iter().map(|it| format!("`{}`", it.name())).collect();
        let about: Vec<_> =
            files.iter().map(|it| line(&comment(it.file_descriptor_proto(), &[2]))).collect();
        let (services, about) = (services.join(", "), about.join(" "));
        put(&mut index, &format!("| [`{package}`]({package}.md) | {services} | {about} |"));
        pages.insert(format!("{package}.md"), Writer { pool: &pool, package }.page(files));
    }
    pages.insert("README.md".to_owned(), index);
    pages
}

/// Adds a line.
fn put(page: &mut String, line: &str) {
    // Writing to a text does not fail.
    writeln!(page, "{line}").unwrap_or_default();
}

/// Writes the page of one package.
struct Writer<'a> {
    pool: &'a DescriptorPool,
    package: &'a str,
}

impl Writer<'_> {
    fn page(&self, files: &[FileDescriptor]) -> String {
        let mut page = format!("# {}\n\n", self.package);
        for file in files {
            let proto = file.file_descriptor_proto();
            put(&mut page, &format!("`proto/{}`: {}\n", file.name(), safe(&comment(proto, &[2]))));
        }
        for service in files.iter().flat_map(FileDescriptor::services) {
            let about = comment(service.parent_file_descriptor_proto(), service.path());
            put(&mut page, &format!("## {}\n\n{}\n", service.name(), safe(&about)));
            for method in service.methods() {
                self.method(&mut page, &method);
            }
        }
        put(&mut page, "## Messages\n");
        for message in files.iter().flat_map(FileDescriptor::messages) {
            self.message(&mut page, &message);
        }
        put(&mut page, "## Enums\n");
        let mut enums = Vec::new();
        for file in files {
            enums.extend(file.enums());
            file.messages().for_each(|it| inner_enums(&it, &mut enums));
        }
        if enums.is_empty() {
            put(&mut page, "None.\n");
        }
        for choices in enums {
            self.choices(&mut page, &choices);
        }
        let headings = page.lines().filter(|it| it.starts_with('#'));
        let mut seen = BTreeSet::new();
        for heading in headings {
            assert!(seen.insert(heading), "{}: {heading} comes twice", self.package);
        }
        page.truncate(page.trim_end().len());
        page.push('\n');
        page
    }

    fn method(&self, page: &mut String, method: &MethodDescriptor) {
        let service = method.parent_service();
        put(page, &format!("### {}.{}\n", service.name(), method.name()));
        let stream = |is: bool| if is { "a stream of " } else { "" };
        put(
            page,
            &format!(
                "Takes {}{}, answers {}{}.\n",
                stream(method.is_client_streaming()),
                self.link(method.input().full_name()),
                stream(method.is_server_streaming()),
                self.link(method.output().full_name()),
            ),
        );
        put(page, &format!("{}\n", self.access(method)));
        let about = comment(service.parent_file_descriptor_proto(), method.path());
        put(page, &format!("{}\n", safe(&about)));
    }

    /// Says who may call an RPC.
    fn access(&self, method: &MethodDescriptor) -> String {
        let option = self.pool.get_extension_by_name("peshub.common.v1.access").expect("access");
        let options = method.options();
        let access = options.get_extension(&option);
        let access = access.as_message().expect("a message");
        let of = |name: &str| access.get_field_by_name(name).expect("a field").into_owned();
        let named = |of: &str, prefix: &str, value: &Value| {
            let choices = self.pool.get_enum_by_name(of).expect("an enum");
            let choice = choices.get_value(value.as_enum_number().expect("a choice"));
            let name = choice.expect("a choice").name().trim_start_matches(prefix).to_lowercase();
            format!("`{}`", name.replace('_', "-"))
        };
        let roles = of("roles");
        let roles: Vec<_> = (roles.as_list().expect("roles").iter())
            .map(|role| named("peshub.common.v1.Role", "ROLE_", role))
            .collect();
        let who = if roles.is_empty() { "everybody".to_owned() } else { roles.join(", ") };
        let quota = named("peshub.common.v1.QuotaClass", "QUOTA_CLASS_", &of("quota"));
        let action = of("action");
        let action = action.as_str().expect("a name");
        let changes =
            if of("mutates").as_bool() == Some(true) { "changes something" } else { "reads" };
        format!(
            "May be called by: {who}. It {changes}, counts against {quota}, and is `{action}` in the audit trail."
        )
    }

    fn message(&self, page: &mut String, message: &MessageDescriptor) {
        if message.is_map_entry() {
            return;
        }
        let proto = message.parent_file_descriptor_proto();
        put(page, &format!("### {}\n", self.local(message.full_name())));
        put(page, &format!("{}\n", safe(&comment(proto, message.path()))));
        let mut fields: Vec<_> = message.fields().collect();
        fields.sort_by_key(FieldDescriptor::number);
        if !fields.is_empty() {
            put(page, "| no. | field | type | limits | |\n|---|---|---|---|---|");
        }
        for field in &fields {
            let about = line(&comment(proto, field.path()));
            let (number, name) = (field.number(), field.name());
            let (kind, limits) = (self.kind(field), self.limits(field).join("; "));
            put(page, &format!("| {number} | `{name}` | {kind} | {limits} | {about} |"));
        }
        put(page, "");
        for inner in message.child_messages() {
            self.message(page, &inner);
        }
    }

    fn choices(&self, page: &mut String, choices: &EnumDescriptor) {
        let proto = choices.parent_file_descriptor_proto();
        put(page, &format!("### {}\n", self.local(choices.full_name())));
        put(page, &format!("{}\n", safe(&comment(proto, choices.path()))));
        put(page, "| no. | value | |\n|---|---|---|");
        for value in choices.values() {
            let name = value.name();
            let reason = name.strip_prefix("ERROR_REASON_").filter(|it| *it != "UNSPECIFIED");
            let shown = reason.map_or_else(
                || format!("`{name}`"),
                |reason| format!("[`{name}`](../../errors/{reason}.md)"),
            );
            let about = line(&comment(proto, value.path()));
            put(page, &format!("| {} | {shown} | {about} |", value.number()));
        }
        put(page, "");
    }

    /// The name within the package.
    fn local<'b>(&self, full_name: &'b str) -> &'b str {
        let within = full_name.strip_prefix(self.package).and_then(|it| it.strip_prefix('.'));
        within.unwrap_or(full_name)
    }

    /// Links to where a type is described.
    fn link(&self, full_name: &str) -> String {
        let local = self.local(full_name);
        let anchor = |name: &str| name.replace('.', "").to_lowercase();
        if local != full_name {
            return format!("[`{local}`](#{})", anchor(local));
        }
        if !full_name.starts_with("peshub.") {
            return format!("`{full_name}`");
        }
        // A package ends with its version.
        let (package, name) = full_name.split_once(".v1.").expect("a version");
        format!("[`{full_name}`]({package}.v1.md#{})", anchor(name))
    }

    fn kind(&self, field: &FieldDescriptor) -> String {
        if let Some(entry) = field.kind().as_message().filter(|_| field.is_map()) {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            return format!("map of {} to {}", self.kind(&key), self.kind(&value));
        }
        let kind = match field.kind() {
            Kind::Message(message) => self.link(message.full_name()),
            Kind::Enum(choices) => self.link(choices.full_name()),
            scalar => format!("`{scalar:?}`").to_lowercase(),
        };
        let oneof = field.containing_oneof().filter(|it| !it.is_synthetic());
        match oneof {
            Some(oneof) => format!("{kind}, one of `{}`", oneof.name()),
            None if field.is_list() => format!("list of {kind}"),
            None if field.supports_presence() && field.kind().as_message().is_none() => {
                format!("{kind}, or absent")
            }
            None => kind,
        }
    }

    /// Says in words what the rules of a field allow.
    fn limits(&self, field: &FieldDescriptor) -> Vec<String> {
        let options = field.options();
        let mut limits = Vec::new();
        let rules = self.pool.get_extension_by_name("buf.validate.field").expect("rules");
        if options.has_extension(&rules) {
            let rules = options.get_extension(&rules);
            rules_in_words(rules.as_message().expect("rules"), &mut limits);
        }
        let redact = options.get_field_by_name("debug_redact").and_then(|it| it.as_bool());
        if redact == Some(true) {
            limits.push("personal data: kept out of logs".to_owned());
        }
        limits
    }
}

/// Collects the enums within a message.
fn inner_enums(message: &MessageDescriptor, enums: &mut Vec<EnumDescriptor>) {
    enums.extend(message.child_enums());
    message.child_messages().for_each(|it| inner_enums(&it, enums));
}

fn rules_in_words(rules: &DynamicMessage, limits: &mut Vec<String>) {
    let number =
        |name: &str| rules.get_field_by_name(name).filter(|_| rules.has_field_by_name(name));
    let shown = |name: &str| number(name).map(|it| plain(&it));
    let unit = match rules.descriptor().name() {
        "StringRules" => " characters",
        "BytesRules" => " bytes",
        "RepeatedRules" => " elements",
        "MapRules" => " entries",
        _ => "",
    };
    let (least, most) = match unit {
        " characters" | " bytes" => ("min_len", "max_len"),
        " elements" => ("min_items", "max_items"),
        " entries" => ("min_pairs", "max_pairs"),
        _ => ("gte", "lte"),
    };
    match (shown(least), shown(most)) {
        (Some(least), Some(most)) => limits.push(format!("{least} to {most}{unit}")),
        (Some(least), None) => limits.push(format!("at least {least}{unit}")),
        (None, Some(most)) => limits.push(format!("at most {most}{unit}")),
        (None, None) => {}
    }
    for (field, value) in rules.fields() {
        match (field.name(), &value) {
            (name, _) if name == least || name == most => {}
            ("required", Value::Bool(true)) => limits.push("required".to_owned()),
            ("defined_only", Value::Bool(true)) => limits.push("a value that is listed".to_owned()),
            ("pattern", pattern) => {
                limits.push(format!("`{}`", plain(pattern).replace('|', "\\|")));
            }
            ("items", Value::Message(inner)) => {
                let mut each = Vec::new();
                rules_in_words(inner, &mut each);
                limits.push(format!("each {}", each.join(", ")));
            }
            (_, Value::Message(inner)) => rules_in_words(inner, limits),
            ("not_in", not) if plain(not) == "0" => limits.push("not the first value".to_owned()),
            (name, value) => limits.push(format!("{}: {}", name.replace('_', " "), plain(value))),
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(it) => it.to_string(),
        Value::I32(it) => grouped(&it.to_string()),
        Value::I64(it) => grouped(&it.to_string()),
        Value::U32(it) => grouped(&it.to_string()),
        Value::U64(it) => grouped(&it.to_string()),
        Value::F64(it) => it.to_string(),
        Value::String(it) => it.clone(),
        Value::List(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => format!("{other:?}"),
    }
}

/// Writes thousands apart.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}")
}

/// Returns the comment before something, without what only its editors need.
fn comment(file: &FileDescriptorProto, path: &[i32]) -> String {
    let info = file.source_code_info.as_ref().expect("comments");
    let location = info.location.iter().find(|it| it.path == path);
    let text = location.and_then(|it| it.leading_comments.as_deref()).unwrap_or_default();
    let kept = text.lines().filter(|it| !it.trim_start().starts_with("Next unused"));
    kept.map(|it| it.strip_prefix(' ').unwrap_or(it))
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

/// Keeps angle brackets out of HTML, but in code.
fn safe(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let safe = parts.map(|(place, it)| {
        if place % 2 == 0 { it.replace('<', "&lt;").replace('>', "&gt;") } else { it.to_owned() }
    });
    safe.collect::<Vec<_>>().join("`")
}

/// One line for a table's cell.
fn line(comment: &str) -> String {
    let paragraphs = comment.split("\n\n");
    let paragraphs = paragraphs.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.map(|it| safe(&it).replace('|', "\\|")).collect::<Vec<_>>().join("<br>")
}
