//! What is wrong with the JSON serialisation.

use peshub::credentials::sdjwt::defect::{
    BINDING_FORM, BINDING_HASH, BINDING_PRESENT, Check, DISCLOSURES_COUNT, DISCLOSURES_REPEATED,
    DISCLOSURES_UNREFERENCED, FORMAT_ALGORITHM, FORMAT_CRITICAL, FORMAT_ENCODING, FORMAT_JSON,
    FORMAT_NAMES, FORMAT_NESTING, FORMAT_PARTS, FORMAT_SERIALISATION, FORMAT_TYPE,
    SIGNATURE_ISSUER,
};
use serde_json::{Value, json};

use crate::credentials::maker::{KEYS, Token, disclosure};
use crate::credentials::negative::{Table, odd_values};

/// Adds a row in both forms: the general one with the change at its first signature.
fn both(table: &mut Table, check: Option<&'static Check>, name: &str, change: impl Fn(&mut Value)) {
    let token = Token::sound();
    let mut flattened = token.flattened();
    change(&mut flattened);
    table.push(check, &format!("flattened: {name}"), token, flattened.to_string());
    let token = Token::sound();
    let mut general = token.general();
    let payload = general["payload"].clone();
    let first = &mut general["signatures"][0];
    first["payload"] = payload;
    change(first);
    let payload = first.as_object_mut().unwrap().remove("payload");
    match payload {
        Some(payload) => general["payload"] = payload,
        None => drop(general.as_object_mut().unwrap().remove("payload")),
    }
    table.push(check, &format!("general: {name}"), token, general.to_string());
}

fn general(
    table: &mut Table,
    check: Option<&'static Check>,
    name: &str,
    change: impl Fn(&mut Value),
) {
    let token = Token::sound();
    let mut general = token.general();
    change(&mut general);
    table.push(check, &format!("general: {name}"), token, general.to_string());
}

fn without(it: &mut Value, name: &str) {
    it.as_object_mut().unwrap().remove(name).unwrap();
}

pub(super) fn rows(table: &mut Table) {
    good(table);
    members(table);
    headers(table);
    disclosures(table);
    signatures(table);
    texts(table);
}

fn good(table: &mut Table) {
    both(table, None, "the sound token", |_| {});
    both(table, None, "a member that nobody knows", |it| it["more"] = json!({"a": 1}));
    both(table, None, "an unprotected parameter that nobody knows", |it| {
        it["header"]["more"] = json!(1);
    });
    let token = Token::sound();
    let text = format!(" \n{}\n ", serde_json::to_string_pretty(&token.flattened()).unwrap());
    table.push(None, "flattened: with white space", token, text);
    let mut token = Token::sound();
    token.unbound();
    token.disclosures.clear();
    let mut bare = token.flattened();
    without(&mut bare, "header");
    table.push(
        None,
        "flattened: without unprotected header, for nothing is disclosed",
        token,
        bare.to_string(),
    );
}

fn members(table: &mut Table) {
    for name in ["payload", "protected", "signature"] {
        let check = Some(&FORMAT_SERIALISATION);
        both(table, check, &format!("no {name}"), |it| without(it, name));
        for (what, value) in odd_values() {
            both(table, check, &format!("{name} is {what}"), |it| it[name] = value.clone());
        }
        both(table, Some(&FORMAT_ENCODING), &format!("{name} is empty"), |it| it[name] = json!(""));
        for letter in ['.', '~', '=', ' '] {
            both(table, Some(&FORMAT_ENCODING), &format!("{name} has '{letter}' in it"), |it| {
                it[name] = json!(format!("{}{letter}AAAA", it[name].as_str().unwrap()));
            });
        }
    }
    for (what, value) in [("a text", json!("a")), ("a list", json!([])), ("null", Value::Null)] {
        both(table, Some(&FORMAT_SERIALISATION), &format!("header is {what}"), |it| {
            it["header"] = value.clone();
        });
    }
}

