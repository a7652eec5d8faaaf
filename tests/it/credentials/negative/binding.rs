//! What is wrong with key bindings.

use aws_lc_rs::digest;
use peshub::credentials::sdjwt::defect::{
    BINDING_ALGORITHM, BINDING_AUDIENCE, BINDING_FORM, BINDING_HASH, BINDING_KEY, BINDING_NONCE,
    BINDING_PRESENT, BINDING_SIGNATURE, BINDING_TIME, BINDING_TYPE,
};
use peshub::credentials::sdjwt::encoding;
use serde_json::{Value, json};

use crate::credentials::maker::{self, AGE_S_MAX, AUDIENCE, Hash, KEYS, NONCE, NOW, Token};
use crate::credentials::negative::{Table, odd_values};

pub(super) fn rows(table: &mut Table) {
    presence(table);
    header(table);
    signature(table);
    hash(table);
    recipient(table);
    time(table);
    form(table);
}

fn presence(table: &mut Table) {
    table.bad(&BINDING_PRESENT, "no key binding where one is asked for", |it| it.binding = None);
    table.bad(&BINDING_PRESENT, "neither disclosures nor a key binding", |it| {
        it.binding = None;
        it.disclosures.clear();
    });
    table.bad(&BINDING_PRESENT, "no key binding, and no key to bind to", |it| {
        it.binding = None;
        it.remove("cnf");
    });
    table.bad(&BINDING_KEY, "the key is named in the key binding only", |it| {
        it.remove("cnf");
        it.binding().header["jwk"] = KEYS.holder.public().to_jwk();
    });
}

fn header(table: &mut Table) {
    for typ in ["JWT", "KB+JWT", "kb+jwt ", "dc+sd-jwt", "application/kb+jwt", ""] {
        table.bad(&BINDING_TYPE, &format!("key binding: typ is '{typ}'"), |it| {
            it.binding().header["typ"] = json!(typ);
        });
    }
    table.bad(&BINDING_TYPE, "key binding: no typ", |it| {
        it.binding().header = json!({"alg": "ES256"});
    });
    for name in ["none", "HS256", "ES384", "RS256", "", "es256"] {
        table.bad(&BINDING_ALGORITHM, &format!("key binding: alg is '{name}'"), |it| {
            it.binding().header["alg"] = json!(name);
        });
    }
    table.bad(&BINDING_ALGORITHM, "key binding: no alg", |it| {
        it.binding().header = json!({"typ": "kb+jwt"});
    });
    table.bad(&BINDING_ALGORITHM, "key binding: alg of another kind of key", |it| {
        it.binding().header["alg"] = json!("EdDSA");
    });
    table.bad(&BINDING_ALGORITHM, "key binding: signed with a key of another kind", |it| {
        it.binding().header["alg"] = json!("EdDSA");
        it.binding().key = &KEYS.holder_ed;
    });
    table
        .bad(&BINDING_FORM, "key binding: crit", |it| it.binding().header["crit"] = json!(["exp"]));
    table.bad(&BINDING_FORM, "key binding: kid is a number", |it| {
        it.binding().header["kid"] = json!(1);
    });
    table.good("key binding: a kid and a parameter that nobody knows", |it| {
        it.binding().header["kid"] = json!("1");
        it.binding().header["future"] = json!({});
    });
}

fn signature(table: &mut Table) {
    let mut bad = |name: &str, tamper: fn(Vec<u8>) -> Vec<u8>| {
        table.bad(&BINDING_SIGNATURE, &format!("key binding: {name}"), |it| {
            it.binding().tamper = Some(tamper);
        });
    };
    bad("a bit of the signature", |mut it| {
        it[10] ^= 4;
        it
    });
    bad("no signature", |_| Vec::new());
    bad("a byte too few", |it| it[1..].to_vec());
    bad("a byte too many", |mut it| {
        it.insert(0, 0);
        it
    });
    bad("all zeros", |it| vec![0; it.len()]);
    table.bad(&BINDING_SIGNATURE, "key binding: signed by the issuer", |it| {
        it.binding().key = &KEYS.issuer;
    });
    table.bad(&BINDING_SIGNATURE, "key binding: signed by a stranger", |it| {
        it.binding().key = &KEYS.stranger;
    });
    table.bad(&BINDING_SIGNATURE, "key binding: signed by the key in its own header", |it| {
        it.binding().key = &KEYS.stranger;
        it.binding().header["jwk"] = KEYS.stranger.public().to_jwk();
    });
    table.bad(&BINDING_SIGNATURE, "the credential is another holder's", |it| {
        it.payload()["cnf"] = json!({"jwk": KEYS.stranger.public().to_jwk()});
    });
    let mut token = Token::sound_ed();
    token.binding().tamper = Some(|mut it| {
        it[63] ^= 1;
        it
    });
    let text = token.text();
    table.push(Some(&BINDING_SIGNATURE), "key binding: a bit of an Ed25519 signature", token, text);
}

