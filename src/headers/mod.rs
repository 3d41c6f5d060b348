//! Fields of requests and answers: who the client is, the request's id, security presets,
//! `Cache-Control`.
//!
//! In: the `headers` and `cache_control` of sites and routes. Out: a [`HeaderPolicy`] per route
//! that is applied to every answer, and [`Forwarding`] for every request that goes to an app.

mod bearer;
mod client;
mod client_certificate;
mod policy;
pub mod request_id;
pub mod settings;

pub use bearer::has_token;
pub use client::{Forwarding, TrustedProxies, client_address, host, remove_underscored};
pub use client_certificate::{ShownCertificate, remove_client_certificate};
pub use policy::{HeaderPolicy, field_name, printed};
