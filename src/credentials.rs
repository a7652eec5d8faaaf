//! Credentials of workers: who may issue them, issuing, presentation with consent, verification, status.
//!
//! A credential is an SD-JWT VC that its worker holds; the hub keeps who issued it, of which type, by which key, its digest and how it
//! stands, and never what it says. Verification decides from the token, the trust registry as it stood, and status lists: the same
//! three give the same verdict for ever. Whoever looks at a credential names a consent or a law.

pub mod consent;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod issuing;
pub mod queries;
pub mod registry;
pub mod schema;
pub mod sdjwt;
pub mod status;
pub mod store;
pub mod verify;
pub mod web;
pub mod wire;
