//! Words: pure, no input or output, no gRPC.
pub mod fields;
