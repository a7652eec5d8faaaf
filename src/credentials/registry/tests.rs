//! Which key, which accreditation, which list counts: exact outcomes at every edge of every period.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SanType,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::codes::divisions::Division;
use crate::codes::occupations;
use crate::credentials::domain::{AccreditationId, Algorithm};
use crate::credentials::registry::entry::{
    Accreditation, Held, Holding, Issuer, IssuerKey, KeyUse, StatusSigner,
};
use crate::credentials::registry::trust::{
    KeyRefusal, ScopeRefusal, Signed, Subject, division_of, occupation_token,
};
use crate::credentials::sdjwt::key::{PublicKey, SecretKey};
use crate::kernel::ids::{IssuerId, IssuerKeyId, ParticipantId};
use crate::pb::peshub::credentials::v1 as pb;

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const IDENTIFIER: &str = "https://academy.example/issuers/a";

fn day(number: i64) -> OffsetDateTime {
    START + Duration::days(number)
}

fn issuer(keys: Vec<IssuerKey>) -> Issuer {
    Issuer {
        id: IssuerId(1),
        name: "a".to_owned(),
        identifier: IDENTIFIER.to_owned(),
        display_name: "A".to_owned(),
        participant: None,
        owner: String::new(),
        registrar: ParticipantId(1),
        registered_by: "bureau".to_owned(),
        profile: 1,
        discovers_keys: false,
        created_at: START,
        keys: keys.into_iter().map(Arc::new).collect(),
        accreditations: Vec::new(),
        status_signers: Vec::new(),
    }
}

/// A key that signs from a day on.
fn key(key_id: &str, from: i64) -> IssuerKey {
    let public = SecretKey::generate(Algorithm::Es256).unwrap().public().clone();
    IssuerKey {
        id: IssuerKeyId(1),
        issuer: IssuerId(1),
        key_id: key_id.to_owned(),
        algorithm: Some(Algorithm::Es256),
        public_jwk: public.to_jwk().to_string(),
        public: Some(public),
        authority: None,
        holding: Holding::Issuer,
        key_use: KeyUse::Both,
        held: None,
        valid_from: day(from),
        retired_at: None,
        compromised_at: None,
        added_at: START,
    }
}

fn signed(key_id: Option<&str>, at: OffsetDateTime) -> Signed<'_> {
    let (algorithm, key_use) = (Algorithm::Es256, KeyUse::Credentials);
    Signed { key_id, algorithm, key_use, at, known_since: None }
}

/// Returns the id of the key, or why there is none.
fn found(issuer: &Issuer, signed: &Signed<'_>) -> Result<String, KeyRefusal> {
    issuer.key_for(signed).map(|key| key.key_id.clone())
}

#[test]
fn while_keys_rotate_both_count_and_one_that_is_not_named_is_ambiguous() {
    let old = IssuerKey { retired_at: Some(day(20)), ..key("old", 0) };
    let issuer = issuer(vec![key("new", 10), old]);
    let check = |key_id, at, expected: Result<&str, KeyRefusal>| {
        let found = found(&issuer, &signed(key_id, day(at)));
        assert_eq!(found, expected.map(str::to_owned), "{key_id:?} on day {at}");
    };
    check(Some("old"), -1, Err(KeyRefusal::NotYet));
    check(Some("old"), 0, Ok("old"));
    check(Some("new"), 9, Err(KeyRefusal::NotYet));
    check(Some("new"), 10, Ok("new"));
    check(Some("old"), 19, Ok("old"));
    check(Some("old"), 20, Err(KeyRefusal::Retired));
    check(Some("new"), 2_000, Ok("new"));
    check(Some("none"), 15, Err(KeyRefusal::Unknown));
    // Without a name: the only one that signed then, or nobody knows which.
    check(None, 5, Ok("old"));
    check(None, 15, Err(KeyRefusal::Ambiguous));
    check(None, 25, Ok("new"));
    check(None, -1, Err(KeyRefusal::Unknown));
}

