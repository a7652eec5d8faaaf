//! Every rule that the contract states about a posting is broken once, and must be noticed.

use peshub::pb;
use peshub::postings::finding::{Finding, FindingCode};
use peshub::postings::parse;
use prost::Message as _;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, Value,
};

use crate::support::postings::posting;

/// One way to break one rule: where, how, and what must be found.
struct Breach {
    field: String,
    posting: DynamicMessage,
    code: FindingCode,
}

/// Walks every field that a posting holds, however deep, and breaks every rule that the contract states about it.
struct Breaker {
    rules: prost_reflect::ExtensionDescriptor,
    base: DynamicMessage,
    breaches: Vec<Breach>,
}

/// A step from a message to one of its fields.
type Way = Vec<FieldDescriptor>;

impl Breaker {
    fn walk(&mut self, message: &MessageDescriptor, way: &Way) {
        for field in message.fields() {
            let mut way = way.clone();
            way.push(field.clone());
            let options = field.options();
            if options.has_extension(&self.rules) {
                let rules = options.get_extension(&self.rules);
                let rules = rules.as_message().expect("rules are a message").clone();
                self.breach(&way, &field, &rules);
            }
            if let Kind::Message(inner) = field.kind()
                && inner.full_name().starts_with("peshub.")
            {
                self.walk(&inner, &way);
            }
        }
    }

    fn breach(&mut self, way: &Way, field: &FieldDescriptor, rules: &DynamicMessage) {
        if rules.get_field_by_name("required").is_some_and(|it| it.as_bool() == Some(true)) {
            self.add(way, None, FindingCode::Required);
        }
        let is_list = field.cardinality() == Cardinality::Repeated;
        for kind in ["string", "int32", "int64", "double", "enum", "repeated"] {
            if !rules.has_field_by_name(kind) {
                continue;
            }
            let of_kind = rules.get_field_by_name(kind).unwrap().into_owned();
            let of_kind = of_kind.as_message().expect("rules of a kind").clone();
            if kind == "repeated" {
                self.breach_list(way, field, &of_kind);
            } else {
                assert!(!is_list, "{} has rules for one value", field.full_name());
                for (value, code) in broken(kind, &of_kind) {
                    self.add(way, Some(value), code);
                }
            }
        }
    }

    fn breach_list(&mut self, way: &Way, field: &FieldDescriptor, rules: &DynamicMessage) {
        if let Some(max) = number(rules, "max_items") {
            let one = match field.kind() {
                Kind::Message(message) => Value::Message(DynamicMessage::new(message)),
                Kind::Enum(_) => Value::EnumNumber(1),
                _ => Value::String("one".to_owned()),
            };
            let many = Value::List(vec![one; max as usize + 1]);
            self.add(way, Some(many), FindingCode::TooLong);
        }
        if !rules.has_field_by_name("items") {
            return;
        }
        let items = rules.get_field_by_name("items").unwrap().into_owned();
        let items = items.as_message().expect("rules of items").clone();
        for kind in ["string", "enum"] {
            if items.has_field_by_name(kind) {
                let of_kind = items.get_field_by_name(kind).unwrap().into_owned();
                let of_kind = of_kind.as_message().expect("rules of a kind").clone();
                for (value, code) in broken(kind, &of_kind) {
                    self.add_at(way, "[0]", Some(Value::List(vec![value])), code);
                }
            }
        }
    }

    fn add(&mut self, way: &Way, value: Option<Value>, code: FindingCode) {
        self.add_at(way, "", value, code);
    }

    fn add_at(&mut self, way: &Way, item: &str, value: Option<Value>, code: FindingCode) {
        let mut field = "upsert".to_owned();
        for (index, step) in way.iter().enumerate() {
            let is_last = index + 1 == way.len();
            let list = if step.is_list() && !is_last { "[0]" } else { "" };
            field = format!("{field}.{}{list}", step.name());
        }
        let mut posting = self.base.clone();
        set(&mut posting, way, value);
        self.breaches.push(Breach { field: format!("{field}{item}"), posting, code });
    }
}

