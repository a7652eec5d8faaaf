//! peshub
fn main() {}
