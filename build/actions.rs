//! Writes the `Action` enum from the `access` option of every RPC. An RPC without one fails the build.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};

const OPTION: &str = "peshub.common.v1.access";

struct Rpc {
    variant: String,
    name: String,
    action: String,
    roles: Vec<String>,
    everyone: bool,
    quota: String,
    mutates: bool,
}

/// Returns the Rust source of the enum.
pub(crate) fn generate(descriptors: &[u8]) -> Result<String, Box<dyn Error>> {
    let pool = DescriptorPool::decode(descriptors)?;
    let mut rpcs = Vec::new();
    for service in pool.services().filter(|it| it.full_name().starts_with("peshub.")) {
        for method in service.methods() {
            rpcs.push(read(&pool, &method)?);
        }
    }
    for unique in [|rpc: &Rpc| rpc.variant.clone(), |rpc: &Rpc| rpc.action.clone()] {
        let mut seen = BTreeSet::new();
        if let Some(twice) = rpcs.iter().map(unique).find(|it| !seen.insert(it.clone())) {
            return Err(format!("two RPCs are called {twice}").into());
        }
    }
    write(&rpcs)
}

fn read(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Rpc, Box<dyn Error>> {
    let name = format!("{}/{}", method.parent_service().full_name(), method.name());
    let option = pool.get_extension_by_name(OPTION).ok_or("the contract has no option `access`")?;
    let options = method.options();
    if !options.has_extension(&option) {
        return Err(format!("{name} does not say by the option `access` who may call it").into());
    }
    let value = options.get_extension(&option);
    let access = value.as_message().ok_or("`access` is no message")?;
    let action = text(access, "action");
    let everyone = field(access, "everyone").as_bool().unwrap_or_default();
    let mutates = field(access, "mutates").as_bool().unwrap_or_default();
    let roles: Vec<String> = field(access, "roles")
        .as_list()
        .map(|roles| roles.iter().map(|role| choice(pool, "Role", role)).collect())
        .unwrap_or_default();
    if everyone != roles.is_empty() || roles.iter().any(|role| role == "Unspecified") {
        return Err(format!("{name}: `access` names roles, or everyone, and not both").into());
    }
    let quota = choice(pool, "QuotaClass", &field(access, "quota"));
    if quota == "Unspecified" || action.is_empty() {
        return Err(format!("{name}: `access` lacks an action or a quota").into());
    }
    if mutates
        && !method.is_client_streaming()
        && method.input().get_field_by_name("request_id").is_none()
    {
        return Err(format!("{name} changes something and its request has no request_id").into());
    }
    let variant = method.name().to_owned();
    Ok(Rpc { variant, name, action, roles, everyone, quota, mutates })
}

fn field(message: &DynamicMessage, name: &str) -> Value {
    message.get_field_by_name(name).map_or(Value::Bool(false), std::borrow::Cow::into_owned)
}

fn text(message: &DynamicMessage, name: &str) -> String {
    field(message, name).as_str().unwrap_or_default().to_owned()
}

/// Returns the Rust name of a value of one of the enums in `access.proto`.
fn choice(pool: &DescriptorPool, name: &str, value: &Value) -> String {
    let found = pool.get_enum_by_name(&format!("peshub.common.v1.{name}"));
    let value = found.and_then(|it| it.get_value(value.as_enum_number().unwrap_or_default()));
    let prefix = if name == "Role" { "ROLE_" } else { "QUOTA_CLASS_" };
    let words = value.map(|it| it.name().trim_start_matches(prefix).to_lowercase());
    words
        .unwrap_or_default()
        .split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

fn write(rpcs: &[Rpc]) -> Result<String, Box<dyn Error>> {
    let mut out = String::new();
    writeln!(out, "/// One per RPC, and one for the hub's own work.")?;
    writeln!(out, "#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]\npub enum Action {{")?;
    for rpc in rpcs {
        writeln!(out, "    /// `{}`.\n    {},", rpc.name, rpc.variant)?;
    }
    writeln!(
        out,
        "    /// What the hub does by itself: positions, partitions, retention.\n    RunHub,"
    )?;
    writeln!(out, "}}\n\nimpl Action {{")?;
    writeln!(
        out,
        "    /// Every action that is an RPC.\n    pub const RPCS: [Self; {}] = [",
        rpcs.len()
    )?;
    for rpc in rpcs {
        writeln!(out, "        Self::{},", rpc.variant)?;
    }
    writeln!(out, "    ];\n")?;
    write_match(
        &mut out,
        "Returns the full name of the RPC, `package.Service/Method`; `hub` for the hub's own work.",
        ("name", "&'static str", "\"hub\""),
        rpcs.iter().map(|rpc| (rpc, format!("\"{}\"", rpc.name))),
    )?;
    write_match(
        &mut out,
        "Returns the name in the audit trail, for example `postings.sync`.",
        ("word", "&'static str", "\"hub\""),
        rpcs.iter().map(|rpc| (rpc, format!("\"{}\"", rpc.action))),
    )?;
    write_match(
        &mut out,
        "Returns the roles of which a caller must have one; see [`Action::is_for_everyone`].",
        ("roles", "&'static [Role]", "&[]"),
        rpcs.iter().map(|rpc| {
            let roles: Vec<_> = rpc.roles.iter().map(|role| format!("Role::{role}")).collect();
            (rpc, format!("&[{}]", roles.join(", ")))
        }),
    )?;
    write_match(
        &mut out,
        "Returns whether every participant may.",
        ("is_for_everyone", "bool", "false"),
        rpcs.iter().map(|rpc| (rpc, rpc.everyone.to_string())),
    )?;
    write_match(
        &mut out,
        "Returns what a call counts against.",
        ("quota", "QuotaClass", "QuotaClass::Unspecified"),
        rpcs.iter().map(|rpc| (rpc, format!("QuotaClass::{}", rpc.quota))),
    )?;
    write_match(
        &mut out,
        "Returns whether it changes something.",
        ("mutates", "bool", "true"),
        rpcs.iter().map(|rpc| (rpc, rpc.mutates.to_string())),
    )?;
    writeln!(out, "}}")?;
    Ok(out)
}

/// Writes a method that tells something of each action; actions that have it in common share an arm.
fn write_match<'a>(
    out: &mut String,
    doc: &str,
    (name, kind, of_hub): (&str, &str, &str),
    arms: impl Iterator<Item = (&'a Rpc, String)>,
) -> Result<(), Box<dyn Error>> {
    let mut shared: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (rpc, value) in arms {
        shared.entry(value).or_default().push(&rpc.variant);
    }
    shared.entry(of_hub.to_owned()).or_default().push("RunHub");
    writeln!(out, "    /// {doc}\n    #[must_use]\n    pub const fn {name}(self) -> {kind} {{")?;
    writeln!(out, "        match self {{")?;
    for (value, variants) in shared {
        let variants: Vec<_> = variants.iter().map(|it| format!("Self::{it}")).collect();
        writeln!(out, "            {} => {value},", variants.join(" | "))?;
    }
    writeln!(out, "        }}\n    }}\n")?;
    Ok(())
}
