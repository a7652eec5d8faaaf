//! What is wrong with disclosures and digests.

use peshub::credentials::sdjwt::defect::{
    DISCLOSURES_COUNT, DISCLOSURES_DIGEST_REPEATED, DISCLOSURES_EXISTING, DISCLOSURES_FORM,
    DISCLOSURES_KIND, DISCLOSURES_NAME, DISCLOSURES_PLACEMENT, DISCLOSURES_REGISTERED,
    DISCLOSURES_REPEATED, DISCLOSURES_UNREFERENCED, FORMAT_JSON,
};
use serde_json::{Value, json};

use crate::credentials::maker::{self, Token};
use crate::credentials::negative::Table;

pub(super) fn rows(table: &mut Table) {
    form(table);
    names(table);
    existing(table);
    kinds(table);
    references(table);
    digests(table);
    placement(table);
    counts(table);
}

fn form(table: &mut Table) {
    let odd: [(&str, Value); 14] = [
        ("an empty list", json!([])),
        ("one item", json!(["salt-9"])),
        ("four items", json!(["salt-9", "x", 1, 2])),
        ("an object", json!({"salt": "salt-9", "name": "x", "value": 1})),
        ("a text", json!("salt-9")),
        ("a number", json!(9)),
        ("null", Value::Null),
        ("a number as salt", json!([9, "x", 1])),
        ("null as salt", json!([null, "x", 1])),
        ("an object as salt", json!([{}, "x", 1])),
        ("a number as name", json!(["salt-9", 9, 1])),
        ("null as name", json!(["salt-9", null, 1])),
        ("a list as name", json!(["salt-9", ["x"], 1])),
        ("two items and a number as salt", json!([9, "x"])),
    ];
    for (what, items) in odd {
        table.bad(&DISCLOSURES_FORM, &format!("a disclosure: {what}"), |it| it.add("", &items));
        table.bad(&DISCLOSURES_FORM, &format!("a disclosure without digest: {what}"), |it| {
            it.disclosures.push(maker::disclosure(&items).0);
        });
    }
    let texts: [(&str, &[u8]); 5] = [
        ("no JSON", b"salt-9,x,1"),
        ("cut off", b"[\"salt-9\",\"x\",1"),
        ("bytes after it", b"[\"salt-9\",\"x\",1]]"),
        ("no UTF-8", b"[\"salt-9\",\"x\",\"\xff\"]"),
        ("single quotes", b"['salt-9','x',1]"),
    ];
    for (what, text) in texts {
        table.bad(&FORMAT_JSON, &format!("a disclosure: {what}"), |it| it.add_raw(text));
    }
    table.good("a disclosure with white space and escapes", |it| {
        it.add_raw(b"[\n\"salt-9\" ,\t\"n\\u0061me2\", {\"a\" : null}\n]");
    });
    for value in [Value::Null, json!(false), json!([]), json!({}), json!(""), json!(-1.5)] {
        table.good(&format!("a disclosure that says {value}"), |it| {
            it.add("", &json!(["salt-9", "x", value]));
            it.add("/skills", &json!(["salt-8", value]));
        });
    }
    table
        .good("an empty salt, which is the issuer's affair", |it| it.add("", &json!(["", "x", 1])));
    table.good("an empty name", |it| it.add("", &json!(["salt-9", "", 1])));
}