fn headers(table: &mut Table) {
    both(table, Some(&FORMAT_CRITICAL), "crit is unprotected", |it| {
        it["header"]["crit"] = json!(["exp"]);
    });
    for name in ["alg", "typ", "kid"] {
        both(table, Some(&FORMAT_NAMES), &format!("{name} stands in both headers"), |it| {
            it["header"][name] = json!("ES256");
        });
    }
    let moved = |header: Value, name: &str| {
        let mut token = Token::sound();
        let value = token.jwt.header[name].clone();
        token.jwt.header = header;
        let mut flattened = token.flattened();
        flattened["header"][name] = value;
        (token, flattened.to_string())
    };
    let (token, text) = moved(json!({"typ": "dc+sd-jwt"}), "alg");
    table.push(Some(&FORMAT_ALGORITHM), "flattened: alg is unprotected", token, text);
    let (token, text) = moved(json!({"alg": "ES256"}), "typ");
    table.push(Some(&FORMAT_TYPE), "flattened: typ is unprotected", token, text);
    let (token, text) = moved(json!({"alg": "ES256", "typ": "dc+sd-jwt"}), "kid");
    table.push(None, "flattened: kid is unprotected", token, text);
}

fn disclosures(table: &mut Table) {
    for (what, value) in [("a text", json!("a")), ("an object", json!({})), ("null", Value::Null)] {
        both(table, Some(&FORMAT_SERIALISATION), &format!("disclosures is {what}"), |it| {
            it["header"]["disclosures"] = value.clone();
        });
    }
    both(table, Some(&FORMAT_SERIALISATION), "a disclosure is a list", |it| {
        it["header"]["disclosures"][0] = json!(["salt", "name", 1]);
    });
    let injected = |it: &mut Value, joint: &str| {
        let (stray, _) = disclosure(&json!(["salt-9", "x", 1]));
        let own = it["header"]["disclosures"][0].as_str().unwrap().to_owned();
        it["header"]["disclosures"][0] = json!(format!("{own}{joint}{stray}"));
    };
    for joint in ["~", ".", "\n", ","] {
        both(table, Some(&FORMAT_ENCODING), &format!("a disclosure with {joint:?} in it"), |it| {
            injected(it, joint);
        });
    }
    both(table, Some(&FORMAT_ENCODING), "an empty disclosure", |it| {
        it["header"]["disclosures"][0] = json!("");
    });
    both(table, Some(&DISCLOSURES_COUNT), "1,001 disclosures", |it| {
        it["header"]["disclosures"] = json!(vec!["AAAA"; 1_001]);
    });
    both(table, Some(&DISCLOSURES_REPEATED), "a disclosure twice", |it| {
        let own = it["header"]["disclosures"][0].clone();
        it["header"]["disclosures"].as_array_mut().unwrap().push(own);
    });
    both(
        table,
        Some(&DISCLOSURES_UNREFERENCED),
        "a disclosure that the issuer never signed",
        |it| {
            let (stray, _) = disclosure(&json!(["salt-9", "x", 1]));
            it["header"]["disclosures"].as_array_mut().unwrap().push(json!(stray));
        },
    );
    both(table, Some(&BINDING_HASH), "a disclosure taken away after it was bound", |it| {
        it["header"]["disclosures"].as_array_mut().unwrap().remove(0);
    });
    both(table, Some(&BINDING_HASH), "no disclosures member after it was bound", |it| {
        without(&mut it["header"], "disclosures");
    });
}

