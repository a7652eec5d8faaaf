//! What is wrong with claims that a verifier decides by, and with the hash function.

use peshub::credentials::sdjwt::defect::{
    BINDING_KEY, DISCLOSURES_UNREFERENCED, FORMAT_CLAIMS, FORMAT_CONFIRMATION, FORMAT_HASH,
    FORMAT_STATUS, FORMAT_VCT,
};
use serde_json::{Value, json};

use crate::credentials::maker::{KEYS, Token};
use crate::credentials::negative::{Table, odd_values};

pub(super) fn rows(table: &mut Table) {
    names(table);
    times(table);
    status(table);
    confirmation(table);
    hash(table);
}

fn names(table: &mut Table) {
    table.bad(&FORMAT_VCT, "no vct", |it| it.remove("vct"));
    table.bad(&FORMAT_VCT, "vct is empty", |it| it.payload()["vct"] = json!(""));
    table.bad(&FORMAT_VCT, "vct is hidden", |it| {
        it.remove("vct");
        it.add("", &json!(["salt-9", "vct", "https://hub.example/types/other/1"]));
    });
    for (what, value) in odd_values() {
        table.bad(&FORMAT_VCT, &format!("vct is {what}"), |it| it.payload()["vct"] = value.clone());
        table.bad(&FORMAT_CLAIMS, &format!("iss is {what}"), |it| {
            it.payload()["iss"] = value.clone();
        });
        table.bad(&FORMAT_CLAIMS, &format!("sub is {what}"), |it| it.payload()["sub"] = value);
    }
    table.bad(&FORMAT_CLAIMS, "iss is empty", |it| it.payload()["iss"] = json!(""));
    table.bad(&FORMAT_CLAIMS, "sub is empty", |it| it.payload()["sub"] = json!(""));
    table.bad(&FORMAT_CLAIMS, "a hidden sub is a number", |it| {
        it.add("", &json!(["salt-9", "sub", 7]));
    });
    table.good("no iss", |it| it.remove("iss"));
    table.good("no exp", |it| it.remove("exp"));
    table.good("neither iat, nbf nor exp", |it| {
        for name in ["iat", "nbf", "exp"] {
            it.remove(name);
        }
    });
    table.good("a hidden sub", |it| it.add("", &json!(["salt-9", "sub", "worker-7"])));
    table.good("claims that have other meanings elsewhere", |it| {
        it.payload()["_sd_hash"] = json!(1);
        it.payload()["sd_hash"] = json!(["a"]);
        it.payload()["...."] = json!("a");
        it.payload()["_SD"] = json!("a");
    });
}

fn times(table: &mut Table) {
    for name in ["iat", "nbf", "exp"] {
        let odd: [(&str, Value); 8] = [
            ("a text", json!("1800000000")),
            ("a date", json!("2027-01-15T08:00:00Z")),
            ("null", Value::Null),
            ("true", json!(true)),
            ("a list", json!([1_800_000_000])),
            ("an object", json!({"at": 1})),
            ("beyond the calendar", json!(1e300)),
            ("far beyond the calendar", json!(i64::MAX)),
        ];
        for (what, value) in odd {
            let name_of_row = format!("{name} is {what}");
            table.bad(&FORMAT_CLAIMS, &name_of_row, |it| it.payload()[name] = value);
        }
        table.good(&format!("{name} is a fraction"), |it| {
            it.payload()[name] = json!(1_800_000_000.5);
        });
    }
    table.bad(&FORMAT_CLAIMS, "a hidden iat is a text", |it| {
        it.remove("iat");
        it.add("", &json!(["salt-9", "iat", "now"]));
    });
    table.good("a hidden iat", |it| {
        it.remove("iat");
        it.add("", &json!(["salt-9", "iat", 1_799_999_000]));
    });
}