fn names(table: &mut Table) {
    for name in ["_sd", "...", "_sd_alg"] {
        for value in [json!(["digest"]), json!("digest")] {
            table.bad(
                &DISCLOSURES_NAME,
                &format!("a disclosure is named {name} and says {value}"),
                |it| {
                    it.add("/employer", &json!(["salt-9", name, value]));
                },
            );
        }
        table.bad(&DISCLOSURES_NAME, &format!("a disclosure at the top is named {name}"), |it| {
            it.add("", &json!(["salt-9", name, "sha-256"]));
        });
        table.bad(
            &DISCLOSURES_NAME,
            &format!("a disclosure within another is named {name}"),
            |it| {
                let (text, digest) = maker::disclosure(&json!(["salt-9", name, ["x"]]));
                it.disclosures.push(text);
                it.add("", &json!(["salt-8", "outer", {"_sd": [digest]}]));
            },
        );
    }
    table.bad(
        &DISCLOSURES_NAME,
        "a disclosure has a name that the format keeps, with escapes",
        |it| {
            it.add_raw(b"[\"salt-9\",\"\\u005fsd\",[\"x\"]]");
        },
    );
    let registered = ["iss", "nbf", "exp", "cnf", "vct#integrity", "aka_vcts", "status"];
    for name in registered {
        table.bad(&DISCLOSURES_REGISTERED, &format!("{name} is hidden"), |it| {
            it.payload().as_object_mut().unwrap().remove(name);
            it.add("", &json!(["salt-9", name, "x"]));
        });
    }
    let hides: [(&str, &str); 5] = [
        ("/cnf", "cnf"),
        ("/cnf/jwk", "the holder's key"),
        ("/status", "status"),
        ("/status/status_list", "the status list"),
        ("/aka_vcts", "aka_vcts"),
    ];
    for (place, what) in hides {
        table.bad(
            &DISCLOSURES_REGISTERED,
            &format!("something in {what} is hidden and shown"),
            |it| {
                it.payload()["aka_vcts"] = json!(["https://hub.example/types/other"]);
                let items = if place == "/aka_vcts" {
                    json!(["salt-9", "x"])
                } else {
                    json!(["salt-9", "x", 1])
                };
                it.add(place, &items);
            },
        );
        table.bad(&DISCLOSURES_REGISTERED, &format!("something in {what} is withheld"), |it| {
            it.payload()["aka_vcts"] = json!(["https://hub.example/types/other"]);
            it.place(place, "withheld");
        });
    }
    table.good("a claim below the top has a name that is never hidden at the top", |it| {
        it.add("/employer", &json!(["salt-9", "exp", "2030"]));
        it.add("/employer", &json!(["salt-8", "status", "open"]));
    });
}

fn existing(table: &mut Table) {
    for name in ["plain", "skills", "employer", "iss", "vct", "exp", "cnf", "status"] {
        table.bad(&DISCLOSURES_EXISTING, &format!("a disclosure says {name} another way"), |it| {
            it.add("", &json!(["salt-9", name, "x"]));
        });
    }
    table.bad(&DISCLOSURES_EXISTING, "two disclosures of one name", |it| {
        it.add("", &json!(["salt-9", "name", "李四"]));
    });
    table.bad(&DISCLOSURES_EXISTING, "a disclosure says what an object says", |it| {
        it.add("/employer", &json!(["salt-9", "city", "x"]));
    });
    table.bad(&DISCLOSURES_EXISTING, "a disclosure says what a disclosed object says", |it| {
        let (text, digest) = maker::disclosure(&json!(["salt-9", "a", 2]));
        it.disclosures.push(text);
        it.add("", &json!(["salt-8", "outer", {"a": 1, "_sd": [digest]}]));
    });
    table.bad(&DISCLOSURES_EXISTING, "a disclosure says null once more", |it| {
        it.payload()["nothing"] = Value::Null;
        it.add("", &json!(["salt-9", "nothing", 1]));
    });
    table.good("two disclosures of one name at two places", |it| {
        it.add("/employer", &json!(["salt-9", "level", 1]));
    });
}

fn kinds(table: &mut Table) {
    table.bad(&DISCLOSURES_KIND, "an element's disclosure stands for a member", |it| {
        it.add("", &json!(["salt-9", "x"]));
    });
    table.bad(&DISCLOSURES_KIND, "a member's disclosure stands for an element", |it| {
        it.add("/skills", &json!(["salt-9", "x", 1]));
    });
    table.bad(&DISCLOSURES_KIND, "an element's disclosure stands for a member of a member", |it| {
        it.add("/employer", &json!(["salt-9", "x"]));
    });
    table.bad(
        &DISCLOSURES_KIND,
        "an element's disclosure stands for a member in a disclosure",
        |it| {
            let (text, digest) = maker::disclosure(&json!(["salt-9", "x"]));
            it.disclosures.push(text);
            it.add("", &json!(["salt-8", "outer", {"_sd": [digest]}]));
        },
    );
    table.bad(
        &DISCLOSURES_KIND,
        "a member's disclosure stands for an element in a disclosure",
        |it| {
            let (text, digest) = maker::disclosure(&json!(["salt-9", "x", 1]));
            it.disclosures.push(text);
            it.add("", &json!(["salt-8", "outer", [{"...": digest}]]));
        },
    );
    table.bad(
        &DISCLOSURES_KIND,
        "a member's disclosure stands for an element of a list in a list",
        |it| {
            it.payload()["skills"] = json!([["plain"]]);
            it.add("/skills/0", &json!(["salt-9", "x", 1]));
            it.disclosures.remove(2);
        },
    );
}