fn signatures(table: &mut Table) {
    for (what, value) in odd_values() {
        both(table, Some(&FORMAT_SERIALISATION), &format!("kb_jwt is {what}"), |it| {
            it["header"]["kb_jwt"] = value.clone();
        });
    }
    both(table, Some(&FORMAT_SERIALISATION), "kb_jwt is empty", |it| {
        it["header"]["kb_jwt"] = json!("");
    });
    both(table, Some(&FORMAT_SERIALISATION), "kb_jwt has a tilde in it", |it| {
        it["header"]["kb_jwt"] =
            json!(format!("AAAA~{}", it["header"]["kb_jwt"].as_str().unwrap()));
    });
    both(table, Some(&FORMAT_PARTS), "kb_jwt has two parts", |it| {
        it["header"]["kb_jwt"] = json!("AAAA.AAAA");
    });
    both(table, Some(&BINDING_FORM), "kb_jwt is something else", |it| {
        it["header"]["kb_jwt"] = json!("AA.AA.AA");
    });
    both(table, Some(&BINDING_PRESENT), "no kb_jwt where one is asked for", |it| {
        without(&mut it["header"], "kb_jwt");
    });
    let check = Some(&FORMAT_SERIALISATION);
    general(table, check, "no signatures", |it| it["signatures"] = json!([]));
    general(table, check, "signatures is an object", |it| it["signatures"] = json!({}));
    general(table, check, "signatures is a text", |it| it["signatures"] = json!("AAAA"));
    general(table, check, "a signature is a text", |it| it["signatures"][0] = json!("AAAA"));
    general(table, check, "the second signature is a text", |it| {
        it["signatures"][1] = json!("AAAA");
    });
    general(table, check, "the second signature has no signature", |it| {
        without(&mut it["signatures"][1], "signature");
    });
    general(table, check, "disclosures stand with the second signature", |it| {
        it["signatures"][1]["header"]["disclosures"] = json!([]);
    });
    general(table, check, "the key binding stands with the second signature", |it| {
        let binding =
            it["signatures"][0]["header"].as_object_mut().unwrap().remove("kb_jwt").unwrap();
        it["signatures"][1]["header"]["kb_jwt"] = binding;
    });
    general(table, check, "nine signatures", |it| {
        let other = it["signatures"][1].clone();
        it["signatures"].as_array_mut().unwrap().extend(vec![other; 7]);
    });
    for name in ["signature", "protected", "header"] {
        general(table, check, &format!("flattened as well: {name}"), |it| it[name] = json!("AAAA"));
    }
    general(table, Some(&SIGNATURE_ISSUER), "only the second signature is the issuer's", |it| {
        let header = it["signatures"][0]["header"].clone();
        let mut first = it["signatures"][1].clone();
        let mut second = it["signatures"][0].clone();
        first["header"] = header;
        without(&mut second, "header");
        it["signatures"] = json!([first, second]);
    });
    both(table, Some(&SIGNATURE_ISSUER), "signed by a stranger", |it| {
        let mut token = Token::sound();
        token.jwt.key = &KEYS.stranger;
        it["signature"] = token.flattened()["signature"].clone();
    });
}

fn texts(table: &mut Table) {
    let mut bad = |check: &'static Check, name: &str, change: fn(String) -> String| {
        let token = Token::sound();
        let text = change(token.flattened().to_string());
        table.push(Some(check), &format!("flattened: {name}"), token, text);
    };
    bad(&FORMAT_JSON, "cut off", |mut it| {
        it.pop();
        it
    });
    bad(&FORMAT_JSON, "letters after it", |it| format!("{it}~"));
    bad(&FORMAT_JSON, "two of them", |it| format!("{it}{it}"));
    bad(&FORMAT_NAMES, "payload twice", |it| it.replacen('{', "{\"payload\":\"AAAA\",", 1));
    bad(&FORMAT_NAMES, "kb_jwt twice", |it| {
        it.replacen("\"kb_jwt\"", "\"kb_jwt\":\"AA.AA.AA\",\"kb_jwt\"", 1)
    });
    bad(&FORMAT_NESTING, "nested too deep", |it| {
        it.replacen('{', &format!("{{\"a\":{}{},", "[".repeat(21), "]".repeat(21)), 1)
    });
    bad(&FORMAT_PARTS, "in a list", |it| format!("[{it}]"));
    bad(&FORMAT_PARTS, "in a JSON text", |it| Value::String(it).to_string());
}
