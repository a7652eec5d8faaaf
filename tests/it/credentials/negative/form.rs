//! What is wrong with the text, the encoding, the JSON, the header and the signature.

use aws_lc_rs::hmac;
use peshub::credentials::sdjwt::defect::{
    FORMAT_ALGORITHM, FORMAT_CRITICAL, FORMAT_ENCODING, FORMAT_HEADER, FORMAT_JSON, FORMAT_NAMES,
    FORMAT_NESTING, FORMAT_PARTS, FORMAT_SIZE, FORMAT_TYPE, SIGNATURE_ALGORITHM, SIGNATURE_ISSUER,
};
use peshub::credentials::sdjwt::encoding;
use serde_json::{Value, json};

use crate::credentials::maker::{KEYS, Token};
use crate::credentials::negative::{Table, odd_values};

pub(super) fn rows(table: &mut Table) {
    parts(table);
    encoding(table);
    json_texts(table);
    names_and_nesting(table);
    algorithm(table);
    header(table);
    signature(table);
}

fn parts(table: &mut Table) {
    table.good("the sound token", |_| {});
    table.good("without key binding, where none is asked for", Token::unbound);
    table.good("with key binding, where none is asked for", |it| it.needs_binding = false);
    table.push_ed();
    table.good("nothing disclosed", |it| it.disclosures.clear());
    let bad = |table: &mut Table, name: &str, change: fn(String) -> String| {
        table.bad_text(&FORMAT_PARTS, name, change);
    };
    bad(table, "no text", |_| String::new());
    bad(table, "a tilde and nothing else", |_| "~".to_owned());
    bad(table, "the JWT alone, without a tilde", |it| it.split('~').next().unwrap().to_owned());
    bad(table, "the last tilde is missing", |it| it.rsplit_once('~').unwrap().0.to_owned());
    bad(table, "a tilde too much after the JWT", |it| it.replacen('~', "~~", 1));
    bad(table, "a tilde too much before the key binding", |it| {
        let (bound, binding) = it.rsplit_once('~').unwrap();
        format!("{bound}~~{binding}")
    });
    bad(table, "a tilde before everything", |it| format!("~{it}"));
    bad(table, "the signature is missing", |it| {
        let (jwt, rest) = it.split_once('~').unwrap();
        format!("{}~{rest}", jwt.rsplit_once('.').unwrap().0)
    });
    bad(table, "a fourth part", |it| it.replacen('~', ".AAAA~", 1));
    bad(table, "five parts, as of an encrypted one", |it| it.replacen('~', ".AAAA.AAAA~", 1));
    bad(table, "commas in place of tildes", |it| it.replace('~', ","));
    bad(table, "a line end after it", |it| {
        format!("{}\n", it.rsplit_once('~').unwrap().0.to_owned() + "~")
    });
    bad(table, "a key binding of two parts", |it| it.rsplit_once('.').unwrap().0.to_owned());
    bad(table, "a key binding of four parts", |it| format!("{it}.AAAA"));
    bad(table, "a disclosure without its tilde at the end", |it| {
        format!("{}~WyJzIiwibiIsMV0", it.rsplit_once('~').unwrap().0)
    });
    table.bad_text(&FORMAT_SIZE, "a byte more than is taken", |it| {
        let more = 256 * 1024 + 1 - it.len();
        format!("{it}{}", "A".repeat(more))
    });
    table.bad_text(&FORMAT_SIZE, "a token of 1 MB", |it| format!("{}~{it}", "A".repeat(1_000_000)));
    table.bad_text(&FORMAT_SIZE, "a JSON serialisation of 1 MB", |_| {
        format!("{{\"payload\": \"{}\"}}", "A".repeat(1_000_000))
    });
}

impl Table {
    fn push_ed(&mut self) {
        let token = Token::sound_ed();
        let text = token.text();
        self.push(None, "the sound token with Ed25519", token, text);
    }
}

/// Sets a bit that belongs to no byte in the last letter of a text.
fn with_stray_bit(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert!(!text.len().is_multiple_of(4), "{text} has no stray bits");
    let (head, last) = text.split_at(text.len() - 1);
    let place = LETTERS.iter().position(|it| *it == last.as_bytes()[0]).unwrap();
    format!("{head}{}", char::from(LETTERS[place | 1]))
}

/// Changes one of the parts of the issuer-signed JWT.
fn with_part(text: &str, part: usize, change: impl FnOnce(&str) -> String) -> String {
    let (jwt, rest) = text.split_once('~').unwrap();
    let mut parts: Vec<String> = jwt.split('.').map(ToOwned::to_owned).collect();
    parts[part] = change(&parts[part]);
    format!("{}~{rest}", parts.join("."))
}

