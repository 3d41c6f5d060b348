//! How certificates do, as `/status` and `parvis certs` tell it.

use serde::Serialize;

/// How a certificate does that ACME looks after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OrderStatus {
    /// The site it is for.
    pub site: String,
    /// The names that are wanted in it.
    pub names: Vec<String>,
    /// Whether its name is not in the configuration, but was asked for by a client.
    pub on_demand: bool,
    /// The CA's directory.
    pub directory: String,
    /// What is being done about it.
    pub state: State,
    /// When the certificate that is served ends (RFC 3339); `None`: there is none from the CA, and
    /// something self-signed serves.
    pub not_after: Option<String>,
    /// When it is to be renewed, or tried again (RFC 3339).
    pub next: Option<String>,
    /// How often in a row it could not be ordered.
    pub failures: u32,
    /// What was the matter last; `None`: nothing since a certificate was there.
    pub trouble: Option<Trouble>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The certificate is good; nothing is to be done yet.
    Good,
    /// It waits for its turn, or for the time to try again.
    Waiting,
    /// Another process or edge orders it.
    Elsewhere,
    /// It is being ordered.
    Ordering,
}

/// Why a certificate could not be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Trouble {
    /// In one line.
    pub message: String,
    /// The names that are to blame, each with the CA's words.
    pub names: Vec<(String, String)>,
    /// When it happened: seconds since the Unix epoch.
    pub at: u64,
}

/// A time (seconds since the Unix epoch) as RFC 3339 writes it.
pub fn rfc3339(seconds: u64) -> Option<String> {
    let seconds = i64::try_from(seconds).ok()?;
    Some(jiff::Timestamp::from_second(seconds).ok()?.to_string())
}
