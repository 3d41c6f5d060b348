//! The operator's side: the HTTP interface, reloading, watching the configuration's files,
//! reminding of certificates that end.
//!
//! In: the running process. Out: metrics, a status, a new configuration in force.

mod analytics;
mod certificates;
mod dashboard;
mod http_interface;
mod images;
mod reload;
pub mod settings;
mod status;
mod watch;

pub use certificates::{SiteCertificate, certificates, now, remind};
pub use http_interface::{Interface, serve};
pub use reload::{Reloaded, Reloader, warn};
pub use status::{Listener, Status};
pub use watch::watch;