fn encoding(table: &mut Table) {
    let names = ["header", "payload", "signature"];
    for (part, name) in names.into_iter().enumerate() {
        let mut bad = |what: &str, change: fn(&str) -> String| {
            table.bad_text(&FORMAT_ENCODING, &format!("{name}: {what}"), |it| {
                with_part(&it, part, change)
            });
        };
        bad("padding", |it| format!("{it}="));
        bad("a letter of the other alphabet", |it| format!("{}+/", &it[..it.len() - 2]));
        bad("a space", |it| format!("{} {}", &it[..4], &it[4..]));
        bad("a line end", |it| format!("{it}\n"));
        bad("no ASCII", |it| format!("{it}é"));
        bad("a zero byte", |it| format!("{it}\0"));
    }
    table.bad_text(&FORMAT_ENCODING, "signature: a stray bit", |it| {
        with_part(&it, 2, with_stray_bit)
    });
    // A space more or less leaves stray bits to the last letter.
    for part in ["header", "payload"] {
        let mut token = Token::sound();
        let jwt = &mut token.jwt;
        let mut text = if part == "header" { &jwt.header } else { &jwt.payload }.to_string();
        while text.len().is_multiple_of(3) {
            text.push(' ');
        }
        let bytes = Some(text.into_bytes());
        if part == "header" {
            jwt.header_text = bytes;
        } else {
            jwt.payload_text = bytes;
        }
        let number = usize::from(part == "payload");
        let text = with_part(&token.text(), number, with_stray_bit);
        table.push(Some(&FORMAT_ENCODING), &format!("{part}: a stray bit"), token, text);
    }
    table.bad_text(&FORMAT_ENCODING, "a space before it", |it| format!(" {it}"));
    table.bad_text(&FORMAT_ENCODING, "a disclosure with padding", |it| it.replacen("~W", "~=W", 1));
    table.bad(&FORMAT_ENCODING, "a disclosure with a stray bit", |it| {
        it.unbound();
        let mut text = b"[\"salt-9\",\"x\",1]".to_vec();
        while text.len().is_multiple_of(3) {
            text.push(b' ');
        }
        it.disclosures.push(with_stray_bit(&encoding::encode(&text)));
    });
    table.bad_text(&FORMAT_ENCODING, "a tilde after the key binding", |it| format!("{it}~"));
    table.bad_text(&FORMAT_ENCODING, "the key binding before the disclosures", |it| {
        let (bound, binding) = it.rsplit_once('~').unwrap();
        let (jwt, rest) = bound.split_once('~').unwrap();
        format!("{jwt}~{binding}~{rest}~")
    });
}

fn json_texts(table: &mut Table) {
    let texts: [(&str, &[u8]); 14] = [
        ("nothing", b""),
        ("a list", b"[]"),
        ("a text", b"\"alg\""),
        ("a number", b"1"),
        ("null", b"null"),
        ("cut off", b"{\"alg\": \"ES256\""),
        ("two values", b"{} {}"),
        ("letters after it", b"{\"alg\":\"ES256\",\"typ\":\"dc+sd-jwt\"}x"),
        ("a byte order mark", b"\xef\xbb\xbf{}"),
        ("no UTF-8", b"{\"alg\": \"\xff\"}"),
        ("half a surrogate pair", b"{\"alg\": \"\\ud800\"}"),
        ("a comment", b"{/* */}"),
        ("single quotes", b"{'alg': 'ES256'}"),
        ("no number", b"{\"exp\": NaN}"),
    ];
    for (what, text) in texts {
        table.bad(&FORMAT_JSON, &format!("header: {what}"), |it| {
            it.jwt.header_text = Some(text.to_vec());
        });
        table.bad(&FORMAT_JSON, &format!("payload: {what}"), |it| {
            it.jwt.payload_text = Some(text.to_vec());
        });
    }
    table.good("white space in the JSON", |it| {
        it.jwt.payload_text = Some(serde_json::to_vec_pretty(&it.jwt.payload).unwrap());
        it.jwt.header_text = Some(format!(" {} \n", it.jwt.header).into_bytes());
    });
    table.good("names with escapes", |it| {
        let text = it.jwt.payload.to_string().replace("\"_sd\"", "\"\\u005fsd\"");
        it.jwt.payload_text = Some(text.replace("\"...\"", "\"\\u002e..\"").into_bytes());
    });
}

