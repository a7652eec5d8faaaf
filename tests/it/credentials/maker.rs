//! A maker of tokens, sound and unsound: it signs whatever it is told to.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::binding::BindingPolicy;
use peshub::credentials::sdjwt::defect::Defect;
use peshub::credentials::sdjwt::encoding;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use peshub::credentials::sdjwt::process::Disclosed;
use peshub::credentials::sdjwt::read::Presented;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

/// When everything happens.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const AUDIENCE: &str = "https://hub.example/platforms/one";
pub(crate) const NONCE: &str = "b1mE0b7x1mE4uHf9QmV2bQ";
/// How long ago a key binding may have been made.
pub(crate) const AGE_S_MAX: i64 = 300;

/// Keys of one run.
pub(crate) struct Keys {
    pub(crate) issuer: SecretKey,
    pub(crate) issuer_ed: SecretKey,
    pub(crate) holder: SecretKey,
    pub(crate) holder_ed: SecretKey,
    pub(crate) stranger: SecretKey,
}

pub(crate) static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let key = |algorithm| SecretKey::generate(algorithm).unwrap();
    Keys {
        issuer: key(Algorithm::Es256),
        issuer_ed: key(Algorithm::EdDsa),
        holder: key(Algorithm::Es256),
        holder_ed: key(Algorithm::EdDsa),
        stranger: key(Algorithm::Es256),
    }
});

/// What becomes of a signature before it is written.
pub(crate) type Tamper = fn(Vec<u8>) -> Vec<u8>;

/// A JWT as it is told to be.
#[derive(Clone)]
pub(crate) struct Jwt {
    pub(crate) header: Value,
    pub(crate) payload: Value,
    /// In place of the header as JSON.
    pub(crate) header_text: Option<Vec<u8>>,
    /// In place of the payload as JSON.
    pub(crate) payload_text: Option<Vec<u8>>,
    pub(crate) key: &'static SecretKey,
    pub(crate) tamper: Option<Tamper>,
}

impl Jwt {
    fn new(header: Value, payload: Value, key: &'static SecretKey) -> Self {
        Self { header, payload, header_text: None, payload_text: None, key, tamper: None }
    }

    pub(crate) fn parts(&self) -> [String; 3] {
        let text = |own: &Option<Vec<u8>>, value: &Value| {
            encoding::encode(&own.clone().unwrap_or_else(|| value.to_string().into_bytes()))
        };
        let header = text(&self.header_text, &self.header);
        let payload = text(&self.payload_text, &self.payload);
        let signature = self.key.sign(format!("{header}.{payload}").as_bytes()).unwrap();
        let signature = self.tamper.map_or(signature.clone(), |tamper| tamper(signature));
        [header, payload, encoding::encode(&signature)]
    }

    pub(crate) fn text(&self) -> String {
        self.parts().join(".")
    }
}

/// What stands as `sd_hash`.
#[derive(Clone)]
pub(crate) enum Hash {
    Right,
    Absent,
    Given(Value),
    Of(fn(&str) -> Value),
}

/// A presentation as it is told to be, and who verifies it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) jwt: Jwt,
    pub(crate) disclosures: Vec<String>,
    pub(crate) binding: Option<(Jwt, Hash)>,
    pub(crate) issuer: PublicKey,
    /// Whether a key binding is asked for.
    pub(crate) needs_binding: bool,
    pub(crate) now: i64,
}

/// Writes a disclosure, and returns it with its digest.
pub(crate) fn disclosure(items: &Value) -> (String, String) {
    raw_disclosure(items.to_string().as_bytes())
}

pub(crate) fn raw_disclosure(bytes: &[u8]) -> (String, String) {
    let text = encoding::encode(bytes);
    let digest = digest_of(&text);
    (text, digest)
}

/// Writes hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|it| [it >> 4, it & 15])
        .filter_map(|it| char::from_digit(it.into(), 16))
        .collect()
}

