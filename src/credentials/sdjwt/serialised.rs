//! The JSON serialisation (RFC 9901, section 8), made into the compact one: there is one way to verify.

use serde_json::Value;

use crate::credentials::sdjwt::bounds::{DISCLOSURES_MAX, SIGNATURES_MAX};
use crate::credentials::sdjwt::defect::{
    DISCLOSURES_COUNT, Defect, FORMAT_CRITICAL, FORMAT_ENCODING, FORMAT_NAMES, FORMAT_SERIALISATION,
};
use crate::credentials::sdjwt::json::{self, Object, View};
use crate::credentials::sdjwt::{encoding, read};

fn wrong(what: &str) -> Defect {
    FORMAT_SERIALISATION.failed(what)
}

/// Returns the compact text of a JSON serialisation, flattened or general, and the unprotected header that belongs to its first
/// signature. The first signature is the one that counts: the disclosures are bound to it. The others are held to their form.
pub(crate) fn to_compact(text: &str) -> Result<(String, Object), Defect> {
    let mut token = json::object(text.as_bytes()).map_err(|it| read::of_json(it, "it"))?;
    let payload = part(&token, "payload")?.to_owned();
    let first = match token.remove("signatures") {
        None => token,
        Some(signatures) => first_of(&token, signatures)?,
    };
    let unprotected = unprotected(&first)?;
    let mut compact = String::with_capacity(text.len());
    for piece in [part(&first, "protected")?, ".", &payload, ".", part(&first, "signature")?, "~"] {
        compact.push_str(piece);
    }
    for disclosure in disclosures(&unprotected)? {
        compact.push_str(letters(disclosure)?);
        compact.push('~');
    }
    match unprotected.get("kb_jwt") {
        None => {}
        Some(Value::String(binding)) if !binding.is_empty() && !binding.contains('~') => {
            compact.push_str(binding);
        }
        Some(_) => return Err(wrong("kb_jwt is no key binding")),
    }
    Ok((compact, unprotected))
}

/// Sees that no parameter stands in both headers, and that none that must be protected stands in the unprotected one (RFC 7515,
/// sections 4.1.11 and 7.2.1).
pub(crate) fn check_disjoint(protected: View<'_>, unprotected: &Object) -> Result<(), Defect> {
    if unprotected.contains_key("crit") {
        return Err(FORMAT_CRITICAL.failed("crit stands where anybody can change it"));
    }
    if unprotected.keys().any(|name| protected.get(name).is_some()) {
        return Err(FORMAT_NAMES.failed("a parameter stands in both headers"));
    }
    Ok(())
}

/// Returns the first signature of the general form.
fn first_of(token: &Object, signatures: Value) -> Result<Object, Defect> {
    if ["protected", "header", "signature"].iter().any(|name| token.contains_key(*name)) {
        return Err(wrong("it is both flattened and general"));
    }
    let Value::Array(signatures) = signatures else {
        return Err(wrong("signatures is no list"));
    };
    if !(1..=SIGNATURES_MAX).contains(&signatures.len()) {
        return Err(wrong("there is no signature, or more than are taken"));
    }
    let mut signatures = signatures.into_iter().map(|it| match it {
        Value::Object(signature) => Ok(signature),
        _ => Err(wrong("a signature is no object")),
    });
    let first = signatures.next().unwrap_or_else(|| Err(wrong("there is no signature")))?;
    for other in signatures {
        let other = other?;
        part(&other, "protected")?;
        part(&other, "signature")?;
        let header = unprotected(&other)?;
        if header.contains_key("disclosures") || header.contains_key("kb_jwt") {
            return Err(wrong("disclosures or key binding stand with another signature"));
        }
    }
    Ok(first)
}

fn unprotected(signature: &Object) -> Result<Object, Defect> {
    match signature.get("header") {
        None => Ok(Object::new()),
        Some(Value::Object(header)) => Ok(header.clone()),
        Some(_) => Err(wrong("header is no object")),
    }
}

fn disclosures(unprotected: &Object) -> Result<Vec<&str>, Defect> {
    let Some(list) = unprotected.get("disclosures") else { return Ok(Vec::new()) };
    let list = list.as_array().ok_or_else(|| wrong("disclosures is no list"))?;
    if list.len() > DISCLOSURES_MAX {
        return Err(DISCLOSURES_COUNT.failed("there are more disclosures than are taken"));
    }
    let texts = list.iter().map(|it| it.as_str()).collect::<Option<_>>();
    texts.ok_or_else(|| wrong("a disclosure is no text"))
}

fn part<'a>(object: &'a Object, name: &str) -> Result<&'a str, Defect> {
    match object.get(name) {
        Some(Value::String(text)) => letters(text),
        _ => Err(wrong(&format!("{name} is no text"))),
    }
}

/// Sees that a piece cannot end another one in the compact text.
fn letters(text: &str) -> Result<&str, Defect> {
    if encoding::is_of_alphabet(text) {
        Ok(text)
    } else {
        Err(FORMAT_ENCODING.failed("a part is no base64url"))
    }
}
