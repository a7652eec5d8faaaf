//! Reading the audit trail: search, checkpoints, proofs, exports. It is written by `platform`.

pub mod export;
pub mod grpc;
pub mod queries;
pub mod store;
pub mod wire;
