//! Words: pure, no input or output, no gRPC.

pub mod clock;
pub mod fault;
pub mod fields;
pub mod ids;
