//! Every check of a verification, in the order in which they are made, and what became of each.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use crate::credentials::domain::Outcome;
use crate::credentials::sdjwt::defect::{self, Defect, Kind};

/// What a presentation is held against, besides its format.
#[derive(Debug)]
pub struct Rule {
    /// Stable name.
    pub id: &'static str,
    /// What becomes of a presentation that fails.
    pub outcome: Outcome,
    /// The clause that asks for it.
    pub clause: &'static str,
    /// Where it stands in [`ORDER`], once somebody has looked.
    place: OnceLock<Option<usize>>,
}

impl Rule {
    const fn new(id: &'static str, outcome: Outcome, clause: &'static str) -> Self {
        Self { id, outcome, clause, place: OnceLock::new() }
    }

    fn place(&self) -> Option<usize> {
        *self.place.get_or_init(|| PLACES.get(self.id).copied())
    }
}

/// Declares the checks that are not the format's, each as a constant, and all of them in their order.
macro_rules! rules {
    ($($(#[$about:meta])* $name:ident = $id:literal, $outcome:ident, $clause:literal;)*) => {
        $($(#[$about])* pub static $name: Rule = Rule::new($id, Outcome::$outcome, $clause);)*

        /// Every check that is not the format's, in the order in which they are made.
        pub static OWN: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    /// It says who issued it: by `iss`, or by a chain of certificates.
    ISSUER_NAMED = "issuer.named", UntrustedIssuer, "SD-JWT VC 2.5";
    /// The trust registry knows the issuer.
    ISSUER_KNOWN = "issuer.known", UntrustedIssuer, "trust registry: issuers";
    /// The issuer has the key, and no other could be meant.
    KEY_KNOWN = "key.known", UntrustedIssuer, "trust registry: keys";
    /// The key is of the algorithm, and signs credentials.
    KEY_FIT = "key.fit", UntrustedIssuer, "trust registry: keys";
    /// The key was in use when the credential was issued.
    KEY_PERIOD = "key.period", UntrustedIssuer, "trust registry: keys";
    /// The key was not in wrong hands, or the credential was known to the hub before.
    KEY_SAFE = "key.safe", UntrustedIssuer, "trust registry: keys";
    /// The nonce is one that the hub gave out for this consent, in its time, and was not used before.
    BINDING_SINGLE_USE = "binding.single_use", BadBinding, "RFC 9901 7.3 (5)(f)";
    /// The hub knows the type.
    TYPE_KNOWN = "type.known", OutOfScope, "SD-JWT VC 2.2.2.1";
    /// It is one of the types that the caller takes.
    TYPE_WANTED = "type.wanted", OutOfScope, "verification policy: type_names";
    /// The issuer was accredited for the type.
    SCOPE_TYPE = "scope.type", OutOfScope, "trust registry: accreditations";
    /// The accreditation held when the credential was issued.
    SCOPE_PERIOD = "scope.period", OutOfScope, "trust registry: accreditations";
    /// The accreditation is for the occupation.
    SCOPE_OCCUPATION = "scope.occupation", OutOfScope, "trust registry: accreditations";
    /// The accreditation is for the division.
    SCOPE_DIVISION = "scope.division", OutOfScope, "trust registry: accreditations";
    /// It was not issued in the future.
    TIME_ISSUED = "time.issued", NotYetValid, "RFC 7519 4.1.6";
    /// Its time has come.
    TIME_BEGUN = "time.begun", NotYetValid, "RFC 7519 4.1.5";
    /// Its time is not over.
    TIME_NOT_OVER = "time.not_over", Expired, "RFC 7519 4.1.4";
    /// Its status stands in a place that the hub knows how to look at.
    STATUS_MECHANISM = "status.mechanism", StatusUnavailable, "Token Status List 6.1";
    /// The status list can be had and believed.
    STATUS_LIST = "status.list", StatusUnavailable, "Token Status List 8.3";
    /// The list has the place.
    STATUS_INDEX = "status.index", StatusUnavailable, "Token Status List 8.3";
    /// It was not revoked.
    STATUS_NOT_REVOKED = "status.not_revoked", Revoked, "Token Status List 7.1";
    /// It is not suspended.
    STATUS_NOT_SUSPENDED = "status.not_suspended", Suspended, "Token Status List 7.1";
    /// What is known of the status is as new as the caller wants it, or as the list says.
    STATUS_FRESH = "status.fresh", StatusStale, "Token Status List 13.7";
    /// The consent is for this type.
    CONSENT_TYPE = "consent.type", Valid, "consent: types";
    /// The consent is the holder's.
    CONSENT_HOLDER = "consent.holder", Valid, "consent: evidence";
    /// What is told is covered by the consent.
    CONSENT_CLAIMS = "consent.claims", Valid, "consent: claims";
    /// What the caller needs is told.
    CLAIMS_REQUIRED = "claims.required", Malformed, "verification policy: required_claims";
}

/// Groups of checks in the order in which they are made.
const GROUPS: [&str; 12] = [
    "format",
    "issuer",
    "key",
    "signature",
    "disclosures",
    "binding",
    "type",
    "scope",
    "time",
    "status",
    "consent",
    "claims",
];

/// A check in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Stable name.
    pub id: &'static str,
    /// The clause.
    pub clause: &'static str,
    outcome: Outcome,
}

/// Every check in the order in which they are made.
pub static ORDER: LazyLock<Vec<Place>> = LazyLock::new(|| {
    let of_kind = |kind| match kind {
        Kind::Malformed => Outcome::Malformed,
        Kind::Untrusted => Outcome::UntrustedIssuer,
        Kind::BadSignature => Outcome::BadSignature,
        Kind::BadBinding => Outcome::BadBinding,
    };
    let format = defect::ALL.iter().map(|it| Place {
        id: it.id,
        clause: it.clause,
        outcome: of_kind(it.kind),
    });
    let own = OWN.iter().map(|it| Place { id: it.id, clause: it.clause, outcome: it.outcome });
    let all: Vec<Place> = format.chain(own).collect();
    let of = |group| all.iter().filter(move |place| group_of(place.id) == group);
    GROUPS.iter().flat_map(|group| of(*group)).copied().collect()
});

/// Where each check stands in [`ORDER`].
static PLACES: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| ORDER.iter().enumerate().map(|(at, place)| (place.id, at)).collect());

/// Where the format's checks of each group stand in [`ORDER`].
static FORMAT: LazyLock<HashMap<&'static str, Vec<usize>>> = LazyLock::new(|| {
    let mut groups: HashMap<&'static str, Vec<usize>> = HashMap::new();
    for check in defect::ALL {
        let group = groups.entry(group_of(check.id)).or_default();
        group.extend(PLACES.get(check.id));
    }
    groups
});

fn group_of(id: &'static str) -> &'static str {
    id.split('.').next().unwrap_or_default()
}

/// What became of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Result {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was not made.
    #[default]
    Skipped,
}

/// A check, what became of it, and why it does not hold.
pub type Entry<'a> = (&'static Place, Result, &'a str);

/// What became of every check of one verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    results: Vec<Result>,
    failures: Vec<(usize, Cow<'static, str>)>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { results: vec![Result::Skipped; ORDER.len()], failures: Vec::new() }
    }
}

