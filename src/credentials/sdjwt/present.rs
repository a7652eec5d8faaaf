//! Presenting (RFC 9901, section 7.2): the holder's choice of claims, and a key binding over it.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::sdjwt::claims::Confirmation;
use crate::credentials::sdjwt::defect::Defect;
use crate::credentials::sdjwt::disclosure::HashFunction;
use crate::credentials::sdjwt::json::Object;
use crate::credentials::sdjwt::key::{SecretDefect, SecretKey};
use crate::credentials::sdjwt::process::Disclosed;
use crate::credentials::sdjwt::read::Presented;
use crate::credentials::sdjwt::{Profile, TYP_KEY_BINDING, jws};

/// Which of the claims that can be withheld are shown.
#[derive(Clone, Copy, Debug)]
pub enum Choice<'a> {
    /// All of them.
    All,
    /// What these paths name, with what lies below and what must be shown for it above. No path: nothing.
    Paths(&'a [ClaimPath]),
}

/// What a key binding is made of.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    /// The holder's key: the one in `cnf`.
    pub key: &'a SecretKey,
    /// For whom.
    pub audience: &'a str,
    /// For which occasion.
    pub nonce: &'a str,
    /// When.
    pub issued_at: OffsetDateTime,
}

/// Why nothing can be presented.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentDefect {
    /// The credential is none.
    #[error(transparent)]
    Credential(#[from] Defect),
    /// The credential has no claim of that path that can be withheld or shown.
    #[error("the credential has no claim {0}")]
    Path(ClaimPath),
    /// The key is not the one in `cnf`.
    #[error("the key is not the one that the credential is bound to")]
    Key,
    /// It cannot be signed.
    #[error(transparent)]
    Secret(#[from] SecretDefect),
}

/// Returns a presentation of what an issuer handed out.
///
/// # Errors
///
/// It is no credential, a path names nothing in it, or the key is not its holder's.
pub fn present(
    issued: &str,
    choice: Choice<'_>,
    proof: Option<&Proof<'_>>,
) -> Result<String, PresentDefect> {
    let presented = Presented::read_as(issued, Profile::Plain(None))?;
    presented.refuse_binding()?;
    let disclosed = presented.disclose()?;
    let chosen = choose(&disclosed, choice)?;
    let mut text = presented.signed().to_owned();
    text.push('~');
    for (number, disclosure) in presented.disclosures().enumerate() {
        if chosen.contains(&number) {
            text.push_str(disclosure);
            text.push('~');
        }
    }
    let Some(proof) = proof else { return Ok(text) };
    if disclosed.confirmation != Confirmation::Key(proof.key.public().clone()) {
        return Err(PresentDefect::Key);
    }
    Ok(bind(text, presented.hash(), proof)?)
}

/// Puts a key binding to a text that ends with a tilde.
///
/// # Errors
///
/// It cannot be signed.
pub fn bind(
    mut text: String,
    hash: HashFunction,
    proof: &Proof<'_>,
) -> Result<String, SecretDefect> {
    let mut claims = Object::new();
    claims.insert("iat".to_owned(), json!(proof.issued_at.unix_timestamp()));
    claims.insert("aud".to_owned(), json!(proof.audience));
    claims.insert("nonce".to_owned(), json!(proof.nonce));
    claims.insert("sd_hash".to_owned(), json!(hash.digest(&text)));
    text.push_str(&jws::sign(TYP_KEY_BINDING, None, &claims, proof.key)?);
    Ok(text)
}

/// Returns the numbers of the disclosures to show.
fn choose(disclosed: &Disclosed, choice: Choice<'_>) -> Result<Vec<usize>, PresentDefect> {
    let all = || disclosed.disclosed.iter().zip(disclosed.sources.iter().copied());
    let paths = match choice {
        Choice::All => return Ok(all().map(|(_, number)| number).collect()),
        Choice::Paths(paths) => paths,
    };
    let mut chosen = Vec::new();
    for path in paths {
        if !is_claim(disclosed, path) {
            return Err(PresentDefect::Path(path.clone()));
        }
        let shown = all().filter(|(own, _)| path.covers(own) || own.covers(path));
        chosen.extend(shown.map(|(_, number)| number));
    }
    Ok(chosen)
}

/// Returns whether there is a claim of that path.
fn is_claim(disclosed: &Disclosed, path: &ClaimPath) -> bool {
    let Some((Segment::Name(first), rest)) = path.segments().split_first() else { return false };
    let mut found: Vec<&Value> = disclosed.claims.get(first).into_iter().collect();
    for segment in rest {
        found = found
            .into_iter()
            .flat_map(|value| match (segment, value) {
                (Segment::Every, Value::Array(list)) => list.iter().collect(),
                (Segment::Element(index), Value::Array(list)) => {
                    list.get(*index).into_iter().collect()
                }
                (segment, Value::Object(object)) => {
                    object.get(&segment.to_string()).into_iter().collect()
                }
                _ => Vec::new(),
            })
            .collect();
    }
    !found.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::{Duration, OffsetDateTime};

    use crate::credentials::domain::{Algorithm, ClaimPath};
    use crate::credentials::sdjwt::TYP_SD_JWT_VC;
    use crate::credentials::sdjwt::binding::BindingPolicy;
    use crate::credentials::sdjwt::claims::Confirmation;
    use crate::credentials::sdjwt::issue::{Draft, prepare};
    use crate::credentials::sdjwt::jws::Header;
    use crate::credentials::sdjwt::key::SecretKey;
    use crate::credentials::sdjwt::present::{Choice, PresentDefect, Proof, present};
    use crate::credentials::sdjwt::read::Presented;

    fn path(text: &str) -> ClaimPath {
        let segments: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        ClaimPath::parse(&segments).unwrap()
    }

    #[test]
    fn what_is_issued_is_presented_in_part_and_verified() {
        let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        for algorithm in Algorithm::ALL {
            let issuer = SecretKey::generate(algorithm).unwrap();
            let holder = SecretKey::generate(algorithm).unwrap();
            let claims = json!({
                "iss": "https://issuer.example", "vct": "https://types.example/skill", "iat": 1_799_999_000,
                "cnf": {"jwk": holder.public().to_jwk()},
                "status": {"status_list": {"idx": 7, "uri": "https://issuer.example/lists/1"}},
                "name": "张三", "level": 3, "ages": {"18": true, "21": false},
                "skills": ["welding", {"title": "turning", "since": 2020}, "milling"],
            });
            let Value::Object(claims) = claims else { panic!() };
            let hidden = ["name", "level", "ages.18", "skills.*", "skills.1.since"].map(path);
            let header = Header {
                algorithm,
                typ: Some(TYP_SD_JWT_VC.to_owned()),
                kid: Some("1".to_owned()),
                x5c: Vec::new(),
            };
            let draft =
                Draft { header, claims: claims.clone(), hidden: &hidden, digests_multiple_of: 4 };
            let unsigned = prepare(draft).unwrap();
            let signature = issuer.sign(unsigned.signing_input()).unwrap();
            let complete = unsigned.finish(&signature);
            assert_eq!(Presented::read(&complete).unwrap().disclose().unwrap().claims, claims);

            let proof = Proof { key: &holder, audience: "platform", nonce: "n-1", issued_at: now };
            let chosen = ["level", "ages.18", "skills.1.since"].map(path);
            let text = present(&complete, Choice::Paths(&chosen), Some(&proof)).unwrap();
            let presented = Presented::read(&text).unwrap();
            presented.verify_signature(issuer.public()).unwrap();
            let disclosed = presented.disclose().unwrap();
            let mut expected = claims;
            expected.remove("name");
            expected.insert("ages".to_owned(), json!({"18": true, "21": false}));
            expected.insert("skills".to_owned(), json!([{"title": "turning", "since": 2020}]));
            assert_eq!(disclosed.claims, expected);
            let disclosed_at: Vec<_> =
                disclosed.disclosed.iter().map(ToString::to_string).collect();
            assert_eq!(disclosed_at, ["ages.18", "skills.0", "skills.0.since", "level"]);
            assert_eq!(disclosed.confirmation, Confirmation::Key(holder.public().clone()));
            assert_eq!(disclosed.status.as_ref().unwrap().index, 7);
            let policy = BindingPolicy {
                audience: "platform",
                nonce: "n-1",
                now,
                age_max: Duration::MINUTE,
            };
            assert_eq!(presented.verify_binding(&disclosed, &policy).unwrap().issued_at, now);

            let absent = present(&complete, Choice::Paths(&[path("wage")]), None).unwrap_err();
            assert_eq!(absent, PresentDefect::Path(path("wage")));
            let strange = Proof { key: &issuer, ..proof };
            assert_eq!(present(&complete, Choice::All, Some(&strange)), Err(PresentDefect::Key));
        }
    }
}