pub(crate) fn digest_of(text: &str) -> String {
    encoding::encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

impl Token {
    /// A sound one: two members, an element, and a member within a member are disclosed, one of each is withheld, and a key binding
    /// is there and asked for.
    pub(crate) fn sound() -> Self {
        let jwt = Jwt::new(
            json!({"alg": "ES256", "typ": "dc+sd-jwt", "kid": "2026-1"}),
            json!({
                "iss": "https://bureau.example/issuers/skills",
                "vct": "https://hub.example/types/skill-level/1",
                "iat": NOW - 1_000, "nbf": NOW - 1_000, "exp": NOW + 1_000_000,
                "cnf": {"jwk": KEYS.holder.public().to_jwk()},
                "status": {"status_list": {"idx": 7, "uri": "https://hub.example/status/1"}},
                "_sd_alg": "sha-256", "_sd": ["withheld-or-decoy"], "plain": "text",
                "skills": ["plain", {"...": "withheld-or-decoy-2"}],
                "employer": {"city": "杭州", "_sd": ["withheld-or-decoy-3"]},
            }),
            &KEYS.issuer,
        );
        let mut token = Self {
            jwt,
            disclosures: Vec::new(),
            binding: None,
            issuer: KEYS.issuer.public().clone(),
            needs_binding: true,
            now: NOW,
        };
        token.add("", &json!(["salt-1", "name", "张三"]));
        token.add("", &json!(["salt-2", "level", 3]));
        token.add("/skills", &json!(["salt-3", "welding"]));
        token.add("/employer", &json!(["salt-4", "name", "第一机床厂"]));
        let binding = Jwt::new(
            json!({"alg": "ES256", "typ": "kb+jwt"}),
            json!({"iat": NOW, "aud": AUDIENCE, "nonce": NONCE}),
            &KEYS.holder,
        );
        token.binding = Some((binding, Hash::Right));
        token
    }

    /// A sound one signed with Ed25519 by issuer and holder.
    pub(crate) fn sound_ed() -> Self {
        let mut token = Self::sound();
        token.jwt.header["alg"] = json!("EdDSA");
        token.jwt.key = &KEYS.issuer_ed;
        token.jwt.payload["cnf"] = json!({"jwk": KEYS.holder_ed.public().to_jwk()});
        token.issuer = KEYS.issuer_ed.public().clone();
        let binding = token.binding();
        binding.header["alg"] = json!("EdDSA");
        binding.key = &KEYS.holder_ed;
        token
    }

    /// Adds a disclosure, and its digest at a place.
    pub(crate) fn add(&mut self, place: &str, items: &Value) {
        let (text, digest) = disclosure(items);
        self.place(place, &digest);
        self.disclosures.push(text);
    }

    /// Adds a disclosure of any bytes, and its digest at the top.
    pub(crate) fn add_raw(&mut self, bytes: &[u8]) {
        let (text, digest) = raw_disclosure(bytes);
        self.place("", &digest);
        self.disclosures.push(text);
    }

    /// Puts a digest to the digests of an object, or as an element of a list.
    pub(crate) fn place(&mut self, place: &str, digest: &str) {
        match self.jwt.payload.pointer_mut(place).unwrap() {
            Value::Array(list) => list.push(json!({"...": digest})),
            Value::Object(object) => {
                let digests = object.entry("_sd").or_insert_with(|| json!([]));
                digests.as_array_mut().unwrap().push(json!(digest));
            }
            other => panic!("{other} holds no digests"),
        }
    }

    pub(crate) fn payload(&mut self) -> &mut Value {
        &mut self.jwt.payload
    }

    pub(crate) fn header(&mut self) -> &mut Value {
        &mut self.jwt.header
    }

    pub(crate) fn remove(&mut self, claim: &str) {
        self.jwt.payload.as_object_mut().unwrap().remove(claim).unwrap();
    }

    pub(crate) fn binding(&mut self) -> &mut Jwt {
        &mut self.binding.as_mut().unwrap().0
    }

    pub(crate) fn unbound(&mut self) {
        self.binding = None;
        self.needs_binding = false;
    }

    /// All of it that a key binding binds.
    pub(crate) fn bound_text(&self) -> String {
        let mut text = self.jwt.text();
        text.push('~');
        for disclosure in &self.disclosures {
            text.push_str(disclosure);
            text.push('~');
        }
        text
    }

    pub(crate) fn binding_text(&self, bound: &str) -> String {
        let Some((binding, hash)) = &self.binding else { return String::new() };
        let mut binding = binding.clone();
        let hash = match hash {
            Hash::Right => Some(json!(digest_of(bound))),
            Hash::Absent => None,
            Hash::Given(value) => Some(value.clone()),
            Hash::Of(of) => Some(of(bound)),
        };
        if let (Some(hash), Some(claims)) = (hash, binding.payload.as_object_mut()) {
            claims.insert("sd_hash".to_owned(), hash);
        }
        binding.text()
    }

    pub(crate) fn text(&self) -> String {
        let bound = self.bound_text();
        let binding = self.binding_text(&bound);
        bound + &binding
    }

    /// The flattened JSON serialisation.
    pub(crate) fn flattened(&self) -> Value {
        let text = self.text();
        let (bound, binding) = text.rsplit_once('~').unwrap();
        let mut parts = bound.split('~');
        let jwt: Vec<&str> = parts.next().unwrap().split('.').collect();
        let disclosures: Vec<&str> = parts.collect();
        let mut token = json!({
            "protected": jwt[0], "payload": jwt[1], "signature": jwt[2],
            "header": {"disclosures": disclosures},
        });
        if !binding.is_empty() {
            token["header"]["kb_jwt"] = json!(binding);
        }
        token
    }

    /// The general JSON serialisation, with a second signature by somebody else.
    pub(crate) fn general(&self) -> Value {
        let mut first = self.flattened();
        let payload = first.as_object_mut().unwrap().remove("payload").unwrap();
        let mut other = self.jwt.clone();
        other.key = &KEYS.stranger;
        let [protected, _, signature] = other.parts();
        let second =
            json!({"protected": protected, "signature": signature, "header": {"kid": "other"}});
        json!({"payload": payload, "signatures": [first, second]})
    }

    /// Does all that a verifier does with the format.
    pub(crate) fn verify(&self, text: &str) -> Result<Disclosed, Defect> {
        let presented = Presented::read(text)?;
        presented.verify_signature(&self.issuer)?;
        let disclosed = presented.disclose()?;
        if self.needs_binding {
            let now = OffsetDateTime::from_unix_timestamp(self.now).unwrap();
            let age_max = Duration::seconds(AGE_S_MAX);
            let policy = BindingPolicy { audience: AUDIENCE, nonce: NONCE, now, age_max };
            presented.verify_binding(&disclosed, &policy)?;
        }
        Ok(disclosed)
    }
}