#[test]
fn the_only_key_says_why_it_does_not_count_even_when_it_is_not_named() {
    let issuer = issuer(vec![IssuerKey { retired_at: Some(day(20)), ..key("one", 0) }]);
    assert_eq!(found(&issuer, &signed(None, day(19))), Ok("one".to_owned()));
    assert_eq!(found(&issuer, &signed(None, day(20))), Err(KeyRefusal::Retired));
    assert_eq!(found(&issuer, &signed(None, day(-1))), Err(KeyRefusal::NotYet));
}

#[test]
fn a_clock_may_be_a_minute_behind_when_a_key_begins_and_not_when_it_ends() {
    let issuer = issuer(vec![IssuerKey { retired_at: Some(day(20)), ..key("k", 10) }]);
    let check = |at, expected: Result<(), KeyRefusal>| {
        assert_eq!(found(&issuer, &signed(Some("k"), at)).map(drop), expected, "{at}");
    };
    check(day(10) - Duration::seconds(60), Ok(()));
    check(day(10) - Duration::seconds(61), Err(KeyRefusal::NotYet));
    check(day(20) - Duration::seconds(1), Ok(()));
    check(day(20), Err(KeyRefusal::Retired));
}

#[test]
fn what_a_compromised_key_signed_counts_only_if_the_hub_knew_it_before() {
    let lost = IssuerKey { compromised_at: Some(day(20)), ..key("k", 0) };
    let issuer = issuer(vec![lost]);
    let check = |at, known_since: Option<i64>, expected: Result<(), KeyRefusal>| {
        let known_since = known_since.map(day);
        let signed = Signed { known_since, ..signed(Some("k"), day(at)) };
        assert_eq!(found(&issuer, &signed).map(drop), expected, "{at} {known_since:?}");
    };
    // Whoever has the key writes what it likes into `iat`.
    check(5, None, Err(KeyRefusal::Compromised));
    check(5, Some(20), Err(KeyRefusal::Compromised));
    check(5, Some(19), Ok(()));
    check(25, Some(25), Err(KeyRefusal::Compromised));
    check(-1, Some(19), Err(KeyRefusal::NotYet));
}

#[test]
fn a_retired_key_that_is_compromised_later_is_both() {
    let ended =
        IssuerKey { retired_at: Some(day(10)), compromised_at: Some(day(20)), ..key("k", 0) };
    let issuer = issuer(vec![ended]);
    let check = |at, known_since: Option<i64>, expected: Result<(), KeyRefusal>| {
        let known_since = known_since.map(day);
        let signed = Signed { known_since, ..signed(Some("k"), day(at)) };
        assert_eq!(found(&issuer, &signed).map(drop), expected, "{at} {known_since:?}");
    };
    check(5, Some(6), Ok(()));
    check(15, Some(16), Err(KeyRefusal::Retired));
    check(5, None, Err(KeyRefusal::Compromised));
}

#[test]
fn a_key_signs_by_its_own_algorithm_and_what_it_is_for() {
    let lists = IssuerKey { key_use: KeyUse::StatusLists, ..key("lists", 0) };
    let credentials = IssuerKey { key_use: KeyUse::Credentials, ..key("credentials", 0) };
    let issuer = issuer(vec![lists, credentials]);
    let of = |key_id, algorithm, key_use| {
        let signed = Signed { algorithm, key_use, ..signed(key_id, day(1)) };
        found(&issuer, &signed)
    };
    let unfit = Err(KeyRefusal::Unfit);
    assert_eq!(of(Some("credentials"), Algorithm::EdDsa, KeyUse::Credentials), unfit);
    assert_eq!(of(Some("lists"), Algorithm::Es256, KeyUse::Credentials), unfit);
    assert_eq!(of(Some("credentials"), Algorithm::Es256, KeyUse::StatusLists), unfit);
    // What is not named is found among those that fit.
    assert_eq!(of(None, Algorithm::Es256, KeyUse::Credentials), Ok("credentials".to_owned()));
    assert_eq!(of(None, Algorithm::Es256, KeyUse::StatusLists), Ok("lists".to_owned()));
    assert_eq!(of(None, Algorithm::EdDsa, KeyUse::Credentials), Err(KeyRefusal::Unknown));
}