fn references(table: &mut Table) {
    let stray = json!(["salt-9", "x", 1]);
    table.bad(&DISCLOSURES_UNREFERENCED, "a disclosure that the issuer never signed", |it| {
        it.disclosures.push(maker::disclosure(&stray).0);
    });
    table.bad(
        &DISCLOSURES_UNREFERENCED,
        "an element's disclosure that the issuer never signed",
        |it| {
            it.disclosures.push(maker::disclosure(&json!(["salt-9", "x"])).0);
        },
    );
    table.bad(&DISCLOSURES_UNREFERENCED, "a disclosure said another way", |it| {
        it.disclosures[1] = maker::disclosure(&json!(["salt-2", "level", 5])).0;
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "a disclosure with another salt", |it| {
        it.disclosures[1] = maker::disclosure(&json!(["salt-3", "level", 3])).0;
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "a disclosure written another way", |it| {
        it.disclosures[1] = maker::raw_disclosure(br#"["salt-2", "level", 3]"#).0;
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "a disclosure whose parent is withheld", |it| {
        let (text, digest) = maker::disclosure(&stray);
        it.add("", &json!(["salt-8", "outer", {"_sd": [digest]}]));
        it.disclosures.pop();
        it.disclosures.push(text);
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "the digest in hexadecimal digits", |it| {
        let (text, digest) = maker::disclosure(&stray);
        let bytes = peshub::credentials::sdjwt::encoding::decode(&digest).unwrap();
        it.place("", &maker::hex(&bytes));
        it.disclosures.push(text);
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "the digest with padding", |it| {
        let (text, digest) = maker::disclosure(&stray);
        it.place("", &format!("{digest}="));
        it.disclosures.push(text);
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "the digest of the JSON and not of its text", |it| {
        let text = maker::disclosure(&stray).0;
        it.place("", &maker::digest_of(&stray.to_string()));
        it.disclosures.push(text);
    });
    table.bad(&DISCLOSURES_UNREFERENCED, "the digest stands in a claim that means nothing", |it| {
        let (text, digest) = maker::disclosure(&stray);
        it.payload()["digests"] = json!([digest]);
        it.disclosures.push(text);
    });
    for count in [2, 3] {
        table.bad(&DISCLOSURES_REPEATED, &format!("a disclosure comes {count} times"), |it| {
            for _ in 1..count {
                it.disclosures.push(it.disclosures[0].clone());
            }
        });
    }
    table.bad(&DISCLOSURES_REPEATED, "an element's disclosure comes twice", |it| {
        it.disclosures.push(it.disclosures[2].clone());
    });
    table.bad(&DISCLOSURES_REPEATED, "a disclosure without digest comes twice", |it| {
        let text = maker::disclosure(&stray).0;
        it.disclosures.extend([text.clone(), text]);
    });
    table.good("disclosures in another order", |it| it.disclosures.reverse());
    table.good("a disclosure within a disclosure, the inner one first", |it| {
        let (text, digest) = maker::disclosure(&stray);
        it.disclosures.push(text);
        it.add("", &json!(["salt-8", "outer", {"_sd": [digest]}]));
    });
}

fn digests(table: &mut Table) {
    let check = &DISCLOSURES_DIGEST_REPEATED;
    let own = |it: &Token, number: usize| maker::digest_of(&it.disclosures[number]);
    table.bad(check, "a digest twice in one object", |it| it.place("", &own(it, 0)));
    table.bad(check, "a digest in two objects", |it| it.place("/employer", &own(it, 1)));
    table.bad(check, "a digest twice in one list", |it| it.place("/skills", &own(it, 2)));
    table.bad(check, "a digest in a list and in an object", |it| it.place("", &own(it, 2)));
    table.bad(check, "a digest without disclosure twice in one object", |it| {
        it.place("", "withheld-or-decoy");
    });
    table.bad(check, "a digest without disclosure in two objects", |it| {
        it.place("/employer", "withheld-or-decoy");
    });
    table.bad(check, "a digest without disclosure in an object and in a list", |it| {
        it.place("/skills", "withheld-or-decoy");
    });
    table.bad(check, "a digest without disclosure twice, and nothing disclosed", |it| {
        it.place("", "withheld-or-decoy");
        it.disclosures.clear();
    });
    table.bad(check, "a digest in the payload and in a disclosure", |it| {
        it.add("", &json!(["salt-9", "outer", {"_sd": ["withheld-or-decoy"]}]));
    });
    table.bad(check, "a digest in two disclosures", |it| {
        it.add("", &json!(["salt-9", "outer", {"_sd": ["shared"]}]));
        it.add("", &json!(["salt-8", "other", [{"...": "shared"}]]));
    });
    table.bad(check, "a disclosed digest in the payload and in a disclosure", |it| {
        let digest = own(it, 1);
        it.add("", &json!(["salt-9", "outer", {"_sd": [digest]}]));
    });
    table.good("no digest at all, and none disclosed", |it| {
        it.disclosures.clear();
        it.remove("_sd");
        it.remove("_sd_alg");
        it.payload()["skills"] = json!([]);
        it.payload()["employer"] = json!({});
    });
    table.good("empty digests", |it| {
        it.payload()["empty"] = json!({"_sd": []});
    });
}

fn placement(table: &mut Table) {
    let odd = [
        ("a text", json!("digest")),
        ("an object", json!({"a": "digest"})),
        ("a number", json!(1)),
        ("null", Value::Null),
        ("true", json!(true)),
        ("a list with a number", json!(["digest", 1])),
        ("a list with null", json!([null])),
        ("a list in a list", json!([["digest"]])),
        ("a list with an object", json!([{"...": "digest"}])),
    ];
    for (what, value) in odd {
        let check = &DISCLOSURES_PLACEMENT;
        table.bad(check, &format!("_sd is {what}"), |it| {
            it.disclosures.clear();
            it.payload()["_sd"] = value.clone();
        });
        table.bad(check, &format!("_sd in an object is {what}"), |it| {
            it.payload()["other"] = json!({"_sd": value.clone()});
        });
        table.bad(check, &format!("_sd in an element is {what}"), |it| {
            it.payload()["other"] = json!([{"_sd": value.clone()}]);
        });
        table.bad(check, &format!("_sd in a disclosure is {what}"), |it| {
            it.add("", &json!(["salt-9", "outer", {"_sd": value}]));
        });
    }
    for (what, value) in [
        ("a number", json!(1)),
        ("null", Value::Null),
        ("a list", json!(["digest"])),
        ("an object", json!({})),
    ] {
        table.bad(&DISCLOSURES_PLACEMENT, &format!("... in an element is {what}"), |it| {
            it.payload()["other"] = json!([{"...": value}]);
        });
    }
    let places = [
        ("with another member", json!([{"...": "digest", "a": 1}])),
        ("with _sd", json!([{"...": "digest", "_sd": []}])),
        ("in an object", json!({"...": "digest"})),
        ("in an object with another member", json!({"...": "digest", "a": 1})),
        ("in an object in an element", json!([{"a": {"...": "digest"}}])),
        ("in an element of an element's member", json!([{"a": {"b": {"...": "digest"}}}])),
    ];
    for (what, value) in places {
        table.bad(&DISCLOSURES_PLACEMENT, &format!("... {what}"), |it| {
            it.payload()["other"] = value.clone();
        });
        table.bad(&DISCLOSURES_PLACEMENT, &format!("in a disclosure, ... {what}"), |it| {
            it.add("", &json!(["salt-9", "outer", value]));
        });
    }
    table.bad(&DISCLOSURES_PLACEMENT, "... at the top", |it| it.payload()["..."] = json!("digest"));
    table.bad(&DISCLOSURES_PLACEMENT, "_sd_alg in an object", |it| {
        it.payload()["other"] = json!({"_sd_alg": "sha-256"});
    });
    table.bad(&DISCLOSURES_PLACEMENT, "_sd_alg in an element", |it| {
        it.payload()["other"] = json!([{"_sd_alg": "sha-256"}]);
    });
    table.bad(&DISCLOSURES_PLACEMENT, "_sd_alg in a disclosure", |it| {
        it.add("", &json!(["salt-9", "outer", {"_sd_alg": "sha-256"}]));
    });
    table.good("a list of lists with digests", |it| {
        it.payload()["grid"] = json!([[{"...": "withheld-4"}], []]);
        it.add("/grid/1", &json!(["salt-9", [1, 2]]));
    });
}

fn counts(table: &mut Table) {
    let filled = |it: &mut Token, count: usize| {
        let own = it.disclosures.len();
        for number in own..count {
            it.add("/skills", &json!([number.to_string(), number]));
        }
    };
    table.good("1,000 disclosures", |it| filled(it, 1_000));
    table.bad(&DISCLOSURES_COUNT, "1,001 disclosures", |it| filled(it, 1_001));
    // The sound token has seven digests.
    let digests = |it: &mut Token, count: usize| {
        it.payload()["_sd"]
            .as_array_mut()
            .unwrap()
            .extend((7..count).map(|it| json!(it.to_string())));
    };
    table.good("10,000 digests", |it| digests(it, 10_000));
    table.bad(&DISCLOSURES_COUNT, "10,001 digests", |it| digests(it, 10_001));
    table.bad(&DISCLOSURES_COUNT, "10,001 digests, all but a few in a disclosure", |it| {
        let many: Vec<String> = (8..10_001).map(|it| it.to_string()).collect();
        it.add("", &json!(["salt-9", "outer", {"_sd": many}]));
    });
}
