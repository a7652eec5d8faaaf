//! How large a token may be: what lies beyond is refused before work is spent on it.

/// Most bytes of a presentation, with its key binding. A credential with a picture has some 60,000.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;

/// Most bytes of a key-binding JWT.
pub const BINDING_BYTES_MAX: usize = 16 * 1024;

/// Most disclosures of a presentation.
pub const DISCLOSURES_MAX: usize = 1_000;

/// Most digests of a credential, with those in disclosures.
pub const DIGESTS_MAX: usize = 10_000;

/// How deep objects and lists may lie in each other, with the disclosures put in.
pub const NESTING_MAX: usize = 20;

/// Most certificates of a chain (`x5c`).
pub const CERTIFICATES_MAX: usize = 8;

/// Most bytes of a certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

/// Most signatures of a token in the general JSON serialisation.
pub const SIGNATURES_MAX: usize = 8;

/// Bytes of a salt that this hub makes (RFC 9901, section 9.3: at least 128 bits).
pub const SALT_BYTES: usize = 16;
