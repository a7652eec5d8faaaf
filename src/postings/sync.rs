//! Batches of changes: looked up, decided, written in one transaction, acknowledged.
//!
//! A batch is *prepared* outside any transaction: heads are looked up, contents read, decisions made. Then it is *committed*:
//! what is to change is locked, and if anything moved meanwhile the batch is prepared again. Nothing is decided on a state
//! that is not the one written to.

pub mod batch;
pub mod commit;
pub mod prepare;
pub mod stream;