fn status(table: &mut Table) {
    for (what, value) in [("a text", json!("valid")), ("null", Value::Null), ("a list", json!([0]))]
    {
        table.bad(&FORMAT_STATUS, &format!("status is {what}"), |it| {
            it.payload()["status"] = value.clone();
        });
        table.bad(&FORMAT_STATUS, &format!("status_list is {what}"), |it| {
            it.payload()["status"] = json!({"status_list": value});
        });
    }
    let uri = "https://hub.example/status/1";
    let lists = [
        ("without idx", json!({"uri": uri})),
        ("with a negative idx", json!({"uri": uri, "idx": -1})),
        ("with a fraction as idx", json!({"uri": uri, "idx": 1.5})),
        ("with a text as idx", json!({"uri": uri, "idx": "1"})),
        ("with an idx beyond all numbers", json!({"uri": uri, "idx": 1e30})),
        ("without uri", json!({"idx": 1})),
        ("with an empty uri", json!({"uri": "", "idx": 1})),
        ("with a number as uri", json!({"uri": 1, "idx": 1})),
    ];
    for (what, list) in lists {
        table.bad(&FORMAT_STATUS, &format!("a status list {what}"), |it| {
            it.payload()["status"] = json!({"status_list": list});
        });
    }
    table.good("no status", |it| it.remove("status"));
    table.good("a status of another mechanism", |it| it.payload()["status"] = json!({"other": {}}));
}

fn confirmation(table: &mut Table) {
    let jwk = |change: fn(&mut Value)| {
        let mut jwk = KEYS.holder.public().to_jwk();
        change(&mut jwk);
        json!({"jwk": jwk})
    };
    let odd: [(&str, Value); 13] = [
        ("cnf is a text", json!("key")),
        ("cnf is null", Value::Null),
        ("cnf is empty", json!({})),
        ("the holder's key is a text", json!({"jwk": "key"})),
        ("the holder's key has no kind", jwk(|it| it["kty"] = Value::Null)),
        ("the holder's key lacks y", jwk(|it| it["y"] = Value::Null)),
        ("x of the holder's key is short", jwk(|it| it["x"] = json!("AAAA"))),
        (
            "x of the holder's key has padding",
            jwk(|it| it["x"] = json!(format!("{}=", it["x"].as_str().unwrap()))),
        ),
        (
            "x of the holder's key has a byte too much",
            jwk(|it| it["x"] = json!(format!("{}A", it["x"].as_str().unwrap()))),
        ),
        ("the holder's key comes with its secret half", jwk(|it| it["d"] = it["x"].clone())),
        ("the holder's key is for encryption", jwk(|it| it["use"] = json!("enc"))),
        ("the holder's key is for signing only", jwk(|it| it["key_ops"] = json!(["sign"]))),
        ("the holder's key is for another algorithm", jwk(|it| it["alg"] = json!("ES384"))),
    ];
    for (what, cnf) in odd {
        table.bad(&FORMAT_CONFIRMATION, what, |it| it.payload()["cnf"] = cnf);
    }
    table.good("the holder's key says what it is for", |it| {
        it.payload()["cnf"]["jwk"]["use"] = json!("sig");
        it.payload()["cnf"]["jwk"]["alg"] = json!("ES256");
        it.payload()["cnf"]["jwk"]["key_ops"] = json!(["verify"]);
        it.payload()["cnf"]["jwk"]["kid"] = json!("1");
    });
    let elsewhere = jwk(|it| it["y"] = it["x"].clone());
    let rsa = json!({"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}});
    for (what, cnf) in [
        ("a name of it", json!({"kid": "1"})),
        ("one of RSA", rsa),
        ("no point of its curve", elsewhere),
    ] {
        table.bad(&BINDING_KEY, &format!("the holder's key is {what}"), |it| {
            it.payload()["cnf"] = cnf.clone();
        });
        table.good(&format!("the holder's key is {what}, and nobody asks"), |it| {
            it.unbound();
            it.payload()["cnf"] = cnf;
        });
    }
    table.bad(&BINDING_KEY, "no cnf", |it| it.remove("cnf"));
    table.good("no cnf, and nobody asks", |it: &mut Token| {
        it.unbound();
        it.remove("cnf");
    });
}

fn hash(table: &mut Table) {
    let names = [
        "sha-1",
        "md5",
        "SHA-256",
        "sha256",
        "sha-256-128",
        "sha-224",
        "sha3-256",
        "blake2b-256",
        "",
        "sha-256 ",
    ];
    for name in names {
        table.bad(&FORMAT_HASH, &format!("_sd_alg is '{name}'"), |it| {
            it.payload()["_sd_alg"] = json!(name);
        });
    }
    for (what, value) in odd_values() {
        table
            .bad(&FORMAT_HASH, &format!("_sd_alg is {what}"), |it| it.payload()["_sd_alg"] = value);
    }
    table.bad(&DISCLOSURES_UNREFERENCED, "_sd_alg is another one than that of the digests", |it| {
        it.payload()["_sd_alg"] = json!("sha-512");
    });
    table.good("no _sd_alg, which is SHA-256", |it| it.remove("_sd_alg"));
}
