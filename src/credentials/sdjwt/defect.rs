//! What can be wrong with a token: every check of the format, with the clause that asks for it.

use std::fmt;

/// What kind of thing is wrong; decides the outcome of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It is no token of this format.
    Malformed,
    /// The chain of certificates does not lead from an anchor to its issuer.
    Untrusted,
    /// The issuer's signature does not hold.
    BadSignature,
    /// Who presents it has not shown to be its holder.
    BadBinding,
}

/// A check: what a token is held against. Each has one clause.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable name, for example `disclosures.unreferenced`.
    pub id: &'static str,
    /// What a token that fails it is.
    pub kind: Kind,
    /// The rule, for example `RFC 9901 7.1 (5)`.
    pub clause: &'static str,
}

/// A check that failed.
#[derive(Clone, PartialEq, Eq)]
pub struct Defect {
    /// Which one.
    pub check: &'static str,
    /// What the token is.
    pub kind: Kind,
    /// The rule that it breaks.
    pub clause: &'static str,
    /// What was found, for a person; nothing of what the token says.
    pub detail: String,
}

impl Check {
    const fn new(id: &'static str, kind: Kind, clause: &'static str) -> Self {
        Self { id, kind, clause }
    }

    /// Makes the finding that it failed. The detail holds nothing of what the token says.
    #[must_use]
    pub fn failed(&'static self, detail: impl Into<String>) -> Defect {
        Defect { check: self.id, kind: self.kind, clause: self.clause, detail: detail.into() }
    }
}

impl fmt::Debug for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.check, self.detail, self.clause)
    }
}

impl std::error::Error for Defect {}