impl Ledger {
    /// Notes that a check holds.
    pub fn pass(&mut self, rule: &Rule) {
        self.set(rule.place(), Result::Passed);
    }

    /// Notes that a check of the format holds.
    pub fn pass_by(&mut self, check: &defect::Check) {
        self.set(PLACES.get(check.id).copied(), Result::Passed);
    }

    /// Notes that a whole group of checks of the format holds.
    pub fn pass_group(&mut self, group: &str) {
        for at in FORMAT.get(group).into_iter().flatten() {
            self.set(Some(*at), Result::Passed);
        }
    }

    /// Notes that a check does not hold, and why.
    pub fn fail(&mut self, rule: &Rule, why: impl Into<Cow<'static, str>>) {
        self.failed(rule.place(), why.into());
    }

    /// Notes that a check of the format does not hold: those of its group before it do.
    pub fn fail_by(&mut self, defect: &Defect) {
        let failed = PLACES.get(defect.check).copied();
        let before = FORMAT.get(group_of(defect.check)).into_iter().flatten();
        for at in before.filter(|at| Some(**at) < failed) {
            self.set(Some(*at), Result::Passed);
        }
        self.failed(failed, defect.detail.clone().into());
    }

    /// Returns whether a check was made and does not hold.
    #[must_use]
    pub fn has_failed(&self, rule: &Rule) -> bool {
        self.failures.iter().any(|(at, _)| ORDER.get(*at).is_some_and(|it| it.id == rule.id))
    }