fn names_and_nesting(table: &mut Table) {
    let mut twice = |name: &str, own: &str, other: &str| {
        table.bad(&FORMAT_NAMES, name, |it| {
            let text = it.jwt.payload.to_string();
            assert!(text.contains(own), "{own}");
            it.jwt.payload_text =
                Some(text.replacen(own, &format!("{other},{own}"), 1).into_bytes());
        });
    };
    twice("payload: iss twice", "\"iss\":", "\"iss\":\"https://other.example\"");
    twice("payload: exp twice, once with escapes", "\"exp\":", "\"\\u0065xp\":1");
    twice("payload: _sd twice", "\"_sd\":", "\"_sd\":[]");
    twice("payload: _sd_alg twice", "\"_sd_alg\":", "\"_sd_alg\":\"sha-256\"");
    twice("payload: jwk twice", "\"jwk\":", "\"jwk\":{}");
    twice("payload: idx twice", "\"idx\":", "\"idx\":8");
    table.bad(&FORMAT_NAMES, "header: alg twice", |it| {
        it.jwt.header_text = Some(br#"{"alg":"none","typ":"dc+sd-jwt","alg":"ES256"}"#.to_vec());
    });
    table.bad(&FORMAT_NAMES, "a disclosure with a name twice", |it| {
        it.add_raw(br#"["salt-9","x",{"a":1,"a":2}]"#);
    });
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    table.good("payload nested as deep as is taken", |it| it.payload()["deep"] = nested(19));
    table.bad(&FORMAT_NESTING, "payload nested too deep", |it| it.payload()["deep"] = nested(20));
    table.bad(&FORMAT_NESTING, "header nested too deep", |it| it.header()["deep"] = nested(20));
    table.bad(&FORMAT_NESTING, "payload nested a thousand deep", |it| {
        it.jwt.payload_text =
            Some(format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)).into_bytes());
    });
    table.good("a disclosure nested as deep as is taken", |it| {
        it.add("", &json!(["salt-9", "deep", nested(19)]));
    });
    table.bad(&FORMAT_NESTING, "a disclosure nested too deep", |it| {
        it.add("", &json!(["salt-9", "deep", nested(20)]));
    });
    table.bad(&FORMAT_NESTING, "a disclosure that is too deep where it belongs", |it| {
        it.payload()["deep"] = json!({"a": {"b": {}}});
        it.add("/deep/a/b", &json!(["salt-9", "deeper", nested(18)]));
    });
}

fn algorithm(table: &mut Table) {
    let others = [
        "none", "None", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "RS512", "PS256", "ES384",
        "ES512", "ES256K", "es256", "ES256 ", "EdDSA448", "Ed448", "ECDH-ES", "dir",
    ];
    for name in others {
        table.bad(&FORMAT_ALGORITHM, &format!("alg is '{name}'"), |it| {
            it.header()["alg"] = json!(name);
        });
    }
    for (what, value) in odd_values() {
        table.bad(&FORMAT_ALGORITHM, &format!("alg is {what}"), |it| it.header()["alg"] = value);
    }
    table.bad(&FORMAT_ALGORITHM, "no alg", |it| {
        it.header().as_object_mut().unwrap().remove("alg");
    });
    // The key as the shared secret of an HMAC: whoever asks the header is taken in.
    let mut token = Token::sound();
    token.header()["alg"] = json!("HS256");
    token.unbound();
    let [header, payload, _] = token.jwt.parts();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, token.issuer.point());
    let tag = hmac::sign(&secret, format!("{header}.{payload}").as_bytes());
    let text = format!("{header}.{payload}.{}~", encoding::encode(tag.as_ref()));
    table.push(Some(&FORMAT_ALGORITHM), "signed with the public key as a secret", token, text);
    table.bad(&FORMAT_ALGORITHM, "alg none and no signature", |it| {
        it.unbound();
        it.header()["alg"] = json!("none");
        it.jwt.tamper = Some(|_| Vec::new());
    });
    table.bad(&SIGNATURE_ALGORITHM, "alg of another kind of key", |it| {
        it.header()["alg"] = json!("EdDSA");
    });
    table.bad(&SIGNATURE_ALGORITHM, "the key is of another kind", |it| {
        it.issuer = KEYS.issuer_ed.public().clone();
    });
}