fn hash(table: &mut Table) {
    let mut bad = |name: &str, of: fn(&str) -> Value| {
        let name = format!("key binding: sd_hash {name}");
        table.bad(&BINDING_HASH, &name, |it| it.binding.as_mut().unwrap().1 = Hash::Of(of));
    };
    bad("of something else", |_| json!(maker::digest_of("something else")));
    bad("of the text without its last tilde", |it| {
        json!(maker::digest_of(it.strip_suffix('~').unwrap()))
    });
    bad("of the issuer-signed JWT alone", |it| {
        json!(maker::digest_of(it.split('~').next().unwrap()))
    });
    bad("with padding", |it| json!(format!("{}=", maker::digest_of(it))));
    bad("by SHA-512", |it| {
        json!(encoding::encode(digest::digest(&digest::SHA512, it.as_bytes()).as_ref()))
    });
    bad("in hexadecimal digits", |it| {
        let digest = digest::digest(&digest::SHA256, it.as_bytes());
        json!(maker::hex(digest.as_ref()))
    });
    bad("empty", |_| json!(""));
    for (what, value) in odd_values() {
        table.bad(&BINDING_FORM, &format!("key binding: sd_hash is {what}"), |it| {
            it.binding.as_mut().unwrap().1 = Hash::Given(value);
        });
    }
    table.bad(&BINDING_FORM, "key binding: no sd_hash", |it| {
        it.binding.as_mut().unwrap().1 = Hash::Absent;
    });
    // What is done to a presentation after it was bound.
    let mut after = |name: &str, change: fn(&mut Token)| {
        let mut token = Token::sound();
        let bound = token.bound_text();
        let binding = token.binding_text(&bound);
        change(&mut token);
        // The issuer's signature stays what it was: only disclosures change.
        let jwt = bound.split('~').next().unwrap();
        let disclosures: String = token.disclosures.iter().flat_map(|it| [it, "~"]).collect();
        let text = format!("{jwt}~{disclosures}{binding}");
        table.push(Some(&BINDING_HASH), name, token, text);
    };
    after("a disclosure taken away after it was bound", |it| {
        it.disclosures.remove(1);
    });
    after("all disclosures taken away after it was bound", |it| it.disclosures.clear());
    after("disclosures in another order after it was bound", |it| it.disclosures.swap(0, 1));
    let mut other = Token::sound();
    other.payload()["jti"] = json!("another");
    let (token, bound) = (Token::sound(), other.bound_text());
    let text = bound.clone() + &token.binding_text(&token.bound_text());
    table.push(Some(&BINDING_HASH), "the key binding of another credential", token, text);
}

fn recipient(table: &mut Table) {
    let others = [
        "https://hub.example/platforms/two",
        "",
        "https://hub.example/platforms/",
        "HTTPS://hub.example/platforms/one",
        "https://hub.example/platforms/one/",
        " https://hub.example/platforms/one",
    ];
    for other in others {
        table.bad(&BINDING_AUDIENCE, &format!("key binding: aud is '{other}'"), |it| {
            it.binding().payload["aud"] = json!(other);
        });
    }
    table.bad(&BINDING_AUDIENCE, "key binding: aud names another one besides", |it| {
        it.binding().payload["aud"] = json!([AUDIENCE, "https://other.example"]);
    });
    table.bad(&BINDING_AUDIENCE, "key binding: aud is a list of another one", |it| {
        it.binding().payload["aud"] = json!(["https://other.example"]);
    });
    for (what, value) in [
        ("a number", json!(1)),
        ("null", Value::Null),
        ("an empty list", json!([])),
        ("an object", json!({})),
    ] {
        table.bad(&BINDING_FORM, &format!("key binding: aud is {what}"), |it| {
            it.binding().payload["aud"] = value;
        });
    }
    table.good("key binding: aud is a list of one", |it| {
        it.binding().payload["aud"] = json!([AUDIENCE]);
    });
    for other in ["another", "", &NONCE[1..], &format!("{NONCE} "), &NONCE.to_lowercase()] {
        table.bad(&BINDING_NONCE, &format!("key binding: nonce is '{other}'"), |it| {
            it.binding().payload["nonce"] = json!(other);
        });
    }
    for (what, value) in odd_values() {
        table.bad(&BINDING_FORM, &format!("key binding: nonce is {what}"), |it| {
            it.binding().payload["nonce"] = value;
        });
    }
    for name in ["aud", "nonce", "iat"] {
        table.bad(&BINDING_FORM, &format!("key binding: no {name}"), |it| {
            it.binding().payload.as_object_mut().unwrap().remove(name);
        });
    }
}

