//! Names that tell nothing without the hub's key.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::platform::keys::sealing::DataKey;

/// Longest registration number.
const EMPLOYER_CHARS_MAX: usize = 40;

/// Makes keyed digests, under a secret that the database holds wrapped alone.
#[derive(Clone)]
pub struct Blind(Arc<DataKey>);

impl Blind {
    /// Returns what makes digests under a secret.
    #[must_use]
    pub fn new(secret: DataKey) -> Self {
        Self(Arc::new(secret))
    }

    /// Returns the digest of an employer's registration number (统一社会信用代码, SIREN, EIN); `None` when it cannot be one. Spaces,
    /// hyphens and the case of letters do not matter.
    #[must_use]
    pub fn employer(&self, number: &str) -> Option<Uuid> {
        let plain: String =
            number.chars().filter(|it| !matches!(it, ' ' | '-')).collect::<String>();
        let is_number = (2..=EMPLOYER_CHARS_MAX).contains(&plain.len())
            && plain.bytes().all(|it| it.is_ascii_alphanumeric());
        let digest = self.0.mac(b"employer", plain.to_ascii_uppercase().as_bytes());
        let half = digest.first_chunk::<16>().copied().unwrap_or_default();
        is_number.then(|| uuid::Builder::from_custom_bytes(half).into_uuid())
    }

    /// Returns the digest of something in a context.
    #[must_use]
    pub fn digest(&self, context: &[u8], message: &[u8]) -> [u8; 32] {
        self.0.mac(context, message)
    }
}

impl fmt::Debug for Blind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Blind")
    }
}

#[cfg(test)]
mod tests {
    use crate::platform::keys::sealing::DataKey;
    use crate::subsidies::blind::Blind;

    #[test]
    fn an_employer_has_one_digest_however_its_number_is_written() {
        let blind = Blind::new(DataKey::from([7; 32]));
        let digest = blind.employer("91330106ma2chu0b7x");
        assert!(digest.is_some());
        assert_eq!(digest, blind.employer("9133 0106-MA2CHU0B7X"));
        assert_ne!(digest, blind.employer("91330106MA2CHU0B7Y"));
        assert_ne!(digest, Blind::new(DataKey::from([8; 32])).employer("91330106MA2CHU0B7X"));
        for none in ["", "1", "无", &"9".repeat(41)] {
            assert_eq!(blind.employer(none), None, "{none}");
        }
    }
}