/// Puts a value at the end of a way, making the messages on it; without one the field is cleared.
fn set(message: &mut DynamicMessage, way: &[FieldDescriptor], value: Option<Value>) {
    let (field, rest) = way.split_first().expect("a way");
    if rest.is_empty() {
        match value {
            Some(value) => message.set_field(field, value),
            None => message.clear_field(field),
        }
        return;
    }
    let Kind::Message(kind) = field.kind() else { panic!("a way leads through messages") };
    let current = message.get_field(field).into_owned();
    let mut inner = match &current {
        Value::Message(inner) => inner.clone(),
        Value::List(items) => match items.first() {
            Some(Value::Message(inner)) => inner.clone(),
            _ => DynamicMessage::new(kind),
        },
        _ => DynamicMessage::new(kind),
    };
    set(&mut inner, rest, value);
    let inner = Value::Message(inner);
    message.set_field(field, if field.is_list() { Value::List(vec![inner]) } else { inner });
}

fn number(rules: &DynamicMessage, name: &str) -> Option<i64> {
    if !rules.has_field_by_name(name) {
        return None;
    }
    let value = rules.get_field_by_name(name)?.into_owned();
    value.as_u64().map(|it| it as i64).or(value.as_i64()).or(value.as_i32().map(i64::from))
}

/// Values that break rules, each with what must be found.
fn broken(kind: &str, rules: &DynamicMessage) -> Vec<(Value, FindingCode)> {
    let mut broken = Vec::new();
    let integer = |value: i64| match kind {
        "int32" => Value::I32(i32::try_from(value).expect("a small limit")),
        _ => Value::I64(value),
    };
    match kind {
        "string" => {
            if let Some(max) = number(rules, "max_len") {
                // Characters are counted, not bytes.
                let long = "长".repeat(max as usize + 1);
                broken.push((Value::String(long), FindingCode::TooLong));
            }
            match number(rules, "min_len") {
                None | Some(0) => {}
                Some(min) => {
                    broken.push((Value::String(String::new()), FindingCode::Required));
                    if min > 1 {
                        broken.push((Value::String("x".to_owned()), FindingCode::TooShort));
                    }
                }
            }
            if rules.has_field_by_name("pattern") {
                broken.push((Value::String("!no!".to_owned()), FindingCode::BadFormat));
            }
        }
        "int32" | "int64" => {
            if let Some(least) = number(rules, "gte") {
                broken.push((integer(least - 1), FindingCode::OutOfRange));
            }
            if let Some(most) = number(rules, "lte") {
                broken.push((integer(most + 1), FindingCode::OutOfRange));
            }
        }
        "double" => {
            for value in [-180.5, 180.5, f64::NAN, f64::INFINITY] {
                broken.push((Value::F64(value), FindingCode::OutOfRange));
            }
        }
        "enum" => {
            broken.push((Value::EnumNumber(9_999), FindingCode::UnknownChoice));
            let forbids_zero = rules.has_field_by_name("not_in");
            if forbids_zero {
                broken.push((Value::EnumNumber(0), FindingCode::Required));
            }
        }
        other => panic!("{other} is a new kind of rule: say here how it is broken"),
    }
    broken
}

#[test]
fn every_rule_that_the_contract_states_about_a_posting_is_kept() {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("the contract");
    let message = pool.get_message_by_name("peshub.postings.v1.Posting").expect("a posting");
    let rules = pool.get_extension_by_name("buf.validate.field").expect("the rules");
    let sound = posting("sound", "330106").encode_to_vec();
    let base = DynamicMessage::decode(message.clone(), sound.as_slice()).expect("a sound posting");
    assert!(parse::posting(&base.encode_to_vec()).is_ok());
    let mut breaker = Breaker { rules, base, breaches: Vec::new() };
    breaker.walk(&message, &Vec::new());
    assert!(breaker.breaches.len() > 120, "only {} rules were found", breaker.breaches.len());
    let mut unnoticed = Vec::new();
    for breach in &breaker.breaches {
        assert_eq!(breach.posting.descriptor(), message);
        let found: Vec<Finding> = match parse::posting(&breach.posting.encode_to_vec()) {
            Ok(_) => Vec::new(),
            Err(found) => found,
        };
        if !found.iter().any(|it| it.field == breach.field && it.code == breach.code) {
            let found: Vec<String> =
                found.iter().map(|it| format!("{} {:?}", it.field, it.code)).collect();
            unnoticed.push(format!("{} {:?}: {}", breach.field, breach.code, found.join(", ")));
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}