fn time(table: &mut Table) {
    let made = |it: &mut Token, at: i64| it.binding().payload["iat"] = json!(at);
    table.good("key binding: made by a clock 60 s ahead", |it| made(it, NOW + 60));
    table.bad(&BINDING_TIME, "key binding: made by a clock 61 s ahead", |it| made(it, NOW + 61));
    table.good("key binding: made as long ago as is taken", |it| made(it, NOW - AGE_S_MAX - 60));
    table.bad(&BINDING_TIME, "key binding: made a second longer ago", |it| {
        made(it, NOW - AGE_S_MAX - 61);
    });
    table.bad(&BINDING_TIME, "key binding: made in 1970", |it| made(it, 0));
    table.bad(&BINDING_TIME, "key binding: made before 1970", |it| made(it, -1_000_000));
    table.bad(&BINDING_TIME, "key binding: shown a day later", |it| it.now += 86_400);
    table.good("key binding: a fraction of a second", |it| {
        it.binding().payload["iat"] = json!(1_800_000_000.25);
    });
    let odd =
        [("a text", json!("now")), ("null", Value::Null), ("beyond the calendar", json!(1e300))];
    for (what, value) in odd {
        for name in ["iat", "exp", "nbf"] {
            table.bad(&BINDING_FORM, &format!("key binding: {name} is {what}"), |it| {
                it.binding().payload[name] = value.clone();
            });
        }
    }
    let claim = |it: &mut Token, name: &str, at: i64| it.binding().payload[name] = json!(at);
    table.good("key binding: exp is yet to come", |it| claim(it, "exp", NOW + 1));
    table.good("key binding: exp is past by less than clocks may be apart", |it| {
        claim(it, "exp", NOW - 59);
    });
    table.bad(&BINDING_TIME, "key binding: exp is past", |it| claim(it, "exp", NOW - 60));
    table.good("key binding: nbf is as far ahead as clocks may be apart", |it| {
        claim(it, "nbf", NOW + 60);
    });
    table.bad(&BINDING_TIME, "key binding: nbf is yet to come", |it| claim(it, "nbf", NOW + 61));
}

fn form(table: &mut Table) {
    let texts: [(&str, &[u8]); 5] = [
        ("no JSON", b"iat"),
        ("a list", b"[]"),
        ("a text", b"\"iat\""),
        ("nonce twice", b"{\"nonce\":\"a\",\"nonce\":\"b1mE0b7x1mE4uHf9QmV2bQ\"}"),
        ("no UTF-8", b"{\"nonce\":\"\xff\"}"),
    ];
    for (what, text) in texts {
        table.bad(&BINDING_FORM, &format!("key binding: the payload is {what}"), |it| {
            it.binding().payload_text = Some(text.to_vec());
        });
    }
    for (what, text) in [
        ("no JSON", &b"alg"[..]),
        ("a list", b"[]"),
        ("alg twice", b"{\"alg\":\"ES256\",\"alg\":\"ES256\",\"typ\":\"kb+jwt\"}"),
    ] {
        table.bad(&BINDING_FORM, &format!("key binding: the header is {what}"), |it| {
            it.binding().header_text = Some(text.to_vec());
        });
    }
    table.bad_text(&BINDING_FORM, "key binding: padding", |it| format!("{it}="));
    table.bad_text(&BINDING_FORM, "key binding: a line end", |it| format!("{it}\n"));
    table.bad_text(&BINDING_FORM, "key binding: three parts of nothing", |it| {
        format!("{}~..", it.rsplit_once('~').unwrap().0)
    });
    table.bad(&BINDING_FORM, "key binding: larger than is taken", |it| {
        it.binding().payload["more"] = json!("a".repeat(16 * 1024));
    });
    table.good("key binding: a claim that nobody knows", |it| {
        it.binding().payload["more"] = json!({"a": [1]});
    });
}