#[test]
fn the_hub_signs_with_the_newest_of_its_keys_that_counts_now() {
    let held = || Some(Held { provider: "wrapped".to_owned(), handle: Vec::new() });
    let next = IssuerKey { held: held(), ..key("next", 30) };
    let newest = IssuerKey { held: held(), retired_at: Some(day(40)), ..key("newest", 20) };
    let lost = IssuerKey { held: held(), compromised_at: Some(day(19)), ..key("lost", 15) };
    let oldest = IssuerKey { held: held(), ..key("oldest", 0) };
    let issuer = issuer(vec![next, newest, key("own", 25), lost, oldest]);
    let check = |at, expected: Option<&str>| {
        let key = issuer.signing_key(KeyUse::Credentials, at);
        assert_eq!(key.map(|key| key.key_id.as_str()), expected, "{at}");
    };
    check(day(-1), None);
    check(day(16), Some("oldest"));
    check(day(26), Some("newest"));
    check(day(30) - Duration::seconds(1), Some("newest"));
    check(day(50), Some("next"));
}

fn accreditation(occupations: &[&str], divisions: &[&str]) -> Accreditation {
    let token = |code: &&str| occupation_token(occupations::Scheme::Csco2022, code).unwrap();
    Accreditation {
        id: AccreditationId(Uuid::nil()),
        issuer: IssuerId(1),
        type_name: "t".to_owned(),
        occupations: occupations.iter().map(token).collect(),
        divisions: divisions
            .iter()
            .map(|code| division_of(code).unwrap())
            .collect::<Vec<&Division>>(),
        content: pb::Accreditation::default(),
        valid_from: day(10),
        valid_until: Some(day(20)),
        granted_by: ParticipantId(1),
        withdrawn_at: None,
    }
}

#[test]
fn an_accreditation_holds_for_its_type_time_occupations_and_divisions_and_all_below_them() {
    let mut issuer = issuer(Vec::new());
    // Mechanical manufacturing in Hangzhou.
    issuer.accreditations = vec![Arc::new(accreditation(&["6-18"], &["330100"]))];
    let check =
        |type_name: &str, (occupation, division), at, expected: Result<(), ScopeRefusal>| {
            let occupation = Some(occupation).filter(|it: &&str| !it.is_empty());
            let subject = Subject::of_codes(
                occupation.map(|code| (occupations::Scheme::Csco2022, code)),
                Some(division).filter(|it: &&str| !it.is_empty()),
            );
            let found = issuer.accreditation(type_name, &subject, at).map(drop);
            assert_eq!(found, expected, "{type_name} {occupation:?} {division} {at}");
        };
    let welder_in_xihu = ("6-18-02-04", "330106");
    check("t", welder_in_xihu, day(15), Ok(()));
    check("t", ("6-18", "330100"), day(15), Ok(()));
    check("other", welder_in_xihu, day(15), Err(ScopeRefusal::Type));
    check("t", welder_in_xihu, day(10) - Duration::seconds(60), Ok(()));
    check("t", welder_in_xihu, day(10) - Duration::seconds(61), Err(ScopeRefusal::Time));
    check("t", welder_in_xihu, day(20) - Duration::seconds(1), Ok(()));
    check("t", welder_in_xihu, day(20), Err(ScopeRefusal::Time));
    check("t", ("6-06-03-01", "330106"), day(15), Err(ScopeRefusal::Occupation));
    check("t", ("6", "330106"), day(15), Err(ScopeRefusal::Occupation));
    check("t", ("", "330106"), day(15), Err(ScopeRefusal::Occupation));
    check("t", ("welder", "330106"), day(15), Err(ScopeRefusal::Occupation));
    check("t", ("6-18-02-04", "330000"), day(15), Err(ScopeRefusal::Division));
    check("t", ("6-18-02-04", "440300"), day(15), Err(ScopeRefusal::Division));
    check("t", ("6-18-02-04", ""), day(15), Err(ScopeRefusal::Division));
    check("t", ("6-18-02-04", "999999"), day(15), Err(ScopeRefusal::Division));
    // 330104 was made a part of 330102 in 2021, which lies in Hangzhou.
    check("t", ("6-18-02-04", "330104"), day(15), Ok(()));
    check("t", ("6-18-02-04", "CN-ZJ"), day(15), Err(ScopeRefusal::Division));
}