fn header(table: &mut Table) {
    let crits: [Value; 6] =
        [json!(["b64"]), json!(["exp"]), json!([]), json!("b64"), Value::Null, json!(["alg"])];
    for crit in crits {
        table.bad(&FORMAT_CRITICAL, &format!("crit is {crit}"), |it| it.header()["crit"] = crit);
    }
    for (what, value) in [("false", json!(false)), ("'true'", json!("true")), ("null", Value::Null)]
    {
        table.bad(&FORMAT_CRITICAL, &format!("b64 is {what}"), |it| it.header()["b64"] = value);
    }
    let types = [
        "JWT",
        "vc+sd-jwt",
        "dc+sd-JWT",
        "DC+SD-JWT",
        "application/dc+sd-jwt",
        "sd-jwt",
        "kb+jwt",
        "statuslist+jwt",
        "dc+sd-jwt ",
        "",
        "example+sd-jwt",
    ];
    for typ in types {
        table.bad(&FORMAT_TYPE, &format!("typ is '{typ}'"), |it| it.header()["typ"] = json!(typ));
    }
    table.bad(&FORMAT_TYPE, "no typ", |it| {
        it.header().as_object_mut().unwrap().remove("typ");
    });
    for (what, value) in odd_values() {
        for name in ["typ", "kid", "x5c"] {
            let check = &FORMAT_HEADER;
            table.bad(check, &format!("{name} is {what}"), |it| it.header()[name] = value.clone());
        }
    }
    table.bad(&FORMAT_HEADER, "x5c without certificates", |it| it.header()["x5c"] = json!([]));
    table.bad(&FORMAT_HEADER, "x5c in base64url", |it| it.header()["x5c"] = json!(["MIIB-_8"]));
    table.bad(&FORMAT_HEADER, "x5c without padding", |it| it.header()["x5c"] = json!(["MIIBAQ"]));
    table.bad(&FORMAT_HEADER, "x5c with more certificates than are taken", |it| {
        it.header()["x5c"] = json!(vec!["AAAA"; 9]);
    });
    table.bad(&FORMAT_HEADER, "x5c with a certificate that is too large", |it| {
        it.header()["x5c"] = json!(["A".repeat(32 * 1024)]);
    });
    table.good("x5c with certificates that are looked at elsewhere", |it| {
        it.header()["x5c"] = json!(["AAAA", "AAA="]);
    });
    table.good("no kid", |it| {
        it.header().as_object_mut().unwrap().remove("kid");
    });
    table.good("a parameter that nobody knows", |it| it.header()["future"] = json!({"a": 1}));
    table.good("a key in the header, which nobody asks", |it| {
        it.header()["jwk"] = KEYS.stranger.public().to_jwk();
        it.header()["jku"] = json!("https://evil.example/keys");
    });
}

fn signature(table: &mut Table) {
    let mut bad = |name: &str, tamper: fn(Vec<u8>) -> Vec<u8>| {
        table.bad(&SIGNATURE_ISSUER, name, |it| it.jwt.tamper = Some(tamper));
    };
    bad("a bit of r", |mut it| {
        it[0] ^= 1;
        it
    });
    bad("a bit of s", |mut it| {
        it[63] ^= 0x80;
        it
    });
    bad("r and s exchanged", |mut it| {
        it.rotate_left(32);
        it
    });
    bad("no signature", |_| Vec::new());
    bad("a byte too few", |mut it| {
        it.pop();
        it
    });
    bad("a byte too many", |mut it| {
        it.push(0);
        it
    });
    bad("all zeros", |it| vec![0; it.len()]);
    bad("all ones", |it| vec![0xff; it.len()]);
    bad("r is zero", |mut it| {
        it[..32].fill(0);
        it
    });
    bad("s is zero", |mut it| {
        it[32..].fill(0);
        it
    });
    bad("r and s in DER", |it| {
        let number = |half: &[u8]| {
            let mut bytes = vec![0];
            bytes.extend_from_slice(half);
            let mut der = vec![2, 33];
            der.extend(bytes);
            der
        };
        let mut der = vec![0x30, 70];
        der.extend(number(&it[..32]));
        der.extend(number(&it[32..]));
        der
    });
    table.bad(&SIGNATURE_ISSUER, "signed by a stranger", |it| it.jwt.key = &KEYS.stranger);
    table.bad(&SIGNATURE_ISSUER, "signed by its holder", |it| it.jwt.key = &KEYS.holder);
    table.bad(&SIGNATURE_ISSUER, "signed by the key in its own header", |it| {
        it.header()["jwk"] = KEYS.stranger.public().to_jwk();
        it.jwt.key = &KEYS.stranger;
    });
    for (part, what) in ["the header", "the payload"].into_iter().enumerate() {
        table.bad_text(&SIGNATURE_ISSUER, &format!("{what} changed after it was signed"), |it| {
            with_part(&it, part, |text| {
                let mut value: Value =
                    serde_json::from_slice(&encoding::decode(text).unwrap()).unwrap();
                value["kid"] = json!("2026-2");
                encoding::encode(value.to_string().as_bytes())
            })
        });
    }
    let mut other = Token::sound();
    other.payload()["exp"] = json!(1);
    let [_, _, signature] = other.jwt.parts();
    table.bad_text(&SIGNATURE_ISSUER, "the signature of another token", |it| {
        with_part(&it, 2, |_| signature)
    });
    let mut token = Token::sound_ed();
    token.jwt.tamper = Some(|mut it| {
        it[40] ^= 1;
        it
    });
    let text = token.text();
    table.push(Some(&SIGNATURE_ISSUER), "a bit of an Ed25519 signature", token, text);
    let mut token = Token::sound_ed();
    token.jwt.tamper = Some(|it| it[..63].to_vec());
    let text = token.text();
    table.push(Some(&SIGNATURE_ISSUER), "an Ed25519 signature of 63 bytes", token, text);
}
