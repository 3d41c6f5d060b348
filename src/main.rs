//! parvis: the edge in front of your web apps.
fn main() {}