    /// Returns what the first failure makes of the presentation; VALID without one.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let first = self.failures.iter().map(|(at, _)| *at).min();
        first.and_then(|it| ORDER.get(it)).map_or(Outcome::Valid, |place| place.outcome)
    }

    /// Returns every check with what became of it, and why it does not hold.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        ORDER.iter().zip(&self.results).enumerate().map(|(at, (place, result))| {
            let why = self.failures.iter().find(|(index, _)| *index == at);
            (place, *result, why.map_or("", |(_, why)| why.as_ref()))
        })
    }

    /// Returns the checks that do not hold, in the order in which they are made.
    pub fn failures(&self) -> impl Iterator<Item = Entry<'_>> {
        // Nearly always there are none, which is quickly said.
        let count = if self.failures.is_empty() { 0 } else { self.results.len() };
        self.entries().take(count).filter(|(_, result, _)| *result == Result::Failed)
    }

    /// Returns what became of every check, a letter each.
    #[must_use]
    pub fn letters(&self) -> String {
        let letters = self.results.iter().map(|it| match it {
            Result::Passed => b'P',
            Result::Failed => b'F',
            Result::Skipped => b'S',
        });
        // Letters of ASCII are UTF-8.
        String::from_utf8(letters.collect()).unwrap_or_default()
    }

    fn failed(&mut self, at: Option<usize>, why: Cow<'static, str>) {
        self.set(at, Result::Failed);
        self.failures.extend(at.map(|at| (at, why)));
    }

    fn set(&mut self, at: Option<usize>, result: Result) {
        if let Some(own) = at.and_then(|at| self.results.get_mut(at)) {
            *own = result;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::credentials::domain::Outcome;
    use crate::credentials::sdjwt::defect;
    use crate::credentials::verify::check::{
        GROUPS, ISSUER_KNOWN, Ledger, ORDER, OWN, Result, STATUS_NOT_REVOKED, TIME_NOT_OVER,
    };

    #[test]
    fn every_check_has_its_place_once() {
        assert_eq!(ORDER.len(), defect::ALL.len() + OWN.len(), "a group is not listed: {GROUPS:?}");
        let names: BTreeSet<_> = ORDER.iter().map(|it| it.id).collect();
        assert_eq!(names.len(), ORDER.len());
        assert!(ORDER.iter().all(|it| !it.clause.is_empty()));
    }

    #[test]
    fn the_guide_has_every_check_with_its_clause() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/guides/credentials.md");
        let guide = std::fs::read_to_string(path).unwrap();
        for rule in OWN {
            let line = guide.lines().find(|it| it.starts_with(&format!("| `{}` |", rule.id)));
            let line = line.unwrap_or_else(|| panic!("{} is not in the guide", rule.id));
            assert!(line.ends_with(&format!("| {} |", rule.clause)), "{line}");
        }
    }

    #[test]
    fn the_first_failure_decides() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.outcome(), Outcome::Valid);
        ledger.fail(&STATUS_NOT_REVOKED, "revoked");
        assert_eq!(ledger.outcome(), Outcome::Revoked);
        ledger.fail(&TIME_NOT_OVER, "over");
        assert_eq!(ledger.outcome(), Outcome::Expired);
        ledger.fail(&ISSUER_KNOWN, "nobody");
        assert_eq!(ledger.outcome(), Outcome::UntrustedIssuer);
        let failed: Vec<_> = ledger.entries().filter(|it| it.1 == Result::Failed).collect();
        assert_eq!(failed.len(), 3);
        assert_eq!(failed[0].2, "nobody");
    }

    #[test]
    fn a_defect_passes_what_comes_before_it_in_its_group() {
        let mut ledger = Ledger::default();
        ledger.fail_by(&defect::BINDING_NONCE.failed("another nonce"));
        assert_eq!(ledger.outcome(), Outcome::BadBinding);
        let of = |id: &str| ledger.entries().find(|it| it.0.id == id).unwrap().1;
        assert_eq!(of("binding.signature"), Result::Passed);
        assert_eq!(of("binding.hash"), Result::Skipped);
        assert_eq!(of("format.size"), Result::Skipped);
    }
}
