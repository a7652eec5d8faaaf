//! Writes something sound for each target to begin with: `seeds DIRECTORY`.

use std::fs;
use std::path::Path;

use peshub_fuzz::credentials::domain::{Algorithm, ClaimPath};
use peshub_fuzz::credentials::sdjwt::TYP_SD_JWT_VC;
use peshub_fuzz::credentials::sdjwt::issue::{Draft, prepare};
use peshub_fuzz::credentials::sdjwt::jws::Header;
use peshub_fuzz::credentials::sdjwt::key::SecretKey;
use peshub_fuzz::credentials::sdjwt::present::{Choice, Proof, present};
use serde_json::{Value, json};
use time::OffsetDateTime;

fn write(root: &str, target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(root).join(target);
    fs::create_dir_all(&folder).expect("the folder is made");
    fs::write(folder.join(name), bytes).expect("the seed is written");
}

fn main() {
    let root = std::env::args().nth(1).expect("a directory");
    let sound = "a && (n > 3 || xs.exists(x, x == n)) ? hue in ['red'] : years_between(d, date('2025-02-28')) >= param.p";
    write(&root, "expression", "sound", sound.as_bytes());
    let payload = json!({
        "iss": "https://a.example", "vct": "https://t.example", "iat": 1_800_000_000, "sub": "s",
        "status": {"status_list": {"idx": 1, "uri": "https://a.example/1"}},
        "_sd": ["@0", "@1", "decoy"], "_sd_alg": "sha-256", "l": [{"...": "@2"}, {"...": "x"}, 1],
    });
    let parts = [
        payload.to_string(),
        json!(["s", "a", {"_sd": ["@3"]}]).to_string(),
        json!(["s", "b", null]).to_string(),
        json!(["s", [1, {"c": 2}]]).to_string(),
        json!(["s", "d", "x"]).to_string(),
    ];
    write(&root, "payload", "sound", parts.join("\0").as_bytes());
    for algorithm in Algorithm::ALL {
        let key = SecretKey::generate(algorithm).expect("a key");
        let claims = json!({
            "iss": "https://a.example", "vct": "https://t.example", "cnf": {"jwk": key.public().to_jwk()},
            "a": {"b": [1, 2], "c": "ä"}, "d": null,
        });
        let Value::Object(claims) = claims else { return };
        let path = |text: &str| {
            let names: Vec<String> = text.split('.').map(str::to_owned).collect();
            ClaimPath::parse(&names).expect("a path")
        };
        let hidden = ["a", "a.b", "a.b.*", "d"].map(path);
        let typ = Some(TYP_SD_JWT_VC.to_owned());
        let header = Header { algorithm, typ, kid: Some("1".to_owned()), x5c: vec![vec![48, 0]] };
        let unsigned = prepare(Draft { header, claims, hidden: &hidden, digests_multiple_of: 3 });
        let unsigned = unsigned.expect("it is prepared");
        let signature = key.sign(unsigned.signing_input()).expect("it is signed");
        let text = unsigned.finish(&signature);
        let issued_at = OffsetDateTime::UNIX_EPOCH;
        let proof = Proof { key: &key, audience: "a", nonce: "n", issued_at };
        let bound = present(&text, Choice::All, Some(&proof)).expect("it is presented");
        let name = algorithm.name();
        write(&root, "presentation", name, text.as_bytes());
        write(&root, "presentation", &format!("{name}-bound"), bound.as_bytes());
        let (rest, binding) = bound.rsplit_once('~').expect("a key binding");
        write(&root, "jws", name, binding.as_bytes());
        let mut parts = rest.split('~');
        let jws: Vec<&str> = parts.next().expect("a JWT").split('.').collect();
        let disclosures: Vec<&str> = parts.collect();
        let header = json!({"disclosures": disclosures, "kb_jwt": binding});
        let signature = json!({"protected": jws[0], "signature": jws[2], "header": header});
        let mut flattened = signature.clone();
        flattened["payload"] = json!(jws[1]);
        let general = json!({"payload": jws[1], "signatures": [signature, {"protected": jws[0], "signature": jws[2]}]});
        write(&root, "serialised", name, flattened.to_string().as_bytes());
        write(&root, "serialised", &format!("{name}-general"), general.to_string().as_bytes());
        write(&root, "chain", name, key.public().to_jwk().to_string().as_bytes());
    }
}