#[test]
fn an_accreditation_that_names_nothing_holds_everywhere_until_it_is_withdrawn() {
    let mut issuer = issuer(Vec::new());
    let of_all = Accreditation { withdrawn_at: Some(day(12)), ..accreditation(&[], &[]) };
    issuer.accreditations = vec![Arc::new(of_all), Arc::new(accreditation(&[], &["440300"]))];
    let anything = Subject::default();
    let found = |at| issuer.accreditation("t", &anything, at).map(drop);
    assert_eq!(found(day(11)), Ok(()));
    assert_eq!(found(day(12) - Duration::microseconds(1)), Ok(()));
    // The nearest refusal is told: the other one holds at this time, elsewhere.
    assert_eq!(found(day(12)), Err(ScopeRefusal::Division));
    assert_eq!(found(day(30)), Err(ScopeRefusal::Time));
}

#[test]
fn lists_come_from_under_the_longest_address_that_was_entered_and_from_nowhere_else() {
    let mut issuer = issuer(Vec::new());
    let signer = |uri_prefix: &str, signer| StatusSigner {
        issuer: IssuerId(1),
        uri_prefix: uri_prefix.to_owned(),
        signer: IssuerId(signer),
        added_at: START,
    };
    issuer.status_signers =
        vec![signer("https://a.example/lists/", 1), signer("https://a.example/lists/special/", 2)];
    let check = |uri: &str, expected: Option<i64>| {
        let found = issuer.status_signer(uri).map(|it| it.signer.0);
        assert_eq!(found, expected, "{uri}");
    };
    check("https://a.example/lists/1", Some(1));
    check("https://a.example/lists/special/1", Some(2));
    check("https://a.example/other/1", None);
    check("http://a.example/lists/1", None);
    check("https://a.example.evil.example/lists/1", None);
    check("https://a.example/lists/../other/1", None);
    check("https://a.example/lists/%2E%2e/other/1", None);
    check("https://a.example/lists/special/..", None);
    for step in [".", "%2e", ".%2E", "%2e.", "%2E%2e"] {
        check(&format!("https://a.example/lists/{step}/1"), None);
        check(&format!("https://a.example/lists\\{step}?1"), None);
        check(&format!("https://a.example/lists/{step}"), None);
    }
    for step in ["...", "%2e%2e%2e", "a.", ".a", "%2e%", "..%2f", "é"] {
        check(&format!("https://a.example/lists/{step}/1"), Some(1));
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, (from, until): (i64, i64)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = (day(from), day(until));
    params
}

fn root(period: (i64, i64)) -> Authority {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    CertifiedIssuer::self_signed(authority("root", period), key).unwrap()
}

fn between(above: &Authority, period: (i64, i64)) -> Authority {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    CertifiedIssuer::signed_by(authority("between", period), key, above).unwrap()
}

/// A certificate that names somebody, and its key.
fn leaf(above: &Authority, name: &str, (from, until): (i64, i64)) -> (Vec<u8>, PublicKey) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (day(from), day(until));
    let certificate = params.signed_by(&key, above).unwrap();
    let public = SecretKey::of_pkcs8(&key.serialize_der()).unwrap().public().clone();
    (certificate.der().to_vec(), public)
}

fn anchored(root: &Authority) -> IssuerKey {
    IssuerKey {
        algorithm: None,
        public: None,
        public_jwk: String::new(),
        authority: Some(root.der().to_vec()),
        holding: Holding::Authority,
        ..key("authority", 0)
    }
}

