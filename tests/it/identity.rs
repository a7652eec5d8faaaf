//! Who is believed: hostile certificates and tokens, changes of trust while the hub serves, and the authority for pilots. Beside
//! each of them a platform and a bureau that behave go on.

mod certificates;
pub(crate) mod office;
mod pki;
mod serve;
mod standing;
mod tokens;