/// Declares the checks, each as a constant, and all of them in the order in which they are made.
macro_rules! checks {
    ($($(#[$about:meta])* $name:ident = $id:literal, $kind:ident, $clause:literal;)*) => {
        $($(#[$about])* pub static $name: Check = Check::new($id, Kind::$kind, $clause);)*

        /// Every check of the format, in the order in which they are made.
        pub static ALL: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    /// It is no larger than is taken.
    FORMAT_SIZE = "format.size", Malformed, "credential format 2";
    /// Its parts are separated as they must be: three with dots, then each followed by a tilde.
    FORMAT_PARTS = "format.parts", Malformed, "RFC 9901 4";
    /// The JSON serialisation has the members that it must have, and `disclosures` where they belong.
    FORMAT_SERIALISATION = "format.serialisation", Malformed, "RFC 9901 8.1";
    /// Its parts are base64url without padding, and their bytes have no other text.
    FORMAT_ENCODING = "format.encoding", Malformed, "RFC 7515 2";
    /// Header and payload are JSON objects.
    FORMAT_JSON = "format.json", Malformed, "RFC 7519 7.2";
    /// No object has a name twice.
    FORMAT_NAMES = "format.names", Malformed, "RFC 7515 4";
    /// Objects and lists do not lie deeper in each other than is taken.
    FORMAT_NESTING = "format.nesting", Malformed, "credential format 2";
    /// Members of the header have their forms.
    FORMAT_HEADER = "format.header", Malformed, "RFC 7515 4.1";
    /// The algorithm is one that is taken; never `none`, never one with a shared secret.
    FORMAT_ALGORITHM = "format.algorithm", Malformed, "RFC 9901 7.1 (2)(a)";
    /// The header asks for nothing that is not understood.
    FORMAT_CRITICAL = "format.critical", Malformed, "RFC 7515 4.1.11";
    /// `typ` is what it must be.
    FORMAT_TYPE = "format.type", Malformed, "SD-JWT VC 2.2.1";
    /// The digests are made by a hash function that is taken.
    FORMAT_HASH = "format.hash", Malformed, "RFC 9901 7.1 (2)(d)";
    /// `vct` is there.
    FORMAT_VCT = "format.vct", Malformed, "SD-JWT VC 2.2.2.1";
    /// Registered claims have their forms.
    FORMAT_CLAIMS = "format.claims", Malformed, "RFC 7519 4.1";
    /// `status` has its form.
    FORMAT_STATUS = "format.status", Malformed, "Token Status List 6.2";
    /// `cnf` has its form, and no secret key in it.
    FORMAT_CONFIRMATION = "format.confirmation", Malformed, "RFC 7800 3.1";
    /// The chain of certificates leads from an anchor to the issuer at that time.
    KEY_CHAIN = "key.chain", Untrusted, "SD-JWT VC 2.5";
    /// The algorithm is the key's.
    SIGNATURE_ALGORITHM = "signature.algorithm", BadSignature, "RFC 8725 3.1";
    /// The issuer's signature holds.
    SIGNATURE_ISSUER = "signature.issuer", BadSignature, "RFC 9901 7.1 (2)(b)";
    /// There are not more disclosures and digests than are taken.
    DISCLOSURES_COUNT = "disclosures.count", Malformed, "credential format 2";
    /// Each disclosure is a JSON list of salt, name and value, or of salt and value.
    DISCLOSURES_FORM = "disclosures.form", Malformed, "RFC 9901 4.2.1";
    /// No disclosure comes twice.
    DISCLOSURES_REPEATED = "disclosures.repeated", Malformed, "RFC 9901 4";
    /// `_sd`, `...` and `_sd_alg` stand only where digests and their function are told.
    DISCLOSURES_PLACEMENT = "disclosures.placement", Malformed, "RFC 9901 4.1";
    /// No digest comes twice.
    DISCLOSURES_DIGEST_REPEATED = "disclosures.digest_repeated", Malformed, "RFC 9901 7.1 (4)";
    /// What stands for a member has a name, what stands for an element has none.
    DISCLOSURES_KIND = "disclosures.kind", Malformed, "RFC 9901 7.1 (3)(c)";
    /// No disclosure has a name that the format keeps for itself.
    DISCLOSURES_NAME = "disclosures.name", Malformed, "RFC 9901 7.1 (3)(c)(ii)(B)";
    /// What a verifier decides by is not hidden.
    DISCLOSURES_REGISTERED = "disclosures.registered", Malformed, "SD-JWT VC 2.2.2.3";
    /// No disclosure says what is said already.
    DISCLOSURES_EXISTING = "disclosures.existing", Malformed, "RFC 9901 7.1 (3)(c)(ii)(C)";
    /// Every disclosure has its digest.
    DISCLOSURES_UNREFERENCED = "disclosures.unreferenced", Malformed, "RFC 9901 7.1 (5)";
    /// There is a key binding where one is asked for.
    BINDING_PRESENT = "binding.present", BadBinding, "RFC 9901 7.3 (2)";
    /// There is no key binding where none may be.
    BINDING_ABSENT = "binding.absent", Malformed, "RFC 9901 7.2";
    /// The credential names its holder's key.
    BINDING_KEY = "binding.key", BadBinding, "RFC 9901 7.3 (5)(a)";
    /// The key binding is a JWT of that form.
    BINDING_FORM = "binding.form", BadBinding, "RFC 9901 4.3";
    /// Its algorithm is that of the holder's key.
    BINDING_ALGORITHM = "binding.algorithm", BadBinding, "RFC 9901 7.3 (5)(b)";
    /// The holder's signature holds.
    BINDING_SIGNATURE = "binding.signature", BadBinding, "RFC 9901 7.3 (5)(c)";
    /// Its `typ` is `kb+jwt`.
    BINDING_TYPE = "binding.type", BadBinding, "RFC 9901 7.3 (5)(d)";
    /// It was made a short while ago.
    BINDING_TIME = "binding.time", BadBinding, "RFC 9901 7.3 (5)(e)";
    /// It was made for who verifies.
    BINDING_AUDIENCE = "binding.audience", BadBinding, "RFC 9901 7.3 (5)(f)";
    /// It was made for this occasion.
    BINDING_NONCE = "binding.nonce", BadBinding, "RFC 9901 7.3 (5)(f)";
    /// It was made for exactly this credential and these disclosures.
    BINDING_HASH = "binding.hash", BadBinding, "RFC 9901 7.3 (5)(g)";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::credentials::sdjwt::defect::ALL;

    #[test]
    fn every_check_has_a_name_of_its_own() {
        let names: BTreeSet<_> = ALL.iter().map(|it| it.id).collect();
        assert_eq!(names.len(), ALL.len());
        let groups = ["format", "key", "signature", "disclosures", "binding"];
        assert!(
            names.iter().all(|it| groups.iter().any(|group| it.split('.').next() == Some(group)))
        );
    }
}