/// Returns the key of a chain as of a day, or why there is none.
fn of_chain(issuer: &Issuer, x5c: &[Vec<u8>], at: i64) -> Result<PublicKey, KeyRefusal> {
    issuer.key_of_chain(x5c, KeyUse::Credentials, day(at), None).map(|found| found.public)
}

#[test]
fn a_chain_leads_to_an_authority_and_names_the_issuer_as_of_when_it_signed() {
    let root = root((0, 1_000));
    let between = between(&root, (10, 100));
    let (own, public) = leaf(&between, IDENTIFIER, (20, 50));
    let chain = vec![own.clone(), between.der().to_vec()];
    let issuer = issuer(vec![anchored(&root)]);
    let chained = Err(KeyRefusal::Chain);
    assert_eq!(of_chain(&issuer, &chain, 30), Ok(public.clone()));
    assert_eq!(of_chain(&issuer, &chain, 19), chained, "its time has not come");
    assert_eq!(of_chain(&issuer, &chain, 51), chained, "it has expired");
    assert_eq!(of_chain(&issuer, &[own], 30), chained, "what leads to the authority is not there");
    assert_eq!(of_chain(&issuer, &[], 30), chained);
    // The authority itself may stand in the chain, and changes nothing.
    let whole = [chain.clone(), vec![root.der().to_vec()]].concat();
    assert_eq!(of_chain(&issuer, &whole, 30), Ok(public));
    let long = vec![chain[0].clone(); 20];
    assert_eq!(of_chain(&issuer, &long, 30), chained);
    let (other, _) = leaf(&between, "https://academy.example/issuers/b", (20, 50));
    assert_eq!(of_chain(&issuer, &[other, chain[1].clone()], 30), chained, "another's name");
    assert_eq!(of_chain(&issuer, &[vec![1, 2, 3]], 30), chained, "no certificate");
}

#[test]
fn an_intermediate_that_had_expired_leads_nowhere_however_long_the_leaf_lives() {
    let root = root((0, 1_000));
    let between = between(&root, (10, 30));
    let (own, public) = leaf(&between, IDENTIFIER, (10, 900));
    let chain = vec![own, between.der().to_vec()];
    let issuer = issuer(vec![anchored(&root)]);
    assert_eq!(of_chain(&issuer, &chain, 29), Ok(public));
    assert_eq!(of_chain(&issuer, &chain, 31), Err(KeyRefusal::Chain));
}

#[test]
fn an_authority_counts_within_its_time_in_the_registry_and_within_its_own() {
    let root_of_year = root((0, 365));
    let (own, public) = leaf(&root_of_year, IDENTIFIER, (0, 900));
    let chain = vec![own];
    let at = |authority: IssuerKey, at, known_since: Option<i64>| {
        let issuer = issuer(vec![authority]);
        let found = issuer.key_of_chain(&chain, KeyUse::Credentials, day(at), known_since.map(day));
        found.map(|found| found.public)
    };
    let plain = || anchored(&root_of_year);
    assert_eq!(at(plain(), 364, None), Ok(public.clone()));
    assert_eq!(at(plain(), 366, None), Err(KeyRefusal::Chain), "the authority has expired");
    let late = IssuerKey { valid_from: day(100), ..plain() };
    assert_eq!(at(late, 99, None), Err(KeyRefusal::NotYet));
    let retired = || IssuerKey { retired_at: Some(day(200)), ..plain() };
    assert_eq!(at(retired(), 199, None), Ok(public.clone()));
    assert_eq!(at(retired(), 200, None), Err(KeyRefusal::Retired));
    let lost = || IssuerKey { compromised_at: Some(day(200)), ..plain() };
    assert_eq!(at(lost(), 100, None), Err(KeyRefusal::Compromised));
    assert_eq!(at(lost(), 100, Some(150)), Ok(public));
    let lists = IssuerKey { key_use: KeyUse::StatusLists, ..plain() };
    assert_eq!(at(lists, 100, None), Err(KeyRefusal::Unfit));
    let strange = anchored(&root((0, 365)));
    assert_eq!(at(strange, 100, None), Err(KeyRefusal::Chain), "another authority of that name");
}
