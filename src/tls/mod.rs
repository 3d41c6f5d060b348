//! TLS: certificates that look after themselves.

pub mod acme;
