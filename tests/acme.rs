//! Certificates that are ordered and renewed by themselves: against Pebble, the CA that Let's Encrypt
//! made for tests.

mod support;

#[path = "acme/asked.rs"]
mod asked;
#[path = "acme/binary.rs"]
mod binary;
#[path = "acme/failures.rs"]
mod failures;
#[path = "acme/front.rs"]
mod front;
#[path = "acme/issuing.rs"]
mod issuing;
#[path = "acme/renewal.rs"]
mod renewal;
#[path = "acme/site.rs"]
mod site;
#[path = "acme/together.rs"]
mod together;
